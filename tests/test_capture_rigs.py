"""Capture on rigs with joints the network never sees, and on rigs it learns first."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cli_helpers import run

torch = pytest.importorskip("torch")

from capture_helpers import film_mp4, save_tiny  # noqa: E402
from mocapcli.adapting.budget import parse_budget  # noqa: E402
from mocapcli.capturing.slim import Slim  # noqa: E402
from mocapcli.errors import UsageError  # noqa: E402
from mocapcli.formats import read_asset, write_asset  # noqa: E402
from mocapcli.kinematics import motion_world, rest_world  # noqa: E402
from mocapcli.types import Asset, Motion, Rig, Skeleton  # noqa: E402
from mocapcli.zoo.api import make_creature  # noqa: E402

QUARTER_X = np.array([-(0.5**0.5), 0.0, 0.0, 0.5**0.5])


def with_handles(asset: Asset) -> Asset:
    """The creature under an unweighted, turned root, with a pole beside it and a spacer inside a limb's way."""
    old, mesh = asset.rig.skeleton, asset.rig.mesh
    assert mesh is not None
    names = ("Armature", "Pole", *old.names)
    parents = np.concatenate([[-1, 0], np.where(old.parents < 0, 0, old.parents + 2)])
    turn = np.array([0.0, 0.0, 0.0, 1.0])
    translations = np.concatenate([[[0.1, 0.2, 0.3]], [[1.0, 0.0, 0.0]], old.rest_translations])
    rotations = np.concatenate([[QUARTER_X], [turn], old.rest_rotations])
    skeleton = Skeleton(names, parents, translations, rotations)
    frames = [
        Motion(
            motion.name,
            motion.fps,
            np.concatenate([np.tile([QUARTER_X, turn], (motion.frames, 1, 1)), motion.rotations], axis=1),
            np.concatenate([np.tile(translations[:2], (motion.frames, 1, 1)), motion.translations], axis=1),
        )
        for motion in asset.motions
    ]
    binds = np.where(mesh.bind_joints >= 0, mesh.bind_joints + 2, -1)
    root = rest_world(skeleton)[0]
    moved = replace(mesh, bind_joints=binds, vertices=mesh.vertices @ root[:3, :3].T + root[:3, 3])
    moved = replace(moved, inverse_binds=mesh.inverse_binds @ np.linalg.inv(root))
    return Asset(Rig(skeleton, moved, asset.rig.name), tuple(frames))


def test_a_slim_motion_is_widened_without_moving_anything() -> None:
    whole = with_handles(make_creature(5))
    slim = Slim.of(whole)
    assert not slim.kept[:2].any() and slim.kept[2:].all()
    from mocapcli.data.simplify import prune_joints

    pruned = prune_joints(whole)
    motion = pruned.motions[0]
    wide = slim.widen(motion)
    before = motion_world(pruned.rig.skeleton, motion)
    after = motion_world(whole.rig.skeleton, wide)
    np.testing.assert_allclose(after[:, slim.kept], before, atol=1e-9)
    np.testing.assert_allclose(after[:, :2], np.broadcast_to(rest_world(whole.rig.skeleton)[:2], after[:, :2].shape))


def test_a_spacer_between_kept_joints_follows_its_parent() -> None:
    """A joint that was left out in the midst of the body."""
    skeleton = Skeleton(
        ("hub", "spacer", "arm", "leg"),
        np.array([-1, 0, 1, 0]),
        np.array([[0.0, 1, 0], [0.2, 0, 0], [0.3, 0, 0], [0, -1, 0]]),
        np.array([[0.0, 0, 0, 1], QUARTER_X, [0, 0, 0, 1], [0, 0, 0, 1]]),
    )
    asset = Asset(Rig(skeleton))
    slim = Slim(asset, asset, asset, np.array([True, False, True, True]))
    random = np.random.default_rng(0)
    rotations = random.normal(size=(4, 3, 4))
    rotations /= np.linalg.norm(rotations, axis=-1, keepdims=True)
    pruned = Skeleton(
        ("hub", "arm", "leg"),
        np.array([-1, 0, 0]),
        np.array([[0.0, 1, 0], [0.2, 0, -0.0], [0, -1, 0]]),
        np.tile([0.0, 0, 0, 1], (3, 1)),
    )
    motion = Motion("m", 30.0, rotations, random.normal(size=(4, 3, 3)))
    before = motion_world(pruned, motion)
    after = motion_world(skeleton, slim.widen(motion))
    np.testing.assert_allclose(after[:, [0, 2, 3]], before, atol=1e-9)
    rest = rest_world(skeleton)
    between, wanted = np.linalg.inv(after[:, 0]) @ after[:, 1], np.linalg.inv(rest[0]) @ rest[1]
    np.testing.assert_allclose(between, np.broadcast_to(wanted, between.shape), atol=1e-9)


def test_handles_stay_at_rest_in_a_capture(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    plain = make_creature(5)
    write_asset(tmp_path / "rig.glb", with_handles(plain))
    film_mp4(tmp_path / "walk.mp4", plain, plain.motions[0])
    arguments = ["--rig", tmp_path / "rig.glb", "--model", save_tiny(tmp_path / "model"), "-o", tmp_path / "out.glb"]
    code, _, err = run(capsys, "capture", tmp_path / "walk.mp4", *arguments, "--adapt", "off", "--end", 0.5)
    assert code == 0, err
    found = read_asset(tmp_path / "out.glb")
    assert found.rig.skeleton.names[:2] == ("Armature", "Pole")
    motion, rest = found.motions[-1], found.rig.skeleton.rest_translations[:2]
    np.testing.assert_allclose(motion.translations[:, :2], np.tile(rest, (motion.frames, 1, 1)), atol=1e-6)
    assert np.ptp(motion.rotations[:, 2:], axis=0).max() > 1e-3


def test_a_rig_is_learnt_once(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOCAP_CACHE", str(tmp_path / "cache"))
    asset = make_creature(5)
    write_asset(tmp_path / "rig.glb", asset)
    film_mp4(tmp_path / "walk.mp4", asset, asset.motions[0])
    arguments = ["--rig", tmp_path / "rig.glb", "--model", save_tiny(tmp_path / "model"), "-o", tmp_path / "out.glb"]
    code, _, err = run(capsys, "capture", tmp_path / "walk.mp4", *arguments, "--adapt", "2s", "--end", 0.3)
    assert code == 0, err
    (kept,) = (tmp_path / "cache" / "adapters").iterdir()
    written = kept.stat().st_mtime_ns
    assert run(capsys, "capture", tmp_path / "walk.mp4", *arguments, "--adapt", "2s", "--end", 0.3)[0] == 0
    assert kept.stat().st_mtime_ns == written


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("3m", 180), ("90s", 90), ("1m30s", 90), ("2.5", 150), ("1h", 3600), ("off", None), ("0", None)],
)
def test_times(text: str, seconds: float | None) -> None:
    assert parse_budget(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-3m", "3 parsecs", "0.5s", "m"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(UsageError):
        parse_budget(text)
