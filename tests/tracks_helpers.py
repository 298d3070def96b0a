"""What the tests of track files share: points, and files of them."""

import csv
from pathlib import Path

import numpy as np
import pytest

from mocapcli.tracks.data import Tracks
from mocapcli.tracks.read import read_tracks

NAMES = ("hip", "left knee", "tail.1")

FPS = 50.0


def points(frames: int = 6, names: tuple[str, ...] = NAMES) -> np.ndarray:
    """Places with three decimals, one of them unseen."""
    values = np.random.default_rng(0).uniform(-2, 2, (frames, len(names), 3)).round(3)
    values[2, 1] = np.nan
    return values


def check(tracks: Tracks, fps: float = FPS, unit: float | None = None, up: str | None = None) -> None:
    assert tracks.names == NAMES
    assert tracks.fps == pytest.approx(fps)
    np.testing.assert_allclose(tracks.positions, points(), atol=1e-6)
    assert (tracks.metres_per_unit, tracks.up) == (unit, up)


def write_rows(path: Path, rows: list[list[object]], delimiter: str = ",") -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, delimiter=delimiter).writerows(rows)
    return path


def cells(frame: np.ndarray) -> list[object]:
    return ["" if np.isnan(value) else value for value in frame.ravel()]


def wide(path: Path, pattern: str = "{}_{}", delimiter: str = ",") -> Path:
    header = ["time", *(pattern.format(name, axis) for name in NAMES for axis in "xyz")]
    rows = [[frame / FPS, *cells(place)] for frame, place in enumerate(points())]
    return write_rows(path, [header, *rows], delimiter)


def _quietly(path: Path, which: str | None = None) -> Tracks:
    with pytest.warns(UserWarning, match="no frame rate"):
        return read_tracks(path, which)
