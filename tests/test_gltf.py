"""glTF: what is read, what is written, and what is refused."""

import base64
import json
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import CubicHermiteSpline
from scipy.spatial.transform import Rotation, Slerp

import factories
import mocapcli_gltf
from gltf_helpers import TRIANGLE, TURN, add_clip, glb_parts, make_document, node_world, trs
from mocapcli.errors import DroppedWarning, MocapError, ReadError, UnsupportedError, WriteError
from mocapcli.formats import read_asset, write_asset
from mocapcli.kinematics import joint_positions, motion_world, rest_world
from mocapcli.types import Asset, Material, Mesh, Motion, Rig, Skeleton, Texture
from mocapcli_gltf import decode
from mocapcli_gltf.builder import Builder
from mocapcli_gltf.frame_rate import choose_fps
from mocapcli_gltf.prune import holes


def save(builder: Builder, path: Path) -> Path:
    builder.save(path)
    return path


def read(builder: Builder, folder: Path) -> Asset:
    return read_asset(save(builder, folder / "made.glb"))


def assert_same_motion(first: Asset, second: Asset, clip: int = 0) -> None:
    one, two = first.motions[clip], second.motions[clip]
    assert (one.name, one.frames) == (two.name, two.frames)
    assert one.fps == pytest.approx(two.fps)
    world = motion_world(first.rig.skeleton, one), motion_world(second.rig.skeleton, two)
    np.testing.assert_allclose(world[0], world[1], atol=2e-5)


def test_all_extensions_are_claimed() -> None:
    records = []
    mocapcli_gltf.register_formats(records.append)
    assert records[0].extensions == ("glb", "gltf", "vrm")


class TestFresh:
    @pytest.mark.parametrize("suffix", ["glb", "gltf"])
    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"mesh": False},
            {"clips": 3, "fps": 24.0},
            {"clips": 0},
            {"translated": True, "scaled": True, "fps": 29.97},
            {"joints": 1, "frames": 1, "fps": 12.5},
        ],
    )
    def test_round_trip(self, tmp_path: Path, suffix: str, options: dict) -> None:
        asset = factories.make_asset(**options)
        write_asset(tmp_path / f"a.{suffix}", asset)
        back = read_asset(tmp_path / f"a.{suffix}")
        assert back.rig.skeleton.names == asset.rig.skeleton.names
        np.testing.assert_array_equal(back.rig.skeleton.parents, asset.rig.skeleton.parents)
        np.testing.assert_allclose(rest_world(back.rig.skeleton), rest_world(asset.rig.skeleton), atol=1e-6)
        assert len(back.motions) == len(asset.motions)
        for clip in range(len(asset.motions)):
            assert_same_motion(asset, back, clip)
        assert (back.rig.mesh is None) == (asset.rig.mesh is None)

    def test_mesh_survives(self, tmp_path: Path) -> None:
        asset = factories.make_asset()
        write_asset(tmp_path / "a.glb", asset)
        mine, back = asset.rig.mesh, read_asset(tmp_path / "a.glb").rig.mesh
        for field in ("uvs", "colours", "normals"):
            np.testing.assert_allclose(getattr(back, field), getattr(mine, field), atol=1e-6)
        assert len(back.faces) == len(mine.faces)
        assert [(m.name, m.alpha_mode, m.double_sided) for m in back.materials] == [
            (m.name, m.alpha_mode, m.double_sided) for m in mine.materials
        ]
        np.testing.assert_allclose(back.materials[1].base_colour, mine.materials[1].base_colour)
        assert back.materials[0].texture == mine.materials[0].texture
        asset_world = motion_world(asset.rig.skeleton, asset.motions[0])[3]
        expected = factories.skinned_vertices(mine, asset_world)
        np.testing.assert_allclose(factories.skinned_vertices(back, asset_world), expected, atol=1e-5)

    @given(seed=st.integers(0, 10_000), joints=st.integers(1, 12), fps=st.sampled_from([8.0, 24.0, 59.94, 100 / 3]))
    def test_any_tree(self, tmp_path_factory: pytest.TempPathFactory, seed: int, joints: int, fps: float) -> None:
        asset = factories.make_asset(joints, 2, 9, fps, seed, mesh=False, translated=True, scaled=seed % 2 == 0)
        path = tmp_path_factory.mktemp("any") / "a.glb"
        write_asset(path, asset)
        back = read_asset(path)
        assert_same_motion(asset, back, 0)
        assert_same_motion(asset, back, 1)

    def test_many_influences_need_a_second_set(self, tmp_path: Path) -> None:
        skeleton = factories.make_skeleton(7)
        rng = np.random.default_rng(0)
        weights = rng.uniform(0.1, 1, (3, 7))
        mesh = Mesh(
            TRIANGLE, np.array([[0, 1, 2]]), np.tile(np.arange(7), (3, 1)), weights / weights.sum(1, keepdims=True),
            np.arange(7), np.linalg.inv(rest_world(skeleton)),
        )  # fmt: skip
        asset = Asset(Rig(skeleton, mesh), (factories.make_motion(skeleton),))
        write_asset(tmp_path / "a.glb", asset)
        back = read_asset(tmp_path / "a.glb").rig.mesh
        assert back.skin_indices.shape == (3, 7)
        world = motion_world(skeleton, asset.motions[0])[4]
        expected = factories.skinned_vertices(mesh, world)
        np.testing.assert_allclose(factories.skinned_vertices(back, world), expected, atol=1e-5)

    def test_still_parts_and_second_binds(self, tmp_path: Path) -> None:
        """A part fixed in the world, and one joint bound in two ways, within one face and over two."""
        skeleton = factories.make_skeleton(2)
        inverse = np.linalg.inv(rest_world(skeleton))
        shifted = trs([0.3, 0, 0], TURN) @ inverse[1]
        vertices = np.concatenate([TRIANGLE, TRIANGLE + 1, TRIANGLE + 2, TRIANGLE + 3])
        indices = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2, 1, 2, 3])[:, None]
        mesh = Mesh(
            vertices, np.arange(12).reshape(4, 3), indices, np.ones((12, 1)),
            np.array([-1, 1, 1, 0]), np.stack([trs([0, 0, 2], TURN), inverse[1], shifted, inverse[0]]),
        )  # fmt: skip
        asset = Asset(Rig(skeleton, mesh), (factories.make_motion(skeleton),))
        write_asset(tmp_path / "a.glb", asset)
        back = read_asset(tmp_path / "a.glb")
        for frame in (0, 5):
            first = factories.skinned_vertices(mesh, motion_world(skeleton, asset.motions[0])[frame])
            second = factories.skinned_vertices(back.rig.mesh, motion_world(back.rig.skeleton, back.motions[0])[frame])
            np.testing.assert_allclose(
                sorted(map(tuple, first.round(4))), sorted(map(tuple, second.round(4))), atol=2e-4
            )

    def test_several_roots_share_a_parent(self, tmp_path: Path) -> None:
        skeleton = Skeleton(("a", "b", "c"), np.array([-1, -1, 1]), np.eye(3), np.tile([0.0, 0, 0, 1], (3, 1)))
        asset = Asset(Rig(skeleton, factories.make_mesh(skeleton)), (factories.make_motion(skeleton),))
        write_asset(tmp_path / "a.glb", asset)
        back = read_asset(tmp_path / "a.glb")
        assert back.rig.skeleton.names == skeleton.names
        np.testing.assert_array_equal(back.rig.skeleton.parents, skeleton.parents)
        assert_same_motion(asset, back)

    def test_weights_are_normalised_in_float32(self, tmp_path: Path) -> None:
        asset = factories.make_asset()
        write_asset(tmp_path / "a.glb", asset)
        mesh = read_asset(tmp_path / "a.glb").rig.mesh
        assert np.abs(mesh.skin_weights.sum(1) - 1).max() < 1e-6

    def test_unknown_image_is_left_out_with_a_warning(self, tmp_path: Path) -> None:
        asset = factories.make_asset()
        material = Material("m", texture=Texture("t", b"BM", "image/bmp"))
        rig = replace(asset.rig, mesh=replace(asset.rig.mesh, materials=(material, material)))
        with pytest.warns(DroppedWarning, match="image/bmp"):
            write_asset(tmp_path / "a.glb", replace(asset, rig=rig))
        assert read_asset(tmp_path / "a.glb").rig.mesh.materials[0].texture is None


