"""Where the turned rig stands: as large in the picture as it is seen.

Stage 1 tells a distance, but joints' places in the picture are the surest thing it says, and bones have the lengths
they have. With the rotations known, the place at which the rig projects onto them is three numbers a frame.
"""

import numpy as np
from jaxtyping import Bool, Float, Int

DOUBT = 0.1  # of the distance: how far off stage 1's may be
HELD = 1e-3  # the same, once the distance is settled
ROUNDS = 4
RUN = 512  # frames worked on at a time
Points = Float[np.ndarray, "frames joints 3"]


def fit_to_view(
    placed: Points,
    rays: Points,
    noise: Float[np.ndarray, "frames joints"],
    roots: Int[np.ndarray, " joints"],
    counted: Bool[np.ndarray, " joints"],
    seen: Bool[np.ndarray, " frames"],
) -> Points:
    """Every root's joints moved together, so that they lie on the rays they are seen on; the camera is the origin.

    `roots`: each joint's. `noise`: expected deviation of a joint, in the unit of `placed`. All
    distances of a clip change by one factor: how they go up and down stage 1 knows better than turned bones tell.
    """
    out = placed.copy()
    for root in np.unique(roots):
        mine = roots == root
        judged = mine & counted if (mine & counted).any() else mine
        points, weights = placed[:, judged], 1 / noise[:, judged] ** 2
        centre = (points * weights[..., None]).sum(axis=1) / weights.sum(axis=1, keepdims=True)
        weights = weights * seen[:, None]
        distance = np.linalg.norm(centre, axis=-1)
        ahead = centre / np.maximum(distance, 1e-9)[:, None]
        nothing = np.zeros(len(points))
        rough = _shift(points, rays[:, judged], weights, ahead, nothing, DOUBT * distance)
        ratio = np.maximum(1 + (rough * ahead).sum(axis=-1) / np.maximum(distance, 1e-9), 0.2)
        farther = distance * (float(np.median(ratio[seen])) - 1 if seen.any() else 0.0)
        settled = _shift(points, rays[:, judged], weights, ahead, farther, HELD * distance)
        out[:, mine] += np.where(seen[:, None], settled, farther[:, None] * ahead)[:, None]
    return out


def _shift(
    points: Points,
    rays: Points,
    weights: Float[np.ndarray, "frames joints"],
    ahead: Float[np.ndarray, "frames 3"],
    expected: Float[np.ndarray, " frames"],
    doubt: Float[np.ndarray, " frames"],
) -> Float[np.ndarray, "frames 3"]:
    """The shift that brings the points nearest to their rays in the picture (Gauss-Newton).

    Along `ahead` it is expected to be so far, give or take a doubt.
    """
    if len(points) > RUN:  # derivatives of every joint of every frame are large
        parts = [slice(first, first + RUN) for first in range(0, len(points), RUN)]
        values = (points, rays, weights, ahead, expected, doubt)
        return np.concatenate([_shift(*(value[part] for value in values)) for part in parts])
    axes = _axes(ahead)
    local, seen = points @ axes.swapaxes(-1, -2), rays @ axes.swapaxes(-1, -2)
    goal = seen[..., :2] / np.maximum(seen[..., 2:], 1e-3)
    pull = 1 / np.maximum(doubt, 1e-9) ** 2
    angular = weights * (local[..., 2].mean(axis=1) ** 2)[:, None]
    shift = np.zeros((len(points), 3))
    for _ in range(ROUNDS):
        moved = local + shift[:, None]
        depth = np.maximum(moved[..., 2:], 1e-3)
        flat = moved[..., :2] / depth
        slopes = np.concatenate([np.eye(2) / depth[..., None], -(flat / depth)[..., None]], axis=-1)
        matrix = np.einsum("fj,fjka,fjkb->fab", angular, slopes, slopes)
        right = np.einsum("fj,fjka,fjk->fa", angular, slopes, goal - flat)
        matrix[:, 2, 2] += pull
        right[:, 2] += pull * (expected - shift[:, 2])
        matrix += 1e-9 * (1 + np.trace(matrix, axis1=1, axis2=2))[:, None, None] * np.eye(3)
        shift += np.linalg.solve(matrix, right[..., None])[..., 0]
    return np.asarray((shift[:, None] @ axes)[:, 0])


def _axes(ahead: Float[np.ndarray, "frames 3"]) -> Float[np.ndarray, "frames 3 3"]:
    """Rows: two directions across, and the one ahead."""
    helper = np.where(np.abs(ahead[:, 1:2]) < 0.9, [[0.0, 1.0, 0.0]], [[1.0, 0.0, 0.0]])
    aside = np.cross(helper, ahead)
    aside /= np.maximum(np.linalg.norm(aside, axis=-1, keepdims=True), 1e-9)
    return np.stack([aside, np.cross(ahead, aside), ahead], axis=1)
