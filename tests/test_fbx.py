"""FBX: what is written comes back, and hostile files do no harm."""

import struct
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from scipy.spatial.transform import Rotation

from factories import make_asset, make_mesh, make_motion, make_skeleton, skinned_vertices
from fbx_helpers import LINEAR, add_quad, animate, assert_same_asset, assert_same_skeleton, joint, parse_here, take
from mocapcli.errors import MocapError, ReadError
from mocapcli.formats import read_asset, write_asset
from mocapcli.kinematics import joint_positions, motion_world, rest_world
from mocapcli.types import Asset, Material, Mesh, Rig, Skeleton
from mocapcli_fbx import reader
from mocapcli_fbx.animation import continuous_euler, euler_degrees
from mocapcli_fbx.document import SCENE, Document, add_number
from mocapcli_fbx.encoder import Long, Record, encode_property
from mocapcli_fbx.skin_space import detach_moving
from mocapcli_fbx.writer import encode_asset
from strategies import assets

# What is written comes back.


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"mesh": False},
        {"clips": 3},
        {"clips": 0},
        {"translated": True, "scaled": True},
        {"joints": 1},
        {"frames": 1},
    ],
    ids=str,
)
def test_round_trip(tmp_path, options):
    asset = make_asset(**options)
    path = tmp_path / "rig.fbx"
    write_asset(path, asset)
    assert_same_asset(asset, read_asset(path))


@given(asset=assets(max_joints=6))
def test_round_trip_of_anything(tmp_path_factory, asset):
    assert_same_asset(asset, parse_here(encode_asset(asset), tmp_path_factory.mktemp("fbx")))


def test_clips_keep_their_own_frame_rates(tmp_path):
    skeleton = make_skeleton()
    motions = tuple(make_motion(skeleton, 9, fps, name=str(fps)) for fps in (24.0, 29.97, 120.0))
    asset = Asset(Rig(skeleton), motions)
    assert_same_asset(asset, parse_here(encode_asset(asset), tmp_path))


def test_odd_names_and_an_odd_rig_name(tmp_path):
    names = ("mixamorig:Hips", "left arm", "Größe", "腕", "a|b::c")
    skeleton = make_skeleton(5, names=names)
    asset = Asset(Rig(skeleton, make_mesh(skeleton), name="Robo: 3/4 ☃"), (make_motion(skeleton, name="läuft | Φ"),))
    assert_same_asset(asset, parse_here(encode_asset(asset), tmp_path))


def test_two_clips_of_one_name_are_numbered(tmp_path):
    skeleton = make_skeleton()
    asset = Asset(Rig(skeleton), (make_motion(skeleton, seed=1), make_motion(skeleton, seed=2)))
    names = [motion.name for motion in parse_here(encode_asset(asset), tmp_path).motions]
    assert names == ["clip", "clip.001"]


def test_an_empty_mesh_is_no_mesh(tmp_path):
    skeleton = make_skeleton()
    nothing, none = np.zeros((0, 3)), np.zeros((0, 3), int)
    empty = Mesh(nothing, none, none[:, :1], nothing[:, :1], none[:, 0], np.zeros((0, 4, 4)))
    assert parse_here(encode_asset(Asset(Rig(skeleton, empty))), tmp_path).rig.mesh is None


def test_parts_that_follow_nothing(tmp_path):
    """Some vertices wholly static, some only in part; neither makes a joint."""
    asset = make_asset(joints=6)
    mesh = asset.rig.mesh
    joints, inverse = mesh.bind_joints.copy(), mesh.inverse_binds.copy()
    joints[[1, 5]], inverse[[1, 5]] = -1, np.eye(4)
    fixed = replace(mesh, bind_joints=joints, inverse_binds=inverse)
    back = parse_here(encode_asset(replace(asset, rig=replace(asset.rig, mesh=fixed))), tmp_path)
    assert back.rig.skeleton.names == asset.rig.skeleton.names
    assert (back.rig.mesh.bind_joints < 0).any()
    world = motion_world(asset.rig.skeleton, asset.motions[0])[-1]
    first, second = (skinned_vertices(m, world)[m.faces].reshape(-1, 9) for m in (fixed, back.rig.mesh))
    order = [np.lexsort(np.round(corners, 4).T) for corners in (first, second)]
    np.testing.assert_allclose(first[order[0]], second[order[1]], atol=1e-5)


