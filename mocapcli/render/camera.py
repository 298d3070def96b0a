"""One perspective camera for the whole project.

World: right-handed, Y up, metres. The camera looks along its own -Z, with +X to the right and +Y up (as glTF,
three.js and Blender). Angles are in degrees; the field of view is vertical. Pixels are square; an image's
origin is its top left corner, the centre of the first pixel lies at (0.5, 0.5). Depth is measured in metres
along the view axis, positive in front of the camera (not along the ray).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from mocapcli.errors import InvalidDataError

Number = float | int  # both named: the checks of the tests take them apart
Vector = Sequence[Number] | np.ndarray
UP = (0.0, 1.0, 0.0)


@dataclass(frozen=True, eq=False)
class Camera:
    """Where it stands (`position`), how it is turned (`rotation`: columns right, up, backward), what it sees.

    `focal` and `centre` are in pixels; a centre off the middle of the image is an off-axis crop.
    """

    position: Float[np.ndarray, " 3"]
    rotation: Float[np.ndarray, "3 3"]
    width: int
    height: int
    focal: Number
    centre: tuple[Number, Number]
    near: Number = 0.01

    def __post_init__(self) -> None:
        for name, shape in (("position", (3,)), ("rotation", (3, 3))):
            value = np.array(getattr(self, name), dtype=np.float64)
            if value.shape != shape or not np.isfinite(value).all():
                raise InvalidDataError(f"camera {name} must be {list(shape)} finite numbers")
            value.flags.writeable = False
            object.__setattr__(self, name, value)
        if self.width < 1 or self.height < 1:
            raise InvalidDataError(f"a camera image needs at least one pixel, not {self.width}×{self.height}")
        numbers = (self.focal, self.near, *self.centre)
        if not (all(map(math.isfinite, numbers)) and self.focal > 0 and self.near > 0):
            raise InvalidDataError("camera focal length and near distance must be positive and finite")

    @property
    def fov(self) -> float:
        """Vertical field of view in degrees, as if the centre lay in the middle."""
        return math.degrees(2 * math.atan(self.height / (2 * self.focal)))

    @property
    def view(self) -> Float[np.ndarray, "4 4"]:
        """World to camera."""
        out = np.eye(4)
        out[:3, :3] = self.rotation.T
        out[:3, 3] = -self.rotation.T @ self.position
        return out

    def clip_matrix(self, far: Number = 1000.0) -> Float[np.ndarray, "4 4"]:
        """OpenGL's projection matrix (clip z in -1 … 1) for other renderers."""
        out = np.zeros((4, 4))
        out[0, 0], out[1, 1] = 2 * self.focal / self.width, 2 * self.focal / self.height
        out[0, 2] = 1 - 2 * self.centre[0] / self.width
        out[1, 2] = 2 * self.centre[1] / self.height - 1
        out[2, 2:] = -(far + self.near) / (far - self.near), -2 * far * self.near / (far - self.near)
        out[3, 2] = -1
        return out

    def project(
        self, points: Float[np.ndarray, "*batch 3"]
    ) -> tuple[Float[np.ndarray, "*batch 2"], Float[np.ndarray, "*batch"]]:
        """World points to pixels and depth; pixels of points not in front of the camera are NaN."""
        local = (np.asarray(points, dtype=np.float64) - self.position) @ self.rotation
        depth = np.asarray(-local[..., 2])
        safe = np.where(depth > 0, depth, np.nan)
        x = self.centre[0] + self.focal * local[..., 0] / safe
        y = self.centre[1] - self.focal * local[..., 1] / safe
        return np.stack([x, y], axis=-1), depth

    def unproject(
        self, pixels: Float[np.ndarray, "*batch 2"], depth: Float[np.ndarray, "*batch"]
    ) -> Float[np.ndarray, "*batch 3"]:
        """Pixels at a depth back to world points."""
        offset = (np.asarray(pixels, dtype=np.float64) - self.centre) / self.focal
        ray = np.stack([offset[..., 0], -offset[..., 1], -np.ones(offset.shape[:-1])], axis=-1)
        world: np.ndarray = (ray * np.asarray(depth)[..., None]) @ self.rotation.T + self.position
        return world

    def crop(self, left: Number, top: Number, side: Number, size: int) -> "Camera":
        """The camera of a square crop of this one's image, resized to `size` pixels; it may reach outside."""
        if not (side > 0 and size > 0):
            raise InvalidDataError("a crop needs a positive side and size")
        scale = size / side
        centre = ((self.centre[0] - left) * scale, (self.centre[1] - top) * scale)
        return replace(self, width=size, height=size, focal=self.focal * scale, centre=centre)

    def resized(self, width: int, height: int) -> "Camera":
        """The same view on another number of pixels; where the shape differs the height decides the scale."""
        scale = height / self.height
        centre = (width / 2 + (self.centre[0] - self.width / 2) * scale, self.centre[1] * scale)
        return replace(self, width=width, height=height, focal=self.focal * scale, centre=centre)

    def packed(self) -> Float[np.ndarray, " numbers"]:
        """What the rasteriser reads: rotation 9, translation 3, focal, centre 2, near, 1 / focal."""
        view = self.view
        return np.array([*view[:3, :3].ravel(), *view[:3, 3], self.focal, *self.centre, self.near, 1 / self.focal])


