"""The MOTION section: a frame time and a block of numbers, read in bulk."""

import io
import re
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from mocapcli.errors import ReadError
from mocapcli_bvh.hierarchy import Hierarchy

DEFAULT_FPS = 30.0
LARGEST = 1e15
CHUNK = 1 << 22  # bytes parsed at a time, so that the lines of a large file are never all alive at once

_HEADER = re.compile(rb"[ \t]*(?:frames|(frame[ \t]*time))[ \t]*:?[ \t]*([^\n]*)\n?", re.IGNORECASE)
_BLANK = re.compile(rb"\s*")


@dataclass(frozen=True, eq=False)
class MotionSection:
    fps: float
    values: Float[np.ndarray, "frames channels"]
    frame_time: float | None = None
    notes: tuple[str, ...] = ()  # what was odd about the file


def read_motion(data: bytes, start: int, hierarchy: Hierarchy, line: int) -> MotionSection:
    """The section from `start` on; `line` is the number of that line. Rows count, not what the header announces."""
    notes: list[str] = []
    announced, time_text, body = _header(data, start)
    line += data.count(b"\n", start, body)
    values = _read_numbers(data, body, hierarchy.width, line)
    fps, frame_time = _frame_rate(time_text, notes, has_frames=len(values) > 0)
    _check_memory(values, len(hierarchy.names))
    if announced is not None and announced != str(len(values)):
        notes.append(f"the header announces {announced[:20]} frames, the file has {len(values)}")
    return MotionSection(fps, values, frame_time, tuple(notes))


def _header(data: bytes, start: int) -> tuple[str | None, str | None, int]:
    """Announced frame count, frame time, and where the numbers begin."""
    frames, frame_time = None, None
    position = start
    while found := _HEADER.match(data, _BLANK.match(data, position).end()):  # type: ignore[union-attr]
        text = found[2].decode("latin-1").strip()
        if found[1]:
            frame_time = text
        else:
            frames = text
        position = found.end()
    return frames, frame_time, position


def _frame_rate(text: str | None, notes: list[str], has_frames: bool) -> tuple[float, float | None]:
    """Frames per second, and the frame time as the file has it; 30 fps where it has none that makes sense."""
    try:
        seconds = float(text or "")
    except ValueError:
        seconds = 0.0
    if 1e-5 <= seconds <= 100.0:
        return _nominal_rate(seconds, text or ""), seconds
    if has_frames:
        notes.append(f"no usable frame time ({(text or 'none')[:20]}), taken as {DEFAULT_FPS:g} frames per second")
    return DEFAULT_FPS, None


def _nominal_rate(seconds: float, text: str) -> float:
    """A frame time is a rounded 1/n: .0083333 means 120 frames per second, not 120.0005."""
    rate = round(1.0 / seconds)
    digits = len(text.lower().partition("e")[0].partition(".")[2])
    rounded = rate > 0 and "e" not in text.lower() and abs(1.0 / rate - seconds) < 10.0**-digits
    return float(rate) if rounded and abs(rate * seconds - 1.0) < 2e-3 else 1.0 / seconds


def _read_numbers(data: bytes, start: int, width: int, line: int) -> Float[np.ndarray, "frames channels"]:
    """All rows, one per line, exactly `width` numbers each."""
    parts = []
    while start < len(data):
        end = len(data) if start + CHUNK >= len(data) else data.find(b"\n", start + CHUNK) + 1 or len(data)
        chunk = data[start:end]
        if chunk.strip():
            parts.append(_parse(chunk, width, line))
        line += chunk.count(b"\n")
        start = end
    return np.concatenate(parts) if parts else np.zeros((0, width))


def _parse(chunk: bytes, width: int, line: int) -> Float[np.ndarray, "rows channels"]:
    try:
        values = np.loadtxt(io.BytesIO(chunk), comments=None, ndmin=2, encoding="latin-1")
    except ValueError:
        raise _row_error(chunk, width, line) from None
    if values.shape[1] != width or not (np.abs(values) <= LARGEST).all():
        raise _row_error(chunk, width, line)
    return values


def _row_error(chunk: bytes, width: int, line: int) -> ReadError:
    """What exactly is wrong with the first bad row."""
    for number, row in enumerate(chunk.split(b"\n"), line):
        words = row.decode("latin-1").split()
        place = f"line {number}"
        for word in words:
            if not _is_number(word):
                remedy = "write decimals with a point" if "," in word else None
                return ReadError(f"{word[:40]!r} is not a usable number", place=place, remedy=remedy)
        if words and len(words) != width:
            return ReadError(
                f"{len(words)} numbers where the channels ask for {width}",
                place=place,
                remedy="the file may be cut off; one frame is one line",
            )
    return ReadError("the motion data cannot be read", place=f"line {line}")


def _is_number(word: str) -> bool:
    try:
        return "_" not in word and abs(float(word)) <= LARGEST
    except ValueError:
        return False


def _check_memory(values: Float[np.ndarray, "frames channels"], joints: int) -> None:
    """Joints without channels cost nothing in the file and much in memory: a small file must not explode."""
    if values.shape[0] * joints > max(1 << 22, 8 * values.size):
        raise ReadError(
            f"{len(values)} frames of {joints} joints, hardly any of them with channels",
            remedy="remove the joints that have no channels",
        )
