"""Rows of text to numbers, in little memory."""

from array import array
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from mocapcli.errors import ReadError

LONGEST_LINE = 1 << 22  # characters
MOST_COLUMNS = 100_000
MOST_NUMBERS = 1 << 25  # an hour of a hundred points at thirty frames; also what a few bytes can claim to be


class Table:
    """Numbers row by row; a cell that is empty or no number is NaN, and short rows are filled up with NaN."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.values = array("d")

    def add(self, cells: Sequence[str]) -> None:
        row = [number(cell) for cell in cells[: self.columns]]
        row += [np.nan] * (self.columns - len(row))
        check_count(len(self.values) + len(row))
        self.values.extend(row)

    def array(self) -> Float[np.ndarray, "rows columns"]:
        return np.frombuffer(self.values, dtype=np.float64).reshape(-1, self.columns)


def check_count(numbers: int) -> None:
    if numbers > MOST_NUMBERS:
        raise ReadError(f"more than {MOST_NUMBERS} numbers", remedy="cut it into pieces")


def number(cell: str) -> float:
    if not cell:  # not by way of an exception: there may be millions
        return np.nan
    try:
        return float(cell)
    except ValueError:
        return np.nan