def test_binds_in_another_pose_and_space_move_vertices_alike(tmp_path):
    """The mesh was modelled in another pose than the rest pose, twice as large, and binds a joint twice."""
    skeleton = make_skeleton(4, seed=3)
    mesh = make_mesh(skeleton)
    other = rest_world(make_skeleton(4, seed=4))
    inverse = np.linalg.inv(other) @ np.diag([2.0, 2.0, 2.0, 1.0])
    odd = replace(
        mesh,
        skin_indices=np.where(np.arange(len(mesh.vertices))[:, None] % 2, mesh.skin_indices, mesh.skin_indices + 4),
        bind_joints=np.tile(np.arange(4), 2),
        inverse_binds=np.concatenate([inverse, inverse]),
    )
    asset = Asset(Rig(skeleton, odd), (make_motion(skeleton),))
    back = parse_here(encode_asset(asset), tmp_path)
    assert_same_skeleton(skeleton, back.rig.skeleton)
    world = motion_world(skeleton, asset.motions[0])[3]
    first, second = (skinned_vertices(m, world)[m.faces] for m in (odd, back.rig.mesh))
    np.testing.assert_allclose(first, second, atol=1e-5)
    assert len(back.rig.mesh.bind_joints) == 4


def test_many_influences_keep_the_eight_strongest(tmp_path):
    skeleton = make_skeleton(12)
    mesh = make_mesh(skeleton, plain=True)
    weights = np.tile(np.linspace(1.0, 2.0, 12), (len(mesh.vertices), 1))
    every = np.tile(np.arange(12), (len(mesh.vertices), 1))
    crowd = replace(mesh, skin_indices=every, skin_weights=weights / weights.sum(axis=1, keepdims=True))
    # Binds that agree at rest, as in any sane file.
    back = parse_here(encode_asset(Asset(Rig(skeleton, crowd))), tmp_path).rig.mesh
    assert back.skin_weights.shape[1] == 8
    assert set(back.bind_joints[back.skin_indices[0]]) == set(range(4, 12))
    np.testing.assert_allclose(back.skin_weights.sum(axis=1), 1.0, atol=1e-6)


def test_faces_without_material(tmp_path):
    asset = make_asset()
    mesh = asset.rig.mesh
    bare = replace(mesh, face_materials=np.where(np.arange(len(mesh.faces)) % 2, mesh.face_materials, -1))
    back = parse_here(encode_asset(replace(asset, rig=replace(asset.rig, mesh=bare))), tmp_path).rig.mesh
    assert [material.name for material in back.materials] == ["skin", "glass", "none"]
    assert (back.face_materials == np.where(bare.face_materials < 0, 2, bare.face_materials)).all()


# Rotations as FBX keeps them.


def test_euler_angles_mean_what_fbx_says():
    quaternions = Rotation.random(50, rng=np.random.default_rng(0)).as_quat()
    again = Rotation.from_euler("xyz", euler_degrees(quaternions), degrees=True)
    np.testing.assert_allclose(again.as_matrix(), Rotation.from_quat(quaternions).as_matrix(), atol=1e-12)


@pytest.mark.parametrize("pitch", [90.0, -90.0])
def test_gimbal_lock(pitch):
    quaternions = Rotation.from_euler("xyz", [[30.0, pitch, 50.0], [-170.0, pitch, 0.0]], degrees=True).as_quat()
    again = Rotation.from_euler("xyz", euler_degrees(quaternions), degrees=True)
    np.testing.assert_allclose(again.as_matrix(), Rotation.from_quat(quaternions).as_matrix(), atol=1e-7)


