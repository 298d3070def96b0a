"""Collada, X, MD5, SMD and more (and FBX, glTF on request) through assimp, where it is installed; read only.

assimp can export too, but version 5.2 refuses the animated Collada it writes itself, and Blender its FBX.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mocapcli import hookimpl
from mocapcli.extensions import Format

if TYPE_CHECKING:
    from mocapcli.types import Asset


def read(path: Path) -> "Asset":
    from mocapcli_assimp.reader import read_asset

    return read_asset(path)


@hookimpl
def register_formats(register: Callable[[Format], None]) -> None:
    register(
        Format(
            name="assimp",
            description="a rigged model assimp knows (Collada, DirectX, MD5, SMD, B3D, ...)",
            extensions=("dae", "zae", "x", "b3d", "md5mesh", "md5anim", "ms3d", "smd", "ogex", "pmx", "csm", "assbin"),
            also=("fbx", "glb", "gltf", "bvh", "mdl", "ase"),
            read=read,
        )
    )
