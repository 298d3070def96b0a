"""Polygons with attributes per corner to one triangle mesh with attributes per vertex and exact binds."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from mocapcli.kinematics import inverse_affine
from mocapcli.types import Material, Mesh, sanitise_weights

INFLUENCES = 8  # the strongest are kept
WIDEST_SEARCH = 32  # corners; polygons with more are cut from their first corner
ATTRIBUTES = {"normals": (0.0, 0.0, 1.0), "uvs": (0.0, 0.0), "colours": (1.0, 1.0, 1.0, 1.0)}

Raw = dict[str, np.ndarray]


@dataclass(frozen=True)
class Placement:
    """Where joints are: unit frames at rest, the gauge taken out of them, and the file's default pose."""

    rest: Float[np.ndarray, "joints 4 4"]
    gauge: Float[np.ndarray, "joints 3 3"]
    default: Float[np.ndarray, "joints 4 4"]

    def from_file(self, joint: int) -> Float[np.ndarray, "4 4"]:
        """The world of the default pose as seen from the joint (the world itself for -1)."""
        return np.eye(4) if joint < 0 else self.with_gauge(joint) @ inverse_affine(self.default[joint])

    def with_gauge(self, joint: int) -> Float[np.ndarray, "4 4"]:
        out = np.eye(4)
        out[:3, :3] = self.gauge[joint]
        return out

    def at_rest(self, joint: int) -> Float[np.ndarray, "4 4"]:
        return np.eye(4) if joint < 0 else self.rest[joint]


@dataclass(frozen=True)
class Part:
    """One mesh of the file, ready to be joined with others."""

    vertices: Float[np.ndarray, "vertices 3"]
    faces: Int[np.ndarray, "faces 3"]
    face_materials: Int[np.ndarray, " faces"]
    attributes: dict[str, np.ndarray]
    skin_indices: Int[np.ndarray, "vertices influences"]
    skin_weights: Float[np.ndarray, "vertices influences"]
    bind_joints: Int[np.ndarray, " binds"]
    inverse_binds: Float[np.ndarray, "binds 4 4"]


def build_mesh(raw: Raw, count: int, placement: Placement, materials: tuple[Material, ...]) -> Mesh | None:
    """All meshes as one, their vertices where the rest pose puts them."""
    parts = []
    for position in range(count):
        prefix = f"mesh{position}_"
        part = _build_part({k.removeprefix(prefix): v for k, v in raw.items() if k.startswith(prefix)}, placement)
        if len(part.faces):
            parts.append(part)
    return _join(parts, materials) if parts else None


def _build_part(raw: Raw, placement: Placement) -> Part:
    triangles, polygons = triangulate(raw["vertices"], raw["corners"], raw["face_starts"], raw["face_sizes"])
    attributes = {name: raw[name] for name in ATTRIBUTES if name in raw}
    first, corner_to_vertex = weld(raw["corners"], attributes)
    source = raw["corners"][first]  # the file's vertex behind each of ours
    bind_joints, matrices = _binds(raw, placement)
    space = _common_space(raw, placement, bind_joints, matrices)
    indices, weights = _influences(raw, len(raw["vertices"]), len(bind_joints) - 1)
    attributes = {name: values[first].astype(np.float64) for name, values in attributes.items()}
    faces = corner_to_vertex[triangles]
    if np.linalg.det(space[:3, :3]) < 0:  # a mirror turns faces inside out
        faces = faces[:, ::-1]
    return Part(
        raw["vertices"][source] @ space[:3, :3].T + space[:3, 3],
        faces,
        raw["face_materials"][polygons],
        _convert(attributes, space),
        indices[source],
        weights[source],
        bind_joints,
        matrices @ inverse_affine(space),
    )


def _binds(raw: Raw, placement: Placement) -> tuple[Int[np.ndarray, " binds"], Float[np.ndarray, "binds 4 4"]]:
    """The skin's binds, then one for vertices that no cluster names: they follow the node that carries the mesh."""
    carrier = int(raw["carrier"])
    rigid = (placement.from_file(carrier) @ raw["geometry_to_world"])[None]
    if "bind_joints" not in raw:
        return np.array([carrier]), rigid
    skinned = [
        placement.with_gauge(joint) @ matrix
        for joint, matrix in zip(raw["bind_joints"], raw["geometry_to_bone"], strict=True)
    ]
    return np.append(raw["bind_joints"], carrier), np.concatenate([skinned, rigid])


