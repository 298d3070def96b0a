"""What the child process does: file -> assimp's scene -> Asset -> arrays."""

import re
from dataclasses import replace
from pathlib import Path

from mocapcli.packing import Arrays, pack_asset
from mocapcli.types import left_aside
from mocapcli_assimp.builder import build_asset
from mocapcli_assimp.library import load_library
from mocapcli_assimp.materials import materials
from mocapcli_assimp.scene import Scene, extract, imported


def parse(path: Path) -> Arrays:
    library = load_library()
    with imported(library, path) as scene:
        plain = with_true_rate(extract(library, scene), path)
        asset = build_asset(plain, materials(library, scene, path.parent), path)
        keys = sum(int(scene.mMeshes[i].contents.mNumAnimMeshes) for i in range(scene.mNumMeshes))
        aside = left_aside((keys, "shape key"), (scene.mNumCameras, "camera"), (scene.mNumLights, "light"))
    return pack_asset(replace(asset, rig=replace(asset.rig, source=aside)))


def with_true_rate(scene: Scene, path: Path) -> Scene:
    """Doom 3 clips at the rate their .md5anim says: assimp 5.2 takes every one for 24 frames a second."""
    animation = path.with_suffix(".md5anim")
    if path.suffix.lower() not in (".md5mesh", ".md5anim") or not animation.is_file():
        return scene
    with animation.open("rb") as stream:
        found = re.search(rb"^\s*frameRate\s+(\d{1,4})\b", stream.read(1 << 16), re.MULTILINE)
    if found is None or int(found[1]) == 0:
        return scene
    return replace(scene, clips=tuple(replace(clip, ticks_per_second=float(found[1])) for clip in scene.clips))
