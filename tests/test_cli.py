"""The command line through `main([...])`: exit codes, lines on stderr, files on disk."""

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import toy_format
from factories import make_asset, make_skeleton
from mocapcli import __version__, hookimpl
from mocapcli.cli import main
from mocapcli.console import printable
from mocapcli.extensions import Format
from mocapcli.kinematics import joint_positions
from mocapcli.types import Asset, Rig
from toy_format import ToyPlugin


@pytest.fixture(autouse=True)
def toy(isolated_plugins):
    isolated_plugins.manager.register(ToyPlugin(), name="toy")
    return isolated_plugins


@pytest.fixture
def walk(tmp_path) -> Path:
    """A toy file with two clips, `clip0` of 7 frames and `clip1` of 8."""
    path = tmp_path / "walk.toy"
    toy_format.write(path, make_asset(clips=2, mesh=False))
    return path


def run(capsys, *arguments) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


# ---------------------------------------------------------------- the program


def test_version(capsys):
    assert run(capsys, "--version") == (0, f"mocap {__version__}\n", "")


def test_help_lists_the_commands(capsys):
    code, out, _ = run(capsys, "--help")
    assert code == 0
    assert all(f"\n  {name} " in out for name in ("convert", "info", "plugins"))


def test_no_arguments_shows_help(capsys):
    code, out, err = run(capsys)
    assert code in (0, 2)  # as the installed typer sees it
    assert "Usage: mocap" in out + err


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["convert"],
        ["convert", "a"],
        ["convert", "a", "b", "--fps", "x"],
        ["convert", "a", "b", "--fps", "0"],
    ],
)
def test_usage_errors_exit_2(capsys, arguments):
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert "Error" in err


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from mocapcli.cli import main; main(['--help']);"
        "print([m for m in ('torch', 'numpy', 'scipy', 'rich', 'tqdm', 'numba', 'pygltflib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_info_and_convert_do_not_load_torch(walk):
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import toy_format; from mocapcli.plugins import get_plugins;"
        "get_plugins().manager.register(toy_format.ToyPlugin(), name='toy'); from mocapcli.cli import main;"
        "assert main(['info', sys.argv[2]]) == 0; assert main(['convert', sys.argv[2], sys.argv[2] + '.toy']) == 0;"
        "print('torch' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(Path(__file__).parent), str(walk)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


def test_shell_completion_answers():
    environment = {**os.environ, "_MOCAP_COMPLETE": "complete_bash", "COMP_WORDS": "mocap con", "COMP_CWORD": "1"}
    done = subprocess.run([sys.executable, "-m", "mocapcli"], capture_output=True, text=True, env=environment)
    assert "convert" in done.stdout.split()


def test_debug_shows_the_traceback_wherever_it_stands(capsys, tmp_path):
    arguments = ["convert", tmp_path / "no.toy", tmp_path / "out.toy"]
    for shown in (["--debug", *arguments], [*arguments, "--debug"]):
        code, _, err = run(capsys, *shown)
        assert code == 1
        assert "Traceback" in err
    assert "Traceback" not in run(capsys, *arguments)[2]


def test_a_name_the_variable_does_not_know_is_told(capsys, toy):
    toy.unknown = ("bhv",)
    code, _, err = run(capsys, "plugins")
    assert code == 0
    assert err == "mocap: note: MOCAP_PLUGINS names 'bhv', which is not installed\n"


# ---------------------------------------------------------------- convert, one file


def test_convert_says_what_it_wrote(capsys, walk, tmp_path):
    target = tmp_path / "out.toy"
    assert run(capsys, "convert", walk, target) == (0, f"{target}: 5 joints, 2 clips, 15 frames\n", "")
    assert target.read_bytes() == walk.read_bytes()


def test_convert_notes_what_is_dropped(capsys, walk, tmp_path):
    code, out, err = run(capsys, "convert", walk, tmp_path / "out.stick")
    assert code == 0
    assert err == "mocap: note: out.stick: only the first of 2 clips is written (stick cannot hold it)\n"
    assert out.endswith("out.stick: 5 joints, 1 clip, 7 frames\n")


