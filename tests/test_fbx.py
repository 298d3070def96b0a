"""FBX: what is written comes back, what files really hold is understood, and hostile ones do no harm."""

import ctypes
import struct
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from scipy.spatial.transform import Rotation

from factories import make_asset, make_mesh, make_motion, make_png, make_skeleton, skinned_vertices
from mocapcli.errors import MocapError, ReadError
from mocapcli.formats import read_asset, write_asset
from mocapcli.kinematics import joint_positions, motion_world, rest_world
from mocapcli.types import Asset, Material, Mesh, Motion, Rig, Skeleton, Texture
from mocapcli_fbx import reader
from mocapcli_fbx.animation import add_take, continuous_euler, euler_degrees
from mocapcli_fbx.budget import Budget
from mocapcli_fbx.document import SCENE, TICKS, Document, add_number, add_property
from mocapcli_fbx.encoder import Long, Record, encode_property
from mocapcli_fbx.images import find_texture
from mocapcli_fbx.models import add_model, add_skeleton
from mocapcli_fbx.polygons import linear_to_srgb, srgb_to_linear, triangulate, weld
from mocapcli_fbx.skin_space import detach_moving
from mocapcli_fbx.writer import encode_asset
from strategies import assets


@pytest.fixture(scope="module")
def parse_here():
    """Parse trusted bytes in this process, much faster than in a child; what it holds outlives even the exit."""
    from mocapcli_fbx import binding
    from mocapcli_fbx.parse import parse

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(binding._held))

    def read_bytes(data: bytes, folder: Path) -> Asset:
        path = folder / "rig.fbx"
        path.write_bytes(data)
        return reader.build_asset(parse(path), path)

    return read_bytes


def assert_same_skeleton(first: Skeleton, second: Skeleton) -> None:
    assert first.names == second.names
    np.testing.assert_array_equal(first.parents, second.parents)
    size = max(1.0, abs(rest_world(first)).max())
    np.testing.assert_allclose(rest_world(first), rest_world(second), atol=1e-9 * size)


def assert_same_motion(skeleton: Skeleton, first: Motion, second: Motion) -> None:
    """Curves hold 32 bit numbers, so all is relative to the size of what moves."""
    assert (first.name, first.frames) == (second.name, second.frames)
    assert first.fps == pytest.approx(second.fps, rel=1e-9)
    one, two = motion_world(skeleton, first), motion_world(skeleton, second)
    np.testing.assert_allclose(one, two, atol=3e-6 * max(1.0, abs(one).max()))


def assert_same_mesh(first: Mesh, second: Mesh, world: np.ndarray) -> None:
    """Vertices may be numbered anew; faces keep their order, and every corner its looks and its movement."""
    assert first.faces.shape == second.faces.shape
    for name, atol in {"vertices": 1e-6, "normals": 1e-6, "uvs": 1e-6, "colours": 1e-5}.items():
        one, two = getattr(first, name), getattr(second, name)
        assert (one is None) == (two is None), name
        if one is not None:
            np.testing.assert_allclose(one[first.faces], two[second.faces], atol=atol, err_msg=name)
    moved = [skinned_vertices(mesh, world)[mesh.faces] for mesh in (first, second)]
    np.testing.assert_allclose(*moved, atol=1e-5 * max(1.0, abs(moved[0]).max()))
    assert [m.name for m in first.materials] == [m.name for m in second.materials]
    for one, two in zip(first.materials, second.materials, strict=True):
        assert one.texture == two.texture
        np.testing.assert_allclose(one.base_colour, two.base_colour, atol=1e-9)
        assert (one.alpha_mode, one.double_sided) == (two.alpha_mode, two.double_sided)
        assert one.alpha_cutoff == pytest.approx(two.alpha_cutoff)
    if first.materials:
        np.testing.assert_array_equal(first.face_materials, second.face_materials)


def assert_same_asset(first: Asset, second: Asset) -> None:
    assert_same_skeleton(first.rig.skeleton, second.rig.skeleton)
    assert len(first.motions) == len(second.motions)
    for one, two in zip(first.motions, second.motions, strict=True):
        assert_same_motion(first.rig.skeleton, one, two)
    assert (first.rig.mesh is None) == (second.rig.mesh is None)
    if first.rig.mesh is not None:
        skeleton = first.rig.skeleton
        world = motion_world(skeleton, first.motions[0])[-1] if first.motions else rest_world(skeleton)
        assert_same_mesh(first.rig.mesh, second.rig.mesh, world)


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
def test_round_trip_of_anything(parse_here, tmp_path_factory, asset):
    assert_same_asset(asset, parse_here(encode_asset(asset), tmp_path_factory.mktemp("fbx")))


