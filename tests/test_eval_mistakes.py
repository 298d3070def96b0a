"""What people type by mistake, and what they are told."""

from dataclasses import replace
from pathlib import Path

import pytest

from cli_helpers import run
from eval_helpers import evaluated, long_asset
from factories import make_asset
from mocapcli.data.cache import Cache
from mocapcli.evaluation.sources import cache_in
from mocapcli.formats import write_asset

pytest_plugins = ["eval_fixtures"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "nothing to do"),
        (["--split", "unseen"], 2, "say on what to evaluate"),
        (["--split", "unseen", "--zoo", "2", "--cache", "x"], 2, "say on what to evaluate"),
        (["--split", "holdout", "--zoo", "2"], 2, "holdout"),
        (["--split", "unseen", "--cache", "nowhere"], 1, "this is no cache"),
        (["--split", "unseen", "--assets", "nowhere"], 1, "no such folder"),
        (["--split", "unseen", "--zoo", "0"], 2, "--zoo"),
        (["a.glb"], 2, "mocap eval PREDICTED TRUTH --rig RIG"),
        (["a.glb", "b.glb"], 2, "mocap eval PREDICTED TRUTH --rig RIG"),
        (["--rig", "b.glb"], 2, "mocap eval PREDICTED TRUTH --rig RIG"),
        (["a.glb", "b.glb", "--rig", "c.glb", "--split", "seen"], 2, "either"),
        (["a.glb", "b.glb", "--rig", "c.glb"], 1, "no such file"),
        (["--split", "unseen", "--zoo", "1", "--plot", "x.jpg"], 2, ".png or .svg"),
        (["--split", "unseen", "--zoo", "1", "-o", "nowhere/x.json"], 2, "no folder"),
        (["--split", "unseen", "--zoo", "1", "--video", "x.avi"], 2, ".mp4 or .gif"),
        (["--split", "unseen", "--zoo", "1", "--csv", "."], 2, "is a folder"),
        (["--split", "unseen", "--zoo", "1", "--csv", "x", "-o", "x"], 2, "two files at once"),
        (["a.glb", "b.glb", "--rig", "c.glb", "--csv", "c.glb"], 2, "two files at once"),
        (["a.glb", "b.glb", "--rig", "c.glb", "--video", "x.mp4"], 2, "go with --split"),
        (["a.glb", "b.glb", "c.glb", "--rig", "c.glb"], 2, "three are needed"),
        (["--split", "unseen", "--zoo", "1", "--shard", "1/2"], 2, "--output"),
        (["--split", "unseen", "--zoo", "1", "--shard", "3/2", "-o", "x.json"], 2, "no shard 3 of 2"),
        (["--split", "unseen", "--zoo", "1", "--shard", "half", "-o", "x.json"], 2, "as in 2/8"),
        (["--merge"], 2, "nothing to merge"),
        (["--merge", "a.json", "--split", "seen"], 2, "--merge takes"),
        (["--merge", "nowhere.json"], 1, "cannot read"),
    ],
)
def test_mistakes_are_told_in_one_line(capsys, arguments, code, words) -> None:
    found, out, err = run(capsys, "eval", *arguments)
    assert (found, out) == (code, "")
    assert words in err


def test_an_unknown_model_is_told(capsys, unseen: Cache) -> None:
    code, _, err = run(capsys, "eval", "--split", "unseen", "--cache", unseen.folder, "--model", "gpt")
    assert code == 1
    assert "no model 'gpt'" in err


def test_a_folder_without_weights_is_no_model(capsys, unseen: Cache, tmp_path: Path) -> None:
    code, _, err = run(capsys, "eval", "--split", "unseen", "--cache", unseen.folder, "--model", tmp_path)
    assert code == 1
    assert "this is no model" in err


def test_video_settings_need_a_model(capsys, unseen: Cache) -> None:
    code, _, err = run(
        capsys, "eval", "--model", "none", "--split", "unseen", "--cache", unseen.folder, "--setting", "v2p"
    )
    assert code == 2
    assert "--model" in err


def test_an_empty_split_is_told(capsys, unseen: Cache) -> None:
    code, _, err = run(capsys, "eval", "--model", "none", "--split", "seen", "--cache", unseen.folder)
    assert code == 1
    assert "the split 'seen' has no clips" in err


def test_a_folder_without_a_manifest_has_no_unseen_rigs(capsys, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    (tmp_path / "in").mkdir()
    write_asset(tmp_path / "in" / "a.glb", long_asset(1, frames=30))
    code, _, err = run(capsys, "eval", "--model", "none", "--split", "unseen", "--assets", tmp_path / "in")
    assert (code, err.count("\n")) == (1, 1)
    assert f"{tmp_path / 'in'}: the split 'unseen' has no clips (a manifest.csv says" in err


def test_files_that_take_no_part_are_named(capsys, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    (tmp_path / "in").mkdir()
    write_asset(tmp_path / "in" / "a.glb", long_asset(1, frames=40))
    for number in range(7):
        (tmp_path / "in" / f"b{number}.glb").write_bytes(b"glTF")
    for _ in range(2):  # made, and found made
        code, _, err = run(capsys, "eval", "--model", "none", "--split", "rare", "--assets", tmp_path / "in")
        assert code == 0
        assert err.count("note: skipped b") == 5
        assert "note: skipped 2 files more" in err


def test_a_figure_that_trips_is_named(capsys, unseen: Cache, monkeypatch) -> None:
    monkeypatch.setattr("mocapcli.metrics.velocity", lambda comparison: 1 / 0)
    code, _, err = run(capsys, "eval", "--model", "none", "--split", "unseen", "--cache", unseen.folder)
    assert code == 1
    assert "the figure 'velocity_percent' cannot be computed (ZeroDivisionError: division by zero)" in err


def test_files_without_the_rigs_joints_are_named(capsys, tmp_path: Path) -> None:
    asset = make_asset(3, mesh=False)
    skeleton = replace(asset.rig.skeleton, names=("a", "b", "c"))
    for name, rig in (("rig", asset.rig), ("other", replace(asset.rig, skeleton=skeleton))):
        write_asset(tmp_path / f"{name}.npz", replace(asset, rig=rig))
    rig, other = tmp_path / "rig.npz", tmp_path / "other.npz"
    code, _, err = run(capsys, "eval", rig, other, "--rig", rig)
    assert code == 1
    assert f"{other}: no joint is called as one of the rig's" in err


def test_a_rig_without_clips_takes_no_part(capsys, tmp_path: Path) -> None:
    made = [("a", "bare", make_asset(clips=0)), ("b", "full", long_asset(1, frames=20))]
    found = evaluated(capsys, cache_in(tmp_path, made, "unseen"))
    assert list(found["families"]) == ["full"]


def test_a_file_without_clips_cannot_be_compared(capsys, tmp_path: Path) -> None:
    write_asset(tmp_path / "bare.glb", make_asset(clips=0))
    write_asset(tmp_path / "full.glb", make_asset())
    code, _, err = run(capsys, "eval", tmp_path / "bare.glb", tmp_path / "full.glb", "--rig", tmp_path / "full.glb")
    assert code == 1
    assert "bare.glb: there is no clip in it" in err


def test_a_direct_model_must_be_one(capsys, unseen: Cache, model: Path, direct: Path) -> None:
    arguments = ("eval", "--split", "unseen", "--cache", unseen.folder)
    code, _, err = run(capsys, *arguments, "--direct-model", model)
    assert code == 2
    assert "is not direct" in err
    code, _, err = run(capsys, *arguments, "--model", direct, "--direct-model", direct)
    assert code == 2
    assert "two models are called 'direct'" in err
