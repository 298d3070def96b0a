"""glTF refused: damaged and hostile files."""

import base64
import json
import os
import struct
from pathlib import Path

import numpy as np
import pytest

import factories
from gltf_helpers import (
    add_clip,
    assert_same_motion,
    glb_parts,
    make_document,
    read,
    save,
)
from mocapcli.errors import MocapError, ReadError
from mocapcli.formats import read_asset, write_asset
from mocapcli_gltf.builder import Builder


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

    @pytest.mark.skipif(os.name == "nt", reason="no named pipes in folders")
    def test_a_pipe_is_not_waited_for(self, tmp_path: Path) -> None:
        path = self.external(tmp_path, "pipe.bin", "real.bin")
        os.mkfifo(tmp_path / "pipe.bin")
        with pytest.raises(ReadError, match="not there"):
            read_asset(path)

    def test_network_is_never_asked(self, tmp_path: Path) -> None:
        with pytest.raises(ReadError, match="network"):
            read_asset(self.external(tmp_path, "https://example.org/a.bin", "b.bin"))

    def test_data_uri(self, tmp_path: Path) -> None:
        builder = make_document()
        text = base64.b64encode(bytes(builder.blob)).decode()
        path = self.external(tmp_path, f"data:application/octet-stream;base64,{text}", "unused.bin")
        assert_same_motion(read_asset(path), read(builder, tmp_path))


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

    @pytest.mark.parametrize("text", [b"[]", b"\x80\x81 noise", b"HIERARCHY\nROOT a"])
    def test_what_is_no_gltf_at_all(self, tmp_path: Path, text: bytes) -> None:
        (tmp_path / "a.glb").write_bytes(text)
        with pytest.raises(ReadError, match="this is not a glTF file"):
            read_asset(tmp_path / "a.glb")

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
