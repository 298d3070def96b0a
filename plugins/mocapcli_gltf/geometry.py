"""One primitive's vertices and triangles, whatever way the file stores them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from mocapcli.errors import ReadError
from mocapcli.types import sanitise_weights
from mocapcli_gltf.accessors import read_accessor, read_floats, to_floats
from mocapcli_gltf.decode import DRACO, draco_primitive, is_available, is_required
from mocapcli_gltf.document import Document, Json, child
from mocapcli_gltf.materials import UvMap

TRIANGLES, STRIP, FAN = 4, 5, 6
MAX_CORNERS, MAX_VERTICES = 1 << 23, 3 << 20  # of a whole file


@dataclass(frozen=True, eq=False)
class Vertices:
    """What a primitive says of its vertices; skin indices still count joints of its skin."""

    positions: Float[np.ndarray, "vertices 3"]
    normals: Float[np.ndarray, "vertices 3"] | None = None
    uvs: Float[np.ndarray, "vertices 2"] | None = None
    colours: Float[np.ndarray, "vertices 4"] | None = None
    skin_indices: Int[np.ndarray, "vertices influences"] | None = None
    skin_weights: Float[np.ndarray, "vertices influences"] | None = None


class Attributes:
    """A primitive's attributes by name, from accessors or out of a Draco block."""

    def __init__(self, document: Document, primitive: Json) -> None:
        self.document = document
        self.records = child(primitive, "attributes")
        packed = child(primitive, "extensions").get(DRACO)
        self.draco: dict[str, np.ndarray] = {}
        self.draco_corners: np.ndarray | None = None
        if isinstance(packed, dict) and (is_available(DRACO) or is_required(document, DRACO)):
            self.draco, self.draco_corners = draco_primitive(document, packed)

    def __contains__(self, name: str) -> bool:
        return name in self.records or name in self.draco

    def floats(self, name: str) -> np.ndarray:
        if name in self.draco:
            record = self.document.record("accessors", self.records.get(name))
            return to_floats(self.draco[name], bool(record.get("normalized")))
        return read_floats(self.document, self.records[name])

    def integers(self, name: str) -> np.ndarray:
        values = self.draco[name] if name in self.draco else read_accessor(self.document, self.records[name])
        if values.dtype.kind == "f":  # against the specification, yet met
            values = np.nan_to_num(values)
        return values.astype(np.int64)


def read_vertices(attributes: Attributes, uv_map: UvMap, place: str) -> Vertices:
    positions = attributes.floats("POSITION")
    count = len(positions)
    if count > MAX_VERTICES:
        raise ReadError(f"has {count} vertices, too many to hold", place=place)
    indices, weights = read_influences(attributes, count, place)

    def optional(name: str, widths: tuple[int, ...]) -> np.ndarray | None:
        if name not in attributes:
            return None
        values = attributes.floats(name)
        if len(values) != count or values.shape[1] not in widths:
            raise ReadError(f"{name} does not fit the {count} positions", place=place)
        return np.asarray(np.nan_to_num(values, posinf=0.0, neginf=0.0).astype(np.float32))

    if positions.shape[1] != 3 or not np.isfinite(positions).all():
        raise ReadError("POSITION must be finite 3D points", place=place)
    uvs = optional(f"TEXCOORD_{uv_map.channel}", (2,))
    colours = optional("COLOR_0", (3, 4))
    if colours is not None and colours.shape[1] == 3:
        colours = np.concatenate([colours, np.ones((count, 1))], axis=1)
    normals = optional("NORMAL", (3,))
    return Vertices(positions, normals, None if uvs is None else uv_map.apply(uvs), colours, indices, weights)


def read_influences(
    attributes: Attributes, count: int, place: str
) -> tuple[Int[np.ndarray, "vertices influences"] | None, Float[np.ndarray, "vertices influences"] | None]:
    """All JOINTS_n and WEIGHTS_n side by side, made usable."""
    joints: list[np.ndarray] = []
    weights: list[np.ndarray] = []
    while f"JOINTS_{len(joints)}" in attributes and f"WEIGHTS_{len(joints)}" in attributes:
        number = len(joints)
        joints.append(attributes.integers(f"JOINTS_{number}"))
        weights.append(attributes.floats(f"WEIGHTS_{number}"))
        if joints[-1].shape != (count, 4) or weights[-1].shape != (count, 4):
            raise ReadError(f"JOINTS_{number} and WEIGHTS_{number} must be 4 per vertex", place=place)
    if not joints:
        return None, None
    return sanitise_weights(np.concatenate(joints, axis=1), np.concatenate(weights, axis=1))


def read_faces(
    document: Document, primitive: Json, attributes: Attributes, count: int, place: str
) -> Int[np.ndarray, "faces 3"]:
    """Triangles of a primitive; points and lines have none."""
    mode: Any = primitive.get("mode", TRIANGLES)
    if mode not in (TRIANGLES, STRIP, FAN):
        return np.zeros((0, 3), np.int64)
    if attributes.draco_corners is not None:
        corners, mode = attributes.draco_corners, TRIANGLES
    elif "indices" in primitive:
        corners = read_accessor(document, primitive["indices"], 1)[:, 0].astype(np.int64)
    else:
        corners = np.arange(count)
    if len(corners) and (corners.min() < 0 or corners.max() >= count):
        raise ReadError(f"names vertex {corners.max()} of {count}", place=place)
    if mode == TRIANGLES:
        return corners[: len(corners) // 3 * 3].reshape(-1, 3)
    if mode == FAN:
        return np.stack([corners[1:-1], corners[2:], np.broadcast_to(corners[:1], corners[2:].shape)], axis=1)
    faces = np.stack([corners[:-2], corners[1:-1], corners[2:]], axis=1)
    faces[1::2] = faces[1::2, [1, 0, 2]]
    first, second, third = faces.T
    return np.asarray(faces[(first != second) & (second != third) & (first != third)])
