"""A video of a subject to what the network looks at: square crops of one size, background removed, subject centred.

The same geometry as training's crops (`mocapcli.training.samples`), from masks instead of known vertices.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from mocapcli.training.samples import MARGIN

CERTAIN = 0.5  # a pixel whose mask is above belongs to the subject


@dataclass(frozen=True, eq=False)
class CropBoxes:
    """Squares of one width, in pixels of the video; they may reach outside."""

    corners: Float[np.ndarray, "frames 2"]  # left, top
    width: float

    @property
    def centres(self) -> Float[np.ndarray, "frames 2"]:
        return np.asarray(self.corners + self.width / 2)


def crop_boxes(masks: Float[np.ndarray, "frames height width"]) -> CropBoxes:
    """Around the subject in each frame; where it is out of sight, on the way between its neighbours."""
    height, width = masks.shape[1:]
    boxes = np.full((len(masks), 4), np.nan)
    for frame, mask in enumerate(masks > CERTAIN):
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if len(rows):
            boxes[frame] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    known = np.flatnonzero(np.isfinite(boxes[:, 0]))
    if len(known) == 0:
        boxes[:] = 0, 0, width, height
    else:
        boxes = np.stack([np.interp(np.arange(len(boxes)), known, column[known]) for column in boxes.T], axis=1)
    side = float(np.mean(MARGIN)) * float((boxes[:, 2:] - boxes[:, :2]).max())
    return CropBoxes((boxes[:, :2] + boxes[:, 2:]) / 2 - side / 2, side)


def cut_crops(
    frames: UInt8[np.ndarray, "frames height width 3"],
    masks: Float[np.ndarray, "frames height width"],
    boxes: CropBoxes,
    side: int,
) -> UInt8[np.ndarray, "frames side side 4"]:
    """RGB on black and the mask, `side` pixels square."""
    out = np.zeros((len(frames), side, side, 4), np.uint8)
    for number, (frame, mask, corner) in enumerate(zip(frames, masks, boxes.corners, strict=True)):
        cover = np.clip(mask, 0, 1)[..., None]
        out[number, ..., :3] = _cut((frame * cover).round().astype(np.uint8), corner, boxes.width, side)
        out[number, ..., 3] = _cut((255 * cover[..., 0]).round().astype(np.uint8), corner, boxes.width, side)
    return out


def _cut(image: np.ndarray, corner: Float[np.ndarray, " 2"], width: float, side: int) -> np.ndarray:
    """A square resampled; black outside the image."""
    low = np.floor(corner).astype(int)
    count = int(np.ceil(width)) + 2
    patch = np.zeros((count, count, *image.shape[2:]), np.uint8)
    (left, top), (right, bottom) = np.maximum(low, 0), np.minimum(low + count, image.shape[1::-1])
    if right > left and bottom > top:
        patch[top - low[1] : bottom - low[1], left - low[0] : right - low[0]] = image[top:bottom, left:right]
    x, y = corner - low
    small = Image.fromarray(patch).resize((side, side), Image.Resampling.BILINEAR, (x, y, x + width, y + width))
    return np.asarray(small)
