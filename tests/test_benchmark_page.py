"""The script that makes docs/BENCHMARK.md: on a tiny zoo, with a tiny model."""

import importlib.util
import json
import re
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from eval_helpers import TINY, save_model
from mocapcli.data.cache import Cache

pytest_plugins = ["eval_fixtures"]
SCRIPT = Path(__file__).parent / "benchmarks" / "make_benchmark_page.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_benchmark_page", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def stage_2(tmp_path_factory) -> Path:
    return save_model(tmp_path_factory.mktemp("models") / "stage-2", replace(TINY, stages=("rotation",)))


@pytest.fixture(scope="module")
def made(script: ModuleType, unseen: Cache, stage_2: Path, tmp_path_factory) -> tuple[str, Path]:
    folder = tmp_path_factory.mktemp("page")
    arguments = ["--cache", str(unseen.folder), "--model", str(stage_2), "--per-family", "1"]
    script.make([*arguments, "--results", str(folder / "results"), "--output", str(folder / "docs" / "PAGE.md")])
    return (folder / "docs" / "PAGE.md").read_text(encoding="utf-8"), folder / "results"


def section(page: str, title: str) -> str:
    (found,) = [part for part in page.split("\n## ") if part.startswith(title)]
    return found


def tables(text: str) -> list[list[list[str]]]:
    """Rows of cells of each table; all rows of a table are as long."""
    found: list[list[list[str]]] = []
    inside = False
    for line in text.splitlines():
        if line.startswith("|"):
            found += [] if inside else [[]]
            found[-1].append([cell.strip() for cell in line.strip("|").split("|")])
        inside = line.startswith("|")
    for table in found:
        assert {len(row) for row in table} == {len(table[0])}
        assert set("".join(table[1])) <= set("-:")
    return [[table[0], *table[2:]] for table in found]


def test_it_says_when_and_how_it_was_made(made) -> None:
    page, _ = made
    assert re.search(r"Put together on 20\d\d-\d\d-\d\d at commit", page)
    assert "python tests/benchmarks/make_benchmark_page.py --cache CACHE" in page
    assert "mocap eval --setting p2r --split unseen" in page


def test_figures_are_those_of_the_json_with_copy_first(made) -> None:
    page, results = made
    rows = json.loads((results / "p2r-unseen-own.json").read_text())["rows"]
    table, families, speed = tables(section(page, "Positions to rotations (p2r), unseen"))
    assert table[0][:2] == ["row", "local rotation °"]
    assert table[1][0] == "`copy`"
    by_row = {name.strip("`"): line[1:] for line in table[1:] for name in line[0].split(" = ")}
    assert list(by_row) == list(rows)
    assert "`closed_form` = `factorised`" in [line[0] for line in table]
    value, copy = (rows[row]["rotation_local_deg"] for row in ("ours", "copy"))
    assert by_row["ours"][0] == f"{value:.2f} ({1 - value / copy:+.2f})"
    assert by_row["copy"][0] == f"{copy:.2f}"
    assert by_row["direct"][0].startswith("none given")
    assert [line[0] for line in families[1:]] == ["first", "second"]
    assert [line[0] for line in speed[1:]] == ["closed form", "stage 2 (ours)"]


def test_what_is_missing_is_named(made) -> None:
    page, results = made
    assert "Not measured: no model yet" in section(page, "Video to rotations (e2e), unseen\n")
    assert "holds no weights of stage `pose`" in section(page, "Video to positions (v2p), unseen")
    assert "no clips of this split" in section(page, "Positions to rotations (p2r), rare")
    assert sorted(path.name for path in results.iterdir()) == ["p2r-unseen-own.json", "p2r-unseen-own.run"]


def test_the_closed_form_is_checked_from_files(made) -> None:
    text = section(made[0], "The closed form, checked")
    difference = re.search(r"Largest difference: ([0-9.e-]+)°", text)
    assert difference is not None
    assert float(difference[1]) < 0.01
    (table,) = tables(text)
    assert [line[0] for line in table[1:]] == ["first", "second"]
    for line in table[1:]:
        assert float(line[1]) == pytest.approx(float(line[2]), abs=0.01)
        assert float(line[1]) > 0.1


