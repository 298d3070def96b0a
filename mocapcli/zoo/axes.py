"""Local axis conventions: which way a joint's own frame points. The motion in the world never depends on it."""

from typing import Literal, get_args

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from mocapcli.zoo.body import Body

Axes = Literal["y_along", "x_along", "x_mirrored", "z_along", "world", "random"]
AXES: tuple[str, ...] = get_args(Axes)


def joint_frames(body: Body, axes: Axes, rng: np.random.Generator) -> Float[np.ndarray, "joints 3 3"]:
    """Each joint's frame in the bind pose, as columns in world space."""
    count = len(body.names)
    if axes == "world":
        return np.tile(np.eye(3), (count, 1, 1))
    if axes == "random":
        return Rotation.random(count, rng=rng).as_matrix()
    order = {"y_along": (1, 2, 0), "x_along": (0, 1, 2), "x_mirrored": (0, 1, 2), "z_along": (2, 0, 1)}[axes]
    frames = np.empty((count, 3, 3))
    for joint in range(count):
        along = body.bone(joint)
        if axes == "x_mirrored" and body.labels[joint].side < 0:
            along = -along
        reference = np.array([1.0, 0.0, 0.0]) if abs(along[2]) > 0.9 else np.array([0.0, 0.0, 1.0])
        second = reference - along * float(reference @ along)
        second /= np.linalg.norm(second)
        for axis, column in zip(order, (along, second, np.cross(along, second)), strict=True):
            frames[joint, :, axis] = column
    return frames
