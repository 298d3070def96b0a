"""The plugin as a user meets it: through the `mocap` command."""

import json

import numpy as np
import pytest

from mocapcli import Asset, Motion, Rig, Skeleton, read_asset, write_asset
from mocapcli.cli import main
from mocapcli.kinematics import joint_positions, rest_world


@pytest.fixture
def asset() -> Asset:
    rng = np.random.default_rng(0)
    rest = rng.normal(size=(3, 4))
    skeleton = Skeleton(("hips", "a,b", 'say "ü"'), np.array([-1, 0, 1]), rng.normal(size=(3, 3)), rest)
    clips = [Motion(name, 24.0, rng.normal(size=(5, 3, 4)), rng.normal(size=(5, 3, 3))) for name in ("walk", "run")]
    return Asset(Rig(skeleton), tuple(clips))


def test_everything_comes_back(asset, tmp_path):
    write_asset(tmp_path / "x.csv", asset)
    again = read_asset(tmp_path / "x.csv")
    assert again.rig.skeleton.names == asset.rig.skeleton.names
    assert again.rig.skeleton.parents.tolist() == [-1, 0, 1]
    assert np.allclose(rest_world(again.rig.skeleton), rest_world(asset.rig.skeleton))
    for ours, theirs in zip(again.motions, asset.motions, strict=True):
        assert (ours.name, ours.fps) == (theirs.name, theirs.fps)
        assert np.allclose(joint_positions(again.rig.skeleton, ours), joint_positions(asset.rig.skeleton, theirs))
        assert np.allclose(abs(np.sum(ours.rotations * theirs.rotations, axis=-1)), 1)


def test_mocap_knows_the_plugin(capsys):
    assert main(["plugins", "--json"]) == 0
    row = next(row for row in json.loads(capsys.readouterr().out) if row["name"] == "csv")
    assert row["status"] == "ok"
    assert row["extensions"] == {"csv": "rw"}
    assert sorted(row["hooks"]) == ["register_commands", "register_formats"]


def test_convert_and_trace(asset, tmp_path, capsys):
    write_asset(tmp_path / "x.csv", asset)
    assert main(["convert", str(tmp_path / "x.csv"), str(tmp_path / "y.csv"), "--clip", "run"]) == 0
    capsys.readouterr()
    assert main(["trace", str(tmp_path / "y.csv"), "hips"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert lines[0].startswith("run,0,")


GOOD = "mocapcli-csv,1\nnames,a,b\nparents,-1,0\nrest,0,0,0,0,0,0,1,0,1,0,0,0,0,1\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hello", "expected row 'mocapcli-csv'"),
        (GOOD.replace(",1\nnames", ",2\nnames"), "wrong values in row 'mocapcli-csv'"),
        (GOOD.replace("-1,0", "-1,1"), "a parent must come before its children"),
        (GOOD.replace("-1,0", "-1"), "line 3: wrong values in row 'parents'"),
        (GOOD.replace("0,1,0,0", "0,nan,0,0"), "finite"),
        (GOOD + "frame,1\n", "line 5: row 'frame' with 1 values does not belong here"),
        (GOOD + "clip,walk,-3\nframe" + ",1" * 14, "fps must be positive"),
        (GOOD + "clip,walk,x\n", "line 5: could not convert"),
        (GOOD + "clip,walk,30\nframe" + ",0" * 14, "line 6: numbers must be finite and rotations not zero"),
        ("\xff\xfe", "no CSV text in UTF-8"),
    ],
)
def test_mistakes_are_named(text, words, tmp_path, capsys):
    path = tmp_path / "bad.csv"
    path.write_bytes(text.encode("latin-1"))
    assert main(["convert", str(path), str(tmp_path / "out.csv")]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"mocap: {path}: ")
    assert words in error
    assert not (tmp_path / "out.csv").exists()
