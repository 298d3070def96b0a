"""`mocap capture` and what goes wrong: one clear line, an exit code, no file left half done."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from capture_helpers import TINY, film_mp4, save_tiny, tiny_network
from cli_helpers import run
from mocapcli import installed
from mocapcli.errors import WriteError
from mocapcli.formats import read_asset, write_asset
from mocapcli.network.model import save_network
from mocapcli.render.movie import write_mp4
from mocapcli.types import Asset, Rig, Skeleton
from mocapcli.zoo import make_creature

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A rig, a video of it and a model."""
    folder = tmp_path_factory.mktemp("inputs")
    asset = make_creature(11)
    write_asset(folder / "rig.glb", asset)
    film_mp4(folder / "walk.mp4", asset, asset.motions[0])
    save_tiny(folder / "model")
    return folder


def failed(capsys, code: int, *arguments: object) -> str:
    found, _, err = run(capsys, "capture", "--adapt", "off", *arguments)
    assert found == code, err
    lines = [line for line in err.splitlines() if not line.startswith("mocap: note")]
    assert len(lines) == 1, err
    return lines[0]


def left(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in tmp_path.iterdir())


def grey(path: Path, frames: int = 12, level: int = 128) -> Path:
    write_mp4(path, iter(np.full((frames, 64, 64, 3), level, np.uint8)), 10.0)
    return path


@pytest.mark.parametrize(("level", "said"), [(0, "black all through"), (128, "subject")])
def test_videos_without_a_subject(capsys, folder: Path, tmp_path: Path, level: int, said: str) -> None:
    video = grey(tmp_path / "v.mp4", level=level)
    arguments = ("--rig", folder / "rig.glb", "--model", folder / "model", "-o", tmp_path / "out.glb")
    assert said in failed(capsys, 1, video, *arguments)
    assert left(tmp_path) == ["v.mp4"]


def test_a_subject_that_is_not_there(capsys, folder: Path, tmp_path: Path) -> None:
    arguments = ("--rig", folder / "rig.glb", "--model", folder / "model", "-o", tmp_path / "out.glb")
    line = failed(capsys, 2, folder / "walk.mp4", *arguments, "--subject", 2)
    assert "the video shows one subject" in line
    assert left(tmp_path) == []


def test_two_subjects_are_told(capsys, folder: Path, tmp_path: Path) -> None:
    frames = np.full((20, 96, 128, 3), (90, 200, 90), np.uint8)
    for number, frame in enumerate(frames):
        frame[30:70, 5 + number : 35 + number] = (200, 40, 40)
        frame[40:60, 90 + number : 105 + number] = (40, 40, 200)
    write_mp4(tmp_path / "two.mp4", iter(frames), 10.0)
    arguments = ("--rig", folder / "rig.glb", "--model", folder / "model", "--adapt", "off")
    code, _, err = run(capsys, "capture", tmp_path / "two.mp4", *arguments, "-o", tmp_path / "out.glb")
    assert code == 0, err
    assert "2 subjects were found" in err and "--subject N" in err


def test_one_frame_is_enough(capsys, folder: Path, tmp_path: Path) -> None:
    arguments = ("--rig", folder / "rig.glb", "--model", folder / "model", "-o", tmp_path / "out.glb")
    code, out, err = run(capsys, "capture", folder / "walk.mp4", *arguments, "--end", 0.05, "--adapt", "off")
    assert code == 0, err
    assert ": 1 frames at" in out or ": 1 frame at" in out


def test_rigs_that_cannot_be_animated(capsys, folder: Path, tmp_path: Path) -> None:
    one = Skeleton(("only",), np.array([-1]), np.zeros((1, 3)), np.array([[0.0, 0, 0, 1]]))
    write_asset(tmp_path / "one.glb", Asset(Rig(one)))
    arguments = ("--model", folder / "model", "-o", tmp_path / "out.glb", "--rig")
    assert "one joint" in failed(capsys, 1, folder / "walk.mp4", *arguments, tmp_path / "one.glb")
    triangle = {"asset": {"version": "2.0"}, "scenes": [{"nodes": []}], "scene": 0}
    (tmp_path / "none.gltf").write_text(json.dumps(triangle))
    assert "none.gltf" in failed(capsys, 1, folder / "walk.mp4", *arguments, tmp_path / "none.gltf")
    nodes = [{"name": "a", "children": [1]}, {"name": "b", "children": [0]}]
    cyclic = {"asset": {"version": "2.0"}, "scenes": [{"nodes": [0]}], "scene": 0, "nodes": nodes}
    (tmp_path / "cyclic.gltf").write_text(json.dumps(cyclic))
    assert "cyclic.gltf" in failed(capsys, 1, folder / "walk.mp4", *arguments, tmp_path / "cyclic.gltf")
    assert not (tmp_path / "out.glb").exists()


