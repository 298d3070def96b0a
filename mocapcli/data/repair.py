"""What some BVH files get wrong, put right for training (reading and converting stay literal)."""

from dataclasses import replace

import numpy as np

from mocapcli.kinematics import joint_positions, motion_world, rest_world, transform_asset
from mocapcli.types import Asset, Motion, Skeleton

Z_UP_TO_Y_UP = np.array([-np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5)])
CLEARLY = 1.5


def repair_bvh(asset: Asset) -> Asset:
    """Inner position channels that hold world positions, and files whose up axis is Z."""
    repaired = asset.with_motions(undo_world_positions(asset.rig.skeleton, motion) for motion in asset.motions)
    return transform_asset(repaired, rotation=Z_UP_TO_Y_UP) if stands_on_z(repaired) else repaired


def undo_world_positions(skeleton: Skeleton, motion: Motion) -> Motion:
    """Joints whose "local" translations are plainly their places in the world get their rest offsets back.

    Plainly: taken as local they lie a quarter of the skeleton's size off their place; taken as world
    positions they lie where the bones put the joint anyway.
    """
    reach = float(np.linalg.norm(np.ptp(rest_world(skeleton)[:, :3, 3], axis=0)))
    translations = motion.translations.copy()
    for joint in np.flatnonzero(skeleton.parents >= 0):  # parents first: their repair moves their children
        stray = np.linalg.norm(translations[:, joint] - skeleton.rest_translations[joint], axis=1)
        if np.median(stray) < 0.25 * reach:
            continue
        candidate = translations.copy()
        candidate[:, joint] = skeleton.rest_translations[joint]
        placed = motion_world(skeleton, replace(motion, translations=candidate))[:, joint, :3, 3]
        if np.median(np.linalg.norm(placed - translations[:, joint], axis=1)) < 0.25 * np.median(stray):
            translations = candidate
    return replace(motion, translations=translations)


def stands_on_z(asset: Asset) -> bool:
    """Whether the root stays clearly higher above the lowest joint along Z than along Y."""
    if not asset.motions:
        return False
    heights = []
    for motion in asset.motions:
        positions = joint_positions(asset.rig.skeleton, motion)
        heights.append((positions[:, 0] - positions.min(axis=1)).mean(axis=0))
    _, y, z = np.mean(heights, axis=0)
    return bool(z > CLEARLY * y)
