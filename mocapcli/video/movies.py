"""Film files through PyAV: upright, square pixels, 8-bit sRGB, alpha kept; damage is skipped and told."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.sidedata.sidedata import Type as SideData
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter
from jaxtyping import Int, UInt8

from mocapcli.errors import InvalidDataError, ReadError, UnsupportedError
from mocapcli.video.frames import MOST_PIXELS, Footage, Notes, Picture, Request
from mocapcli.video.tones import HLG, PQ, tone_map

CONTAINERS = "mov,matroska,avi,gif,mpegts,mpeg,flv,asf,ogg,apng,webp_pipe"
ALLOWED = {"protocol_whitelist": "file", "format_whitelist": CONTAINERS}  # a playlist in disguise opens nothing
# Titles that are not UTF-8 must not cost the film; PyAV has been so lenient by itself since 19, where the option went.
LENIENT = {"metadata_errors": "replace"} if int(av.__version__.partition(".")[0]) < 19 else {}
LIBVPX = {"vp8": "libvpx", "vp9": "libvpx-vp9"}  # ffmpeg's own decoders ignore the alpha of webm
BT601, BT709, UNSPECIFIED = 5, 1, 2
USUAL_FPS = 30.0
EVEN_FPS = 60.0
FASTEST = 1000.0
TRIES = 64  # damaged packets before the first picture


def open_movie(path: Path) -> Footage:
    """Facts of a film file; its first picture is decoded for them."""
    with opened(path) as (container, stream):
        first = next(decoded(container, stream, Notes()), None)
        if first is None:
            raise ReadError("no picture of this video can be decoded", path=path, remedy="is it damaged, or empty?")
        frame, _ = first
        width, height = upright_size(frame, stream)
        rate = usual_rate(stream)
        claim = _claimed_duration(container, stream)
        alpha = has_alpha(frame)
    return Footage(width, height, rate, alpha, claim, lambda request: read_pictures(path, request, alpha))


def usual_rate(stream: Any) -> float:
    """Pictures per second; where they come unevenly, the rate of those that come evenly, if the file tells."""
    mean, even = float(stream.average_rate or stream.guessed_rate or 0), float(stream.base_rate or 0)
    if mean < even < 1.9 * mean and even <= EVEN_FPS:  # twice as many would be fields, still more a unit of time
        mean = even
    return mean if 0 < mean <= FASTEST else USUAL_FPS


def read_pictures(path: Path, request: Request, alpha: bool) -> Iterator[Picture]:
    """All pictures from about `request.start` on, in the order they are shown."""
    with opened(path) as (container, stream):
        origin = (stream.start_time or 0) * float(stream.time_base)
        if request.start > 0.5:
            _seek(container, stream, request.start + origin)
        if request.sparse:
            stream.codec_context.skip_frame = "NONKEY"
        painter, last, rate = VideoReformatter(), -np.inf, usual_rate(stream)
        for frame, seconds in decoded(container, stream, request.notes):
            time = last + 1 / rate if seconds is None and np.isfinite(last) else (seconds or 0.0) - origin
            if np.isinf(last) and request.start <= 0.5 and time < 0:
                origin += time
                time = 0.0
            last = time
            if time >= request.start - 1.0:
                yield Picture(time, paint(frame, painter, request.width, request.height, alpha))
        if not request.sparse:  # whose last picture is not the film's
            _tell_short(_claimed_duration(container, stream), last + 1 / rate, request.notes)


@contextmanager
def opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """The container and its first moving video stream."""
    try:
        container = av.open(f"file:{path}", options=ALLOWED, **LENIENT)
    except av.FFmpegError as error:
        reason = error.strerror or "unknown reason"
        raise ReadError(f"this is no video that can be read: {reason}", path=path) from error
    with container:
        stream = next((each for each in container.streams.video if not _is_cover(each)), None)
        if stream is None:
            raise ReadError("this file holds no video, only sound or data", path=path)
        if stream.codec_context is None:
            raise UnsupportedError("its pictures are coded in a way that is not known here", path=path)
        if stream.width * stream.height > MOST_PIXELS:
            raise InvalidDataError(f"pictures of {stream.width}×{stream.height} pixels are too large", path=path)
        stream.thread_type = "AUTO"
        yield container, stream


def _is_cover(stream: Any) -> bool:
    return "attached_pic" in str(stream.disposition)


def _seek(container: Any, stream: Any, seconds: float) -> None:
    try:
        container.seek(int(seconds / float(stream.time_base)), stream=stream)
    except av.FFmpegError:
        container.seek(0)  # no index: run through from the beginning


@dataclass
class Damage:
    """What could not be used."""

    packets: int = 0
    doubtful: int = 0
    first: float | None = None

    def meet(self, seconds: float | None) -> None:
        self.packets += 1
        self.first = seconds if self.first is None else self.first

    def tell(self, notes: Notes) -> None:
        if self.packets:
            place = f", the first at {self.first:.2f} s" if self.first is not None else ""
            notes.add(f"the video is damaged: what cannot be decoded is left out{place}")
        if self.doubtful:
            notes.add(f"{self.doubtful} pictures are marked as damaged by the decoder; they are used as they are")


def decoded(container: Any, stream: Any, notes: Notes) -> Iterator[tuple[Any, float | None]]:
    """Frames and their seconds; what fails to decode is left out and counted."""
    decoder, damage = _decoder(stream), Damage()
    base, found = float(stream.time_base), False
    for packet in _packets(container, stream, notes):
        try:
            frames = decoder.decode(packet)
        except av.FFmpegError:
            damage.meet(None if packet.pts is None else packet.pts * base)
            if damage.packets > TRIES and not found:
                break
            continue
        for frame in frames:
            found = True
            damage.doubtful += bool(frame.is_corrupt)
            yield frame, None if frame.pts is None else frame.pts * base
    damage.tell(notes)


def _packets(container: Any, stream: Any, notes: Notes) -> Iterator[Any]:
    try:
        yield from container.demux(stream)
    except av.FFmpegError as error:
        notes.add(f"the file breaks off: {error.strerror or 'it cannot be read on'}")


def _decoder(stream: Any) -> Any:
    """The stream's own decoder, or libvpx where a webm carries alpha."""
    context = stream.codec_context
    name = LIBVPX.get(context.name.removeprefix("lib").replace("vpx-", ""), "")
    if stream.metadata.get("alpha_mode", stream.metadata.get("ALPHA_MODE")) != "1" or not name:
        return context
    try:
        decoder = av.CodecContext.create(name, "r")
    except av.codec.codec.UnknownCodecError:
        return context
    decoder.extradata = context.extradata
    return decoder


