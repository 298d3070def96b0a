"""A long clip in overlapping windows whose seams do not show."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

CELLS = 12_000  # frames × joints of a window: what keeps memory flat
SHORTEST, LONGEST = 64, 192


def window_length(joints: int, overlap: int) -> int:
    return int(np.clip(CELLS // joints, max(SHORTEST, 2 * overlap), max(LONGEST, 2 * overlap)))


def windows(frames: int, length: int, overlap: int) -> Iterator[tuple[int, int]]:
    """Stretches of `length` that cover all frames; each shares at least `overlap` with the one before."""
    first = 0
    while first + length < frames:
        yield first, first + length
        first = min(first + length - overlap, frames - length)
    yield max(0, frames - length), frames


def takeover(first: int, last: int, done: int, blends: float = 1 / 3) -> Float[np.ndarray, " frames"]:
    """The new window's share in each of its frames, where those before `done` are known from the one before.

    The middle third of the overlap blends: farther out, one of the two has not seen what it needs on one side.
    """
    share = np.ones(last - first)
    overlap = done - first
    if overlap > 0:
        share[:overlap] = np.clip(((np.arange(overlap) + 0.5) / overlap - 0.5) / blends + 0.5, 0, 1)
    return share