class TestInterpolation:
    def test_linear_takes_the_short_way(self, tmp_path: Path) -> None:
        builder = make_document(clip=False)
        keys = Rotation.from_euler("y", [[0], [170]], degrees=True).as_quat().reshape(2, 4)
        keys[1] *= -1
        add_clip(builder, [(2, "rotation", keys)], [0, 1])
        asset = read(builder, tmp_path)
        assert asset.motions[0].fps == 30
        expected = Slerp([0, 1], Rotation.from_quat(keys))(np.arange(31) / 30)
        turned = Rotation.from_quat(asset.motions[0].rotations[:, 1])
        assert (expected.inv() * turned).magnitude().max() < 1e-6

    def test_step_holds_and_snaps_to_frames(self, tmp_path: Path) -> None:
        builder = make_document(clip=False)
        values = [[0, 0, 0], [1, 0, 0], [2, 0, 0]]
        late = np.array([0, 1 / 24 + 2e-5, 3 / 24])  # as float32 and milliseconds leave them
        add_clip(builder, [(2, "translation", values)], late, "STEP")
        motion = read(builder, tmp_path).motions[0]
        assert (motion.fps, motion.frames) == (24, 4)
        np.testing.assert_allclose(motion.translations[:, 1, 0] / 2, [0, 1, 1, 2], atol=1e-12)

    def test_cubic_spline(self, tmp_path: Path) -> None:
        builder = make_document(clip=False)
        rng = np.random.default_rng(3)
        keys = np.array([0, 0.5, 0.8])
        values = rng.normal(size=(3, 3, 3)).astype(np.float32)  # key, (in, value, out), xyz
        add_clip(builder, [(1, "translation", values.reshape(9, 3))], keys, "CUBICSPLINE")
        asset = read(builder, tmp_path)
        times = np.arange(asset.motions[0].frames) / asset.motions[0].fps
        expected = np.empty((len(times), 3))
        for first in range(2):  # in- and out-tangents differ, so segment by segment
            inside = (times >= keys[first] - 1e-6) & (times <= keys[first + 1] + 1e-6)
            spline = CubicHermiteSpline(
                keys[first : first + 2], values[first : first + 2, 1], [values[first, 2], values[first + 1, 0]]
            )
            expected[inside] = spline(times[inside])
        turn = Rotation.from_quat(TURN)
        positions = joint_positions(asset.rig.skeleton, asset.motions[0])[:, 0]
        np.testing.assert_allclose(positions, turn.apply(expected * 2), atol=1e-5)

    def test_cubic_rotations_are_unit(self, tmp_path: Path) -> None:
        builder = make_document(clip=False)
        values = np.random.default_rng(3).normal(size=(9, 4))
        add_clip(builder, [(1, "rotation", values)], [0, 0.5, 0.8], "CUBICSPLINE")
        motion = read(builder, tmp_path).motions[0]
        np.testing.assert_allclose(np.linalg.norm(motion.rotations, axis=-1), 1)

    def test_time_before_the_first_key_is_held(self, tmp_path: Path) -> None:
        builder = make_document(clip=False)
        add_clip(builder, [(2, "translation", [[1, 0, 0], [2, 0, 0]])], [0.5, 1.0])
        motion = read(builder, tmp_path).motions[0]
        assert motion.frames == 31
        np.testing.assert_allclose(motion.translations[:16, 1, 0], 2)

    def test_normalised_integers(self, tmp_path: Path) -> None:
        builder = make_document(clip=False)
        keys = np.array([[0, 0, 0, 255], [0, 255, 0, 0]], np.uint8)
        add_clip(builder, [(2, "rotation", keys)], [0, 1])
        builder.json["accessors"][builder.json["animations"][0]["samplers"][0]["output"]]["normalized"] = True
        motion = read(builder, tmp_path).motions[0]
        assert Rotation.from_quat(motion.rotations[-1, 1]).magnitude() == pytest.approx(np.pi)

    @pytest.mark.parametrize(
        ("keys", "expected"),
        [
            (np.arange(9) / 24, 24.0),
            (np.arange(9) / 30, 30.0),
            (np.arange(9) / 60, 60.0),
            (np.arange(9) / 29.0, 29.0),
            (np.round(np.arange(9) / 24, 3), 24.0),
            (np.array([0.0, 1.0]), 30.0),
            (np.array([0.0]), 30.0),
            (np.array([0.0, 0.777, 2.1234]), 30.0),
            (np.array([1 / 24, 3 / 24]), 24.0),
        ],
    )
    def test_frame_rate_is_found(self, keys: np.ndarray, expected: float) -> None:
        assert choose_fps([keys.astype(np.float32).astype(float)]) == pytest.approx(expected, abs=1e-3)

    def test_stated_frame_rate_counts_only_where_keys_agree(self) -> None:
        keys = [np.arange(9) / 30]
        assert choose_fps(keys, 90) == 90
        assert choose_fps(keys, 24) == 30
        assert choose_fps(keys, "fast") == 30


