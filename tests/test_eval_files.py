"""`mocap eval PREDICTED TRUTH --rig RIG`: other people's output, in any format."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cli_helpers import run
from eval_helpers import BY_NAME, long_asset
from factories import make_asset
from mocapcli.formats import read_asset, write_asset
from mocapcli.kinematics import depth_levels, transform_asset
from mocapcli.types import Asset, Motion, Rig, Skeleton

pytest_plugins = ["eval_fixtures"]


@pytest.fixture
def walks(tmp_path: Path) -> tuple[Path, Path]:
    """A rig with its true clip, and the same with one joint twisted by a right angle."""
    asset = long_asset(5, frames=30)
    write_asset(tmp_path / "truth.glb", asset)
    motion = asset.motions[0]
    from scipy.spatial.transform import Rotation

    rotations = motion.rotations.copy()
    twist = Rotation.from_euler("x", 90, degrees=True)
    rotations[:, 2] = (Rotation.from_quat(rotations[:, 2]) * twist).as_quat()
    write_asset(tmp_path / "predicted.glb", asset.with_motions([replace(motion, rotations=rotations)]))
    return tmp_path / "predicted.glb", tmp_path / "truth.glb"


def compared(capsys, *arguments) -> tuple[dict, str]:
    code, out, err = run(capsys, "eval", *arguments, "--json")
    assert code == 0, err
    return json.loads(out), err


def test_two_files_on_one_rig(capsys, walks) -> None:
    found, err = compared(capsys, *walks, "--rig", walks[1])
    assert found["rows"]["predicted"]["rotation_local_deg_all"] == pytest.approx(90 / 6, abs=1e-3)
    assert found["setting"] == "files"
    assert found["split"] is None
    assert err == ""


@pytest.mark.parametrize("extension", ["bvh", "fbx", "npz", "gltf"])
def test_two_files_of_any_format(capsys, walks, tmp_path: Path, extension: str) -> None:
    assert run(capsys, "convert", walks[0], tmp_path / f"other.{extension}")[0] == 0
    found, _ = compared(capsys, tmp_path / f"other.{extension}", walks[1], "--rig", walks[1])
    assert found["rows"]["predicted"]["rotation_local_deg_all"] == pytest.approx(90 / 6, abs=0.05)
    assert found["rows"]["predicted"]["root_path_percent"] == pytest.approx(0, abs=0.05)


def test_files_of_other_frame_rates_and_lengths(capsys, walks, tmp_path: Path) -> None:
    assert run(capsys, "convert", walks[1], tmp_path / "slow.glb", "--fps", "15", "--end", "0.6")[0] == 0
    found, err = compared(capsys, tmp_path / "slow.glb", walks[1], "--rig", walks[1])
    assert found["rows"]["predicted"]["rotation_local_deg"] < 1.5
    assert "resampled from 15 to 30" in err
    assert "only the first 0.60 s" in err


def test_a_shifted_file_shows(capsys, walks, tmp_path: Path) -> None:
    asset = read_asset(walks[1])
    motion = asset.motions[0]
    moved = motion.translations.copy()
    moved[:, asset.rig.skeleton.parents < 0] += [1.0, 0, 0]
    write_asset(tmp_path / "moved.glb", asset.with_motions([replace(motion, translations=moved)]))
    found, _ = compared(capsys, tmp_path / "moved.glb", walks[1], "--rig", walks[1])
    assert found["rows"]["predicted"]["mpjpe_world_percent"] > 10
    assert found["rows"]["predicted"]["mpjpe_percent"] == pytest.approx(0, abs=1e-3)


def test_clips_are_paired_by_name(capsys, tmp_path: Path) -> None:
    asset = make_asset(clips=3, frames=9)
    write_asset(tmp_path / "truth.glb", asset)
    write_asset(tmp_path / "two.glb", asset.with_motions(asset.motions[:0:-1]))
    found, err = compared(capsys, tmp_path / "two.glb", tmp_path / "truth.glb", "--rig", tmp_path / "truth.glb")
    assert list(found["families"]) == ["clip1", "clip2"]
    assert "1 of the 3 true clips are not predicted: 'clip0'" in err
    assert found["rows"]["predicted"]["rotation_local_deg"] == pytest.approx(0, abs=1e-3)
    write_asset(tmp_path / "shouted.glb", asset.with_motions([replace(asset.motions[1], name="CLIP_1")]))
    found, _ = compared(capsys, tmp_path / "shouted.glb", tmp_path / "truth.glb", "--rig", tmp_path / "truth.glb")
    assert list(found["families"]) == ["clip1"]
    assert found["rows"]["predicted"]["rotation_local_deg"] == pytest.approx(0, abs=1e-3)
    renamed = [replace(motion, name=f"other {motion.name}") for motion in asset.motions]
    write_asset(tmp_path / "renamed.glb", asset.with_motions(renamed))
    arguments = (tmp_path / "renamed.glb", tmp_path / "truth.glb", "--rig", tmp_path / "truth.glb")
    code, _, err = run(capsys, "eval", *arguments)
    assert code == 1
    assert "no clips of one name" in err


def test_a_single_frame_is_judged(capsys, tmp_path: Path) -> None:
    asset = make_asset(frames=1)
    write_asset(tmp_path / "one.glb", asset)
    found, _ = compared(capsys, tmp_path / "one.glb", tmp_path / "one.glb", "--rig", tmp_path / "one.glb")
    assert found["rows"]["predicted"]["velocity_percent"] is None
    assert found["rows"]["predicted"]["rotation_local_deg"] == pytest.approx(0, abs=1e-4)


def test_joints_the_prediction_lacks_are_named(capsys, walks, tmp_path: Path) -> None:
    whole = long_asset(5, frames=30, joints=4)
    write_asset(tmp_path / "few.glb", whole)
    _, err = compared(capsys, tmp_path / "few.glb", walks[1], "--rig", walks[1])
    assert "2 of the rig's 6 joints are not in" in err
    assert "joint4, joint5" in err


def test_order_names_and_units_of_joints_do_not_matter(capsys, walks, tmp_path: Path) -> None:
    """Joints by levels instead of chains, in a namespace, in centimetres, under one more root."""
    truth = read_asset(walks[1])
    skeleton, motion = truth.rig.skeleton, truth.motions[0]
    order = np.concatenate(depth_levels(skeleton.parents))
    place = np.argsort(order)
    parents = np.array([0 if skeleton.parents[j] < 0 else 1 + place[skeleton.parents[j]] for j in order])

    def under_root(values: np.ndarray, root: list[float]) -> np.ndarray:
        first = np.broadcast_to(np.array(root), (*values.shape[:-2], 1, len(root)))
        return np.concatenate([first, values[..., order, :]], axis=-2)

    still, nowhere = [0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0]
    other = Skeleton(
        ("scene root", *(f"hero:{skeleton.names[j].upper()}" for j in order)),
        np.concatenate([[-1], parents]),
        under_root(skeleton.rest_translations, nowhere),
        under_root(skeleton.rest_rotations, still),
    )
    moved = Motion("other", motion.fps, under_root(motion.rotations, still), under_root(motion.translations, nowhere))
    write_asset(tmp_path / "other.npz", transform_asset(Asset(Rig(other), (moved,)), 100.0))
    found, err = compared(capsys, tmp_path / "other.npz", walks[1], "--rig", walks[1])
    for name, value in found["rows"]["predicted"].items():
        assert value is None or value == pytest.approx(BY_NAME[name].ideal, abs=1e-2), name
    assert err == ""
