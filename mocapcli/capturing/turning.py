"""Stage 2 along a clip, and where the rig stands in it."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from jaxtyping import Float, Int

from mocapcli.capturing.windows import takeover, window_length, windows
from mocapcli.kinematics import (
    affine,
    bones_in_parents,
    carried,
    compose,
    depth_levels,
    matrix_to_quat,
    quat_to_matrix,
    slerp,
)
from mocapcli.loose_feet import feet_on_legs
from mocapcli.network.reference import RigReference, batch_rigs
from mocapcli.network.rotation_head import RotationHead

OVERLAP = 48  # stage 2 averages headings over fifteen frames on either side and attends to more
RUN = 1 << 16  # frames × joints placed at a time
Quaternions = Float[np.ndarray, "frames joints 4"]
Points = Float[np.ndarray, "frames joints 3"]


def turn(
    head: RotationHead,
    reference: RigReference,
    points: Points,
    noise: Float[np.ndarray, "frames joints"],
    progress: Callable[[int], object] = lambda _: None,
) -> Quaternions:
    """World rotations from joints and their expected deviation, both in sizes."""
    device = next(head.parameters()).device
    rig = batch_rigs([reference]).to(device)
    frames, joints = points.shape[:2]
    turned, done = np.tile([0.0, 0.0, 0.0, 1.0], (frames, joints, 1)), 0
    for first, last in windows(frames, window_length(joints, OVERLAP), OVERLAP):
        part = slice(first, last)
        centred = points[part] - points[part].mean(axis=(0, 1))
        told = [torch.from_numpy(values).float()[None].to(device) for values in (centred, noise[part])]
        world = head(told[0], rig, told[1]).world[0].double().cpu().numpy()
        new, share = matrix_to_quat(world), takeover(first, last, done)
        blend = share < 1
        turned[first:last][~blend] = new[~blend]
        turned[first:last][blend] = slerp(turned[first:last][blend], new[blend], share[blend][:, None, None])
        progress(last - done)
        done = last
    return turned


def stand(
    reference: RigReference, rotations: Quaternions, points: Points, weights: Float[np.ndarray, "frames joints"]
) -> Points:
    """All joints (metres) of the turned rig, each root's part put where its joints lie nearest to `points`.

    Bones are those of the reference pose. Only joints that deform have a say, by their weights.
    """
    roots = root_of(reference)
    out = np.empty_like(points)
    for part in _runs(len(points), reference.joints):
        turns = quat_to_matrix(rotations[part])
        placed = carried(turns, bones_of(reference), reference.carriers, np.zeros((*turns.shape[:2], 3)))
        for root in np.flatnonzero(reference.carriers < 0):
            mine = roots == root
            counted = mine & reference.deforms if (mine & reference.deforms).any() else mine
            share = weights[part][:, counted] / weights[part][:, counted].sum(axis=1, keepdims=True)
            away = ((points[part] - placed)[:, counted] * share[..., None]).sum(axis=1)
            placed[:, mine] += away[:, None]
        out[part] = placed
    return out


def feet_along(reference: RigReference, rotations: Quaternions, placed: Points) -> Points:
    """Joints (metres) of a rig whose legs were turned since it stood: loose feet are where they end now."""
    if reference.legs is None or (reference.legs < 0).all():
        return placed
    known = affine(reference.reference_rotations, reference.reference_positions)
    world = feet_on_legs(compose(rotations, placed), known, reference.parents, reference.legs)
    return np.asarray(world[..., :3, 3])


def bones_of(reference: RigReference) -> Float[np.ndarray, "joints 3"]:
    """Each joint's offset in the axes of what carries it, in the reference pose; a root's is nothing."""
    return bones_in_parents(reference.reference_positions, reference.reference_rotations, reference.carriers)


def root_of(reference: RigReference) -> Int[np.ndarray, " joints"]:
    """The root of each joint's tree."""
    roots = np.arange(reference.joints)
    for joints in depth_levels(reference.carriers)[1:]:
        roots[joints] = roots[reference.carriers[joints]]
    return roots


def _runs(frames: int, joints: int) -> Iterator[slice]:
    step = max(1, RUN // joints)
    return (slice(first, first + step) for first in range(0, frames, step))
