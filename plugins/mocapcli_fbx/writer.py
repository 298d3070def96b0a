"""Asset to FBX 7.4 binary: centimetres, Y up, every clip a take, textures embedded."""

from pathlib import Path

import numpy as np

from mocapcli.types import Asset, Mesh, unique_names
from mocapcli_fbx.animation import add_take, last_tick
from mocapcli_fbx.document import Document
from mocapcli_fbx.encoder import Long
from mocapcli_fbx.meshes import Bones, add_materials, add_mesh
from mocapcli_fbx.models import add_bind_pose, add_skeleton
from mocapcli_fbx.skin_space import detach_moving, split_static, to_bind_pose

STILL_FPS = 30.0  # of a file without clips


def write(path: Path, asset: Asset) -> None:
    path.write_bytes(encode_asset(asset))


def encode_asset(asset: Asset) -> bytes:
    skeleton = asset.rig.skeleton
    document = Document()
    holder, models = add_skeleton(document, asset.rig.name, skeleton)
    posed = to_bind_pose(skeleton, asset.rig.mesh)
    bind_world = detach_moving(skeleton, asset.motions, posed.bind_world)
    pose = dict(zip(models, bind_world, strict=True))
    if posed.mesh is not None:
        bones = Bones(models, bind_world, holder)
        for model in _add_surfaces(document, asset.rig.name, posed.mesh, bones):
            pose[model] = np.eye(4)
    add_bind_pose(document, pose)
    names = unique_names([motion.name for motion in asset.motions], "take")
    for name, motion in zip(names, asset.motions, strict=True):
        add_take(document, name, motion, skeleton, models)
    takes = [(name, last_tick(motion)) for name, motion in zip(names, asset.motions, strict=True)]
    return document.encode(asset.motions[0].fps if asset.motions else STILL_FPS, takes)


def _add_surfaces(document: Document, name: str, mesh: Mesh, bones: Bones) -> list[Long]:
    """The skinned surface and the static one, as far as there are any; their models."""
    materials = add_materials(document, mesh)
    moving, static = split_static(mesh)
    models = []
    if len(moving.faces):
        models.append(add_mesh(document, f"{name}_mesh", moving, materials, bones))
    if len(static.faces):
        models.append(add_mesh(document, f"{name}_static", static, materials, None))
    return models
