"""All meshes of a scene as one `Mesh`.

Vertices are brought to the world of the rest pose as the first joint that moves any of them carries them there,
so that parts, skins and other formats share one space; what is left goes into the inverse bind matrices, so
skinning stays exact.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from mocapcli.errors import ReadError
from mocapcli.kinematics import inverse_affine
from mocapcli.types import Mesh
from mocapcli_gltf.accessors import read_floats
from mocapcli_gltf.document import Document, check_index, children
from mocapcli_gltf.geometry import MAX_CORNERS, MAX_VERTICES, Attributes, Vertices, read_faces, read_vertices
from mocapcli_gltf.hierarchy import Hierarchy
from mocapcli_gltf.materials import Materials, UvMap

SAME = 1e-5  # inverse binds closer than this, relative to their size, are one
MAX_BINDS = 1 << 16


@dataclass
class Binds:
    """The (joint, inverse bind) pairs gathered so far; near twins are shared."""

    joints: list[int] = field(default_factory=list)
    matrices: list[Float[np.ndarray, "4 4"]] = field(default_factory=list)
    _by_joint: dict[int, list[int]] = field(default_factory=dict)

    def row(self, joint: int, matrix: Float[np.ndarray, "4 4"]) -> int:
        known = self._by_joint.setdefault(joint, [])
        limit = SAME * max(1.0, float(np.abs(matrix).max()))
        for row in known[-8:]:
            if np.abs(self.matrices[row] - matrix).max() < limit:
                return row
        if not np.isfinite(matrix).all():
            raise ReadError("an inverse bind matrix is not finite", place="skins")
        if len(self.joints) >= MAX_BINDS:
            raise ReadError("the skins name too many joints to hold", place="skins")
        known.append(len(self.joints))
        self.joints.append(joint)
        self.matrices.append(matrix)
        return known[-1]


@dataclass(frozen=True, eq=False)
class Placement:
    """How a mesh node's vertices go to the world at rest, and which binds carry them from there."""

    to_world: Float[np.ndarray, "4 4"]
    binds: Int[np.ndarray, " joints"]
    skinned: bool


