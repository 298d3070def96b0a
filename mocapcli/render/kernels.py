"""The rasteriser's frame loop, compiled, and the arrays it works on. `rasteriser.draw` is the way in.

Each frame: project the vertices and find the nearest face of every sample (`coverage`), then colour each pixel
from the faces seen in it (`shading`).
"""
# mypy: allow-untyped-defs, allow-untyped-calls, allow-incomplete-defs

import math
from typing import NamedTuple

import numpy as np

from mocapcli.render.compiled import compiled, inlined
from mocapcli.render.coverage import find_nearest, project
from mocapcli.render.shading import measure, paint


class Batch(NamedTuple):
    """All a frame is drawn from; the first axis is time where there is one (length one: the same in all frames).

    Each field has one type only, so that the kernels are compiled once.
    """

    points: np.ndarray  # [T, V, 3] float32, world
    normals: np.ndarray  # [T, V, 3] float32, or [T, 0, 3]: flat shading
    cameras: np.ndarray  # [T|1, 17] float64, see Camera.packed
    faces: np.ndarray  # [F, 3] int32
    tested: int  # faces from here on are alpha tested
    uvs: np.ndarray  # [V, 2] float32
    colours: np.ndarray  # [V, 4] float32, linear
    face_materials: np.ndarray  # [F] int32
    materials: np.ndarray  # [M, 8] float32
    levels: np.ndarray  # [M, L, 3] int64: offset, width, height of each mip level
    texels: np.ndarray  # [N, 4] uint8, sRGB
    lights: np.ndarray  # [L + 1, 6] float32: direction towards, linear colour; the last is ambient
    background: np.ndarray  # [T|1, H|1, W|1, 3] uint8
    transparent: bool
    supersample: int
    culling: bool
    attributes: np.ndarray  # [T|1, V, C] float32
    labels: np.ndarray  # [V] int32


class Output(NamedTuple):
    """What is filled in; an output nobody wants has length zero."""

    colour: np.ndarray  # [T, H, W, 4] uint8
    mask: np.ndarray  # [T, H, W] float32
    depth: np.ndarray  # [T, H, W] float32
    attributes: np.ndarray  # [T, H, W, C] float32
    labels: np.ndarray  # [T, H, W] int32


@inlined
def pixel_box(bounds, scale, width, height):
    """The pixels a sample box touches, within the image."""
    left = int(min(max(bounds[0] / scale, 0.0), 1.0 * width))
    top = int(min(max(bounds[1] / scale, 0.0), 1.0 * height))
    right = int(min(max(bounds[2] / scale, -1.0) + 1.0, 1.0 * width))
    bottom = int(min(max(bounds[3] / scale, -1.0) + 1.0, 1.0 * height))
    return left, top, max(right, left), max(bottom, top)


@inlined
def clear_colour(batch, frame, colour):
    background = batch.background
    t, opaque = min(frame, background.shape[0] - 1), np.uint8(0 if batch.transparent else 255)
    plain = background.shape[1] == 1
    red, green, blue = background[t, 0, 0, 0], background[t, 0, 0, 1], background[t, 0, 0, 2]
    for y in range(colour.shape[1]):
        for x in range(colour.shape[2]):
            if not plain:
                red, green, blue = background[t, y, x, 0], background[t, y, x, 1], background[t, y, x, 2]
            colour[frame, y, x, 0] = red
            colour[frame, y, x, 1] = green
            colour[frame, y, x, 2] = blue
            colour[frame, y, x, 3] = opaque


@compiled
def clear(batch, frame, output):
    """What a frame looks like before anything is drawn."""
    if len(output.colour):
        clear_colour(batch, frame, output.colour)
    if len(output.mask):
        output.mask[frame] = 0
    if len(output.depth):
        output.depth[frame] = math.inf
    if len(output.attributes):
        output.attributes[frame] = 0
    if len(output.labels):
        output.labels[frame] = -1


@compiled
def draw_frames(batch, output, width, height, first, stride):
    """Every `stride`-th frame from `first` on: one thread's share."""
    scale = batch.supersample
    local = np.empty((batch.points.shape[1], 3))
    screen = np.empty((batch.points.shape[1], 3))
    nearest = np.zeros((height * scale, width * scale), np.float32)
    seen = np.full((height * scale, width * scale), -1, np.int32)
    for frame in range(first, len(batch.points), stride):
        camera = batch.cameras[min(frame, len(batch.cameras) - 1)]
        clear(batch, frame, output)
        bounds = project(batch.points, frame, camera, scale, local, screen)
        box = pixel_box(bounds, scale, width, height)
        find_nearest(batch, camera, local, screen, nearest, seen)
        if len(output.colour) or len(output.mask):
            paint(batch, frame, camera, local, seen, box, output)
        if len(output.depth) or len(output.attributes) or len(output.labels):
            measure(batch, frame, camera, local, nearest, seen, box, output)
        left, top, right, bottom = box
        nearest[top * scale : bottom * scale, left * scale : right * scale] = 0
        seen[top * scale : bottom * scale, left * scale : right * scale] = -1
