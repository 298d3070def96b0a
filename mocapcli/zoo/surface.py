"""Implicit flesh to triangles: a smooth union of tapered capsules, polygonised by surface nets."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse
from scipy.ndimage import map_coordinates

from mocapcli.zoo.plan import Number

FAR = 1e3
MOST_NODES = 1_500_000
Vertices = Float[np.ndarray, "vertices 3"]
Faces = Int[np.ndarray, "faces 3"]


@dataclass(frozen=True, eq=False)
class Capsule:
    """A tapered capsule, stretched by `scale` about its start, blended over `blend` metres."""

    start: Float[np.ndarray, " 3"]
    end: Float[np.ndarray, " 3"]
    radii: tuple[Number, Number]
    scale: Float[np.ndarray, " 3"]
    blend: Number

    def distance(self, points: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch"]:
        """Signed distance, exact only where the scale is one."""
        local = (points - self.start) / self.scale
        axis = (self.end - self.start) / self.scale
        along = np.clip(local @ axis / max(float(axis @ axis), 1e-12), 0.0, 1.0)
        radius = self.radii[0] + along * (self.radii[1] - self.radii[0])
        gap = np.linalg.norm(local - along[..., None] * axis, axis=-1) - radius
        return np.asarray(gap * self.scale.min())

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        reach = max(self.radii) * self.scale
        return np.minimum(self.start, self.end) - reach, np.maximum(self.start, self.end) + reach

    def area(self) -> float:
        length = float(np.linalg.norm(self.end - self.start))
        mean = sum(self.radii) / 2 * float(self.scale.mean())
        return 2 * np.pi * mean * length + np.pi * mean * mean


def polygonise(capsules: list[Capsule], triangles: int) -> tuple[Vertices, Faces]:
    """A closed surface of about that many triangles."""
    bulk = np.prod(
        np.max([c.bounds()[1] for c in capsules], axis=0) - np.min([c.bounds()[0] for c in capsules], axis=0)
    )
    least = float(bulk / MOST_NODES) ** (1 / 3)  # bounds the memory that a sprawling creature takes
    cell = max(float(np.sqrt(2.4 * sum(c.area() for c in capsules) / triangles)), least)
    low, values = _field(capsules, cell)
    found = 2 * crossings(values)
    if not 0.8 < found / triangles < 1.25:  # overlaps and stretching fool the estimate
        cell = max(cell * float(np.sqrt(found / triangles)), least)
        low, values = _field(capsules, cell)
    vertices, faces = surface_nets(values)
    vertices = relax(vertices, faces, values)
    return low + vertices * cell, faces


def crossings(values: Float[np.ndarray, "x y z"]) -> int:
    """How many edges of the grid cross the surface."""
    inside = values < 0
    return int(sum(np.count_nonzero(np.diff(inside, axis=axis)) for axis in range(3)))


def _field(capsules: list[Capsule], cell: float) -> tuple[Float[np.ndarray, " 3"], Float[np.ndarray, "x y z"]]:
    """The grid's origin and its distances in metres, cut off at three cells, free of ambiguous faces."""
    low = np.min([c.bounds()[0] for c in capsules], axis=0) - 3 * cell
    high = np.max([c.bounds()[1] for c in capsules], axis=0) + 3 * cell
    shape = np.ceil((high - low) / cell).astype(int) + 1
    values = np.full(tuple(shape), FAR)
    for capsule in capsules:
        _add(values, capsule, low, cell)
    inside = fill_checkerboards(values < 0)
    values = np.clip(values, -3 * cell, 3 * cell)
    return low, np.where(inside, np.minimum(values, -0.05 * cell), np.maximum(values, 0.02 * cell))


def _add(values: Float[np.ndarray, "x y z"], capsule: Capsule, low: Float[np.ndarray, " 3"], cell: Number) -> None:
    """Union one capsule into the field, only where it can matter; limbs thinner than a cell are fattened to it."""
    radii = (max(capsule.radii[0], 0.85 * cell), max(capsule.radii[1], 0.85 * cell))
    scale = np.maximum(capsule.scale, min(0.85 * cell / max(radii), 1.0))
    capsule = Capsule(capsule.start, capsule.end, radii, scale, max(capsule.blend, 0.3 * cell))
    first, last = capsule.bounds()
    margin = capsule.blend + 1.8 * cell
    start = np.maximum(np.floor((first - margin - low) / cell).astype(int), 0)
    stop = np.minimum(np.ceil((last + margin - low) / cell).astype(int) + 1, values.shape)
    axes = [low[i] + cell * np.arange(start[i], stop[i]) for i in range(3)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    box = tuple(slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))
    values[box] = smooth_minimum(values[box], capsule.distance(points), capsule.blend)


