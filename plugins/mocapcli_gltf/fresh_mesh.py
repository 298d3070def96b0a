"""The mesh of a new document: split into skins, written as primitives by material."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from mocapcli.types import Mesh
from mocapcli_gltf.builder import ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER, Builder
from mocapcli_gltf.document import Json


@dataclass
class Skin:
    """Joints of one skin; -1 stands for a node that never moves. `number` is its index once written."""

    joints: list[int] = field(default_factory=list)
    inverse_binds: list[Float[np.ndarray, "4 4"]] = field(default_factory=list)
    number: int = -1

    def add(self, joint: int, inverse_bind: Float[np.ndarray, "4 4"]) -> None:
        self.joints.append(joint)
        self.inverse_binds.append(inverse_bind)


@dataclass(frozen=True, eq=False)
class Part:
    """Faces that share a skin, or that stand still in the world (no skin)."""

    faces: Int[np.ndarray, " part_faces"]  # which of the mesh's faces
    skin: Skin | None = None
    rows: Int[np.ndarray, " binds"] | None = None  # place of each bind in the skin


def split_mesh(mesh: Mesh) -> list[Part]:
    """Faces by the skin they need: within a skin, glTF binds a joint in one way only."""
    fixed = (mesh.bind_joints[mesh.skin_indices] < 0) | (mesh.skin_weights <= 0)
    still = fixed.all(axis=1)[mesh.faces].all(axis=1)
    parts = []
    if still.any():
        parts.append(Part(np.flatnonzero(still)))
    groups = bind_groups(mesh, ~still)
    face_group = groups[mesh.skin_indices[mesh.faces[:, 0], 0]]
    for members in merge_groups(mesh, groups, np.unique(face_group[~still])):
        faces = np.flatnonzero(~still & np.isin(face_group, members))
        used = np.flatnonzero(np.isin(groups, members))
        skin, rows = Skin(), np.zeros(len(groups), np.int64)
        for row, bind in enumerate(used):
            rows[bind] = row
            skin.add(int(mesh.bind_joints[bind]), mesh.inverse_binds[bind])
        parts.append(Part(faces, skin, rows))
    return parts


def bind_groups(mesh: Mesh, faces: Bool[np.ndarray, " faces"]) -> Int[np.ndarray, " binds"]:
    """Binds that some face uses together fall in one group. Influences without weight count for nothing."""
    indices = np.where(mesh.skin_weights > 0, mesh.skin_indices, heaviest(mesh)[:, None])
    corners = indices[mesh.faces[faces]].reshape(int(faces.sum()), -1)
    first = np.repeat(corners[:, :1], corners.shape[1], axis=1)
    count = len(mesh.bind_joints)
    links = np.unique(first.ravel() * np.int64(count) + corners.ravel())
    graph = coo_array((np.ones(len(links)), (links // count, links % count)), shape=(count, count))
    labels: np.ndarray = connected_components(graph, directed=False)[1]
    return labels.astype(np.int64)


def heaviest(mesh: Mesh) -> Int[np.ndarray, " vertices"]:
    best = mesh.skin_weights.argmax(axis=1)
    return np.asarray(np.take_along_axis(mesh.skin_indices, best[:, None], axis=1)[:, 0])


def merge_groups(mesh: Mesh, groups: Int[np.ndarray, " binds"], used: Int[np.ndarray, " used"]) -> list[list[int]]:
    """As few skins as a greedy choice gives: groups join as long as no joint would be bound twice."""
    merged: list[tuple[list[int], set[int]]] = []
    for group in used:
        joints = {int(joint) for joint in mesh.bind_joints[groups == group]}
        for members, taken in merged:
            if not taken & joints:
                members.append(int(group))
                taken |= joints
                break
        else:
            merged.append(([int(group)], joints))
    return [members for members, _ in merged]


def add_mesh(builder: Builder, mesh: Mesh, part: Part, name: str, materials: list[int]) -> int:
    faces = mesh.faces[part.faces]
    vertices, corners = np.unique(faces, return_inverse=True)
    corners = corners.reshape(-1, 3)
    attributes = add_attributes(builder, mesh, part, vertices)
    chosen = np.full(len(faces), -1) if mesh.face_materials is None else mesh.face_materials[part.faces]
    kind = "<u2" if len(vertices) < 65535 else "<u4"
    primitives = []
    for material in np.unique(chosen):
        indices = corners[chosen == material].reshape(-1).astype(kind)
        primitive: Json = {"attributes": attributes, "indices": builder.accessor(indices, ELEMENT_ARRAY_BUFFER)}
        if material >= 0:
            primitive["material"] = materials[material]
        primitives.append(primitive)
    return builder.append("meshes", {"name": name, "primitives": primitives})


def add_attributes(builder: Builder, mesh: Mesh, part: Part, vertices: Int[np.ndarray, " used"]) -> dict[str, int]:
    points, normals = mesh.vertices[vertices], None if mesh.normals is None else mesh.normals[vertices]
    if part.skin is None:
        points, normals = stand_still(mesh, vertices, points, normals)
    found = {"POSITION": builder.accessor(points.astype("<f4"), ARRAY_BUFFER, bounds=True)}
    if normals is not None:
        found["NORMAL"] = builder.accessor(unit_normals(normals), ARRAY_BUFFER)
    if mesh.uvs is not None:
        found["TEXCOORD_0"] = builder.accessor(mesh.uvs[vertices].astype("<f4"), ARRAY_BUFFER)
    if mesh.colours is not None:
        colours = np.clip(mesh.colours[vertices], 0.0, 1.0)
        found["COLOR_0"] = builder.accessor(colours.astype("<f4"), ARRAY_BUFFER)
    if part.rows is not None and part.skin is not None:
        found |= add_influences(builder, mesh, part.rows, len(part.skin.joints), vertices)
    return found


def add_influences(
    builder: Builder, mesh: Mesh, rows: Int[np.ndarray, " binds"], joints: int, vertices: Int[np.ndarray, " used"]
) -> dict[str, int]:
    """JOINTS_n and WEIGHTS_n, four influences each."""
    weights = mesh.skin_weights[vertices].astype(np.float64)
    indices = np.where(weights > 0, rows[mesh.skin_indices[vertices]], 0)
    padding = ((0, 0), (0, -weights.shape[1] % 4))
    weights, indices = np.pad(weights, padding), np.pad(indices, padding)
    weights = (weights / weights.sum(axis=1, keepdims=True)).astype("<f4")
    kind = "<u1" if joints <= 256 else "<u2"
    found = {}
    for number in range(weights.shape[1] // 4):
        columns = slice(4 * number, 4 * number + 4)
        found[f"JOINTS_{number}"] = builder.accessor(indices[:, columns].astype(kind), ARRAY_BUFFER)
        found[f"WEIGHTS_{number}"] = builder.accessor(weights[:, columns], ARRAY_BUFFER)
    return found


def stand_still(
    mesh: Mesh,
    vertices: Int[np.ndarray, " used"],
    points: Float[np.ndarray, "used 3"],
    normals: Float[np.ndarray, "used 3"] | None,
) -> tuple[Float[np.ndarray, "used 3"], Float[np.ndarray, "used 3"] | None]:
    """Points and normals in the world, of vertices that no joint moves."""
    matrices = np.einsum("vk,vkij->vij", mesh.skin_weights[vertices], mesh.inverse_binds[mesh.skin_indices[vertices]])
    placed = np.einsum("vij,vj->vi", matrices[:, :3, :3], points) + matrices[:, :3, 3]
    if normals is not None:
        normals = np.einsum("vij,vj->vi", matrices[:, :3, :3], normals)
    return placed, normals


def unit_normals(normals: Float[np.ndarray, "used 3"]) -> Float[np.ndarray, "used 3"]:
    lengths = np.linalg.norm(normals.astype(np.float64), axis=1, keepdims=True)
    upright = np.array((0.0, 1.0, 0.0))
    return np.where(lengths > 1e-12, normals / np.where(lengths > 1e-12, lengths, 1.0), upright).astype("<f4")
