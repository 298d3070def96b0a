"""Skinning, capsule bodies and the way from a rig to pictures."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mocapcli.formats import read_asset
from mocapcli.kinematics import motion_world, rest_world
from mocapcli.render.camera import fit
from mocapcli.render.capsules import capsule, capsule_mesh, chain_numbers, side_of
from mocapcli.render.scene import follow_motion, frame_motion, pose_points, prepare, render_motion
from mocapcli.render.skinning import make_skin, skin_points
from mocapcli.types import Mesh, Rig, Skeleton
from render_helpers import chain, tube_rig, wave

ASSETS = Path(__file__).parents[2] / "shared" / "assets"
STILL = [0.0, 0.0, 0.0, 1.0]


def naive_skin(mesh: Mesh, world: np.ndarray) -> np.ndarray:
    out = np.zeros((len(world), len(mesh.vertices), 3))
    for t in range(len(world)):
        for v, vertex in enumerate(mesh.vertices):
            for bind, weight in zip(mesh.skin_indices[v], mesh.skin_weights[v], strict=True):
                joint = mesh.bind_joints[bind]
                matrix = (np.eye(4) if joint < 0 else world[t, joint]) @ mesh.inverse_binds[bind]
                out[t, v] += weight * (matrix @ [*vertex, 1])[:3]
    return out


def test_skinning_equals_the_plain_loop() -> None:
    rig = tube_rig(8, 6, 5)
    mesh = rig.mesh
    assert mesh is not None
    fixed = replace(mesh, bind_joints=np.array([0, -1, 2, 2, 4]))  # one bind stays, two share a joint
    world = motion_world(rig.skeleton, wave(rig.skeleton, 4, 0.7))
    for chosen in (mesh, fixed):
        points, normals = skin_points(make_skin(chosen), world)
        np.testing.assert_allclose(points, naive_skin(chosen, world), atol=1e-5)
        assert points.dtype == normals.dtype == np.float32


def test_normals_turn_with_the_body() -> None:
    rig = tube_rig(8, 6, 2)
    quarter = np.diag([1.0, 1, 1, 1])
    quarter[:3, :3] = [[0, 0, 1], [0, 1, 0], [-1, 0, 0]]
    mesh = rig.mesh
    assert mesh is not None and mesh.normals is not None
    _, normals = skin_points(make_skin(mesh), np.stack([quarter, quarter])[None] @ rest_world(rig.skeleton))
    np.testing.assert_allclose(normals[0], mesh.normals @ quarter[:3, :3].T, atol=1e-5)


def test_no_normals_means_flat_shading() -> None:
    mesh = tube_rig(4, 4, 2).mesh
    assert mesh is not None
    plain = prepare(Rig(chain(2), replace(mesh, normals=None)))
    assert pose_points(plain, rest_world(plain.rig.skeleton)[None])[1].shape == (1, 0, 3)
    assert render_motion(plain, None, fit(plain.rest_points)).mask.any()


def creature() -> Skeleton:
    names = ("hips", "Spine", "LeftArm", "LeftHand", "thumb", "RightArm", "RightHand")
    offsets = [[0, 1.0, 0], [0, 0.5, 0], [0.2, 0, 0], [0.5, 0, 0], [0.1, 0, 0.1], [-0.2, 0, 0], [-0.5, 0, 0]]
    return Skeleton(names, np.array([-1, 0, 1, 2, 3, 1, 5]), np.array(offsets), np.tile(STILL, (7, 1)))


def test_capsule_is_closed_and_faces_outwards() -> None:
    vertices, normals, faces = capsule(np.array([1.0, 2, 3]), np.array([1.5, 2.5, 2]), 0.3, 0.1)
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    outward = np.einsum("ij,ij->i", np.cross(b - a, c - a), normals[faces].mean(axis=1))
    assert (outward > 0).all()
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1)


def test_capsules_follow_their_joints_rigidly() -> None:
    skeleton = creature()
    mesh = capsule_mesh(skeleton)
    model = prepare(Rig(skeleton))
    motion = wave(skeleton, 5, 0.8)
    world = motion_world(skeleton, motion)
    points, _ = pose_points(model, world)
    rest = rest_world(skeleton)
    owners = mesh.skin_indices[:, 0]
    local = np.einsum("vij,vj->vi", np.linalg.inv(rest)[owners], np.c_[mesh.vertices, np.ones(len(owners))])
    expected = np.einsum("vij,vj->vi", world[3][owners], local)[:, :3]
    np.testing.assert_allclose(points[3], expected, atol=1e-5)
    assert set(owners) == set(range(7))


def test_capsule_colours_tell_sides() -> None:
    mesh = capsule_mesh(creature())
    assert mesh.colours is not None
    colour = {int(joint): tuple(mesh.colours[mesh.skin_indices[:, 0] == joint][0]) for joint in range(7)}
    assert colour[2] == colour[3] == colour[4] != colour[5] == colour[6] != colour[1] == colour[0]


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("mixamorig:LeftArm", "left"), ("mixamorig:RightHandIndex1", "right"), ("upper_arm.L", "left"),
        ("Bip01 R Thigh", "right"), ("arm_l", "left"), ("hand_r_02", "right"), ("左腕", "left"), ("右足", "right"),
        ("Spine", "centre"), ("Tail_03", "centre"), ("collar", "centre"), ("Lower", "centre"), ("Root", "centre"),
    ],
)  # fmt: skip
def test_sides_of_names(name: str, side: str) -> None:
    assert side_of(name) == side


def test_chains_without_names_get_hues() -> None:
    skeleton = replace(creature(), names=tuple("abcdefg"))
    assert chain_numbers(skeleton).tolist() == [0, 0, 0, 0, 0, 1, 1]
    mesh = capsule_mesh(skeleton)
    assert mesh.colours is not None and len(np.unique(mesh.colours, axis=0)) == 2


@pytest.mark.parametrize("joints", [1, 2])
def test_tiny_skeletons_have_a_body(joints: int) -> None:
    skeleton = Skeleton(tuple("ab"[:joints]), np.arange(joints) - 1, np.zeros((joints, 3)), np.tile(STILL, (joints, 1)))
    model = prepare(Rig(skeleton))
    assert render_motion(model, None, frame_motion(model, None)).mask.sum() > 100


def test_a_mesh_without_faces_gets_capsules() -> None:
    mesh = tube_rig(4, 4, 3).mesh
    assert mesh is not None
    model = prepare(Rig(chain(3), replace(mesh, faces=np.zeros((0, 3), int), face_materials=None)))
    assert len(model.mesh.faces) > 0


def test_canonical_stays_with_the_surface() -> None:
    model = prepare(tube_rig(30, 30, 5))
    assert model.canonical.min() >= 0 and model.canonical.max() <= 1
    assert np.ptp(model.canonical, axis=0).max() == pytest.approx(1)
    rest = render_motion(model, None, frame_motion(model, None, width=64, height=64), attributes=model.canonical)
    seen = rest.mask[0] == 1
    low, high = model.rest_points.min(0), model.rest_points.max(0)
    world = (rest.attributes[0] - 0.5) * (high - low).max() + (low + high) / 2
    camera = frame_motion(model, None, width=64, height=64)
    pixels, depth = camera.project(world[seen].astype(np.float64))
    rows, columns = np.nonzero(seen)
    assert np.median(np.abs(pixels - np.stack([columns + 0.5, rows + 0.5], axis=1))) < 0.2
    np.testing.assert_allclose(depth, rest.depth[0][seen], rtol=1e-3)


def test_vertex_joints_are_the_strongest() -> None:
    model = prepare(Rig(creature()))
    np.testing.assert_array_equal(model.vertex_joints, model.mesh.skin_indices[:, 0])


def test_cameras_keep_the_clip_in_view() -> None:
    model = prepare(tube_rig(20, 20, 5))
    motion = wave(model.rig.skeleton, 40, 0.5)
    still = render_motion(model, motion, frame_motion(model, motion, width=64, height=64, samples=40))
    border = np.ones((64, 64), bool)
    border[2:-2, 2:-2] = False
    assert still.mask[:, border].sum() == 0 and still.mask.any(axis=(1, 2)).all()
    follow = render_motion(model, motion, follow_motion(model, motion, width=64, height=64))
    assert follow.mask.mean() >= still.mask.mean()


def test_rigs_that_differ_only_in_local_axes_look_the_same() -> None:
    """Turn every joint's frame; the same world pose must give the same picture."""
    plain = tube_rig(20, 20, 4)
    world = motion_world(plain.skeleton, wave(plain.skeleton, 3, 0.5))
    turn = np.eye(4)
    turn[:3, :3] = [[0, 1, 0], [0, 0, 1], [1, 0, 0]]
    assert plain.mesh is not None
    turned = replace(plain, mesh=replace(plain.mesh, inverse_binds=np.linalg.inv(turn) @ plain.mesh.inverse_binds))
    first, _ = pose_points(prepare(plain), world)
    second, _ = pose_points(prepare(turned), world @ turn)
    np.testing.assert_allclose(first, second, atol=1e-6)


