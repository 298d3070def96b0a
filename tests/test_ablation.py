"""The script that takes parts of the network away still runs: every variant of a stage, a step or two each."""

import runpy
import sys
from pathlib import Path

import pytest

pytest_plugins = ["training_fixtures"]
SCRIPT = Path(__file__).parent / "benchmarks" / "ablation.py"
SMALL = ("data.rigs=1", "data.clips=2", "data.frames=2", "rotation.clips=2", "rotation.frames=8")


@pytest.mark.parametrize(
    ("stage", "rows"), [("rotation", 7), ("joint", 2), ("pose", 1)], ids=["rotation", "joint", "pose"]
)
def test_every_variant_is_trained_and_judged(stage, rows, creatures, tmp_path: Path, monkeypatch, capsys) -> None:
    chosen = ["--rows", "one round"] if stage == "pose" else []
    settings = [text for name in SMALL for text in ("--set", name)]
    given = ["--cache", str(creatures), "-o", str(tmp_path), "--stage", stage, "--steps", "2", "--judges", "1"]
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *given, *settings, *chosen])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    table = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert len(table) == 2 + rows
    assert (tmp_path / "ablation.csv").read_text().count("\n") == 1 + rows
