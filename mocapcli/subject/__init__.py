"""The subject of a video: found, followed, and cut out as steady crops."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mocapcli.subject.debug import write_debug
    from mocapcli.subject.find import Crops, Options, Subject, find_subject

__all__ = ["Crops", "Options", "Subject", "find_subject", "write_debug"]

_HOMES = {"Crops": "find", "Options": "find", "Subject": "find", "find_subject": "find", "write_debug": "debug"}


def __getattr__(name: str) -> Any:
    """Names load on first use: plugins import this package at every start."""
    if name not in _HOMES:
        raise AttributeError(f"module 'mocapcli.subject' has no attribute {name!r}")
    return getattr(import_module(f"mocapcli.subject.{_HOMES[name]}"), name)