def test_clips_keep_their_own_frame_rates(parse_here, tmp_path):
    skeleton = make_skeleton()
    motions = tuple(make_motion(skeleton, 9, fps, name=str(fps)) for fps in (24.0, 29.97, 120.0))
    asset = Asset(Rig(skeleton), motions)
    assert_same_asset(asset, parse_here(encode_asset(asset), tmp_path))


def test_odd_names_and_an_odd_rig_name(parse_here, tmp_path):
    names = ("mixamorig:Hips", "left arm", "Größe", "腕", "a|b::c")
    skeleton = make_skeleton(5, names=names)
    asset = Asset(Rig(skeleton, make_mesh(skeleton), name="Robo: 3/4 ☃"), (make_motion(skeleton, name="läuft | Φ"),))
    assert_same_asset(asset, parse_here(encode_asset(asset), tmp_path))


def test_two_clips_of_one_name_are_numbered(parse_here, tmp_path):
    skeleton = make_skeleton()
    asset = Asset(Rig(skeleton), (make_motion(skeleton, seed=1), make_motion(skeleton, seed=2)))
    names = [motion.name for motion in parse_here(encode_asset(asset), tmp_path).motions]
    assert names == ["clip", "clip.001"]


def test_an_empty_mesh_is_no_mesh(parse_here, tmp_path):
    skeleton = make_skeleton()
    nothing, none = np.zeros((0, 3)), np.zeros((0, 3), int)
    empty = Mesh(nothing, none, none[:, :1], nothing[:, :1], none[:, 0], np.zeros((0, 4, 4)))
    assert parse_here(encode_asset(Asset(Rig(skeleton, empty))), tmp_path).rig.mesh is None


def test_parts_that_follow_nothing(parse_here, tmp_path):
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


def test_binds_in_another_pose_and_space_move_vertices_alike(parse_here, tmp_path):
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


def test_many_influences_keep_the_eight_strongest(parse_here, tmp_path):
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


def test_faces_without_material(parse_here, tmp_path):
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


# What other programs' files hold, made by hand.


def joint(document: Document, name: str, parent: Long = SCENE, kind: str = "LimbNode", **properties) -> Long:
    number, record = add_model(document, name, kind, parent)
    for key, values in properties.items():
        label = key.replace("_", " ") if key.startswith("Lcl") else key
        if isinstance(values, int):
            add_property(record, label, "enum", "", "", values)
        else:
            add_property(record, label, "Vector3D", "Vector", "A", *map(float, values))
    return number


def animate(
    document: Document, take: Long, model: Long, target: str, times: list[float], values: list[float], flags: int
) -> None:
    """One curve on the x axis, the other two at rest."""
    node, record = document.add("AnimationCurveNode", target[4], "AnimCurveNode", "")
    properties = record.add("Properties70")
    for letter in "XYZ":
        add_property(properties, f"d|{letter}", "Number", "", "A", 0.0)
    document.connect(node, take)
    document.connect_property(node, model, target)
    curve, record = document.add("AnimationCurve", "", "AnimCurve", "")
    record.add("Default", values[0])
    record.add("KeyVer", 4008)
    record.add("KeyTime", np.round(np.array(times) * TICKS).astype(np.int64))
    record.add("KeyValueFloat", np.array(values, np.float32))
    record.add("KeyAttrFlags", np.array([flags], np.int32))
    record.add("KeyAttrDataFloat", np.zeros(4, np.float32))
    record.add("KeyAttrRefCount", np.array([len(times)], np.int32))
    document.connect_property(curve, node, "d|X")


def take(document: Document, name: str, start: float, stop: float) -> Long:
    stack, record = document.add("AnimationStack", name, "AnimStack", "")
    properties = record.add("Properties70")
    add_property(properties, "LocalStart", "KTime", "Time", "", Long(round(start * TICKS)))
    add_property(properties, "LocalStop", "KTime", "Time", "", Long(round(stop * TICKS)))
    layer, _ = document.add("AnimationLayer", "layer", "AnimLayer", "")
    document.connect(layer, stack)
    return layer


LINEAR, CUBIC_FLAT = 0x4, 0x8 | 0x400


def test_a_take_that_starts_late_starts_at_frame_zero(parse_here, tmp_path):
    document = Document()
    root = joint(document, "root")
    animate(document, take(document, "late", 2.0, 3.0), root, "Lcl Translation", [2.0, 3.0], [0.0, 100.0], LINEAR)
    motion = parse_here(document.encode(10.0, [("late", 0)]), tmp_path).motions[0]
    assert motion.frames == 11
    np.testing.assert_allclose(motion.translations[:, 0, 0], np.linspace(0, 1, 11), atol=1e-6)


