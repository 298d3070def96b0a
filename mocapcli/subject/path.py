"""The crop's way through the clip: where the subject is, how large, how sure; steady, with gaps bridged."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from mocapcli.render.camera import Camera, look_at
from mocapcli.subject.follow import COLUMNS, Track
from mocapcli.video.frames import Number

MARGIN = 1.2  # of the crop around the subject
CENTRE_SECONDS = 0.07  # width of the low-pass of the crop's middle
SIZE_SECONDS = 2.0  # the crop is as large as the subject ever is within so much time
FORGETTING = 0.5  # seconds in which the belief in a bridged place falls to a third
BRIDGED, SHARED, CUT_OFF, HELD = 0.6, 0.6, 0.8, 0.5


@dataclass(frozen=True, eq=False)
class Path:
    """Boxes in pixels of the video (left, top, right, bottom), without gaps; `seen` marks those observed."""

    boxes: Float[np.ndarray, "frames 4"]
    confidence: Float[np.ndarray, " frames"]
    seen: Bool[np.ndarray, " frames"]


def path_of(track: Track, held: Bool[np.ndarray, " frames"], camera: Camera, scale: Number, fps: Number) -> Path:
    """A subject's boxes over the whole clip, with confidence per frame."""
    count, rows = len(held), track.table.reshape(-1, COLUMNS)
    places = rows[:, 0].astype(int)
    boxes = np.full((count, 4), np.nan)
    boxes[places] = rows[:, 1:5] / scale
    areas, shared = np.zeros(count), np.zeros(count, bool)
    areas[places], shared[places] = rows[:, 5], rows[:, 6] > 0
    usual = ndimage.median_filter(_bridged(np.where(areas > 0, areas, np.nan)[:, None])[:, 0], max(3, int(2 * fps) | 1))
    seen = areas > 0.08 * usual
    boxes[~seen] = np.nan
    confidence = np.where(seen, np.minimum(1.0, 1.6 * areas / np.maximum(usual, 1)), _belief(seen, fps))
    filled = _bridged(boxes)
    edge = 1.5 / scale
    cut = (filled[:, :2] <= edge).any(axis=1) | (filled[:, 2:] >= np.array([camera.width, camera.height]) - edge).any(
        axis=1
    )
    confidence = confidence * np.where(shared, SHARED, 1) * np.where(cut, CUT_OFF, 1) * np.where(held, HELD, 1)
    return Path(filled, np.clip(confidence, 0, 1), seen & ~held)


def _belief(seen: Bool[np.ndarray, " frames"], fps: Number) -> Float[np.ndarray, " frames"]:
    """What a place bridged over a gap is worth: less, the farther the next observation."""
    if not seen.any():
        return np.zeros(len(seen))
    away = ndimage.distance_transform_edt(~seen) / fps
    return np.asarray(BRIDGED * np.exp(-away / FORGETTING))


def _bridged(values: Float[np.ndarray, "frames columns"]) -> Float[np.ndarray, "frames columns"]:
    """Gaps filled linearly; the ends keep the nearest value."""
    good = np.isfinite(values).all(axis=1)
    at = np.arange(len(values))
    if not good.any():
        return np.zeros_like(values)
    return np.stack([np.interp(at, at[good], column[good]) for column in values.T], axis=1)


def crop_cameras(path: Path, camera: Camera, size: int, fps: Number, correct: bool = True) -> list[Camera]:
    """One square camera a frame, seen from `camera`'s place: turned towards the subject, or a plain crop.

    Turned, a subject at the frame's edge looks as if it stood in the middle; a plain crop sees it obliquely.
    """
    if not correct:
        return _plain(path, camera, size, fps)
    rays = _side_rays(path, camera)
    aims = smooth(_aims(rays), CENTRE_SECONDS * fps)
    turns = _turns(aims)
    needed = np.abs(_seen_from(rays, turns)).max(axis=(1, 2))
    focals = size / (2 * MARGIN * steady_size(needed, path.seen, fps))
    middle = (size / 2, size / 2)
    return [
        Camera(camera.position, camera.rotation @ turn, size, size, float(focal), middle, camera.near)
        for turn, focal in zip(turns, focals, strict=True)
    ]


def _side_rays(path: Path, camera: Camera) -> Float[np.ndarray, "frames 4 3"]:
    """Directions to the middles of the boxes' sides, in the camera's axes: left, right, top, bottom."""
    left, top, right, bottom = path.boxes.T
    x, y = (left + right) / 2, (top + bottom) / 2
    sides = np.stack([np.stack(side, axis=-1) for side in ((left, y), (right, y), (x, top), (x, bottom))], axis=1)
    offset = (sides - camera.centre) / camera.focal
    return np.stack([offset[..., 0], -offset[..., 1], -np.ones(offset.shape[:2])], axis=-1)


def _aims(rays: Float[np.ndarray, "frames sides 3"]) -> Float[np.ndarray, "frames 2"]:
    """Where to look, as tangents to the right and up, so that the subject spans equal angles on both sides."""
    aims = np.asarray(np.tan(np.arctan(rays[..., :2]).mean(axis=1)))
    for _ in range(2):
        turns = _turns(aims)
        angles = np.arctan(_seen_from(rays, turns))
        across, up = angles[:, :2, 0].mean(axis=1), angles[:, 2:, 1].mean(axis=1)
        local = np.stack([np.tan(across), np.tan(up), -np.ones(len(across))], axis=-1)
        target = np.einsum("fij,fj->fi", turns, local)
        aims = np.asarray(target[:, :2] / -target[:, 2:])
    return aims


def _turns(aims: Float[np.ndarray, "frames 2"]) -> Float[np.ndarray, "frames 3 3"]:
    return np.stack([look_at((0, 0, 0), (*aim, -1.0)).rotation for aim in aims])


def _seen_from(
    rays: Float[np.ndarray, "frames sides 3"], turns: Float[np.ndarray, "frames 3 3"]
) -> Float[np.ndarray, "frames sides 2"]:
    """Tangents to the right and up of rays, for cameras turned so."""
    local = np.einsum("fsi,fij->fsj", rays, turns)
    return np.asarray(local[..., :2] / -local[..., 2:])


def _plain(path: Path, camera: Camera, size: int, fps: Number) -> list[Camera]:
    middle = smooth((path.boxes[:, :2] + path.boxes[:, 2:]) / 2, CENTRE_SECONDS * fps)
    needed = np.maximum(np.abs(path.boxes[:, :2] - middle), np.abs(path.boxes[:, 2:] - middle)).max(axis=1)
    half = MARGIN * steady_size(needed, path.seen, fps)
    return [camera.crop(float(x - h), float(y - h), float(2 * h), size) for (x, y), h in zip(middle, half, strict=True)]


def smooth(values: Float[np.ndarray, "frames columns"], width: Number) -> Float[np.ndarray, "frames columns"]:
    """Low-passed without lag."""
    if width <= 0.3:
        return values
    return np.asarray(ndimage.gaussian_filter1d(values, float(width), axis=0, mode="nearest"))


def steady_size(
    needed: Float[np.ndarray, " frames"], seen: Bool[np.ndarray, " frames"], fps: Number
) -> Float[np.ndarray, " frames"]:
    """At least what is needed, changing slowly; a single odd frame does not count."""
    calm = ndimage.median_filter(needed, min(5, len(needed)) | 1, mode="nearest")
    width = 2 * max(1, round(SIZE_SECONDS * fps)) + 1
    largest = ndimage.maximum_filter1d(calm, width, mode="nearest")
    size = ndimage.uniform_filter1d(largest, width, mode="nearest")
    return np.asarray(np.maximum(size, 1e-6))