@pytest.mark.parametrize(
    ("wanted", "names"),
    [(["clip1"], ["clip1"]), (["1"], ["clip1"]), (["1", "clip0"], ["clip1", "clip0"]), ([], ["clip0", "clip1"])],
)
def test_clips_by_name_and_number(capsys, walk, tmp_path, wanted, names):
    target = tmp_path / "out.toy"
    assert run(capsys, "convert", walk, target, *(part for wish in wanted for part in ("--clip", wish)))[0] == 0
    assert [clip.name for clip in toy_format.read(target).motions] == names


@pytest.mark.parametrize("wish", ["jump", "2", "-1", "99999999999999999999", "²"])
def test_an_unknown_clip_names_those_there_are(capsys, walk, tmp_path, wish):
    code, out, err = run(capsys, "convert", walk, tmp_path / "out.toy", "--clip", wish)
    assert (code, out) == (1, "")
    assert err == f"mocap: {walk}: no clip {wish!r} (it has 0 'clip0', 1 'clip1')\n"
    assert not (tmp_path / "out.toy").exists()


def test_time_range_and_frame_rate(capsys, walk, tmp_path):
    target = tmp_path / "out.toy"
    options = ["--start", "0.1", "--end", "0.2", "--fps", "60", "--clip", "clip0"]
    assert run(capsys, "convert", walk, target, *options)[0] == 0
    (clip,), before = toy_format.read(target).motions, toy_format.read(walk).motions[0]
    assert (clip.fps, clip.frames) == (60.0, 7)
    assert np.allclose(clip.rotations[::2], before.rotations[3:7])


def test_a_time_range_outside_the_clip(capsys, walk, tmp_path):
    code, _, err = run(capsys, "convert", walk, tmp_path / "out.toy", "--start", "5")
    assert code == 1
    assert err.startswith(f"mocap: {walk}: motion 'clip0': time range 5-0.2 s is empty")


@pytest.mark.parametrize(
    "options", [["--start", "2", "--end", "1"], ["--scale", "0"], ["--scale", "nan"], ["--to", "bvh"]]
)
def test_contradictions_are_usage_errors(capsys, walk, tmp_path, options):
    code, _, err = run(capsys, "convert", walk, tmp_path / "out.toy", *options)
    assert code == 2
    assert err.startswith("mocap: ")
    assert err.count("\n") == 1


def test_up_axis_and_scale(capsys, walk, tmp_path):
    target = tmp_path / "out.toy"
    assert run(capsys, "convert", walk, target, "--up", "z", "--scale", "0.01")[0] == 0
    before, after = toy_format.read(walk), toy_format.read(target)
    old = joint_positions(before.rig.skeleton, before.motions[0])
    new = joint_positions(after.rig.skeleton, after.motions[0])
    assert np.allclose(new, np.stack([old[..., 0], old[..., 2], -old[..., 1]], axis=-1) * 0.01)


def test_missing_and_empty_and_damaged_inputs(capsys, tmp_path):
    target = tmp_path / "out.toy"
    empty, damaged, jointless = (tmp_path / f"{name}.toy" for name in ("empty", "damaged", "jointless"))
    empty.touch()
    damaged.write_bytes(b"{nonsense")
    jointless.write_text("{}")
    for source, problem in [
        (tmp_path / "no.toy", "there is no such file"),
        (empty, "the file is empty"),
        (damaged, "damaged, or not a toy file"),
        (jointless, "key 'names': there are no joints"),
    ]:
        code, out, err = run(capsys, "convert", source, target)
        assert (code, out, err.count("\n")) == (1, "", 1)
        assert err.startswith(f"mocap: {source}: {problem}")
    assert not target.exists()


