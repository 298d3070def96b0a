"""BVH: every oddity files come with, loss-free writing, and bvhio as the second opinion."""

import dataclasses
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from factories import make_asset, make_motion, random_quaternions
from mocapcli import read_asset, write_asset
from mocapcli.errors import ReadError
from mocapcli.kinematics import joint_positions, resample, rest_world
from mocapcli.types import Asset, Motion, Rig, Skeleton
from mocapcli_bvh.euler import euler_to_quat, quat_to_euler
from mocapcli_bvh.hierarchy import GATHERING_ROOT
from strategies import assets

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


# Reading ---------------------------------------------------------------------------------------------------------


def test_reads_mixed_layouts(tmp_path: Path) -> None:
    asset = read(tmp_path, MIXED)
    skeleton, motion = asset.rig.skeleton, asset.motions[0]
    assert skeleton.names == ("mixamorig:Hips", "left arm", "Slider", "Hinge", "Fixed", "Knee")
    assert skeleton.parents.tolist() == [-1, 0, 1, 0, 3, 4]
    assert motion.fps == 30.0
    np.testing.assert_array_equal(motion.translations[:, 0], [[4, 5, 6], [4.5, 5, 6.125]])
    np.testing.assert_array_equal(motion.translations[0, 2], [0.5, 1, 0])  # one position channel replaces one axis
    expected = Rotation.from_euler("YZX", [10, 20, 30], degrees=True)
    assert (Rotation.from_quat(motion.rotations[0, 0]) * expected.inv()).magnitude() < 1e-12
    assert (
        Rotation.from_quat(motion.rotations[0, 3]) * Rotation.from_euler("Z", -90, degrees=True)
    ).magnitude() < 1e-12
    np.testing.assert_array_equal(motion.rotations[0, 4], [0, 0, 0, 1])


def test_rest_pose_is_the_offsets(tmp_path: Path) -> None:
    skeleton = read(tmp_path, MIXED).rig.skeleton
    np.testing.assert_array_equal(skeleton.rest_translations[0], [1, 2, 3])
    np.testing.assert_array_equal(skeleton.rest_rotations, np.tile([0, 0, 0, 1.0], (6, 1)))


@pytest.mark.parametrize("change", [
    pytest.param(lambda text: text.replace("\n", "\r\n"), id="crlf"),
    pytest.param(lambda text: text.replace("\n", "\r"), id="cr"),
    pytest.param(lambda text: "\ufeff" + text, id="bom"),
    pytest.param(lambda text: text.replace("\t", ""), id="no indentation"),
    pytest.param(lambda text: text.replace(" ", "\t"), id="tabs"),
    pytest.param(lambda text: text.replace("\n", "\n\n"), id="blank lines"),
    pytest.param(lambda text: text.replace("\n", "  \n"), id="trailing blanks"),
    pytest.param(lambda text: text.replace("\n\t{", " {").replace("\n\t\t{", "\t{"), id="braces on the line"),
    pytest.param(lambda text: text.replace("}\n}", "} }"), id="braces together"),
    pytest.param(lambda text: text.lower(), id="lower case"),
    pytest.param(lambda text: text.replace("Zrotation", "ZROTATION").replace("JOINT", "Joint"), id="odd case"),
    pytest.param(lambda text: text.rstrip("\n"), id="no last line end"),
    pytest.param(lambda text: text.replace("Frame Time:", "FrameTime :"), id="frame time"),
    pytest.param(lambda text: text.replace("1.5 2 90", "1.5E+00 .2e1 +90."), id="number styles"),
    pytest.param(lambda text: text + "\n\n \n", id="blank end"),
])  # fmt: skip
def test_spelling_makes_no_difference(tmp_path: Path, change) -> None:
    plain, odd = read(tmp_path, SMALL), read(tmp_path, change(SMALL))
    assert odd.rig.skeleton.names == ("a", "b")
    assert odd.motions[0].fps == plain.motions[0].fps == 25.0
    np.testing.assert_array_equal(positions(plain), positions(odd))


@pytest.mark.parametrize("announced", ["0", "1", "5", "999999999999999999999", "-3", "many", "", "nan"])
def test_rows_count_not_the_header(tmp_path: Path, announced: str) -> None:
    asset = read(tmp_path, SMALL.replace("Frames: 2", f"Frames: {announced}"))
    assert asset.motions[0].frames == 2
    assert len(asset.rig.source.notes) == 1


@pytest.mark.parametrize("time", ["0", "-0.1", "nan", "inf", "1e-300", "1e30", "abc", "0,04", ""])
def test_senseless_frame_time_means_thirty_frames_per_second(tmp_path: Path, time: str) -> None:
    asset = read(tmp_path, SMALL.replace("0.04", time))
    assert asset.motions[0].fps == 30.0
    assert "frame time" in asset.rig.source.notes[0]


def test_header_lines_may_be_missing(tmp_path: Path) -> None:
    asset = read(tmp_path, SMALL.replace("Frames: 2\n", "").replace("Frame Time: 0.04\n", ""))
    assert (asset.motions[0].frames, asset.motions[0].fps) == (2, 30.0)


