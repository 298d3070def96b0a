"""Pictures into files: mp4 through PyAV, gif and png through Pillow. The file appears whole or not at all."""

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from mocapcli.errors import UnsupportedError, WriteError
from mocapcli.whole_file import whole_file

Picture = UInt8[np.ndarray, "height width channels"]
QUALITY = {"preset": "veryfast", "crf": "20"}
LARGEST_GIF = 1 << 29  # bytes of its frames; all are held in memory


def write_movie(path: Path, pictures: Iterable[Picture], fps: float) -> int:
    """Write an .mp4 or .gif and return the number of frames."""
    writers: dict[str, Callable[[Path, Iterable[Picture], float], int]] = {".mp4": write_mp4, ".gif": write_gif}
    suffix = path.suffix.lower()
    if suffix not in writers:
        raise UnsupportedError("this is no kind of film", path=path, remedy=f"known: {', '.join(writers)}")
    with whole_file(path) as temporary:
        return writers[suffix](temporary, pictures, fps)


def write_png(path: Path, picture: Picture) -> None:
    from PIL import Image

    with whole_file(path) as temporary:
        Image.fromarray(picture).save(temporary, "png")


def write_mp4(path: Path, pictures: Iterable[Picture], fps: float) -> int:
    """H.264 that plays everywhere. Sides must be even: an odd last row or column is repeated."""
    import av

    first, pictures = peek(pictures)
    height, width = (side + side % 2 for side in first.shape[:2])
    count = 0
    try:
        with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
            stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(100_000), options=QUALITY)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            for picture in pictures:
                frame = av.VideoFrame.from_ndarray(even(picture[..., :3]), format="rgb24")
                container.mux(stream.encode(frame))
                count += 1
            container.mux(stream.encode())
    except av.codec.codec.UnknownCodecError:
        raise UnsupportedError(
            "this build of PyAV cannot write H.264", path=path, remedy="pip install av, or write a .gif"
        ) from None
    except av.FFmpegError as error:
        raise WriteError(f"the film cannot be written: {error.strerror or error}", path=path) from error
    return count


def even(picture: Picture) -> UInt8[np.ndarray, "_ _ channels"]:
    """With an even number of rows and columns."""
    height, width = picture.shape[:2]
    return np.ascontiguousarray(np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge"))


def write_gif(path: Path, pictures: Iterable[Picture], fps: float) -> int:
    """An endless gif with one palette for all frames; its delays are hundredths of a second, so fps is nearly kept."""
    from PIL import Image

    first, pictures = peek(pictures)
    images: list[Any] = []
    for picture in pictures:
        if (len(images) + 1) * first.size > LARGEST_GIF:
            raise UnsupportedError("this is too much for a gif", path=path, remedy="write an .mp4, or choose --size")
        images.append(Image.fromarray(np.ascontiguousarray(picture[..., :3])))
    palette = common_palette(images)
    flat = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    ends = np.rint(np.arange(len(flat) + 1) * 100 / fps)
    delays = [int(delay) for delay in np.maximum(np.diff(ends), 2) * 10]
    flat[0].save(path, "gif", save_all=True, append_images=flat[1:], duration=delays, loop=0, optimize=False)
    return len(flat)


def common_palette(images: list[Any]) -> Any:
    """Colours that serve some frames from all over the clip: most for large areas, some for thin lines."""
    from PIL import Image

    chosen = [images[place] for place in np.unique(np.linspace(0, len(images) - 1, 8).astype(int))]
    width, height = chosen[0].size
    page = Image.new("RGB", (width, height * len(chosen)))
    for row, image in enumerate(chosen):
        page.paste(image, (0, row * height))
    areas = page.quantize(176, method=Image.Quantize.MEDIANCUT).getpalette() or []
    lines = page.quantize(80, method=Image.Quantize.MAXCOVERAGE).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette([*areas[: 3 * 176], *lines[: 3 * 80]])
    return palette


def peek(pictures: Iterable[Picture]) -> tuple[Picture, Iterator[Picture]]:
    """The first picture, and all of them."""
    rest = iter(pictures)
    first = next(rest, None)
    if first is None:
        raise WriteError("a film needs at least one frame")
    return first, chain([first], rest)
