"""What other programs' FBX files hold: takes, pivots, units, scale inheritance, rigid parts, textures, polygons."""

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from factories import make_asset, make_mesh, make_motion, make_png, make_skeleton, skinned_vertices
from fbx_helpers import (
    CUBIC_FLAT,
    LINEAR,
    add_quad,
    animate,
    assert_same_motion,
    assert_same_skeleton,
    joint,
    number_at,
    parse_here,
    take,
)
from mocapcli.kinematics import joint_positions, motion_world, rest_world
from mocapcli.types import Asset, LeftAside, Rig, Texture
from mocapcli_fbx.animation import add_take
from mocapcli_fbx.budget import Budget
from mocapcli_fbx.document import SCENE, Document
from mocapcli_fbx.images import find_texture
from mocapcli_fbx.models import add_skeleton
from mocapcli_fbx.polygons import linear_to_srgb, srgb_to_linear, triangulate, weld
from mocapcli_fbx.writer import encode_asset


def test_a_take_that_starts_late_starts_at_frame_zero(tmp_path):
    document = Document()
    root = joint(document, "root")
    animate(document, take(document, "late", 2.0, 3.0), root, "Lcl Translation", [2.0, 3.0], [0.0, 100.0], LINEAR)
    motion = parse_here(document.encode(10.0, [("late", 0)]), tmp_path).motions[0]
    assert motion.frames == 11
    np.testing.assert_allclose(motion.translations[:, 0, 0], np.linspace(0, 1, 11), atol=1e-6)


def test_a_take_without_span_lasts_as_long_as_its_keys(tmp_path):
    document = Document()
    root = joint(document, "root")
    animate(document, take(document, "open", 0.0, 0.0), root, "Lcl Translation", [1.0, 2.5], [0.0, 150.0], LINEAR)
    motion = parse_here(document.encode(10.0, []), tmp_path).motions[0]
    assert motion.frames == 16
    np.testing.assert_allclose(motion.translations[-1, 0], [1.5, 0, 0], atol=1e-6)


def test_cubic_keys_and_turns_beyond_180_degrees(tmp_path):
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


def test_pivots_and_pre_rotations(tmp_path):
    """A rotation of 90° about a pivot at x = 10 cm takes the joint's origin to (10, -10, 0) cm."""
    document = Document()
    root = joint(document, "root", PreRotation=(0, 0, 90))
    arm = joint(document, "arm", root, RotationPivot=(10, 0, 0), Lcl_Rotation=(0, 0, 90))
    joint(document, "tip", arm, Lcl_Translation=(1, 0, 0))
    world = rest_world(parse_here(document.encode(30.0, []), tmp_path).rig.skeleton)
    np.testing.assert_allclose(world[1, :3, 3], [0.1, 0.1, 0], atol=1e-7)  # turned by the root's 90°
    np.testing.assert_allclose(world[2, :3, 3], [0.09, 0.1, 0], atol=1e-7)


def test_z_up_files_in_inches(tmp_path):
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
def test_every_scale_inheritance_mode_agrees_with_the_library(tmp_path, seed):
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


def test_rigid_meshes_follow_their_joint_or_nothing(tmp_path):
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


def test_without_bones_moving_nodes_are_the_rig(tmp_path):
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


def test_a_moving_prop_beside_the_bones_becomes_a_joint(tmp_path):
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


def test_the_bind_pose_is_the_rest_pose_of_other_programs_files(tmp_path):
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


def test_broken_normals_do_not_cost_the_file(tmp_path):
    document = Document()
    add_quad(document, joint(document, "root"))
    geometry = document.objects.children[-1]
    layer = geometry.add("LayerElementNormal", 0)
    layer.add("MappingInformationType", "ByPolygonVertex")
    layer.add("ReferenceInformationType", "Direct")
    layer.add("Normals", np.array([0, 0, 2, np.nan, 0, 0, 1e300, 0, 0, 0, 1, 0]))
    mesh = parse_here(document.encode(30.0, []), tmp_path).rig.mesh
    np.testing.assert_allclose(mesh.normals, [[0, 0, 1], [0, 0, 1], [0, 0, 1], [0, 1, 0]])


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


def test_a_texture_replaces_the_colour_unless_we_wrote_it(tmp_path):
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


# Older and plainer files.

ASCII_7300 = """; FBX 7.3.0 project file
FBXHeaderExtension:  {
    FBXHeaderVersion: 1003
    FBXVersion: 7300
}
GlobalSettings:  {
    Properties70:  {
        P: "UnitScaleFactor", "double", "Number", "",1
    }
}
Objects:  {
    NodeAttribute: 2000, "NodeAttribute::", "LimbNode" {
        TypeFlags: "Skeleton"
    }
    NodeAttribute: 2001, "NodeAttribute::", "LimbNode" {
        TypeFlags: "Skeleton"
    }
    Model: 1000, "Model::hip", "LimbNode" {
        Version: 232
        Properties70:  {
            P: "Lcl Translation", "Lcl Translation", "", "A",0,100,0
        }
    }
    Model: 1001, "Model::knee", "LimbNode" {
        Version: 232
        Properties70:  {
            P: "Lcl Translation", "Lcl Translation", "", "A",0,-50,0
        }
    }
}
Connections:  {
    C: "OO",1000,0
    C: "OO",1001,1000
    C: "OO",2000,1000
    C: "OO",2001,1001
}
"""

ASCII_6100 = """; FBX 6.1.0 project file
FBXHeaderExtension:  {
    FBXHeaderVersion: 1003
    FBXVersion: 6100
}
Objects:  {
    Model: "Model::hip", "Limb" {
        Version: 232
        Properties60:  {
            Property: "Lcl Translation", "Lcl Translation", "A+",0,100,0
        }
    }
    Model: "Model::knee", "Limb" {
        Version: 232
        Properties60:  {
            Property: "Lcl Translation", "Lcl Translation", "A+",0,-50,0
        }
    }
}
Connections:  {
    Connect: "OO", "Model::hip", "Model::Scene"
    Connect: "OO", "Model::knee", "Model::hip"
}
"""


@pytest.mark.parametrize("text", [ASCII_7300, ASCII_6100], ids=["7.3", "6.1"])
def test_text_files(tmp_path, text):
    skeleton = parse_here(text.encode(), tmp_path).rig.skeleton
    assert skeleton.names == ("hip", "knee")
    np.testing.assert_allclose(rest_world(skeleton)[:, :3, 3], [[0, 1, 0], [0, 0.5, 0]], atol=1e-7)


def test_what_is_left_aside_is_named(tmp_path):
    document = Document()
    joint(document, "root")
    assert parse_here(document.encode(30.0, []), tmp_path).rig.source is None
    joint(document, "view", kind="Camera")
    assert parse_here(document.encode(30.0, []), tmp_path).rig.source == LeftAside(("1 camera",))