def test_a_take_without_span_lasts_as_long_as_its_keys(parse_here, tmp_path):
    document = Document()
    root = joint(document, "root")
    animate(document, take(document, "open", 0.0, 0.0), root, "Lcl Translation", [1.0, 2.5], [0.0, 150.0], LINEAR)
    motion = parse_here(document.encode(10.0, []), tmp_path).motions[0]
    assert motion.frames == 16
    np.testing.assert_allclose(motion.translations[-1, 0], [1.5, 0, 0], atol=1e-6)


def test_cubic_keys_and_turns_beyond_180_degrees(parse_here, tmp_path):
    document = Document()
    root = joint(document, "root")
    layer = take(document, "spin", 0.0, 1.0)
    animate(document, layer, root, "Lcl Rotation", [0.0, 1.0], [0.0, 720.0], LINEAR)
    animate(document, layer, root, "Lcl Translation", [0.0, 1.0], [0.0, 100.0], CUBIC_FLAT)
    motion = parse_here(document.encode(16.0, []), tmp_path).motions[0]
    angles = np.degrees(Rotation.from_quat(motion.rotations[:, 0]).magnitude())
    np.testing.assert_allclose(angles[:5], [0, 45, 90, 135, 180], atol=1e-4)
    ease = np.linspace(0, 1, 17) ** 2 * (3 - 2 * np.linspace(0, 1, 17))  # flat tangents at both ends
    np.testing.assert_allclose(motion.translations[:, 0, 0], ease, atol=1e-4)


def test_pivots_and_pre_rotations(parse_here, tmp_path):
    """A rotation of 90° about a pivot at x = 10 cm takes the joint's origin to (10, -10, 0) cm."""
    document = Document()
    root = joint(document, "root", PreRotation=(0, 0, 90))
    arm = joint(document, "arm", root, RotationPivot=(10, 0, 0), Lcl_Rotation=(0, 0, 90))
    joint(document, "tip", arm, Lcl_Translation=(1, 0, 0))
    world = rest_world(parse_here(document.encode(30.0, []), tmp_path).rig.skeleton)
    np.testing.assert_allclose(world[1, :3, 3], [0.1, 0.1, 0], atol=1e-7)  # turned by the root's 90°
    np.testing.assert_allclose(world[2, :3, 3], [0.09, 0.1, 0], atol=1e-7)


def number_at(data: bytes, name: str, old: bytes, new: bytes) -> bytes:
    """Overwrite the value of a property in an encoded file."""
    start = data.index(old, data.index(name.encode() + b"S"))
    return data[:start] + new + data[start + len(old) :]


def test_z_up_files_in_inches(parse_here, tmp_path):
    document = Document()
    root = joint(document, "root")
    joint(document, "up", root, Lcl_Translation=(0, 0, 10))
    data = document.encode(30.0, [])
    data = number_at(data, "UnitScaleFactor", b"D" + struct.pack("<d", 1.0), b"D" + struct.pack("<d", 2.54))
    data = number_at(data, "UpAxis", b"I" + struct.pack("<i", 1), b"I" + struct.pack("<i", 2))
    data = number_at(data, "FrontAxis", b"I" + struct.pack("<i", 2), b"I" + struct.pack("<i", 1))
    data = number_at(data, "FrontAxisSign", b"I" + struct.pack("<i", 1), b"I" + struct.pack("<i", -1))
    world = rest_world(parse_here(data, tmp_path).rig.skeleton)
    np.testing.assert_allclose(world[1, :3, 3], [0, 0.254, 0], atol=1e-7)


@pytest.mark.parametrize("seed", range(3))
def test_every_scale_inheritance_mode_agrees_with_the_library(tmp_path, parse_here, seed):
    """Our composition of local transforms against ufbx's own evaluation of the scene (Maya's segment scale)."""
    import ufbx

    from mocapcli_fbx.binding import hold, items, load, matrix
    from mocapcli_fbx.nodes import Tree
    from mocapcli_fbx.takes import bake_takes, world_matrices

    rng = np.random.default_rng(seed)
    document, skeleton = Document(), make_skeleton(9, seed)
    _, models = add_skeleton(document, "rig", skeleton)
    for record in document.objects.children:
        if record.name == "Model":
            properties = next(child for child in record.children if child.name == "Properties70")
            kind = next(child for child in properties.children if child.properties[0] == "InheritType")
            kind.properties = (*kind.properties[:4], int(rng.integers(0, 3)))
    add_take(document, "clip", make_motion(skeleton, 4, scaled=True, seed=seed), skeleton, models)
    scene = load(document.encode(30.0, []))
    tree = Tree(scene)
    clip = bake_takes(scene, tree, Budget(0))[0]
    nodes = list(range(1, len(tree.nodes)))
    ours = world_matrices(tree, nodes, clip)
    animation = hold(hold(scene.anim_stacks[0]).anim)
    for frame in range(4):
        posed = items(hold(ufbx.evaluate_scene(scene, animation, frame / 30)).nodes)
        theirs = np.array([matrix(posed[node].node_to_world) for node in nodes])
        np.testing.assert_allclose(ours[frame], theirs, atol=1e-9)


