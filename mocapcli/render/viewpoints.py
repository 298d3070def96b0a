"""From where a preview looks: named views, and cameras that stand still or travel with the subject."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter1d

from mocapcli.errors import UsageError
from mocapcli.render.camera import Camera, Number, fit
from mocapcli.render.scene import Model, World, pose_points

CameraMove = Literal["auto", "still", "follow"]
VIEWS: dict[str, tuple[float, float]] = {
    "front": (0.0, 8.0),
    "side": (90.0, 8.0),
    "back": (180.0, 8.0),
    "top": (0.0, 90.0),
    "three-quarter": (35.0, 16.0),
}
FIELD_OF_VIEW = 28.0
FILL = 0.86
SMALLEST_SUBJECT = 0.62  # of the picture; where it would come out smaller, the camera travels along
FRAMES_SEEN, VERTICES_SEEN = 48, 6000  # enough to judge the room a clip takes
GROUNDED = 30  # percentile of the frames' lowest points
SMOOTH_SECONDS = (0.5, 1.5, 0.5)  # of the camera's path by axis: a jump is to be seen as one


@dataclass(frozen=True)
class Viewpoint:
    """Directions in degrees, as in `camera.orbit`."""

    name: str
    yaw: float
    pitch: float


@dataclass(frozen=True, eq=False)
class Extent:
    """Surface points of some frames, enough of them to place cameras and the ground."""

    frames: list[int]
    points: Float[np.ndarray, "frames points 3"]
    rest_low: Number  # where the rest pose stands

    @property
    def ground(self) -> float:
        """The floor's height: that of the rest pose if the clip comes by there, else where it mostly is lowest."""
        lows = self.points[..., 1].min(axis=1)
        slack = 0.05 * self.size
        if lows.min() - slack <= self.rest_low <= lows.max() + slack:
            return float(self.rest_low)
        return float(np.percentile(lows, GROUNDED))

    @property
    def size(self) -> float:
        """Of the subject, whatever way it goes: the median diagonal of its box."""
        boxes = np.ptp(self.points, axis=1)
        return max(float(np.median(np.linalg.norm(boxes, axis=1))), 1e-6)


def parse_view(text: str) -> Viewpoint:
    """A view by name, or `YAW,PITCH` in degrees."""
    if text in VIEWS:
        return Viewpoint(text, *VIEWS[text])
    try:
        yaw, pitch = (float(part) for part in text.split(","))
    except ValueError:
        known = ", ".join(VIEWS)
        raise UsageError(f"no view called {text!r}", remedy=f"known: {known}, or YAW,PITCH such as 120,20") from None
    if not (abs(yaw) <= 3600 and abs(pitch) <= 90):
        raise UsageError(f"view {text!r} is no direction", remedy="the pitch lies between -90 and 90 degrees")
    return Viewpoint(text, yaw, pitch)


def extent_of(model: Model, world: World) -> Extent:
    """What a clip takes up, from some of its frames and vertices."""
    frames = np.unique(np.linspace(0, len(world) - 1, min(FRAMES_SEEN, len(world))).round().astype(int))
    used = np.unique(model.mesh.faces)
    used = used[:: max(1, len(used) // VERTICES_SEEN)]
    rest_low = float(model.rest_points[used, 1].min())
    runs = [pose_points(model, world[frame : frame + 1])[0][:, used] for frame in frames]
    return Extent([int(frame) for frame in frames], np.concatenate(runs).astype(np.float64), rest_low)


def path_of(model: Model, world: World, fps: Number) -> Float[np.ndarray, "frames 3"]:
    """Where the subject goes, smoothed as a cameraman would, from its start."""
    deforms = model.rig.deforms
    centre = world[..., :3, 3][:, deforms if deforms.any() else slice(None)].mean(axis=1)
    axes = [gaussian_filter1d(centre[:, k], SMOOTH_SECONDS[k] * fps, mode="nearest") for k in range(3)]
    return np.stack(axes, axis=1)


def place_cameras(
    extent: Extent,
    path: Float[np.ndarray, "frames 3"],
    view: Viewpoint,
    size: tuple[int, int],
    move: CameraMove = "auto",
) -> list[Camera]:
    """One camera a frame. `auto` stands still unless the subject would then come out small."""
    width, height = size
    still = fit(extent.points, view.yaw, view.pitch, FIELD_OF_VIEW, FILL, width, height)
    if move == "still" or (move == "auto" and subject_share(extent, still) >= SMALLEST_SUBJECT):
        return [still] * len(path)
    steady = extent.points - path[extent.frames][:, None]
    camera = fit(steady, view.yaw, view.pitch, FIELD_OF_VIEW, FILL, width, height)
    return [replace(camera, position=camera.position + step) for step in path]


def subject_share(extent: Extent, camera: Camera) -> float:
    """The part of the picture's width or height the subject takes in a typical frame."""
    boxes = np.array([np.ptp(camera.project(points)[0], axis=0) for points in extent.points])
    return float(np.median((boxes / (camera.width, camera.height)).max(axis=1)))


def side_by_side(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Pictures of the same frames [T, H, W, C] beside each other."""
    return pictures[0] if len(pictures) == 1 else np.concatenate(pictures, axis=2)
