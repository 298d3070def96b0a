"""glTF read: meshes, materials, compressed data."""

from pathlib import Path

import numpy as np
import pytest

import factories
from gltf_helpers import TRIANGLE, TURN, add_clip, make_document, node_world, read, trs
from mocapcli.errors import ReadError, UnsupportedError
from mocapcli.formats import read_asset, write_asset
from mocapcli.kinematics import motion_world, rest_world
from mocapcli_gltf import decode
from mocapcli_gltf.builder import Builder


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
        with pytest.raises(UnsupportedError, match=r"pip install 'mocapcli\[compressed-gltf\]'|Python 3\.11"):
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
        sides = [np.diff(corners[:3], axis=0) for corners in (mesh.vertices[mesh.faces[0]], np.asarray(TRIANGLE))]
        facing = [np.cross(*side) for side in sides]  # the same way round, whichever corner is the first
        np.testing.assert_allclose(facing[0], facing[1], atol=2e-3)
        np.testing.assert_allclose(sorted(map(tuple, mesh.vertices.round(3))), sorted(map(tuple, TRIANGLE)), atol=1e-3)

    def test_damaged_draco(self, tmp_path: Path) -> None:
        pytest.importorskip("DracoPy")
        with pytest.raises(ReadError, match="damaged"):
            read(self.draco(b"DRACO nonsense"), tmp_path)
