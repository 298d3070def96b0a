"""From assimp's scene to an Asset."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from mocapcli.kinematics import local_to_world, skeleton_from_world
from mocapcli.types import Asset, Material, Rig, unique_names
from mocapcli_assimp.clips import build_motion
from mocapcli_assimp.joints import find_joints, nearest_joint, node_parents, world_correction
from mocapcli_assimp.scene import Scene
from mocapcli_assimp.surfaces import Placement, merge_surfaces


def build_asset(scene: Scene, materials: tuple[Material, ...], path: Path) -> Asset:
    correction = world_correction(scene, path.suffix.lower())
    if correction is not None:
        root = replace(scene.nodes[0], local=correction)
        scene = replace(scene, nodes=(root, *scene.nodes[1:]))
    parents, joints = node_parents(scene.nodes), find_joints(scene)
    local = np.stack([node.local for node in scene.nodes])
    world = local_to_world(parents, local)
    nearest = nearest_joint(parents, joints)
    above = np.where(parents[joints] < 0, -1, nearest[parents[joints]])
    names = unique_names([scene.nodes[node].name for node in joints])
    skeleton, gauge = skeleton_from_world(names, above, world[joints])
    node_of = {node.name: index for index, node in reversed(list(enumerate(scene.nodes)))}
    motions = [build_motion(clip, skeleton, gauge, parents, local, node_of, joints) for clip in scene.clips]
    moving = [motion for motion in motions if motion is not None]
    clip_names = unique_names([motion.name for motion in moving], "clip")
    joint_of = {scene.nodes[node].name: index for index, node in reversed(list(enumerate(joints)))}
    mesh = merge_surfaces(scene, Placement(world, nearest, skeleton, gauge, joint_of), materials)
    named = tuple(replace(motion, name=name) for motion, name in zip(moving, clip_names, strict=True))
    return Asset(Rig(skeleton, mesh, path.stem), named)
