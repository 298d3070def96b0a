"""Open a video and stream it: the one entry for everything that is filmed."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import Path

import numpy as np

from mocapcli.errors import InvalidDataError, PluginError, ReadError, UnsupportedError, UsageError
from mocapcli.extensions import Source
from mocapcli.video.frames import Footage, Frames, Notes, Number, Picture, Request
from mocapcli.video.steady import Clock, Shown, steady

CHUNK_BYTES = 1 << 25
MOST_FRAMES = 64  # in a chunk
PICTURE_FPS = 30.0  # of numbered pictures, where nothing else is said
LARGEST = 1920  # longest side that is decoded to; a crop needs no more
SLOWEST, FASTEST = 0.1, 1000.0


@dataclass(frozen=True, eq=False)
class Video:
    """An opened video: run through it with `chunks`, as often as needed. `notes` grow as trouble is met."""

    path: Path
    width: int
    height: int
    fps: Number
    alpha: bool  # whether frames carry an alpha channel
    clock: Clock
    footage: Footage = field(repr=False)
    source: str = "movie"
    notes: Notes = field(default_factory=Notes)

    @property
    def scale(self) -> float:
        """Of a pixel of the file, in pixels of the frames."""
        return self.width / self.footage.width

    @property
    def frames_expected(self) -> int | None:
        """About how many frames will come, as far as the file says."""
        end = min(self.clock.end, self.footage.duration or math.inf)
        return None if math.isinf(end) else max(1, round((end - self.clock.start) * self.fps))

    def resized(self, longest: int) -> "Video":
        """The same video, smaller: its longer side has at most so many pixels."""
        scale = longest / max(self.width, self.height)
        if scale >= 1:
            return self
        return replace(self, width=max(1, round(self.width * scale)), height=max(1, round(self.height * scale)))

    def fitted(self, width: int, height: int) -> "Video":
        """The same video at exactly this size."""
        return replace(self, width=width, height=height)

    def chunks(self, most: int = MOST_FRAMES, sparse: bool = False) -> Iterator[Frames]:
        """All frames, at most so many at a time; memory does not depend on the video's length.

        `sparse` lets the source leave out what is dear to decode: only frames that show a picture come then.
        """
        size = min(most, MOST_FRAMES, max(1, CHUNK_BYTES // (self.width * self.height * 4)))
        gathered: list[Shown] = []
        for shown in self._shown(sparse):
            gathered.append(shown)
            if len(gathered) == size:
                yield self._frames(gathered)
                gathered = []
        if gathered:
            yield self._frames(gathered)

    def _shown(self, sparse: bool) -> Iterator[Shown]:
        request = Request(self.width, self.height, self.clock.start, self.notes, sparse)
        pictures = self._timed(self.footage.pictures(self._request(request)))
        if sparse:
            wanted = takewhile(lambda each: each.time < self.clock.end, pictures)
            return (Shown(each.time, each.pixels, False) for each in wanted if self.clock.holds(each.time))
        return self._counted(steady(pictures, self.clock, self.notes))

    def _counted(self, frames: Iterator[Shown]) -> Iterator[Shown]:
        """Say how many frames there was no picture for."""
        held = 0
        for shown in frames:
            held += shown.held
            yield shown
        if held:
            self.notes.add(f"for {held} frames there is no picture in time: the nearest one is repeated there")

    def _request(self, request: Request) -> Request:
        """Numbered pictures count from zero instead of telling the time."""
        return request if self.footage.fps else replace(request, start=math.floor(request.start * self.fps))

    def _timed(self, pictures: Iterator[Picture]) -> Iterator[Picture]:
        if self.footage.fps:
            return pictures
        return (Picture(picture.time / self.fps, picture.pixels) for picture in pictures)

    def _frames(self, shown: list[Shown]) -> Frames:
        pixels = np.stack([each.pixels for each in shown])
        times = np.array([each.time for each in shown])
        held = np.array([each.held for each in shown])
        alpha = np.ascontiguousarray(pixels[..., 3]) if self.alpha else None
        return Frames(np.ascontiguousarray(pixels[..., :3]), alpha, times, self.fps, held)


def open_video(
    path: str | Path,
    fps: Number | None = None,
    start: Number | None = None,
    end: Number | None = None,
    source: str | None = None,
    longest: int = LARGEST,
) -> Video:
    """Open a film file or a folder of pictures.

    Frames come at the video's own rate, or at `fps` (for numbered pictures: the rate they were taken at); `start` and
    `end` in seconds cut out a part.
    """
    if re.match(r"[a-z][a-z0-9+.-]+://", str(path), re.IGNORECASE):
        raise UsageError("videos are read from files only", path=str(path), remedy="download it first")
    path = Path(path)
    if not path.exists():
        raise ReadError("no such file or folder", path=path)
    clock = _clock(fps, start, end)
    chosen = choose_source(path, source)
    try:
        footage = chosen.open(path)
    except InvalidDataError as error:
        raise ReadError(error.problem, path=path) from error
    except OSError as error:
        raise ReadError(f"it cannot be read: {error.strerror or error}", path=path) from error
    rate = fps or footage.fps or PICTURE_FPS
    if footage.duration is not None and clock.start >= footage.duration:
        raise UsageError(f"the video ends at {footage.duration:.2f} s, before --start {clock.start:g}", path=path)
    clock = replace(clock, fps=rate, native_fps=footage.fps or rate)
    return Video(path, footage.width, footage.height, rate, footage.alpha, clock, footage, chosen.name).resized(longest)


def _clock(fps: Number | None, start: Number | None, end: Number | None) -> Clock:
    """What the user asked for, if it makes sense."""
    if fps is not None and not SLOWEST <= fps <= FASTEST:
        raise UsageError(f"--fps must lie between {SLOWEST:g} and {FASTEST:g}, not {fps:g}")
    first, last = start or 0.0, math.inf if end is None else end
    if not (math.isfinite(first) and first >= 0 and last > first):
        raise UsageError(f"the part from {first:g} s to {last:g} s is empty", remedy="check --start and --end")
    return Clock(fps or PICTURE_FPS, first, last)


def choose_source(path: Path, name: str | None = None) -> Source:
    """The plugin that opens this file, by name or by its extension."""
    from mocapcli.plugins import get_plugins

    sources = get_plugins().sources
    if name is not None:
        if name not in sources:
            raise PluginError(f"no video source is called {name!r}", remedy=f"known: {', '.join(sorted(sources))}")
        return sources[name]
    suffix = path.suffix[1:].lower()
    fitting = [each for each in sources.values() if (each.folders if path.is_dir() else suffix in each.extensions)]
    if not fitting:
        known = sorted({extension for each in sources.values() for extension in each.extensions})
        raise UnsupportedError("no kind of video that is known", path=path, remedy=f"known: {', '.join(known)}")
    return fitting[0]
