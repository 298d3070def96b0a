"""Video in: files and folders of pictures become `Frames` at a steady rate, in chunks."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mocapcli.video.frames import Frames
    from mocapcli.video.read import Video, open_video

__all__ = ["Frames", "Video", "open_video"]

_HOMES = {"Frames": "frames", "Video": "read", "open_video": "read"}


def __getattr__(name: str) -> Any:
    """Names load on first use: plugins import this package at every start."""
    if name not in _HOMES:
        raise AttributeError(f"module 'mocapcli.video' has no attribute {name!r}")
    return getattr(import_module(f"mocapcli.video.{_HOMES[name]}"), name)
