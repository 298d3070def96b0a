"""Frames that show nothing: what is known of their neighbours goes on through them."""

import numpy as np
from jaxtyping import Bool, Float, Int

from mocapcli.kinematics import slerp

Seen = Bool[np.ndarray, " frames"]
Numbers = Int[np.ndarray, " frames"]


def bridge_points(points: Float[np.ndarray, "frames joints 3"], seen: Seen) -> Float[np.ndarray, "frames joints 3"]:
    """Unseen frames on the straight way between their neighbours."""
    if seen.all() or not seen.any():
        return points
    before, after, share = _neighbours(seen)
    return np.asarray(points[before] * (1 - share) + points[after] * share)


def bridge_turns(rotations: Float[np.ndarray, "frames joints 4"], seen: Seen) -> Float[np.ndarray, "frames joints 4"]:
    """The same of rotations."""
    if seen.all() or not seen.any():
        return rotations
    before, after, share = _neighbours(seen)
    out = rotations.copy()
    out[~seen] = slerp(rotations[before[~seen]], rotations[after[~seen]], share[~seen])
    return out


def _neighbours(seen: Seen) -> tuple[Numbers, Numbers, Float[np.ndarray, "frames 1 1"]]:
    """The nearest seen frames before and after each (at an end: twice the same), and how far it is between them."""
    at, every = np.flatnonzero(seen), np.arange(len(seen))
    after = at[np.minimum(np.searchsorted(at, every), len(at) - 1)]
    before = at[np.maximum(np.searchsorted(at, every, side="right") - 1, 0)]
    return before, after, np.clip((every - before) / np.maximum(after - before, 1), 0, 1)[:, None, None]
