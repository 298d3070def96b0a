"""`mocap capture`: one video and one rig in, files out."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import mocapcli
from capture_helpers import film_mp4, save_tiny
from cli_helpers import run
from mocapcli.capturing.api import capture_video
from mocapcli.capturing.options import Options
from mocapcli.formats import read_asset, write_asset
from mocapcli.kinematics import crop, joint_positions
from mocapcli.types import Asset
from mocapcli.zoo import make_creature

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def asset() -> Asset:
    return make_creature(11)


@pytest.fixture(scope="module")
def rig(tmp_path_factory, asset: Asset) -> Path:
    path = tmp_path_factory.mktemp("rig") / "rig.glb"
    write_asset(path, asset)
    return path


@pytest.fixture(scope="module")
def video(tmp_path_factory, asset: Asset) -> Path:
    return film_mp4(tmp_path_factory.mktemp("video") / "walk.mp4", asset, asset.motions[0])


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("model") / "tiny")


def test_one_command_writes_everything(capsys, tmp_path: Path, video: Path, rig: Path, model: Path) -> None:
    names = {"--confidence": "c.npz", "--report": "r.json", "--preview": "p.mp4", "--view": "v.html", "-o": "out.glb"}
    extras = [text for option, name in names.items() for text in (option, tmp_path / name)]
    debug = tmp_path / "debug"
    code, out, err = run(
        capsys,
        "capture",
        video,
        "--rig",
        rig,
        "--model",
        model,
        "-o",
        tmp_path / "out.bvh",
        *extras,
        "--debug-dir",
        debug,
        "--adapt",
        "off",
    )
    assert code == 0, err
    assert "out.glb" in out and "alpha" in out
    report = json.loads((tmp_path / "r.json").read_text())
    captured, user = read_asset(tmp_path / "out.glb"), read_asset(rig)
    assert captured.rig.skeleton.names == user.rig.skeleton.names
    assert captured.rig.mesh is not None and len(captured.rig.mesh.vertices) == len(user.rig.mesh.vertices)
    assert captured.motions[0].name == "walk"
    assert captured.motions[0].frames == report["frames"]
    assert report["model"]["name"] == "tiny"
    assert (report["settings"]["adapt"], report["settings"]["root"]) == ("off", "full")
    assert report["settings"]["output"] == [str(tmp_path / "out.bvh"), str(tmp_path / "out.glb")]
    assert [line for line in report["warnings"] if "the mesh is left out" in line]  # the writer's, of the .bvh
    assert err.count("the mesh is left out") == 1
    assert {"subject", "pose", "rotation"} < set(report["seconds"])
    sure = np.load(tmp_path / "c.npz")
    assert sure["values"].shape == (report["frames"], len(sure["joints"]))
    assert set(sure["joints"]) <= set(user.rig.skeleton.names)
    assert ((sure["values"] >= 0) & (sure["values"] <= 1)).all()
    assert (debug / "joints.png").stat().st_size > 1000
    assert (tmp_path / "p.mp4").stat().st_size > 1000
    assert "walk" in (tmp_path / "v.html").read_text(encoding="utf-8")
    assert read_asset(tmp_path / "out.bvh").motions[0].frames == report["frames"]


def test_as_a_function(tmp_path: Path, asset: Asset, video: Path, rig: Path, model: Path) -> None:
    motion = mocapcli.capture(video, rig, model=model, adapt="off", root="in-place", fps=10, end=0.5)
    again = mocapcli.capture(video, read_asset(rig), model=model, adapt="off", root="in-place", fps=10, end=0.5)
    assert motion.fps == 10 and motion.frames == 5
    ways = joint_positions(asset.rig.skeleton, motion)[:, 0]
    assert np.ptp(ways[:, [0, 2]], axis=0).max() < 1e-6
    np.testing.assert_array_equal(motion.rotations, again.rotations)
    np.testing.assert_allclose(np.linalg.norm(motion.rotations, axis=-1), 1, atol=1e-12)
    assert ((motion.rotations[1:] * motion.rotations[:-1]).sum(-1) >= 0).all()


def test_the_preview_keeps_step_with_the_film_whatever_filters_cut(
    video: Path, rig: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = Options(model=model, adapt="off", end=1.0)
    plain = capture_video(video, rig, options)
    assert plain.filmed is plain.motion
    monkeypatch.setattr("mocapcli.capturing.api.apply_filters", lambda motion, rig, steps: crop(motion, 0.3, 0.8))
    cut = capture_video(video, rig, options)
    assert cut.motion.frames < plain.motion.frames == cut.filmed.frames
