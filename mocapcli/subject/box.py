"""The user shows the subject with a box in the first frame; colours, place and, where it helps, the still background
tell it from the rest in all later ones.

Two colour models, the subject's and that of its surroundings, start from the box, are sharpened on the first frame
by turns (mask from colours, colours from mask), and then follow slowly, tied to how they began.
"""
# mypy: allow-untyped-calls

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8
from scipy import ndimage

from mocapcli.errors import UsageError
from mocapcli.subject import static
from mocapcli.subject.background import Background, model_background
from mocapcli.subject.clean import clean
from mocapcli.subject.colours import histogram, odds_table
from mocapcli.subject.kernels import look_up
from mocapcli.subject.shift import moved, picture_shift, unchanged
from mocapcli.subject.survey import Box, Masker, Survey, Wishes
from mocapcli.video.frames import Frames, Number

SURROUNDINGS = 0.6  # of the box's size, on each side, is looked at
REACH = 0.035  # of the subject's size that its outline may move from frame to frame
GROWTH = 1.25  # of that reach for each frame in which the subject is lost
LEARNING = 0.08
ANCHOR = 0.5  # share of the first frame's opinion in every later one
SWELLING = 1.25  # a mask that is larger than usual by this teaches nothing: it has leaked
ROUNDS = 5
MIDDLE = 1.2  # log odds: the middle of a box is seldom empty
KEEPING = 1.5, -3.0  # log odds of what was subject, and what was not, where nothing changes
Table = Float[np.ndarray, "bins bins bins"]
Mask = UInt8[np.ndarray, "height width"]


def open_masker(survey: Survey, wishes: Wishes) -> Masker:
    if wishes.box is None:
        raise UsageError("the box segmenter needs a box")
    box = _checked(wishes.box, survey)
    still = survey.camera_still and static.judge(survey).fits
    tracker = BoxTracker(box, model_background(survey.pixels) if still else None)
    return tracker.masks


def _checked(box: Box, survey: Survey) -> Box:
    """The box, given in the file's pixels, in working pixels and cut to the picture."""
    (height, width), scale = survey.pixels.shape[1:3], survey.video.scale
    left, top, across, down = (value * scale for value in box)
    right, bottom = min(left + across, width), min(top + down, height)
    left, top = max(left, 0.0), max(top, 0.0)
    if not (right - left >= 4 and bottom - top >= 4):
        shape = f"{width / scale:.0f}×{height / scale:.0f}"
        raise UsageError(f"the box lies outside of the picture of {shape} pixels, or is too small")
    return left, top, right, bottom


