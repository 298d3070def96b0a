"""What stands behind a preview: a studio floor with a fading grid, a soft shadow, a backdrop without horizon."""
# mypy: allow-untyped-defs, allow-untyped-calls, allow-incomplete-defs

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8
from scipy.ndimage import gaussian_filter

from mocapcli.render.camera import Camera, Number
from mocapcli.render.compiled import compiled, inlined
from mocapcli.render.lights import Lights
from mocapcli.render.rasteriser import draw
from mocapcli.render.skinning import Points
from mocapcli.render.surface import Surface

Pictures = UInt8[np.ndarray, "frames height width 3"]
KEY = np.array([-0.45, 1.0, 0.62])  # towards the main light, seen from the camera's side of the world
SHADOW = np.array([-0.30, 1.0, 0.25])  # steeper, or shadows would leave the picture
LINE_WIDTH = 0.022  # of a square's side
SHADOW_DETAIL = 2  # the shadow is drawn this much coarser: it is blurred anyhow
SHADOW_BLUR = 0.012  # of the picture's height


@dataclass(frozen=True)
class Palette:
    """sRGB colours of a stage and how dark its shadow is."""

    horizon: tuple[int, int, int]
    top: tuple[int, int, int]
    floor: tuple[int, int, int]
    line: tuple[int, int, int]
    shadow: float


PALETTES = {
    "studio": Palette((233, 236, 240), (198, 207, 217), (213, 216, 220), (182, 187, 194), 0.42),
    "dark": Palette((44, 47, 53), (25, 27, 31), (58, 62, 69), (88, 93, 102), 0.6),
}


@dataclass(frozen=True)
class Stage:
    """The floor's height, the side of its squares, and how far it reaches before it fades."""

    palette: Palette
    ground: float
    cell: float
    reach: float


def make_stage(palette: Palette, ground: Number, size: Number) -> Stage:
    """A floor for a subject of this size; squares of 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(size / 2))
    cell = max(step * power for step in (1, 2, 5) if step * power <= size / 2)
    return Stage(palette, float(ground), cell, 1.9 * float(size))


def studio_lights(yaw: Number) -> Lights:
    """Key, fill and rim light that stand around the camera's side of the subject."""
    turn = turned(yaw)
    directions = np.array([KEY, [0.9, 0.25, 0.55], [0.35, 0.55, -0.95]]) @ turn.T
    colours = np.array([[0.60, 0.585, 0.555], [0.17, 0.185, 0.21], [0.27, 0.285, 0.32]])
    return Lights(directions, colours, (0.29, 0.30, 0.315))


def turned(yaw: Number) -> Float[np.ndarray, "3 3"]:
    """The turn that takes +Z to where a camera of this yaw stands."""
    y = math.radians(yaw)
    return np.array([[math.cos(y), 0.0, math.sin(y)], [0.0, 1.0, 0.0], [-math.sin(y), 0.0, math.cos(y)]])


def paint_stage(
    stage: Stage,
    points: Points,
    surface: Surface,
    cameras: Sequence[Camera],
    centres: Float[np.ndarray, "frames 3"],
    yaw: Number,
) -> Pictures:
    """The backdrop of every frame, with the shadow of the points; the floor fades around `centres`."""
    shadows = cast_shadows(stage, points, surface, cameras, yaw)
    palette = stage.palette
    colours = np.array([palette.horizon, palette.top, palette.floor, palette.line], dtype=np.float64)
    height, width = cameras[0].height, cameras[0].width
    images = np.empty((len(cameras), height, width, 3), np.uint8)
    empty, lit = np.empty((height, width, 3), np.float32), np.empty((height, width), np.float32)
    seen: tuple[Camera, bytes] | None = None
    for frame, camera in enumerate(cameras):
        centre = np.ascontiguousarray(centres[frame], dtype=np.float64)
        if seen is None or seen[0] is not camera or seen[1] != centre.tobytes():
            lens = np.array([camera.focal, *camera.centre], dtype=np.float64)
            numbers = np.array([stage.ground, stage.cell, stage.reach])
            fill_stage(np.array(camera.position), np.array(camera.rotation), lens, centre, numbers, colours, empty, lit)
            seen = (camera, centre.tobytes())
        shade_floor(empty, lit, shadows[frame], palette.shadow, images[frame])
    return images


