"""Tiny videos made on the spot."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def moving_square(frames=12, height=48, width=64, side=16, background=(30, 60, 90), colour=(220, 120, 40)):
    """A square that moves to the right by two pixels a frame; RGB frames and the exact masks."""
    pixels = np.empty((frames, height, width, 3), np.uint8)
    pixels[:] = background
    masks = np.zeros((frames, height, width), bool)
    for t in range(frames):
        left, top = 4 + 2 * t, 12
        masks[t, top : top + side, left : left + side] = True
    pixels[masks] = colour
    return pixels, masks


def encode(
    path: Path, frames, fps=10, codec="libx264", pix_fmt="yuv420p", times=None, source=None, tags=None, **options
):
    """Write frames [T, H, W, 3|4]; `times` in milliseconds make the rate variable. `tags` are attributes of frames."""
    frames = np.asarray(frames)
    source = source or ("rgba" if frames.shape[-1] == 4 else "rgb24")
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(fps), options={k: str(v) for k, v in options.items()})
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], pix_fmt
        if times is not None:
            stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        if pix_fmt.startswith("yuva"):
            stream.metadata["alpha_mode"] = "1"
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format=source)
            for name, value in (tags or {}).items():
                setattr(frame, name, value)
            if times is not None:
                frame.pts, frame.time_base = times[number], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def numbered(frames=20, height=32, width=48):
    """Grey pictures that tell their own number: level 10 × number."""
    out = np.empty((frames, height, width, 3), np.uint8)
    out[:] = (np.arange(frames) * 10)[:, None, None, None]
    return out


def numbers_of(frames) -> list[int]:
    """What `numbered` pictures a Frames chunk shows."""
    return np.rint(frames.pixels[:, 4:-4, 4:-4].mean(axis=(1, 2, 3)) / 10).astype(int).tolist()


def turn_mp4(path: Path, matrix) -> None:
    """Overwrite the display matrix in the track header: what a phone held otherwise writes."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4
    assert data[at] == 0  # version 0
    place = at + 4 + 4 * 5 + 8 + 8
    values = [round(v * 65536) for v in matrix[:2]] + [0] + [round(v * 65536) for v in matrix[2:]] + [0, 0, 0, 1 << 30]
    data[place : place + 36] = np.array(values, ">i4").tobytes()
    path.write_bytes(bytes(data))


def iou(found, truth) -> float:
    found, truth = np.asarray(found) > 127, np.asarray(truth, bool)
    return float((found & truth).sum() / max((found | truth).sum(), 1))


def all_frames(video):
    chunks = list(video.chunks())
    return (
        np.concatenate([c.pixels for c in chunks]),
        np.concatenate([c.times for c in chunks]),
        np.concatenate([c.held for c in chunks]),
    )


def shown(video):
    return [number for chunk in video.chunks() for number in numbers_of(chunk)]
