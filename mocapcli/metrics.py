"""Errors of a pose against the truth, on numpy; the losses on torch are the same formulas."""

import numpy as np
from jaxtyping import Bool, Float, Int


def rotation_angles(
    first: Float[np.ndarray, "*batch 3 3"], second: Float[np.ndarray, "*batch 3 3"]
) -> Float[np.ndarray, " *batch"]:
    """Geodesic angle between rotation matrices, radians; exact near 0 and near π alike."""
    relative = np.swapaxes(first, -1, -2) @ second
    sine = np.stack(
        [
            relative[..., 2, 1] - relative[..., 1, 2],
            relative[..., 0, 2] - relative[..., 2, 0],
            relative[..., 1, 0] - relative[..., 0, 1],
        ],
        axis=-1,
    )
    angles: np.ndarray = np.arctan2(np.linalg.norm(sine, axis=-1), np.trace(relative, axis1=-2, axis2=-1) - 1)
    return angles


def bone_weights(
    positions: Float[np.ndarray, "joints 3"], parents: Int[np.ndarray, " joints"]
) -> Float[np.ndarray, " joints"]:
    """How much a joint's world rotation shows: the length of its longest bone to a child; leaves weigh nothing."""
    child = np.flatnonzero(parents >= 0)
    weights = np.zeros(len(parents))
    np.maximum.at(weights, parents[child], np.linalg.norm(positions[child] - positions[parents[child]], axis=-1))
    return weights


def weighted_mean(values: Float[np.ndarray, "frames joints"], weights: Float[np.ndarray, " joints"]) -> float:
    """Mean over frames and, weighted, over joints; NaN where nothing weighs."""
    total = weights.sum()
    return float((values.mean(axis=0) * weights).sum() / total) if total > 0 else float("nan")


def rotation_errors(
    predicted: Float[np.ndarray, "frames joints 3 3"],
    truth: Float[np.ndarray, "frames joints 3 3"],
    parents: Int[np.ndarray, " joints"],
    deforms: Bool[np.ndarray, " joints"],
    reference_positions: Float[np.ndarray, "joints 3"],
) -> dict[str, float]:
    """Degrees, of *world* rotations given: local error of deform joints, of those with children, of all joints,
    and world error weighted by bone length."""

    def local(world: np.ndarray) -> np.ndarray:
        above = world[:, parents]
        above[:, parents < 0] = np.eye(3)
        result: np.ndarray = np.swapaxes(above, -1, -2) @ world
        return result

    local_angles = np.degrees(rotation_angles(local(predicted), local(truth)))
    world_angles = np.degrees(rotation_angles(predicted, truth))
    inner = deforms & np.isin(np.arange(len(parents)), parents)
    return {
        "local": weighted_mean(local_angles, deforms.astype(float)),
        "local_inner": weighted_mean(local_angles, inner.astype(float)),
        "local_all_joints": weighted_mean(local_angles, np.ones(len(parents))),
        "weighted_world": weighted_mean(world_angles, bone_weights(reference_positions, parents) * deforms),
    }
