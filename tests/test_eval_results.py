"""What `mocap eval` makes of figures: means, resuming, tables, CSV, charts."""

import csv
import json
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from cli_helpers import run
from eval_helpers import evaluated, long_asset
from mocapcli.data import compact
from mocapcli.data.cache import Cache
from mocapcli.data.windows import evaluation_windows
from mocapcli.evaluation import run as running
from mocapcli.evaluation.plot import nice_top
from mocapcli.evaluation.records import METRICS
from mocapcli.evaluation.results import Judged, judged_from_plain, plain_judged, summarise
from mocapcli.evaluation.sources import cache_in

pytest_plugins = ["eval_fixtures"]


def test_undefined_figures_are_left_out_of_means() -> None:
    judged = [
        Judged("1", "a", {"copy": {"x": 1.0, "y": float("nan")}}),
        Judged("2", "a", {"copy": {"x": 3.0, "y": 5.0}}),
        Judged("3", "b", {"copy": {"x": 10.0, "y": float("nan")}}),
    ]
    results = summarise(judged, "seen", "p2r")
    assert results.families["a"]["copy"] == {"x": 2.0, "y": 5.0}
    assert results.rows["copy"] == {"x": 6.0, "y": 5.0}
    assert results.as_dict()["families"]["b"]["copy"] == {"x": 10.0, "y": None}


def test_a_killed_run_goes_on_where_it_was(capsys, unseen: Cache, tmp_path: Path, monkeypatch) -> None:
    whole = evaluated(capsys, unseen)
    output, partial = tmp_path / "out.json", tmp_path / "out.json.partial"
    arguments = ("eval", "--model", "none", "--split", "unseen", "--cache", unseen.folder, "--output", output)
    real, done = running.measure_case, []

    def dying(*case):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(1)
        return real(*case)

    monkeypatch.setattr(running, "measure_case", dying)
    assert run(capsys, *arguments)[0] == 130
    assert not output.exists()
    kept = [json.loads(path.read_text()) for path in partial.glob("*.json")]
    assert kept
    counted = []
    monkeypatch.setattr(running, "measure_case", lambda *case: counted.append(1) or real(*case))
    assert run(capsys, *arguments)[0] == 0
    assert len(counted) == len(evaluation_windows(unseen, "unseen")) - sum(map(len, kept))
    assert json.loads(output.read_text()) == whole
    assert not partial.exists()


def test_rigs_that_changed_meanwhile_are_judged_anew(capsys, unseen: Cache, tmp_path: Path, monkeypatch) -> None:
    """What is kept of a run is of the rigs as they were, whatever the cache's index says."""
    cache = tmp_path / "cache"
    shutil.copytree(unseen.folder, cache)
    first, *others = evaluation_windows(unseen, "unseen")
    arguments = ("eval", "--model", "none", "--split", "unseen", "--cache", cache, "--output", tmp_path / "out.json")
    real, judged = running.measure_case, []

    def failing_last(*case):
        judged.append(1)
        if len(judged) > len(others):
            raise KeyboardInterrupt
        return real(*case)

    monkeypatch.setattr(running, "measure_case", failing_last)
    assert run(capsys, *arguments)[0] == 130
    for file in {window.entry.file for window in (first, *others)}:
        asset = compact.load(cache / file)
        faster = [replace(motion, fps=motion.fps + 1) for motion in asset.motions]
        compact.save(cache / file, asset.with_motions(faster))
    again: list[int] = []
    monkeypatch.setattr(running, "measure_case", lambda *case: again.append(1) or real(*case))
    assert run(capsys, *arguments)[0] == 0
    assert len(again) == len((first, *others))


def remembered(partial: Path) -> set[str]:
    """The rigs that are finished, by whole lines of the journal: a kill may fall into one."""
    lines = [line for path in partial.glob(".mocap-batch*") for line in path.read_bytes().splitlines(keepends=True)]
    whole = [json.loads(line) for line in lines if line.strip() and line.endswith(b"\n")]
    return {line["item"] for line in whole if line["stamp"]}


def test_a_run_killed_outright_goes_on_where_it_was(capsys, unseen: Cache, tmp_path: Path, monkeypatch) -> None:
    """SIGKILL in the middle: nobody tidies up, and nothing is lost."""
    output, partial = tmp_path / "out.json", tmp_path / "out.json.partial"
    arguments = ["eval", "--model", "none", "--split", "unseen", "--cache", str(unseen.folder), "--output", str(output)]
    slow = (
        "import sys, time; from mocapcli.evaluation import run; from mocapcli.cli import main; real = run.measure_case;"
        " run.measure_case = lambda *case: (time.sleep(0.5), real(*case))[1]; sys.exit(main(sys.argv[1:]))"
    )
    with subprocess.Popen([sys.executable, "-c", slow, *arguments], stderr=subprocess.DEVNULL, cwd=tmp_path) as process:
        while process.poll() is None and not remembered(partial):
            time.sleep(0.05)
        process.kill()
    assert process.returncode == -9
    assert not output.exists()
    kept = remembered(partial)
    left = sum(window.entry.file in kept for window in evaluation_windows(unseen, "unseen"))
    assert left
    counted, real = [], running.measure_case
    monkeypatch.setattr(running, "measure_case", lambda *case: counted.append(1) or real(*case))
    assert run(capsys, *arguments)[0] == 0
    assert len(counted) == len(evaluation_windows(unseen, "unseen")) - left
    assert json.loads(output.read_text()) == evaluated(capsys, unseen)


