"""From what crops show to where joints are: the crop's own turn undone, gravity up, metres.

The level frame: y against gravity, -z the level direction the video's camera looks in, the camera at the origin.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.signal import savgol_filter

from mocapcli.capturing.clip import crop_rays, crop_tangents
from mocapcli.capturing.sight import Sight
from mocapcli.render.camera import Camera

STEADY_SECONDS = 0.23  # on either side: a body comes nearer or goes away no faster than this line tells
Points = Float[np.ndarray, "frames joints 3"]


@dataclass(frozen=True, eq=False)
class Lenses:
    """A clip's crop cameras as seen from the full picture's."""

    turns: Float[np.ndarray, "frames 3 3"]  # crop camera's axes to the full camera's
    cameras: Sequence[Camera]
    full: Camera

    @classmethod
    def of(cls, cameras: Sequence[Camera], full: Camera) -> "Lenses":
        return cls(full.rotation.T @ np.stack([camera.rotation for camera in cameras]), cameras, full)

    def rays(self, places: Float[np.ndarray, "frames joints 2"]) -> Points:
        """Directions of crop places in the full camera's axes, one deep along the crop's view axis."""
        return np.asarray(np.einsum("fab,fjb->fja", self.turns, crop_rays(places, self.cameras)))

    def pixels(self, places: Float[np.ndarray, "frames joints 2"]) -> Float[np.ndarray, "frames joints 2"]:
        """Crop places as pixels of the full picture."""
        rays = self.rays(places)
        offset = rays[..., :2] / np.maximum(-rays[..., 2:], 1e-6) * (1, -1)
        return np.asarray(offset * float(self.full.focal) + self.full.centre)


def to_space(sight: Sight, lenses: Lenses, seen: Bool[np.ndarray, " frames"], fps: float) -> tuple[Points, float]:
    """Joints in the level frame, in sizes, and the pitch of the video's camera (radians, looking down)."""
    around = round(STEADY_SECONDS * fps)
    distance = np.exp(steady(np.log(sight.half_width / crop_tangents(lenses.cameras)), seen, around))
    points = lenses.rays(sight.places.astype(float)) * (distance[:, None] - sight.depth)[..., None]
    pitch = camera_pitch(sight.pitch, lenses.turns[:, :, 2], seen)
    return np.asarray(points @ level(pitch).T), pitch


def level(pitch: float) -> Float[np.ndarray, "3 3"]:
    """From the axes of a camera that looks down by `pitch` to the level frame."""
    cosine, sine = np.cos(pitch), np.sin(pitch)
    return np.array([[1.0, 0.0, 0.0], [0.0, cosine, sine], [0.0, -sine, cosine]])


def camera_pitch(
    pitches: Float[np.ndarray, " frames"],
    backward: Float[np.ndarray, "frames 3"],
    seen: Bool[np.ndarray, " frames"],
) -> float:
    """The one pitch of the video's camera that agrees best with those of the crops, which look another way.

    A crop's backward axis b has the height sin(pitch of the crop) = cos p · b_y + sin p · b_z in the level frame.
    """
    length = np.hypot(backward[:, 1], backward[:, 2])
    height = np.clip(np.sin(pitches) / np.maximum(length, 1e-9), -1, 1)
    each = np.arcsin(height) - np.arctan2(backward[:, 1], backward[:, 2])
    return float(np.median(each[seen] if seen.any() else each))


def steady(
    values: Float[np.ndarray, " frames"], seen: Bool[np.ndarray, " frames"], around: int
) -> Float[np.ndarray, " frames"]:
    """The straight line through so many frames on either side (at an end: the last one); unseen ones are bridged."""
    if not seen.any():
        return values
    at = np.arange(len(values))
    bridged = np.interp(at, at[seen], values[seen])
    width = min(2 * around + 1, len(values) - 1 + len(values) % 2)
    return bridged if width < 3 else np.asarray(savgol_filter(bridged, width, 1))
