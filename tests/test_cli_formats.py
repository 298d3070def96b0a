"""The commands with our real formats, and the README's help blocks."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from factories import make_asset, skinned_vertices
from mocapcli import Asset, read_asset, write_asset
from mocapcli.cli import main
from mocapcli.kinematics import joint_positions, motion_world

README = Path(__file__).resolve().parents[1] / "README.md"
BLOCKS = re.findall(
    r"```(?:text|console)?\n\$ mocap ([^\n]*--help)\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL
)


@pytest.fixture
def creature(tmp_path) -> Path:
    """A textured, skinned GLB with two clips."""
    path = tmp_path / "creature.glb"
    write_asset(path, make_asset(5, clips=2, frames=12))
    return path


def run(*arguments) -> int:
    return main([str(argument) for argument in arguments])


def same_places(one: Asset, two: Asset, tolerance: float = 1e-5) -> bool:
    pairs = zip(one.motions, two.motions, strict=True)
    return all(
        np.allclose(joint_positions(one.rig.skeleton, a), joint_positions(two.rig.skeleton, b), atol=tolerance)
        for a, b in pairs
    )


@pytest.mark.parametrize("extension", ["gltf", "fbx", "npz", "usda"])
def test_there_and_back(creature, tmp_path, extension, capsys):
    if extension == "usda":
        pytest.importorskip("pxr")
    middle, back = tmp_path / f"middle.{extension}", tmp_path / "back.glb"
    assert run("convert", creature, middle) == 0
    assert run("convert", middle, back) == 0
    before, after = read_asset(creature), read_asset(back)
    assert [clip.name for clip in after.motions] == [clip.name for clip in before.motions]
    assert same_places(before, after)


def test_a_clip_edited_as_bvh_comes_back_onto_its_rig(creature, tmp_path, capsys):
    """BVH loses mesh and rest rotations; `--rig` puts its motion back where it belongs, skin included."""
    bvh, back = tmp_path / "clip0.bvh", tmp_path / "back.glb"
    assert run("convert", creature, bvh, "--clip", "clip0") == 0
    err = capsys.readouterr().err
    assert "the mesh is left out (bvh cannot hold it)" in err
    assert run("convert", bvh, back, "--rig", creature) == 0
    assert "5 of the rig's 5 joints matched by name, 5 of them exactly" in capsys.readouterr().err
    before, after = read_asset(creature), read_asset(back)
    assert after.rig.mesh is not None and before.rig.mesh is not None
    assert same_places(before.with_motions(before.motions[:1]), after)
    poses = [motion_world(asset.rig.skeleton, asset.motions[0])[-1] for asset in (before, after)]
    assert np.allclose(
        skinned_vertices(before.rig.mesh, poses[0]), skinned_vertices(after.rig.mesh, poses[1]), atol=1e-4
    )


def test_info_of_a_glb(creature, capsys):
    assert run("info", creature, "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["format"] == "gltf"
    assert facts["mesh"]["materials"][0]["texture"]["mime_type"] == "image/png"
    assert [clip["frames"] for clip in facts["clips"]] == [12, 13]
    assert facts["deforms_nothing"] == []


def test_a_glb_that_calls_itself_bvh(creature, tmp_path, capsys):
    liar = tmp_path / "liar.bvh"
    liar.write_bytes(creature.read_bytes())
    assert run("info", liar) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert err.startswith(f"mocap: {liar}: ")


def test_real_files_convert_and_keep_their_places(shared_assets, tmp_path, capsys):
    """One real animal through every writer."""
    source = next(shared_assets.rglob("Bat.glb"))
    before = read_asset(source)
    for extension in ("glb", "fbx", "npz"):
        target = tmp_path / f"bat.{extension}"
        assert run("convert", source, target) == 0
        assert same_places(before, read_asset(target), 1e-4)


SLOW_WRITER = """
import sys, time
from mocapcli import Format, hookimpl
from mocapcli.plugins import get_plugins

def write(path, asset):
    path.write_text("half")
    time.sleep(60)

class Slow:
    @hookimpl
    def register_formats(self, register):
        register(Format("slow", "slow", ("slow",), write=write))

get_plugins().manager.register(Slow(), name="slow")
from mocapcli.cli import main
sys.exit(main(["convert", sys.argv[1], sys.argv[2]]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals are a matter of POSIX")
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_in_the_middle_of_writing(creature, sent, code):
    folder = creature.parent / "out"
    folder.mkdir()
    command = [sys.executable, "-c", SLOW_WRITER, str(creature), str(folder / "x.slow")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not any(path.stat().st_size for path in folder.iterdir()):
        assert process.poll() is None and time.monotonic() < deadline, "the writer never started"
        time.sleep(0.05)
    process.send_signal(sent)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert list(folder.iterdir()) == []
    assert "Traceback" not in err


def test_help_in_the_readme_is_what_mocap_says():
    assert BLOCKS
    for arguments, shown in BLOCKS:
        command = [sys.executable, "-m", "mocapcli", *arguments.split()]
        environment = {"COLUMNS": "80", "PATH": "", "HOME": "/", "MOCAP_PLUGINS": ""}
        said = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
        assert shown.split() == said.split(), f"run `mocap {arguments}` with COLUMNS=80 and paste it again"
