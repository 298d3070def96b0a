"""What the tests of filters share: creatures that walk, and how far clips lie apart."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
from scipy.spatial.transform import Rotation

from mocapcli.kinematics import continuous, joint_positions
from mocapcli.types import Asset, Motion
from mocapcli.zoo import make_creature

HORIZONTAL = np.array([1.0, 0.0, 1.0])


@lru_cache
def walker(kind: str = "quadruped", seed: int = 1) -> Asset:
    asset = make_creature(seed, kind)
    return asset.with_motions(asset.motions[:1])


def places(motion: Motion, asset: Asset) -> np.ndarray:
    return joint_positions(asset.rig.skeleton, motion)


def noisy(motion: Motion, degrees: float, metres: float, seed: int = 0) -> Motion:
    rng = np.random.default_rng(seed)
    turns = Rotation.from_rotvec(rng.normal(0, np.radians(degrees), (motion.frames * motion.joints, 3)))
    rotations = (Rotation.from_quat(motion.rotations.reshape(-1, 4)) * turns).as_quat()
    translations = np.array(motion.translations)
    translations[:, 0] += rng.normal(0, metres, (motion.frames, 3))
    return replace(motion, rotations=continuous(rotations.reshape(motion.rotations.shape)), translations=translations)


def constant(asset: Asset, frames: int = 20) -> Motion:
    motion = asset.motions[0]
    return Motion(
        "still", 30.0, np.repeat(motion.rotations[3:4], frames, 0), np.repeat(motion.translations[3:4], frames, 0)
    )
