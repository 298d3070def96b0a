"""Noise that drifts, as errors of tracked positions do."""

import numpy as np


def drift(fresh: np.ndarray, kept: float) -> np.ndarray:
    """Unit noise e_t = ρ e_{t−1} + √(1−ρ²) n_t along the first axis, from independent unit noise n; ρ = `kept`."""
    out = fresh.copy()
    for frame in range(1, len(fresh)):
        out[frame] = kept * out[frame - 1] + np.sqrt(1 - kept**2) * fresh[frame]
    return out
