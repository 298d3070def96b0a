"""glTF written: new documents and real files."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import factories
import mocapcli_gltf
from gltf_helpers import TRIANGLE, TURN, assert_same_motion, trs
from mocapcli.errors import DroppedWarning
from mocapcli.formats import read_asset, write_asset
from mocapcli.kinematics import joint_positions, motion_world, rest_world
from mocapcli.types import Asset, Material, Mesh, Rig, Skeleton, Texture


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