def test_what_is_judged_is_kept_until_it_is_written(capsys, unseen: Cache, tmp_path: Path, monkeypatch) -> None:
    """A film that fails costs no figures; the next run judges nothing again."""
    arguments = ("eval", "--model", "none", "--split", "unseen", "--cache", unseen.folder, "--per-family", "1")
    monkeypatch.setattr("mocapcli.evaluation.film.choose_examples", None)
    with pytest.raises(TypeError):
        run(capsys, *arguments, "--video", tmp_path / "x.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["x.mp4.partial"]
    monkeypatch.undo()
    monkeypatch.setattr(running, "measure_case", None)
    assert run(capsys, *arguments, "--video", tmp_path / "x.mp4")[0] == 0
    assert [path.name for path in tmp_path.iterdir()] == ["x.mp4"]


def test_what_another_run_left_is_not_used(capsys, unseen: Cache, tmp_path: Path, monkeypatch) -> None:
    """Another seed means other noise: nothing may be taken over, and the figures are those of a run by itself."""
    output = tmp_path / "out.json"
    arguments = ("eval", "--model", "none", "--split", "unseen", "--cache", unseen.folder, "--output", output)
    monkeypatch.setattr("mocapcli.evaluation.command.deliver", None)
    with pytest.raises(TypeError):
        run(capsys, *arguments)
    monkeypatch.undo()
    assert run(capsys, *arguments, "--seed", "1")[0] == 0
    assert json.loads(output.read_text()) == evaluated(capsys, unseen, "--seed", "1")


def test_figures_survive_being_written() -> None:
    judged = Judged("w", "a", {"copy": {"x": float("nan")}}, {"copy": [1.0]}, {"ours": [(1.0, 2.0)]})
    again = judged_from_plain(json.loads(json.dumps(plain_judged(judged))))
    assert np.isnan(again.rows["copy"]["x"])
    assert (again.label, again.family, again.curves) == ("w", "a", {"copy": [1.0]})
    assert again.reliability == {"ours": [(1.0, 2.0)]}


def test_the_table_has_copy_and_skill_beside_every_figure(capsys, unseen: Cache) -> None:
    code, out, err = run(capsys, "eval", "--model", "none", "--split", "unseen", "--cache", unseen.folder)
    assert code == 0, err
    lines = out.splitlines()
    assert lines[0].split() == ["figure", "row", "value", "copy", "skill"]
    for metric in METRICS[:5]:
        (line,) = [line for line in lines if line.startswith(metric.description)][:1]
        value, copy, worth = line.split()[-3:]
        assert " closed_form = factorised " in line
        if copy not in ("0.00", "–"):
            assert float(worth) == pytest.approx(1 - float(value) / float(copy), abs=0.02)
    assert sum(line.startswith("second ") for line in lines) == 3
    assert [line.split() for line in lines].count(["MPJPE", "%", "copy", "closed_form", "one_pass"]) == 1
    assert sum("direct" in line and "none given" in line for line in lines) > len(METRICS) - 2
    assert sum("ours" in line and "no model" in line for line in lines) > len(METRICS) - 2


def test_csv_and_plots(capsys, unseen: Cache, tmp_path: Path) -> None:
    arguments = ("eval", "--model", "none", "--split", "unseen", "--cache", unseen.folder, "--per-family", "1")
    for name in ("plot.svg", "plot.png"):
        code, _, err = run(capsys, *arguments, "--csv", tmp_path / "out.csv", "--plot", tmp_path / name)
        assert code == 0, err
    rows = list(csv.DictReader((tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()))
    assert {row["family"] for row in rows} == {"*", "first", "second"}
    one = next(row for row in rows if row["family"] == "*" and row["figure"] == "rotation_local_deg")
    assert float(one["skill"]) == pytest.approx(1 - float(one["value"]) / float(one["copy"]), abs=1e-4)
    tree = ElementTree.parse(tmp_path / "plot.svg")
    texts = [element.text for element in tree.iter("{http://www.w3.org/2000/svg}text")]
    assert {"first", "second", "copy", "closed_form"} <= set(texts)
    with Image.open(tmp_path / "plot.png") as image:
        colours = {colour for _, colour in image.convert("RGB").getcolors(1 << 20)}
    assert {(200, 57, 43), (47, 111, 179)} <= colours  # the copy's and the first row's


@pytest.mark.parametrize(
    ("values", "top"), [([0.9], 1), ([1.0], 1), ([11.0, 3.0], 20), ([np.nan], 1), ([], 1), ([0.0], 1), ([61.0], 80)]
)
def test_axes_end_on_round_numbers(values: list[float], top: float) -> None:
    assert nice_top(values) == pytest.approx(top)


def test_a_familys_odd_name_cannot_break_a_plot(capsys, tmp_path: Path) -> None:
    cache = cache_in(tmp_path / "cache", [("a", "<b>&\x1b[31m" + "x" * 60, long_asset(1, frames=20))], "unseen")
    for name in ("plot.svg", "plot.png"):
        code, _, err = run(
            capsys,
            "eval",
            "--model",
            "none",
            "--split",
            "unseen",
            "--cache",
            cache.folder,
            "--plot",
            tmp_path / name,
            "--json",
        )
        assert code == 0, err
    ElementTree.parse(tmp_path / "plot.svg")
