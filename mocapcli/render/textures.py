"""Encoded textures to mip pyramids the rasteriser can read."""

import io
import warnings
from functools import lru_cache

import numpy as np
from jaxtyping import UInt8

from mocapcli.render.shading import TO_LINEAR
from mocapcli.types import RAW_IMAGE, Texture

MAX_SIDE = 1024  # larger textures are shrunk: no picture drawn here shows more
MAX_PIXELS = 1 << 26
LEVELS = 12

Pixels = UInt8[np.ndarray, "height width 4"]


def decode(texture: Texture, max_side: int = MAX_SIDE) -> Pixels | None:
    """RGBA pixels; None, with a warning, where the image is broken, too large or of a kind Pillow does not know."""
    try:
        if texture.mime_type == RAW_IMAGE:
            return np.asarray(np.load(io.BytesIO(texture.data), allow_pickle=False), dtype=np.uint8)
        from PIL import Image  # only here: machines that train on cached rigs may lack it

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(texture.data)) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise ValueError(f"{image.width}×{image.height} pixels are too many")
                image.draft("RGB", (max_side, max_side))
                rgba = image.convert("RGBA")
                rgba.thumbnail((max_side, max_side), Image.Resampling.BOX)
                return np.array(rgba, dtype=np.uint8)
    except Exception as error:  # a broken picture must not stop the drawing of a sound rig
        warnings.warn(f"texture {texture.name!r} left out: {type(error).__name__}: {error}", UserWarning, stacklevel=2)
        return None


@lru_cache(maxsize=32)
def pyramid(texture: Texture, max_side: int = MAX_SIDE) -> tuple[Pixels, ...] | None:
    """The texture and its halves down to one pixel, averaged in linear light."""
    image = decode(texture, max_side)
    if image is None:
        return None
    levels = [image]
    while max(levels[-1].shape[:2]) > 1 and len(levels) < LEVELS:
        levels.append(halve(levels[-1]))
    return tuple(levels)


def halve(image: Pixels) -> UInt8[np.ndarray, "rows columns 4"]:
    """Half the size in linear light; an odd last row or column is left out."""
    height, width = image.shape[:2]
    rows, columns = max(1, height // 2), max(1, width // 2)
    down, across = min(2, height), min(2, width)
    blocks = image[: rows * down, : columns * across].reshape(rows, down, columns, across, 4)
    colour = TO_LINEAR[blocks[..., :3]].mean(axis=(1, 3))
    alpha = blocks[..., 3:].mean(axis=(1, 3))
    return np.concatenate([linear_to_srgb(colour), np.rint(alpha).astype(np.uint8)], axis=-1)


def linear_to_srgb(linear: np.ndarray) -> np.ndarray:
    """Linear light 0 … 1 to sRGB codes 0 … 255."""
    value = np.clip(linear, 0.0, 1.0)
    code = np.where(value <= 0.0031308, value * 12.92, 1.055 * value ** (1 / 2.4) - 0.055)
    encoded: np.ndarray = np.rint(code * 255).astype(np.uint8)
    return encoded


def srgb_to_linear(codes: np.ndarray) -> np.ndarray:
    """sRGB codes 0 … 255 to linear light 0 … 1."""
    value = np.asarray(codes, dtype=np.float64) / 255
    linear: np.ndarray = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return linear
