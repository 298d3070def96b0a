"""CSV: a column a coordinate (Anipose and most others), a row a point, or the stacked headers of DeepLabCut."""

import csv
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mocapcli.errors import ReadError
from mocapcli.tracks.data import Tracks
from mocapcli.tracks.numbers import MOST_COLUMNS, Table, check_count, number
from mocapcli.tracks.read import choose, told_rate

COORDINATE = re.compile(r"^(.+?)[ _.:-]?([xyz])$", re.IGNORECASE | re.DOTALL)
TRUST = re.compile(r"^(.+?)[ _.:-](score|confidence|likelihood|visibility)$", re.IGNORECASE | re.DOTALL)
TIMES = {"time": 1.0, "times": 1.0, "timestamp": 1.0, "seconds": 1.0, "time_s": 1.0, "t": 1.0}
TIMES |= {"time_ms": 1e-3, "timestamp_ms": 1e-3, "milliseconds": 1e-3}
FRAMES = ("frame", "frames", "fnum", "frame_number", "frame#", "frame_id", "index")
POINTS = ("joint", "bodypart", "marker", "keypoint", "landmark", "name", "point", "bone")
TRUSTS = ("confidence", "score", "likelihood", "visibility")
FORMS = "columns like hip_x, hip_y, hip_z; or frame, joint, x, y, z; or DeepLabCut's 3D header"


@dataclass(frozen=True)
class Columns:
    """Where in a row things stand; -1: nowhere."""

    names: tuple[str, ...]
    places: list[list[int]]  # of x, y, z of every point
    trusts: list[int]
    time: int = -1
    seconds: float = 1.0  # per unit of time


def read(path: Path, which: str | None = None) -> Tracks:
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
            rows = _rows(stream)
            header = [cell.strip() for cell in next(rows, [])]
            small = [cell.casefold() for cell in header]
            if small[0] == "scorer":
                return _wide(_stacked(rows, which), rows)
            if {"x", "y", "z"} <= set(small) and any(name in small for name in POINTS):
                return _long(small, rows)
            return _wide(_columns(header), rows)
    except csv.Error as error:
        raise ReadError(f"damaged CSV ({error})") from None


def _rows(stream: Iterator[str]) -> Iterator[list[str]]:
    """Rows that are not blank; a semicolon between cells lets commas be decimal."""
    first = next((line for line in stream if line.strip()), "")
    if not first:
        raise ReadError("there is no header line")
    delimiter = max(",;\t", key=first.count)
    rows = csv.reader(itertools.chain([first], stream), delimiter=delimiter)
    for row in rows:
        if len(row) > MOST_COLUMNS:
            raise ReadError(f"line {rows.line_num} has more than {MOST_COLUMNS} columns")
        if any(cell.strip() for cell in row):
            yield [cell.replace(",", ".") for cell in row] if delimiter == ";" else row


def _columns(header: Sequence[str]) -> Columns:
    """Points by the names of their columns."""
    found: dict[str, list[int]] = {}
    for place, cell in enumerate(header):
        hit = COORDINATE.match(cell)
        if hit:
            found.setdefault(hit[1], [-1, -1, -1])["xyz".index(hit[2].lower())] = place
    trusts = {hit[1]: place for place, cell in enumerate(header) if (hit := TRUST.match(cell))}
    whole = {name: places for name, places in found.items() if min(places) >= 0}
    if not whole:
        flat = any(places[0] >= 0 and places[1] >= 0 for places in found.values())
        raise ReadError(
            "these tracks are 2D" if flat else "no columns of 3D points in it",
            remedy="triangulate them first" if flat else f"it needs {FORMS}",
        )
    time, seconds = _time([cell.casefold() for cell in header])
    return Columns(tuple(whole), list(whole.values()), [trusts.get(name, -1) for name in whole], time, seconds)


def _time(small: Sequence[str]) -> tuple[int, float]:
    for place, cell in enumerate(small):
        if cell in TIMES:
            return place, TIMES[cell]
    return -1, 1.0


