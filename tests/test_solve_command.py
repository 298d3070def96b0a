"""`mocap solve` and `mocapcli.solve`."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

import mocapcli
from mocapcli import read_asset, write_asset
from mocapcli.cli import main
from mocapcli.solving.api import Solution
from solve_helpers import creature, place_error, solved, tracks_of, truth


@pytest.fixture
def files(tmp_path) -> tuple[Path, Path]:
    """Tracks of the creature in a CSV, and its rig."""
    write_asset(tmp_path / "rig.glb", creature())
    names = creature().rig.skeleton.names
    with (tmp_path / "walk.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["time", *(f"{name}_{axis}" for name in names for axis in "xyz")])
        writer.writerows([[n / creature().motions[0].fps, *frame.ravel()] for n, frame in enumerate(truth())])
    return tmp_path / "walk.csv", tmp_path / "rig.glb"


def run(capsys, *arguments) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_solve_writes_every_output_and_says_how_well(capsys, files, tmp_path):
    tracks, rig = files
    code, out, err = run(capsys, "solve", tracks, "--rig", rig, "-o", tmp_path / "a.glb", "-o", tmp_path / "a.bvh")
    assert code == 0
    lines = out.splitlines()
    assert (
        lines[0]
        == f"{tmp_path / 'a.glb'}: {len(truth())} frames, {truth().shape[1]} of {truth().shape[1]} joints tracked"
    )
    assert lines[2].startswith("mean distance to the tracks: 0.")
    assert "up axis of the tracks: y, judging by the rig" in err
    back = read_asset(tmp_path / "a.glb")
    assert [clip.name for clip in back.motions] == ["walk"]
    assert place_error(Solution(back.motions[0], solved(tracks_of(truth())).report)) < 0.005


def test_solve_lists_names_without_solving(capsys, files, tmp_path):
    tracks, rig = files
    first, last = (creature().rig.skeleton.names[place] for place in (0, -1))
    code, out, _ = run(capsys, "solve", tracks, "--rig", rig, "--list", "--map", f"{last}=", "--up", "y")
    assert code == 0
    assert f"{truth().shape[1] - 1} of {truth().shape[1]} joints matched" in out
    assert f"tracks that drive nothing: {last}" in out
    code, out, _ = run(capsys, "solve", tracks, "--rig", rig, "--list", "--json")
    assert json.loads(out)["map"][first] == [first]


def test_solve_reports_as_json(capsys, files, tmp_path):
    tracks, rig = files
    code, out, _ = run(capsys, "solve", tracks, "--rig", rig, "-o", tmp_path / "a.npz", "--json")
    report = json.loads(out)
    assert code == 0
    assert report["residual"] < 0.002 and report["matched"] == truth().shape[1]
    assert report["output"] == [str(tmp_path / "a.npz")]
    assert report["per_joint"][0]["found_by"] == "name"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "nothing to do"),
        (["-o", "a.glb", "--scale", "0"], 2, "--scale must be positive"),
        (["-o", "a.glb", "--scale", "0.01"], 2, "changes nothing without --keep-scale"),
        (["-o", "a.glb", "--start", "2", "--end", "1"], 2, "later than"),
        (["-o", "a.xyz"], 1, "unknown file type"),
        (["-o", "a.glb", "--map", "x=y"], 1, "no joint of the rig is called 'x'"),
    ],
)
def test_solve_refuses_what_makes_no_sense(capsys, files, tmp_path, monkeypatch, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    tracks, rig = files
    found, _, err = run(capsys, "solve", tracks, "--rig", rig, *arguments)
    assert (found, len(err.splitlines())) == (code, 1)
    assert message in err


def test_help_and_list_do_not_load_torch(files):
    code = (
        "import sys; from mocapcli.cli import main; assert main(['solve', '--help']) == 0;"
        "assert main(['solve', sys.argv[1], '--rig', sys.argv[2], '--list']) == 0; print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, *map(str, files)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


def test_the_public_function_takes_paths(files):
    motion = mocapcli.solve(*files, up="y", end=0.1)
    assert motion.name == "walk" and motion.joints == truth().shape[1]
