"""FBX file to Asset: the child parses, this side turns its arrays into our types.

The rest pose is the bind pose where the file has one (skin clusters, else a BindPose), and the node transforms
where it has not: exporters leave nodes wherever the timeline stood, up to 0.7 of the rig's size away from the
pose that the artist skinned in. (Our own writer's nodes do stand in the rest pose.) Animation and skin are exact
either way.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from mocapcli.errors import ReadError
from mocapcli.isolation import run_isolated
from mocapcli.kinematics import motion_from_world, rest_world, skeleton_from_world, world_to_local
from mocapcli.types import Asset, Rig, Texture, left_aside, unique_names
from mocapcli_fbx.images import find_texture
from mocapcli_fbx.materials import read_materials
from mocapcli_fbx.polygons import Placement, build_mesh

MODULE = "mocapcli_fbx.parse"
SECONDS, BYTES_PER_SECOND = 9.0, 2e6  # for any file, and more for large ones
MEMORY, MEMORY_PER_BYTE = 1 << 30, 8  # for files of up to
FREE_BYTES = 32 << 20  # so many bytes, and more beyond
LARGEST = 1e12  # metres: no honest number is larger, and squares of it still fit


def read(path: Path) -> Asset:
    size = path.stat().st_size
    memory = MEMORY + MEMORY_PER_BYTE * max(0, size - FREE_BYTES)
    return build_asset(run_isolated(MODULE, path, seconds=SECONDS + size // BYTES_PER_SECOND, memory=memory), path)


def build_asset(raw: dict[str, np.ndarray], path: Path) -> Asset:
    """The arrays of `parse` as an Asset; textures next to `path` are picked up."""
    words: dict[str, Any] = json.loads(raw["words"].tobytes())
    _check_numbers(raw)
    parents = np.array(words["parents"], dtype=np.int64)
    bind = np.full_like(raw["bind_world"], np.nan) if words["own"] else raw["bind_world"]
    world = _rest_matrices(parents, raw["rest_world"], bind)
    skeleton, gauge = skeleton_from_world(unique_names(words["names"]), parents, world)
    names = unique_names([take["name"] for take in words["takes"]], "take")
    motions = [
        motion_from_world(name, take["fps"], skeleton, _square(raw[f"take{position}"]), gauge)
        for position, (name, take) in enumerate(zip(names, words["takes"], strict=True))
    ]
    placement = Placement(rest_world(skeleton), gauge, raw["rest_world"])
    materials = read_materials(words["materials"], _textures(words, raw, path.parent))
    mesh = build_mesh(raw, len(words["meshes"]), placement, materials)
    source = left_aside(*((count, what) for what, count in words["beyond"].items()))
    return Asset(Rig(skeleton, mesh, path.stem, source), tuple(motions))


def _textures(words: dict[str, Any], raw: dict[str, np.ndarray], folder: Path) -> list[Texture | None]:
    """The images that materials use, each read once."""
    wanted = {entry["texture"] for entry in words["materials"]}
    known: dict[tuple[Any, ...], Texture | None] = {}
    found: list[Texture | None] = []
    for position, text in enumerate(words["textures"]):
        key = (*text["files"], text["image"])
        if position in wanted and key not in known:
            content = raw[f"image{text['image']}"].tobytes() if text["image"] >= 0 else b""
            known[key] = find_texture(text["name"], text["files"], content, folder)
        found.append(known.get(key))
    return found


def _check_numbers(raw: dict[str, np.ndarray]) -> None:
    for name, values in raw.items():
        if values.dtype.kind == "f" and name != "bind_world" and values.size and not np.abs(values).max() < LARGEST:
            raise ReadError("contains numbers that are not finite or absurdly large", place=name.replace("_", " "))


def _rest_matrices(
    parents: Int[np.ndarray, " joints"],
    default: Float[np.ndarray, "joints 4 4"],
    bind: Float[np.ndarray, "joints 4 4"],
) -> Float[np.ndarray, "joints 4 4"]:
    """Bind matrices where they are known and usable; the others hang on their parents as the nodes do."""
    local = world_to_local(parents, default)
    known = _usable(bind)
    world = default.copy()
    for joint, parent in enumerate(parents):
        if known[joint]:
            world[joint] = bind[joint]
        elif parent >= 0:
            world[joint] = world[parent] @ local[joint]
    return world


def _usable(matrices: Float[np.ndarray, "joints 4 4"]) -> Bool[np.ndarray, " joints"]:
    finite = np.isfinite(matrices).all(axis=(1, 2))
    safe = np.where(finite[:, None, None], matrices, np.eye(4))
    usable = np.abs(safe).max(axis=(1, 2)) < LARGEST
    usable[usable] = np.abs(np.linalg.det(safe[usable, :3, :3])) > 1e-18
    return np.asarray(finite & usable)


def _square(matrices: Float[np.ndarray, "frames joints 3 4"]) -> Float[np.ndarray, "frames joints 4 4"]:
    out = np.zeros((*matrices.shape[:2], 4, 4))
    out[..., :3, :] = matrices
    out[..., 3, 3] = 1.0
    return out