class TestHierarchy:
    def test_ancestors_fold_into_the_root(self, tmp_path: Path) -> None:
        builder = make_document()
        asset = read(builder, tmp_path)
        assert asset.rig.skeleton.names == ("root", "tip")
        expected = [node_world(builder, node)[:3, 3] for node in (1, 2)]
        np.testing.assert_allclose(rest_world(asset.rig.skeleton)[:, :3, 3], expected, atol=1e-6)
        half = trs([0, 1, 0], Rotation.from_euler("z", 40, degrees=True).as_quat())
        expected = [node_world(builder, node, {1: half})[:3, 3] for node in (1, 2)]
        positions = joint_positions(asset.rig.skeleton, asset.motions[0])
        np.testing.assert_allclose(positions[15], expected, atol=1e-6)

    def test_matrix_nodes_and_nodes_between_joints(self, tmp_path: Path) -> None:
        builder = make_document(clip=False)
        sheared = trs([1, 2, 3], TURN, [1, 2, 0.5])
        sheared[0, 1] += 0.3
        builder.json["nodes"][1] |= {"children": [4]}
        builder.json["nodes"].append({"name": "between", "matrix": sheared.T.ravel().tolist(), "children": [2]})
        add_clip(builder, [(0, "translation", [[0, 0, 0], [3, 0, 0]])], [0, 1])
        asset = read(builder, tmp_path)
        assert asset.rig.skeleton.names == ("root", "tip")
        for frame, shift in ((0, 0), (30, 3)):
            moved = trs([shift, 0, 0], TURN, [2, 2, 2])
            expected = [node_world(builder, node, {0: moved})[:3, 3] for node in (1, 2)]
            positions = joint_positions(asset.rig.skeleton, asset.motions[0])[frame]
            np.testing.assert_allclose(positions, expected, atol=1e-5)

    def test_names_are_made_unique(self, tmp_path: Path) -> None:
        builder = make_document()
        del builder.json["nodes"][1]["name"]
        assert read(builder, tmp_path).rig.skeleton.names[1] == "tip"
        builder.json["nodes"][1]["name"] = "tip"
        assert read(builder, tmp_path).rig.skeleton.names == ("tip", "tip.001")

    def test_several_skins_and_scenes(self, tmp_path: Path) -> None:
        builder = make_document()
        builder.json["nodes"] += [
            {"name": "other", "mesh": 0, "skin": 1},
            {"name": "extra"},
            {"name": "hidden", "mesh": 0, "skin": 2},
            {"name": "elsewhere"},
        ]
        builder.json["skins"] += [{"joints": [2, 5]}, {"joints": [7, 7]}]
        builder.json["scenes"] = [{"nodes": [0, 3, 4, 5]}, {"nodes": [6, 7]}]
        asset = read(builder, tmp_path)
        assert asset.rig.skeleton.names == ("root", "tip", "extra")
        assert len(asset.rig.mesh.vertices) == 6
        builder.json["scene"] = 1
        assert read(builder, tmp_path).rig.skeleton.names == ("elsewhere",)

    def test_no_skin_takes_the_node_tree(self, tmp_path: Path) -> None:
        builder = make_document()
        del builder.json["nodes"][3]["skin"], builder.json["skins"]
        builder.json["nodes"].append({"name": "sun", "camera": 0})
        builder.json["scenes"][0]["nodes"].append(4)
        assert read(builder, tmp_path).rig.skeleton.names == ("armature", "root", "tip", "body")

    def test_a_plain_model_has_no_skeleton(self, tmp_path: Path) -> None:
        builder = make_document(clip=False)
        builder.json["nodes"] = [{"mesh": 0}]
        builder.json["scenes"] = [{"nodes": [0]}]
        del builder.json["skins"]
        with pytest.raises(ReadError, match="no skeleton"):
            read(builder, tmp_path)

    def test_idle_animations_are_no_motions(self, tmp_path: Path) -> None:
        builder = make_document()
        builder.append("animations", {"channels": [], "samplers": []})
        add_clip(builder, [(3, "translation", [[0, 0, 0], [1, 0, 0]])], [0, 1], name="mesh node")
        assert [motion.name for motion in read(builder, tmp_path).motions] == ["clip"]