def test_a_somersault_has_no_jump():
    """Five turns about an axis that passes the poles: every step stays small, every frame stays right."""
    turn = Rotation.from_rotvec(np.linspace(0, 10 * np.pi, 200)[:, None] * np.array([[0.05, 0.99, 0.1]]))
    plain = euler_degrees(turn.as_quat())[:, None]
    smooth = continuous_euler(plain)
    assert abs(np.diff(plain, axis=0)).max() > 150
    assert abs(np.diff(smooth, axis=0)).max() < 100
    again = Rotation.from_euler("xyz", smooth[:, 0], degrees=True)
    np.testing.assert_allclose(again.as_matrix(), turn.as_matrix(), atol=1e-9)


# Hostile files.


def test_no_joints_is_a_clear_error(tmp_path):
    document = Document()
    add_quad(document, SCENE)
    path = tmp_path / "chair.fbx"
    path.write_bytes(document.encode(30.0, []))
    with pytest.raises(ReadError, match=r"chair\.fbx: there are no bones and no animated nodes"):
        read_asset(path)


@pytest.mark.parametrize(
    "data",
    [b"Kaydara FBX Binary  \0\x1a\0", b"hello world\n" * 50, b"\x89PNG\r\n" + bytes(500), b"\0" * 1000, b"glTF" * 20],
    ids=["head", "text", "png", "zeros", "glb"],
)
def test_what_is_no_fbx_is_refused(tmp_path, data):
    path = tmp_path / "x.fbx"
    path.write_bytes(data)
    with pytest.raises(MocapError, match=r"x\.fbx: ") as caught:
        read_asset(path)
    assert "\n" not in str(caught.value)


def test_a_take_of_a_thousand_years_is_refused(tmp_path):
    document = Document()
    root = joint(document, "root")
    animate(document, take(document, "long", 0, 150_000.0), root, "Lcl Translation", [0.0, 1.0], [0.0, 1.0], LINEAR)
    path = tmp_path / "x.fbx"
    path.write_bytes(document.encode(30.0, []))
    with pytest.raises(ReadError, match="take 'long': asks for 4500001 joints × frames"):
        read_asset(path)


def test_numbers_that_are_none(tmp_path):
    document = Document()
    joint(document, "root", Lcl_Translation=(float("nan"), 0, 0))
    with pytest.raises(ReadError, match="not finite or absurdly large"):
        parse_here(document.encode(30.0, []), tmp_path)


@pytest.fixture
def child_module(tmp_path, monkeypatch):
    """Let the reader's child run other code, on a valid file."""
    path = tmp_path / "good.fbx"
    path.write_bytes(encode_asset(make_asset()))

    def install(body: str) -> Path:
        (tmp_path / "evil_parser.py").write_text(f"def parse(path):\n    {body}\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.setattr(reader, "MODULE", "evil_parser")
        monkeypatch.setattr(reader, "SECONDS", 2.0)
        return path

    return install


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("while True: pass", "took longer than"),
        ("import ctypes; ctypes.string_at(0)", "the parser crashed"),
        pytest.param(
            "import numpy; return {'x': numpy.ones(1 << 30)}",
            "more memory",
            marks=pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="no memory limit per process there"),
        ),
    ],
    ids=["hangs", "crashes", "eats memory"],
)
def test_a_child_gone_wrong_is_one_line(child_module, body, message):
    path = child_module(body)
    with pytest.raises(ReadError, match=rf"good\.fbx: .*{message}") as caught:
        read_asset(path)
    assert "\n" not in str(caught.value)


def mutations(data: bytes, count: int):
    """Seeded damage: cut off, flipped bits, overwritten and repeated stretches, huge counts."""
    rng = np.random.default_rng(7)
    for number in range(count):
        bad = bytearray(data)
        kind = number % 5
        if kind == 0:
            bad = bad[: int(rng.integers(30, len(bad)))]
        elif kind == 1:
            for place in rng.integers(27, len(bad), 8):
                bad[place] ^= 1 << int(rng.integers(0, 8))
        elif kind == 2:
            place = int(rng.integers(27, len(bad) - 64))
            bad[place : place + 64] = rng.bytes(64)
        elif kind == 3:
            place = int(rng.integers(27, len(bad) - 4))
            bad[place : place + 4] = b"\xff\xff\xff\x7f"
        else:
            place, other = rng.integers(27, len(bad) - 200, 2)
            bad[place : place + 200] = data[other : other + 200]
        yield bytes(bad)


