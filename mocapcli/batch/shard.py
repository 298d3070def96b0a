"""One job's part of a list that several jobs share: no talk between them, nothing left out, nothing done twice."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from mocapcli.errors import UsageError

Piece = TypeVar("Piece")


@dataclass(frozen=True)
class Shard:
    """Part `index` (from 1) of `count`."""

    index: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.index <= self.count:
            raise UsageError(f"there is no shard {self.index} of {self.count}", remedy="they count from 1, as in 2/8")

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @property
    def label(self) -> str:
        """As part of a file name."""
        return f"{self.index}-of-{self.count}"

    def select(self, pieces: Iterable[Piece], key: Callable[[Piece], str] = str) -> list[Piece]:
        """This shard's pieces, in their order: every count-th of all, sorted by key.

        All jobs must name the same pieces, in whatever order; shards then differ by one piece at most.
        """
        listed = list(pieces)
        ranked = sorted(range(len(listed)), key=lambda position: key(listed[position]))
        return [listed[position] for position in sorted(ranked[self.index - 1 :: self.count])]


def parse_shard(text: str | None) -> Shard | None:
    """`2/8` as people and job schedulers write it; nothing for nothing."""
    if text is None:
        return None
    match = re.fullmatch(r"\s*([0-9]{1,9})\s*/\s*([0-9]{1,9})\s*", text)
    if match is None:
        raise UsageError(f"--shard {text!r} is not a part of a whole", remedy="write it as in 2/8, the second of eight")
    return Shard(int(match[1]), int(match[2]))