@dataclass(eq=False)
class MeshReader:
    """Walks the scene's mesh nodes and gathers their primitives."""

    document: Document
    hierarchy: Hierarchy
    joints: list[int]
    gauge: Float[np.ndarray, "joints 4 4"]
    binds: Binds = field(default_factory=Binds)
    parts: list[tuple[Vertices, Int[np.ndarray, "vertices influences"]]] = field(default_factory=list)
    faces: list[Int[np.ndarray, "faces 3"]] = field(default_factory=list)
    face_materials: list[Int[np.ndarray, " faces"]] = field(default_factory=list)
    vertex_count: int = 0
    corner_count: int = 0
    known: dict[Any, tuple[int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.materials = Materials(self.document)
        self.rows = {node: row for row, node in enumerate(self.joints)}
        self.placements: dict[Any, Placement] = {}

    def read(self) -> Mesh | None:
        nodes = self.document.records("nodes")
        for node in self.hierarchy.order:
            if node in self.hierarchy.visible and "mesh" in nodes[node]:
                mesh = self.document.record("meshes", nodes[node]["mesh"])
                for number, primitive in enumerate(children(mesh, "primitives")):
                    self.add(node, primitive, f"meshes[{nodes[node]['mesh']}].primitives[{number}]")
        return self.merge() if self.parts else None

    def add(self, node: int, primitive: Any, place: str) -> None:
        if not isinstance(primitive, dict):
            raise ReadError("must be an object", place=place)
        attributes = Attributes(self.document, primitive)
        if "POSITION" not in attributes:
            return
        material = self.materials.row(primitive.get("material"))
        uv_map = self.materials.maps[material] if material >= 0 else UvMap()
        key = (node, tuple(sorted((name, str(value)) for name, value in attributes.records.items())), uv_map)
        if attributes.draco or key not in self.known:
            self.known[key] = self.add_vertices(node, attributes, uv_map, place)
        start, count = self.known[key]
        faces = read_faces(self.document, primitive, attributes, count, place)
        self.corner_count += faces.size
        if self.corner_count > MAX_CORNERS:
            raise ReadError("the meshes have too many triangles to hold", place=place)
        self.faces.append((faces + start).astype(np.int32))
        self.face_materials.append(np.full(len(faces), material, np.int32))

    def add_vertices(self, node: int, attributes: Attributes, uv_map: UvMap, place: str) -> tuple[int, int]:
        vertices = read_vertices(attributes, uv_map, place)
        start, count = self.vertex_count, len(vertices.positions)
        self.vertex_count += count
        if self.vertex_count > MAX_VERTICES:
            raise ReadError("the meshes have too many vertices to hold", place=place)
        placement = self.place(node, used_slots(vertices))
        indices = vertices.skin_indices if placement.skinned else None
        if indices is None:
            indices = np.zeros((count, 1), np.int32)
            vertices = Vertices(
                vertices.positions, vertices.normals, vertices.uvs, vertices.colours, indices, np.ones((count, 1))
            )
        if count and indices.max() >= len(placement.binds):
            raise ReadError(f"names joint {indices.max()} of a skin of {len(placement.binds)}", place=place)
        self.parts.append((moved(vertices, placement.to_world), placement.binds[indices]))
        return start, count

    def place(self, node: int, used: Int[np.ndarray, " slots"] | None) -> Placement:
        """`used`: which joints of its skin move the vertices; None where they carry no weights."""
        record = self.document.record("nodes", node)
        skin = record.get("skin") if used is not None else None
        key = node if skin is None else ("skin", str(skin))
        if key not in self.placements:
            self.placements[key] = (
                self.place_rigid(node) if used is None or skin is None else self.place_skin(skin, used)
            )
        return self.placements[key]

    def place_rigid(self, node: int) -> Placement:
        """A mesh without skin moves with the joint it hangs under, or stands still in the world."""
        world = self.hierarchy.world[node]
        above = self.hierarchy.nearest(node, self.rows)
        if above < 0:
            return Placement(world, np.array([self.binds.row(-1, np.eye(4))]), False)
        relative = np.eye(4)
        for step in self.hierarchy.ancestors(node):
            if step == above:
                break
            relative = self.hierarchy.local[step] @ relative
        row = self.rows[above]
        return self.placed([row], (self.gauge[row] @ relative)[None], world, False)

    def place_skin(self, index: Any, used: Int[np.ndarray, " slots"]) -> Placement:
        skin = self.document.record("skins", index)
        nodes = children(skin, "joints")
        inverse = np.tile(np.eye(4), (len(nodes), 1, 1))
        if "inverseBindMatrices" in skin and nodes:
            values = read_floats(self.document, skin["inverseBindMatrices"], 16)
            if len(values) < len(nodes):
                raise ReadError("has fewer inverse bind matrices than joints", place=f"skins[{index}]")
            inverse = values[: len(nodes)].reshape(-1, 4, 4).swapaxes(1, 2).copy()
            inverse[:, 3] = (0.0, 0.0, 0.0, 1.0)
        if not nodes:
            raise ReadError("has no joints", place=f"skins[{index}]")
        for node in nodes:
            check_index(node, len(self.hierarchy.local), "nodes")
        rows = [self.rows[node] for node in nodes]
        moving = [slot for slot in used if slot < len(nodes)]
        first = min(moving, key=lambda slot: rows[slot], default=0)
        world = self.hierarchy.world[nodes[first]] @ inverse[first]
        return self.placed(rows, self.gauge[rows] @ inverse, world, True)

    def placed(
        self, rows: list[int], inverse: Float[np.ndarray, "binds 4 4"], world: Float[np.ndarray, "4 4"], skinned: bool
    ) -> Placement:
        """Divide the way to the world out of the inverse binds, unless it collapses the mesh."""
        size = np.abs(world[:3, :3]).max()
        if not np.isfinite(world).all() or abs(np.linalg.det(world[:3, :3])) < 1e-9 * size**3:
            world = np.eye(4)
        inverse = inverse @ inverse_affine(world)
        binds = [self.binds.row(row, matrix) for row, matrix in zip(rows, inverse, strict=True)]
        return Placement(world, np.array(binds), skinned)

    def merge(self) -> Mesh:
        vertices = [part for part, _ in self.parts]
        counts = [len(part.positions) for part in vertices]
        indices, weights = merge_influences(self.parts)
        # Binds that move nothing may stand anywhere, and mislead those who write them.
        used = np.unique(indices[weights > 0])
        indices = np.where(weights > 0, np.searchsorted(used, indices), 0).astype(np.int32)
        return Mesh(
            vertices=np.concatenate([part.positions for part in vertices]),
            faces=np.concatenate(self.faces),
            skin_indices=indices,
            skin_weights=weights,
            bind_joints=np.array(self.binds.joints)[used],
            inverse_binds=np.array(self.binds.matrices)[used],
            normals=merge_optional([part.normals for part in vertices], counts, (0.0, 1.0, 0.0)),
            uvs=merge_optional([part.uvs for part in vertices], counts, (0.0, 0.0)),
            colours=merge_optional([part.colours for part in vertices], counts, (1.0, 1.0, 1.0, 1.0)),
            face_materials=np.concatenate(self.face_materials) if self.materials.found else None,
            materials=tuple(self.materials.found),
        )


def used_slots(vertices: Vertices) -> Int[np.ndarray, " slots"] | None:
    """Joints of the skin that have any weight."""
    if vertices.skin_indices is None:
        return None
    weights = np.ones(vertices.skin_indices.shape) if vertices.skin_weights is None else vertices.skin_weights
    return np.unique(vertices.skin_indices[weights > 0]).astype(np.int64)


def moved(vertices: Vertices, matrix: Float[np.ndarray, "4 4"]) -> Vertices:
    """Points and normals through an affine matrix."""
    points = (vertices.positions @ matrix[:3, :3].T + matrix[:3, 3]).astype(np.float32)
    normals = vertices.normals
    if normals is not None:
        turned = normals @ np.linalg.inv(matrix[:3, :3])
        lengths = np.linalg.norm(turned, axis=1, keepdims=True)
        normals = (turned / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)
    return Vertices(points, normals, vertices.uvs, vertices.colours, vertices.skin_indices, vertices.skin_weights)


def merge_influences(
    parts: list[tuple[Vertices, Int[np.ndarray, "vertices influences"]]],
) -> tuple[Int[np.ndarray, "vertices influences"], Float[np.ndarray, "vertices influences"]]:
    """Pad to one width; columns that no vertex uses are left out."""
    total = sum(len(binds) for _, binds in parts)
    width = max(binds.shape[1] for _, binds in parts)
    indices, weights = np.zeros((total, width), np.int32), np.zeros((total, width), np.float32)
    start = 0
    for vertices, binds in parts:
        stop, columns = start + len(binds), binds.shape[1]
        indices[start:stop, :columns] = binds
        weights[start:stop, :columns] = vertices.skin_weights
        start = stop
    order = np.argsort(-weights, axis=1, kind="stable")
    weights = np.take_along_axis(weights, order, axis=1)
    indices = np.where(weights > 0, np.take_along_axis(indices, order, axis=1), 0)
    used = max(1, int((weights > 0).any(axis=0).sum()))
    return indices[:, :used].copy(), weights[:, :used].copy()


def merge_optional(values: list[np.ndarray | None], counts: list[int], default: tuple[float, ...]) -> np.ndarray | None:
    """Concatenate what some parts have, defaults for the others; None where nobody has it."""
    if all(value is None for value in values):
        return None
    return np.concatenate(
        [
            np.tile(np.array(default), (count, 1)) if value is None else value
            for value, count in zip(values, counts, strict=True)
        ]
    ).astype(np.float32)


def gauge_matrices(gauge: Float[np.ndarray, "joints 3 3"]) -> Float[np.ndarray, "joints 4 4"]:
    full = np.tile(np.eye(4), (len(gauge), 1, 1))
    full[:, :3, :3] = gauge
    return full