def test_results_that_are_there_are_taken(script: ModuleType, made, unseen: Cache, stage_2: Path, monkeypatch) -> None:
    page, results = made
    monkeypatch.setattr(script, "main", None)
    again = results.parent / "again.md"
    arguments = ["--cache", str(unseen.folder), "--model", str(stage_2), "--per-family", "1", "--reuse"]
    script.make([*arguments, "--results", str(results), "--output", str(again)])
    assert section(again.read_text(), "Positions to rotations (p2r), unseen") == section(
        page, "Positions to rotations (p2r), unseen"
    )


def test_results_of_another_command_are_not_taken(
    script: ModuleType, made, unseen: Cache, stage_2: Path, tmp_path: Path, monkeypatch
) -> None:
    _, results = made
    ran: list[list[str]] = []
    monkeypatch.setattr(script, "main", lambda words: ran.append(words) or 1)
    arguments = ["--cache", str(unseen.folder), "--model", str(stage_2), "--per-family", "1", "--seed", "7", "--reuse"]
    script.make([*arguments, "--results", str(results), "--output", str(tmp_path / "new" / "again.md")])
    assert any("p2r" in words for words in ran)
    assert "the run failed" in (tmp_path / "new" / "again.md").read_text()


def test_bars_in_names_do_not_break_tables(script: ModuleType) -> None:
    assert tables(script.markdown([["a", "b"], ["x", "1"]])) == [[["a", "b"], ["x", "1"]]]
    assert "Armature\\|Run" in script.markdown([["a"], ["Armature|Run"]])


def test_what_was_learnt_before_is_carried_over_with_its_weights(
    script: ModuleType, made, unseen: Cache, stage_2: Path, tmp_path
) -> None:
    page, results = made
    title, figures = (
        "## Video to rotations (e2e), unseen, rigs learnt",
        "    mocap eval\n\nMean over 2 families.\n\n| row |\n",
    )
    first, second, third = (tmp_path / name for name in ("first.md", "second.md", "third.md"))
    learnt = f"{title}\n\n{figures}\n## Marks from outside"
    first.write_text(re.sub(r"weights \w+", "weights 0123abcd", page).replace("## Marks from outside", learnt))
    arguments = ["--cache", str(unseen.folder), "--model", str(stage_2), "--per-family", "1", "--reuse"]
    for carried, made_of_it in ((first, second), (second, third)):
        more = ["--carry", str(carried), "--note", "A word more."]
        script.make([*arguments, *more, "--results", str(results), "--output", str(made_of_it)])
        assert "\nA word more.\n" in made_of_it.read_text().partition("\n## ")[0]
        found = section(made_of_it.read_text(), title.removeprefix("## "))
        assert re.search(r"taken from the page of 20\d\d-\d\d-\d\d: of weights 0123abcd\.", found)
        assert found.count("taken from") == 1
        assert figures in found
    assert "rigs learnt" not in page


def test_only_what_is_asked_for_is_measured(script: ModuleType, made, unseen: Cache, stage_2: Path, tmp_path) -> None:
    page, results = made
    before, after = tmp_path / "before.md", tmp_path / "after.md"
    before.write_text(page)
    arguments = ["--cache", str(unseen.folder), "--model", str(stage_2), "--per-family", "1", "--reuse"]
    arguments += ["--only", "p2r-unseen-own", "--carry", str(before)]
    script.make([*arguments, "--results", str(results), "--output", str(after)])
    title = "Positions to rotations (p2r), unseen"
    assert section(after.read_text(), title) == section(page, title)
    for other in ("Positions to rotations (p2r), seen", "Video to positions (v2p), unseen"):
        carried = section(after.read_text(), other)
        assert "taken from the page of" in carried and section(page, other).splitlines()[-1] in carried
    assert "--only p2r-unseen-own" in after.read_text()
