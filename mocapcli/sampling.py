"""From keys at any times to evenly spaced frames: which rate a file's keys were meant for."""

import numpy as np
from jaxtyping import Float

USUAL_RATES = (24.0, 25.0, 30.0, 50.0, 60.0, 100.0, 120.0, 240.0)
HIGHEST = 240.0


def frame_rate(seconds: Float[np.ndarray, " keys"], told: float) -> float:
    """Frames per second on which all keys land: what the file says, else a usual rate, else their spacing.

    `seconds` are ascending, distinct, and start at zero. Keys that follow no rate get one near their spacing.
    """
    gaps = np.diff(seconds)
    if len(gaps) == 0:
        return told if 1.0 <= told <= HIGHEST else 30.0
    rates = [told] if 10.0 <= told <= HIGHEST else []
    # The spacing over the whole clip: one gap alone is too coarse in single precision.
    steps = max(round(seconds[-1] / gaps.min()), 1)
    for rate in [*rates, *USUAL_RATES, steps / seconds[-1]]:
        frames = seconds * rate
        if rate <= HIGHEST and np.abs(frames - np.rint(frames)).max() < 0.02:
            return float(rate)
    return float(np.clip(1.0 / np.median(gaps), 30.0, HIGHEST))