def perspective(
    position: Vector, rotation: np.ndarray, fov: Number, width: int, height: int, near: Number = 0.01
) -> Camera:
    """A camera with its centre in the middle of the image."""
    if not 0 < fov < 180:
        raise InvalidDataError(f"the field of view must lie between 0 and 180 degrees, not {fov}")
    focal = height / (2 * math.tan(math.radians(fov) / 2))
    return Camera(np.asarray(position, float), rotation, width, height, focal, (width / 2, height / 2), near)


def look_at(
    eye: Vector,
    target: Vector,
    fov: Number = 40.0,
    width: int = 256,
    height: int = 256,
    up: Vector = UP,
    near: Number = 0.01,
) -> Camera:
    """A camera at `eye` that sees `target` in the middle of its image."""
    backward = np.asarray(eye, float) - np.asarray(target, float)
    length = np.linalg.norm(backward)
    if not length > 0:
        raise InvalidDataError("the camera and its target are at the same place")
    backward = backward / length
    right = np.cross(np.asarray(up, float), backward)
    if np.linalg.norm(right) < 1e-9:  # straight up or down: keep -Z at the top of the picture
        right = np.cross((0.0, 0.0, -math.copysign(1.0, backward @ np.asarray(up, float))), backward)
    right = right / np.linalg.norm(right)
    rotation = np.stack([right, np.cross(backward, right), backward], axis=1)
    return perspective(eye, rotation, fov, width, height, near)


def orbit_rotation(yaw: Number, pitch: Number) -> Float[np.ndarray, "3 3"]:
    """Orientation of an orbiting camera: yaw 0 stands on +Z, yaw 90 on +X, positive pitch looks down from above."""
    y, p = math.radians(yaw), math.radians(pitch)
    right = np.array([math.cos(y), 0.0, -math.sin(y)])
    backward = np.array([math.sin(y) * math.cos(p), math.sin(p), math.cos(y) * math.cos(p)])
    return np.stack([right, np.cross(backward, right), backward], axis=1)


def orbit(
    target: Vector,
    yaw: Number,
    pitch: Number,
    distance: Number,
    fov: Number = 40.0,
    width: int = 256,
    height: int = 256,
    near: Number | None = None,
) -> Camera:
    """A camera circling `target`; for the meaning of yaw and pitch see `orbit_rotation`."""
    rotation = orbit_rotation(yaw, pitch)
    position = np.asarray(target, float) + distance * rotation[:, 2]
    return perspective(position, rotation, fov, width, height, distance / 1000 if near is None else near)


def fit(
    points: Float[np.ndarray, "*batch 3"],
    yaw: Number = 30.0,
    pitch: Number = 15.0,
    fov: Number = 40.0,
    fill: Number = 0.85,
    width: int = 256,
    height: int = 256,
) -> Camera:
    """The nearest camera of this orientation that keeps all points within the middle `fill` of its image.

    Exact: each side of the narrowed frustum touches a point, or its opposite axis decides the distance.
    """
    if not 0 < fill <= 1:
        raise InvalidDataError(f"fill must lie between 0 and 1, not {fill}")
    rotation = orbit_rotation(yaw, pitch)
    flat = np.asarray(points, dtype=np.float64).reshape(-1, 3)
    flat = flat[np.isfinite(flat).all(axis=1)]
    local = (flat if len(flat) else np.zeros((1, 3))) @ rotation
    slope = fill * math.tan(math.radians(fov) / 2)
    place, backs = np.zeros(3), []
    for axis, tangent in enumerate((slope * width / height, slope)):
        high = (local[:, axis] + tangent * local[:, 2]).max()
        low = (-local[:, axis] + tangent * local[:, 2]).max()
        place[axis] = (high - low) / 2
        backs.append((high + low) / (2 * tangent))
    extent = max(float(np.ptp(local, axis=0).max()), 1e-6)
    place[2] = max(*backs, local[:, 2].max() + 0.05 * extent)
    near = max((place[2] - local[:, 2].max()) * 0.5, extent * 1e-4)
    return perspective(rotation @ place, rotation, fov, width, height, near)
