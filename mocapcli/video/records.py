"""Our kinds of video as plugins register them; each loads its code on first use."""

from pathlib import Path
from typing import TYPE_CHECKING

from mocapcli.extensions import Source

if TYPE_CHECKING:
    from mocapcli.video.frames import Footage

MOVIES = ("mp4", "mov", "m4v", "webm", "mkv", "avi", "gif", "mpg", "mpeg", "ts", "mts", "wmv", "flv", "ogv", "3gp")
PICTURES = ("png", "jpg", "jpeg", "webp", "bmp", "tif", "tiff")


def _movie(path: Path) -> "Footage":
    from mocapcli.video.movies import open_movie

    return open_movie(path)


def _pictures(path: Path) -> "Footage":
    from mocapcli.video.pictures import open_pictures

    return open_pictures(path)


SOURCES = (
    Source("movie", "a film file, read with PyAV", MOVIES, _movie),
    Source("pictures", "a folder of numbered pictures, or one picture", PICTURES, _pictures, folders=True),
)
