"""BVH, Biovision's motion capture text: a skeleton of offsets and one clip of Euler angles.

Conventions. The file says neither units nor axes: values are taken as metres, Y up (`--scale`, `--up`). The rest
pose is all offsets with no rotation. Rotation channels multiply in the order listed. A position channel replaces
the offset along its axis, as in Blender; three.js adds the two, so the writer warns where a joint has both. BVH has
no rest rotations, so an asset from elsewhere is written with its joint frames aligned to the world at rest: zero
angles are its rest pose, and world positions stay exact.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mocapcli import hookimpl
from mocapcli.extensions import Format

if TYPE_CHECKING:
    from mocapcli.types import Asset


def read(path: Path) -> "Asset":
    from mocapcli_bvh.reader import read_bvh

    return read_bvh(path)


def write(path: Path, asset: "Asset") -> None:
    from mocapcli_bvh.writer import write_bvh

    write_bvh(path, asset)


@hookimpl
def register_formats(register: Callable[[Format], None]) -> None:
    register(
        Format(
            "bvh",
            "a BVH motion capture file",
            ("bvh",),
            read,
            write,
            keeps=frozenset({"translations"}),
            magic=(b"HIERARCHY",),
        )
    )
