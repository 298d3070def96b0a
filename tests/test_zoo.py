"""The zoo: every creature is whole, moves like one, and does not care how its joints are turned."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from mocapcli.cli import main
from mocapcli.errors import UsageError
from mocapcli.formats import read_asset
from mocapcli.kinematics import joint_positions, motion_world, rest_world
from mocapcli.types import Asset, Mesh, Motion
from mocapcli.zoo import KINDS, make_creature
from mocapcli.zoo.axes import AXES
from mocapcli.zoo.body import build_body
from mocapcli.zoo.sheet import BACKGROUND
from mocapcli.zoo.surface import Capsule, fill_checkerboards, polygonise

SEEDS = range(2)
GAITS = ("walk", "run", "hop", "turn")
LEGLESS = ("snake", "fish", "octopus", "naga", "bat")


@cache
def creature(kind: str, seed: int) -> Asset:
    return make_creature(seed, kind)


everyone = pytest.mark.parametrize("kind", KINDS)


def skinned(mesh: Mesh, world: np.ndarray) -> np.ndarray:
    """Vertices under world joint matrices: plain, slow, independent of the renderer."""
    moves = world[mesh.bind_joints] @ mesh.inverse_binds
    points = np.concatenate([mesh.vertices, np.ones((len(mesh.vertices), 1))], axis=1)
    each = np.einsum("vkij,vj->vki", moves[mesh.skin_indices], points)[..., :3]
    return np.einsum("vk,vki->vi", mesh.skin_weights, each)


def size_of(asset: Asset) -> float:
    assert asset.rig.mesh is not None
    return float(np.linalg.norm(np.ptp(asset.rig.mesh.vertices, axis=0)))


def edge_counts(faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    return np.unique(edges, axis=0, return_counts=True)


@everyone
def test_every_kind_makes_whole_creatures(kind: str) -> None:
    for seed in SEEDS:
        asset = creature(kind, seed)
        mesh = asset.rig.mesh
        assert mesh is not None and mesh.colours is not None and mesh.normals is not None
        assert 5 <= asset.rig.skeleton.joints <= 150
        assert 1200 <= len(mesh.faces) <= 12000
        assert 3 <= len(asset.motions) <= 6
        assert len({motion.name for motion in asset.motions}) == len(asset.motions)
        assert all(2.0 <= motion.duration + 0.9 and motion.duration <= 4.8 for motion in asset.motions)
        assert asset.rig.name == f"{kind}-{seed:06d}"
        assert 0.05 < size_of(asset) < 20


def test_same_seed_same_bits() -> None:
    first, second, other = make_creature(11), make_creature(11), make_creature(12)
    assert first.rig.skeleton.names == second.rig.skeleton.names
    for a, b in zip(first.motions, second.motions, strict=True):
        assert (a.rotations == b.rotations).all() and (a.translations == b.translations).all()
    assert first.rig.mesh is not None and second.rig.mesh is not None and other.rig.mesh is not None
    for name in ("vertices", "faces", "skin_indices", "skin_weights", "inverse_binds", "colours"):
        assert np.array_equal(getattr(first.rig.mesh, name), getattr(second.rig.mesh, name)), name
    assert first.rig.mesh.vertices.shape != other.rig.mesh.vertices.shape


def test_global_random_state_is_left_alone() -> None:
    np.random.seed(5)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # type: ignore[index]  # noqa: NPY002
    make_creature(3, "fish")
    assert (np.random.get_state()[1] == before).all()  # type: ignore[index]  # noqa: NPY002


def test_hundreds_of_topologies() -> None:
    found = set()
    counts = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        body = build_body(list(KINDS.values())[seed % len(KINDS)](rng), rng)
        found.add(tuple(body.parents))
        counts.append(len(body.parents))
    assert len(found) >= 250
    assert min(counts) < 15 and max(counts) > 95


def test_names_come_in_many_styles_and_pairs() -> None:
    names = [creature(kind, seed).rig.skeleton.names for kind in KINDS for seed in SEEDS]
    joined = [" ".join(n) for n in names]
    for mark in ("mixamorig:", "Bip01 ", ".L", "_l ", "左", "Bone.001", "jnt_"):
        assert any(mark in text for text in joined), mark
    assert all("右" in text for text in joined if "左" in text)


@everyone
def test_closed_parts_are_closed(kind: str) -> None:
    """Every edge has two faces, but for the rims of wing skins, feathers and fins (material `sheet`)."""
    for seed in SEEDS:
        mesh = creature(kind, seed).rig.mesh
        assert mesh is not None and mesh.face_materials is not None
        sheet = np.array([material.name == "sheet" for material in mesh.materials])[mesh.face_materials]
        assert all(material.double_sided == (material.name == "sheet") for material in mesh.materials)
        _, counts = edge_counts(mesh.faces[~sheet])
        assert (counts == 2).all()
        if sheet.any():
            assert edge_counts(mesh.faces[sheet])[1].max() <= 2
        if kind in ("dragon", "wyvern", "bat", "bird", "fish"):
            assert sheet.any()


@everyone
def test_surfaces_face_outwards(kind: str) -> None:
    mesh = creature(kind, 0).rig.mesh
    assert mesh is not None and mesh.face_materials is not None
    corners = mesh.vertices[mesh.faces[mesh.face_materials == 0]].astype(float)
    volume = np.einsum("fi,fi->f", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6
    assert volume > 0


@everyone
def test_weights_are_smooth_and_know_left_from_right(kind: str) -> None:
    mesh = creature(kind, 1).rig.mesh
    assert mesh is not None
    assert mesh.skin_indices.shape[1] == 4
    np.testing.assert_allclose(mesh.skin_weights.sum(axis=1), 1, atol=1e-5)
    dense = np.zeros((len(mesh.vertices), len(mesh.bind_joints)))
    np.add.at(dense, (np.arange(len(dense))[:, None], mesh.skin_indices), mesh.skin_weights)
    skin = mesh.faces[mesh.face_materials == 0] if mesh.face_materials is not None else mesh.faces
    jumps = np.abs(dense[skin[:, 0]] - dense[skin[:, 1]]).sum(axis=1) / 2
    assert np.mean(jumps) < 0.25 and np.quantile(jumps, 0.99) < 0.9


@pytest.mark.parametrize("axes", AXES)
def test_local_axes_change_nothing_visible(axes: str) -> None:
    seed, kind = 3, ("dragon", "spider", "biped")[AXES.index(axes) % 3]
    usual, other = make_creature(seed, kind, "world"), make_creature(seed, kind, axes)  # type: ignore[arg-type]
    assert usual.rig.mesh is not None and other.rig.mesh is not None
    assert np.array_equal(usual.rig.mesh.vertices, other.rig.mesh.vertices)
    assert (axes == "world") == np.allclose(usual.rig.skeleton.rest_rotations, other.rig.skeleton.rest_rotations)
    rests = [rest_world(asset.rig.skeleton) for asset in (usual, other)]
    np.testing.assert_allclose(skinned(usual.rig.mesh, rests[0]), skinned(other.rig.mesh, rests[1]), atol=1e-6)
    for a, b in zip(usual.motions, other.motions, strict=True):
        first, second = motion_world(usual.rig.skeleton, a), motion_world(other.rig.skeleton, b)
        np.testing.assert_allclose(first[..., :3, 3], second[..., :3, 3], atol=1e-6)
        middle = a.frames // 2
        np.testing.assert_allclose(
            skinned(usual.rig.mesh, first[middle]), skinned(other.rig.mesh, second[middle]), atol=1e-6
        )


@everyone
def test_motion_is_smooth(kind: str) -> None:
    """No joint jumps: insect wings beat fastest, all else stays below 45 degrees a frame."""
    for seed in SEEDS:
        asset = creature(kind, seed)
        for motion in asset.motions:
            turns = (
                Rotation.from_quat(motion.rotations[1:].reshape(-1, 4))
                * Rotation.from_quat(motion.rotations[:-1].reshape(-1, 4)).inv()
            )
            step = np.degrees(turns.magnitude()).max()
            assert step < (75 if kind == "insect" else 45), (seed, motion.name, step)
            moved = np.linalg.norm(np.diff(joint_positions(asset.rig.skeleton, motion), axis=0), axis=-1)
            assert moved.max() < 0.3 * size_of(asset), (seed, motion.name)


@everyone
def test_clips_end_where_they_began(kind: str) -> None:
    for seed in SEEDS:
        for motion in creature(kind, seed).motions:
            inner = np.arange(1, motion.joints)
            dots = np.abs(np.sum(motion.rotations[0, inner] * motion.rotations[-1, inner], axis=-1))
            gap = np.degrees(2 * np.arccos(np.clip(dots, -1, 1)))
            assert np.quantile(gap, 0.95) < 25, (seed, motion.name)


def twist_range(asset: Asset, motion: Motion) -> float:
    """Largest range of any joint's rotation about its own bone, in degrees."""
    skeleton = asset.rig.skeleton
    best = 0.0
    for joint, children in enumerate(skeleton.children):
        if not children or joint == 0:
            continue
        axis = skeleton.rest_translations[children[0]]
        if np.linalg.norm(axis) < 1e-6:
            continue
        axis = axis / np.linalg.norm(axis)
        local = Rotation.from_quat(skeleton.rest_rotations[joint]).inv() * Rotation.from_quat(
            motion.rotations[:, joint]
        )
        quaternion = local.as_quat(canonical=True)
        angle = np.unwrap(2 * np.arctan2(quaternion[:, :3] @ axis, quaternion[:, 3]))
        best = max(best, float(np.degrees(np.ptp(angle))))
    return best


