"""What is said on the command line arrives in the functions that do the work."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="the extra [network] is not installed")

from cli_helpers import run
from factories import make_asset
from mocapcli.capturing.options import Options
from mocapcli.errors import UsageError
from mocapcli.formats import write_asset
from mocapcli.solving.api import SolveOptions

CAPTURE = {
    "--model": ("other", "model", "other"),
    "--device": ("cpu", "device", "cpu"),
    "--adapt": ("7m", "adapt", "7m"),
    "--adapter": ("a.mocap", "adapter", Path("a.mocap")),
    "--reference": ("r.glb:3", "reference", "r.glb:3"),
    "--start": (0.5, "start", 0.5),
    "--end": (2.5, "end", 2.5),
    "--fps": (12.0, "fps", 12.0),
    "--segment": ("static", "segment", "static"),
    "--box": ("1,2,3,4", "box", (1.0, 2.0, 3.0, 4.0)),
    "--mask": ("m", "mask", Path("m")),
    "--segment-model": ("u2net", "segment_model", "u2net"),
    "--subject": (2, "subject", 2),
    "--fov": (40.0, "fov", 40.0),
    "--root": ("none", "root", "none"),
    "--polish": (9, "polish", 9),
    "--refine-iterations": (3, "refine_iterations", 3),
    "--match": (7, "match", 7),
    "--steady": (2.5, "steady", 2.5),
    "--filter": ("smooth", "filter", ("smooth",)),
    "--output": ("o.glb", "output", (Path("o.glb"),)),
    "--confidence": ("c.csv", "confidence", Path("c.csv")),
    "--report": ("r.json", "report", Path("r.json")),
    "--preview": ("p.mp4", "preview", Path("p.mp4")),
    "--view": ("v.html", "view", Path("v.html")),
    "--debug-dir": ("d", "debug_dir", Path("d")),
    "--keep-clips": (None, "keep_clips", True),
    "--overwrite": (None, "overwrite", True),
}
SOLVE = {
    "--map": ("a=b", "mapping", ("a=b",)),
    "--model": ("other", "model", "other"),
    "--up": ("z", "up", "z"),
    "--scale": (0.01, "scale", 0.01),
    "--keep-scale": (None, "keep_scale", True),
    "--rate": (50.0, "rate", 50.0),
    "--fps": (12.0, "fps", 12.0),
    "--start": (0.5, "start", 0.5),
    "--end": (2.5, "end", 2.5),
    "--which": ("second", "which", "second"),
    "--min-confidence": (0.4, "least_confidence", 0.4),
}


class Recorder:
    """Takes the place of what does the work, and ends the command."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def __call__(self, *arguments: Any, **named: Any) -> None:
        self.asked.append((arguments, named))
        raise UsageError("enough")


def said(options: dict[str, Any]) -> list[str]:
    return [str(word) for name, (value, *_) in options.items() for word in (name, value) if word is not None]


def heard(options: dict[str, Any]) -> dict[str, Any]:
    return {field: value for _, field, value in options.values()}


def test_every_option_of_a_capture_arrives(capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder()
    monkeypatch.setattr("mocapcli.capturing.api.capture_video", recorder)
    assert run(capsys, "capture", "walk.mp4", "--rig", "rig.glb", *said(CAPTURE))[0] == 2
    ((video, rig, options), _) = recorder.asked[0]
    assert (video, rig) == (Path("walk.mp4"), Path("rig.glb"))
    assert asdict(options) == heard(CAPTURE)  # none is left out here


def test_what_the_gpu_cannot_do_is_one_line_with_a_way_out(capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB.\nmore of it")

    monkeypatch.setattr("mocapcli.capturing.api.capture_video", full)
    code, _, err = run(capsys, "capture", "walk.mp4", "--rig", "rig.glb", "-o", "out.glb")
    assert code == 1 and "CUDA out of memory" in err and "--device cpu" in err and len(err.splitlines()) == 1


def test_every_option_of_a_solution_arrives(capsys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder()
    monkeypatch.setattr("mocapcli.commands.solve._read", recorder)
    tracks, rig = tmp_path / "walk.trc", tmp_path / "rig.glb"
    write_asset(rig, make_asset())
    tracks.touch()
    assert run(capsys, "solve", tracks, "--rig", rig, "-o", tmp_path / "out.glb", *said(SOLVE))[0] == 2
    assert asdict(recorder.asked[0][0][2]) == heard(SOLVE)


def test_every_option_of_learning_arrives(capsys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder, rig = Recorder(), tmp_path / "rig.glb"
    write_asset(rig, make_asset())
    monkeypatch.setattr("mocapcli.adapting.api.adapt_rig", recorder)
    asked = ("--minutes", 2, "--no-clips", "--threads", 1, "-o", tmp_path / "rig.mocap", "--reference", f"{rig}:1")
    assert run(capsys, "adapt", rig, *asked)[0] == 2
    ((_, _, seconds), named) = recorder.asked[0]
    assert seconds == 120 and not named["use_clips"] and named["threads"] == 1
    assert named["keep"] == tmp_path / "rig.mocap"


def test_defaults_differ_from_what_is_tried_here() -> None:
    """Or an option that goes nowhere would not be noticed."""
    for defaults, tried in ((Options(), CAPTURE), (SolveOptions(), SOLVE)):
        plain = asdict(defaults)
        assert all(plain[field] != value for field, value in heard(tried).items())
