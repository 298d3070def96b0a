"""The dataset layer: what a cache keeps, who belongs to which split, what a video shows."""

import gzip
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from factories import make_asset, make_mesh, make_motion, make_skeleton
from mocapcli.cli import main
from mocapcli.data import compact
from mocapcli.data.appearance import bone_factors, change_appearance, other_body
from mocapcli.data.build import build_cache
from mocapcli.data.cache import open_cache
from mocapcli.data.layouts import find_groups, objaverse_groups
from mocapcli.data.repair import repair_bvh, stands_on_z, undo_world_positions
from mocapcli.data.simplify import decimate, kept_joints, limit_influences, prune_joints, simplify_asset, without_scales
from mocapcli.data.splits import read_manifest, topology_family, training_frames
from mocapcli.data.videos import film, random_view, window_video
from mocapcli.data.windows import SHORTEST_REST, WINDOW_FRAMES, evaluation_windows
from mocapcli.errors import MocapError, ReadError
from mocapcli.formats import write_asset
from mocapcli.kinematics import joint_positions, motion_world, rest_world
from mocapcli.render.scene import prepare, world_of
from mocapcli.render.skinning import skin_points
from mocapcli.types import RAW_IMAGE, Asset, Mesh, Motion, Rig, Skeleton
from mocapcli.zoo import make_creature


def long_asset(seed: int = 0, frames: int = 130, joints: int = 9) -> Asset:
    asset = make_asset(joints=joints, seed=seed)
    return asset.with_motions([make_motion(asset.rig.skeleton, frames=frames, fps=30.0, seed=seed)])


def skinned(asset: Asset, motion: Motion) -> np.ndarray:
    model = prepare(asset.rig)
    return skin_points(model.skin, world_of(model, motion))[0]


def test_cached_asset_comes_back_nearly_exact(tmp_path: Path) -> None:
    asset = simplify_asset(long_asset(3))
    compact.save(tmp_path / "rig.npz", asset)
    again = compact.load(tmp_path / "rig.npz")
    size = np.ptp(joint_positions(asset.rig.skeleton, asset.motions[0]).reshape(-1, 3), axis=0).max()
    for motion, read in zip(asset.motions, again.motions, strict=True):
        dots = np.abs(np.sum(motion.rotations * read.rotations, axis=-1)).clip(0, 1)
        assert np.degrees(2 * np.arccos(dots)).max() < 0.01
        moved = joint_positions(asset.rig.skeleton, motion) - joint_positions(again.rig.skeleton, read)
        assert np.abs(moved).max() < 2e-4 * size
    assert again.rig.skeleton.names == asset.rig.skeleton.names
    assert np.abs(again.rig.mesh.vertices - asset.rig.mesh.vertices).max() < 1e-4
    assert again.rig.mesh.materials[0].texture.mime_type == RAW_IMAGE


def test_cached_asset_holds_no_pickles(tmp_path: Path) -> None:
    compact.save(tmp_path / "rig.npz", simplify_asset(make_asset(joints=5, seed=1)))
    with np.load(tmp_path / "rig.npz", allow_pickle=False) as arrays:
        assert all(array.dtype != object for array in arrays.values())


def test_meshless_asset_is_cached(tmp_path: Path) -> None:
    asset = long_asset(1)
    bare = replace(asset, rig=replace(asset.rig, mesh=None))
    compact.save(tmp_path / "rig.npz", simplify_asset(bare))
    assert compact.load(tmp_path / "rig.npz").rig.mesh is None


