"""What the child process does: file -> assimp's scene -> Asset -> arrays."""

from pathlib import Path

from mocapcli.packing import Arrays, pack_asset
from mocapcli_assimp.builder import build_asset
from mocapcli_assimp.library import load_library
from mocapcli_assimp.materials import materials
from mocapcli_assimp.scene import extract, imported


def parse(path: Path) -> Arrays:
    library = load_library()
    with imported(library, path) as scene:
        asset = build_asset(extract(library, scene), materials(library, scene, path.parent), path)
    return pack_asset(asset)
