"""Every mesh of the stage as one, placed in the world's rest pose and bound to joints."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from pxr import Usd, UsdGeom, UsdShade, UsdSkel

from mocapcli.errors import ReadError
from mocapcli.kinematics import inverse_affine
from mocapcli.types import Material, Mesh, sanitise_weights
from mocapcli_usd.corners import Corners, split_corners
from mocapcli_usd.shading import Materials
from mocapcli_usd.skeletons import SkeletonSource, traverse
from mocapcli_usd.stage import columns

LIMIT = 10_000_000
FIRST = Usd.TimeCode.EarliestTime()


@dataclass(frozen=True)
class Part:
    """One mesh prim; its skin indices count its own binds."""

    corners: Corners
    vertices: Float[np.ndarray, "vertices 3"]
    normals: Float[np.ndarray, "vertices 3"] | None
    indices: Int[np.ndarray, "vertices influences"]
    weights: Float[np.ndarray, "vertices influences"]
    joints: Int[np.ndarray, " binds"]
    inverse_binds: Float[np.ndarray, "binds 4 4"]
    face_materials: Int[np.ndarray, " faces"]


def read_mesh(stage: Any, source: SkeletonSource, path: Path) -> Mesh | None:
    materials = Materials(path)
    parts = []
    for prim in traverse(stage):
        if not prim.IsA(UsdGeom.Mesh) or not _is_seen(prim):
            continue
        skeleton = UsdSkel.BindingAPI(prim).GetInheritedSkeleton()
        if skeleton and skeleton.GetPrim() != source.prim:
            continue  # another character's
        part = _part(prim, source, materials, bool(skeleton))
        if part is not None:
            parts.append(part)
        if sum(len(part.vertices) for part in parts) > LIMIT:
            raise ReadError("the meshes have more vertices than a rig can have")
    return _merged(parts, tuple(materials.found)) if parts else None


def _is_seen(prim: Any) -> bool:
    imageable = UsdGeom.Imageable(prim)
    hidden = imageable.ComputeVisibility(FIRST) == UsdGeom.Tokens.invisible
    return not hidden and imageable.ComputePurpose() in (UsdGeom.Tokens.default_, UsdGeom.Tokens.render)


def _part(prim: Any, source: SkeletonSource, materials: Materials, follows: bool) -> Part | None:
    mesh = UsdGeom.Mesh(prim)
    corners = split_corners(mesh, FIRST)
    if corners is None or not len(corners.faces):
        return None
    skin = _skin(prim, source, len(corners.points)) if follows else None
    if skin is None:
        place = source.correction @ columns(UsdGeom.XformCache(FIRST).GetLocalToWorldTransform(prim))
        count = len(corners.points)
        fixed = (np.zeros((count, 1), np.int64), np.ones((count, 1)), np.array([-1]), np.eye(4)[None])
        indices, weights, joints, inverse_binds = fixed
    else:
        indices, weights, joints, offsets = skin
        geometry = columns(UsdSkel.BindingAPI(prim).GetGeomBindTransformAttr().Get() or np.eye(4))
        place = source.world_at(FIRST) @ geometry
        gauge = np.tile(np.eye(4), (len(joints), 1, 1))
        gauge[:, :3, :3] = source.gauge[joints]
        inverse_binds = gauge @ offsets @ geometry @ inverse_affine(place)
    turned = (np.linalg.det(place[:3, :3]) < 0) != (mesh.GetOrientationAttr().Get() == UsdGeom.Tokens.leftHanded)
    normals = None if corners.normals is None else _unit(corners.normals @ inverse_affine(place)[:3, :3])
    faces = corners.faces[:, ::-1] if turned else corners.faces
    face_materials, colours = _surface(mesh, corners, materials)
    return Part(
        replace(corners, faces=np.ascontiguousarray(faces), colours=colours),
        (corners.points @ place[:3, :3].T + place[:3, 3])[corners.point_of],
        normals,
        indices[corners.point_of],
        weights[corners.point_of],
        joints,
        inverse_binds,
        face_materials,
    )


def _skin(
    prim: Any, source: SkeletonSource, points: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None:
    """Bind indices, weights [points, influences], bound joints and their inverse bind matrices; None: not skinned."""
    binding = UsdSkel.BindingAPI(prim)
    index_primvar, weight_primvar = binding.GetJointIndicesPrimvar(), binding.GetJointWeightsPrimvar()
    if not (index_primvar and weight_primvar):
        return None
    indices = np.array(index_primvar.ComputeFlattened() or [], dtype=np.int64)
    weights = np.array(weight_primvar.ComputeFlattened() or [], dtype=np.float64)
    width = max(int(index_primvar.GetElementSize()), 1)
    if indices.shape != weights.shape or not indices.size or indices.size % width:
        return None
    indices, weights = indices.reshape(-1, width), weights.reshape(-1, width)
    if len(indices) == 1:  # constant: the whole mesh hangs on these joints
        indices, weights = np.repeat(indices, points, axis=0), np.repeat(weights, points, axis=0)
    if len(indices) != points:
        raise ReadError(f"{len(indices)} skin entries for {points} points", place=str(prim.GetPath()))
    subset = [str(token) for token in binding.GetJointsAttr().Get() or []] or _file_order(source)
    known = {path: joint for joint, path in enumerate(source.paths)}
    joints = np.array([known.get(token, -1) for token in subset], dtype=np.int64)
    usable = (indices >= 0) & (indices < len(joints))
    usable &= joints[np.where(usable, indices, 0)] >= 0
    if not usable.any():
        return None
    weights = np.where(usable, weights, 0.0)
    indices = np.where(usable, joints[np.where(usable, indices, 0)], int(joints[indices[usable][0]]))
    indices, weights = sanitise_weights(indices, weights)
    used, compact = np.unique(indices, return_inverse=True)
    return compact.reshape(indices.shape), weights, used, inverse_affine(source.bind_world[used])


def _file_order(source: SkeletonSource) -> list[str]:
    return [str(token) for token in UsdSkel.Skeleton(source.prim).GetJointsAttr().Get()]


def _surface(mesh: Any, corners: Corners, materials: Materials) -> tuple[np.ndarray, np.ndarray | None]:
    """Material of each triangle, and vertex colours where no material decides."""
    double_sided = bool(mesh.GetDoubleSidedAttr().Get())
    whole = materials.bound_to(mesh.GetPrim(), double_sided)
    by_face = np.full(corners.polygons, whole, dtype=np.int64)
    for subset in UsdShade.MaterialBindingAPI(mesh).GetMaterialBindSubsets():
        chosen = np.array(subset.GetIndicesAttr().Get() or [], dtype=np.int64)
        by_face[chosen[(chosen >= 0) & (chosen < corners.polygons)]] = materials.bound_to(
            subset.GetPrim(), double_sided
        )
    face_materials = by_face[corners.polygon_of]
    colours = corners.colours
    if colours is None or (face_materials >= 0).any():
        return face_materials, None
    if (colours == colours[0]).all():
        red, green, blue, alpha = np.clip(colours[0], 0.0, 1.0).tolist()
        mode = Material(str(mesh.GetPrim().GetName()), (red, green, blue, alpha), double_sided=double_sided)
        return np.full_like(face_materials, materials.add(mode)), None
    return face_materials, colours


def _merged(parts: list[Part], materials: tuple[Material, ...]) -> Mesh:
    width = max(part.indices.shape[1] for part in parts)
    vertex, bind = 0, 0
    faces, indices = [], []
    for part in parts:
        faces.append(part.corners.faces + vertex)
        indices.append(_widened(part.indices, width) + bind)
        vertex, bind = vertex + len(part.vertices), bind + len(part.joints)
    return Mesh(
        np.concatenate([part.vertices for part in parts]),
        np.concatenate(faces),
        np.concatenate(indices),
        np.concatenate([_widened(part.weights, width) for part in parts]),
        np.concatenate([part.joints for part in parts]),
        np.concatenate([part.inverse_binds for part in parts]),
        _filled(parts, [part.normals for part in parts], None),
        _filled(parts, [part.corners.uvs for part in parts], np.zeros(2)),
        _filled(parts, [part.corners.colours for part in parts], np.ones(4)),
        np.concatenate([part.face_materials for part in parts]),
        materials,
    )


def _filled(parts: list[Part], values: list[np.ndarray | None], default: np.ndarray | None) -> np.ndarray | None:
    """One array of what some parts have and others lack; None where none has it (or it has no default)."""
    given = [value for value in values if value is not None]
    if not given or (default is None and len(given) < len(values)):
        return None
    blank = np.zeros(0) if default is None else default
    return np.concatenate(
        [np.tile(blank, (len(p.vertices), 1)) if v is None else v for p, v in zip(parts, values, strict=True)]
    )


def _widened(values: np.ndarray, width: int) -> np.ndarray:
    return np.pad(values, ((0, 0), (0, width - values.shape[1])))


def _unit(vectors: Float[np.ndarray, "vertices 3"]) -> Float[np.ndarray, "vertices 3"]:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12))
