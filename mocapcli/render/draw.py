"""Anti-aliased lines and dots on images: skeletons, trails, markers. What lies behind the body is drawn the same.

Images are changed in place (uint8, [T, H, W, 3] or [T, H, W, 4]); positions are pixels as `Camera.project` gives
them, NaN (behind the camera) is left out. Colours are sRGB 0 … 255, blended as they stand.
"""
# mypy: allow-untyped-defs, allow-untyped-calls, allow-incomplete-defs

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int, UInt8

from mocapcli.errors import InvalidDataError
from mocapcli.render.camera import Camera, Number
from mocapcli.render.compiled import compiled
from mocapcli.render.surface import owned

Pictures = UInt8[np.ndarray, "frames height width channels"]
Colours = Sequence[int] | Int[np.ndarray, "_ 3"] | Float[np.ndarray, "_ 3"] | UInt8[np.ndarray, "_ 3"]
BONE, JOINT = (255, 170, 0), (30, 30, 30)


def project_joints(
    cameras: Camera | Sequence[Camera], positions: Float[np.ndarray, "frames joints 3"]
) -> Float[np.ndarray, "frames joints 2"]:
    """World joint positions to pixels, with one camera or one a frame."""
    if isinstance(cameras, Camera):
        return cameras.project(positions)[0]
    return np.stack([camera.project(frame)[0] for camera, frame in zip(cameras, positions, strict=True)])


def draw_lines(
    images: Pictures,
    starts: Float[np.ndarray, "frames lines 2"],
    ends: Float[np.ndarray, "frames lines 2"],
    colours: Colours = BONE,
    width: Number = 2.0,
    opacity: Number = 1.0,
) -> None:
    """Lines with round ends, `width` pixels thick; one colour, or one a line."""
    if not (images.flags.c_contiguous and images.flags.writeable and images.shape[3] in (3, 4)):
        raise InvalidDataError("images to draw on must be contiguous, writeable, and have 3 or 4 channels")
    palette = np.broadcast_to(np.asarray(colours, dtype=np.float32), (starts.shape[1], 3))
    segments = np.concatenate([starts, ends], axis=2)
    stroke(images, owned(segments, np.float64), owned(palette, np.float32), float(width) / 2, float(opacity))


def draw_dots(
    images: Pictures,
    centres: Float[np.ndarray, "frames dots 2"],
    colours: Colours = JOINT,
    diameter: Number = 5.0,
    opacity: Number = 1.0,
) -> None:
    draw_lines(images, centres, centres, colours, diameter, opacity)


def draw_skeleton(
    images: Pictures,
    pixels: Float[np.ndarray, "frames joints 2"],
    parents: Int[np.ndarray, " joints"],
    bone_colours: Colours = BONE,
    joint_colours: Colours = JOINT,
    width: Number | None = None,
) -> None:
    """Bones as lines (coloured by their child joint where there is one colour a joint), joints as dots."""
    thick = max(1.0, min(images.shape[1:3]) / 160) if width is None else float(width)
    child = np.flatnonzero(parents >= 0)
    palette = np.asarray(bone_colours)
    chosen = palette[child] if palette.ndim == 2 else bone_colours
    draw_lines(images, pixels[:, child], pixels[:, parents[child]], chosen, thick)
    draw_dots(images, pixels, joint_colours, 2.0 * thick)


@compiled
def stroke(images, segments, colours, radius, opacity):
    """Each pixel takes the line's colour by how much of it lies within `radius` of the segment."""
    frames, height, width, channels = images.shape
    for t in range(frames):
        for s in range(segments.shape[1]):
            ax, ay, bx, by = segments[t, s, 0], segments[t, s, 1], segments[t, s, 2], segments[t, s, 3]
            dx, dy = bx - ax, by - ay
            square = dx * dx + dy * dy
            if not square < 1e12 or not abs(ax) + abs(ay) < 1e9:  # not a number, or not worth drawing
                continue
            reach = radius + 1.0
            left, right = int(max(min(ax, bx) - reach, 0.0)), int(max(min(max(ax, bx) + reach, 1.0 * width), 0.0))
            top, bottom = int(max(min(ay, by) - reach, 0.0)), int(max(min(max(ay, by) + reach, 1.0 * height), 0.0))
            for y in range(top, bottom):
                for x in range(left, right):
                    px, py = x + 0.5 - ax, y + 0.5 - ay
                    along = min(max((px * dx + py * dy) / square, 0.0), 1.0) if square > 0 else 0.0
                    far = math.hypot(px - along * dx, py - along * dy)
                    share = min(max(radius + 0.5 - far, 0.0), 1.0) * opacity
                    if share > 0:
                        for k in range(3):
                            images[t, y, x, k] = np.uint8(
                                images[t, y, x, k] * (1 - share) + colours[s, k] * share + 0.5
                            )
                        if channels == 4:
                            images[t, y, x, 3] = np.uint8(images[t, y, x, 3] * (1 - share) + 255 * share + 0.5)
