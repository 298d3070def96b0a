"""The command line on folders, onto other rigs, and the commands that show things."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import toy_format
from cli_helpers import run
from factories import make_asset, make_skeleton
from mocapcli import hookimpl
from mocapcli.extensions import Format
from mocapcli.types import Asset, Rig

pytestmark = pytest.mark.usefixtures("toy")


# ---------------------------------------------------------------- convert, onto another rig


def test_motion_onto_another_rig(capsys, tmp_path):
    source, rig, target = (tmp_path / f"{name}.toy" for name in ("source", "rig", "out"))
    asset = make_asset(4, mesh=False)
    names = ("mixamorig:Hips", "mixamorig:Spine", "mixamorig:Head", "Tail")
    skeleton = make_skeleton(4, names=names)
    toy_format.write(source, Asset(Rig(make_skeleton(4, names=("hips", "Spine", "HEAD", "horn"))), asset.motions))
    toy_format.write(rig, Asset(Rig(skeleton)))
    code, _, err = run(capsys, "convert", source, target, "--rig", rig)
    assert code == 0
    assert err.splitlines() == [
        "mocap: note: 3 of the rig's 4 joints matched by name, 0 of them exactly",
        "mocap: note: at rest: Tail",
        "mocap: note: 1 joint of the motion drives nothing",
    ]
    written = toy_format.read(target)
    assert written.rig.skeleton.names == names
    assert np.allclose(abs(written.motions[0].rotations[:, 3] @ skeleton.rest_rotations[3]), 1)


def test_rigs_with_nothing_in_common(capsys, walk, tmp_path):
    rig = tmp_path / "rig.toy"
    toy_format.write(rig, Asset(Rig(make_skeleton(2, names=("wheel", "axle")))))
    code, _, err = run(capsys, "convert", walk, tmp_path / "out.toy", "--rig", rig)
    assert code == 1
    assert err.startswith(
        f"mocap: {walk}: no joint names in common: 'joint0', 'joint1', 'joint2'… here, 'wheel', 'axle'"
    )


def test_the_rig_is_not_replaced_by_accident(capsys, walk, tmp_path):
    rig = tmp_path / "rig.toy"
    toy_format.write(rig, make_asset(mesh=False, clips=0))
    code, _, err = run(capsys, "convert", walk, rig, "--rig", rig)
    assert code == 1
    assert f"this is the file {rig} itself" in err


# ---------------------------------------------------------------- convert, folders


@pytest.fixture
def folder(tmp_path) -> Path:
    """Two good files, one damaged, one that nobody reads."""
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    toy_format.write(folder / "a.toy", make_asset(mesh=False))
    toy_format.write(folder / "deep" / "B.TOY", make_asset(mesh=False))
    (folder / "bad.toy").write_text("{")
    (folder / "readme.txt").write_text("hello")
    return folder


def test_folder_with_a_failure(capsys, folder, tmp_path):
    target = tmp_path / "out"
    code, out, err = run(capsys, "convert", folder, target, "--to", "stick")
    assert code == 1
    assert out.splitlines()[-1] == "2 of 3 files converted"
    lines = err.splitlines()
    assert lines[0] == "mocap: 1 of 3 files failed:"
    assert lines[1].startswith(f"mocap: {folder / 'bad.toy'}: damaged")
    assert len(lines) == 2  # no progress bar where nobody watches
    found = sorted(str(path.relative_to(target)) for path in target.rglob("*") if path.is_file())
    assert found == ["a.stick", "deep/B.stick"]


def test_folder_into_itself_and_again(capsys, folder):
    (folder / "bad.toy").unlink()
    target = folder / "out"
    assert run(capsys, "convert", folder, target, "--to", "toy")[0] == 0
    code, out, _ = run(capsys, "convert", folder, target, "--to", "toy")
    assert code == 0
    assert out.splitlines()[-1] == "2 of 2 files converted"  # not the results of the first time


def test_files_that_would_become_one_keep_their_extension(capsys, folder, tmp_path):
    (folder / "bad.toy").unlink()
    toy_format.write(folder / "a.stick", make_asset(mesh=False))
    assert run(capsys, "convert", folder, tmp_path / "out", "--to", "toy")[0] == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a.toy.toy", "a.stick.toy", "deep"}


def test_a_plugin_that_trips_does_not_stop_the_folder(capsys, folder, tmp_path, toy):
    def write(path: Path, asset: Asset) -> None:
        raise ZeroDivisionError("division by zero")

    class Bad:
        @hookimpl
        def register_formats(self, register):
            register(Format("bad", "bad", ("bad",), None, write))

    toy.manager.register(Bad(), name="bad")
    code, out, err = run(capsys, "convert", folder, tmp_path / "out", "--to", "bad")
    assert code == 1
    assert out == "0 of 3 files converted\n"
    assert f"{folder / 'a.toy'}: ZeroDivisionError: division by zero" in err


@pytest.mark.parametrize(
    ("target", "options", "code", "words"),
    [
        ("out", [], 2, "--to glb"),
        ("in/a.toy", ["--to", "toy"], 2, "OUT a file"),
        ("out", ["--to", "xyz"], 1, "unknown file type .xyz"),
    ],
)
def test_folder_mistakes(capsys, folder, tmp_path, target, options, code, words):
    got, _, err = run(capsys, "convert", folder, tmp_path / target, *options)
    assert got == code
    assert words in err
    assert not (tmp_path / "out").exists()


def test_a_folder_into_a_format_nobody_writes(capsys, folder, tmp_path, toy):
    class ReadOnly:
        @hookimpl
        def register_formats(self, register):
            register(Format("once", "once", ("once",), lambda path: None))

    toy.manager.register(ReadOnly(), name="once")
    code, out, err = run(capsys, "convert", folder, tmp_path / "out", "--to", "once")
    assert (code, out) == (1, "")
    assert err == "mocap: x.once: the once plugin only reads (choose another output format)\n"
    assert not (tmp_path / "out").exists()


def test_an_empty_folder(capsys, tmp_path):
    (tmp_path / "in").mkdir()
    code, _, err = run(capsys, "convert", tmp_path / "in", tmp_path / "out", "--to", "toy")
    assert code == 1
    assert "no file in it can be read" in err


# ---------------------------------------------------------------- info


def test_info_as_json(capsys, walk):
    code, out, err = run(capsys, "info", walk, "--json")
    facts = json.loads(out)
    assert (code, err) == (0, "")
    assert (facts["format"], facts["roots"], facts["mesh"]) == ("toy", ["joint0"], None)
    assert [joint["name"] for joint in facts["joints"]] == [f"joint{j}" for j in range(5)]
    assert [(clip["name"], clip["frames"], clip["fps"]) for clip in facts["clips"]] == [
        ("clip0", 7, 30.0),
        ("clip1", 8, 30.0),
    ]
    assert all(clip["moving_joints"] == 5 and clip["mean_turn_degrees"] > 1 for clip in facts["clips"])


def test_info_for_people(capsys, walk):
    code, out, _ = run(capsys, "info", walk)
    assert code == 0
    assert "5, 1 root" in out
    assert "clip1" in out
    assert "no mesh" in out
    assert "── joint4" in out


def test_info_of_a_mesh(capsys, tmp_path, toy):
    class Meshy:
        @hookimpl
        def register_formats(self, register):
            register(Format("meshy", "meshy", ("meshy",), lambda path: make_asset(3)))

    toy.manager.register(Meshy(), name="meshy")
    path = tmp_path / "x.meshy"
    path.write_text("x")
    _, out, _ = run(capsys, "info", path)
    assert "every joint deforms the mesh" in out
    assert "skin: image/png" in out
    mesh = json.loads(run(capsys, "info", path, "--json")[1])["mesh"]
    assert (mesh["vertices"], mesh["triangles"], mesh["influences"]) == (18, 24, 2)
    assert [material["name"] for material in mesh["materials"]] == ["skin", "glass"]


def test_info_folds_huge_trees(capsys, tmp_path):
    path = tmp_path / "huge.toy"
    toy_format.write(path, make_asset(200, mesh=False, clips=0))
    short, whole = run(capsys, "info", path)[1], run(capsys, "info", path, "--joints")[1]
    assert short.count("joint") < 80
    assert "below, see --joints" in short
    assert all(f"── joint{j}\n" in whole for j in range(200))


@pytest.mark.parametrize(("scale", "hint"), [(1.0, None), (100.0, "--scale 0.01"), (10000.0, "--scale 0.001")])
def test_info_suspects_units(capsys, tmp_path, scale, hint):
    from mocapcli.kinematics import transform_asset

    path = tmp_path / "rig.toy"
    toy_format.write(path, transform_asset(make_asset(mesh=False), scale))
    hints = json.loads(run(capsys, "info", path, "--json")[1])["hints"]
    assert [hint] == [line[-len(hint) :] for line in hints] if hint else hints == []


def test_info_suspects_the_up_axis(capsys, tmp_path):
    from mocapcli.types import Skeleton

    path = tmp_path / "rig.toy"
    places = np.array([[0.0, 0, 1], [0, 0, 0.7], [0, 0, -1]])
    skeleton = Skeleton(("Hips", "Head", "LeftFoot"), np.array([-1, 0, 0]), places, np.tile([0.0, 0, 0, 1], (3, 1)))
    toy_format.write(path, Asset(Rig(skeleton)))
    assert run(capsys, "info", path)[1].rstrip().endswith("--up z")


def test_info_through_a_closed_pipe(walk):
    """`mocap info … | head -1` ends quietly."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import toy_format; from mocapcli.plugins import get_plugins;"
        "get_plugins().manager.register(toy_format.ToyPlugin(), name='toy'); from mocapcli.cli import main;"
        "import time; time.sleep(0.2); sys.exit(main(['info', sys.argv[2]]))"
    )
    command = [sys.executable, "-c", code, str(Path(__file__).parent), str(walk)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.wait(60) == 0
    assert process.stderr.read() == b""
    process.stderr.close()


def test_stdout_may_be_closed_altogether(walk):
    command = f"{sys.executable} -m mocapcli plugins >&-"
    done = subprocess.run(command, shell=True, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (0, "")


# ---------------------------------------------------------------- plugins


def test_plugins_as_json(capsys, toy):
    code, out, _ = run(capsys, "plugins", "--json")
    assert code == 0
    rows = {row["name"]: row for row in json.loads(out)}
    assert rows["builtin"]["status"] == "ok"
    assert "register_commands" in rows["builtin"]["hooks"]
    assert rows["bvh"]["status"] == "skipped"


def test_plugins_for_people(capsys):
    code, out, _ = run(capsys, "plugins")
    assert code == 0
    assert "builtin" in out