def _common_space(
    raw: Raw, placement: Placement, bind_joints: Int[np.ndarray, " binds"], matrices: Float[np.ndarray, "binds 4 4"]
) -> Float[np.ndarray, "4 4"]:
    """From the mesh's own space to the world of the rest pose: there all meshes are of one size."""
    space = placement.at_rest(int(bind_joints[0])) @ matrices[0]
    return space if np.linalg.cond(space[:3, :3]) < 1e6 else np.eye(4)


def _influences(
    raw: Raw, vertices: int, fallback: int
) -> tuple[Int[np.ndarray, "vertices influences"], Float[np.ndarray, "vertices influences"]]:
    """The strongest binds of each vertex; `fallback` where it has none."""
    if "bind_joints" not in raw:
        return np.zeros((vertices, 1), np.int64), np.ones((vertices, 1))
    usable = np.isfinite(raw["skin_weights"]) & (raw["skin_weights"] > 0) & (raw["skin_vertices"] < vertices)
    vertex, bind, weight = (raw[name][usable] for name in ("skin_vertices", "skin_binds", "skin_weights"))
    order = np.lexsort((-weight, vertex))
    vertex, bind, weight = vertex[order], bind[order], weight[order]
    rank = np.arange(len(vertex)) - np.searchsorted(vertex, vertex)
    kept = rank < INFLUENCES
    width = int(rank[kept].max(initial=0)) + 1
    indices, weights = np.full((vertices, width), fallback), np.zeros((vertices, width))
    indices[vertex[kept], rank[kept]], weights[vertex[kept], rank[kept]] = bind[kept], weight[kept]
    return indices, weights


def triangulate(
    vertices: Float[np.ndarray, "vertices 3"],
    corners: Int[np.ndarray, " corners"],
    starts: Int[np.ndarray, " polygons"],
    sizes: Int[np.ndarray, " polygons"],
) -> tuple[Int[np.ndarray, "faces 3"], Int[np.ndarray, " faces"]]:
    """Fans of corner numbers, and the polygon each came from. The fan starts where no triangle is turned over."""
    sizes = np.where((starts >= 0) & (starts + sizes <= len(corners)), sizes, 0)
    triangles, polygons = [np.zeros((0, 3), np.int64)], [np.zeros(0, np.int64)]
    for size in np.unique(sizes[sizes >= 3]):
        chosen = np.flatnonzero(sizes == size)
        loops = starts[chosen, None] + np.arange(size)
        loops = _turned(loops, vertices[corners[loops]]) if 3 < size <= WIDEST_SEARCH else loops
        fans = np.stack([np.broadcast_to(loops[:, :1], loops[:, 2:].shape), loops[:, 1:-1], loops[:, 2:]], axis=-1)
        triangles.append(fans.reshape(-1, 3))
        polygons.append(np.repeat(chosen, size - 2))
    return np.concatenate(triangles), np.concatenate(polygons)


def _turned(
    loops: Int[np.ndarray, "polygons size"], points: Float[np.ndarray, "polygons size 3"]
) -> Int[np.ndarray, "polygons size"]:
    """Each loop rolled to the start whose fan has the least inverted worst triangle."""
    size = loops.shape[1]
    normal = np.cross(points, np.roll(points, -1, axis=1)).sum(axis=1)
    worst = np.empty(loops.shape)
    for start in range(size):
        spokes = np.roll(points, -start, axis=1)
        spokes = spokes[:, 1:] - spokes[:, :1]
        areas = np.cross(spokes[:, :-1], spokes[:, 1:]) @ normal[:, :, None]
        worst[:, start] = areas[..., 0].min(axis=1)
    least = 1e-6 * np.abs(worst).max(axis=1, keepdims=True)
    best = np.where(worst[:, :1] >= -least, 0, worst.argmax(axis=1)[:, None])  # the first corner if it will do
    return np.take_along_axis(loops, (best + np.arange(size)) % size, axis=1)