@everyone
def test_bones_twist(kind: str) -> None:
    asset = creature(kind, 1)
    assert max(twist_range(asset, motion) for motion in asset.motions) > 4  # a long chain shares it among many


@everyone
def test_walkers_move_the_way_they_face(kind: str) -> None:
    for seed in SEEDS:
        asset = creature(kind, seed)
        for motion in asset.motions:
            root = joint_positions(asset.rig.skeleton, motion)[:, 0]
            path = root[-1] - root[0]
            if motion.name in (
                "walk",
                "run",
                "hop",
                "fly",
                "glide",
                "slither",
                "swim",
                "dart",
                "pulse",
                "crawl",
                "slide",
            ):
                assert path[2] > 0.02 * size_of(asset), (seed, motion.name)
                assert abs(path[0]) < 0.15 * path[2] + 0.01 * size_of(asset), (seed, motion.name)
            elif motion.name in ("idle", "rear", "shake", "wave", "dance") and kind not in ("fish", "bat"):
                assert np.abs(path).max() < 0.02 * size_of(asset), (seed, motion.name)


@everyone
def test_feet_hardly_skate(kind: str) -> None:
    """While a sole is on the ground it stays put: it slips far less than the body moves."""
    for seed in SEEDS:
        asset = creature(kind, seed)
        soles = ground_points(asset)
        for motion in (m for m in asset.motions if m.name in GAITS and kind not in LEGLESS):
            world = motion_world(asset.rig.skeleton, motion)
            body = np.linalg.norm(np.diff(world[:, 0, :3, 3][:, [0, 2]], axis=0), axis=-1).mean()
            tall = np.ptp(world[..., 1, 3])
            for joint, (floor, local) in soles.items():
                places = world[:, joint, :3, :3] @ local + world[:, joint, :3, 3]
                down = places[:, 1] < floor + 0.015 * tall
                slip = np.linalg.norm(np.diff(places[:, [0, 2]], axis=0), axis=-1)[down[1:] & down[:-1]]
                assert len(slip) and np.median(slip) < 0.3 * body, (seed, motion.name, joint)


