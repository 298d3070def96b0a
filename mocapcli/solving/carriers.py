"""Joints that travel of their own accord, and world poses put back under their parents.

Roots travel. So does whatever the rig's own clips slide about: hips under a root that stays where it is, or feet
that hang on the root so that they can stand still. For solving these are roots as well.
"""

import numpy as np
from jaxtyping import Bool, Float, Int

from mocapcli.kinematics import depth_levels
from mocapcli.types import Asset, Skeleton

SLIDES = 0.02  # of the rig's size: less is a body that breathes or stretches

Quaternions = Float[np.ndarray, "frames joints 4"]
Points = Float[np.ndarray, "frames joints 3"]


def free_joints(asset: Asset, size: float) -> Bool[np.ndarray, " joints"]:
    """Roots, and joints that some clip slides against their parents."""
    free = asset.rig.skeleton.parents < 0
    for clip in asset.motions:
        free = free | (np.linalg.norm(np.ptp(clip.translations, axis=0), axis=-1) > SLIDES * size)
    return np.asarray(free)


def to_local(
    skeleton: Skeleton,
    world: Quaternions,
    places: Points,
    free: Bool[np.ndarray, " joints"],
    known: Bool[np.ndarray, " joints"],
) -> tuple[Quaternions, Points]:
    """Local rotations and translations of a world pose, in which free joints are at `places`.

    Others keep their rest translation, and those that nothing is known of their rest rotation too.
    """
    rotations = np.tile(skeleton.rest_rotations, (len(world), 1, 1))
    translations = np.tile(skeleton.rest_translations, (len(world), 1, 1))
    turned, placed = np.empty_like(rotations), np.empty_like(translations)
    for level in depth_levels(skeleton.parents):
        for joint in level:
            parent = int(skeleton.parents[joint])
            above, origin = (turned[:, parent], placed[:, parent]) if parent >= 0 else (IDENTITY, np.zeros(3))
            if known[joint]:
                rotations[:, joint] = multiply(conjugate(above), world[:, joint])
                if free[joint]:
                    translations[:, joint] = rotate(conjugate(above), places[:, joint] - origin)
            # Not multiplied back where it is known: down a long chain, rounding would grow without bound.
            turned[:, joint] = world[:, joint] if known[joint] else multiply(above, rotations[:, joint])
            placed[:, joint] = origin + rotate(above, translations[:, joint])
    return rotations, translations


IDENTITY = np.array([0.0, 0.0, 0.0, 1.0])


def conjugate(quaternions: Float[np.ndarray, "*batch 4"]) -> Float[np.ndarray, "*batch 4"]:
    flipped: np.ndarray = quaternions * np.array([-1.0, -1.0, -1.0, 1.0])
    return flipped


def multiply(first: Float[np.ndarray, "*#batch 4"], second: Float[np.ndarray, "*#batch 4"]) -> np.ndarray:
    """Hamilton product: `second` is done first."""
    vector = first[..., 3:] * second[..., :3] + second[..., 3:] * first[..., :3]
    vector = vector + np.cross(first[..., :3], second[..., :3])
    real = first[..., 3:] * second[..., 3:] - (first[..., :3] * second[..., :3]).sum(-1, keepdims=True)
    return np.concatenate([vector, real], axis=-1)


def rotate(quaternions: Float[np.ndarray, "*#batch 4"], vectors: Float[np.ndarray, "*#batch 3"]) -> np.ndarray:
    twice = 2 * np.cross(quaternions[..., :3], vectors)
    rotated: np.ndarray = vectors + quaternions[..., 3:] * twice + np.cross(quaternions[..., :3], twice)
    return rotated


def detached(parents: Int[np.ndarray, " joints"], free: Bool[np.ndarray, " joints"]) -> Int[np.ndarray, " joints"]:
    """Parents as solving sees them."""
    return np.where(free, -1, parents)