@pytest.mark.parametrize(
    ("text", "fps"),
    [(".0083333", 120), ("0.0333333", 30), ("0.033333", 30), ("0.0333", 30), ("0.016667", 60), ("0.041667", 24),
     ("0.008342", 1 / 0.008342), ("0.03336670", 1 / 0.0333667), ("0.5", 2), ("4.166667e-2", 1 / 4.166667e-2)],
)  # fmt: skip
def test_frame_time_is_a_rounded_fraction(tmp_path: Path, text: str, fps: float) -> None:
    assert read(tmp_path, SMALL.replace("0.04", text)).motions[0].fps == pytest.approx(fps, rel=1e-12)


@pytest.mark.parametrize("cut", ["MOTION", "Frames", "1 2 0"])
def test_rig_without_clip(tmp_path: Path, cut: str) -> None:
    asset = read(tmp_path, SMALL[: SMALL.index(cut)])
    assert asset.motions == ()
    assert asset.rig.skeleton.names == ("a", "b")
    assert rewritten(tmp_path, asset).motions == ()


def test_names_survive_bytes_that_are_not_utf8(tmp_path: Path) -> None:
    raw = SMALL.encode().replace(b"ROOT a", b"ROOT H\xfcfte").replace(b"JOINT b", "JOINT 腕".encode())
    asset = read(tmp_path, raw)
    assert asset.rig.skeleton.names[0] == "Hüfte"
    write_asset(tmp_path / "out.bvh", asset)
    assert b"ROOT H\xfcfte" in (tmp_path / "out.bvh").read_bytes()
    assert "JOINT 腕".encode() in (tmp_path / "out.bvh").read_bytes()


def test_repeated_and_missing_names(tmp_path: Path) -> None:
    asset = read(tmp_path, SMALL.replace("JOINT b", "JOINT a"))
    assert asset.rig.skeleton.names == ("a", "a.001")
    assert rewritten(tmp_path, asset).rig.source.hierarchy.names == ("a", "a")
    assert read(tmp_path, SMALL.replace("JOINT b", "JOINT")).rig.skeleton.names == ("a", "joint1")


def test_several_roots(tmp_path: Path) -> None:
    second = "ROOT b\n{\nCHANNELS 3 Xposition Yposition Zposition\n}\n"
    asset = read(tmp_path, SMALL.replace("MOTION", second + "MOTION").replace(" 6\n", " 6 7 8 9\n"))
    assert asset.rig.skeleton.roots == [0, 2]
    assert asset.rig.skeleton.names == ("a", "b", "b.001")
    np.testing.assert_array_equal(asset.motions[0].translations[1, 2], [7, 8, 9])
    again = rewritten(tmp_path, asset)
    assert again.rig.skeleton.roots == [0, 2]
    np.testing.assert_array_equal(positions(again), positions(asset))


def test_channels_after_the_children_come_later_in_the_rows(tmp_path: Path) -> None:
    line = "\tCHANNELS 3 Xposition Yposition Zrotation\n"
    moved = SMALL.replace(line, "").replace("}\nMOTION", line + "}\nMOTION")
    moved = moved.replace("1 2 0 4 5 6", "4 5 6 1 2 0").replace("1.5 2 90 4 5 6", "4 5 6 1.5 2 90")
    np.testing.assert_array_equal(positions(read(tmp_path, moved)), positions(read(tmp_path, SMALL)))


def test_repeated_rotation_axes(tmp_path: Path) -> None:
    asset = read(tmp_path, SMALL.replace("3 Zrotation Xrotation Yrotation", "3 Zrotation Xrotation Zrotation"))
    expected = Rotation.from_euler("ZXZ", [4, 5, 6], degrees=True)
    assert (Rotation.from_quat(asset.motions[0].rotations[0, 1]) * expected.inv()).magnitude() < 1e-12
    again = rewritten(tmp_path, turned(asset))
    np.testing.assert_allclose(positions(again), positions(asset), atol=1e-6)


def test_nesting_is_as_deep_as_the_file_likes(tmp_path: Path) -> None:
    depth = 5000
    blocks = "".join(f"JOINT j{k}\n{{\nOFFSET 0 1 0\n" for k in range(depth)).replace("JOINT", "ROOT", 1)
    asset = read(tmp_path, "HIERARCHY\n" + blocks + "}\n" * depth)
    assert asset.rig.skeleton.joints == depth
    write_asset(tmp_path / "out.bvh", asset)
    assert (tmp_path / "out.bvh").stat().st_size < 2_000_000


