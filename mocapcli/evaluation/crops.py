"""Videos whose masks are known: the crops of them, and the squares in whose shares places are measured."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from mocapcli.capturing.clip import CropClip
from mocapcli.render.camera import Camera
from mocapcli.subject.cut import cut_crop
from mocapcli.subject.find import Crops
from mocapcli.subject.follow import Track
from mocapcli.subject.path import crop_cameras, path_of
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


def cut_clip(
    frames: UInt8[np.ndarray, "frames height width 3"],
    masks: Float[np.ndarray, "frames height width"],
    fps: float,
    full: Camera,
    size: int,
) -> CropClip:
    """The crops that `mocap capture` would cut if its segmenter gave these masks."""
    cover = np.rint(255 * np.clip(masks, 0, 1)).astype(np.uint8)
    track = Track(1)
    for number, mask in enumerate(cover > 0):
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if len(rows):
            box = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
            track.rows.extend([number, *map(float, box), float(mask.sum()), 0.0])
    path = path_of(track, np.zeros(len(frames), bool), full, 1.0, fps)
    cameras = crop_cameras(path, full, size, fps)
    clip = CropClip(size)
    for number, (frame, mask, camera) in enumerate(zip(frames, cover, cameras, strict=True)):
        image = cut_crop(frame, mask, full, camera)[None]
        clip.add(Crops(image, (camera,), path.confidence[number : number + 1], np.array([number / fps])))
    return clip