def ground_points(asset: Asset) -> dict[int, tuple[float, np.ndarray]]:
    """For each joint beside the middle whose own flesh is drawn standing on the ground: its lowest point.

    As the point's height, and its place in the joint's frame.
    """
    mesh = asset.rig.mesh
    assert mesh is not None
    points = mesh.vertices
    tall = float(np.ptp(points[:, 1]))
    near = (points[:, 1] < points[:, 1].min() + 0.03 * tall) & (np.abs(points[:, 0]) > 0.03 * tall)
    found: dict[int, tuple[float, np.ndarray]] = {}
    for vertex in np.flatnonzero(near):
        slot = int(mesh.skin_weights[vertex].argmax())
        bind = mesh.skin_indices[vertex, slot]
        joint = int(mesh.bind_joints[bind])
        if mesh.skin_weights[vertex, slot] > 0.8 and points[vertex, 1] < found.get(joint, (np.inf,))[0]:
            local = (mesh.inverse_binds[bind] @ [*points[vertex], 1.0])[:3]
            found[joint] = (float(points[vertex, 1]), local)
    return found


def test_unknown_words_are_refused() -> None:
    with pytest.raises(UsageError, match="unicorn"):
        make_creature(0, "unicorn")
    with pytest.raises(UsageError, match="negative"):
        make_creature(-1)


