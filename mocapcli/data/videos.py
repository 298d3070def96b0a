"""Rendered video clips of cached rigs with exact truth: deterministic for evaluation, endless for training.

48-frame windows at 30 fps, 256×256; yaw over the whole circle, pitch -5° to 30°, field of view 25° to 55°, the subject
filling 45-85 % of the frame, sometimes moving through it; random light and background; three appearances.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, UInt8

from mocapcli.data.appearance import Appearance, change_appearance
from mocapcli.data.cache import Cache
from mocapcli.data.windows import Window, cut_motion, random_of
from mocapcli.kinematics import motion_world
from mocapcli.render.camera import Camera, fit
from mocapcli.render.lights import Lights
from mocapcli.render.scene import Model, pose_points, prepare, render
from mocapcli.types import Asset, Motion

SIZE = 256
PITCH = (-5.0, 30.0)
FIELD_OF_VIEW = (25.0, 55.0)
FILL = (0.45, 0.85)
SMALLEST_SUBJECT = 0.3  # of the frame; a subject that would be smaller is followed by the camera


@dataclass(frozen=True, eq=False)
class View:
    """How a clip is filmed."""

    yaw: float
    pitch: float
    fov: float
    fill: float
    lights: Lights
    background: UInt8[np.ndarray, "height width 3"]


@dataclass(frozen=True, eq=False)
class Video:
    """A rendered clip and its truth. `asset` is what was filmed: other bones than the user's for another body."""

    frames: UInt8[np.ndarray, "frames height width 3"]
    masks: Float[np.ndarray, "frames height width"]
    cameras: tuple[Camera, ...]
    asset: Asset
    motion: Motion
    view: View


def window_video(
    cache: Cache, window: Window, appearance: Appearance = "own", seed: int = 0, size: int = SIZE
) -> Video:
    """The video of an evaluation window: the same for everybody, for a cache and seed."""
    random = random_of(seed, appearance, window.label)
    asset = change_appearance(cache.load(window.entry), appearance, random)
    motion = cut_motion(asset.motions[window.motion], window.start, window.frames)
    return film(asset, motion, random_view(random, size), size)


def random_view(random: np.random.Generator, size: int = SIZE) -> View:
    return View(
        yaw=float(random.uniform(0, 360)),
        pitch=float(random.uniform(*PITCH)),
        fov=float(random.uniform(*FIELD_OF_VIEW)),
        fill=float(random.uniform(*FILL)),
        lights=random_lights(random),
        background=random_background(random, size),
    )


def film(asset: Asset, motion: Motion, view: View, size: int = SIZE, model: Model | None = None) -> Video:
    """Film one motion of an asset."""
    model = model or prepare(asset.rig)
    world = motion_world(asset.rig.skeleton, motion)
    cameras = place_cameras(model, world, view, size)
    images = render(model, world, cameras, lights=view.lights, background=view.background, outputs=("colour", "mask"))
    return Video(images.colour[..., :3], images.mask, tuple(cameras), asset, motion, view)


def place_cameras(
    model: Model, world: Float[np.ndarray, "frames joints 4 4"], view: View, size: int = SIZE
) -> list[Camera]:
    """A still camera that sees the whole clip; one that travels along where the subject would come out too small."""
    points, _ = pose_points(model, world)
    points = points[:, np.unique(model.mesh.faces)]
    still = fit(points, view.yaw, view.pitch, view.fov, view.fill, size, size)
    extents = [np.ptp(still.project(frame)[0], axis=0).max() for frame in points]
    if np.median(extents) >= SMALLEST_SUBJECT * size:
        return [still] * len(world)
    centres = (points.min(axis=1) + points.max(axis=1)) / 2
    path = _straight(centres)
    camera = fit(points - path[:, None], view.yaw, view.pitch, view.fov, view.fill, size, size)
    return [replace(camera, position=camera.position + step) for step in path]


def _straight(centres: Float[np.ndarray, "frames 3"]) -> Float[np.ndarray, "frames 3"]:
    """The steady motion nearest to a path: what a dolly does."""
    time = np.linspace(-1, 1, len(centres))
    slope = (time[:, None] * centres).sum(axis=0) / max(float((time**2).sum()), 1e-9)
    return np.asarray(centres.mean(axis=0) + time[:, None] * slope)


def random_lights(random: np.random.Generator) -> Lights:
    """One to three lights from above and around, and some from everywhere; now and then tinted."""
    count = int(random.integers(1, 4))
    around, height = random.uniform(0, 2 * np.pi, count), random.uniform(-0.1, 1.2, count)
    directions = np.stack([np.cos(around), height, np.sin(around)], axis=1)
    strength = random.uniform(0.2, 0.9, (count, 1)) / count**0.5
    tint = random.uniform(0.75, 1.0, (count, 3)) if random.random() < 0.5 else np.ones((count, 3))
    red, green, blue = random.uniform(0.2, 0.5) * random.uniform(0.85, 1.0, 3)
    return Lights(directions, strength * tint, (float(red), float(green), float(blue)))


def random_background(random: np.random.Generator, size: int = SIZE) -> UInt8[np.ndarray, "size size 3"]:
    """Plain, a gradient, soft clouds, or tiles; with a ground line below the horizon now and then."""
    first, second = random.uniform(0, 255, (2, 3))
    kind = int(random.integers(4))
    if kind == 0:
        image = np.broadcast_to(first, (size, size, 3)).copy()
    elif kind == 1:
        share = np.linspace(0, 1, size)[:, None, None]
        image = np.broadcast_to(share * first + (1 - share) * second, (size, size, 3)).copy()
    elif kind == 2:
        image = first + (second - first) * _clouds(random, size)[..., None]
    else:
        tile = int(random.integers(8, 48))
        rows, columns = np.indices((size, size)) // tile
        image = np.where(((rows + columns) % 2)[..., None] == 1, first, second)
    if random.random() < 0.3:
        horizon = int(random.uniform(0.4, 0.8) * size)
        image[horizon:] = 0.5 * image[horizon:] + 0.5 * random.uniform(0, 255, 3)
    noise = random.normal(scale=random.uniform(0, 6), size=(size, size, 1))
    return np.asarray(np.clip(image + noise, 0, 255).astype(np.uint8))


def _clouds(random: np.random.Generator, size: int) -> Float[np.ndarray, "size size"]:
    """Smooth noise between 0 and 1: coarse random grids drawn large, each finer one fainter."""
    total = np.zeros((size, size))
    for octave in range(1, 5):
        cells = 2**octave + 1
        grid = random.random((cells, cells)) / octave
        at = np.linspace(0, cells - 1, size)
        rows = np.stack([np.interp(at, np.arange(cells), grid[:, column]) for column in range(cells)], axis=1)
        total += np.stack([np.interp(at, np.arange(cells), row) for row in rows])
    low, high = total.min(), total.max()
    return np.asarray((total - low) / max(high - low, 1e-9))