def helper_bones() -> Asset:
    """World root > hips (deforms) > leg (deforms); beside it an IK target; between hips and leg nothing."""
    skeleton = Skeleton(
        ("world", "hips", "helper", "leg", "ik_target"),
        np.array([-1, 0, 1, 2, 0]),
        np.array([[0, 0, 0], [0, 1, 0], [0, 0.1, 0], [0, -0.5, 0], [3, 0, 0]], dtype=float),
        np.tile([0.0, 0, 0, 1], (5, 1)),
    )
    mesh = Mesh(
        vertices=np.array([[0, 1, 0], [0.1, 1, 0], [0, 0.5, 0.1]]),
        faces=np.array([[0, 1, 2]]),
        skin_indices=np.array([[1], [1], [3]]),
        skin_weights=np.ones((3, 1)),
        bind_joints=np.arange(5),
        inverse_binds=np.linalg.inv(rest_world(skeleton)),
    )
    return Asset(Rig(skeleton, mesh), (make_motion(skeleton, frames=12, fps=30.0, seed=4),))


def test_helper_bones_go_and_the_rest_moves_as_before() -> None:
    asset = helper_bones()
    assert kept_joints(asset.rig).tolist() == [False, True, True, True, False]
    pruned = prune_joints(asset)
    assert pruned.rig.skeleton.names == ("hips", "helper", "leg")
    before = motion_world(asset.rig.skeleton, without_scales(asset.rig.skeleton, asset.motions[0]))[:, 1:4]
    base = replace(asset.motions[0], scales=None)
    pruned = prune_joints(asset.with_motions([base]))
    before = motion_world(asset.rig.skeleton, base)[:, 1:4]
    np.testing.assert_allclose(motion_world(pruned.rig.skeleton, pruned.motions[0]), before, atol=1e-9)
    np.testing.assert_allclose(skinned(pruned, pruned.motions[0]), skinned(asset.with_motions([base]), base), atol=1e-5)


def test_baked_scale_leaves_joints_in_place() -> None:
    skeleton = make_skeleton(joints=7, seed=2)
    motion = make_motion(skeleton, frames=9, fps=30.0, seed=2)
    motion = replace(motion, scales=np.random.default_rng(0).uniform(0.5, 1.5, (9, 7, 3)))
    baked = without_scales(skeleton, motion)
    assert baked.scales is None
    np.testing.assert_allclose(joint_positions(skeleton, baked), joint_positions(skeleton, motion), atol=1e-9)


def test_decimation_keeps_the_shape() -> None:
    side = 90
    u, v = np.meshgrid(np.linspace(0, np.pi, side), np.linspace(0, 2 * np.pi, side), indexing="ij")
    sphere = np.stack([np.sin(u) * np.cos(v), np.cos(u), np.sin(u) * np.sin(v)], axis=-1).reshape(-1, 3)
    cells = np.arange(side * side).reshape(side, side)
    quads = np.stack([cells[:-1, :-1], cells[:-1, 1:], cells[1:, 1:], cells[1:, :-1]], axis=-1).reshape(-1, 4)
    faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    ones = np.ones((len(sphere), 1))
    mesh = Mesh(sphere, faces, ones.astype(int) * 0, ones, np.zeros(1, int), np.eye(4)[None])
    small = decimate(mesh, 2000)
    assert 500 < len(small.faces) <= 2000
    np.testing.assert_allclose(np.linalg.norm(small.vertices, axis=1), 1, atol=1e-5)


def test_influences_are_limited_to_the_strongest() -> None:
    weights = np.array([[0.1, 0.2, 0.3, 0.05, 0.35]])
    mesh = Mesh(
        np.zeros((1, 3)),
        np.zeros((0, 3), int),
        np.arange(5)[None],
        weights,
        np.zeros(5, int),
        np.tile(np.eye(4), (5, 1, 1)),
    )
    limited = limit_influences(mesh)
    assert set(limited.skin_indices[0].tolist()) == {0, 1, 2, 4}
    np.testing.assert_allclose(limited.skin_weights.sum(), 1, atol=1e-6)