def test_a_folder_as_target_needs_a_type(capsys, walk, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    code, _, err = run(capsys, "convert", walk, folder)
    assert code == 2
    assert "--to glb" in err
    assert run(capsys, "convert", walk, folder, "--to", ".STICK")[0] == 0
    assert (folder / "walk.stick").exists()


def test_plugins_by_name(capsys, walk, tmp_path):
    target = tmp_path / "out.toy"
    assert run(capsys, "convert", walk, target, "--plugin", "stick", "--to-plugin", "stick")[0] == 0
    assert len(toy_format.read(target).motions) == 1
    code, _, err = run(capsys, "convert", walk, target, "--plugin", "nobody")
    assert code == 1
    assert "no format plugin called 'nobody' (known: stick, toy)" in err


def test_overwriting(capsys, walk, tmp_path):
    target = tmp_path / "out.toy"
    target.write_text("old")
    code, _, err = run(capsys, "convert", walk, target, "--no-overwrite")
    assert code == 1
    assert "exists already" in err
    assert target.read_text() == "old"
    assert run(capsys, "convert", walk, target)[0] == 0
    assert target.read_text() != "old"


def test_the_file_being_read_is_not_replaced_by_accident(capsys, walk, tmp_path):
    before = walk.read_bytes()
    link = tmp_path / "link.toy"
    link.symlink_to(walk)
    for target in (walk, link):
        code, _, err = run(capsys, "convert", walk, target, "--clip", "0")
        assert code == 1
        assert "--overwrite" in err
    assert walk.read_bytes() == before
    assert run(capsys, "convert", walk, walk, "--clip", "0", "--overwrite")[0] == 0
    assert len(toy_format.read(walk).motions) == 1


def test_what_readers_warn_of_becomes_notes(capsys, walk, tmp_path, toy):
    def read(path: Path) -> Asset:
        for _ in range(2):
            warnings.warn("the header lies about its frames", UserWarning, stacklevel=2)
        warnings.warn("for programmers", RuntimeWarning, stacklevel=2)
        return make_asset(mesh=False)

    class Chatty:
        @hookimpl
        def register_formats(self, register):
            register(Format("chatty", "chatty", ("chatty",), read))

    toy.manager.register(Chatty(), name="chatty")
    path = tmp_path / "x.chatty"
    path.write_text("x")
    for arguments in (["info", path], ["convert", path, tmp_path / "y.toy"]):
        assert run(capsys, *arguments)[2] == "mocap: note: the header lies about its frames\n"
    _, _, err = run(capsys, "convert", walk, tmp_path / "y.toy", "--rig", path)
    assert err.startswith("mocap: note: the header lies about its frames\n")


def test_interrupting_leaves_nothing_behind(capsys, walk, tmp_path, toy):
    def write(path: Path, asset: Asset) -> None:
        path.write_text("half")
        raise KeyboardInterrupt

    class Slow:
        @hookimpl
        def register_formats(self, register):
            register(Format("slow", "slow", ("slow",), None, write))

    toy.manager.register(Slow(), name="slow")
    before = set(tmp_path.iterdir())
    code, _, err = run(capsys, "convert", walk, tmp_path / "out.slow")
    assert (code, err) == (130, "mocap: interrupted\n")
    assert set(tmp_path.iterdir()) == before


def test_names_cannot_command_the_terminal(capsys, tmp_path):
    path = tmp_path / "evil.toy"
    toy_format.write(path, Asset(Rig(make_skeleton(2, names=("a\x1b[2J", "[red]b\n")))))
    for arguments in (
        ["info", path],
        ["info", path, "--json"],
        ["convert", path, tmp_path / "x.toy", "--clip", "\x1b[2J"],
    ):
        _, out, err = run(capsys, *arguments)
        assert "\x1b" not in out + err
        assert "joint" in out or "no clip" in err
    assert "[red]b" in run(capsys, "info", path)[1]


def test_file_names_cannot_command_the_terminal_either(capsys, tmp_path):
    code, _, err = run(capsys, "info", tmp_path / "a\x1b[2J\nb.toy")
    assert code == 1
    assert err.endswith("a\\x1b[2J b.toy: there is no such file\n")


@pytest.mark.parametrize(
    ("text", "shown"),
    [("Hüfte 腕", "Hüfte 腕"), ("a\x1b[2J", "a\\x1b[2J"), ("a\nb\t", "a\\nb\\t"), ("\udcff\u202e", "\\udcff\\u202e")],
)
def test_text_made_harmless(text, shown):
    assert printable(text) == shown


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
    assert rows["builtin"]["hooks"] == ["register_commands"]
    assert rows["bvh"]["status"] == "skipped"


def test_plugins_for_people(capsys):
    code, out, _ = run(capsys, "plugins")
    assert code == 0
    assert "builtin" in out
