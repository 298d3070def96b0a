"""A look at the whole video before anything is decided: some small frames of it, and whether the camera moves."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

import numpy as np
from jaxtyping import Float, UInt8

from mocapcli.errors import ReadError
from mocapcli.video.frames import Frames, Number
from mocapcli.video.read import Video

WORKING_SIZE = 448  # longest side of the frames in which the subject is looked for
SAMPLES = 48
LONG = 3000  # frames; of longer videos only key frames are looked at
FEWEST = 24
DARK = 16  # of 255: a video that never gets lighter shows nothing
BLOCK = 48
STILL_SHIFT = 0.75  # pixels of the working size
Box: TypeAlias = tuple[Number, Number, Number, Number]
Masks: TypeAlias = UInt8[np.ndarray, "frames height width"]
Masker: TypeAlias = Callable[[Frames], np.ndarray]


@dataclass(frozen=True)
class Verdict:
    """Whether a segmenter fits a video, and why: "the video has an alpha channel"."""

    fits: bool
    why: str


@dataclass(frozen=True)
class Wishes:
    """What the user says about the subject. `box` is x, y, width, height in pixels of the video."""

    method: str | None = None
    box: Box | None = None
    mask: Path | None = None
    model: str | Path | None = None  # for segmenters that use a network


@dataclass(frozen=True, eq=False)
class Survey:
    """Samples of a video at working size. `video` gives all frames at that size."""

    video: Video
    pixels: UInt8[np.ndarray, "samples height width 3"]
    alpha: UInt8[np.ndarray, "samples height width"] | None
    times: Float[np.ndarray, " samples"]
    scale: Number  # of the original: pixels here per pixel there
    notes: list[str] = field(default_factory=list)

    @property
    def black(self) -> bool:
        """Nothing to see all through."""
        return bool(np.percentile(self.pixels, 99.9) <= DARK)

    @cached_property
    def still_share(self) -> float:
        """How much of the picture's rim stays in place from sample to sample, 0 to 1."""
        return rim_stillness(self.pixels.mean(axis=-1, dtype=np.float32))

    @property
    def camera_still(self) -> bool:
        return self.still_share >= 0.6


def look_over(video: Video) -> Survey:
    """Run through the video once."""
    small = video.resized(WORKING_SIZE)
    found = _samples(small, sparse=(small.frames_expected or 0) > LONG)
    if len(found) < FEWEST and (small.frames_expected or 0) > LONG:
        found = _samples(small, sparse=False)
    if not found:
        raise ReadError("no frame of this video lies in the part asked for", path=video.path)
    pixels = np.stack([pixels for pixels, _, _ in found])
    alpha = np.stack([alpha for _, alpha, _ in found if alpha is not None]) if small.alpha else None
    return Survey(small, pixels, alpha, np.array([time for _, _, time in found]), small.width / video.width)


def _samples(video: Video, sparse: bool) -> list[tuple[np.ndarray, np.ndarray | None, float]]:
    """Every n-th frame, n doubling whenever there are too many: evenly spread, without knowing the length."""
    kept: list[tuple[int, tuple[np.ndarray, np.ndarray | None, float]]] = []
    stride, number = 1, 0
    for chunk in video.chunks(sparse=sparse):
        for place in range(len(chunk)):
            if number % stride == 0 and not chunk.held[place]:
                alpha = None if chunk.alpha is None else chunk.alpha[place].copy()
                kept.append((number, (chunk.pixels[place].copy(), alpha, float(chunk.times[place]))))
            number += 1
            if len(kept) >= 2 * SAMPLES:
                stride *= 2
                kept = [each for each in kept if each[0] % stride == 0]
    return [sample for _, sample in kept]


def rim_stillness(grey: Float[np.ndarray, "samples height width"]) -> float:
    """Share of blocks along the picture's rim that neither change nor shift, in the median sample.

    The subject is seldom all around the rim, so what moves there together is the camera.
    """
    if len(grey) < 2:
        return 0.0
    size = min(BLOCK, *grey.shape[1:])
    corners = _rim_blocks(grey.shape[1], grey.shape[2], size)
    window = np.outer(np.hanning(size), np.hanning(size)).astype(np.float32)
    blocks = np.stack([grey[:, top : top + size, left : left + size] for top, left in corners], axis=1)
    flat = blocks - blocks.mean(axis=(-1, -2), keepdims=True)
    textured = np.median(flat.std(axis=(-1, -2)), axis=0) > 4
    spectra = np.fft.rfft2(flat * window)
    stays = np.stack([_stays(spectra[i], spectra[i + 1], flat[i], flat[i + 1]) for i in range(len(grey) - 1)])
    far = np.stack([_stays(spectra[0], spectra[i], flat[0], flat[i]) for i in range(1, len(grey))])
    chosen = textured if textured.sum() >= 4 else np.ones_like(textured)
    return float(min(np.median(stays[:, chosen].mean(axis=1)), np.median(far[:, chosen].mean(axis=1)) + 0.15))


def _rim_blocks(height: int, width: int, size: int) -> list[tuple[int, int]]:
    rows = np.linspace(0, height - size, max(2, height // size)).astype(int)
    columns = np.linspace(0, width - size, max(2, width // size)).astype(int)
    ends = {int(rows[0]), int(rows[-1])}, {int(columns[0]), int(columns[-1])}
    return [(int(top), int(left)) for top in rows for left in columns if top in ends[0] or left in ends[1]]


def _stays(first: np.ndarray, second: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Which blocks are unchanged, or have their correlation's peak at no shift."""
    unchanged = np.abs(before - after).mean(axis=(-1, -2)) < 3
    cross = first * second.conj()
    peaks = np.fft.irfft2(cross / (np.abs(cross) + 1e-3 * np.abs(cross).max() + 1e-9))
    size = peaks.shape[-1]
    place = peaks.reshape(len(peaks), -1).argmax(axis=1)
    rows, columns = place // size, place % size
    shift = np.hypot((rows + size // 2) % size - size // 2, (columns + size // 2) % size - size // 2)
    return np.asarray(unchanged | (shift <= STILL_SHIFT))
