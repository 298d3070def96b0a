"""BVH texts and helpers that the BVH tests share."""

import dataclasses
from pathlib import Path

import numpy as np

from mocapcli import read_asset, write_asset
from mocapcli.kinematics import joint_positions
from mocapcli.types import Asset

ORDERS = ["XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX"]

MIXED = """HIERARCHY
ROOT mixamorig:Hips
{
	OFFSET 1 2 3
	CHANNELS 6 Yrotation Xposition Zrotation Yposition Xrotation Zposition
	JOINT left arm
	{
		OFFSET 0 1 0
		CHANNELS 3 Xrotation Yrotation Zrotation
		JOINT Slider
		{
			OFFSET 0 1 0
			CHANNELS 4 Xposition Zrotation Yrotation Xrotation
			End Site
			{
				OFFSET 0 0.25 0
			}
		}
	}
	JOINT Hinge
	{
		OFFSET -1 0 0
		CHANNELS 1 Zrotation
		JOINT Fixed
		{
			OFFSET -1 0 0
			CHANNELS 0
			JOINT Knee
			{
				OFFSET 0 -1 0
				CHANNELS 2 Yrotation Xrotation
			}
		}
	}
}
MOTION
Frames: 2
Frame Time: 0.0333333
10 4 20 5 30 6 11 12 13 0.5 21 22 23 90 40 50
1.0E-05 4.5 -20 5 30 6.125 11 12 13 -0.5 21 22 23 -90 140 -50
"""

SMALL = """HIERARCHY
ROOT a
{
	OFFSET 0 0 0
	CHANNELS 3 Xposition Yposition Zrotation
	JOINT b
	{
		OFFSET 0 1 0
		CHANNELS 3 Zrotation Xrotation Yrotation
		End Site
		{
			OFFSET 0 1 0
		}
	}
}
MOTION
Frames: 2
Frame Time: 0.04
1 2 0 4 5 6
1.5 2 90 4 5 6
"""


def read(folder: Path, text: str | bytes) -> Asset:
    path = folder / "file.bvh"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_asset(path)


def rewritten(folder: Path, asset: Asset) -> Asset:
    write_asset(folder / "written.bvh", asset)
    return read_asset(folder / "written.bvh")


def without_source(asset: Asset) -> Asset:
    return dataclasses.replace(asset, rig=dataclasses.replace(asset.rig, source=None))


def positions(asset: Asset) -> np.ndarray:
    return joint_positions(asset.rig.skeleton, asset.motions[0])


def by_name(asset: Asset, names: tuple[str, ...]) -> np.ndarray:
    return positions(asset)[:, [asset.rig.skeleton.index("_".join(name.split())) for name in names]]


def turned(asset: Asset) -> Asset:
    """The same clip as other numbers, so that the original channel values do not apply."""
    motion = asset.motions[0]
    return asset.with_motions([dataclasses.replace(motion, rotations=-motion.rotations)])
