"""Runs in the child process: an FBX file's bytes in, plain arrays out. Imports numpy and ufbx only."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from mocapcli_fbx import CREATOR
from mocapcli_fbx.binding import hold, items, load, real_property
from mocapcli_fbx.budget import Budget
from mocapcli_fbx.nodes import Tree, choose_joints
from mocapcli_fbx.surfaces import bind_matrices, clusters_of, material_words, mesh_arrays, mesh_nodes, texture_words
from mocapcli_fbx.takes import SAMPLES, bake_takes, world_matrices


def parse(path: Path) -> dict[str, np.ndarray]:
    """Arrays by name; "words" is JSON in UTF-8. See `reader` for what each means."""
    data = path.read_bytes()
    scene = load(data)
    tree = Tree(scene)
    budget = Budget(len(data))
    takes = bake_takes(scene, tree, budget)
    meshes = mesh_nodes(tree)
    moving = set().union(*(take.moving for take in takes))
    joints = choose_joints(tree, _bones(scene, tree), _rigid(tree, meshes), moving)
    place = {node: position for position, node in enumerate(joints)}
    words: dict[str, Any] = {
        "own": str(hold(scene.metadata).creator) == CREATOR,
        "names": [str(tree.nodes[node].name) for node in joints],
        "parents": [tree.nearest(tree.parents[node], place) for node in joints],
        "takes": [{"name": take.name, "fps": take.fps} for take in takes],
        "meshes": [str(tree.nodes[node].name) for node in meshes],
        "beyond": {what: len(items(found)) for what, found in _beyond(scene).items()},
    }
    arrays = {
        "rest_world": np.array([tree.world(node) for node in joints]),
        "bind_world": bind_matrices(scene, place),
    }
    for position, take in enumerate(takes):
        budget.spend("joints × takes", len(joints), f"take {take.name!r}")
        budget.spend(SAMPLES, len(joints) * len(take.local), f"take {take.name!r}")
        arrays[f"take{position}"] = world_matrices(tree, joints, take)[:, :, :3]
    materials = _materials(scene, words, arrays)
    for position, node in enumerate(meshes):
        for name, value in mesh_arrays(tree, node, place, materials, budget).items():
            arrays[f"mesh{position}_{name}"] = value
    arrays["words"] = np.frombuffer(json.dumps(words).encode("utf-8", "replace"), np.uint8)
    return arrays


def _beyond(scene: Any) -> dict[str, Any]:
    """What an Asset has no place for."""
    return {"shape key": scene.blend_channels, "camera": scene.cameras, "light": scene.lights}


def _bones(scene: Any, tree: Tree) -> set[int]:
    """Bone nodes, and nodes that skins use as such; without the bone that our writer hangs static parts on."""
    found = {number for number, node in enumerate(tree.nodes) if hold(node.bone) is not None}
    for cluster in items(scene.skin_clusters):
        bone = hold(cluster.bone_node)
        if bone is not None:
            found.add(int(bone.typed_id))
    return {node for node in found if real_property(tree.nodes[node], "mocapcli_static", 0.0) == 0.0}


def _rigid(tree: Tree, meshes: list[int]) -> set[int]:
    return {node for node in meshes if not clusters_of(hold(tree.nodes[node].mesh))}


def _materials(scene: Any, words: dict[str, Any], arrays: dict[str, np.ndarray]) -> dict[int, int]:
    """Adds materials and textures to the results; returns material number by element."""
    textures = items(scene.textures)
    images: dict[bytes, int] = {}  # many textures may show one image
    words["textures"] = [texture_words(texture, images) for texture in textures]
    for content, position in images.items():
        arrays[f"image{position}"] = np.frombuffer(content, np.uint8)
    known = {int(texture.typed_id): position for position, texture in enumerate(textures)}
    materials = items(scene.materials)
    words["materials"] = [material_words(material, known) for material in materials]
    return {int(material.typed_id): position for position, material in enumerate(materials)}
