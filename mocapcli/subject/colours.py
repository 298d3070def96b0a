"""Colour models: how likely a colour belongs to the subject rather than to what is behind it."""

import numpy as np
from jaxtyping import Float, UInt8
from scipy import ndimage

BINS = 16
LEAST = 1e-5  # of a colour never seen: evidence stays bounded


def histogram(
    pixels: UInt8[np.ndarray, "pixels 3"], weights: Float[np.ndarray, " pixels"] | None = None
) -> Float[np.ndarray, "bins bins bins"]:
    """Smoothed shares of colours; sums to one, or to zero where there are no pixels."""
    codes = (pixels >> 4).astype(np.int64) @ np.array([BINS * BINS, BINS, 1])
    counts = np.bincount(codes, weights=weights, minlength=BINS**3).reshape(BINS, BINS, BINS).astype(float)
    smooth = ndimage.gaussian_filter(counts, 0.7, mode="nearest")
    return np.asarray(smooth / max(float(smooth.sum()), 1e-9))


def odds_table(
    subject: Float[np.ndarray, "bins bins bins"], behind: Float[np.ndarray, "bins bins bins"]
) -> Float[np.ndarray, "bins bins bins"]:
    """Log of how much likelier each colour is for the subject."""
    return np.asarray(np.log((subject + LEAST) / (behind + LEAST)), np.float32)
