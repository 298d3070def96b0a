"""How the picture as a whole moves from frame to frame, and what stays the same in it."""

import numpy as np
from jaxtyping import Bool, Float, UInt8
from scipy import ndimage

SAME = 6  # levels


def picture_shift(
    before: UInt8[np.ndarray, "height width 3"], after: UInt8[np.ndarray, "height width 3"]
) -> tuple[int, int]:
    """Rows and columns by which the second picture is moved against the first (peak of the phase correlation)."""
    window = np.outer(np.hanning(before.shape[0]), np.hanning(before.shape[1])).astype(np.float32)
    spectra = [np.fft.rfft2(_flat(each) * window) for each in (before, after)]
    cross = spectra[1] * spectra[0].conj()
    peaks = np.fft.irfft2(cross / (np.abs(cross) + 1e-3 * float(np.abs(cross).max()) + 1e-9), before.shape[:2])
    row, column = np.unravel_index(int(peaks.argmax()), peaks.shape)
    height, width = peaks.shape
    return int((row + height // 2) % height - height // 2), int((column + width // 2) % width - width // 2)


def _flat(picture: UInt8[np.ndarray, "height width 3"]) -> Float[np.ndarray, "height width"]:
    grey = picture.mean(axis=-1, dtype=np.float32)
    return np.asarray(grey - grey.mean())


def moved(picture: np.ndarray, shift: tuple[int, int]) -> np.ndarray:
    """Rolled by whole pixels; what comes in at the rim repeats the rim."""
    height, width = picture.shape[:2]
    rows = np.clip(np.arange(height) - shift[0], 0, height - 1)
    columns = np.clip(np.arange(width) - shift[1], 0, width - 1)
    return np.asarray(picture[rows][:, columns])


def unchanged(
    before: UInt8[np.ndarray, "height width 3"], after: UInt8[np.ndarray, "height width 3"]
) -> Bool[np.ndarray, "height width"]:
    """Where a picture shows what the other shows there or one pixel beside."""
    low = ndimage.minimum_filter(before, (3, 3, 1)).astype(np.int16) - SAME
    high = ndimage.maximum_filter(before, (3, 3, 1)).astype(np.int16) + SAME
    return np.asarray(((after >= low) & (after <= high)).all(axis=-1))