def test_damaged_files_give_an_asset_or_one_line(tmp_path):
    good = encode_asset(make_asset(joints=4, frames=3))
    path = tmp_path / "x.fbx"
    refused = 0
    for number, data in enumerate(mutations(good, 30)):
        path.write_bytes(data)
        try:
            asset = read_asset(path)
        except MocapError as error:
            refused += 1
            assert "\n" not in str(error), number
        else:
            assert asset.rig.skeleton.joints >= 1
    assert refused >= 6  # every cut at least


def test_reading_warns_of_nothing(tmp_path):
    path = tmp_path / "x.fbx"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_asset(path, make_asset(scaled=True))
        read_asset(path)


# The container.


def test_records_nest_and_arrays_compress():
    record = Record("A", (True, 3, Long(1 << 40), 0.5, "text", b"raw"))
    record.add("B", np.arange(3, dtype=np.int32))
    record.add("C", np.zeros(1000))
    data = Document().encode(30.0, [])
    assert data.startswith(b"Kaydara FBX Binary  \0\x1a\0" + struct.pack("<I", 7400))
    assert len(encode_property(np.zeros(1000))) < 100
    assert encode_property(np.arange(3, dtype=np.int32)) == b"i" + struct.pack("<III3i", 3, 0, 12, 0, 1, 2)
    with pytest.raises(KeyError):
        encode_property(np.zeros(3, np.complex128))


# Real files.


def test_every_shared_asset_reads(shared_assets, tmp_path):
    paths = sorted(shared_assets.rglob("*.fbx"))
    assert paths
    for path in paths:
        asset = parse_here(path.read_bytes(), tmp_path)
        assert asset.motions, path
        for motion in asset.motions:
            assert np.isfinite(joint_positions(asset.rig.skeleton, motion)).all(), path


def test_a_material_name_survives(tmp_path):
    asset = make_asset()
    odd = Material("Haut / Ärmel: 1", (0.2, 0.4, 0.6, 1.0))
    mesh = replace(asset.rig.mesh, materials=(odd,), face_materials=None)
    back = parse_here(encode_asset(replace(asset, rig=replace(asset.rig, mesh=mesh))), tmp_path)
    assert [material.name for material in back.rig.mesh.materials] == [odd.name]
    assert set(back.rig.mesh.face_materials) == {0}


def test_number_properties_are_found_by_name():
    record = Record("Properties70")
    add_number(record, "x", 2.0)
    assert record.children[0].properties == ("x", "double", "Number", "", 2.0)


def test_moving_joints_on_their_parents_axis_stand_a_hair_beside_it(tmp_path):
    """Or Blender would connect them and drop their translation; our own reading shows no trace of it."""
    skeleton = Skeleton(("a", "b", "c"), np.array([-1, 0, 1]), np.eye(3)[[2, 1, 1]], np.tile([0.0, 0, 0, 1], (3, 1)))
    still = make_motion(skeleton)
    moves = still.translations.copy()
    moves[3, 1] += 0.5
    moving = replace(still, translations=moves)
    bind = rest_world(skeleton)
    assert (detach_moving(skeleton, [still], bind) == bind).all()
    apart = np.linalg.norm(detach_moving(skeleton, [still, moving], bind)[:, :3, 3] - bind[:, :3, 3], axis=1)
    assert apart[0] == apart[2] == 0
    assert 1e-6 < apart[1] < 1e-4
    asset = Asset(Rig(skeleton, make_mesh(skeleton)), (moving,))
    assert_same_asset(asset, parse_here(encode_asset(asset), tmp_path))
