"""glTF 2.0 in and out: .glb, .gltf and .vrm."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mocapcli import hookimpl
from mocapcli.extensions import Format

if TYPE_CHECKING:
    from mocapcli.types import Asset


def read(path: Path) -> "Asset":
    from mocapcli_gltf.reader import read_gltf

    return read_gltf(path)


def write(path: Path, asset: "Asset") -> None:
    from mocapcli_gltf.writer import write_gltf

    write_gltf(path, asset)


@hookimpl
def register_formats(register: Callable[[Format], None]) -> None:
    register(
        Format(
            name="gltf",
            description="glTF 2.0",
            extensions=("glb", "gltf", "vrm"),
            read=read,
            write=write,
            keeps=frozenset({"mesh", "materials", "textures", "motions", "scales", "translations", "rest_rotations"}),
            magic=(b"glTF",),
        )
    )
