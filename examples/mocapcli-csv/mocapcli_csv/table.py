"""Read and write the table; README.md describes it row by row."""

import csv
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from mocapcli import Asset, Motion, Rig, Skeleton
from mocapcli.errors import MocapError, ReadError
from mocapcli.kinematics import compose, decompose, motion_from_world, motion_world, rest_world, skeleton_from_world

NUMBERS = 7  # of each joint: position x y z, rotation x y z w

Row = tuple[int, str, list[str]]  # line number, keyword, values


def read_table(path: Path) -> Asset:
    """The rig and its clips. Raises ReadError with the line at fault."""
    rows = _rows(path)
    _expect(rows, "mocapcli-csv", lambda values: values == ["1"])
    names = tuple(_expect(rows, "names", lambda values: len(values) > 0))
    parents = np.array([int(value) for value in _expect(rows, "parents", lambda values: len(values) == len(names))])
    if parents[0] != -1 or (parents >= np.arange(len(parents))).any() or (parents < -1).any():
        raise ReadError("a parent must come before its children, -1 for none", place="row 'parents'")
    rest = _matrices(_expect(rows, "rest", lambda values: len(values) == NUMBERS * len(names)))
    skeleton, _ = skeleton_from_world(names, parents, rest)
    return Asset(Rig(skeleton, name=path.stem), tuple(_clips(rows, skeleton)))


def write_table(path: Path, asset: Asset) -> None:
    skeleton = asset.rig.skeleton
    with path.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(["mocapcli-csv", 1])
        table.writerow(["names", *skeleton.names])
        table.writerow(["parents", *skeleton.parents.tolist()])
        table.writerow(["rest", *_numbers(rest_world(skeleton))])
        for clip in asset.motions:
            table.writerow(["clip", clip.name, clip.fps])
            table.writerows(["frame", *_numbers(world)] for world in motion_world(skeleton, clip))


def _rows(path: Path) -> Iterator[Row]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            table = csv.reader(stream)
            for row in table:
                if row:
                    yield table.line_num, row[0], row[1:]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ReadError(f"no CSV text in UTF-8: {error}") from None


def _expect(rows: Iterator[Row], keyword: str, fits: Callable[[list[str]], bool]) -> list[str]:
    line, found, values = next(rows, (0, "the end", []))
    if found != keyword or not fits(values):
        problem = (
            f"expected row {keyword!r}, found {found!r}" if found != keyword else f"wrong values in row {keyword!r}"
        )
        raise ReadError(problem, place=f"line {line}", remedy="the README of mocapcli-csv describes every row")
    return values


def _clips(rows: Iterator[Row], skeleton: Skeleton) -> Iterator[Motion]:
    """Clips as their frames end: at the next clip or with the file."""
    name, fps, frames = "", 0.0, []
    for line, keyword, values in rows:
        try:
            if keyword == "clip" and len(values) == 2:
                if frames:
                    yield motion_from_world(name, fps, skeleton, np.stack(frames))
                name, fps, frames = values[0], float(values[1]), []
            elif keyword == "frame" and fps and len(values) == NUMBERS * skeleton.joints:
                frames.append(_matrices(values))
            else:
                raise ReadError(f"row {keyword!r} with {len(values)} values does not belong here")
        except (ValueError, MocapError) as error:
            raise ReadError(str(error), place=f"line {line}") from None
    if frames:
        yield motion_from_world(name, fps, skeleton, np.stack(frames))


def _matrices(values: list[str]) -> np.ndarray:
    numbers = np.array(values, dtype=np.float64).reshape(-1, NUMBERS)
    lengths = np.linalg.norm(numbers[:, 3:], axis=1)
    if not np.isfinite(numbers).all() or (lengths < 1e-8).any():
        raise ReadError("numbers must be finite and rotations not zero")
    return compose(numbers[:, 3:], numbers[:, :3])


def _numbers(world: np.ndarray) -> list[float]:
    rotations, positions, _ = decompose(world)
    return np.concatenate([positions, rotations], axis=1).ravel().tolist()