def add_quad(document: Document, parent: Long, name: str = "quad", **properties) -> Long:
    """A mesh node with one unit square (in metres) and nothing else."""
    model = joint(document, name, parent, kind="Mesh", **properties)
    geometry, record = document.add("Geometry", name, "Geometry", "Mesh")
    record.add("Vertices", np.array([0, 0, 0, 100, 0, 0, 100, 100, 0, 0, 100, 0], np.float64))
    record.add("PolygonVertexIndex", np.array([0, 1, 2, -4], np.int32))
    record.add("GeometryVersion", 124)
    document.connect(geometry, model)
    return model


def test_rigid_meshes_follow_their_joint_or_nothing(parse_here, tmp_path):
    document = Document()
    root = joint(document, "root", Lcl_Translation=(50, 0, 0))
    add_quad(document, root, GeometricTranslation=(0, 0, 100))
    add_quad(document, SCENE, "floor")
    asset = parse_here(document.encode(30.0, []), tmp_path)
    mesh = asset.rig.mesh
    assert asset.rig.skeleton.names == ("root",)
    assert sorted(mesh.bind_joints) == [-1, 0]
    moved = np.array([[[1, 0, 0, 0], [0, 1, 0, 7], [0, 0, 1, 0], [0, 0, 0, 1]]], np.float64) @ rest_world(
        asset.rig.skeleton
    )
    corners = skinned_vertices(mesh, moved)
    carried = mesh.bind_joints[mesh.skin_indices[:, 0]] == 0
    np.testing.assert_allclose(corners[carried].min(axis=0), [0.5, 7, 1], atol=1e-6)
    np.testing.assert_allclose(corners[~carried].max(axis=0), [1, 1, 0], atol=1e-6)


def test_without_bones_moving_nodes_are_the_rig(parse_here, tmp_path):
    document = Document()
    base = joint(document, "base", kind="Null", Lcl_Translation=(0, 100, 0))
    lever = joint(document, "lever", base, kind="Null")
    joint(document, "tip", lever, kind="Null", Lcl_Translation=(0, 30, 0))
    add_quad(document, lever)
    animate(document, take(document, "t", 0, 1), lever, "Lcl Rotation", [0.0, 1.0], [0.0, 90.0], LINEAR)
    asset = parse_here(document.encode(10.0, []), tmp_path)
    assert asset.rig.skeleton.names == ("lever", "tip", "quad")
    positions = joint_positions(asset.rig.skeleton, asset.motions[0])
    np.testing.assert_allclose(positions[-1, 1], [0, 1.0, 0.3], atol=1e-6)


def test_a_moving_prop_beside_the_bones_becomes_a_joint(parse_here, tmp_path):
    document = Document()
    joint(document, "hip")
    prop = add_quad(document, SCENE, "prop")
    still = add_quad(document, SCENE, "still")
    layer = take(document, "t", 0, 1)
    animate(document, layer, prop, "Lcl Translation", [0.0, 1.0], [0.0, 100.0], LINEAR)
    animate(document, layer, still, "Lcl Translation", [0.0, 1.0], [0.0, 0.0], LINEAR)
    asset = parse_here(document.encode(10.0, []), tmp_path)
    assert asset.rig.skeleton.names == ("hip", "prop")
    assert sorted(asset.rig.mesh.bind_joints) == [-1, 1]


