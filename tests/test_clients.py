"""What independent programs say of our files; skipped where they are not installed (see tests/clients)."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from factories import make_asset, make_motion
from mocapcli import read_asset, write_asset
from mocapcli.kinematics import motion_world
from mocapcli.zoo import make_creature

CLIENTS = Path(__file__).parent / "clients"
EXAMPLES = Path(__file__).parents[1] / "examples"

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None or not (CLIENTS / "node_modules" / "three").is_dir(),
    reason="needs node and `npm install --prefix tests/clients`",
)


def khronos_errors(files: list[Path]) -> dict[str, list[dict]]:
    """The Khronos validator's errors by file name."""
    command = ["node", str(CLIENTS / "validate_gltf.mjs"), *map(str, files)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout.splitlines()
    return {Path(report["file"]).name: report["messages"] for report in map(json.loads, lines) if report["errors"]}


def test_khronos_validator_finds_no_errors(tmp_path: Path) -> None:
    files = sorted(EXAMPLES.glob("*.glb"))
    for seed, kind in ((1, "dragon"), (2, "octopus"), (3, "insect")):
        files.append(tmp_path / f"{kind}.glb")
        write_asset(files[-1], make_creature(seed, kind))
    for extension in ("glb", "gltf"):
        for name, asset in (("mesh", make_asset(joints=9, seed=1)), ("bare", make_asset(joints=5, mesh=False))):
            files.append(tmp_path / f"{name}.{extension}")
            write_asset(files[-1], asset)
    source = read_asset(EXAMPLES / "dragon.glb")
    more = make_motion(source.rig.skeleton, frames=20, fps=30.0, seed=3)
    files.append(tmp_path / "written-back.glb")
    write_asset(files[-1], source.with_motions([source.motions[0], more]))
    assert khronos_errors(files) == {}


def test_khronos_validator_would_find_errors(tmp_path: Path) -> None:
    path = tmp_path / "wrong.gltf"
    write_asset(path, make_asset(joints=4))
    document = json.loads(path.read_text())
    document["accessors"][0]["count"] += 1000
    path.write_text(json.dumps(document))
    assert "wrong.gltf" in khronos_errors([path])


def test_three_sees_the_same_joints_before_and_after(tmp_path: Path) -> None:
    """The comparison script itself, on two assets and three formats."""
    folder = tmp_path / "assets"
    folder.mkdir()
    write_asset(folder / "fish.glb", make_creature(4, "fish"))
    write_asset(folder / "bird.fbx", make_creature(5, "bird"))
    report = tmp_path / "CLIENTS.md"
    script = [sys.executable, str(CLIENTS / "compare_clients.py"), str(folder), "-o", str(report)]
    done = subprocess.run([*script, "--writers", "glb", "fbx", "gltf"], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line for line in report.read_text().splitlines() if line.startswith(("| glb", "| fbx"))]
    assert len(rows) >= 6 and all(row.split("|")[7].strip() == "0" for row in rows)
    assert all(row.split("|")[4].strip() == "1" for row in rows if "three" in row)


def test_three_sees_a_capture_as_it_is(tmp_path: Path) -> None:
    """What `mocap capture` writes, read by the comparison script: the motion is the one the preview draws."""
    pytest.importorskip("torch", reason="the extra [network] is not installed")
    import mocapcli
    from capture_helpers import film_mp4, save_tiny, walking

    asset, motion = walking(frames=20)
    video, folder = film_mp4(tmp_path / "walk.mp4", asset, motion), tmp_path / "captured"
    folder.mkdir()
    files = (folder / "walk.glb", folder / "walk.fbx")
    made = mocapcli.capture(video, asset, output=files, model=save_tiny(tmp_path / "model"), adapt="off")
    for file in files:
        again = read_asset(file).motions[-1]
        world = motion_world(asset.rig.skeleton, made)[..., :3, 3]
        names = {name: joint for joint, name in enumerate(read_asset(file).rig.skeleton.names)}
        order = [names[name] for name in asset.rig.skeleton.names]
        seen = motion_world(read_asset(file).rig.skeleton, again)[..., :3, 3][:, order]
        assert np.abs(seen - world).max() < 1e-5 * np.ptp(world, axis=(0, 1)).max()
    script = [sys.executable, str(CLIENTS / "compare_clients.py"), str(folder), "-o", str(tmp_path / "CLIENTS.md")]
    done = subprocess.run([*script, "--writers", "glb"], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split("|") for line in (tmp_path / "CLIENTS.md").read_text().splitlines() if "three" in line]
    rows = [row for row in rows if len(row) > 7 and row[1].strip() in ("glb", "fbx")]
    assert len(rows) >= 2 and all(row[7].strip() == "0" for row in rows)  # none over the bar
