"""All of a scene's meshes as one, placed in the world's rest pose and bound to joints."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from mocapcli.errors import ReadError
from mocapcli.kinematics import inverse_affine, rest_world
from mocapcli.types import Material, Mesh, Skeleton, sanitise_weights
from mocapcli_assimp.scene import LIMIT, Scene, Surface

MOST_INFLUENCES = 8


@dataclass(frozen=True)
class Placement:
    """Where nodes stand at rest and which joints they follow."""

    node_world: Float[np.ndarray, "nodes 4 4"]
    nearest: Int[np.ndarray, " nodes"]  # joint a node hangs on, -1: none
    skeleton: Skeleton
    gauge: Float[np.ndarray, "joints 3 3"]
    joint_of: dict[str, int]


@dataclass(frozen=True)
class Part:
    """One mesh under one node, its binds counted from zero."""

    vertices: Float[np.ndarray, "vertices 3"]
    normals: Float[np.ndarray, "vertices 3"]
    faces: Int[np.ndarray, "faces 3"]
    indices: Int[np.ndarray, "vertices influences"]
    weights: Float[np.ndarray, "vertices influences"]
    joints: list[int]
    inverse_binds: Float[np.ndarray, "binds 4 4"]
    surface: Surface


def merge_surfaces(scene: Scene, placement: Placement, materials: tuple[Material, ...]) -> Mesh | None:
    pairs = [(index, mesh) for index, node in enumerate(scene.nodes) for mesh in node.meshes]
    pairs = [(n, m) for n, m in pairs if m < len(scene.surfaces) and len(scene.surfaces[m].faces)]
    if sum(len(scene.surfaces[mesh].vertices) for _, mesh in pairs) > LIMIT:
        raise ReadError("the meshes repeat to more vertices than a rig can have")
    if not pairs:
        return None
    parts = [_part(scene.surfaces[mesh], node, placement) for node, mesh in pairs]
    width = max(part.indices.shape[1] for part in parts)
    counts = [len(part.vertices) for part in parts]
    first_vertex, first_bind = _starts(counts), _starts([len(part.joints) for part in parts])
    surfaces = [part.surface for part in parts]
    return Mesh(
        np.concatenate([part.vertices for part in parts]),
        np.concatenate([part.faces + start for part, start in zip(parts, first_vertex, strict=True)]),
        np.concatenate([_widened(part.indices, width) + s for part, s in zip(parts, first_bind, strict=True)]),
        np.concatenate([_widened(part.weights, width) for part in parts]),
        np.concatenate([np.array(part.joints, dtype=np.int64) for part in parts]),
        np.concatenate([part.inverse_binds for part in parts]),
        np.concatenate([part.normals for part in parts]) if all(s.normals is not None for s in surfaces) else None,
        _or_default([s.uvs for s in surfaces], counts, np.zeros(2)),
        _or_default([s.colours for s in surfaces], counts, np.ones(4)),
        np.concatenate([np.full(len(s.faces), s.material if s.material < len(materials) else -1) for s in surfaces]),
        materials,
    )


def _part(surface: Surface, node: int, placement: Placement) -> Part:
    place = placement.node_world[node]
    if abs(np.linalg.det(place[:3, :3])) < 1e-18:
        place = np.eye(4)  # a mesh scaled to nothing: leave it where its file put it
    back = inverse_affine(place)
    joints, matrices = [], []
    for bone in surface.bones:
        joint = placement.joint_of.get(bone.name, -1)
        gauge = np.eye(4)
        if joint >= 0:
            gauge[:3, :3] = placement.gauge[joint]
        joints.append(joint)
        matrices.append(gauge @ bone.offset @ back if joint >= 0 else np.eye(4))
    rigid = int(placement.nearest[node])  # vertices no bone names follow the node's own joint
    joints.append(rigid)
    matrices.append(inverse_affine(rest_world(placement.skeleton)[rigid]) if rigid >= 0 else np.eye(4))
    indices, weights = strongest_influences(surface, MOST_INFLUENCES)
    turned = np.linalg.det(place[:3, :3]) < 0
    normals = np.zeros_like(surface.vertices) if surface.normals is None else surface.normals @ back[:3, :3]
    return Part(
        surface.vertices @ place[:3, :3].T + place[:3, 3],
        _unit(normals),
        surface.faces[:, ::-1] if turned else surface.faces,
        indices,
        weights,
        joints,
        np.stack(matrices),
        surface,
    )


def strongest_influences(
    surface: Surface, most: int
) -> tuple[Int[np.ndarray, "vertices influences"], Float[np.ndarray, "vertices influences"]]:
    """Bones and weights by vertex, heaviest first; a vertex without any points past the bones (the rigid bind)."""
    count, rigid = len(surface.vertices), len(surface.bones)
    held = np.zeros(count, dtype=bool)
    for bone in surface.bones:
        held[bone.vertices[bone.weights > 0]] = True
    alone = np.flatnonzero(~held)
    vertex = np.concatenate([alone, *(bone.vertices for bone in surface.bones)])
    bind = np.concatenate(
        [np.full(len(alone), rigid), *(np.full(len(b.vertices), i) for i, b in enumerate(surface.bones))]
    )
    weight = np.concatenate([np.ones(len(alone)), *(bone.weights for bone in surface.bones)])
    weight = np.where(np.isfinite(weight) & (weight > 0), weight, 0.0)
    order = np.lexsort((-weight, vertex))
    vertex, bind, weight = vertex[order], bind[order], weight[order]
    rank = np.arange(len(vertex)) - np.searchsorted(vertex, vertex)
    kept = rank < most
    width = int(rank[kept].max()) + 1
    indices, weights = np.full((count, width), rigid), np.zeros((count, width))
    indices[vertex[kept], rank[kept]], weights[vertex[kept], rank[kept]] = bind[kept], weight[kept]
    return sanitise_weights(indices, weights)


def _unit(vectors: Float[np.ndarray, "vertices 3"]) -> Float[np.ndarray, "vertices 3"]:
    vectors = np.nan_to_num(vectors)
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12))


def _widened(values: np.ndarray, width: int) -> np.ndarray:
    return np.pad(values, ((0, 0), (0, width - values.shape[1])))


def _starts(counts: list[int]) -> list[int]:
    return [0, *np.cumsum(counts).tolist()][:-1]


def _or_default(values: list[np.ndarray | None], counts: list[int], default: np.ndarray) -> np.ndarray | None:
    """One array of what some meshes have and others lack; None where none has it."""
    if all(value is None for value in values):
        return None
    filled = [np.tile(default, (n, 1)) if value is None else value for value, n in zip(values, counts, strict=True)]
    return np.concatenate(filled)
