"""glTF stores key times only: the frame rate is found from where the keys fall."""

from typing import Any

import numpy as np
from jaxtyping import Float

USUAL = (30.0, 24.0, 60.0, 25.0, 50.0, 48.0, 120.0, 100.0, 240.0)
FALLBACK = 30.0
ON_FRAME = 0.02  # of a frame: exporters round key times to float32 or to milliseconds


def choose_fps(keys: list[Float[np.ndarray, " keys"]], hint: Any = None) -> float:
    """The rate a clip was made at: the one it names, else the first usual one whose frames hold every key."""
    times = np.unique(np.concatenate([np.zeros(1), *keys]))
    if type(hint) in (int, float) and 0.1 <= hint <= 1000 and lands(times, float(hint)):
        return float(hint)
    for fps in USUAL:
        if lands(times, fps):
            return fps
    return spacing_fps(times)


def lands(times: Float[np.ndarray, " keys"], fps: float) -> bool:
    position = times * fps
    return bool((np.abs(position - np.rint(position)) < ON_FRAME).all())


def spacing_fps(times: Float[np.ndarray, " keys"]) -> float:
    """From the typical distance between keys, where it is that of an animation."""
    steps = np.diff(times)
    steps = steps[steps > 1e-5]
    if not len(steps):
        return FALLBACK
    middle = float(np.sort(steps)[len(steps) // 2])
    close = np.abs(steps - middle) < 0.1 * middle
    fps = round(1.0 / float(steps[close].mean()), 3)
    return fps if 20.0 <= fps <= 250.0 else FALLBACK
