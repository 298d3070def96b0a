"""TRC, the text form of OpenSim, OpenCap and Motion Analysis: five header lines, then a row a frame."""

import itertools
from pathlib import Path
from typing import TextIO

import numpy as np

from mocapcli.errors import ReadError
from mocapcli.tracks.arrays import metres_per
from mocapcli.tracks.clock import by_number, by_time, rate_of, spread
from mocapcli.tracks.data import Tracks
from mocapcli.tracks.numbers import LONGEST_LINE, Table
from mocapcli.tracks.read import told_rate


def read(path: Path, which: str | None = None, fps: float | None = None) -> Tracks:
    with path.open(encoding="utf-8-sig", errors="replace") as stream:
        settings = _settings(stream)
        names = _names(_line(stream))
        _line(stream)  # X1 Y1 Z1 X2 …
        table = Table(2 + 3 * len(names))
        for row in _rows(stream):
            table.add(row)
    values = table.array()
    if len(values) == 0:
        raise ReadError("there are no frames in it")
    frames = by_number(values[:, 0])
    frames = by_time(values[:, 1]) if frames is None else frames
    rate = _rate(settings) or rate_of(values[:, 1], frames)
    positions = spread(values[:, 2:].reshape(len(values), len(names), 3), frames)
    return Tracks(names, told_rate(rate, fps), positions, None, metres_per(settings.get("units")))


def _settings(stream: TextIO) -> dict[str, str]:
    """DataRate, Units and the like, by name in small letters."""
    if not _line(stream).lstrip().casefold().startswith("pathfiletype"):
        raise ReadError("this is no TRC file", remedy="its first line must begin with PathFileType")
    keys, values = _line(stream).split(), _line(stream).split()
    return {key.casefold(): value for key, value in zip(keys, values, strict=False)}


def _names(line: str) -> tuple[str, ...]:
    """Every marker's name stands above the first of its three columns."""
    cells = [cell.strip() for cell in line.rstrip("\r\n").split("\t")[2:]]
    names = tuple(cell for cell in cells if cell)
    if not names:
        raise ReadError("no marker names in the fourth line")
    return names


def _rows(stream: TextIO) -> itertools.chain[list[str]]:
    rows = (line.rstrip("\r\n").split("\t") for line in iter(lambda: stream.readline(LONGEST_LINE), ""))
    return itertools.chain(row for row in rows if any(cell.strip() for cell in row))


def _line(stream: TextIO) -> str:
    return stream.readline(LONGEST_LINE)


def _rate(settings: dict[str, str]) -> float | None:
    try:
        rate = float(settings.get("datarate", "nan"))
    except ValueError:
        return None
    return rate if np.isfinite(rate) and rate > 0 else None
