"""`mocap eval --workers` and `--engine ray`: the same figures, whoever works."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from cli_helpers import run
from eval_helpers import evaluated
from mocapcli.adapting import api
from mocapcli.data.cache import Cache, Entry
from mocapcli.data.windows import evaluation_windows
from mocapcli.evaluation import work
from mocapcli.evaluation.settings import Models, Scene

pytest_plugins = ["eval_fixtures"]


def test_two_workers_find_what_one_finds(capsys, unseen: Cache, model: Path, monkeypatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # sums in another order differ in the last digits
    arguments = ("--setting", "e2e", "--model", model, "--per-family", "1")
    assert evaluated(capsys, unseen, *arguments, "--workers", "2") == evaluated(capsys, unseen, *arguments)


@pytest.mark.filterwarnings("default:::ray")
def test_a_cluster_finds_the_same(capsys, unseen: Cache, ray_cluster: None) -> None:
    assert evaluated(capsys, unseen, "--engine", "ray", "--workers", "2") == evaluated(capsys, unseen)


def test_a_rig_is_learnt_by_one_worker_with_its_share_of_the_cores(unseen: Cache, monkeypatch) -> None:
    asked = []

    def learn(asset, network, seconds, **options):
        asked.append((seconds, options["threads"]))
        return SimpleNamespace(network=network)

    recipe = work.Recipe(unseen.folder, "v2p", Models(("small",)), Scene(adapt_seconds=5.0), ("mpjpe_percent",))
    windows = evaluation_windows(unseen, "unseen")
    items = work._items([*windows, replace(windows[0], start=5)], {}, unseen.folder, Path("parts"))
    assert [len(item.task) for item in items] == [2, 1, 1], "one piece of work for each rig, with all of its windows"
    monkeypatch.setattr(api, "adapt_rig", learn)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    for many, threads in ((True, 3), (False, 0)):
        do = work._begin(recipe, many)
        list(work.judge(do.args[0], items[0].task[:1], do.args[1], do.args[2]))
        assert asked.pop() == (5.0, threads)


def test_rigs_that_fail_are_named_and_the_others_kept(capsys, unseen: Cache, tmp_path: Path, monkeypatch) -> None:
    """A split without some of its rigs is another split: no figures, but nothing is lost either."""
    broken, real = unseen.entries[0].file, Cache.load

    def load(cache: Cache, entry: Entry):
        if entry.file == broken:
            raise ValueError("no such luck")
        return real(cache, entry)

    monkeypatch.setattr(Cache, "load", load)
    arguments = (
        "eval",
        "--model",
        "none",
        "--split",
        "unseen",
        "--cache",
        unseen.folder,
        "--output",
        tmp_path / "x.json",
    )
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (1, "")
    assert f"1 of 3 rigs could not be judged: {broken} (ValueError: no such luck)" in err
    assert [path.name for path in tmp_path.iterdir()] == ["x.json.partial"]
    monkeypatch.undo()
    assert run(capsys, *arguments)[0] == 0


@pytest.mark.parametrize("options", [("--workers", "2"), ("--engine", "ray")])
def test_two_files_need_no_workers(capsys, tmp_path: Path, options: tuple[str, ...]) -> None:
    code, _, err = run(capsys, "eval", "a.bvh", "b.bvh", "--rig", "c.glb", *options)
    assert code == 2
    assert "go with --split" in err


def test_something_else_where_parts_are_kept_is_told(capsys, unseen: Cache, tmp_path: Path) -> None:
    (tmp_path / "x.json.partial").write_text("mine")
    code, _, err = run(
        capsys, "eval", "--model", "none", "--split", "unseen", "--cache", unseen.folder, "-o", tmp_path / "x.json"
    )
    assert code == 1
    assert "x.json.partial: cannot make this folder" in err
    assert (tmp_path / "x.json.partial").read_text() == "mine"