def test_import_works_where_no_cache_can_be_written(tmp_path: Path) -> None:
    """A read-only package and home: numba has nowhere to cache, drawing must go on."""
    code = (
        "import numba.core.caching as c\n"
        "c.CacheImpl._locator_classes = []\n"
        "from mocapcli.render import draw, kernels\n"
        "print(kernels.draw_frames.py_func.__name__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "HOME": str(tmp_path)},
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "draw_frames"


@pytest.mark.skipif(not ASSETS.is_dir(), reason="the shared assets are not here")
@pytest.mark.parametrize(
    "name",
    [
        "mesh2motion/dragon-animations.glb",
        "quaternius_monsterpack/Bat.glb",
        "cmu_bvh/01_01.bvh",
        "quaternius_fbx/Chick.fbx",
    ],
)
def test_real_assets_fill_their_frame(name: str) -> None:
    places = [ASSETS / split / name for split in ("train", "unseen")]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        pytest.skip(f"{name} is not here")
    asset = read_asset(path)
    model, motion = prepare(asset.rig), asset.motions[0]
    camera = follow_motion(model, motion, width=64, height=64)[:2]
    images = render_motion(model, motion, camera, frames=[0, 1])
    assert (images.mask.mean(axis=(1, 2)) > 0.03).all() and len(np.unique(images.colour)) > 5