def _claimed_duration(container: Any, stream: Any) -> float | None:
    if stream.duration:
        return float(stream.duration * stream.time_base)
    if container.duration and len(container.streams) == 1:
        return float(container.duration / av.time_base)
    return None


def _tell_short(claim: float | None, reached: float, notes: Notes) -> None:
    """Say so where the pictures end well before the file says they do."""
    if claim and np.isfinite(reached) and reached < claim - max(0.5, 0.02 * claim):
        notes.add(f"the video breaks off: {claim:.1f} s are announced, pictures end at {reached:.1f} s")


def has_alpha(frame: Any) -> bool:
    return any(part.is_alpha for part in frame.format.components) or frame.format.has_palette


def upright_size(frame: Any, stream: Any) -> tuple[int, int]:
    """Width and height as shown: square pixels, turned upright."""
    aspect = float(stream.sample_aspect_ratio or 1)
    width = round(frame.width * aspect) if 0.1 < aspect < 10 else frame.width
    return (frame.height, width) if _turn(frame)[0, 0] == 0 else (width, frame.height)


def paint(frame: Any, painter: VideoReformatter, width: int, height: int, alpha: bool) -> UInt8[np.ndarray, "_ _ _"]:
    """One frame as upright pixels of that size."""
    turn = _turn(frame)
    if turn[0, 0] == 0:
        width, height = height, width
    curve = int(frame.color_trc)
    high = curve in (PQ, HLG) and not alpha
    fmt = "rgba" if alpha else "rgb48le" if high else "rgb24"
    shrinks = width < frame.width or height < frame.height
    yuv = not (frame.format.is_rgb or frame.format.has_palette)
    changed = painter.reformat(
        frame,
        width=width,
        height=height,
        format=fmt,
        src_colorspace=_colours(frame) if yuv else None,
        dst_color_range=ColorRange.JPEG if yuv else None,
        interpolation=Interpolation.AREA if shrinks else Interpolation.BILINEAR,
        threads=1,
    )
    pixels = changed.to_ndarray()
    return _turned(tone_map(pixels, curve) if high else pixels, turn)


def _colours(frame: Any) -> int:
    """Where a file does not say, high definition means BT.709."""
    space = int(frame.colorspace)
    return space if space not in (0, UNSPECIFIED) else BT709 if frame.height >= 720 else BT601


def _turn(frame: Any) -> Int[np.ndarray, "2 2"]:
    """How a phone was held, as the quarter turn or mirroring nearest to the display matrix: x' = m00 x + m01 y."""
    found = frame.side_data.get(SideData.DISPLAYMATRIX)
    if found is None or len(bytes(found)) < 36:
        return np.eye(2, dtype=int)
    a, b, _, c, d = np.frombuffer(bytes(found), "<i4")[:5].astype(float)
    if abs(a) >= abs(c):
        return np.array([[-1 if a < 0 else 1, 0], [0, -1 if d < 0 else 1]])
    return np.array([[0, -1 if c < 0 else 1], [-1 if b < 0 else 1, 0]])


def _turned(pixels: UInt8[np.ndarray, "_ _ _"], turn: Int[np.ndarray, "2 2"]) -> UInt8[np.ndarray, "_ _ _"]:
    image = pixels.swapaxes(0, 1) if turn[0, 0] == 0 else pixels
    across, down = turn.sum(axis=1)
    return np.ascontiguousarray(image[:: int(down), :: int(across)])
