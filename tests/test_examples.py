"""The examples: rigs can be read, videos show the clips they claim, and the script still makes them."""

import importlib.util
import json
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from cli_helpers import run
from mocapcli.formats import read_asset
from mocapcli.kinematics import motion_world
from mocapcli.render.camera import Camera
from mocapcli.render.scene import prepare, render

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
TRUTHS = json.loads((EXAMPLES / "truth.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("make_examples", EXAMPLES / "make_examples.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_examples"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["make_examples"]


def decode(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def cameras_of(truth) -> list[Camera]:
    camera = truth["camera"]
    size, rotation = camera["size"], np.array(camera["rotation"])
    return [
        Camera(np.array(position), rotation, size, size, camera["focal_px"], tuple(camera["centre_px"]))
        for position in camera["positions"]
    ]


@pytest.mark.parametrize("kind", ["dragon", "quadruped", "biped"])
def test_each_rig_is_whole(kind):
    asset = read_asset(EXAMPLES / f"{kind}.glb")
    assert asset.rig.mesh is not None and len(asset.rig.mesh.faces) > 1000
    assert asset.rig.skeleton.joints > 15
    assert {truth["clip"] for truth in TRUTHS if truth["rig"] == f"{kind}.glb"} <= {m.name for m in asset.motions}


def test_all_is_small_enough_to_commit():
    files = [path for path in EXAMPLES.iterdir() if path.suffix in (".glb", ".mp4", ".json")]
    assert sum(path.stat().st_size for path in files) < 4_000_000


@pytest.mark.parametrize("truth", TRUTHS, ids=[truth["video"] for truth in TRUTHS])
def test_each_video_shows_its_clip(truth):
    """Where the rig is drawn from the truth, the video's pixels have its colours; elsewhere they have not."""
    frames = decode(EXAMPLES / truth["video"])
    assert frames.shape == (truth["frames"], *2 * [truth["camera"]["size"]], 3)
    assert 60 <= len(frames) <= 90
    asset = read_asset(EXAMPLES / truth["rig"])
    motion = next(motion for motion in asset.motions if motion.name == truth["clip"])
    chosen = [0, len(frames) // 2, len(frames) - 1]
    world = motion_world(asset.rig.skeleton, motion)[chosen]
    cameras = [cameras_of(truth)[frame] for frame in chosen]
    mask = render(prepare(asset.rig), world, cameras, outputs=("mask",)).mask > 0.5
    for place, frame in enumerate(chosen):
        inside = edges_along(frames[frame], mask[place])
        shifted = edges_along(frames[frame], np.roll(mask[place], 12, axis=1))
        assert inside > 1.5 * shifted
        assert 0.02 < mask[place].mean() < 0.6


def edges_along(picture: np.ndarray, mask: np.ndarray) -> float:
    """How much the picture changes, on average, where the mask has its outline."""
    slope = np.abs(np.diff(picture.astype(float).mean(axis=-1), axis=1))
    outline = mask[:, 1:] != mask[:, :-1]
    return float(slope[outline].mean())


def test_the_readme_names_every_file():
    words = (EXAMPLES / "README.md").read_text("utf-8")
    for truth in TRUTHS:
        assert f"| `{truth['video']}` | `{truth['clip']}` of `{truth['rig']}` |" in words


def test_the_script_makes_them(script, tmp_path):
    shots = tuple(shot for shot in script.SHOTS if shot.rig == "quadruped")[:1]
    script.make_all(tmp_path, shots, size=48)
    (truth,) = json.loads((tmp_path / "truth.json").read_text("utf-8"))
    frames = decode(tmp_path / truth["video"])
    assert frames.shape == (truth["frames"], 48, 48, 3)
    assert (tmp_path / "quadruped.glb").stat().st_size > 50_000


@pytest.mark.parametrize("background", ["studio", "plain", "still clouds", "drifting clouds"])
def test_backdrops_move_only_where_they_should(script, background):
    asset = read_asset(EXAMPLES / "quadruped.glb")
    motion = script.cut(asset.motions[0])
    model, world = prepare(asset.rig), motion_world(asset.rig.skeleton, motion)[:6]
    camera = cameras_of(TRUTHS[0])[0].resized(32, 32)
    shot = script.Shot("quadruped", motion.name, 30.0, 10.0, background)
    images = script.BACKDROPS[background](model, world, [camera] * 6, shot)
    assert images.shape == (6, 32, 32, 3) and images.dtype == np.uint8
    assert (np.abs(images[0].astype(int) - images[5]).mean() > 1) == (background == "drifting clouds")


@pytest.mark.timeout(600)
def test_the_readmes_first_capture_with_the_model_that_comes_along(tmp_path: Path, capsys) -> None:
    """Half a second of it, the rig not learnt; and what may be left out of it does something."""
    pytest.importorskip("torch", reason="the extra [network] is not installed")
    video, rig = EXAMPLES / "dragon_walk.mp4", EXAMPLES / "dragon.glb"
    turns = {}
    for name, options in {"whole": (), "seen": ("--refine-iterations", 0), "rough": ("--steady", 0)}.items():
        out, told = tmp_path / f"{name}.glb", tmp_path / f"{name}.json"
        always = ("--adapt", "off", "--end", 0.5, "-o", out, "--report", told)
        code, _, err = run(capsys, "capture", video, "--rig", rig, *always, *options)
        assert code == 0, err
        turns[name] = read_asset(out).motions[0].rotations
        assert json.loads(told.read_text())["model"]["name"] == "small"
    assert len(turns["whole"]) == 15
    jerks = {name: float(np.abs(np.diff(values, n=3, axis=0)).mean()) for name, values in turns.items()}
    assert np.abs(turns["whole"] - turns["seen"]).max() > 1e-3 and jerks["rough"] > 2 * jerks["whole"]
