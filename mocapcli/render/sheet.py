"""Contact sheets: every clip as rows of frames with its name and the time of each."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import UInt8

from mocapcli.console import printable
from mocapcli.errors import UnsupportedError
from mocapcli.render.preview import Act, Wishes, play

Page = UInt8[np.ndarray, "height width 3"]
MARGIN, GAP = 16, 6
MOST_PIXELS = 1 << 27
DARK_INK, LIGHT_INK = ((38, 42, 48), (110, 116, 126)), ((236, 238, 240), (150, 156, 166))


@dataclass
class Sheet:
    """A page that grows clip by clip."""

    wishes: Wishes
    tiles: int
    columns: int
    background: tuple[int, int, int]
    bands: list[Page] = field(default_factory=list)

    def add(self, act: Act) -> Iterator[int]:
        """Draw a clip's tiles; yields after each, for a progress bar."""
        frames = chosen_frames(act.frames, self.tiles)
        band = None
        for place, picture in enumerate(play(act, self.wishes, frames)):
            band = self._blank(picture.shape, len(frames), act) if band is None else band
            left, top = self._corner(place, picture.shape)
            band[top : top + picture.shape[0], left : left + picture.shape[1]] = picture[..., :3]
            self._label(band, left + 8, top + 6, f"{frames[place] / act.fps:.2f} s", small=True)
            yield place
        if band is not None:
            self.bands.append(band)

    def page(self) -> Page:
        """All of it, as one picture; many clips stand in several columns, or the page would be a ribbon."""
        width, height = self.bands[0].shape[1], sum(len(band) for band in self.bands)
        columns = min(len(self.bands), max(1, round(math.sqrt(height / width / 1.6))))
        runs = np.array_split(np.arange(len(self.bands)), columns)
        tallest = max(sum(len(self.bands[band]) for band in run) for run in runs) + MARGIN
        page = np.empty((tallest, width * columns, 3), np.uint8)
        page[:] = self.background
        for column, run in enumerate(runs):
            stack = np.concatenate([self.bands[band] for band in run])
            page[: len(stack), column * width : (column + 1) * width] = stack
        return page

    @property
    def title_height(self) -> int:
        return 44

    def _corner(self, place: int, shape: tuple[int, ...]) -> tuple[int, int]:
        row, column = divmod(place, self.columns)
        return MARGIN + column * (shape[1] + GAP), self.title_height + row * (shape[0] + GAP)

    def _blank(self, shape: tuple[int, ...], count: int, act: Act) -> Page:
        """A band with its clip's title and room for the tiles."""
        rows = math.ceil(count / self.columns)
        width = 2 * MARGIN + self.columns * (shape[1] + GAP) - GAP
        height = self.title_height + rows * (shape[0] + GAP)
        if width * (height + sum(len(band) for band in self.bands)) > MOST_PIXELS:
            raise UnsupportedError("the sheet would be too large", remedy="ask for fewer or smaller tiles, or one clip")
        band = np.empty((height, width, 3), np.uint8)
        band[:] = self.background
        facts = f"{act.frames} frames, {(act.frames - 1) / act.fps:.2f} s, {act.fps:g} fps"
        self._label(band, MARGIN, 12, printable(act.title)[:80], detail=facts if act.frames > 1 else "")
        return band

    def _label(self, band: Page, left: int, top: int, text: str, *, detail: str = "", small: bool = False) -> None:
        from PIL import Image, ImageDraw, ImageFont

        strong, faint = DARK_INK if sum(self.background) > 384 else LIGHT_INK
        image = Image.fromarray(band)
        pen = ImageDraw.Draw(image)
        font = ImageFont.load_default(13 if small else 20)
        pen.text((left, top), text, faint if small else strong, font)
        if detail:
            pen.text((left + 14 + pen.textlength(text, font), top + 6), detail, faint, ImageFont.load_default(14))
        band[:] = np.asarray(image)


def chosen_frames(frames: int, tiles: int) -> Sequence[int]:
    """Evenly spread over the clip, its first and last frame among them."""
    return [int(frame) for frame in np.unique(np.linspace(0, frames - 1, min(tiles, frames)).round())]
