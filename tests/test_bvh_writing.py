"""BVH: loss-free writing, conversion from other rigs, Euler angles, and bvhio as the second opinion."""

import dataclasses
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from scipy.spatial.transform import Rotation

from bvh_helpers import MIXED, ORDERS, SMALL, by_name, positions, read, rewritten, turned
from factories import make_asset, make_motion, random_quaternions
from mocapcli import DroppedWarning, read_asset, write_asset
from mocapcli.kinematics import joint_positions, resample, rest_world
from mocapcli.types import Asset, Motion, Rig, Skeleton
from mocapcli_bvh.euler import euler_to_quat, quat_to_euler
from mocapcli_bvh.hierarchy import GATHERING_ROOT
from mocapcli_bvh.writer import DIFFER
from strategies import assets

pytestmark = pytest.mark.filterwarnings("ignore:BVH programs differ")

# Writing back what was read --------------------------------------------------------------------------------------


def test_untouched_clip_keeps_its_very_numbers(tmp_path: Path) -> None:
    asset = read(tmp_path, MIXED)
    again = rewritten(tmp_path, asset)
    first, second = asset.rig.source, again.rig.source
    np.testing.assert_array_equal(first.values, second.values)
    np.testing.assert_array_equal(first.hierarchy.offsets, second.hierarchy.offsets)
    assert first.hierarchy.channels == second.hierarchy.channels
    assert first.hierarchy.names == second.hierarchy.names
    assert [(s.joint, s.offset) for s in first.hierarchy.end_sites] == [(2, (0, 0.25, 0))]
    assert [(s.joint, s.offset) for s in second.hierarchy.end_sites] == [(2, (0, 0.25, 0))]
    assert second.frame_time == first.frame_time == 0.0333333
    assert (tmp_path / "written.bvh").read_text().count("\n") == MIXED.count("\n")


def test_changed_clip_keeps_the_layout(tmp_path: Path) -> None:
    asset = read(tmp_path, MIXED)
    again = rewritten(tmp_path, turned(asset))
    assert again.rig.source.hierarchy.channels == asset.rig.source.hierarchy.channels
    np.testing.assert_allclose(positions(again), positions(asset), atol=1e-6)
    np.testing.assert_allclose(again.rig.source.values[0], asset.rig.source.values[0], atol=2e-6)
    assert again.rig.source.values[1, 14] == pytest.approx(140)  # beyond 90°, as a two-channel joint must have it


def test_two_channel_joint_that_starts_beyond_ninety_degrees(tmp_path: Path) -> None:
    text = SMALL.replace("3 Zrotation Xrotation Yrotation", "2 Zrotation Xrotation")
    asset = read(tmp_path, text.replace(" 4 5 6\n", " 40 150\n"))
    again = rewritten(tmp_path, turned(asset))
    assert again.rig.source.hierarchy.channels == asset.rig.source.hierarchy.channels
    np.testing.assert_allclose(again.rig.source.values, asset.rig.source.values, atol=1e-6)


def test_layout_grows_only_where_the_motion_needs_it(tmp_path: Path) -> None:
    asset = read(tmp_path, MIXED)
    skeleton = asset.rig.skeleton
    rng = np.random.default_rng(0)
    moves = np.zeros((4, 6, 3))
    moves[:, 5] = rng.random((4, 3))
    motion = Motion("any", 24.0, random_quaternions(rng, 4, 6), skeleton.rest_translations + moves)
    again = rewritten(tmp_path, asset.with_motions([motion]))
    np.testing.assert_allclose(positions(again), joint_positions(skeleton, motion), atol=1e-6)
    channels = again.rig.source.hierarchy.channels
    assert channels[:3] == asset.rig.source.hierarchy.channels[:3]
    assert [len(own) for own in channels[3:]] == [3, 3, 6]
    assert again.motions[0].fps == 24


def test_resampled_clip_gets_its_own_frame_time(tmp_path: Path) -> None:
    asset = read(tmp_path, SMALL)
    slow = asset.with_motions([resample(asset.motions[0], 50.0)])
    assert rewritten(tmp_path, slow).motions[0].fps == 50.0


def test_source_of_another_skeleton_is_not_used(tmp_path: Path) -> None:
    asset = read(tmp_path, SMALL)
    longer = dataclasses.replace(asset.rig.skeleton, rest_translations=asset.rig.skeleton.rest_translations * 3)
    again = rewritten(tmp_path, Asset(dataclasses.replace(asset.rig, skeleton=longer), asset.motions))
    np.testing.assert_allclose(again.rig.skeleton.rest_translations[1], [0, 3, 0])


# Writing what came from elsewhere --------------------------------------------------------------------------------


def test_rest_pose_and_positions_survive_rest_rotations(tmp_path: Path) -> None:
    asset = make_asset(joints=12, frames=9, mesh=False)
    again = rewritten(tmp_path, asset)
    names = asset.rig.skeleton.names
    np.testing.assert_allclose(by_name(again, names), positions(asset), atol=2e-6)
    places = [again.rig.skeleton.index(name) for name in names]
    rest, expected = rest_world(again.rig.skeleton)[places, :3, 3], rest_world(asset.rig.skeleton)[:, :3, 3]
    np.testing.assert_allclose(rest - rest[0], expected - expected[0], atol=1e-6)


