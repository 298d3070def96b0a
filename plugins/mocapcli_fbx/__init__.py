"""FBX: read through ufbx in a child process, written by our own FBX 7.4 binary writer."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mocapcli import hookimpl
from mocapcli.extensions import Format

if TYPE_CHECKING:
    from mocapcli.types import Asset


CREATOR = "mocapcli"  # in files we write: their node transforms are the rest pose


def read(path: Path) -> "Asset":
    from mocapcli_fbx.reader import read

    return read(path)


def write(path: Path, asset: "Asset") -> None:
    from mocapcli_fbx.writer import write

    write(path, asset)


@hookimpl
def register_formats(register: Callable[[Format], None]) -> None:
    register(
        Format(
            name="fbx",
            description="Autodesk FBX",
            extensions=("fbx",),
            read=read,
            write=write,
            keeps=frozenset({"mesh", "materials", "textures", "motions", "scales", "translations", "rest_rotations"}),
            magic=(b"Kaydara FBX Binary",),
        )
    )