def test_checkerboards_are_filled() -> None:
    """The sign pattern that makes an edge with four faces, alone and in noise."""
    noise = np.random.default_rng(0).random((12, 12, 12)) < 0.4
    noise[[0, -1]] = noise[:, [0, -1]] = noise[:, :, [0, -1]] = False
    for inside in (noise, np.pad(np.array([[[True, False], [False, True]]] * 2), 2)):
        filled = fill_checkerboards(inside)
        assert (filled | ~inside).all()
        for axis in range(3):
            view = np.moveaxis(filled, axis, 0)
            a, b, c, d = view[:, :-1, :-1], view[:, 1:, :-1], view[:, :-1, 1:], view[:, 1:, 1:]
            assert not ((a == d) & (b == c) & (a != b)).any()


def test_polygonised_sphere_is_round_and_closed() -> None:
    ball = Capsule(np.zeros(3), np.array([0.0, 0.0, 1e-9]), (1.0, 1.0), np.ones(3), 0.1)
    vertices, faces = polygonise([ball], 1500)
    assert (edge_counts(faces)[1] == 2).all()
    np.testing.assert_allclose(np.linalg.norm(vertices, axis=1), 1.0, atol=0.03)
    assert 700 < len(faces) < 3000


def run(*arguments: str) -> int:
    return main([*arguments])


def test_command_writes_files_that_can_be_read_again(tmp_path: Path) -> None:
    out = tmp_path / "new" / "zoo"
    assert run("zoo", str(out), "--count", "3", "--seed", "7", "--kind", "fish", "--kind", "bird") == 0
    assert sorted(path.name for path in out.iterdir()) == ["bird-000008.glb", "fish-000007.glb", "fish-000009.glb"]
    asset, again = make_creature(8, "bird"), read_asset(out / "bird-000008.glb")
    assert again.rig.skeleton.names == asset.rig.skeleton.names
    for first, second in zip(asset.motions, again.motions, strict=True):
        places = joint_positions(again.rig.skeleton, second)
        np.testing.assert_allclose(places, joint_positions(asset.rig.skeleton, first), atol=1e-4)


def test_command_draws_a_sheet(tmp_path: Path) -> None:
    path = tmp_path / "sheet.png"
    assert run("zoo", "--count", "3", "--kind", "octopus", "--sheet", str(path)) == 0
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    assert pixels.shape == (320, 320, 3)
    for row, column in ((0, 0), (0, 1), (1, 0)):  # the fourth place stays empty
        tile = pixels[160 * row : 160 * row + 160, 160 * column : 160 * column + 160]
        assert (np.abs(tile.astype(int) - BACKGROUND).sum(axis=-1) > 30).mean() > 0.05
    assert (pixels[160:, 160:] == BACKGROUND).all()


def test_command_lists_kinds_and_explains_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("zoo", "--list") == 0
    assert capsys.readouterr().out.split() == list(KINDS)
    assert run("zoo") == 2
    assert "nothing to do" in capsys.readouterr().err
    assert run("zoo", str(tmp_path), "--kind", "unicorn") == 2
    assert "unicorn" in capsys.readouterr().err
    assert run("zoo", str(tmp_path), "--axes", "sideways") == 2
    assert "sideways" in capsys.readouterr().err
    assert run("zoo", "--sheet", str(tmp_path / "sheet.txt")) == 1
    assert ".png" in capsys.readouterr().err


def test_command_says_once_what_a_format_drops(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("zoo", str(tmp_path), "--count", "2", "--kind", "fish", "--format", ".BVH") == 0
    assert len(list(tmp_path.glob("*.bvh"))) == 2
    assert capsys.readouterr().err.count("the mesh is left out") == 1
    assert run("zoo", str(tmp_path / "new"), "--format", "xyz") == 1
    assert "known:" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
    assert run("zoo", str(next(tmp_path.glob("*.bvh")))) == 1
