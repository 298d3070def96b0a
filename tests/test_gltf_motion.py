"""glTF read: nodes and animations."""

from pathlib import Path

import numpy as np
import pytest
from scipy.interpolate import CubicHermiteSpline
from scipy.spatial.transform import Rotation, Slerp

from gltf_helpers import TURN, add_clip, make_document, node_world, read, trs
from mocapcli.errors import ReadError
from mocapcli.kinematics import joint_positions, rest_world
from mocapcli_gltf.frame_rate import choose_fps


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