class TestMesh:
    def test_skin_without_inverse_binds(self, tmp_path: Path) -> None:
        builder = make_document()
        asset = read(builder, tmp_path)
        worlds = [node_world(builder, node) for node in (1, 2)]
        corners = np.c_[TRIANGLE, np.ones(3)]
        expected = [worlds[0] @ corners[0], worlds[1] @ corners[1], 0]
        expected[2] = 0.25 * worlds[0] @ corners[2] + 0.75 * worlds[1] @ corners[2]
        found = factories.skinned_vertices(asset.rig.mesh, rest_world(asset.rig.skeleton))
        np.testing.assert_allclose(found, np.array(expected)[:, :3], atol=1e-5)

    def test_rigid_static_and_moving_parts(self, tmp_path: Path) -> None:
        builder = make_document()
        attributes = {"POSITION": builder.accessor(TRIANGLE, bounds=True)}
        builder.json["meshes"].append({"primitives": [{"attributes": attributes}]})
        builder.json["nodes"] += [
            {"name": "held", "mesh": 1, "translation": [0, 3, 0], "rotation": TURN.tolist()},
            {"name": "floor", "mesh": 1, "scale": [3, 1, 1]},
            {"name": "prop", "mesh": 1},
        ]
        builder.json["nodes"][2]["children"] = [4]
        builder.json["scenes"][0]["nodes"] += [5, 6]
        add_clip(builder, [(6, "translation", [[0, 0, 0], [5, 0, 0]])], [0, 1], name="prop moves")
        asset = read(builder, tmp_path)
        mesh, skeleton = asset.rig.mesh, asset.rig.skeleton
        assert skeleton.names == ("root", "tip", "prop")
        pose = motion_world(skeleton, asset.motions[1])[-1]
        found = factories.skinned_vertices(mesh, pose).reshape(-1, 3, 3)
        held = TRIANGLE @ node_world(builder, 4)[:3, :3].T + node_world(builder, 4)[:3, 3]
        moved = TRIANGLE + np.array([5, 0, 0])
        for expected in (held, TRIANGLE * [3, 1, 1], moved):
            assert min(np.abs(part - expected).max() for part in found) < 1e-5

    def test_nan_and_unnormalised_weights(self, tmp_path: Path) -> None:
        builder = make_document()
        weights = np.array([[np.nan, 0, 0, 0], [2, 2, 0, 0], [0, 0, 0, 0]], "<f4")
        builder.json["meshes"][0]["primitives"][0]["attributes"]["WEIGHTS_0"] = builder.accessor(weights)
        mesh = read(builder, tmp_path).rig.mesh
        np.testing.assert_allclose(mesh.skin_weights.sum(1), 1)

    def test_second_influence_set(self, tmp_path: Path) -> None:
        builder = make_document()
        attributes = builder.json["meshes"][0]["primitives"][0]["attributes"]
        attributes["JOINTS_1"] = builder.accessor(np.full((3, 4), 1, "<u2"))
        attributes["WEIGHTS_1"] = builder.accessor(np.tile(np.array([1, 0, 0, 0], "<f4"), (3, 1)))
        mesh = read(builder, tmp_path).rig.mesh
        assert (mesh.skin_weights[0, :2] == 0.5).all()

    @pytest.mark.parametrize(
        ("mode", "count", "faces"),
        [(4, 6, 2), (5, 5, 3), (6, 5, 3), (0, 6, 0), (1, 6, 0), (5, 2, 0), (6, 2, 0), (6, 0, 0)],
    )
    def test_primitive_modes(self, tmp_path: Path, mode: int, count: int, faces: int) -> None:
        builder = make_document()
        points = np.arange(18, dtype="<f4").reshape(6, 3) ** 2
        indices = builder.accessor(np.arange(count, dtype="<u2")) if count else None
        primitive = {"attributes": {"POSITION": builder.accessor(points, bounds=True)}, "mode": mode}
        if indices is None:
            indices = builder.append("accessors", {"componentType": 5123, "type": "SCALAR", "count": 0})
        primitive["indices"] = indices
        builder.json["meshes"].append({"primitives": [primitive]})
        builder.json["nodes"][0]["mesh"] = 1
        mesh = read(builder, tmp_path).rig.mesh
        assert len(mesh.faces) == faces + 1

    def test_strip_winding(self, tmp_path: Path) -> None:
        builder = make_document()
        points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 2, 0]], "<f4")
        primitive = {"attributes": {"POSITION": builder.accessor(points, bounds=True)}, "mode": 5}
        builder.json["meshes"][0]["primitives"] = [primitive]
        mesh = read(builder, tmp_path).rig.mesh
        sides = mesh.vertices[mesh.faces]
        normals = np.cross(sides[:, 1] - sides[:, 0], sides[:, 2] - sides[:, 0])
        assert (normals @ normals[0] > 0).all()

    def test_sparse_with_and_without_a_view(self, tmp_path: Path) -> None:
        builder = make_document()
        rows, values = np.array([1], "<u2"), np.array([[7, 8, 9]], "<f4")
        sparse = {
            "count": 1,
            "indices": {"bufferView": builder.view(rows.tobytes()), "componentType": 5123},
            "values": {"bufferView": builder.view(values.tobytes())},
        }
        attributes = builder.json["meshes"][0]["primitives"][0]["attributes"]
        builder.json["accessors"][attributes["POSITION"]]["sparse"] = sparse
        before = read(make_document(), tmp_path).rig.mesh
        after = read(builder, tmp_path).rig.mesh
        np.testing.assert_array_equal(after.vertices[[0, 2]], before.vertices[[0, 2]])
        assert np.abs(after.vertices[1] - before.vertices[1]).max() > 1
        del builder.json["accessors"][attributes["POSITION"]]["bufferView"]
        world = node_world(builder, 1)
        expected = np.array([[0, 0, 0], [7, 8, 9], [0, 0, 0]]) @ world[:3, :3].T + world[:3, 3]
        np.testing.assert_allclose(read(builder, tmp_path).rig.mesh.vertices, expected, atol=1e-5)

    def test_interleaved_and_quantised(self, tmp_path: Path) -> None:
        builder = make_document()
        rows = np.zeros(3, [("position", "<i2", 4), ("uv", "<u2", 2), ("colour", "u1", 4)])
        rows["position"][:, :3] = TRIANGLE * 32767
        rows["uv"] = [[0, 0], [65535, 0], [0, 32768]]
        rows["colour"] = [[255, 0, 51, 255]] * 3
        view = builder.view(rows.tobytes())
        builder.json["bufferViews"][view]["byteStride"] = rows.itemsize
        attributes = builder.json["meshes"][0]["primitives"][0]["attributes"]
        for name, offset, component, kind in (
            ("POSITION", 0, 5122, "VEC3"), ("TEXCOORD_0", 8, 5123, "VEC2"), ("COLOR_0", 12, 5121, "VEC4")
        ):  # fmt: skip
            record = {"bufferView": view, "byteOffset": offset, "componentType": component, "normalized": True}
            attributes[name] = builder.append("accessors", record | {"count": 3, "type": kind})
        builder.json["extensionsUsed"] = builder.json["extensionsRequired"] = ["KHR_mesh_quantization"]
        mesh = read(builder, tmp_path).rig.mesh
        np.testing.assert_allclose(mesh.vertices, read(make_document(), tmp_path).rig.mesh.vertices, atol=1e-5)
        np.testing.assert_allclose(mesh.uvs, [[0, 0], [1, 0], [0, 0.5]], atol=1e-4)
        np.testing.assert_allclose(mesh.colours[0], [1, 0, 0.2, 1], atol=1e-6)

    def test_parts_share_one_bind_per_joint(self, tmp_path: Path) -> None:
        """Two skins bound in spaces of their own come out as one set of binds at rest."""
        builder = make_document()
        for offset in (0.0, 5.0):
            shift = trs([offset, 0, 0], TURN, [1 + offset] * 3)
            inverse = [np.linalg.inv(node_world(builder, node)) @ shift for node in (1, 2)]
            matrices = np.array([m.T.ravel() for m in inverse], "<f4")
            builder.json["skins"].append({"joints": [1, 2], "inverseBindMatrices": builder.accessor(matrices)})
        builder.json["nodes"][3]["skin"] = 1
        builder.json["nodes"].append({"mesh": 0, "skin": 2})
        builder.json["scenes"][0]["nodes"].append(4)
        asset = read(builder, tmp_path)
        assert sorted(asset.rig.mesh.bind_joints) == [0, 1]
        expected = np.linalg.inv(rest_world(asset.rig.skeleton))
        order = np.argsort(asset.rig.mesh.bind_joints)
        np.testing.assert_allclose(asset.rig.mesh.inverse_binds[order], expected, atol=1e-4)


