"""The small frozen records that plugins register."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from mocapcli.types import Asset

Feature = Literal["mesh", "materials", "textures", "motions", "scales", "translations", "rest_rotations"]


@dataclass(frozen=True)
class Format:
    """One file format: how to read it, how to write it, and what survives.

    `extensions` are claimed by default; `also` are ones the plugin can handle when asked for by name
    (`--plugin assimp` for FBX). `keeps` names what writing preserves: it drives the warnings about what is
    dropped, and what the round-trip tests compare. "motions" means more than one clip; "translations" means
    animated translations on inner joints. `magic` are first bytes that give the format away when a file wears
    the wrong extension.
    """

    name: str
    description: str
    extensions: tuple[str, ...]
    read: "Callable[[Path], Asset] | None" = None
    write: "Callable[[Path, Asset], None] | None" = None
    keeps: frozenset[Feature] = frozenset()
    also: tuple[str, ...] = ()
    magic: tuple[bytes, ...] = ()
