"""Video, rig from the same camera, rig from the side: one film to judge a capture by, with the video's sound."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from mocapcli.capturing.sound import add_sound
from mocapcli.errors import UnsupportedError
from mocapcli.kinematics import sample
from mocapcli.render.draw import draw_skeleton
from mocapcli.render.movie import LARGEST_GIF, write_movie
from mocapcli.render.preview import Act, Wishes, act_of, panel
from mocapcli.render.stage import PALETTES
from mocapcli.render.viewpoints import Viewpoint, extent_of, parse_view, path_of, place_cameras, side_by_side
from mocapcli.video.read import Video
from mocapcli.whole_file import whole_file

if TYPE_CHECKING:
    from mocapcli.capturing.api import Captured, Progress

HEIGHT, WIDEST = 360, 640  # pixels of one view
RUN = 16  # frames drawn at a time
Pictures = UInt8[np.ndarray, "frames height width 3"]


def write_preview(path: Path, captured: "Captured", progress: "Progress") -> None:
    with whole_file(path) as temporary:
        write_movie(temporary, _pictures(captured, progress), float(captured.video.fps))
        if path.suffix.lower() == ".mp4":
            add_sound(temporary, captured.video.path, float(captured.video.clock.start))


def check_size(path: Path, video: Video, frames: int) -> None:
    """Before the work: a gif holds all of its frames in memory."""
    width, height = _size(video.width, video.height)
    if path.suffix.lower() == ".gif" and frames * 3 * width * height * 3 > LARGEST_GIF:
        raise UnsupportedError(f"{frames} frames are too much for a gif", path=path, remedy="name it .mp4")


def _pictures(captured: "Captured", progress: "Progress") -> Iterator[UInt8[np.ndarray, "height width 3"]]:
    size = _size(captured.video.width, captured.video.height)
    confidence, at = captured.confidence, 0
    motion = sample(captured.filmed, confidence.times - confidence.times[0], captured.video.fps)
    act = act_of(captured.asset.rig, motion)
    scale = size[1] / captured.video.height
    views = _views(act, captured, size)
    for frames in captured.video.chunks(RUN):
        run = np.arange(at, min(at + len(frames), act.frames))
        shown = np.stack([_small(frame, size) for frame in frames.pixels[: len(run)]])
        _overlay(shown, confidence.places[run] * scale, captured.confidence.parents)
        yield from side_by_side([shown, *(view(run) for view in views)])
        progress("preview", len(run), act.frames)
        at += len(run)


def _size(width: int, height: int) -> tuple[int, int]:
    """Of one view: as the video is shaped, of even sides."""
    scale = min(HEIGHT / height, WIDEST / width)
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)


def _small(frame: UInt8[np.ndarray, "_ _ 3"], size: tuple[int, int]) -> UInt8[np.ndarray, "height width 3"]:
    return np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BOX))


def _overlay(pictures: Pictures, places: Float[np.ndarray, "frames joints 2"], parents: np.ndarray) -> None:
    draw_skeleton(pictures, places, parents)


def _views(act: Act, captured: "Captured", size: tuple[int, int]):  # type: ignore[no-untyped-def]
    """The rig as the video's camera saw it, and from its side."""
    extent, path = extent_of(act.model, act.world), path_of(act.model, act.world, act.fps)
    wishes = Wishes(size=size, background=PALETTES["studio"], skeleton=True)
    same, side = Viewpoint("same", 0.0, 0.0), parse_view("side")
    cameras = {same: [captured.camera.resized(*size)] * act.frames, side: place_cameras(extent, path, side, size)}

    def drawn(view: Viewpoint, run: np.ndarray) -> Pictures:
        return panel(act, wishes, view, [cameras[view][frame] for frame in run], run, extent, path)

    return [lambda run, view=view: drawn(view, run) for view in cameras]
