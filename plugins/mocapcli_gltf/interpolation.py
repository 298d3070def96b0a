"""Values between keys: STEP, LINEAR and CUBICSPLINE (glTF 2.0, appendix C)."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from mocapcli.kinematics import slerp
from mocapcli_gltf.hierarchy import PARTS

SNAP = 1e-4  # seconds: a STEP key a hair after the frame it was meant for still counts (float32 times)


@dataclass(frozen=True, eq=False)
class Track:
    """Channels of one path that share their key times and interpolation."""

    keys: Float[np.ndarray, " keys"]
    values: Float[np.ndarray, "keys parts channels numbers"]  # parts: 3 for CUBICSPLINE, else 1
    mode: str
    path: str
    rows: list[int]  # which node of the rigging each channel drives


def sample_track(track: Track, times: Float[np.ndarray, " frames"]) -> Float[np.ndarray, "frames channels numbers"]:
    """Values at the given times, held before the first and after the last key (glTF 2.0, appendix C)."""
    keys = track.keys
    late = SNAP if track.mode == "STEP" else 0.0
    low = np.clip(np.searchsorted(keys, times + late, side="right") - 1, 0, len(keys) - 1)
    high = np.minimum(low + 1, len(keys) - 1)
    before, after = track.values[low].astype(np.float64), track.values[high].astype(np.float64)
    span = (keys[high] - keys[low])[:, None, None]
    weight = np.clip((times - keys[low])[:, None, None] / np.where(span > 0, span, 1.0), 0.0, 1.0)
    turns = track.path == "rotation"
    if track.mode == "LINEAR" and turns:
        weights = np.broadcast_to(weight, (*before[:, 0].shape[:2], 1))
        return slerp(unit(before[:, 0]), unit(after[:, 0]), weights)
    if track.mode == "LINEAR":
        mixed: np.ndarray = before[:, 0] * (1.0 - weight) + after[:, 0] * weight
    elif track.mode == "CUBICSPLINE":
        mixed = hermite(before, after, weight, span)
    else:
        mixed = before[:, 0]
    return unit(mixed) if turns else mixed


def hermite(
    low: Float[np.ndarray, "frames 3 channels numbers"],
    high: Float[np.ndarray, "frames 3 channels numbers"],
    weight: Float[np.ndarray, "frames 1 1"],
    span: Float[np.ndarray, "frames 1 1"],
) -> Float[np.ndarray, "frames channels numbers"]:
    """Cubic Hermite: value and out-tangent of the key before, in-tangent and value of the one after."""
    square, cube = weight**2, weight**3
    mixed: np.ndarray = (
        (2 * cube - 3 * square + 1) * low[:, 1]
        + span * (cube - 2 * square + weight) * low[:, 2]
        + (3 * square - 2 * cube) * high[:, 1]
        + span * (cube - square) * high[:, 0]
    )
    return mixed


def unit(quaternions: Float[np.ndarray, "*batch 4"]) -> Float[np.ndarray, "*batch 4"]:
    """Normalised; a quaternion of length zero counts as no rotation."""
    norms = np.linalg.norm(quaternions, axis=-1, keepdims=True)
    usable = norms > 1e-8
    return np.where(usable, quaternions / np.where(usable, norms, 1.0), np.array(PARTS["rotation"]))
