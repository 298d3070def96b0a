"""BVH: every oddity files come with, loss-free writing, and bvhio as the second opinion."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from bvh_helpers import MIXED, SMALL, positions, read, rewritten, turned
from mocapcli import write_asset
from mocapcli.errors import ReadError

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
    with pytest.warns(UserWarning, match=f"the header announces {announced[:20]} frames, the file has 2") as told:
        asset = read(tmp_path, SMALL.replace("Frames: 2", f"Frames: {announced}"))
    assert asset.motions[0].frames == 2
    assert len(told) == 1


@pytest.mark.parametrize("time", ["0", "-0.1", "nan", "inf", "1e-300", "1e30", "abc", "0,04", ""])
def test_senseless_frame_time_means_thirty_frames_per_second(tmp_path: Path, time: str) -> None:
    with pytest.warns(UserWarning, match="no usable frame time .* taken as 30 frames per second"):
        asset = read(tmp_path, SMALL.replace("0.04", time))
    assert asset.motions[0].fps == 30.0


def test_header_lines_may_be_missing(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"no usable frame time \(none\)"):
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
@pytest.mark.filterwarnings("ignore:the header announces 2 frames, the file has 0")
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
    text = SMALL.replace("Frames: 2", "Frames: 2002") + "1 2 3 4 5 6\n" * 2000
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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # what is odd in a file is told
        try:
            read(folder, bytes(raw) or b"x")
        except ReadError as error:
            assert "damaged, or not" not in str(error), "an exception nobody foresaw"
