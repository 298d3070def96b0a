"""Every kind of creature through every format that writes: the same joints at the same places, the same mesh in it."""

import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from mocapcli import read_asset, write_asset
from mocapcli.errors import DroppedWarning
from mocapcli.kinematics import motion_world
from mocapcli.types import Asset
from mocapcli.zoo import KINDS, make_creature

FORMATS = ["bvh", "fbx", "glb", "gltf", "npz", "usdc"]
TOLERANCE = 1e-5  # of the size; files in single precision, and in text, are not exact


def places(asset: Asset) -> dict[str, np.ndarray]:
    """World positions of every joint in the first clip, by name; BVH puts other signs for blanks, and says so."""
    world = motion_world(asset.rig.skeleton, asset.motions[0])
    return {"_".join(name.split()): world[:, joint, :3, 3] for joint, name in enumerate(asset.rig.skeleton.names)}


@cache
def creature(kind: str) -> Asset:
    return make_creature(3, kind)


@pytest.mark.parametrize("extension", FORMATS)
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_creature_comes_back(kind: str, extension: str, tmp_path: Path):
    if extension == "usdc":
        pytest.importorskip("pxr", reason="the extra [usd] is not installed")
    asset = creature(kind)
    asset = asset.with_motions(asset.motions[:1])
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        write_asset(tmp_path / f"creature.{extension}", asset)
    again = read_asset(tmp_path / f"creature.{extension}")
    before, after = places(asset), places(again)
    assert before.keys() <= after.keys() and again.motions[0].frames == asset.motions[0].frames
    size = np.ptp(np.concatenate(list(before.values())), axis=0).max()
    assert max(np.abs(after[name] - before[name]).max() for name in before) < TOLERANCE * size
    kept = again.rig.mesh is not None and len(again.rig.mesh.faces) == len(asset.rig.mesh.faces)
    assert kept or any(issubclass(each.category, DroppedWarning) and "mesh" in str(each.message) for each in told)