def weld(
    corners: Int[np.ndarray, " corners"], attributes: dict[str, np.ndarray]
) -> tuple[Int[np.ndarray, " vertices"], Int[np.ndarray, " corners"]]:
    """Corners alike in every respect become one vertex: a corner for each vertex, and the vertex of each corner."""
    columns = [corners[:, None].astype(np.int64).view(np.uint8).reshape(len(corners), -1)]
    for values in attributes.values():
        plain = np.ascontiguousarray(values + np.float32(0))  # -0 becomes 0
        columns.append(plain.view(np.uint8).reshape(len(corners), -1))
    rows = np.ascontiguousarray(np.concatenate(columns, axis=1))
    keys = rows.view(np.dtype((np.void, rows.shape[1]))).reshape(-1)
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(first)  # vertices in the order the file mentions them
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return first[order], rank[inverse.reshape(-1)]


def _convert(attributes: dict[str, np.ndarray], space: Float[np.ndarray, "4 4"]) -> dict[str, np.ndarray]:
    """From FBX's habits to ours: normals into the common space, v from the top, colours linear."""
    out = dict(attributes)
    if "normals" in out:
        turned = out["normals"] @ np.linalg.inv(space[:3, :3])
        lengths = np.linalg.norm(turned, axis=1, keepdims=True)
        out["normals"] = np.where(lengths > 1e-20, turned / np.maximum(lengths, 1e-20), ATTRIBUTES["normals"])
    if "uvs" in out:
        out["uvs"] = out["uvs"] * [1.0, -1.0] + [0.0, 1.0]
    if "colours" in out:
        out["colours"] = np.c_[srgb_to_linear(out["colours"][:, :3]), np.clip(out["colours"][:, 3:], 0, 1)]
    return out


def srgb_to_linear(colour: Float[np.ndarray, "*batch"]) -> Float[np.ndarray, "*batch"]:
    colour = np.clip(colour, 0.0, 1.0)
    return np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(colour: Float[np.ndarray, "*batch"]) -> Float[np.ndarray, "*batch"]:
    colour = np.clip(colour, 0.0, 1.0)
    return np.where(colour <= 0.0031308, colour * 12.92, 1.055 * np.maximum(colour, 1e-12) ** (1 / 2.4) - 0.055)


def _join(parts: list[Part], materials: tuple[Material, ...]) -> Mesh:
    vertex_starts = np.cumsum([0, *(len(part.vertices) for part in parts)])
    bind_starts = np.cumsum([0, *(len(part.bind_joints) for part in parts)])
    width = max(part.skin_indices.shape[1] for part in parts)

    def padded(values: np.ndarray, filler: np.ndarray) -> np.ndarray:
        return np.concatenate([values, np.repeat(filler, width - values.shape[1], axis=1)], axis=1)

    indices = [padded(p.skin_indices, p.skin_indices[:, :1]) + s for p, s in zip(parts, bind_starts, strict=False)]
    weights = [padded(part.skin_weights, np.zeros((len(part.vertices), 1))) for part in parts]
    bind_joints = np.concatenate([part.bind_joints for part in parts])
    inverse_binds = np.concatenate([part.inverse_binds for part in parts])
    skin_indices, skin_weights = sanitise_weights(np.concatenate(indices), np.concatenate(weights))
    used, skin_indices = np.unique(skin_indices, return_inverse=True)
    attributes = {name: _joined(parts, name) for name in ATTRIBUTES}
    return Mesh(
        np.concatenate([part.vertices for part in parts]),
        np.concatenate([part.faces + start for part, start in zip(parts, vertex_starts, strict=False)]),
        skin_indices.reshape(skin_weights.shape),
        skin_weights,
        bind_joints[used],
        inverse_binds[used],
        **attributes,
        face_materials=np.concatenate([part.face_materials for part in parts]) if materials else None,
        materials=materials,
    )


def _joined(parts: list[Part], name: str) -> np.ndarray | None:
    """An attribute over all parts; those without it get a neutral value."""
    if not any(name in part.attributes for part in parts):
        return None
    neutral = np.array(ATTRIBUTES[name])
    filled = [part.attributes.get(name, np.broadcast_to(neutral, (len(part.vertices), len(neutral)))) for part in parts]
    return np.concatenate(filled)