@dataclass(eq=False)
class BoxTracker:
    """Masks frame after frame. `box` is left, top, right, bottom in working pixels."""

    box: Box
    background: Background | None = None
    last: Mask | None = None
    lost: int = 0
    speed: tuple[Number, Number] = (0.0, 0.0)
    subject: Table | None = None
    behind: Table | None = None
    first: tuple[Table, Table] | None = None
    usual: float = 0.0  # pixels
    frame: UInt8[np.ndarray, "height width 3"] | None = None  # the one before

    def masks(self, frames: Frames) -> UInt8[np.ndarray, "frames height width"]:
        return np.stack([self.mask(frame) for frame in frames.pixels])

    def mask(self, frame: UInt8[np.ndarray, "height width 3"]) -> Mask:
        if self.last is None:
            self.last, self.frame = self._begin(frame), frame
            return self.last
        rows, columns = self._window(frame.shape)
        odds = self._odds(frame, (rows, columns)) + self._prior((rows, columns)) + self._habit(frame)[rows, columns]
        found = clean(static.settled(odds.astype(np.float32), np.ascontiguousarray(frame[rows, columns])))
        found = static.witnessed(found, self._moved_on((rows, columns)))
        mask = np.zeros(frame.shape[:2], np.uint8)
        mask[rows, columns] = found
        self._follow(frame, mask, (rows, columns))
        self.frame = frame
        return mask

    def _habit(self, frame: UInt8[np.ndarray, "height width 3"]) -> Float[np.ndarray, "height width"]:
        """What looks as before, once the camera's own motion is undone, is likely to be what it was."""
        if self.frame is None or self.lost:
            return np.zeros(frame.shape[:2])
        shift = picture_shift(self.frame, frame)
        same = unchanged(moved(self.frame, shift), frame)
        was = moved(np.asarray(self.last) > 127, shift)
        return np.where(same, np.where(was, KEEPING[0], KEEPING[1]), 0.0)

    def _begin(self, frame: UInt8[np.ndarray, "height width 3"]) -> Mask:
        left, top, right, bottom = (round(value) for value in self.box)
        inside = np.zeros(frame.shape[:2], bool)
        inside[top:bottom, left:right] = True
        rows, columns = self._window(frame.shape)
        near = np.zeros_like(inside)
        near[rows, columns] = True
        core = np.zeros_like(inside)
        down, across = (bottom - top) // 5, (right - left) // 5
        core[top + down : bottom - down, left + across : right - across] = True
        seed = core if self.background is None else inside & (self.background.evidence(frame) > 0)
        mask = seed if seed.sum() > 20 else core
        for _ in range(ROUNDS):
            self.subject = histogram(frame[mask])
            self.behind = histogram(frame[near & ~inside]) * 0.7 + histogram(frame[inside & ~mask]) * 0.3
            odds = np.where(inside, self._odds(frame, (slice(None), slice(None))) + MIDDLE * core, -6)
            found = clean(static.settled(odds.astype(np.float32), frame))
            if (found > 127).sum() < 20:
                break
            mask = ndimage.binary_fill_holes(found > 127)
        self.first = np.asarray(self.subject), np.asarray(self.behind)
        return np.where(mask, 255, 0).astype(np.uint8)

    def _window(self, shape: tuple[int, ...]) -> tuple[slice, slice]:
        left, top, right, bottom = self.box
        grow = SURROUNDINGS * max(right - left, bottom - top) * GROWTH ** min(self.lost, 8)
        rows = slice(max(0, int(top - grow)), min(shape[0], int(bottom + grow) + 1))
        return rows, slice(max(0, int(left - grow)), min(shape[1], int(right + grow) + 1))

    def _odds(
        self, frame: UInt8[np.ndarray, "height width 3"], window: tuple[slice, slice]
    ) -> Float[np.ndarray, "_ _"]:
        part = np.ascontiguousarray(frame[window])
        colour = np.empty(part.shape[:2], np.float32)
        table = odds_table(np.asarray(self.subject), np.asarray(self.behind))
        if self.first is not None:
            table = np.asarray((1 - ANCHOR) * table + ANCHOR * odds_table(*self.first), np.float32)
        look_up(part, table, colour)
        colour = np.clip(colour, -3, 3)
        if self.background is None:
            return colour
        return np.asarray(self.background.evidence(frame)[window] + 0.3 * colour, np.float32)

    def _prior(self, window: tuple[slice, slice]) -> Float[np.ndarray, "_ _"]:
        """Where the subject was a moment ago, moved on as fast as it went: near there it is, far away it is not."""
        before = self._moved_on(window)
        left, top, right, bottom = self.box
        reach = max(3.0, REACH * max(right - left, bottom - top)) * GROWTH ** min(self.lost, 8)
        outside = ndimage.distance_transform_edt(~before)
        inside = ndimage.distance_transform_edt(before)
        return np.asarray(np.clip(1.2 * inside / reach, 0, 1.2) - np.clip(2.0 * outside / reach - 0.8, 0, 9))

    def _moved_on(self, window: tuple[slice, slice]) -> Bool[np.ndarray, "_ _"]:
        """The last mask, where it should be now; anywhere once the subject is lost."""
        if self.lost > 3:
            return np.ones(np.asarray(self.last)[window].shape, bool)
        return np.asarray(ndimage.shift(np.asarray(self.last)[window] > 127, self.speed, order=0, mode="constant"))

    def _follow(self, frame: UInt8[np.ndarray, "height width 3"], mask: Mask, window: tuple[slice, slice]) -> None:
        solid = mask > 127
        before = np.asarray(self.last) > 127
        if solid.sum() < 0.1 * before.sum():
            self.lost += 1
            self.speed = (0.0, 0.0)
            return
        now, then = ndimage.center_of_mass(solid), ndimage.center_of_mass(before)
        drift = [(a - b) if self.lost == 0 else 0.0 for a, b in zip(now, then, strict=True)]
        self.speed = (0.5 * self.speed[0] + 0.5 * drift[0], 0.5 * self.speed[1] + 0.5 * drift[1])
        self.lost, self.last = 0, mask
        ((rows, columns),) = ndimage.find_objects(solid.astype(np.int8))
        self.box = columns.start, rows.start, columns.stop, rows.stop
        self.usual = self.usual or float(solid.sum())
        if solid.sum() < SWELLING * self.usual:
            self._learn(frame[window], solid[window])
        self.usual += 0.05 * (min(float(solid.sum()), SWELLING * self.usual) - self.usual)

    def _learn(self, frame: UInt8[np.ndarray, "_ _ 3"], solid: np.ndarray) -> None:
        inner, outer = ndimage.binary_erosion(solid), ~ndimage.binary_dilation(solid, iterations=2)
        if self.first is None or not inner.any() or not outer.any():
            return
        new = histogram(frame[inner]), histogram(frame[outer])
        old = np.asarray(self.subject), np.asarray(self.behind)
        kept = [(1 - LEARNING) * o + LEARNING * n for o, n in zip(old, new, strict=True)]
        self.subject, self.behind = kept[0], 0.7 * kept[1] + 0.3 * new[1]
