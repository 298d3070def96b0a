"""Polygons whose corners carry their own texture coordinates, to triangles with one set of values a vertex."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from pxr import Sdf, UsdGeom

from mocapcli.errors import ReadError

LIMIT = 20_000_000


@dataclass(frozen=True)
class Corners:
    points: Float[np.ndarray, "points 3"]  # mesh space
    point_of: Int[np.ndarray, " vertices"]
    faces: Int[np.ndarray, "faces 3"]
    polygon_of: Int[np.ndarray, " faces"]
    polygons: int
    normals: Float[np.ndarray, "vertices 3"] | None
    uvs: Float[np.ndarray, "vertices 2"] | None  # origin top left
    colours: Float[np.ndarray, "vertices 4"] | None


def split_corners(mesh: Any, time: Any) -> Corners | None:
    """The mesh at a time; None where it has no faces."""
    points = np.array(mesh.GetPointsAttr().Get(time) or [], dtype=np.float64).reshape(-1, 3)
    counts = np.array(mesh.GetFaceVertexCountsAttr().Get(time) or [], dtype=np.int64)
    indices = np.array(mesh.GetFaceVertexIndicesAttr().Get(time) or [], dtype=np.int64)
    if not len(points) or not len(counts):
        return None
    place = str(mesh.GetPrim().GetPath())
    if (counts < 0).any() or counts.sum() != len(indices) or len(indices) > LIMIT:
        raise ReadError("face counts and indices disagree", place=place)
    if len(indices) and (indices.min() < 0 or indices.max() >= len(points)):
        raise ReadError("a face names a point that does not exist", place=place)
    polygon = np.repeat(np.arange(len(counts)), counts)
    corner_values = _corner_values(mesh, time, indices, polygon, len(points), len(counts))
    point_of, corner_vertex, values = _unify(indices, corner_values, len(points))
    triangles, polygon_of = fan(counts)
    return Corners(points, point_of, corner_vertex[triangles], polygon_of, len(counts), *values)


def fan(counts: Int[np.ndarray, " polygons"]) -> tuple[Int[np.ndarray, "faces 3"], Int[np.ndarray, " faces"]]:
    """Triangles of polygons as corner numbers, and the polygon each comes from."""
    triangles = np.maximum(counts - 2, 0)
    polygon_of = np.repeat(np.arange(len(counts)), triangles)
    first = (np.cumsum(counts) - counts)[polygon_of]
    step = np.arange(len(polygon_of)) - (np.cumsum(triangles) - triangles)[polygon_of]
    return np.stack([first, first + step + 1, first + step + 2], axis=1), polygon_of


def _corner_values(
    mesh: Any, time: Any, indices: np.ndarray, polygon: np.ndarray, points: int, polygons: int
) -> list[np.ndarray | None]:
    """Normals, texture coordinates and colours of every corner."""

    def spread(values: np.ndarray | None, interpolation: str) -> np.ndarray | None:
        sizes = {"constant": 1, "uniform": polygons, "faceVarying": len(indices)}
        size = sizes.get(interpolation, points)
        if values is None or len(values) != size or not np.isfinite(values).all():
            return None
        if interpolation == "constant":
            return np.repeat(values, len(indices), axis=0)
        if interpolation == "faceVarying":
            return values
        return np.asarray(values[polygon if interpolation == "uniform" else indices])

    normals_primvar = UsdGeom.PrimvarsAPI(mesh).GetPrimvar("normals")
    if normals_primvar and normals_primvar.HasAuthoredValue():
        normals = spread(_flat(normals_primvar, time, 3), normals_primvar.GetInterpolation())
    else:
        given = mesh.GetNormalsAttr().Get(time)
        values = None if given is None else np.array(given, dtype=np.float64).reshape(-1, 3)
        normals = spread(values, mesh.GetNormalsInterpolation())
    uv_primvar = _uv_primvar(mesh)
    uvs = None if uv_primvar is None else spread(_flat(uv_primvar, time, 2), uv_primvar.GetInterpolation())
    if uvs is not None:
        uvs = uvs * [1, -1] + [0, 1]
    colour, opacity = mesh.GetDisplayColorPrimvar(), mesh.GetDisplayOpacityPrimvar()
    rgb = spread(_flat(colour, time, 3), colour.GetInterpolation()) if colour.HasAuthoredValue() else None
    alpha = spread(_flat(opacity, time, 1), opacity.GetInterpolation()) if opacity.HasAuthoredValue() else None
    if rgb is None:
        return [normals, uvs, None]
    return [normals, uvs, np.concatenate([rgb, np.ones((len(rgb), 1)) if alpha is None else alpha], axis=1)]


def _flat(primvar: Any, time: Any, components: int) -> np.ndarray | None:
    values = primvar.ComputeFlattened(time)
    if values is None or not len(values):
        return None
    array = np.array(values, dtype=np.float64)
    return np.reshape(array, (-1, components)) if array.size == len(array) * components else None


def _uv_primvar(mesh: Any) -> Any:
    """`st` by custom, else the first primvar of texture coordinates."""
    primvars = UsdGeom.PrimvarsAPI(mesh).GetPrimvarsWithValues()
    kinds = (Sdf.ValueTypeNames.TexCoord2fArray, Sdf.ValueTypeNames.Float2Array)
    fitting = [primvar for primvar in primvars if primvar.GetTypeName() in kinds]
    return min(fitting, key=lambda p: p.GetPrimvarName() != "st", default=None)


def _unify(
    indices: Int[np.ndarray, " corners"], values: list[np.ndarray | None], points: int
) -> tuple[np.ndarray, np.ndarray, list[np.ndarray | None]]:
    """Corners of one point with equal values become one vertex: (point of vertex, vertex of corner, values)."""
    given = [np.ascontiguousarray(value, dtype=np.float32) for value in values if value is not None]
    rows = np.concatenate([indices.astype(np.float64)[:, None], *given], axis=1)
    keys = np.ascontiguousarray(rows).view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()
    _, first, vertex_of = np.unique(keys, return_index=True, return_inverse=True)
    if len(np.unique(indices)) == len(first):  # one set of values a point: points are the vertices, order kept
        return np.arange(points), indices, [None if v is None else _scattered(v, indices, points) for v in values]
    order = np.argsort(first)  # vertices in the order corners first meet them
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    chosen = first[order]
    return indices[chosen], rank[vertex_of.ravel()], [None if value is None else value[chosen] for value in values]


def _scattered(values: np.ndarray, indices: np.ndarray, points: int) -> np.ndarray:
    out = np.zeros((points, values.shape[1]))
    out[indices] = values
    return out
