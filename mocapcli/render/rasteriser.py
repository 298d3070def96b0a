"""Draw posed points: arrays in, arrays out. For rigs and motions see `scene`."""
# mypy: allow-untyped-calls

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int, UInt8

from mocapcli.errors import InvalidDataError
from mocapcli.render.camera import Camera
from mocapcli.render.compiled import thread_count
from mocapcli.render.kernels import Batch, Output, draw_frames
from mocapcli.render.lights import STUDIO, Lights
from mocapcli.render.surface import Surface, owned

OutputName = Literal["colour", "mask", "depth", "attributes", "labels"]
Colour = tuple[int, int, int]
Background = Colour | np.ndarray | None
WHITE = (255, 255, 255)
MAX_SUPERSAMPLE = 8
MAX_VALUES = 1 << 29


@dataclass(frozen=True, eq=False)
class Images:
    """What was asked for; the other outputs have no frames (length zero).

    Where nothing is seen: mask 0, depth infinite, attributes 0, labels -1. Depth, attributes and labels belong to
    the nearest face seen in the pixel, at the middle of what it covers there, and are never mixed with others.
    """

    colour: UInt8[np.ndarray, "_ height width 4"]  # sRGB, straight alpha
    mask: Float[np.ndarray, "_ height width"]  # share of the pixel covered
    depth: Float[np.ndarray, "_ height width"]  # metres along the view axis
    attributes: Float[np.ndarray, "_ height width channels"]
    labels: Int[np.ndarray, "_ height width"]


def draw(
    points: Float[np.ndarray, "frames vertices 3"],
    normals: Float[np.ndarray, "frames _ 3"],
    surface: Surface,
    cameras: Camera | Sequence[Camera],
    *,
    lights: Lights = STUDIO,
    background: Background = WHITE,
    supersample: int = 2,
    culling: bool = True,
    outputs: Sequence[OutputName] = ("colour", "mask", "depth"),
    attributes: Float[np.ndarray, "*frames vertices channels"] | None = None,
    labels: Int[np.ndarray, " vertices"] | None = None,
    threads: int | None = None,
) -> Images:
    """Draw every frame. Normals without vertices mean flat shading; one camera serves all frames.

    `background` is an sRGB colour 0 … 255, an image [H, W, 3], images [T, H, W, 3], or None: transparent.
    `attributes` ([V, C], or [T, V, C] where they change) are interpolated, `labels` taken from the nearest corner;
    giving them asks for their output. `culling` off shows back faces of one-sided materials too.
    """
    frames, vertices = points.shape[:2]
    views = [cameras] if isinstance(cameras, Camera) else list(cameras)
    width, height = check_views(views, frames)
    if vertices != len(surface.colours) or normals.shape[1] not in (0, vertices):
        raise InvalidDataError(f"{vertices} points do not fit a surface of {len(surface.colours)} vertices")
    if not 1 <= supersample <= MAX_SUPERSAMPLE:
        raise InvalidDataError(f"supersample must lie between 1 and {MAX_SUPERSAMPLE}, not {supersample}")
    wanted = {*outputs} | ({"attributes"} if attributes is not None else set())
    wanted |= {"labels"} if labels is not None else set()
    batch = Batch(
        owned(points, np.float32),
        owned(normals, np.float32),
        np.stack([view.packed() for view in views]),
        surface.faces,
        surface.tested,
        surface.uvs,
        surface.colours,
        surface.face_materials,
        surface.materials,
        surface.levels,
        surface.texels,
        lights.packed(),
        check_background(background, frames, width, height),
        background is None,
        int(supersample),
        bool(culling),
        check_attributes(attributes, frames, vertices),
        owned(np.zeros(vertices) if labels is None else labels, np.int32),
    )
    images = blank(wanted, frames, width, height, batch.attributes.shape[2])
    output = Output(images.colour, images.mask, images.depth, images.attributes, images.labels)
    run(batch, output, width, height, min(threads or thread_count(), max(frames, 1)))
    return images


def run(batch: Batch, output: Output, width: int, height: int, threads: int) -> None:
    """Frames are dealt out to threads (the kernel runs without the GIL); the result does not depend on how many.

    Plain threads rather than numba's pool: they survive fork, may run side by side, and leave torch's alone.
    """
    if threads == 1:
        draw_frames(batch, output, width, height, 0, 1)
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda first: draw_frames(batch, output, width, height, first, threads), range(threads)))


def blank(wanted: set[str], frames: int, width: int, height: int, channels: int) -> Images:
    """Room for the outputs that are wanted."""
    unknown = wanted - {"colour", "mask", "depth", "attributes", "labels"}
    if unknown:
        raise InvalidDataError(f"unknown output {sorted(unknown)[0]!r}")

    def room(name: str, dtype: type, *channels: int) -> np.ndarray:
        shape = (frames if name in wanted else 0, height, width, *channels)
        if np.prod(shape, dtype=float) > MAX_VALUES:
            raise InvalidDataError(f"{frames} frames of {width}×{height} are too many at once; draw fewer frames")
        return np.empty(shape, dtype)

    return Images(
        room("colour", np.uint8, 4),
        room("mask", np.float32),
        room("depth", np.float32),
        room("attributes", np.float32, channels),
        room("labels", np.int32),
    )


def check_views(views: list[Camera], frames: int) -> tuple[int, int]:
    if len(views) not in (1, frames) or not views:
        raise InvalidDataError(f"{len(views)} cameras for {frames} frames: give one, or one per frame")
    sizes = {(view.width, view.height) for view in views}
    if len(sizes) > 1:
        raise InvalidDataError("all cameras of one call must have the same image size")
    return sizes.pop()


def check_background(background: Background, frames: int, width: int, height: int) -> np.ndarray:
    """As [T or 1, H or 1, W or 1, 3]."""
    array = np.asarray((0, 0, 0) if background is None else background)
    if array.dtype != np.uint8 and not (array.min() >= 0 and array.max() <= 255):
        raise InvalidDataError("a background colour must lie between 0 and 255")
    array = array.reshape((1,) * (4 - array.ndim) + array.shape)[..., :3]
    fits = array.shape[0] in (1, frames) and array.shape[1:] in ((height, width, 3), (1, 1, 3))
    if array.ndim != 4 or not fits:
        raise InvalidDataError(f"a background {list(array.shape)} does not fit {frames} frames {width}×{height}")
    return owned(array, np.uint8)


def check_attributes(attributes: np.ndarray | None, frames: int, vertices: int) -> np.ndarray:
    """As [T or 1, V, C]."""
    if attributes is None:
        return np.zeros((1, vertices, 0), np.float32)
    array = attributes if attributes.ndim == 3 else attributes[None]
    if array.ndim != 3 or array.shape[0] not in (1, frames) or array.shape[1] != vertices:
        raise InvalidDataError(f"attributes of shape {list(attributes.shape)} do not fit {vertices} vertices")
    return owned(array, np.float32)
