"""Pictures at whatever times they were taken, as frames at a steady rate: each frame shows the nearest picture."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from mocapcli.video.frames import Notes, Number, Picture

LONGEST_PAUSE = 30.0  # seconds between two pictures; a longer one is cut, or a forged time stamp would never end
TIE = 1e-6


@dataclass(frozen=True, eq=False)
class Shown:
    """The picture of one frame."""

    time: Number
    pixels: np.ndarray
    held: bool


@dataclass(frozen=True)
class Clock:
    """The frames wanted: `start + k / fps` up to `end`."""

    fps: Number
    start: Number = 0.0
    end: Number = math.inf
    native_fps: Number = 0.0  # of the pictures

    def time(self, number: int) -> Number:
        return self.start + number / self.fps

    def holds(self, time: Number) -> bool:
        return self.start <= time < self.end

    @property
    def patience(self) -> Number:
        """How far away a picture may be from a frame before that frame is no observation."""
        return 0.75 / min(self.fps, self.native_fps or self.fps)


def steady(pictures: Iterable[Picture], clock: Clock, notes: Notes) -> Iterator[Shown]:
    """Frames from the first picture to the last; nothing is shown before or after them."""
    number, before = 0, None
    for picture in _in_order(pictures, clock.fps, notes):
        if before is None:
            number = max(0, math.ceil((picture.time - clock.start) * clock.fps - 0.5 - TIE))
        else:
            middle = (before.time + picture.time) / 2 + TIE
            while (time := clock.time(number)) <= middle and time < clock.end - TIE:
                yield _show(before, time, clock)
                number += 1
        before = picture
        if clock.time(number) >= clock.end - TIE:
            return
    if before is not None:
        while (time := clock.time(number)) <= before.time + 0.25 / clock.fps and time < clock.end - TIE:
            yield _show(before, time, clock)
            number += 1


def _show(picture: Picture, time: Number, clock: Clock) -> Shown:
    return Shown(time, picture.pixels, abs(picture.time - time) > clock.patience)


def _in_order(pictures: Iterable[Picture], fps: Number, notes: Notes) -> Iterator[Picture]:
    """Times that only grow, and never by more than a pause."""
    last, shift = None, 0.0
    for picture in pictures:
        time = picture.time - shift
        if last is not None and time <= last:
            if time < last - 1 / fps:
                notes.add("time stamps run backwards in places; those pictures are left out")
            continue
        if last is not None and time - last > LONGEST_PAUSE:
            notes.add(f"a pause of {time - last:.0f} s after {last:.1f} s is cut out")
            shift += time - last - 1 / fps
            time = last + 1 / fps
        yield Picture(time, picture.pixels)
        last = time