def test_without_torch(capsys, folder: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(installed, "find_spec", lambda name: None if name == "torch" else name)
    arguments = (folder / "walk.mp4", "--rig", folder / "rig.glb", "-o", tmp_path / "out.glb")
    assert "pip install 'mocapcli[network]'" in failed(capsys, 1, *arguments)


def test_models_that_will_not_do(capsys, folder: Path, tmp_path: Path, monkeypatch) -> None:
    arguments = (folder / "walk.mp4", "--rig", folder / "rig.glb", "-o", tmp_path / "out.glb")
    monkeypatch.setattr("mocapcli.checkpoints.HOMES", (tmp_path,))
    assert "--model DIR" in failed(capsys, 1, *arguments)
    half = replace(TINY, stages=("rotation",))
    save_network(tmp_path / "half", half, tiny_network().state_dict())
    assert "no weights of stage 'pose'" in failed(capsys, 1, *arguments, "--model", tmp_path / "half")
    first = replace(TINY, stages=("pose",))
    save_network(tmp_path / "first", first, tiny_network().state_dict())
    assert "no weights of stage 'rotation'" in failed(capsys, 1, *arguments, "--model", tmp_path / "first")
    assert "--model DIR" in failed(capsys, 1, *arguments)
    assert "no refiner" in failed(capsys, 1, *arguments, "--model", folder / "model", "--refine-iterations", 1)


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ((), 2, "nothing to do"),
        (("-o", "{}/out.xyz"), 1, "unknown file type"),
        (("-o", "{}/no/out.glb"), 1, "no folder"),
        (("-o", "{}/a.glb", "-o", "{}/a.glb"), 2, "twice"),
        (("--preview", "{}/p.txt"), 2, ".mp4"),
        (("--view", "{}/p.txt"), 2, ".html"),
        (("--confidence", "{}/p.txt"), 1, ".npz"),
        (("-o", "{}/a.glb", "--box", "1,2,3"), 2, "X,Y,WIDTH,HEIGHT"),
        (("-o", "{}/a.glb", "--filter", "nonsense"), 2, "no filter"),
        (("-o", "{}/a.glb", "--start", "3", "--end", "2"), 2, "empty"),
        (("-o", "{}/a.glb", "--fov", "500"), 2, "--fov"),
        (("-o", "{}/a.glb", "--device", "abacus"), 2, "no device 'abacus'"),
        (("-o", "{}/a.glb", "--segment", "nonsense"), 1, "nonsense"),
        (("-o", "{}/a.glb", "--reference", "nowhere.bvh:3"), 1, "nowhere.bvh"),
        (("-o", "{}/a.glb", "--reference", "{rig}:9999"), 2, "no frame 9999"),
        (("-o", "{}/a.glb", "--refine-iterations", "17"), 2, "--refine-iterations"),
        (("-o", "{}/a.glb", "--adapter", "{}/no.mocap"), 1, "no such file"),
        (("-o", "{}/a.glb", "--adapter", "{rig}"), 1, "damaged adapter"),
        (("-o", "{}/a.glb", "--debug-dir", "{rig}"), 1, "needs a folder"),
    ],
)
def test_options_that_make_no_sense(capsys, folder: Path, tmp_path: Path, options, code: int, said: str) -> None:
    filled = [text.replace("{rig}", str(folder / "rig.glb")).replace("{}", str(tmp_path)) for text in options]
    given = (folder / "walk.mp4", "--rig", folder / "rig.glb", "--model", folder / "model", *filled)
    assert said in failed(capsys, code, *given)
    assert left(tmp_path) == []


def test_what_cannot_be_written_is_said_before_the_video_is_read(capsys, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"no film")
    arguments = (tmp_path / "broken.mp4", "--rig", folder / "rig.glb", "--model", folder / "model", "-o")
    said = failed(capsys, 1, *arguments, tmp_path / "a.vrm")
    assert "a.vrm" in said and "VRM" in said
    if Path("/proc/self").is_dir():  # not even root may write there
        assert "nothing can be written into /proc/self" in failed(capsys, 1, *arguments, "/proc/self/a.glb")
    assert left(tmp_path) == ["broken.mp4"]


