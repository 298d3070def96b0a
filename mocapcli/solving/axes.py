"""Which way is up, and in which unit: told by the file, else whatever makes the tracks most like the rig."""

import numpy as np
from jaxtyping import Float

from mocapcli.tracks.data import UPS, Up

Points = Float[np.ndarray, "frames joints 3"]
MOST_FRAMES = 200  # looked at
LEAST_GAIN = 0.85  # of the usual axis' misfit: what another axis must beat to be believed
MIRRORED = 0.5  # of the misfit: what the mirror image must beat to be mentioned
UNITS = {"metres": 1.0, "centimetres": 0.01, "millimetres": 0.001, "inches": 0.0254}

# Rows: where x, y, z of our axes come from. Proper rotations all, so that nobody's left becomes right.
TURNS: dict[Up, Float[np.ndarray, "3 3"]] = {
    "y": np.eye(3),
    "z": np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]),
    "x": np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]),
    "-y": np.diag([1.0, -1, -1]),
    "-z": np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]),
    "-x": np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]]),
}


def guess_up(points: Points, pose: Float[np.ndarray, "joints 3"], usual: Up = "y") -> Up:
    """The axis along which the frames look most like the rig's pose, turned about the vertical as they like."""
    step = max(1, len(points) // MOST_FRAMES)
    misfits = {up: _misfit(points[::step] @ TURNS[up].T, pose) for up in UPS}
    best = min(misfits, key=lambda up: misfits[up])
    return best if misfits[best] < LEAST_GAIN * misfits[usual] else usual


def looks_mirrored(points: Points, pose: Float[np.ndarray, "joints 3"]) -> bool:
    """Whether the mirror image is by far more like the rig: left-handed axes, or left and right mixed up."""
    step = max(1, len(points) // MOST_FRAMES)
    mirror = np.array([-1.0, 1.0, 1.0])
    return _misfit(points[::step] * mirror, pose) < MIRRORED * _misfit(points[::step], pose)


def guess_unit(scale: float) -> str:
    """The usual unit nearest to one of `scale` metres."""
    return min(UNITS, key=lambda name: abs(np.log(UNITS[name] / scale)))


def _misfit(points: Points, pose: Float[np.ndarray, "joints 3"]) -> float:
    """Mean squared distance after the best turn about the vertical, place and size, relative to the spread."""
    misfits = []
    for frame in points:
        seen = np.isfinite(frame[:, 0])
        if seen.sum() < 3:
            continue
        here, there = frame[seen] - frame[seen].mean(axis=0), pose[seen] - pose[seen].mean(axis=0)
        spread, wanted = np.linalg.norm(here), np.linalg.norm(there)
        if min(spread, wanted) < 1e-12:
            continue
        here, there = here / spread, there / wanted
        turned = np.hypot(
            (here[:, [0, 2]] * there[:, [0, 2]]).sum(), (here[:, 0] * there[:, 2] - here[:, 2] * there[:, 0]).sum()
        )
        misfits.append(1 - max(turned + (here[:, 1] * there[:, 1]).sum(), 0.0) ** 2)
    return float(np.mean(misfits)) if misfits else 1.0