def test_the_bind_pose_is_the_rest_pose_of_other_programs_files(parse_here, tmp_path):
    """Nodes left in the middle of a clip: the skin's bind matrices say how the rig was built."""
    skeleton = make_skeleton(5)
    asset = Asset(Rig(skeleton, make_mesh(skeleton)), (make_motion(skeleton),))
    posed = replace(skeleton, rest_rotations=asset.motions[0].rotations[4])
    data = encode_asset(Asset(Rig(posed, asset.rig.mesh), asset.motions))
    assert_same_skeleton(posed, parse_here(data, tmp_path).rig.skeleton)
    back = parse_here(data.replace(b"mocapcli", b"somebody"), tmp_path)
    assert_same_skeleton(skeleton, back.rig.skeleton)
    assert_same_motion(skeleton, asset.motions[0], back.motions[0])
    world = motion_world(skeleton, asset.motions[0])[2]
    first, second = (skinned_vertices(m, world)[m.faces] for m in (asset.rig.mesh, back.rig.mesh))
    np.testing.assert_allclose(first, second, atol=1e-5)


# Textures.


def test_textures_beside_the_file(tmp_path):
    (tmp_path / "asset" / "textures").mkdir(parents=True)
    (tmp_path / "asset" / "textures" / "skin.png").write_bytes(make_png())
    (tmp_path / "secret.png").write_bytes(make_png())
    (tmp_path / "asset" / "link.png").symlink_to(tmp_path / "secret.png")

    def find(file: str) -> Texture | None:
        return find_texture("name", [file], b"", tmp_path / "asset")

    for file in ("textures/skin.png", r"textures\skin.png", r"C:\work\old\skin.png", "/home/somebody/skin.png"):
        assert find(file) == Texture("skin", make_png()), file
    for file in ("../secret.png", r"..\secret.png", str(tmp_path / "secret.png"), "link.png", "none.png", "", "x\0y"):
        assert find(file) is None, file


def test_images_are_told_by_their_first_bytes():
    kinds = [find_texture("n", [], data, Path()).mime_type for data in (make_png(), b"\xff\xd8\xff\xe0", b"BM12")]
    assert kinds == ["image/png", "image/jpeg", "image/bmp"]


def test_a_texture_replaces_the_colour_unless_we_wrote_it(parse_here, tmp_path):
    asset = make_asset()
    data = encode_asset(asset)
    assert parse_here(data, tmp_path).rig.mesh.materials[0].base_colour == pytest.approx((0.9, 0.5, 0.25, 1))
    foreign = parse_here(data.replace(b"mocapcli_tint", b"somebody_tint"), tmp_path)
    assert foreign.rig.mesh.materials[0].base_colour == (1, 1, 1, 1)


# Polygons.


def test_a_concave_polygon_is_cut_inside():
    arrow = np.array([[0, 0, 0], [2, -1, 0], [0.5, 0, 0], [2, 1, 0]], float)[[1, 2, 3, 0]]
    triangles, polygons = triangulate(arrow, np.arange(4), np.array([0]), np.array([4]))
    corners = arrow[triangles]
    areas = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, 2] / 2
    assert (areas < 0).all() or (areas > 0).all()
    assert abs(areas.sum()) == pytest.approx(0.5)
    assert polygons.tolist() == [0, 0]


def test_points_lines_and_lies_about_polygons_are_left_out():
    vertices = np.random.default_rng(0).normal(size=(6, 3))
    starts, sizes = np.array([0, 1, 3, 4, -2]), np.array([1, 2, 3, 9, 3])
    triangles, polygons = triangulate(vertices, np.arange(6), starts, sizes)
    assert triangles.tolist() == [[3, 4, 5]]
    assert polygons.tolist() == [2]


def test_weld_joins_only_corners_alike():
    uvs = np.array([[0, 0], [1, 1], [0, 0], [0, 1]], np.float32)
    first, inverse = weld(np.array([5, 5, 5, 7]), {"uvs": uvs})
    assert first.tolist() == [0, 1, 3]
    assert inverse.tolist() == [0, 1, 0, 2]


def test_colour_curves_are_inverse():
    values = np.linspace(0, 1, 50)
    np.testing.assert_allclose(srgb_to_linear(linear_to_srgb(values)), values, atol=1e-6)
    assert srgb_to_linear(np.array(0.5)) == pytest.approx(0.2140, abs=1e-4)


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


def test_numbers_that_are_none(tmp_path, parse_here):
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
        ("while True: pass", "took longer than 2 s"),
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


def test_every_shared_asset_reads(shared_assets, parse_here, tmp_path):
    paths = sorted(shared_assets.rglob("*.fbx"))
    assert paths
    for path in paths:
        asset = parse_here(path.read_bytes(), tmp_path)
        assert asset.motions, path
        for motion in asset.motions:
            assert np.isfinite(joint_positions(asset.rig.skeleton, motion)).all(), path


def test_a_material_name_survives(parse_here, tmp_path):
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


def test_moving_joints_on_their_parents_axis_stand_a_hair_beside_it(parse_here, tmp_path):
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