def test_training_never_sees_the_last_fifth() -> None:
    assert [training_frames(frames) for frames in (5, 20, 21, 100)] == [5, 20, 17, 80]


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three families with a manifest: a well-known one, a rare one, an unseen one; and a broken file."""
    folder = tmp_path_factory.mktemp("assets")
    rows = ["file,split,family,category"]
    for name, split, frames in (("fox", "train", 130), ("newt", "train", 40), ("dragon", "unseen", 100)):
        write_asset(folder / f"{name}.glb", long_asset(len(name), frames))
        rows.append(f"{name}.glb,{split},family-{name},beast")
    (folder / "broken.glb").write_bytes(b"glTF nonsense")
    rows.append("broken.glb,train,family-broken,beast")
    (folder / "manifest.csv").write_text("\n".join(rows))
    return folder


@pytest.fixture(scope="module")
def cache_folder(listed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("cache")
    build_cache(listed, output, progress_bar=False)
    return output


def test_splits_follow_the_manifest(cache_folder: Path) -> None:
    cache = open_cache(cache_folder)
    families = {split: set(cache.families(split)) for split in ("train", "seen", "rare", "unseen")}
    assert families == {
        "train": {"family-fox", "family-newt"},
        "seen": {"family-fox"},
        "rare": {"family-newt"},
        "unseen": {"family-dragon"},
    }


def test_broken_assets_are_reported_and_skipped(cache_folder: Path) -> None:
    cache = open_cache(cache_folder)
    assert len(cache.entries) == 3
    assert set(cache.skipped) == {"broken.glb"}


def test_evaluation_windows_are_held_back_frames(cache_folder: Path) -> None:
    cache = open_cache(cache_folder)
    seen = evaluation_windows(cache, "seen")
    assert [(window.start, window.frames) for window in seen] == [(104, 26)]
    unseen = evaluation_windows(cache, "unseen")
    assert all(SHORTEST_REST <= window.frames <= WINDOW_FRAMES for window in unseen)
    trained = evaluation_windows(cache, "train")
    assert max(window.start + window.frames for window in trained if "fox" in window.entry.source) <= 104


def test_window_choice_depends_on_the_seed_alone(cache_folder: Path) -> None:
    cache = open_cache(cache_folder)
    first = [window.label for window in evaluation_windows(cache, "unseen", per_family=1, seed=1)]
    assert first == [window.label for window in evaluation_windows(open_cache(cache_folder), "unseen", 1, seed=1)]
    assert len(first) == 1


@pytest.mark.parametrize("appearance", ["own", "recoloured", "other-body"])
def test_videos_are_deterministic_and_show_the_subject(cache_folder: Path, appearance: str) -> None:
    cache = open_cache(cache_folder)
    window = evaluation_windows(cache, "unseen")[0]
    video, again = (window_video(cache, window, appearance, seed=3, size=96) for _ in range(2))
    np.testing.assert_array_equal(video.frames, again.frames)
    assert video.frames.shape == (window.frames, 96, 96, 3)
    assert (video.masks.sum(axis=(1, 2)) > 20).all()
    other = window_video(cache, window, appearance, seed=4, size=96)
    assert (other.frames != video.frames).mean() > 0.5


def test_true_joints_project_onto_the_subject(cache_folder: Path) -> None:
    """Cameras, motion and pictures of a video belong together."""
    cache = open_cache(cache_folder)
    window = evaluation_windows(cache, "unseen")[0]
    video = window_video(cache, window, "own", size=128)
    points = skinned(video.asset, video.motion)
    used = np.unique(prepare(video.asset.rig).mesh.faces)
    for frame in (0, window.frames - 1):
        pixels, depth = video.cameras[frame].project(points[frame][used])
        rows, columns = np.nonzero(video.masks[frame] > 0.5)
        assert (depth > 0).all()
        assert np.abs(pixels.max(axis=0) - [columns.max() + 1, rows.max() + 1]).max() < 2
        assert np.abs(pixels.min(axis=0) - [columns.min(), rows.min()]).max() < 2


def test_other_body_has_other_bones_and_the_same_turns() -> None:
    asset = simplify_asset(long_asset(6))
    factors = bone_factors(asset.rig.skeleton, np.random.default_rng(0))
    assert (np.abs(factors - 1) <= 0.15 + 1e-9).all() and np.ptp(factors) > 0.01
    body = other_body(asset, factors)
    np.testing.assert_array_equal(body.motions[0].rotations, asset.motions[0].rotations)
    same = other_body(asset, np.ones(asset.rig.skeleton.joints))
    np.testing.assert_allclose(skinned(same, same.motions[0]), skinned(asset, asset.motions[0]), atol=1e-6)


def test_recolouring_keeps_the_shape() -> None:
    asset = simplify_asset(long_asset(6))
    changed = change_appearance(asset, "recoloured", np.random.default_rng(1))
    np.testing.assert_array_equal(changed.rig.mesh.vertices, asset.rig.mesh.vertices)
    assert changed.rig.mesh.materials != asset.rig.mesh.materials


def test_a_rig_and_its_motions_in_other_files(tmp_path: Path) -> None:
    """As in Truebones Zoo and Mixamo packs: the body gets the motions of files that name its joints."""
    body = make_asset(joints=9, seed=5)
    bare = Rig(body.rig.skeleton, None, "walk")
    folder = tmp_path / "Alligator"
    folder.mkdir()
    write_asset(folder / "Alligator.fbx", body.with_motions([]))
    for name in ("walk", "bite"):
        write_asset(folder / f"{name}.bvh", Asset(bare, (make_motion(body.rig.skeleton, frames=30, fps=30.0, seed=1),)))
    cache = build_cache(tmp_path, tmp_path / "cache", progress_bar=False)
    assert len(cache.entries) == 1
    assert sorted(cache.entries[0].motion_names) == ["bite", "walk"]


def test_objaverse_files_stay_apart(tmp_path: Path) -> None:
    folder = tmp_path / "hf-objaverse-v1" / "glbs" / "000-023"
    folder.mkdir(parents=True)
    for number in range(2):
        write_asset(folder / f"{number:032x}.glb", make_asset(joints=5, seed=number))
    assert [len(group.files) for group in find_groups(tmp_path)] == [1, 1]


def test_objaverse_loader_on_local_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package's own loader, pointed at files that are already there."""
    objaverse = pytest.importorskip("objaverse", reason="the extra [objaverse] is not installed")
    uid = "0123456789abcdef0123456789abcdef"
    home = tmp_path / "hf-objaverse-v1"
    place = home / "glbs" / "000-023" / f"{uid}.glb"
    place.parent.mkdir(parents=True)
    write_asset(place, make_asset(joints=5, seed=1))
    with gzip.open(home / "object-paths.json.gz", "wt") as stream:
        json.dump({uid: f"glbs/000-023/{uid}.glb"}, stream)
    monkeypatch.setattr(objaverse, "_VERSIONED_PATH", str(home))
    groups = objaverse_groups(uids=[uid])
    cache = build_cache(tmp_path, tmp_path / "cache", groups=groups, progress_bar=False)
    assert len(cache.entries) == 1


