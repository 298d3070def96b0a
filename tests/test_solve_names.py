"""Which track drives which joint: told, read from a file, or found by name."""

import sys

import numpy as np
import pytest

from mocapcli.errors import InvalidDataError, MocapError, UsageError
from mocapcli.solving.mapping import map_joints
from mocapcli.tracks.data import Tracks
from solve_helpers import creature, place_error, solved, tracks_of, truth


def test_told_pairs_come_before_names():
    joints, tracks = ["Hips", "Spine", "Neck"], ["hips", "spine", "RASI", "LASI", "a+b"]
    found = map_joints(joints, tracks, ["Hips=RASI+LASI", "Neck = a+b", "Spine="])
    assert found.sources == ((2, 3), (), (4,))
    assert found.reasons == ("told", "told", "told")
    assert found.idle == ["hips", "spine"]
    assert found.track_names(0) == "RASI + LASI"


@pytest.mark.parametrize("extension", ["json", "toml", "csv"])
def test_pairs_from_a_file(tmp_path, extension):
    if extension == "toml" and sys.version_info < (3, 11):
        pytest.skip("TOML needs Python 3.11")
    texts = {
        "json": '{"Hips": ["RASI", "LASI"], "Neck": "C7"}',
        "toml": 'Hips = "RASI+LASI"\nNeck = "C7"\n',
        "csv": "Hips,RASI,LASI\nNeck,C7\n",
    }
    path = tmp_path / f"names.{extension}"
    path.write_text(texts[extension])
    assert map_joints(["Hips", "Neck"], ["C7", "RASI", "LASI"], [str(path)]).sources == ((1, 2), (0,))


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.json", "[1]"), ("a.json", "{"), ("a.json", '{"Hips": 3}'), ("a.json", "[" * 99_999), ("a.csv", "\0")],
)
def test_a_damaged_file_of_pairs(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    with pytest.raises(MocapError) as caught:
        map_joints(["Hips"], ["C7"], [str(tmp_path / name)])
    assert "\n" not in str(caught.value)


def test_a_name_that_is_not_there_suggests_others():
    with pytest.raises(InvalidDataError, match=r"no track is called 'RASJ' \(did you mean RASI"):
        map_joints(["Hips"], ["RASI"], ["Hips=RASJ"])
    with pytest.raises(InvalidDataError, match=r"no joint of the rig is called 'Hip' \(did you mean Hips"):
        map_joints(["Hips"], ["RASI"], ["Hip=RASI"])
    with pytest.raises(UsageError, match="neither JOINT=TRACK nor a file"):
        map_joints(["Hips"], ["RASI"], ["Hips"])


HALF = {"Shoulder": "Arm", "Elbow": "ForeArm", "Wrist": "Hand", "Hip": "UpLeg", "Knee": "Leg", "Ankle": "Foot"}

STYLES = {"RElbow": "R{}", "right_elbow": "right_{}", "elbow_r": "{}_r", "ELBOW.R": "{}.R"}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("rig", ["mixamorig:Right{}", "{}_R", "right{}"])
def test_landmarks_find_the_joints_they_stand_for(style, rig):
    write = {"RElbow": str, "right_elbow": str.lower, "elbow_r": str.lower, "ELBOW.R": str.upper}[style]
    tracks = [STYLES[style].format(write(name)) for name in HALF]
    joints = [rig.format(name) for name in (*HALF.values(), "Shoulder")]
    found = map_joints(joints, tracks)
    assert [found.track_names(joint) for joint in range(6)] == tracks
    assert not found.sources[6]  # a collar bone begins at no shoulder


def test_joints_of_the_same_rig_are_no_landmarks():
    joints = ["LeftShoulder", "LeftArm", "LeftForeArm", "LeftHand", "LeftAnkle"]
    assert map_joints(joints, joints).sources == tuple((joint,) for joint in range(5))


def test_markers_about_a_joint_are_averaged():
    skeleton = creature().rig.skeleton
    around = np.array([0.1, 0.0, 0.0])
    values = np.concatenate([truth(), truth()[:, :1] + around], axis=1)
    values[:, 0] -= around
    tracks = tracks_of(truth(), names=(*skeleton.names, "extra")[: len(skeleton.names)], up="y")
    tracks = Tracks(("left", *skeleton.names[1:], "right"), tracks.fps, values, up="y")
    solution = solved(tracks, mapping=(f"{skeleton.names[0]}=left+right",))
    assert place_error(solution) < 0.005


def test_too_few_joints_say_what_to_do():
    with pytest.raises(InvalidDataError, match=r"0 of the rig's joints .* --map JOINT=TRACK"):
        solved(Tracks(("a", "b"), 30.0, np.zeros((2, 2, 3))))
    values = np.full_like(truth(), np.nan)
    values[0, 3], values[1, 4] = 1.0, 2.0
    with pytest.raises(InvalidDataError, match="no two are seen at once"):
        solved(tracks_of(values, up="y"))


def test_all_points_in_one_place_are_no_subject():
    with pytest.raises(InvalidDataError, match="no size"):
        solved(tracks_of(np.ones_like(truth()), up="y"))
