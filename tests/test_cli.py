"""The command line through `main([...])`: exit codes, lines on stderr, files on disk."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import toy_format
from cli_helpers import run
from factories import make_asset, make_skeleton
from mocapcli import __version__, hookimpl
from mocapcli.console import printable
from mocapcli.extensions import Format
from mocapcli.kinematics import joint_positions
from mocapcli.types import Asset, Rig

pytestmark = pytest.mark.usefixtures("toy")


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