def test_rigs_with_the_same_joints_are_a_family_without_a_manifest(tmp_path: Path) -> None:
    assert topology_family(make_skeleton(joints=6, seed=1)) == topology_family(make_skeleton(joints=6, seed=1))
    assert topology_family(make_skeleton(joints=6, seed=1)) != topology_family(make_skeleton(joints=7, seed=1))


def test_creatures_that_differ_in_local_axes_only_are_cached_alike(tmp_path: Path) -> None:
    """Same renders, same world motion, whatever the convention of the local frames."""
    assets = []
    for axes in ("world", "random"):
        compact.save(tmp_path / "rig.npz", simplify_asset(make_creature(11, "fish", axes)))
        assets.append(compact.load(tmp_path / "rig.npz"))
    first, second = assets
    size = np.ptp(first.rig.mesh.vertices, axis=0).max()
    for one, other in zip(first.motions, second.motions, strict=True):
        apart = joint_positions(first.rig.skeleton, one) - joint_positions(second.rig.skeleton, other)
        assert np.abs(apart).max() < 2e-4 * size
    views = [film(asset, asset.motions[0], random_view(np.random.default_rng(5), 64), 64).frames for asset in assets]
    assert np.abs(views[0].astype(int) - views[1]).mean() < 0.1


def test_a_cache_of_creatures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "cache"
    assert main(["data", "build", "--zoo", "3", "-o", str(output)]) == 0
    cache = open_cache(output)
    assert len(cache.entries) == 3 and all(entry.family.startswith("zoo-") for entry in cache)
    capsys.readouterr()
    assert main(["data", "info", str(output), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows["train"]["rigs"] == 3 and rows["unseen"]["windows"] == 0


def test_a_folder_that_is_no_cache_is_never_emptied(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    assert main(["data", "build", "--zoo", "1", "-o", str(tmp_path)]) == 1
    assert "something else than a cache" in capsys.readouterr().err
    assert (tmp_path / "thesis.txt").exists()
    assert main(["data", "build", "-o", str(tmp_path / "new")]) == 2


def test_manifest_errors_name_the_line(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("file,split,family\na.glb,train,x\nb.glb,nowhere,x\n")
    with pytest.raises(ReadError, match=r"line 3: split must be train or unseen"):
        read_manifest(manifest)


def test_cache_errors_are_clear(tmp_path: Path, cache_folder: Path) -> None:
    with pytest.raises(MocapError, match="this is no cache"):
        open_cache(tmp_path)
    copy = tmp_path / "copy"
    shutil.copytree(cache_folder, copy)
    (copy / "index.json").write_text("{")
    with pytest.raises(MocapError, match="damaged index"):
        open_cache(copy)
    with pytest.raises(MocapError, match="no such folder"):
        find_groups(tmp_path / "nowhere")


def test_world_positions_in_local_channels_are_undone() -> None:
    skeleton = make_skeleton(joints=6, seed=8)
    rotations = make_motion(skeleton, frames=20, fps=30.0, seed=8).rotations
    translations = np.tile(skeleton.rest_translations, (20, 1, 1))
    translations[:, 0] += [40.0, 30.0, -20.0]
    sound = Motion("sound", 30.0, rotations, translations)
    broken = translations.copy()
    broken[:, 2] = joint_positions(skeleton, sound)[:, 2]
    fixed = undo_world_positions(skeleton, Motion("broken", 30.0, rotations, broken))
    np.testing.assert_allclose(fixed.translations, sound.translations, atol=1e-9)
    np.testing.assert_array_equal(undo_world_positions(skeleton, sound).translations, sound.translations)


def test_z_up_files_are_stood_up() -> None:
    skeleton = Skeleton(
        ("hips", "knee", "foot"),
        np.array([-1, 0, 1]),
        np.array([[0, 0, 1.0], [0, 0, -0.5], [0, 0, -0.5]]),
        np.tile([0.0, 0, 0, 1], (3, 1)),
    )
    still = Motion("still", 30.0, np.tile([0.0, 0, 0, 1], (5, 3, 1)), np.tile(skeleton.rest_translations, (5, 1, 1)))
    asset = Asset(Rig(skeleton), (still,))
    assert stands_on_z(asset)
    upright = repair_bvh(asset)
    np.testing.assert_allclose(joint_positions(upright.rig.skeleton, upright.motions[0])[0, 0], [0, 1, 0], atol=1e-9)
    assert not stands_on_z(upright)


def test_filming_follows_a_subject_that_walks_far() -> None:
    asset = simplify_asset(long_asset(2, frames=40))
    motion = asset.motions[0]
    far = motion.translations.copy()
    far[:, 0] += np.linspace(0, 60, 40)[:, None] * [1, 0, 0]
    video = film(asset, replace(motion, translations=far), random_view(np.random.default_rng(1), 64), 64)
    assert np.ptp([camera.position[0] for camera in video.cameras]) > 30
    assert (video.masks.sum(axis=(1, 2)) > 10).all()


def test_mesh_helpers_leave_small_meshes_alone() -> None:
    skeleton = make_skeleton(joints=4, seed=0)
    mesh = make_mesh(skeleton)
    assert decimate(mesh, 10_000) is mesh
