"""The sound of one film under the pictures of another."""

from pathlib import Path
from typing import Any

import av

from mocapcli.errors import WriteError
from mocapcli.video.movies import ALLOWED, LENIENT

CODEC = "aac"


def add_sound(film: Path, source: Path, start: float = 0.0) -> bool:
    """Give `film` the sound of `source` from second `start` on; False where there is none that can be used."""
    if source.is_dir():
        return False
    voiced = film.with_name(f"{film.stem}-voiced{film.suffix}")
    try:
        with av.open(f"file:{source}", options=ALLOWED, **LENIENT) as heard:
            if not heard.streams.audio:
                return False
            _mux(film, heard, start, voiced)
        voiced.replace(film)
    except (av.FFmpegError, ValueError) as error:
        if isinstance(error, OSError) and error.errno == 28:
            raise WriteError("no space left on the device", path=film) from error
        return False
    finally:
        voiced.unlink(missing_ok=True)
    return True


def _mux(film: Path, heard: Any, start: float, target: Path) -> None:
    with av.open(str(film)) as seen, av.open(str(target), "w", options={"movflags": "faststart"}) as container:
        pictures = seen.streams.video[0]
        end = float(pictures.duration * pictures.time_base)
        if hasattr(container, "add_stream_from_template"):
            shown = container.add_stream_from_template(pictures)
        else:  # PyAV before 14
            shown = container.add_stream(template=pictures)
        sound = container.add_stream(CODEC, rate=heard.streams.audio[0].rate)
        for packet in seen.demux(pictures):
            if packet.dts is not None:
                packet.stream = shown
                container.mux(packet)
        resampler = av.AudioResampler(format=sound.format, layout=sound.layout, rate=sound.rate)
        for frame in _frames(heard, start, end, resampler):
            container.mux(sound.encode(frame))
        container.mux(sound.encode(None))


def _frames(heard: Any, start: float, length: float, resampler: Any) -> Any:
    """Sound of the part that is shown, timed from its beginning."""
    stream, begun = heard.streams.audio[0], False
    origin = float(_begins(heard.streams.video[0] if heard.streams.video else stream))  # pictures are timed from there
    if start > 0:
        heard.seek(max(0, int((start + origin) / stream.time_base)), stream=stream)
    for frame in heard.decode(stream):
        if frame.time is None or frame.time - origin + frame.samples / frame.rate <= start:
            continue
        if frame.time - origin >= start + length:
            break
        if not begun:
            yield from _silence(frame, frame.time - origin - start, resampler)
        begun, frame.pts = True, None
        yield from resampler.resample(frame)
    yield from resampler.resample(None)


def _begins(stream: Any) -> Any:
    return (stream.start_time or 0) * stream.time_base


def _silence(like: Any, seconds: float, resampler: Any) -> Any:
    """Sound that begins after the pictures waits for its time."""
    left, nothing = round(seconds * like.rate), 128 if like.format.name.startswith("u8") else 0
    while left > 0:
        count = min(left, 1024)
        frame = av.AudioFrame(format=like.format, layout=like.layout, samples=count)
        for plane in frame.planes:
            plane.update(bytes([nothing]) * plane.buffer_size)
        frame.rate, left = like.rate, left - count
        yield from resampler.resample(frame)