def test_layout_suits_every_reader(tmp_path: Path) -> None:
    hierarchy = rewritten(tmp_path, make_asset(joints=12, mesh=False)).rig.source.hierarchy
    assert hierarchy.offsets[0].tolist() == [0, 0, 0]
    assert len(hierarchy.channels[0]) == 6
    assert {channels for channels in hierarchy.channels[1:]} == {("Zrotation", "Xrotation", "Yrotation")}
    leaves = set(range(12)) - set(hierarchy.parents.tolist())
    assert {site.joint for site in hierarchy.end_sites} == leaves
    for site in hierarchy.end_sites:
        np.testing.assert_allclose(site.offset, 0.3 * hierarchy.offsets[site.joint], atol=1e-6)


def test_only_joints_that_move_get_positions(tmp_path: Path) -> None:
    asset = make_asset(joints=6, mesh=False, rotated=False)
    motion = asset.motions[0]
    moved = motion.translations.copy()
    moved[:, 4, 1] += np.linspace(0, 1, motion.frames)
    again = rewritten(tmp_path, asset.with_motions([dataclasses.replace(motion, translations=moved)]))
    wide = [
        name
        for name, own in zip(again.rig.skeleton.names, again.rig.source.hierarchy.channels, strict=True)
        if len(own) > 3
    ]
    assert wide == ["joint0", "joint4"]


@pytest.mark.parametrize(("joint", "told"), [(4, True), (0, False), (None, False)])
def test_the_user_is_told_where_programs_differ(joint: int | None, told: bool, tmp_path: Path) -> None:
    asset = make_asset(joints=6, mesh=False, rotated=False)
    motion = asset.motions[0]
    moved = motion.translations.copy()
    if joint is not None:
        moved[:, joint, 1] += np.linspace(0, 1, motion.frames)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        again = rewritten(tmp_path, asset.with_motions([dataclasses.replace(motion, translations=moved)]))
        rewritten(tmp_path, again)  # the file's own layout, by the shorter way
        rewritten(tmp_path, again.with_motions([]))  # nothing moves where there is no clip
    assert [str(warning.message) for warning in caught] == 2 * told * [f"{DIFFER}: joint4"]


def test_of_many_joints_three_are_named(tmp_path: Path) -> None:
    asset = make_asset(joints=8, mesh=False, rotated=False)
    motion = asset.motions[0]
    moved = motion.translations + np.linspace(0, 1, motion.frames)[:, None, None]
    with pytest.warns(DroppedWarning, match=r": joint1, joint2, \w+ and 4 more$"):
        rewritten(tmp_path, asset.with_motions([dataclasses.replace(motion, translations=moved)]))


@pytest.mark.filterwarnings("ignore::mocapcli.DroppedWarning")
@given(asset=assets())
def test_any_asset_keeps_its_world_positions(asset: Asset, tmp_path_factory: pytest.TempPathFactory) -> None:
    again = rewritten(tmp_path_factory.getbasetemp(), asset)
    names = asset.rig.skeleton.names
    assert len(again.rig.skeleton.names) == len(names)
    if asset.motions:
        expected = positions(asset)
        size = np.ptp(expected.reshape(-1, 3), axis=0).max() + np.abs(asset.rig.skeleton.rest_translations).max()
        np.testing.assert_allclose(by_name(again, names), expected, atol=2e-5 * size)
        assert again.motions[0].fps == pytest.approx(asset.motions[0].fps, rel=1e-9)


def test_animated_scale_leaves_joints_where_they_are(tmp_path: Path) -> None:
    asset = make_asset(mesh=False, scaled=True)
    with pytest.warns(match="scale is left out"):
        again = rewritten(tmp_path, asset)
    np.testing.assert_allclose(by_name(again, asset.rig.skeleton.names), positions(asset), atol=5e-6)


def test_several_roots_are_gathered_and_taken_apart_again(tmp_path: Path) -> None:
    skeleton = Skeleton(
        ("hips", "pole", "spine"), np.array([-1, -1, 0]), np.array([[0, 1, 0], [3, 0, 0], [0, 1, 0.0]]),
        random_quaternions(np.random.default_rng(3), 3),
    )  # fmt: skip
    asset = Asset(Rig(skeleton), (make_motion(skeleton),))
    again = rewritten(tmp_path, asset)
    text = (tmp_path / "written.bvh").read_text()
    assert text.count("ROOT") == 1
    assert f"ROOT {GATHERING_ROOT}" in text
    assert again.rig.skeleton.names == ("hips", "spine", "pole")
    assert again.rig.skeleton.parents.tolist() == [-1, 0, -1]
    np.testing.assert_allclose(by_name(again, skeleton.names), positions(asset), atol=1e-6)
    assert rewritten(tmp_path, again).rig.skeleton.names == ("hips", "spine", "pole")