class TestMaterials:
    def with_material(self, **record: object) -> Builder:
        builder = make_document()
        primitive = builder.json["meshes"][0]["primitives"][0]
        uvs = np.array([[0, 0], [1, 0], [0, 1]], "<f4")
        primitive["attributes"] |= {"TEXCOORD_0": builder.accessor(uvs), "TEXCOORD_1": builder.accessor(uvs + 5)}
        primitive["material"] = builder.append("materials", record)
        image = builder.append("images", {"bufferView": builder.view(factories.make_png()), "mimeType": "image/png"})
        builder.append("textures", {"source": image})
        return builder

    def test_texture_and_second_coordinates(self, tmp_path: Path) -> None:
        surface = {"baseColorFactor": [1, 0.5, 0.25, 0.75], "baseColorTexture": {"index": 0, "texCoord": 1}}
        builder = self.with_material(name="m", pbrMetallicRoughness=surface, alphaMode="MASK", alphaCutoff=0.25)
        mesh = read(builder, tmp_path).rig.mesh
        material = mesh.materials[0]
        assert (material.alpha_mode, material.alpha_cutoff, material.base_colour[3]) == ("mask", 0.25, 0.75)
        assert material.texture.data == factories.make_png()
        np.testing.assert_allclose(mesh.uvs[0], [5, 5])

    def test_texture_transform(self, tmp_path: Path) -> None:
        moved = {"offset": [0.5, 0.25], "scale": [2, 3], "rotation": np.pi / 2}
        picture = {"index": 0, "extensions": {"KHR_texture_transform": moved}}
        builder = self.with_material(pbrMetallicRoughness={"baseColorTexture": picture})
        mesh = read(builder, tmp_path).rig.mesh
        np.testing.assert_allclose(mesh.uvs, [[0.5, 0.25], [0.5, -1.75], [3.5, 0.25]], atol=1e-6)

    def test_specular_glossiness(self, tmp_path: Path) -> None:
        older = {"diffuseFactor": [0.1, 0.2, 0.3, 1], "diffuseTexture": {"index": 0}}
        builder = self.with_material(extensions={"KHR_materials_pbrSpecularGlossiness": older})
        material = read(builder, tmp_path).rig.mesh.materials[0]
        assert material.base_colour == (0.1, 0.2, 0.3, 1.0)
        assert material.texture is not None

    def test_missing_image_file_is_no_texture(self, tmp_path: Path) -> None:
        builder = self.with_material(pbrMetallicRoughness={"baseColorTexture": {"index": 0}})
        builder.json["images"] = [{"uri": "not%20there.png"}]
        assert read(builder, tmp_path).rig.mesh.materials[0].texture is None
        (tmp_path / "not there.png").write_bytes(factories.make_png())
        asset = read(builder, tmp_path)
        assert asset.rig.mesh.materials[0].texture.data == factories.make_png()
        write_asset(tmp_path / "deeper.glb", asset)
        (tmp_path / "not there.png").unlink()
        assert read_asset(tmp_path / "deeper.glb").rig.mesh.materials[0].texture.data == factories.make_png()

    @pytest.mark.parametrize("uri", ["../secret.png", "%2e%2e/secret.png", "/etc/passwd", "..\\secret.png"])
    def test_image_outside_the_folder(self, tmp_path: Path, uri: str) -> None:
        builder = self.with_material(pbrMetallicRoughness={"baseColorTexture": {"index": 0}})
        builder.json["images"] = [{"uri": uri}]
        (tmp_path / "secret.png").write_bytes(b"secret")
        folder = tmp_path / "inner"
        folder.mkdir()
        with pytest.raises(ReadError, match="outside"):
            read(builder, folder)


class TestBuffers:
    def external(self, folder: Path, uri: str, name: str) -> Path:
        builder = make_document()
        document = builder.json | {"buffers": [{"byteLength": len(builder.blob), "uri": uri}]}
        (folder / "a.gltf").write_text(json.dumps(document))
        (folder / name).write_bytes(bytes(builder.blob))
        return folder / "a.gltf"

    def test_file_with_an_encoded_name(self, tmp_path: Path) -> None:
        path = self.external(tmp_path, "my%20data%C3%A9.bin", "my dataé.bin")
        asset = read_asset(path)
        write_asset(tmp_path / "b.gltf", asset)
        (tmp_path / "my dataé.bin").unlink()
        assert_same_motion(asset, read_asset(tmp_path / "b.gltf"))
        with pytest.raises(ReadError, match="not there"):
            read_asset(path)

    @pytest.mark.parametrize("uri", ["../a.bin", "/etc/passwd", "sub/../../a.bin", "%2E%2E%2Fa.bin", "", "."])
    def test_outside_the_folder(self, tmp_path: Path, uri: str) -> None:
        (tmp_path / "in").mkdir()
        with pytest.raises(ReadError):
            read_asset(self.external(tmp_path / "in", uri, "b.bin"))

    def test_links_do_not_lead_out(self, tmp_path: Path) -> None:
        (tmp_path / "in").mkdir()
        path = self.external(tmp_path / "in", "link.bin", "real.bin")
        (tmp_path / "in" / "real.bin").rename(tmp_path / "real.bin")
        (tmp_path / "in" / "link.bin").symlink_to(tmp_path / "real.bin")
        with pytest.raises(ReadError, match="outside"):
            read_asset(path)

    def test_network_is_never_asked(self, tmp_path: Path) -> None:
        with pytest.raises(ReadError, match="network"):
            read_asset(self.external(tmp_path, "https://example.org/a.bin", "b.bin"))

    def test_data_uri(self, tmp_path: Path) -> None:
        builder = make_document()
        text = base64.b64encode(bytes(builder.blob)).decode()
        path = self.external(tmp_path, f"data:application/octet-stream;base64,{text}", "unused.bin")
        assert_same_motion(read_asset(path), read(builder, tmp_path))


class TestExtensions:
    def test_unknown_one_is_refused_by_name(self, tmp_path: Path) -> None:
        builder = make_document()
        builder.json["extensionsRequired"] = ["ACME_secret_sauce"]
        with pytest.raises(UnsupportedError, match="ACME_secret_sauce"):
            read(builder, tmp_path)

    @pytest.mark.parametrize("name", sorted(decode.LIBRARIES))
    def test_missing_decoder_says_how_to_get_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        monkeypatch.setitem(decode.LIBRARIES, name, "no_such_package")
        decode.library.cache_clear()
        builder = make_document()
        builder.json["extensionsRequired"] = [name]
        with pytest.raises(UnsupportedError, match=r"pip install 'mocapcli\[compressed-gltf\]'"):
            read(builder, tmp_path)
        decode.library.cache_clear()

    def test_meshopt(self, tmp_path: Path) -> None:
        meshopt = pytest.importorskip("meshopt")
        builder = make_document()
        position = builder.json["meshes"][0]["primitives"][0]["attributes"]["POSITION"]
        wide = np.zeros((3, 4), "<f4")
        wide[:, :3] = TRIANGLE
        packed = builder.view(bytes(meshopt.encode_vertex_buffer(wide)))
        record = builder.json["bufferViews"][packed]
        fallback = builder.append("buffers", {"byteLength": 48, "extensions": {"EXT_meshopt_compression": {}}})
        assert fallback == 0
        builder.json["buffers"].insert(0, {})
        extension = record | {"byteStride": 16, "count": 3, "mode": "ATTRIBUTES"}
        view = {"buffer": 1, "byteLength": 48, "byteStride": 16, "extensions": {"EXT_meshopt_compression": extension}}
        builder.json["accessors"][position]["bufferView"] = builder.append("bufferViews", view)
        builder.json["extensionsUsed"] = builder.json["extensionsRequired"] = ["EXT_meshopt_compression"]
        asset = read(builder, tmp_path)
        expected = read(make_document(), tmp_path)
        np.testing.assert_allclose(asset.rig.mesh.vertices, expected.rig.mesh.vertices)
        write_asset(tmp_path / "again.gltf", asset)
        np.testing.assert_allclose(read_asset(tmp_path / "again.gltf").rig.mesh.vertices, asset.rig.mesh.vertices)

    def test_damaged_meshopt(self, tmp_path: Path) -> None:
        pytest.importorskip("meshopt")
        builder = make_document()
        position = builder.json["meshes"][0]["primitives"][0]["attributes"]["POSITION"]
        extension = {"buffer": 0, "byteLength": 30, "byteStride": 12, "count": 3, "mode": "ATTRIBUTES"}
        view = builder.json["bufferViews"][builder.json["accessors"][position]["bufferView"]]
        view["extensions"] = {"EXT_meshopt_compression": extension}
        with pytest.raises(ReadError, match="damaged"):
            read(builder, tmp_path)

    def draco(self, block: bytes) -> Builder:
        builder = make_document()
        primitive = builder.json["meshes"][0]["primitives"][0]
        primitive["extensions"] = {decode.DRACO: {"bufferView": builder.view(block), "attributes": {"POSITION": 0}}}
        for name in ("JOINTS_0", "WEIGHTS_0"):
            del primitive["attributes"][name]
        del builder.json["accessors"][primitive["attributes"]["POSITION"]]["bufferView"]
        builder.json["extensionsUsed"] = builder.json["extensionsRequired"] = [decode.DRACO]
        return builder

    def test_draco(self, tmp_path: Path) -> None:
        draco = pytest.importorskip("DracoPy")
        block = draco.encode(TRIANGLE, np.array([[0, 1, 2]], np.uint32), quantization_bits=16)
        builder = self.draco(block)
        mesh = read(builder, tmp_path).rig.mesh
        assert mesh.faces.shape == (1, 3)
        lengths = np.linalg.norm(np.diff(mesh.vertices[mesh.faces[0]], axis=0), axis=1)
        assert sorted(lengths.round(3)) == pytest.approx([1.0, 2**0.5], abs=2e-3) or len(lengths) == 2
        np.testing.assert_allclose(sorted(map(tuple, mesh.vertices.round(3))), sorted(map(tuple, TRIANGLE)), atol=1e-3)

    def test_damaged_draco(self, tmp_path: Path) -> None:
        pytest.importorskip("DracoPy")
        with pytest.raises(ReadError, match="damaged"):
            read(self.draco(b"DRACO nonsense"), tmp_path)