def _stacked(rows: Iterator[list[str]], which: str | None) -> Columns:
    """DeepLabCut: under `scorer` the lines `individuals` (perhaps), `bodyparts`, `coords`."""
    lines: dict[str, list[str]] = {}
    while "coords" not in lines and len(lines) < 4:
        line = next(rows, None)
        if line is None:
            break
        lines[line[0].strip().casefold()] = [cell.strip() for cell in line]
    if "coords" not in lines or "bodyparts" not in lines:
        raise ReadError("DeepLabCut's header lacks bodyparts or coords")
    parts, coordinates = lines["bodyparts"], lines["coords"]
    persons = lines.get("individuals", [""] * len(parts))
    known = list(dict.fromkeys(persons[1:]))
    wanted = known[choose("individual", known, which)] if known else ""
    kept = [
        f"{part}_{axis}" if person == wanted else ""
        for part, axis, person in zip(parts[1:], coordinates[1:], persons[1:], strict=False)
    ]
    return _columns(["frame", *kept])


def _wide(columns: Columns, rows: Iterator[list[str]]) -> Tracks:
    points, places = len(columns.names), [*itertools.chain(*columns.places), *columns.trusts, columns.time]
    table = Table(len(places))
    for row in rows:
        table.add([row[place] if 0 <= place < len(row) else "" for place in places])
    values = table.array()
    if len(values) == 0:
        raise ReadError("there are no frames in it")
    times = values[:, -1] * columns.seconds if columns.time >= 0 else None
    confidence = None if max(columns.trusts) < 0 else _trust(values[:, 3 * points : 4 * points], columns.trusts)
    return Tracks(columns.names, told_rate(_rate(times)), values[:, : 3 * points].reshape(-1, points, 3), confidence)


def _trust(values: np.ndarray, trusts: list[int]) -> np.ndarray:
    return np.where(np.array(trusts) < 0, 1.0, values)


def _long(small: list[str], rows: Iterator[list[str]]) -> Tracks:
    """A row a point and frame, in any order; frames in the order of their numbers."""
    point = next(small.index(name) for name in POINTS if name in small)
    time, seconds = _time(small)
    clock = next((small.index(name) for name in FRAMES if name in small), time)
    if clock < 0:
        raise ReadError("no column says the frame", remedy=f"it needs {FORMS}")
    trust = next((small.index(name) for name in TRUSTS if name in small), -1)
    places = [clock, time, small.index("x"), small.index("y"), small.index("z"), trust]
    table, names, owners = Table(len(places)), dict[str, int](), list[int]()
    for row in rows:
        name = row[point].strip() if point < len(row) else ""
        if name and clock < len(row) and np.isfinite(number(row[clock])):
            owners.append(names.setdefault(name, len(names)))
            table.add([row[place] if 0 <= place < len(row) else "" for place in places])
    return _grid(tuple(names), np.array(owners, dtype=np.int64), table.array(), seconds, time >= 0, trust >= 0)


def _grid(
    names: tuple[str, ...], owners: np.ndarray, values: np.ndarray, seconds: float, timed: bool, trusted: bool
) -> Tracks:
    """Scattered rows put into their places."""
    if len(values) == 0:
        raise ReadError("there are no frames in it")
    clocks, rows = np.unique(values[:, 0], return_inverse=True)
    if (clocks == np.rint(clocks)).all() and np.ptp(clocks) < 4 * len(clocks):  # frames nobody was seen in count
        clocks = np.arange(clocks[0], clocks[-1] + 1)
        rows = (values[:, 0] - clocks[0]).astype(np.int64)
    if len(clocks) * len(names) > 8 * len(values) + 10_000:
        raise ReadError(f"{len(values)} rows name {len(clocks)} frames and {len(names)} points: hardly any are there")
    check_count(3 * len(clocks) * len(names))
    positions = np.full((len(clocks), len(names), 3), np.nan)
    positions[rows, owners] = values[:, 2:5]
    confidence = np.ones(positions.shape[:2])
    confidence[rows, owners] = values[:, 5]
    times = np.full(len(clocks), np.nan)
    times[rows] = values[:, 1] * seconds
    return Tracks(names, told_rate(_rate(times if timed else None)), positions, confidence if trusted else None)


def _rate(times: np.ndarray | None) -> float | None:
    """Frames per second of the file's clock, if it has one that runs forwards."""
    if times is None or len(times) < 2 or not np.isfinite(times).all():
        return None
    gaps = np.diff(times)
    if gaps.min() <= 0:
        return None
    rate = 1.0 / float(np.median(gaps))
    return float(round(rate)) if rate > 1 and abs(rate - round(rate)) < 0.01 * rate else rate