def cast_shadows(
    stage: Stage, points: Points, surface: Surface, cameras: Sequence[Camera], yaw: Number
) -> Float[np.ndarray, "frames rows columns"]:
    """How much of the light each coarse pixel's floor loses, were the floor everywhere."""
    slope = (turned(yaw) @ SHADOW) / SHADOW[1]
    height = np.maximum(points[..., 1:2] - stage.ground, 0.0)
    flat = (points - height * slope).astype(np.float32)
    flat[..., 1] = stage.ground
    width, rows = (max(1, side // SHADOW_DETAIL) for side in (cameras[0].width, cameras[0].height))
    coarse = [camera.resized(width, rows) for camera in cameras]
    flat_normals = np.zeros((len(points), 0, 3), np.float32)
    mask = draw(
        flat, flat_normals, surface, coarse, supersample=1, culling=False, outputs=("mask",), background=None
    ).mask
    blur = SHADOW_BLUR * rows
    return np.ascontiguousarray(gaussian_filter(mask, (0, blur, blur)), dtype=np.float32)


@inlined
def line_cover(place, step, cell):
    """The share of a pixel that spans `step` on the floor which the nearest line of the grid takes."""
    half = LINE_WIDTH / 2 * cell
    off = abs(place / cell - math.floor(place / cell + 0.5)) * cell
    return max(min(off + step / 2, half) - max(off - step / 2, -half), 0.0) / step


@compiled
def fill_stage(position, rotation, lens, centre, numbers, palette, empty, lit):
    """Each pixel's ray meets the floor or the backdrop: its colour, and how much of a shadow it can show."""
    height, width, _ = empty.shape
    ground, cell, reach = numbers
    focal, middle_x, middle_y = lens
    r = rotation
    above = position[1] - ground
    for y in range(height):
        v = -(y + 0.5 - middle_y) / focal
        for x in range(width):
            u = (x + 0.5 - middle_x) / focal
            dx = r[0, 0] * u + r[0, 1] * v - r[0, 2]
            dy = r[1, 0] * u + r[1, 1] * v - r[1, 2]
            dz = r[2, 0] * u + r[2, 1] * v - r[2, 2]
            rise = min(abs(dy) / math.sqrt(dx * dx + dy * dy + dz * dz) / 0.45, 1.0)
            share = rise * rise * (3 - 2 * rise) if dy > 0 else 0.0
            near, line = 0.0, 0.0
            if dy < -1e-6 and above > 0:
                far = -above / dy
                gx, gz = position[0] + far * dx, position[2] + far * dz
                off = math.hypot(gx - centre[0], gz - centre[2]) / reach
                near = math.exp(-off * off)
                # How far the floor runs by from one pixel to the next, to the right and down.
                step_x = far / focal * (abs(r[0, 0] - dx * r[1, 0] / dy) + abs(r[0, 1] - dx * r[1, 1] / dy))
                step_z = far / focal * (abs(r[2, 0] - dz * r[1, 0] / dy) + abs(r[2, 1] - dz * r[1, 1] / dy))
                line = max(line_cover(gx, step_x, cell), line_cover(gz, step_z, cell)) * near
            for k in range(3):
                colour = palette[0, k] * (1 - share) + palette[1, k] * share
                colour = colour * (1 - near) + palette[2, k] * near
                empty[y, x, k] = colour * (1 - line) + palette[3, k] * line
            lit[y, x] = math.sqrt(near)


@compiled
def shade_floor(empty, lit, shadow, strength, image):
    """The floor with a shadow, which is given coarser and read between the four values around a pixel."""
    height, width, _ = empty.shape
    rows, columns = shadow.shape
    for y in range(height):
        sy = min(max((y + 0.5) * rows / height - 0.5, 0.0), rows - 1.0)
        j = int(sy)
        below = min(j + 1, rows - 1)
        for x in range(width):
            sx = min(max((x + 0.5) * columns / width - 0.5, 0.0), columns - 1.0)
            i = int(sx)
            right = min(i + 1, columns - 1)
            upper = shadow[j, i] * (1 - sx + i) + shadow[j, right] * (sx - i)
            lower = shadow[below, i] * (1 - sx + i) + shadow[below, right] * (sx - i)
            light = 1 - strength * lit[y, x] * (upper * (1 - sy + j) + lower * (sy - j))
            for k in range(3):
                image[y, x, k] = np.uint8(min(max(empty[y, x, k] * light + 0.5, 0.0), 255.0))