class TestWriteBack:
    def rich(self) -> Builder:
        """A document full of things we know nothing about."""
        builder = make_document()
        add_clip(builder, [(1, "rotation", [[0, 0, 0, 1], [0, 1, 0, 0]])], [0, 1], name="second")
        add_clip(builder, [(3, "weights", [0.0, 1.0])], [0, 1], name="smile")
        builder.json["animations"].insert(1, builder.json["animations"].pop())
        builder.json["extras"] = {"mine": [1, 2.5, None, {"é": True}]}
        builder.json["extensionsUsed"] = ["ACME_thing"]
        builder.json["extensions"] = {"ACME_thing": {"deep": [{"a": 1e-7}]}}
        builder.json["cameras"] = [{"type": "perspective", "perspective": {"yfov": 1, "znear": 0.1}}]
        builder.json["nodes"][2]["extras"] = {"physics": "soft"}
        builder.json["meshes"][0]["primitives"][0]["targets"] = [{"POSITION": builder.accessor(TRIANGLE)}]
        return builder

    def test_unchanged_asset_is_the_same_document(self, tmp_path: Path) -> None:
        path = save(self.rich(), tmp_path / "a.glb")
        write_asset(tmp_path / "b.glb", read_asset(path))
        assert (tmp_path / "b.glb").read_bytes() == path.read_bytes()

    def test_new_clip_leaves_the_rest_alone(self, tmp_path: Path) -> None:
        path = save(self.rich(), tmp_path / "a.glb")
        asset = read_asset(path)
        new = factories.make_motion(asset.rig.skeleton, 9, 24.0, name="new", translated=True)
        changed = asset.with_motions([asset.motions[1], new])
        write_asset(tmp_path / "b.glb", changed)
        (before, blob), (after, more) = (glb_parts(p) for p in (path, tmp_path / "b.glb"))
        old, now = json.loads(before), json.loads(after)
        assert more.startswith(blob)
        assert [a["name"] for a in now["animations"]] == ["second", "smile", "new"]
        assert now["animations"][:2] == [old["animations"][2], old["animations"][1]]
        for key in set(old) - {"animations", "buffers", "bufferViews", "accessors"}:
            assert now[key] == old[key]
        for key in ("bufferViews", "accessors"):
            assert now[key][: len(old[key])] == old[key]
        back = read_asset(tmp_path / "b.glb")
        assert_same_motion(changed, back, 0)
        assert_same_motion(changed, back, 1)

    def test_removed_clips_are_gone(self, tmp_path: Path) -> None:
        asset = read(make_document(), tmp_path)
        write_asset(tmp_path / "b.glb", asset.with_motions([]))
        assert b"animations" not in glb_parts(tmp_path / "b.glb")[0]

    def test_replacing_clips_does_not_grow_the_file(self, tmp_path: Path) -> None:
        builder = make_document(clip=False)
        rng = np.random.default_rng(0)
        for name in ("long", "kept"):  # their bytes lie before, between and behind those of the mesh
            add_clip(builder, [(1, "translation", rng.normal(size=(300, 3)))], np.arange(300) / 30, name=name)
        position = builder.json["meshes"][0]["primitives"][0]["attributes"]["POSITION"]
        builder.json["accessors"][position]["bufferView"] = builder.view(TRIANGLE.tobytes())
        asset = read(builder, tmp_path)
        start = (tmp_path / "made.glb").stat().st_size
        original = asset.rig.mesh.vertices
        for turn in range(4):
            new = factories.make_motion(asset.rig.skeleton, 60, seed=turn, name="new", translated=True)
            kept = next(motion for motion in asset.motions if motion.name == "kept")
            wanted = asset.with_motions([kept, new])
            write_asset(tmp_path / "b.glb", wanted)
            asset = read_asset(tmp_path / "b.glb")
            np.testing.assert_array_equal(asset.rig.mesh.vertices, original)
            assert_same_motion(wanted, asset, 0)
            assert_same_motion(wanted, asset, 1)
            assert (tmp_path / "b.glb").stat().st_size < start + 1000
        write_asset(tmp_path / "c.glb", asset.with_motions([]))
        assert (tmp_path / "c.glb").stat().st_size < 2500
        np.testing.assert_array_equal(read_asset(tmp_path / "c.glb").rig.mesh.vertices, original)

    @given(
        st.lists(st.tuples(st.integers(0, 60), st.integers(1, 40)), max_size=4),
        st.lists(st.tuples(st.integers(0, 60), st.integers(1, 40)), max_size=4),
    )
    def test_only_bytes_that_nobody_shows_are_cut(self, freed: list, keep: list) -> None:
        freed, keep = (sorted((start, start + size) for start, size in ranges) for ranges in (freed, keep))
        found = holes(freed, keep)
        gone = [byte for start, end in found for byte in range(start, end)]
        assert len(gone) == len(set(gone))
        assert all(start % 8 == end % 8 == 0 for start, end in found)
        shown = {byte for start, end in keep for byte in range(start, end)}
        assert set(gone) <= {byte for start, end in freed for byte in range(start, end)} - shown

    def test_matrix_joints_and_nodes_between(self, tmp_path: Path) -> None:
        builder = make_document(clip=False)
        nodes = builder.json["nodes"]
        between = trs([1, 2, 3], TURN, [1, 2, 0.5])
        nodes[1] = {"name": "root", "matrix": trs([1, 0, 2], TURN, [1, -3, 1]).T.ravel().tolist(), "children": [4]}
        nodes.append({"name": "between", "matrix": between.T.ravel().tolist(), "children": [2]})
        asset = read(builder, tmp_path)
        motion = factories.make_motion(asset.rig.skeleton, 12, translated=True)
        write_asset(tmp_path / "b.glb", asset.with_motions([motion]))
        back = read_asset(tmp_path / "b.glb")
        written = json.loads(glb_parts(tmp_path / "b.glb")[0])["nodes"]
        assert "matrix" not in written[1]
        assert written[4] == nodes[4]
        np.testing.assert_allclose(
            joint_positions(back.rig.skeleton, back.motions[0]), joint_positions(asset.rig.skeleton, motion), atol=1e-5
        )

    def test_gauge_goes_back_in(self, tmp_path: Path) -> None:
        """A rig scaled at rest keeps its scale, and no scale channels are written for it."""
        builder = make_document(clip=False)
        builder.json["nodes"][1]["scale"] = [0.5, 0.5, 0.5]
        asset = read(builder, tmp_path)
        motion = factories.make_motion(asset.rig.skeleton, 5)
        write_asset(tmp_path / "b.glb", asset.with_motions([motion]))
        written = json.loads(glb_parts(tmp_path / "b.glb")[0])
        assert "scale" not in {c["target"]["path"] for c in written["animations"][0]["channels"]}
        assert written["nodes"] == json.loads(json.dumps(builder.json["nodes"]))
        assert_same_motion(asset.with_motions([motion]), read_asset(tmp_path / "b.glb"))

    def test_only_moving_joints_get_channels(self, tmp_path: Path) -> None:
        asset = read(make_document(), tmp_path)
        skeleton = asset.rig.skeleton
        still = Motion(
            "still", 24.0, np.tile(skeleton.rest_rotations, (9, 1, 1)), np.tile(skeleton.rest_translations, (9, 1, 1))
        )
        write_asset(tmp_path / "b.glb", asset.with_motions([still]))
        channels = json.loads(glb_parts(tmp_path / "b.glb")[0])["animations"][0]["channels"]
        assert [c["target"] for c in channels] == [{"node": 1, "path": "rotation"}]
        assert_same_motion(asset.with_motions([still]), read_asset(tmp_path / "b.glb"))

    def test_changed_rig_becomes_a_new_document(self, tmp_path: Path) -> None:
        asset = read(self.rich(), tmp_path)
        changed = replace(asset, rig=replace(asset.rig, mesh=None))
        write_asset(tmp_path / "b.glb", changed)
        text = glb_parts(tmp_path / "b.glb")[0]
        assert b"ACME" not in text
        assert b"meshes" not in text

    def test_several_buffers_become_one(self, tmp_path: Path) -> None:
        builder = make_document()
        extra = TRIANGLE.tobytes()
        view = builder.append("bufferViews", {"buffer": 1, "byteLength": len(extra)})
        position = builder.json["meshes"][0]["primitives"][0]["attributes"]["POSITION"]
        builder.json["accessors"][position]["bufferView"] = view
        uri = "data:;base64," + base64.b64encode(extra).decode()
        builder.json["buffers"] = [{}, {"byteLength": len(extra), "uri": uri}]
        asset = read(builder, tmp_path)
        write_asset(tmp_path / "b.glb", asset)
        written = json.loads(glb_parts(tmp_path / "b.glb")[0])
        assert len(written["buffers"]) == 1
        np.testing.assert_array_equal(read_asset(tmp_path / "b.glb").rig.mesh.vertices, asset.rig.mesh.vertices)

    def test_vrm(self, tmp_path: Path) -> None:
        builder = make_document()
        builder.json["extensionsUsed"] = ["VRMC_vrm"]
        builder.json["extensions"] = {"VRMC_vrm": {"humanoid": {"humanBones": {"hips": {"node": 1}}}}}
        asset = read_asset(save(builder, tmp_path / "a.vrm"))
        motion = factories.make_motion(asset.rig.skeleton)
        write_asset(tmp_path / "b.vrm", asset.with_motions([motion]))
        written = json.loads(glb_parts(tmp_path / "b.vrm")[0])
        assert written["extensions"] == builder.json["extensions"]
        with pytest.raises(WriteError, match=r"\.glb"):
            write_asset(tmp_path / "c.vrm", factories.make_asset())
        assert not (tmp_path / "c.vrm").exists()


