"""Fewer frames: the lowest frame rate from which the clip can be had back within a tolerance.

A `Motion` is evenly sampled, so there are no keys to drop one by one; its frame rate is what can be lowered without
claiming anything that a file or a reader would not keep.
"""

import numpy as np

from mocapcli.errors import InvalidDataError
from mocapcli.filters.chain import check_rig
from mocapcli.filters.travel import rig_size
from mocapcli.kinematics import motion_world, sample
from mocapcli.types import Motion, Rig


def decimate(motion: Motion, rig: Rig, tolerance: float = 0.005) -> Motion:
    """As few evenly spaced frames as keep every joint (and a point beside it) within `tolerance` of the rig's size."""
    check_rig(motion, rig)
    if tolerance < 0:
        raise InvalidDataError(f"tolerance must not be negative, not {tolerance:g}")
    if motion.frames < 3:
        return motion
    low, high = 1, motion.frames - 1  # intervals: `high` is known to do
    allowed = tolerance * rig_size(rig.skeleton)
    while low < high:
        middle = (low + high) // 2
        if _error(motion, rig, _with_intervals(motion, middle)) <= allowed:
            high = middle
        else:
            low = middle + 1
    return motion if high == motion.frames - 1 else _with_intervals(motion, high)


def _with_intervals(motion: Motion, intervals: int) -> Motion:
    """First and last frame as they are and the rest evenly between."""
    times = np.linspace(0, motion.duration, intervals + 1)
    return sample(motion, times, intervals / motion.duration)


def _error(motion: Motion, rig: Rig, thinned: Motion) -> float:
    """How far joints, and points a typical bone's length beside them, stray at most."""
    back = sample(thinned, np.arange(motion.frames) / motion.fps, motion.fps)
    bones = np.linalg.norm(rig.skeleton.rest_translations[rig.skeleton.parents >= 0], axis=-1)
    away = motion_world(rig.skeleton, back)[..., :3, :] - motion_world(rig.skeleton, motion)[..., :3, :]
    turned = np.linalg.norm(away[..., :3], axis=-2).max(axis=-1) * (np.median(bones) if len(bones) else 0.0)
    return float((np.linalg.norm(away[..., 3], axis=-1) + turned).max())