BROKEN = {
    "not bvh": ("HIERARCHY", "GARBAGE", "HIERARCHY"),
    "nan": ("1.5 2 90", "1.5 nan 90", "line 20: 'nan'"),
    "inf": ("1.5 2 90", "-inf 2 90", "line 20: '-inf'"),
    "too large": ("1.5 2 90", "1e999 2 90", "line 20: '1e999'"),
    "comma": ("1.5 2 90", "1,5 2 90", "write decimals with a point"),
    "garbage": ("1.5 2 90", "1.5 0x10 90", "line 20: '0x10'"),
    "underscore": ("1.5 2 90", "1.5 1_0 90", "line 20: '1_0'"),
    "binary": ("1.5 2 90", "1.5 \0\0 90", "line 20"),
    "row too short": ("1.5 2 90", "2 90", "line 20: 5 numbers where the channels ask for 6"),
    "row too long": ("1.5 2 90", "1 2 3 90", "line 20: 7 numbers"),
    "all rows too short": (" 6\n", "\n", "line 19: 5 numbers"),
    "offset nan": ("OFFSET 0 1 0", "OFFSET 0 nan 0", "line 8: 'nan'"),
    "offset comma": ("OFFSET 0 1 0", "OFFSET 0 1,5 0", "write decimals with a point"),
    "offset short": ("OFFSET 0 1 0", "OFFSET 0 1", "three numbers, not 2"),
    "offset twice": ("CHANNELS 3 Z", "OFFSET 0 0 0\nCHANNELS 3 Z", "second OFFSET"),
    "channel count": ("CHANNELS 3 Z", "CHANNELS 4 Z", "announces '4' and lists 3"),
    "huge channel count": ("CHANNELS 3 Z", "CHANNELS 99999999999 Z", "lists 3"),
    "no channel count": ("CHANNELS 3 Z", "CHANNELS Z", "announces"),
    "unknown channel": ("Yrotation", "Wrotation", "unknown channel 'Wrotation'"),
    "position twice": ("Xposition Yposition", "Xposition Xposition", "listed twice"),
    "unclosed": ("}\nMOTION", "MOTION", "open '{'"),
    "closed twice": ("}\nMOTION", "}\n}\nMOTION", "outside of any joint"),
    "unopened": ("\t{\n\t\tOFFSET 0 1 0\n\t\tCH", "\t\tOFFSET 0 1 0\n\t\tCH", "expected '{'"),
    "opened twice": ("\t{\n\t\tOFFSET 0 1 0\n\t\tCH", "\t{\n{\n\t\tOFFSET 0 1 0\n\t\tCH", "'{' without a joint"),
    "joint outside": ("ROOT a", "JOINT a", "outside of any ROOT"),
    "root inside": ("JOINT b", "ROOT b", "ROOT inside a joint"),
    "no joints": (SMALL[10 : SMALL.index("MOTION")], "", "no joints"),
    "keyword": ("OFFSET 0 1 0", "OFSET 0 1 0", "unknown keyword 'ofset'"),
    "end site with channels": ("OFFSET 0 1 0\n\t\t}", "OFFSET 0 1 0\nCHANNELS 1 Xrotation\n\t\t}", "End Site cannot"),
    "joint in end site": ("OFFSET 0 1 0\n\t\t}", "JOINT c\n{\n}\n\t\t}", "inside an End Site"),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_damage_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in SMALL
    with pytest.raises(ReadError) as caught:
        read(tmp_path, SMALL.replace(old, new))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "damaged, or not" not in str(caught.value)


def test_bad_row_far_into_a_large_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mocapcli_bvh.motion.CHUNK", 1000)
    text = SMALL + "1 2 3 4 5 6\n" * 2000
    assert read(tmp_path, text).motions[0].frames == 2002
    with pytest.raises(ReadError, match="line 2021: 'x'"):
        read(tmp_path, text + "1 2 x 4 5 6\n")


def test_joints_without_channels_cannot_blow_up_memory(tmp_path: Path) -> None:
    joints = "JOINT j\n{\n}\n" * 20_000
    text = f"HIERARCHY\nROOT a\n{{\nCHANNELS 1 Xrotation\n{joints}}}\nMOTION\n" + "1\n" * 20_000
    with pytest.raises(ReadError, match="hardly any of them with channels"):
        read(tmp_path, text)


def test_joints_without_end(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="more than 100000 joints"):
        read(tmp_path, "HIERARCHY\n" + "ROOT a\n{\n}\n" * 100_001)


@given(data=st.data())
def test_mutilated_files_read_or_say_why(data, tmp_path_factory: pytest.TempPathFactory) -> None:
    raw = bytearray(data.draw(st.sampled_from([MIXED, SMALL])).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(raw) - 1))
        raw[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    folder = tmp_path_factory.getbasetemp()
    try:
        read(folder, bytes(raw) or b"x")
    except ReadError as error:
        assert "damaged, or not" not in str(error), "an exception nobody foresaw"


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
    again = rewritten(tmp_path, Asset(Rig(skeleton), (make_motion(skeleton),)))
    assert again.rig.skeleton.names == ("only_one",)
    assert len(again.rig.source.hierarchy.end_sites) == 1


def test_names_stay_apart_when_blanks_go(tmp_path: Path) -> None:
    names = ("a b", "a_b", "a\nb", "c{")
    asset = make_asset(joints=4, mesh=False)
    rig = Rig(dataclasses.replace(asset.rig.skeleton, names=names))
    assert len(set(rewritten(tmp_path, Asset(rig, asset.motions)).rig.skeleton.names)) == 4


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