HOSTILE = {
    "self parent": lambda j: j["nodes"][1].update(children=[1]),
    "cycle": lambda j: j["nodes"][2].update(children=[0]),
    "two parents": lambda j: j["nodes"][3].update(children=[2]),
    "no nodes": lambda j: j.pop("nodes"),
    "nodes are a string": lambda j: j.update(nodes="x"),
    "a node is a number": lambda j: j["nodes"].append(3),
    "child out of range": lambda j: j["nodes"][2].update(children=[99]),
    "child is negative": lambda j: j["nodes"][2].update(children=[-1]),
    "child is a string": lambda j: j["nodes"][2].update(children=["1"]),
    "children are an object": lambda j: j["nodes"][2].update(children={"a": 1}),
    "joint out of range": lambda j: j["skins"][0].update(joints=[1, 50]),
    "no joints": lambda j: j["skins"][0].update(joints=[]),
    "skin out of range": lambda j: j["nodes"][3].update(skin=9),
    "mesh out of range": lambda j: j["nodes"][3].update(mesh=9),
    "mesh is true": lambda j: j["nodes"][3].update(mesh=True),
    "rotation too short": lambda j: j["nodes"][1].update(rotation=[0, 1]),
    "rotation of strings": lambda j: j["nodes"][1].update(rotation=["a"] * 4),
    "infinite translation": lambda j: j["nodes"][1].update(translation=[1e999, 0, 0]),
    "huge translation": lambda j: j["nodes"][1].update(translation=[1e300, 0, 0]),
    "huge count": lambda j: j["accessors"][0].update(count=2**40),
    "count over the buffer": lambda j: j["accessors"][0].update(count=10**6),
    "negative count": lambda j: j["accessors"][0].update(count=-1),
    "count is a string": lambda j: j["accessors"][0].update(count="3"),
    "zeros without end": lambda j: (j["accessors"][0].update(count=2**33), j["accessors"][0].pop("bufferView")),
    "negative offset": lambda j: j["accessors"][0].update(byteOffset=-4),
    "view offset": lambda j: j["bufferViews"][0].update(byteOffset=10**9),
    "view length": lambda j: j["bufferViews"][0].update(byteLength=10**9),
    "tiny stride": lambda j: j["bufferViews"][0].update(byteStride=1),
    "unknown component": lambda j: j["accessors"][0].update(componentType=1),
    "unknown type": lambda j: j["accessors"][0].update(type="VEC9"),
    "wrong type": lambda j: j["accessors"][0].update(type="VEC2"),
    "buffer too long": lambda j: j["buffers"][0].update(byteLength=10**9),
    "buffer index": lambda j: j["bufferViews"][0].update(buffer=7),
    "position missing": lambda j: j["meshes"][0]["primitives"][0]["attributes"].update(POSITION=77),
    "huge sparse": lambda j: j["accessors"][0].update(
        sparse={"count": 10**9, "indices": {"bufferView": 0, "componentType": 5125}, "values": {"bufferView": 0}}
    ),
    "sampler out of range": lambda j: j["animations"][0]["channels"][0].update(sampler=5),
    "target out of range": lambda j: j["animations"][0]["channels"][0]["target"].update(node=50),
    "unknown interpolation": lambda j: j["animations"][0]["samplers"][0].update(interpolation="MAGIC"),
    "output too short": lambda j: j["accessors"][j["animations"][0]["samplers"][0]["output"]].update(count=1),
    "input of vectors": lambda j: j["animations"][0]["samplers"][0].update(input=0),
    "version": lambda j: j["asset"].update(version="1.0"),
    "no asset": lambda j: j.pop("asset"),
    "scene out of range": lambda j: j.update(scene=4),
    "required is a string": lambda j: j.update(extensionsRequired="KHR"),
}


