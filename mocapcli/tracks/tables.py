"""CSV: a column a coordinate (Anipose and most others), a row a point, or the stacked headers of DeepLabCut."""

import csv
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mocapcli.errors import ReadError
from mocapcli.tracks.clock import by_number, by_time, rate_of, spread
from mocapcli.tracks.data import Tracks
from mocapcli.tracks.numbers import MOST_COLUMNS, Table, check_count, number
from mocapcli.tracks.read import choose, told_rate

COORDINATE = re.compile(r"^(.+?)[ _.:-]?([xyz])$", re.IGNORECASE | re.DOTALL)
SEPARATOR = re.compile(r'^"?sep=([,;\t])"?\s*$', re.IGNORECASE)
TRUST = re.compile(r"^(.+?)[ _.:-](score|confidence|likelihood|visibility)$", re.IGNORECASE | re.DOTALL)
TIMES = {"time": 1.0, "times": 1.0, "timestamp": 1.0, "seconds": 1.0, "time_s": 1.0, "t": 1.0}
TIMES |= {"time_ms": 1e-3, "timestamp_ms": 1e-3, "milliseconds": 1e-3}
FRAMES = ("frame", "frames", "fnum", "frame_number", "frame#", "frame_id", "index")
PERSONS = ("person", "person_id", "individual", "subject", "subject_id", "track_id")
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
    frame: int = -1


def read(path: Path, which: str | None = None, fps: float | None = None) -> Tracks:
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
            rows = _rows(stream)
            header = [cell.strip() for cell in next(rows, [])]
            small = [cell.casefold() for cell in header]
            if small[0] == "scorer":
                return _wide(_stacked(rows, which), rows, fps)
            if {"x", "y", "z"} <= set(small) and any(name in small for name in POINTS):
                return _long(small, rows, which, fps)
            return _wide(_columns(header), rows, fps)
    except csv.Error as error:
        raise ReadError(f"damaged CSV ({error})") from None


def _rows(stream: Iterator[str]) -> Iterator[list[str]]:
    """Rows that are not blank; semicolons and tabs between cells let commas be decimal."""
    lines = (line for line in stream if line.strip())
    first = next(lines, "")
    told = SEPARATOR.match(first)  # a line of Excel's
    first = next(lines, "") if told else first
    if not first:
        raise ReadError("there is no header line")
    delimiter = told[1] if told else max(",;\t", key=first.count)
    rows = csv.reader(itertools.chain([first], stream), delimiter=delimiter)
    for row in rows:
        if len(row) > MOST_COLUMNS:
            raise ReadError(f"line {rows.line_num} has more than {MOST_COLUMNS} columns")
        if any(cell.strip() for cell in row):
            yield row if delimiter == "," else [cell.replace(",", ".") for cell in row]


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
    small = [cell.casefold() for cell in header]
    frame = next((small.index(name) for name in FRAMES if name in small), -1)
    trusted = [trusts.get(name, -1) for name in whole]
    return Columns(tuple(whole), list(whole.values()), trusted, *_time(small), frame)


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


def _wide(columns: Columns, rows: Iterator[list[str]], fps: float | None) -> Tracks:
    points, clocks = len(columns.names), (columns.frame, columns.time)
    places = [*itertools.chain(*columns.places), *columns.trusts, *clocks]
    table = Table(len(places))
    for row in rows:
        table.add([row[place] if 0 <= place < len(row) else "" for place in places])
    values = table.array()
    if len(values) == 0:
        raise ReadError("there are no frames in it")
    times = values[:, -1] * columns.seconds
    frames = by_number(values[:, -2])
    frames = by_time(times) if frames is None else frames
    rate, values = told_rate(rate_of(times, frames), fps), spread(values, frames)
    confidence = None if max(columns.trusts) < 0 else _trust(values[:, 3 * points : 4 * points], columns.trusts)
    return Tracks(columns.names, rate, values[:, : 3 * points].reshape(-1, points, 3), confidence)


def _trust(values: np.ndarray, trusts: list[int]) -> np.ndarray:
    return np.where(np.array(trusts) < 0, 1.0, values)


def _long(small: list[str], rows: Iterator[list[str]], which: str | None, fps: float | None) -> Tracks:
    """A row a point and frame, in any order; frames in the order of their numbers."""
    point = next(small.index(name) for name in POINTS if name in small)
    time, seconds = _time(small)
    clock = next((small.index(name) for name in FRAMES if name in small), time)
    if clock < 0:
        raise ReadError("no column says the frame", remedy=f"it needs {FORMS}")
    trust = next((small.index(name) for name in TRUSTS if name in small), -1)
    person = next((small.index(name) for name in PERSONS if name in small), -1)
    places = [clock, time, small.index("x"), small.index("y"), small.index("z"), trust]
    table, names, persons, owners = Table(len(places)), dict[str, int](), dict[str, int](), list[tuple[int, int]]()
    for row in rows:
        name = row[point].strip() if point < len(row) else ""
        if name and clock < len(row) and np.isfinite(number(row[clock])):
            whose = row[person].strip() if 0 <= person < len(row) else ""
            owners.append((names.setdefault(name, len(names)), persons.setdefault(whose, len(persons))))
            table.add([row[place] if 0 <= place < len(row) else "" for place in places])
    if not owners:
        raise ReadError("there are no frames in it")
    whom, whose_rows = choose("person", list(persons), which) if person >= 0 else 0, np.array(owners)
    kept = whose_rows[:, 1] == whom
    return _grid(list(names), whose_rows[kept, 0], table.array()[kept], seconds, trust >= 0, fps)


def _grid(
    names: list[str], owners: np.ndarray, values: np.ndarray, seconds: float, trusted: bool, fps: float | None
) -> Tracks:
    """Scattered rows put into their places."""
    present, owners = np.unique(owners, return_inverse=True)
    clocks, rows = np.unique(values[:, 0], return_inverse=True)
    times = np.full(len(clocks), np.nan)
    times[rows] = values[:, 1] * seconds
    places = by_number(clocks)
    places = by_time(times) if places is None else places
    places = np.arange(len(clocks)) if places is None else places
    frames, points = int(places[-1]) + 1, len(present)
    if frames * points > 8 * len(values) + 10_000:
        raise ReadError(f"{len(values)} rows name {frames} frames and {points} points: hardly any are there")
    check_count(3 * frames * points)
    cells = rows * points + owners
    if len(np.unique(cells)) < len(cells):
        raise ReadError(
            "several rows tell of one point in one frame", remedy=f"a column {PERSONS[0]!r} sets people apart"
        )
    positions = np.full((frames, points, 3), np.nan)
    positions[places[rows], owners] = values[:, 2:5]
    confidence = np.ones(positions.shape[:2])
    confidence[places[rows], owners] = values[:, 5]
    chosen = tuple(names[number] for number in present)
    return Tracks(chosen, told_rate(rate_of(times, places), fps), positions, confidence if trusted else None)