def smooth_minimum(
    first: Float[np.ndarray, "*batch"], second: Float[np.ndarray, "*batch"], width: Number
) -> Float[np.ndarray, "*batch"]:
    """The smaller of two distances with a fillet of that width where they cross."""
    overlap = np.maximum(width - np.abs(first - second), 0.0) / width
    return np.asarray(np.minimum(first, second) - overlap * overlap * (width / 4))


def fill_checkerboards(inside: Bool[np.ndarray, "x y z"]) -> Bool[np.ndarray, "x y z"]:
    """Nodes filled until no face of the grid has its two diagonals on different sides.

    Exactly those faces would give an edge shared by four triangles; filling only grows, so it ends.
    """
    inside = inside.copy()
    while True:
        changed = False
        for axis in range(3):
            view = np.moveaxis(inside, axis, 0)
            a, b, c, d = view[:, :-1, :-1], view[:, 1:, :-1], view[:, :-1, 1:], view[:, 1:, 1:]
            falling, rising = a & d & ~b & ~c, b & c & ~a & ~d
            if falling.any() or rising.any():
                changed = True
                b |= falling
                a |= rising
        if not changed:
            return inside


def surface_nets(values: Float[np.ndarray, "x y z"]) -> tuple[Vertices, Faces]:
    """One vertex per cell that the surface crosses, one quad per crossed grid edge; grid units."""
    cells = np.array(values.shape) - 1
    strides = np.array([cells[1] * cells[2], cells[2], 1])
    sums, counts = np.zeros((int(np.prod(cells)), 3)), np.zeros(int(np.prod(cells)))
    quads = []
    for axis in range(3):
        ahead = np.moveaxis(values, axis, 0)
        nodes = np.argwhere(np.moveaxis((ahead[:-1] < 0) != (ahead[1:] < 0), 0, axis))
        step = np.eye(3, dtype=int)[axis]
        first, second = values[tuple(nodes.T)], values[tuple((nodes + step).T)]
        crossing = nodes + (first / (first - second))[:, None] * step
        u, v = np.eye(3, dtype=int)[(axis + 1) % 3], np.eye(3, dtype=int)[(axis + 2) % 3]
        corners = np.stack([(nodes - o) @ strides for o in (u + v, v, 0 * u, u)], axis=1)
        for corner in corners.T:
            np.add.at(sums, corner, crossing)
            np.add.at(counts, corner, 1.0)
        quads.append(np.where((first < 0)[:, None], corners, corners[:, ::-1]))
    quad = np.concatenate(quads)
    used, quad = np.unique(quad, return_inverse=True)
    quad = quad.reshape(-1, 4)
    faces = np.concatenate([quad[:, [0, 1, 2]], quad[:, [0, 2, 3]]])
    return sums[used] / counts[used, None], faces


def relax(vertices: Vertices, faces: Faces, values: Float[np.ndarray, "x y z"]) -> Vertices:
    """Even out the stair steps, then pull back onto the surface."""
    average = averaging(len(vertices), faces)
    gradients = np.gradient(values)
    for _ in range(4):
        vertices = vertices + 0.6 * (average @ vertices - vertices)
        gap = map_coordinates(values, vertices.T, order=1)
        slope = np.stack([map_coordinates(g, vertices.T, order=1) for g in gradients], axis=1)
        square = np.maximum(np.sum(slope * slope, axis=1), 1e-12)
        move = -slope * (gap / square)[:, None]
        length = np.maximum(np.linalg.norm(move, axis=1, keepdims=True), 1e-12)
        vertices = vertices + move * np.minimum(1.0, 0.5 / length)
    return vertices


def averaging(count: int, faces: Faces) -> sparse.csr_matrix:
    """The matrix that replaces each vertex's value by the mean of its neighbours'."""
    rows = faces[:, [0, 1, 2, 1, 2, 0]].ravel()
    columns = faces[:, [1, 2, 0, 0, 1, 2]].ravel()
    matrix = sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(count, count))
    matrix.data[:] = 1.0
    degree = np.maximum(np.asarray(matrix.sum(axis=1)).ravel(), 1.0)
    return sparse.csr_matrix(sparse.diags(1.0 / degree) @ matrix)
