"""Some of many, evenly spread."""

import numpy as np


def evenly_spread(count: int, most: int) -> list[int]:
    """Which of `count` things to take, the first and the last among them, where `most` are wanted at the most."""
    return [round(place) for place in np.linspace(0, count - 1, min(count, most)).tolist()]
