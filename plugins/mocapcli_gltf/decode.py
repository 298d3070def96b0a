"""Compressed geometry, and which required extensions we can honour."""

import sys
from functools import lru_cache
from typing import Any

import numpy as np

from mocapcli.errors import ReadError, UnsupportedError
from mocapcli_gltf.document import Document, Json, child, integer

PIP = "pip install 'mocapcli[compressed-gltf]'"
NEWER = "its package is for Python 3.11 and later"
MAX_DECODED = 64 << 20
MESHOPT, DRACO = "EXT_meshopt_compression", "KHR_draco_mesh_compression"
LIBRARIES = {MESHOPT: "meshopt", DRACO: "DracoPy"}
# Read here, or without bearing on where joints and vertices are.
HARMLESS = ("KHR_materials_", "KHR_lights_", "VRM", "VRMC_", "KHR_texture_", "EXT_texture_", "KHR_xmp")
KNOWN = {"KHR_mesh_quantization", "KHR_node_visibility", MESHOPT, DRACO}


def check_required(document: Document) -> None:
    """Refuse by name what we cannot decode, before anything is read."""
    required = document.json.get("extensionsRequired", [])
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        raise ReadError("extensionsRequired must be an array of names")
    for name in required:
        if name in LIBRARIES:
            library(name)
        elif name not in KNOWN and not name.startswith(HARMLESS):
            raise UnsupportedError(f"requires the extension {name[:60]}", remedy="export it without that extension")


@lru_cache(maxsize=4)
def library(extension: str) -> Any:
    """The decoder of a compression extension, or how to get it."""
    import importlib

    try:
        return importlib.import_module(LIBRARIES[extension])
    except ImportError:
        remedy = NEWER if extension == MESHOPT and sys.version_info < (3, 11) else PIP
        raise UnsupportedError(f"{extension} needs the package {LIBRARIES[extension]}", remedy=remedy) from None


def is_available(extension: str) -> bool:
    try:
        return library(extension) is not None
    except UnsupportedError:
        return False


def is_required(document: Document, extension: str) -> bool:
    return extension in document.json.get("extensionsRequired", [])


def meshopt_view(document: Document, extension: Any, place: str) -> memoryview:
    """A buffer view packed with EXT_meshopt_compression, as plain bytes."""
    if not isinstance(extension, dict):
        raise ReadError(f"{MESHOPT} must be an object", place=place)
    count, stride = integer(extension, "count", place), integer(extension, "byteStride", place)
    if count * stride + sum(len(done) for done in document.unpacked.values()) > MAX_DECODED:
        raise ReadError(f"unpacks to {count * stride} bytes", place=place)
    packed = bytes(document.slice(extension, place))
    mode, packing = extension.get("mode"), extension.get("filter", "NONE")
    try:
        plain = library(MESHOPT).decode_gltf_buffer(packed, count, stride, mode, packing)
    except (ValueError, TypeError, RuntimeError) as error:
        raise ReadError(f"{MESHOPT} data is damaged: {error}", place=place) from None
    if mode != "ATTRIBUTES":
        plain = np.asarray(plain).astype("<u2" if stride == 2 else "<u4")
    return memoryview(np.ascontiguousarray(plain).tobytes())


def draco_primitive(document: Document, extension: Json) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Attributes by glTF name and triangle corners of a Draco primitive."""
    place = DRACO
    packed = bytes(document.view(extension.get("bufferView")))
    try:
        mesh = library(DRACO).decode(packed)
    except UnsupportedError:
        raise
    except Exception as error:  # the binding raises its own family of errors
        raise ReadError(f"data is damaged: {error}", place=place) from None
    by_id = {attribute["unique_id"]: attribute["data"] for attribute in mesh.attributes}
    found: dict[str, np.ndarray] = {}
    for name, identity in child(extension, "attributes").items():
        if identity not in by_id:
            raise ReadError(f"has no attribute {str(identity)[:20]} for {name[:40]}", place=place)
        data = np.asarray(by_id[identity])
        found[name] = data.reshape(len(data), -1)
    faces = getattr(mesh, "faces", None)
    return found, np.zeros(0, np.int64) if faces is None else np.asarray(faces, np.int64).reshape(-1)
