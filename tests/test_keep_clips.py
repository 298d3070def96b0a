"""`--keep-clips`: a rig's own clips come along behind the new one; no command replaces by accident what it reads."""

from pathlib import Path

import numpy as np
import pytest

from cli_helpers import run
from mocapcli.formats import read_asset, write_asset
from mocapcli.types import Asset
from mocapcli.zoo import make_creature


@pytest.fixture(scope="module")
def asset() -> Asset:
    return make_creature(3)


@pytest.fixture
def rig(tmp_path: Path, asset: Asset) -> Path:
    write_asset(tmp_path / "rig.glb", asset)
    return tmp_path / "rig.glb"


def names(path: Path) -> list[str]:
    return [clip.name for clip in read_asset(path).motions]


def test_clips_of_the_same_name_make_room(asset: Asset) -> None:
    own, *others = asset.motions
    with pytest.warns(UserWarning, match=f"own clip '{own.name}' makes room"):
        kept = asset.with_new_motions([own], keep=True)
    assert kept.motions == (own, *others)
    assert asset.with_new_motions([own], keep=False).motions == (own,)
    assert asset.with_new_motions([], keep=True).motions == asset.motions


def test_a_retargeted_clip_joins_those_of_the_rig(capsys, tmp_path: Path, rig: Path, asset: Asset) -> None:
    source = tmp_path / "in.glb"
    write_asset(source, make_creature(11).with_motions(make_creature(11).motions[:1]))
    (new,) = names(source)
    arguments = ("retarget", source, "--rig", rig, "-o")
    assert run(capsys, *arguments, tmp_path / "alone.glb")[0] == 0
    assert names(tmp_path / "alone.glb") == [new]
    assert run(capsys, *arguments, tmp_path / "both.glb", "--keep-clips")[0] == 0
    own = [clip for clip in asset.motions if clip.name != new]
    assert names(tmp_path / "both.glb") == [new, *(clip.name for clip in own)]
    back = read_asset(tmp_path / "both.glb").motions[1]
    np.testing.assert_allclose(back.rotations, own[0].rotations, atol=1e-5)
    code, _, err = run(capsys, *arguments, tmp_path / "both.bvh", "--keep-clips")
    assert code == 0 and f"only the first of {1 + len(own)} clips" in err
    assert read_asset(tmp_path / "both.bvh").motions[0].frames == read_asset(tmp_path / "alone.glb").motions[0].frames


def test_a_solved_clip_joins_them_in_the_very_file(capsys, tmp_path: Path, rig: Path, asset: Asset) -> None:
    pytest.importorskip("torch", reason="the extra [network] is not installed")
    from mocapcli.kinematics import joint_positions

    points = joint_positions(asset.rig.skeleton, asset.motions[0])[:6]
    tracks = tmp_path / "new.npz"
    np.savez(tracks, positions=points, names=np.array(asset.rig.skeleton.names), fps=asset.motions[0].fps)
    before = rig.read_bytes()
    arguments = ("solve", tracks, "--rig", rig, "--model", "closed-form", "-o", rig)
    code, _, err = run(capsys, *arguments)
    assert code == 1 and "itself" in err and rig.read_bytes() == before
    for _ in range(2):  # the second takes the place of the first
        code, _, err = run(capsys, *arguments, "--overwrite", "--keep-clips")
        assert code == 0, err
        assert names(rig) == ["new", *(clip.name for clip in asset.motions)]


def test_a_captured_clip_joins_them(capsys, tmp_path: Path, rig: Path, asset: Asset) -> None:
    pytest.importorskip("torch", reason="the extra [network] is not installed")
    from capture_helpers import film_mp4, save_tiny
    from mocapcli.data.windows import cut_motion

    video = film_mp4(tmp_path / "seen.mp4", asset, cut_motion(asset.motions[0], 0, 8))
    model = save_tiny(tmp_path / "tiny")
    arguments = ("capture", video, "--rig", rig, "--model", model, "--adapt", "off", "-o")
    code, _, err = run(capsys, *arguments, tmp_path / "alone.glb")
    assert code == 0, err
    assert names(tmp_path / "alone.glb") == ["seen"]
    assert run(capsys, *arguments, tmp_path / "both.glb", "--keep-clips")[0] == 0
    assert names(tmp_path / "both.glb") == ["seen", *(clip.name for clip in asset.motions)]
