"""Linear blend skinning of a whole clip as one sparse matrix product.

Vertex v at frame t is sum_k w[v, k] · M[t, b[v, k]] · (v, 1): with `W` holding w · (v, 1) in the four columns of
each bind (vertices × 4 binds, a few entries a row), all frames are W @ M, M being 4 binds × 3 frames.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import sparse

from mocapcli.types import Mesh

Points = Float[np.ndarray, "frames vertices 3"]
Normals = Float[np.ndarray, "frames _ 3"]  # as many as vertices, or none


@dataclass(frozen=True, eq=False)
class Skin:
    """What moves a mesh, ready for many frames."""

    points: sparse.csr_array
    normals: sparse.csr_array | None
    bind_joints: np.ndarray
    inverse_binds: np.ndarray

    @property
    def vertices(self) -> int:
        return int(self.points.shape[0])


def make_skin(mesh: Mesh) -> Skin:
    homogeneous = np.concatenate([mesh.vertices, np.ones((len(mesh.vertices), 1), np.float32)], axis=1)
    normals = None if mesh.normals is None else _weighted(mesh, mesh.normals)
    return Skin(_weighted(mesh, homogeneous), normals, mesh.bind_joints, mesh.inverse_binds)


def bind_matrices(skin: Skin, world: Float[np.ndarray, "frames joints 4 4"]) -> Float[np.ndarray, "frames binds 4 4"]:
    """How each bind moves its vertices; a bind of joint -1 stays where the file put it."""
    fixed = skin.bind_joints < 0
    joints: np.ndarray = world[:, np.where(fixed, 0, skin.bind_joints)]
    if fixed.any():
        joints = joints.copy()
        joints[:, fixed] = np.eye(4)
    moved: np.ndarray = joints @ skin.inverse_binds
    return moved


def skin_points(skin: Skin, world: Float[np.ndarray, "frames joints 4 4"]) -> tuple[Points, Normals]:
    """World vertices and normals (not normalised; no vertices where the mesh has none) of every frame, float32."""
    matrices = bind_matrices(skin, world)
    points = _blend(skin.points, matrices)
    if skin.normals is None:
        return points, np.zeros((len(world), 0, 3), np.float32)
    return points, _blend(skin.normals, matrices[..., :3])


def _blend(weights: sparse.csr_array, matrices: Float[np.ndarray, "frames binds 4 columns"]) -> Points:
    frames, binds, _, columns = matrices.shape
    stacked = matrices[:, :, :3, :].transpose(1, 3, 0, 2).reshape(binds * columns, frames * 3)
    blended = weights @ np.ascontiguousarray(stacked, dtype=np.float32)
    return np.ascontiguousarray(blended.reshape(-1, frames, 3).swapaxes(0, 1))


def _weighted(mesh: Mesh, values: Float[np.ndarray, "vertices columns"]) -> sparse.csr_array:
    """Rows w[v, k] · values[v] in the columns of bind b[v, k]; unused influences are left out."""
    columns = values.shape[1]
    rows, slots = np.nonzero(mesh.skin_weights > 0)
    data = mesh.skin_weights[rows, slots][:, None] * values[rows]
    where = mesh.skin_indices[rows, slots][:, None].astype(np.int64) * columns + np.arange(columns)
    place = (np.repeat(rows, columns), where.ravel())
    shape = (len(mesh.vertices), len(mesh.bind_joints) * columns)
    return sparse.csr_array((data.astype(np.float32).ravel(), place), shape=shape)
