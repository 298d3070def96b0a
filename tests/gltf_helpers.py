"""Small glTF documents made by hand, for tests."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mocapcli.formats import read_asset
from mocapcli.kinematics import motion_world
from mocapcli.types import Asset
from mocapcli_gltf.builder import Builder

TURN = Rotation.from_euler("xyz", [20, -35, 50], degrees=True).as_quat()
TRIANGLE = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], "<f4")


def make_document(clip: bool = True) -> Builder:
    """`armature` (turned, scaled, no joint) over joints `root` and `tip`; a skinned triangle; one linear clip."""
    builder = Builder.fresh()
    builder.json |= {
        "scene": 0,
        "scenes": [{"nodes": [0, 3]}],
        "nodes": [
            {"name": "armature", "rotation": TURN.tolist(), "scale": [2, 2, 2], "children": [1]},
            {"name": "root", "translation": [0, 1, 0], "children": [2]},
            {"name": "tip", "translation": [0.5, 0.5, 0]},
            {"name": "body", "mesh": 0, "skin": 0},
        ],
        "skins": [{"joints": [1, 2]}],
        "meshes": [{"primitives": [{"attributes": triangle_attributes(builder)}]}],
    }
    if clip:
        rotations = Rotation.from_euler("z", [[0], [40], [100]], degrees=True).as_quat().reshape(3, 4)
        add_clip(builder, [(1, "rotation", rotations)], [0, 0.5, 1.0])
    return builder


def triangle_attributes(builder: Builder) -> dict[str, int]:
    joints = np.array([[0, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0]], "<u1")
    weights = np.array([[1, 0, 0, 0], [1, 0, 0, 0], [0.25, 0.75, 0, 0]], "<f4")
    return {
        "POSITION": builder.accessor(TRIANGLE, bounds=True),
        "JOINTS_0": builder.accessor(joints),
        "WEIGHTS_0": builder.accessor(weights),
    }


def add_clip(
    builder: Builder,
    tracks: list[tuple[int, str, Any]],
    times: Any,
    mode: str = "LINEAR",
    name: str = "clip",
) -> int:
    keys = builder.accessor(np.asarray(times, "<f4"), bounds=True)
    animation: dict[str, Any] = {"name": name, "channels": [], "samplers": []}
    for number, (node, path, values) in enumerate(tracks):
        array = np.asarray(values)
        output = builder.accessor(array if array.dtype.kind == "u" else array.astype("<f4"))
        animation["samplers"].append({"input": keys, "output": output, "interpolation": mode})
        animation["channels"].append({"sampler": number, "target": {"node": node, "path": path}})
    return builder.append("animations", animation)


def node_world(builder: Builder, node: int, local: dict[int, np.ndarray] | None = None) -> np.ndarray:
    """World matrix of a node, the slow way: the oracle. `local` overrides some nodes' matrices."""
    nodes = builder.json["nodes"]
    above = next((index for index, record in enumerate(nodes) if node in record.get("children", [])), None)
    own = (local or {}).get(node, local_matrix(nodes[node]))
    return own if above is None else node_world(builder, above, local) @ own


def local_matrix(record: dict[str, Any]) -> np.ndarray:
    if "matrix" in record:
        return np.array(record["matrix"], float).reshape(4, 4).T
    return trs(record.get("translation", [0, 0, 0]), record.get("rotation", [0, 0, 0, 1]), record.get("scale", [1] * 3))


def trs(translation: Any, rotation: Any, scale: Any = (1, 1, 1)) -> np.ndarray:
    out = np.eye(4)
    out[:3, :3] = Rotation.from_quat(rotation).as_matrix() * np.asarray(scale, float)
    out[:3, 3] = translation
    return out


def glb_parts(path: Path) -> tuple[bytes, bytes]:
    """The JSON text and the binary chunk of a GLB."""
    data = path.read_bytes()
    length = struct.unpack_from("<I", data, 12)[0]
    return data[20 : 20 + length], data[28 + length :]


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
