"""Which frame each row of a file is, and how many there are in a second: by its frame numbers, or by its clock.

Loggers leave out frames in which they see nobody, and round their clocks: at 60 frames a second and milliseconds, gaps
are 16 and 17.
"""

import numpy as np
from jaxtyping import Float, Int

SPARSE = 4  # times as many frames as rows, at the most: what says more is no count of frames
FINEST = 6  # decimals that a clock may have
USUAL = 1000 / 1001  # of a whole rate: 59.94 and the like

Numbers = Float[np.ndarray, " rows"]
Places = Int[np.ndarray, " rows"]


def by_number(numbers: Numbers) -> Places | None:
    """Frames from the first row's on, by numbers that are whole and run forwards; they may count in steps."""
    if len(numbers) < 2 or not np.isfinite(numbers).all() or (numbers != np.rint(numbers)).any():
        return None
    steps = np.diff(numbers)
    if steps.min() <= 0 or steps.sum() > 2**53:
        return None
    whole = steps.astype(np.int64)
    return _unless_sparse(np.concatenate([[0], np.cumsum(whole // np.gcd.reduce(whole))]))


def by_time(times: Numbers) -> Places | None:
    """The same by a clock that runs forwards."""
    if len(times) < 2 or not np.isfinite(times).all():
        return None
    gaps = np.diff(times)
    if gaps.min() <= 0:
        return None
    steps = np.maximum(np.rint(np.minimum(gaps / np.median(gaps), 2.0**40)), 1).astype(np.int64)
    return _unless_sparse(np.concatenate([[0], np.cumsum(steps)]))


def rate_of(times: Numbers, places: Places | None) -> float | None:
    """Frames per second, over the whole of the clip; a usual rate where the clock is too coarse to say otherwise."""
    known = np.isfinite(times)
    if places is None or known.sum() < 2 or (np.diff(times[known]) <= 0).any():
        return None
    first, last = np.flatnonzero(known)[[0, -1]]
    seconds = float(times[last] - times[first])
    rate = float(places[last] - places[first]) / seconds
    nearest = min((float(round(rate)), round(rate / USUAL) * USUAL), key=lambda usual: abs(rate - usual))
    tick = next((10.0**-k for k in range(FINEST + 1) if _has_ticks(times[known], 10.0**-k)), 0.0)
    return nearest if rate > 1 and abs(rate - nearest) <= rate * max(2e-4, tick / seconds) else rate


def spread(values: Float[np.ndarray, "rows ..."], places: Places | None) -> Float[np.ndarray, "frames ..."]:
    """Rows where they belong; frames without one are not seen."""
    if places is None or places[-1] == len(places) - 1:
        return values
    out = np.full((places[-1] + 1, *values.shape[1:]), np.nan)
    out[places] = values
    return out


def _has_ticks(times: Numbers, tick: float) -> bool:
    counts = times / tick
    return bool((np.abs(counts - np.rint(counts)) < 1e-3).all())


def _unless_sparse(places: Places) -> Places | None:
    return places if places[-1] < SPARSE * len(places) else None