def test_rig_without_clip_is_written_in_its_rest_pose(tmp_path: Path) -> None:
    asset = make_asset(clips=0, mesh=False)
    again = rewritten(tmp_path, asset)
    assert again.motions[0].frames == 1
    expected = rest_world(asset.rig.skeleton)[:, :3, 3]
    np.testing.assert_allclose(by_name(again, asset.rig.skeleton.names)[0], expected, atol=1e-6)


def test_single_point_rig(tmp_path: Path) -> None:
    skeleton = Skeleton(("only one",), np.array([-1]), np.zeros((1, 3)), np.array([[0, 0, 0, 1.0]]))
    with pytest.warns(DroppedWarning, match="leave 1 joint name: 'only one' becomes 'only_one'"):
        again = rewritten(tmp_path, Asset(Rig(skeleton), (make_motion(skeleton),)))
    assert again.rig.skeleton.names == ("only_one",)
    assert len(again.rig.source.hierarchy.end_sites) == 1


def test_names_stay_apart_when_blanks_go(tmp_path: Path) -> None:
    names = ("a b", "a_b", "a\nb", "c{")
    asset = make_asset(joints=4, mesh=False)
    rig = Rig(dataclasses.replace(asset.rig.skeleton, names=names))
    with pytest.warns(DroppedWarning, match=r"blanks.* leave 3 joint names: 'a b' becomes 'a_b"):
        back = rewritten(tmp_path, Asset(rig, asset.motions))
    assert len(set(back.rig.skeleton.names)) == 4


# Euler angles ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ORDERS)
def test_euler_angles_give_the_rotation_back(order: str) -> None:
    rotations = random_quaternions(np.random.default_rng(0), 500)
    again = Rotation.from_quat(euler_to_quat(order, quat_to_euler(order, rotations)))
    assert (again * Rotation.from_quat(rotations).inv()).magnitude().max() < 1e-12


@pytest.mark.parametrize("order", ORDERS)
def test_curves_continue_through_gimbal_lock(order: str) -> None:
    time = np.linspace(0, 1, 181)
    degrees = np.stack([30 + 20 * time, 720 * time, -50 * time], axis=1)  # the middle angle meets ±90° eight times
    found = quat_to_euler(order, euler_to_quat(order, degrees))
    assert np.abs(np.diff(found, axis=0)).max() < 5
    np.testing.assert_allclose(found, degrees, atol=1e-4)


@pytest.mark.parametrize("middle", [90.0, -90.0])
@pytest.mark.parametrize("order", ORDERS)
def test_locked_from_first_to_last_frame(order: str, middle: float) -> None:
    degrees = np.stack([np.linspace(0, 300, 50), np.full(50, middle), np.zeros(50)], axis=1)
    found = quat_to_euler(order, euler_to_quat(order, degrees))
    np.testing.assert_allclose(found, degrees, atol=1e-6)


# Second opinions -------------------------------------------------------------------------------------------------


def bvhio_positions(path: Path) -> dict[str, np.ndarray]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its import uses a deprecated name
        import bvhio
    root = bvhio.readAsHierarchy(str(path))
    frames: dict[str, list[list[float]]] = {}
    for frame in range(root.getKeyframeRange()[1] + 1):
        root.loadPose(frame, recursive=True)
        for joint, _, _ in root.layout():
            frames.setdefault(joint.Name, []).append(list(joint.PositionWorld))
    return {name: np.array(places) for name, places in frames.items()}


def test_bvhio_agrees_on_what_we_read(tmp_path: Path) -> None:
    text = MIXED.replace("left arm", "arm").replace(
        "4 Xposition Zrotation", "6 Xposition Yposition Zposition Zrotation"
    )
    text = text.replace(" 0.5 21", " 0.5 1 0.2 21").replace(" -0.5 21", " -0.5 1 0 21")
    asset = read(tmp_path, text)
    theirs = bvhio_positions(tmp_path / "file.bvh")
    for joint, name in enumerate(asset.rig.skeleton.names):
        np.testing.assert_allclose(positions(asset)[:, joint], theirs[name], atol=1e-4)  # bvhio computes in float32


@pytest.mark.parametrize("seed", range(4))
def test_bvhio_agrees_on_what_we_write(tmp_path: Path, seed: int) -> None:
    asset = make_asset(joints=9, seed=seed, mesh=False, translated=seed % 2 == 1)
    write_asset(tmp_path / "out.bvh", asset)
    theirs = bvhio_positions(tmp_path / "out.bvh")
    for joint, name in enumerate(asset.rig.skeleton.names):
        np.testing.assert_allclose(positions(asset)[:, joint], theirs[name], atol=2e-5)


def test_every_shared_file_reads_and_is_written_back_the_same(shared_assets: Path, tmp_path: Path) -> None:
    files = sorted(shared_assets.rglob("*.bvh"))
    assert len(files) == 23
    for path in files:
        asset = read_asset(path)
        again = rewritten(tmp_path, asset)
        np.testing.assert_array_equal(again.rig.source.values, asset.rig.source.values)
        assert again.rig.source.hierarchy.channels == asset.rig.source.hierarchy.channels
        assert again.motions[0].fps == asset.motions[0].fps
