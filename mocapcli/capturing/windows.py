"""A long clip in overlapping windows whose seams do not show."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from mocapcli.kinematics import slerp

CELLS = 12_000  # frames × joints of a window: what keeps memory flat
SHORTEST, LONGEST = 64, 192
Quaternions = Float[np.ndarray, "frames joints 4"]
Points = Float[np.ndarray, "frames joints 3"]


def window_length(joints: int, overlap: int) -> int:
    return int(np.clip(CELLS // joints, max(SHORTEST, 2 * overlap), max(LONGEST, 2 * overlap)))


def windows(frames: int, length: int, overlap: int) -> Iterator[tuple[int, int]]:
    """Stretches that cover all frames, as few as can be of `length` at the most, and all as long; each shares at least
    `overlap` with the one before."""
    count = max(1, math.ceil((frames - overlap) / (length - overlap)))
    length = min(frames, math.ceil((frames + (count - 1) * overlap) / count))
    for first in np.linspace(0, frames - length, count).round().astype(int).tolist():
        yield first, first + length


def takeover(first: int, last: int, done: int, blends: float = 1 / 3) -> Float[np.ndarray, " frames"]:
    """The new window's share in each of its frames, where those before `done` are known from the one before.

    The middle third of the overlap blends: farther out, one of the two has not seen what it needs on one side.
    """
    share = np.ones(last - first)
    overlap = done - first
    if overlap > 0:
        share[:overlap] = np.clip(((np.arange(overlap) + 0.5) / overlap - 0.5) / blends + 0.5, 0, 1)
    return share


@dataclass(eq=False)
class Renewed:
    """A pose that is replaced window by window."""

    rotations: Quaternions
    placed: Points
    done: int = 0

    @classmethod
    def of(cls, rotations: Quaternions, placed: Points) -> "Renewed":
        return cls(rotations.copy(), placed.copy())

    def take(self, first: int, last: int, rotations: Quaternions, placed: Points, blends: float = 1 / 3) -> int:
        """How many frames are new."""
        part, share = slice(first, last), takeover(first, last, self.done, blends)[:, None, None]
        self.rotations[part] = slerp(self.rotations[part], rotations, share)
        self.placed[part] += share * (placed - self.placed[part])
        new, self.done = last - self.done, last
        return new
