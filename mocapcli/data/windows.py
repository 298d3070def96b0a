"""The clips that are evaluated: the same for everybody who has the same assets and seed."""

import hashlib
from dataclasses import dataclass

import numpy as np

from mocapcli.data.cache import Cache, Entry
from mocapcli.data.splits import SHORT_CLIP, Split, training_frames
from mocapcli.types import Asset, Motion

WINDOW_FRAMES = 48
SHORTEST_REST = 16  # a remainder shorter than this is left out, unless it is all there is


@dataclass(frozen=True)
class Window:
    """Frames `start` to `start + frames` of one clip of one rig."""

    entry: Entry
    motion: int
    start: int
    frames: int

    @property
    def label(self) -> str:
        return f"{self.entry.file}#{self.motion}+{self.start}"


def evaluation_windows(cache: Cache, split: Split, per_family: int | None = None, seed: int = 0) -> list[Window]:
    """All windows of a split, or a fixed random choice of at most `per_family` in each family."""
    windows = [window for entry in cache.entries_of(split) for window in windows_of(entry, split)]
    if per_family is None:
        return windows
    chosen: list[Window] = []
    for family in sorted({window.entry.family for window in windows}):
        members = sorted((w for w in windows if w.entry.family == family), key=lambda w: seed_of(seed, w.label))
        chosen += members[:per_family]
    return chosen


def windows_of(entry: Entry, split: Split) -> list[Window]:
    found = []
    for number, frames in enumerate(entry.motion_frames):
        first, last = 0, frames
        if split in ("seen", "rare"):
            if frames <= SHORT_CLIP:
                continue
            first = training_frames(frames)
        elif split == "train":
            last = training_frames(frames)
        found += [Window(entry, number, start, count) for start, count in _cut(first, last)]
    return found


def _cut(first: int, last: int) -> list[tuple[int, int]]:
    starts = range(first, last, WINDOW_FRAMES)
    pieces = [(start, min(WINDOW_FRAMES, last - start)) for start in starts]
    return [piece for piece in pieces if piece[1] >= SHORTEST_REST] or pieces[:1]


def cut_motion(motion: Motion, start: int, frames: int) -> Motion:
    """Frames of a motion as a motion of their own."""
    span = slice(start, start + frames)
    scales = None if motion.scales is None else motion.scales[span]
    return Motion(motion.name, motion.fps, motion.rotations[span], motion.translations[span], scales)


def training_part(asset: Asset) -> Asset:
    """What training may see of a rig: without what is held back of its clips."""
    return asset.with_motions([cut_motion(motion, 0, training_frames(motion.frames)) for motion in asset.motions])


def seed_of(*parts: object) -> int:
    """A number that depends on the parts alone, on every machine."""
    text = "\0".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


def random_of(*parts: object) -> np.random.Generator:
    return np.random.default_rng(seed_of(*parts))
