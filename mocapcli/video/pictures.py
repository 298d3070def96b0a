"""A folder of numbered pictures, or one picture, through Pillow: the order of their numbers, no clock of their own."""

import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from mocapcli.errors import InvalidDataError, ReadError
from mocapcli.video.frames import MOST_PIXELS, Footage, Picture, Request
from mocapcli.video.records import PICTURES


def open_pictures(path: Path) -> Footage:
    """Facts of the first picture that opens."""
    files = picture_files(path)
    if not files:
        raise ReadError(f"no pictures in this folder (looked for {', '.join(PICTURES)})", path=path)
    height, width, channels = _first_shape(files, path)
    alpha = channels == 4
    return Footage(width, height, None, alpha, None, lambda request: read_pictures(files, request, alpha))


def _first_shape(files: list[Path], path: Path) -> tuple[int, ...]:
    for file in files:
        try:
            return load(file).shape
        except OSError:
            continue
    raise ReadError("none of these pictures can be read", path=path)


def picture_files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = [file for file in path.iterdir() if file.suffix[1:].lower() in PICTURES and file.name[0] != "."]
    return sorted((file for file in found if file.is_file()), key=_by_number)


def _by_number(file: Path) -> list[tuple[int, str]]:
    """frame2 before frame10."""
    parts = re.split(r"(\d+)", file.stem)
    return [(int(part), "") if part.isdecimal() else (0, part) for part in parts] + [(0, file.suffix)]


def read_pictures(files: list[Path], request: Request, alpha: bool) -> Iterator[Picture]:
    first = max(0, int(request.start) - 1)
    for number, file in enumerate(files[first:], start=first):
        try:
            pixels = load(file)
        except OSError:
            request.notes.add(f"{file.name} cannot be read and is left out")
            continue
        yield Picture(float(number), _fitted(pixels, file, request, alpha))


def load(file: Path) -> UInt8[np.ndarray, "height width channels"]:
    """Pixels of one picture, upright; OSError where it is damaged."""
    from PIL import Image, ImageOps

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit below is tighter
        try:
            with Image.open(file) as image:
                if image.width * image.height > MOST_PIXELS:
                    raise InvalidDataError(f"a picture of {image.width}×{image.height} pixels is too large", path=file)
                return _pixels(ImageOps.exif_transpose(image))
        except (SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
            raise OSError(str(error)) from error


def _pixels(image: Any) -> UInt8[np.ndarray, "height width channels"]:
    if image.mode.startswith("I"):  # 16-bit grey
        grey = (np.asarray(image, np.int64).clip(0, 65535) >> 8).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=-1)
    transparent = "A" in image.mode or "a" in image.mode or "transparency" in image.info
    return np.asarray(image.convert("RGBA" if transparent else "RGB"))


def _fitted(
    pixels: UInt8[np.ndarray, "_ _ _"], file: Path, request: Request, alpha: bool
) -> UInt8[np.ndarray, "_ _ _"]:
    from PIL import Image

    height, width, channels = pixels.shape
    if abs(width * request.height - height * request.width) > max(width, request.width):
        request.notes.add(f"pictures differ in shape, {file.name} for one; all are drawn to the first one's size")
    if (width, height) != (request.width, request.height):
        image = Image.fromarray(pixels).resize((request.width, request.height), Image.Resampling.BOX)
        pixels = np.asarray(image)
    if alpha and channels == 3:
        return np.concatenate([pixels, np.full_like(pixels[..., :1], 255)], axis=-1)
    return np.ascontiguousarray(pixels[..., : 4 if alpha else 3])
