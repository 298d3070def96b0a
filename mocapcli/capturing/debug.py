"""What a capture saw, to look at: the subject's crops and masks, and crops with the joints found in them."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from mocapcli.capturing.clip import CropClip
from mocapcli.render.draw import draw_skeleton
from mocapcli.render.movie import write_png
from mocapcli.spread import evenly_spread
from mocapcli.subject.cut import between
from mocapcli.subject.debug import write_debug as write_subject

if TYPE_CHECKING:
    from mocapcli.capturing.api import Captured
    from mocapcli.subject.find import Subject

TILES, COLUMNS, SIDE = 24, 6, 256


def write_debug(folder: Path, captured: "Captured", subject: "Subject", clip: CropClip) -> None:
    """`crop_*`, `mask_*` and `sheet.png` of the subject, `joints_*` and `joints.png` of stage 1."""
    write_subject(subject, folder, clip.size)
    chosen = evenly_spread(len(clip), TILES)
    tiles = [_overlaid(captured, subject, clip, frame) for frame in chosen]
    for frame, tile in zip(chosen, tiles, strict=True):
        write_png(folder / f"joints_{frame:06d}.png", tile)
    blank = np.zeros_like(tiles[0])
    tiles += [blank] * (-len(tiles) % COLUMNS)
    rows = [np.concatenate(tiles[at : at + COLUMNS], axis=1) for at in range(0, len(tiles), COLUMNS)]
    write_png(folder / "joints.png", np.concatenate(rows))


def _overlaid(captured: "Captured", subject: "Subject", clip: CropClip, frame: int) -> UInt8[np.ndarray, "_ _ 3"]:
    from PIL import Image

    small = Image.fromarray(np.ascontiguousarray(clip.pictures([frame])[0, ..., :3]))
    picture = np.array(small.resize((SIDE, SIDE), Image.Resampling.BILINEAR))[None]
    places = captured.confidence.places[frame]
    homogeneous = np.concatenate([places, np.ones((len(places), 1))], axis=1)
    mapped = homogeneous @ np.linalg.inv(between(subject.camera, clip.cameras[frame])).T
    pixels = mapped[:, :2] / mapped[:, 2:] * SIDE / clip.size
    draw_skeleton(picture, pixels[None], captured.confidence.parents)
    return np.asarray(picture[0])
