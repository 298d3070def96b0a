"""`mocap eval --shard` and `--merge`: parts put together are the whole."""

import json
from pathlib import Path

import pytest

from cli_helpers import run
from eval_helpers import evaluated
from mocapcli.data.cache import Cache

pytest_plugins = ["eval_fixtures"]


@pytest.fixture(scope="module")
def parts(unseen: Cache, tmp_path_factory) -> list[Path]:
    from mocapcli.cli import main

    folder = tmp_path_factory.mktemp("parts")
    paths = [folder / f"part{number}.json" for number in (1, 2)]
    for number, path in enumerate(paths, 1):
        arguments = [
            "eval",
            "--model",
            "none",
            "--split",
            "unseen",
            "--cache",
            str(unseen.folder),
            "--shard",
            f"{number}/2",
        ]
        assert main([*arguments, "-o", str(path)]) == 0
    return paths


def merged(capsys, *arguments) -> tuple[int, str, str]:
    return run(capsys, "eval", "--merge", *arguments)


def test_the_parts_are_the_whole(capsys, unseen: Cache, parts: list[Path], tmp_path: Path) -> None:
    labels = [{line["window"] for line in json.loads(path.read_text())["part"]["windows"]} for path in parts]
    assert all(labels)
    assert not labels[0] & labels[1]
    code, out, err = merged(capsys, *parts[::-1], "--json", "--csv", tmp_path / "all.csv", "--plot", tmp_path / "a.svg")
    assert code == 0, err
    assert json.loads(out) == evaluated(capsys, unseen)
    assert (tmp_path / "all.csv").stat().st_size > 1000


def test_a_missing_part_is_told(capsys, parts: list[Path]) -> None:
    code, out, err = merged(capsys, parts[0])
    assert (code, out) == (2, "")
    assert "windows are missing" in err
    assert "1/2" in err


def test_a_part_twice_is_told(capsys, parts: list[Path]) -> None:
    code, _, err = merged(capsys, parts[0], parts[0], parts[1])
    assert code == 1
    assert "is in another part too" in err


def test_parts_of_different_runs_do_not_mix(capsys, unseen: Cache, parts: list[Path], tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    arguments = (
        "eval",
        "--model",
        "none",
        "--split",
        "unseen",
        "--cache",
        unseen.folder,
        "--shard",
        "2/2",
        "--seed",
        "7",
        "-o",
        other,
    )
    assert run(capsys, *arguments)[0] == 0
    code, _, err = merged(capsys, parts[0], other)
    assert code == 1
    assert "another run" in err
    assert "seed" in err


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.pop("part"),
        lambda content: content["part"].update(windows=[1]),
        lambda content: content["part"].update(labels=[["x"]]),
        lambda content: content["part"].update(run=None),
        lambda content: content["part"]["run"].update(setting=4),
        lambda content: content["part"].update(absent=["ab", 3]),
        lambda content: content["part"]["windows"][0].update(rows={"copy": {"rotation_local_deg": "much"}}),
        lambda content: content["part"]["windows"][0].update(window={}),
    ],
)
def test_damaged_parts_are_refused(capsys, parts: list[Path], tmp_path: Path, change) -> None:
    content = json.loads(parts[0].read_text())
    change(content)
    (tmp_path / "bad.json").write_text(json.dumps(content))
    code, out, err = merged(capsys, tmp_path / "bad.json", parts[1])
    assert (code, out) == (1, "")
    assert "bad.json: this is no part of a run" in err


def test_other_files_are_no_parts(capsys, tmp_path: Path) -> None:
    for number, text in enumerate(["", "[]", "{}", "[" * 100_000, "\x00"]):
        path = tmp_path / f"{number}.json"
        path.write_text(text)
        code, _, err = merged(capsys, path)
        assert code == 1
        assert "this is no part of a run" in err
