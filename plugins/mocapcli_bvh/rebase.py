"""Any skeleton's motion, seen in joint frames that are aligned to the world at rest."""

import numpy as np
from jaxtyping import Float

from mocapcli.kinematics import matrix_to_quat, motion_world, polar, rest_world
from mocapcli.types import Motion, Skeleton

FRAMES_AT_ONCE = 512  # 4×4 matrices of a whole long clip would be the largest thing in memory


def rebase(
    skeleton: Skeleton, motion: Motion
) -> tuple[Float[np.ndarray, "frames joints 4"], Float[np.ndarray, "frames joints 3"], Float[np.ndarray, "joints 3"]]:
    """Rotations, translations and rest offsets of the same motion on the same joints without rest rotations.

    With world rest rotation R and world rotation W(t), a joint's new world rotation is W(t) R⁻¹: the identity at
    rest. Translations are those that keep every joint at its world position, animated scale included.
    """
    identity = np.abs(skeleton.rest_rotations[:, :3]).max() == 0
    if identity and motion.scales is None:
        return motion.rotations, motion.translations, skeleton.rest_translations
    rest = rest_world(skeleton)
    parents = skeleton.parents
    inner = np.flatnonzero(parents >= 0)
    offsets = rest[:, :3, 3].copy()
    offsets[inner] -= rest[parents[inner], :3, 3]
    rotations, translations = np.empty_like(motion.rotations), np.empty_like(motion.translations)
    for start in range(0, motion.frames, FRAMES_AT_ONCE):
        part = slice(start, start + FRAMES_AT_ONCE)
        world = motion_world(skeleton, _part(motion, part))
        turns = world[..., :3, :3] if motion.scales is None else polar(world[..., :3, :3])[0]
        turns = turns @ np.swapaxes(rest[:, :3, :3], -1, -2)
        places = world[..., :3, 3]
        local, moved = turns.copy(), places.copy()
        undo = np.swapaxes(turns[:, parents[inner]], -1, -2)
        local[:, inner] = undo @ turns[:, inner]
        moved[:, inner] = (undo @ (places[:, inner] - places[:, parents[inner]])[..., None])[..., 0]
        rotations[part], translations[part] = matrix_to_quat(local), moved
    return rotations, translations, offsets


def _part(motion: Motion, part: slice) -> Motion:
    scales = None if motion.scales is None else motion.scales[part]
    return Motion(motion.name, motion.fps, motion.rotations[part], motion.translations[part], scales)
