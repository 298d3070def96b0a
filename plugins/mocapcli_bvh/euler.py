"""Euler angles in any order, continuous over time. Angles are degrees, products are in the order listed."""

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial.transform import Rotation

LOCKED = 1e-6  # cosine of the middle angle below which the outer two turn about the same axis


def euler_to_quat(order: str, degrees: Float[np.ndarray, "frames axes"]) -> Float[np.ndarray, "frames 4"]:
    """The product of rotations about the axes in `order`: any axes, any number of them.

    Written out because it is most of reading a file: a fifth of the time of scipy's `from_euler`.
    """
    half = np.radians(degrees.T) / 2
    product = [np.zeros(len(degrees)) for _ in range(3)] + [np.ones(len(degrees))]
    for axis, cosine, sine in zip(order, np.cos(half), np.sin(half), strict=True):
        a = "XYZ".index(axis)
        b, c = (a + 1) % 3, (a + 2) % 3
        product[a], product[3] = product[a] * cosine + product[3] * sine, product[3] * cosine - product[a] * sine
        product[b], product[c] = product[b] * cosine + product[c] * sine, product[c] * cosine - product[b] * sine
    return np.stack(product, axis=-1)


def quat_to_euler(
    order: str, rotations: Float[np.ndarray, "frames 4"], flat: bool = False
) -> Float[np.ndarray, "frames 3"]:
    """Angles for three different axes, without jumps: each frame takes whichever of its two solutions is nearer
    to the frame before, and whole turns are unwound.

    `flat` prefers a small third angle instead: what a joint with only the first two channels needs.
    """
    first, second, third = ("XYZ".index(axis) for axis in order)
    sign = 1.0 if (second - first) % 3 == 1 else -1.0
    matrices = Rotation.from_quat(rotations).as_matrix()
    outer = _third_angle(matrices, first, second, third, sign)
    cosine, sine = np.cos(outer), np.sin(outer)
    # With the third turn taken off what remains is (first · second), well defined even at gimbal lock.
    side = cosine[:, None] * matrices[:, :, second] + sign * sine[:, None] * matrices[:, :, first]
    along = cosine * matrices[:, first, first] - sign * sine * matrices[:, first, second]
    inner = np.arctan2(sign * side[:, third], side[:, second])
    middle = np.arctan2(sign * matrices[:, first, third], along)
    angles = np.degrees(np.stack([inner, middle, outer], axis=1))
    other = _twin(angles)
    take_other = cosine < 0 if flat else _nearer_branch(angles, other)
    unwound: np.ndarray = np.unwrap(np.where(take_other[:, None], other, angles), period=360.0, axis=0)
    return unwound


def _third_angle(
    matrices: Float[np.ndarray, "frames 3 3"], first: int, second: int, third: int, sign: float
) -> Float[np.ndarray, " frames"]:
    """Radians; frames at gimbal lock, where any value would do, hold the last one before (or the first after)."""
    sine, cosine = -sign * matrices[:, first, second], matrices[:, first, first]
    free = np.hypot(sine, cosine) > LOCKED
    angles: np.ndarray = np.arctan2(sine, cosine)
    if free.all():
        return angles
    if not free.any():
        return np.zeros_like(angles)
    last = np.maximum.accumulate(np.where(free, np.arange(len(angles)), -1))
    held: np.ndarray = angles[np.where(last < 0, np.argmax(free), last)]
    return held


def _twin(angles: Float[np.ndarray, "frames 3"]) -> Float[np.ndarray, "frames 3"]:
    """The other three angles that mean the same rotation."""
    return np.stack([angles[:, 0] + 180.0, 180.0 - angles[:, 1], angles[:, 2] + 180.0], axis=1)


def _nearer_branch(
    angles: Float[np.ndarray, "frames 3"], other: Float[np.ndarray, "frames 3"]
) -> Bool[np.ndarray, " frames"]:
    """Frames whose twin continues the frame before: switching is mutual, so the choices are a running parity."""
    stay, switch = _distance(angles[1:], angles[:-1]), _distance(other[1:], angles[:-1])
    parity = np.cumsum(switch < stay) % 2 == 1
    return np.concatenate([[False], parity])


def _distance(
    left: Float[np.ndarray, "frames 3"], right: Float[np.ndarray, "frames 3"]
) -> Float[np.ndarray, " frames"]:
    turns = np.abs((left - right + 180.0) % 360.0 - 180.0)
    total: np.ndarray = turns.sum(axis=1)
    return total
