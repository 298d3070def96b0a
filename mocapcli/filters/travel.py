"""Where a clip goes: its top-most moving joints, the way of the body, and a clip with that way taken out."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int

from mocapcli.filters.chain import check_rig
from mocapcli.kinematics import motion_world, rest_world
from mocapcli.types import Motion, Rig, Skeleton

HORIZONTAL = np.array([1.0, 0.0, 1.0])


def rig_size(skeleton: Skeleton) -> float:
    """Diagonal of the box around the joints at rest; 1 where they are all in one place."""
    diagonal = float(np.linalg.norm(np.ptp(rest_world(skeleton)[:, :3, 3], axis=0)))
    return diagonal if diagonal > 1e-9 else 1.0


def descendants(skeleton: Skeleton) -> Int[np.ndarray, " joints"]:
    """How many joints hang on each, itself included."""
    counts = np.ones(skeleton.joints, dtype=np.int64)
    for joint in range(skeleton.joints - 1, 0, -1):
        if skeleton.parents[joint] >= 0:
            counts[skeleton.parents[joint]] += counts[joint]
    return counts


def body_joint(skeleton: Skeleton) -> int:
    """The trunk: from the root with most below it down to where the skeleton first branches in earnest."""
    counts, children = descendants(skeleton), skeleton.children
    joint = max(skeleton.roots, key=lambda root: int(counts[root]))
    while children[joint]:
        largest = max(children[joint], key=lambda child: int(counts[child]))
        if counts[largest] < 0.8 * (counts[joint] - 1) or counts[largest] < 3:
            break
        joint = largest
    return joint


def carrier(skeleton: Skeleton, motion: Motion) -> int:
    """The joint whose way is the body's: of those that travel the one with most below it, else the trunk."""
    counts = descendants(skeleton)
    return max(travellers(skeleton, motion), key=lambda joint: int(counts[joint]), default=body_joint(skeleton))


def travellers(skeleton: Skeleton, motion: Motion) -> list[int]:
    """Top-most joints that move against their parent (mostly the roots): whoever shifts them shifts everything."""
    least = 1e-4 * rig_size(skeleton)
    moves = np.ptp(motion.translations, axis=0).max(axis=-1) > least
    below = np.zeros(skeleton.joints, dtype=bool)
    found = []
    for joint, parent in enumerate(skeleton.parents):
        below[joint] = parent >= 0 and (below[parent] or moves[parent])
        if moves[joint] and not below[joint]:
            found.append(joint)
    return found


def shift_world(motion: Motion, skeleton: Skeleton, shifts: Float[np.ndarray, "frames 3"], joints: list[int]) -> Motion:
    """These joints, and what hangs on them, moved in the world."""
    if not joints:
        return motion
    world = motion_world(skeleton, motion)
    translations = np.array(motion.translations)
    for joint in joints:
        parent = int(skeleton.parents[joint])
        if parent < 0:
            translations[:, joint] += shifts
        else:
            translations[:, joint] += np.linalg.solve(world[:, parent, :3, :3], shifts[..., None])[..., 0]
    return replace(motion, translations=translations)


def in_place(motion: Motion, rig: Rig, sway: bool = False) -> Motion:
    """The clip over one spot: the joint that carries the body stays above where it was in the first frame."""
    check_rig(motion, rig)
    skeleton = rig.skeleton
    movers = travellers(skeleton, motion)
    if motion.frames < 2 or not movers:
        return motion
    way = motion_world(skeleton, motion)[:, carrier(skeleton, motion), :3, 3] * HORIZONTAL
    way = way - way[0]
    if sway:  # the straight line of steady speed nearest to the way
        time = np.arange(motion.frames) - (motion.frames - 1) / 2
        speed = (time[:, None] * way).sum(axis=0) / (time**2).sum()
        way = speed * np.arange(motion.frames)[:, None]
    return shift_world(motion, skeleton, -way, movers)