def test_one_output_that_fails_costs_none_of_the_others(capsys, folder: Path, tmp_path: Path, monkeypatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mocapcli_gltf.writer.write_gltf", full)
    outputs = [text for name in ("a.glb", "a.bvh") for text in ("-o", tmp_path / name)]
    arguments = (folder / "walk.mp4", "--rig", folder / "rig.glb", "--model", folder / "model", "--end", "0.3")
    assert "a.glb" in failed(capsys, 1, *arguments, *outputs, "--report", tmp_path / "r.json")
    assert left(tmp_path) == ["a.bvh", "r.json"]


@pytest.mark.parametrize("name", ["confidence", "view", "preview"])
def test_an_extra_that_fails_costs_none_of_the_others(capsys, folder: Path, tmp_path: Path, monkeypatch, name) -> None:
    def full(path: Path, *_: object, **__: object) -> None:
        raise WriteError("no space left", path=path)

    where = {"confidence": "deliver.write_confidence", "view": "view", "preview": "preview.write_preview"}[name]
    place = "mocapcli.view.page.write_page" if where == "view" else f"mocapcli.capturing.{where}"
    monkeypatch.setattr(place, full)
    files = {"confidence": "c.csv", "view": "v.html", "preview": "p.mp4", "report": "r.json"}
    extras = [text for extra, file in files.items() for text in (f"--{extra}", tmp_path / file)]
    arguments = (folder / "walk.mp4", "--rig", folder / "rig.glb", "--model", folder / "model", "--end", "0.3")
    assert f"{files[name]}: no space left" in failed(capsys, 1, *arguments, "-o", tmp_path / "a.bvh", *extras)
    assert left(tmp_path) == sorted({"a.bvh", *files.values()} - {files[name]})


def test_a_film_whose_name_is_no_text(capsys, folder: Path, tmp_path: Path) -> None:
    video = tmp_path / os.fsdecode(b"w\xff.mp4")
    try:
        video.write_bytes((folder / "walk.mp4").read_bytes())
    except OSError:
        pytest.skip("this file system has no such names")
    arguments = (video, "--rig", folder / "rig.glb", "--model", folder / "model", "--end", "0.3", "--adapt", "off")
    code, _, err = run(capsys, "capture", *arguments, "-o", tmp_path / "a.glb")
    assert code == 0, err
    assert [clip.name for clip in read_asset(tmp_path / "a.glb").motions] == ["w?"]


def test_an_output_is_not_an_input(capsys, folder: Path, tmp_path: Path) -> None:
    arguments = (folder / "walk.mp4", "--rig", folder / "rig.glb", "--model", folder / "model")
    assert "itself" in failed(capsys, 1, *arguments, "-o", folder / "rig.glb")
    assert "itself" in failed(capsys, 1, *arguments, "--preview", folder / "walk.mp4")
    write_asset(tmp_path / "pose.glb", make_creature(11))
    assert "itself" in failed(
        capsys, 1, *arguments, "--reference", f"{tmp_path / 'pose.glb'}:1", "-o", tmp_path / "pose.glb"
    )


def test_what_the_options_say_of_them_is_said_before_the_video_is_read(capsys, folder: Path, tmp_path: Path) -> None:
    """Minutes of work must not come before a mistake that was there from the start."""
    (tmp_path / "broken.mp4").write_bytes(b"no film")
    arguments = (
        tmp_path / "broken.mp4",
        "--rig",
        folder / "rig.glb",
        "--model",
        folder / "model",
        "-o",
        tmp_path / "a.glb",
    )
    assert "no frame 99" in failed(capsys, 2, *arguments, "--reference", f"{folder / 'rig.glb'}:9999")
    assert "no refiner" in failed(capsys, 1, *arguments, "--refine-iterations", 1)


@pytest.mark.parametrize(("error", "code"), [(OSError(28, "No space left on device"), 1), (KeyboardInterrupt(), 130)])
def test_interrupted_or_full(capsys, folder: Path, tmp_path: Path, monkeypatch, error, code: int) -> None:
    """While writing and, the other way to get there, in the middle of the work."""

    def fail(*_: object, **__: object) -> None:
        raise error

    arguments = (folder / "walk.mp4", "--rig", folder / "rig.glb", "--model", folder / "model")
    for place in ("mocapcli_gltf.writer.write_gltf", "mocapcli.capturing.clip.CropClip.add"):
        with monkeypatch.context() as patch:
            patch.setattr(place, fail)
            line = failed(capsys, code, *arguments, "-o", tmp_path / "out.glb")
        assert "space" in line or "interrupted" in line
        assert left(tmp_path) == []
