"""What flows out of a video, and what a source of pictures has to give.

Pixels are 8-bit sRGB, upright, with square pixels; times are seconds on the video's own clock, its first picture
at zero.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float, UInt8

from mocapcli.errors import InvalidDataError

Number: TypeAlias = float | int  # both named: the checks of the tests take them apart
MOST_PIXELS = 1 << 26  # of one picture: twice an 8K frame


@dataclass(frozen=True, eq=False)
class Frames:
    """Some consecutive frames at a steady rate. `held` frames repeat a picture because none was there in time."""

    pixels: UInt8[np.ndarray, "frames height width 3"]
    alpha: UInt8[np.ndarray, "frames height width"] | None
    times: Float[np.ndarray, " frames"]
    fps: Number
    held: Bool[np.ndarray, " frames"]

    def __len__(self) -> int:
        return len(self.pixels)


@dataclass(frozen=True, eq=False)
class Picture:
    """One decoded picture, its time in seconds, or its number where the footage has no clock."""

    time: Number
    pixels: UInt8[np.ndarray, "height width channels"]  # 3 channels, or 4 with alpha


class Notes(list[str]):
    """What the user should know of a video; the same thing is said once."""

    def add(self, note: str) -> None:
        if note not in self:
            self.append(note)


@dataclass(frozen=True, eq=False)
class Request:
    """How pictures are wanted: of this size, from `start` on (earlier ones may come too), with notes about trouble."""

    width: int
    height: int
    start: Number = 0.0
    notes: Notes = field(default_factory=Notes)
    sparse: bool = False  # pictures that are dear to decode may be left out


@dataclass(frozen=True, eq=False)
class Footage:
    """An opened source: its facts, and a way to run through its pictures as often as needed.

    `fps` is None for numbered pictures without a clock; `duration` is what the file claims, in seconds.
    """

    width: int
    height: int
    fps: Number | None
    alpha: bool
    duration: Number | None
    pictures: Callable[[Request], Iterator[Picture]]

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise InvalidDataError(f"a video needs at least one pixel, not {self.width}×{self.height}")
        if self.width * self.height > MOST_PIXELS:
            raise InvalidDataError(f"pictures of {self.width}×{self.height} pixels are too large")