class TestHostile:
    @pytest.mark.parametrize("name", sorted(HOSTILE))
    def test_damaged_document(self, tmp_path: Path, name: str) -> None:
        path = save(make_document(), tmp_path / "a.glb")
        text, blob = glb_parts(path)
        document = json.loads(text)
        HOSTILE[name](document)
        builder = Builder(document, bytearray(blob))
        length = document["buffers"][0].get("byteLength")
        path = tmp_path / "b.gltf"
        builder.json["buffers"][0] |= {"uri": "a.bin", "byteLength": length}
        (tmp_path / "a.bin").write_bytes(blob)
        path.write_text(json.dumps(document))
        with pytest.raises(ReadError) as caught:
            read_asset(path)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        "times", [[0, 1e6, 2e6], [0, np.nan, 1], [0, np.inf, np.inf], [0, 1e30, 2e30], [-1e9, 0, 1]]
    )
    def test_absurd_key_times(self, tmp_path: Path, times: list[float]) -> None:
        builder = make_document(clip=False)
        add_clip(builder, [(1, "translation", np.zeros((3, 3)))], times)
        text = json.dumps(builder.json).replace("NaN", "0").replace("Infinity", "1")
        builder.json = json.loads(text)
        with pytest.raises(ReadError):
            read(builder, tmp_path)

    def test_negative_times_are_no_trouble(self, tmp_path: Path) -> None:
        builder = make_document(clip=False)
        add_clip(builder, [(1, "translation", [[0, 0, 0], [1, 0, 0]])], [-2, -1])
        assert read(builder, tmp_path).motions[0].frames == 1

    def test_many_channels_on_one_large_accessor(self, tmp_path: Path) -> None:
        builder = make_document(clip=False)
        count = 1 << 21
        clip = add_clip(builder, [(1, "translation", np.zeros((1, 3)))], [0.0])
        sampler = builder.json["animations"][clip]["samplers"][0]
        zeros = {"componentType": 5126, "count": count}
        sampler["input"] = builder.append("accessors", zeros | {"type": "SCALAR"})
        sampler["output"] = builder.append("accessors", zeros | {"count": 1 << 20, "type": "VEC3"})
        builder.json["animations"][clip]["channels"] *= 100
        with pytest.raises(ReadError):
            read(builder, tmp_path)

    def test_deep_trees_and_deep_json(self, tmp_path: Path) -> None:
        builder = make_document()
        first = len(builder.json["nodes"])
        builder.json["nodes"] += [{"children": [first + k + 1]} for k in range(5000)] + [{}]
        with pytest.raises(ReadError, match="deep"):
            read(builder, tmp_path)
        (tmp_path / "deep.gltf").write_text("[" * 200_000)
        with pytest.raises(ReadError):
            read_asset(tmp_path / "deep.gltf")

    @pytest.mark.parametrize("text", [b"{", b"[]", b"null", b"\xff\xfe{}", b'{"a": NaN}', b"glTF", b"glTF" + bytes(8)])
    def test_no_document(self, tmp_path: Path, text: bytes) -> None:
        (tmp_path / "a.gltf").write_bytes(text)
        with pytest.raises(ReadError):
            read_asset(tmp_path / "a.gltf")

    def test_chunk_lengths_that_lie(self, tmp_path: Path) -> None:
        data = bytearray(save(make_document(), tmp_path / "a.glb").read_bytes())
        struct.pack_into("<I", data, 12, 2**32 - 1)
        (tmp_path / "b.glb").write_bytes(data)
        with pytest.raises(ReadError, match="past the end"):
            read_asset(tmp_path / "b.glb")

    def test_mutated_files_never_surprise(self, tmp_path: Path) -> None:
        """Flipped, cut and repeated bytes: an asset or one clear line, nothing else."""
        write_asset(tmp_path / "good.glb", factories.make_asset(3, 2))
        good = (tmp_path / "good.glb").read_bytes()
        rng = np.random.default_rng(7)
        refused = 0
        for _ in range(150):
            (tmp_path / "bad.glb").write_bytes(mutate(good, rng))
            try:
                read_asset(tmp_path / "bad.glb")
            except MocapError as error:
                refused += 1
                assert "\n" not in str(error)
        assert 30 < refused <= 150


def mutate(data: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(data)
    kind = rng.integers(4)
    if kind == 0:
        return bytes(changed[: rng.integers(len(changed))])
    start = int(rng.integers(len(changed) - 8))
    if kind == 1:
        for place in rng.integers(0, len(changed), 8):
            changed[place] ^= 1 << int(rng.integers(8))
    elif kind == 2:
        changed[start : start + 4] = struct.pack("<I", int(rng.choice([0, 1, 0x7F800000, 0xFFFFFFFF])))
    else:  # digits of the JSON
        length = struct.unpack_from("<I", data, 12)[0]
        digits = [place for place in range(20, 20 + length) if chr(changed[place]).isdigit()]
        for place in rng.choice(digits, 3):
            changed[place] = ord(str(rng.integers(10)))
    return bytes(changed)


class TestRealFiles:
    def test_fox(self, shared_assets: Path, tmp_path: Path) -> None:
        asset = read_asset(shared_assets / "unseen" / "khronos_fox" / "Fox.glb")
        assert asset.rig.skeleton.joints == 24
        assert [motion.name for motion in asset.motions] == ["Survey", "Walk", "Run"]
        write_asset(tmp_path / "fox.glb", replace(asset, rig=replace(asset.rig, source=None)))
        back = read_asset(tmp_path / "fox.glb")
        size = np.ptp(asset.rig.mesh.vertices, axis=0).max()
        for one, two in zip(asset.motions, back.motions, strict=True):
            error = joint_positions(asset.rig.skeleton, one) - joint_positions(back.rig.skeleton, two)
            assert np.abs(error).max() < 1e-5 * size
