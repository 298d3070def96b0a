"""assimp's scene out of foreign memory: plain records of numpy arrays, nothing else."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from mocapcli.errors import ReadError
from mocapcli_assimp.library import Library

TRIANGULATE, JOIN_IDENTICAL, VALIDATE = 0x8, 0x2, 0x400
PROPERTIES = {
    b"IMPORT_FBX_PRESERVE_PIVOTS": 0,  # or pivots become nodes and pre-rotated (Maya) rigs come out wrong
    b"IMPORT_REMOVE_EMPTY_BONES": 0,  # joints that move no vertex are joints too
    b"IMPORT_NO_SKELETON_MESHES": 1,  # no pyramids invented where a file has no mesh
    b"IMPORT_COLLADA_USE_COLLADA_NAMES": 1,  # what people read, not the identifiers
}
LIMIT = 20_000_000  # vertices, faces, keys, weights: more is no rig


@dataclass(frozen=True)
class Node:
    name: str
    parent: int
    local: Float[np.ndarray, "4 4"]
    meshes: tuple[int, ...]
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Bone:
    name: str
    offset: Float[np.ndarray, "4 4"]  # mesh space to bone space
    vertices: Int[np.ndarray, " weights"]
    weights: Float[np.ndarray, " weights"]


@dataclass(frozen=True)
class Surface:
    vertices: Float[np.ndarray, "vertices 3"]
    faces: Int[np.ndarray, "faces 3"]
    normals: Float[np.ndarray, "vertices 3"] | None
    uvs: Float[np.ndarray, "vertices 2"] | None
    colours: Float[np.ndarray, "vertices 4"] | None
    material: int
    bones: tuple[Bone, ...]


@dataclass(frozen=True)
class Keys:
    times: Float[np.ndarray, " keys"]  # ticks
    values: Float[np.ndarray, "keys components"]


@dataclass(frozen=True)
class Channel:
    node: str
    positions: Keys
    rotations: Keys  # xyzw
    scales: Keys


@dataclass(frozen=True)
class Clip:
    name: str
    ticks_per_second: float
    channels: tuple[Channel, ...]


@dataclass(frozen=True)
class Scene:
    nodes: tuple[Node, ...]  # parents first
    surfaces: tuple[Surface, ...]
    clips: tuple[Clip, ...]
    metadata: dict[str, Any]


@contextmanager
def imported(library: Library, path: Path) -> Iterator[Any]:
    """The C scene of a file, for as long as the block lasts."""
    store = library.dll.aiCreatePropertyStore()
    for name, value in PROPERTIES.items():
        library.dll.aiSetImportPropertyInteger(store, name, value)
    flags = TRIANGULATE | JOIN_IDENTICAL | VALIDATE
    name_bytes = str(path).encode("utf-8") if os.name == "nt" else os.fsencode(path)
    pointer = library.dll.aiImportFileExWithProperties(name_bytes, flags, None, store)
    if not pointer:
        reason = " ".join((library.dll.aiGetErrorString() or b"no reason given").decode("utf-8", "replace").split())
        raise ReadError(f"assimp refuses the file: {reason}")
    yield pointer.contents  # never freed: the process ends after this one file


def extract(library: Library, scene: Any) -> Scene:
    return Scene(
        _nodes(scene),
        tuple(_surface(library, scene.mMeshes[i].contents) for i in range(scene.mNumMeshes)),
        tuple(_clip(library, scene.mAnimations[i].contents) for i in range(scene.mNumAnimations)),
        _metadata(scene.mMetadata),
    )


def text(string: Any) -> str:
    """An aiString; its bytes are UTF-8 by contract, and anything in practice."""
    return bytes(string.data[: string.length]).decode("utf-8", "replace")


def matrix(value: Any) -> Float[np.ndarray, "4 4"]:
    out = np.frombuffer(value, dtype=np.float32).reshape(4, 4).astype(np.float64)
    if not np.isfinite(out).all():
        raise ReadError("a transform contains NaN or infinite numbers")
    return out


def array(pointer: Any, count: int, dtype: Any) -> np.ndarray:
    """`count` records behind a pointer, copied."""
    dtype = np.dtype(dtype)
    if count == 0 or not pointer:
        return np.zeros(0, dtype)
    if count > LIMIT:
        raise ReadError(f"{count} records of one kind are more than a rig can have")
    buffer = ctypes.cast(pointer, ctypes.POINTER(ctypes.c_ubyte * (count * dtype.itemsize))).contents
    return np.frombuffer(buffer, dtype=dtype, count=count).copy()


def _nodes(scene: Any) -> tuple[Node, ...]:
    found: list[Node] = []
    stack = [(scene.mRootNode, -1)]
    while stack:
        pointer, parent = stack.pop()
        node = pointer.contents
        meshes = tuple(int(i) for i in array(node.mMeshes, node.mNumMeshes, np.uint32))
        found.append(Node(text(node.mName), parent, matrix(node.mTransformation), meshes, _metadata(node.mMetadata)))
        here = len(found) - 1
        stack.extend((node.mChildren[i], here) for i in reversed(range(node.mNumChildren)))
    return tuple(found)


def _surface(library: Library, mesh: Any) -> Surface:
    count = mesh.mNumVertices
    colours, uvs = mesh.mColors[0], mesh.mTextureCoords[0]
    flipped = array(uvs, count, "3f4")[:, :2] * np.array([1, -1], np.float32) + np.array([0, 1], np.float32)
    bones = ctypes.cast(mesh.mBones, ctypes.POINTER(ctypes.POINTER(library.bone)))
    return Surface(
        array(mesh.mVertices, count, "3f4"),
        _faces(mesh),
        array(mesh.mNormals, count, "3f4") if mesh.mNormals else None,
        flipped if uvs else None,
        array(colours, count, "4f4") if colours else None,
        int(mesh.mMaterialIndex),
        tuple(_bone(bones[i].contents, count) for i in range(mesh.mNumBones)),
    )


def _faces(mesh: Any) -> Int[np.ndarray, "faces 3"]:
    """Triangles only: points and lines, which triangulation leaves, are no surface."""
    layout = np.dtype({"names": ["count", "indices"], "formats": [np.uint32, np.uintp], "offsets": [0, 8]})
    if ctypes.sizeof(ctypes.c_void_p) == 4:
        layout = np.dtype([("count", np.uint32), ("indices", np.uintp)])
    faces = array(mesh.mFaces, mesh.mNumFaces, layout)
    triangles = faces["indices"][faces["count"] == 3]
    out = np.empty((len(triangles), 3), np.uint32)
    for row, address in enumerate(triangles.tolist()):
        out[row] = (ctypes.c_uint32 * 3).from_address(address)
    if out.size and out.max() >= mesh.mNumVertices:
        raise ReadError("a face names a vertex that does not exist")
    return out.astype(np.int64)


def _bone(bone: Any, vertices: int) -> Bone:
    weights = array(bone.mWeights, bone.mNumWeights, [("vertex", np.uint32), ("weight", np.float32)])
    if len(weights) and weights["vertex"].max() >= vertices:
        raise ReadError(f"bone {text(bone.mName)!r} names a vertex that does not exist")
    return Bone(
        text(bone.mName),
        matrix(bone.mOffsetMatrix),
        weights["vertex"].astype(np.int64),
        weights["weight"].astype(np.float64),
    )


def _clip(library: Library, animation: Any) -> Clip:
    channels = tuple(_channel(library, animation.mChannels[i].contents) for i in range(animation.mNumChannels))
    return Clip(text(animation.mName), float(animation.mTicksPerSecond), channels)


def _channel(library: Library, channel: Any) -> Channel:
    return Channel(
        text(channel.mNodeName),
        _keys(channel.mPositionKeys, channel.mNumPositionKeys, 3, 24),
        _keys(channel.mRotationKeys, channel.mNumRotationKeys, 4, library.quaternion_key_size),
        _keys(channel.mScalingKeys, channel.mNumScalingKeys, 3, 24),
    )


def _keys(pointer: Any, count: int, components: int, size: int) -> Keys:
    layout = np.dtype(
        {
            "names": ["time", "value"],
            "formats": [np.float64, (np.float32, components)],
            "offsets": [0, 8],
            "itemsize": size,
        }
    )
    records = array(pointer, count, layout)
    times, values = records["time"], records["value"].astype(np.float64)
    if not (np.isfinite(times).all() and np.isfinite(values).all()) or (np.diff(times) < 0).any():
        raise ReadError("animation keys are out of order or not finite")
    if components == 4:
        values = values[:, [1, 2, 3, 0]]
    return Keys(times, values)


def _metadata(pointer: Any) -> dict[str, Any]:
    """Numbers and truth values by name; the rest is of no use here."""
    if not pointer:
        return {}
    kinds: dict[int, Any] = {
        0: ctypes.c_bool,
        1: ctypes.c_int32,
        2: ctypes.c_uint64,
        3: ctypes.c_float,
        4: ctypes.c_double,
    }
    data = pointer.contents
    found = {}
    for i in range(data.mNumProperties):
        entry = data.mValues[i]
        if entry.mType in kinds and entry.mData:
            found[text(data.mKeys[i])] = kinds[entry.mType].from_address(entry.mData).value
    return found
