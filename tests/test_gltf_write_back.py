"""glTF written back: clips go into the source document, all else stays."""

import base64
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import factories
from gltf_helpers import (
    TRIANGLE,
    TURN,
    add_clip,
    assert_same_motion,
    glb_parts,
    make_document,
    read,
    save,
    trs,
)
from mocapcli.errors import DroppedWarning, WriteError
from mocapcli.formats import read_asset, write_asset
from mocapcli.kinematics import crop, joint_positions, transform_asset
from mocapcli.types import Motion
from mocapcli_gltf.beyond import beyond
from mocapcli_gltf.builder import Builder
from mocapcli_gltf.prune import holes


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
        with pytest.warns(DroppedWarning, match=r"no longer that of its file.*: morph targets, .*, 1 camera$"):
            write_asset(tmp_path / "b.glb", changed)
        text = glb_parts(tmp_path / "b.glb")[0]
        assert b"ACME" not in text
        assert b"meshes" not in text

    def test_morph_targets_of_a_changed_clip_are_missed(self, tmp_path: Path) -> None:
        builder = self.rich()
        for channel in builder.json["animations"].pop(1)["channels"]:
            builder.json["animations"][1]["channels"].append(channel | {"sampler": 0})
        asset = read(builder, tmp_path)
        write_asset(tmp_path / "b.glb", asset)  # as it was: no warning
        changed = asset.with_motions(crop(motion, fps=10.0) for motion in asset.motions)
        with pytest.warns(DroppedWarning, match="clip 'second' has changed, and its morph targets stand still") as told:
            write_asset(tmp_path / "b.glb", changed)
        assert len(told) == 1

    def test_what_only_the_document_holds_is_named(self, tmp_path: Path) -> None:
        builder = self.rich()
        builder.json["materials"] = [{"normalTexture": {"index": 0}}]
        builder.json["extensions"]["KHR_lights_punctual"] = {"lights": [{}, {}]}
        asset = read(builder, tmp_path)
        beyond = (
            "morph targets",
            "normal maps and other textures",
            "custom properties (extras)",
            "1 other animation",
            "1 camera",
            "2 lights",
        )
        assert asset.rig.source.beyond == beyond
        with pytest.warns(DroppedWarning, match=r"^b\.npz: .* does not come along: morph targets, .*, 2 lights$"):
            write_asset(tmp_path / "b.npz", asset)
        scaled = transform_asset(asset, 2.0)
        assert scaled.rig.source.beyond == beyond
        with pytest.warns(DroppedWarning, match="does not come along: morph targets"):
            write_asset(tmp_path / "b.glb", scaled)

    @pytest.mark.parametrize("key", ["cameras", "materials", "meshes", "animations", "extensions"])
    @pytest.mark.parametrize("value", [None, 5, [5], {"lights": 5}, [{"primitives": 5}]])
    def test_damage_beside_the_rig_is_no_reason_to_fail(self, key: str, value: object) -> None:
        beyond({key: value}, set())

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
