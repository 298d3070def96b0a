"""Rows of text to numbers, in little memory."""

from array import array
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

LONGEST_LINE = 1 << 22  # characters
MOST_COLUMNS = 100_000


class Table:
    """Numbers row by row; a cell that is empty or no number is NaN, and short rows are filled up with NaN."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.values = array("d")

    def add(self, cells: Sequence[str]) -> None:
        row = [number(cell) for cell in cells[: self.columns]]
        row += [np.nan] * (self.columns - len(row))
        self.values.extend(row)

    def array(self) -> Float[np.ndarray, "rows columns"]:
        return np.frombuffer(self.values, dtype=np.float64).reshape(-1, self.columns)


def number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return np.nan
