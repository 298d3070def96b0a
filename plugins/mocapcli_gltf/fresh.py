"""A new document for a rig that did not come from glTF: joint nodes, skins, meshes, clips."""

import numpy as np
from jaxtyping import Float

from mocapcli.kinematics import inverse_affine, rest_world
from mocapcli.types import Asset, Mesh, Motion, Skeleton
from mocapcli_gltf.builder import Builder
from mocapcli_gltf.clips import Rest, Tracks, build_animation
from mocapcli_gltf.document import Json
from mocapcli_gltf.fresh_materials import add_materials
from mocapcli_gltf.fresh_mesh import Part, Skin, add_mesh, split_mesh


def build_fresh(asset: Asset) -> Builder:
    """Joint j is node j. Every joint is in a skin, so that readers see bones even without a mesh."""
    builder, skeleton, mesh = Builder.fresh(), asset.rig.skeleton, asset.rig.mesh
    parts = [] if mesh is None else split_mesh(mesh)
    roots = add_joints(builder, skeleton)
    skins = [part.skin for part in parts if part.skin is not None] or [Skin()]
    add_missing_joints(skins, skeleton)
    roots = add_skins(builder, skins, roots, asset.rig.name)
    if mesh is not None:
        materials = add_materials(builder, mesh.materials)
        for part in parts:
            roots.append(add_mesh_node(builder, mesh, part, asset.rig.name, materials))
    builder.json["scenes"] = [{"name": asset.rig.name, "nodes": roots}]
    builder.json["scene"] = 0
    for motion in asset.motions:
        builder.append("animations", fresh_clip(builder, skeleton, motion))
    return builder


def add_joints(builder: Builder, skeleton: Skeleton) -> list[int]:
    for name, translation, rotation, below in zip(
        skeleton.names, skeleton.rest_translations, skeleton.rest_rotations, skeleton.children, strict=True
    ):
        node: Json = {"name": name, "translation": translation.tolist(), "rotation": rotation.tolist()}
        if below:
            node["children"] = below
        builder.append("nodes", node)
    return skeleton.roots


def add_missing_joints(skins: list[Skin], skeleton: Skeleton) -> None:
    """Joints that move no vertex join the first skin, bound where they rest."""
    inverse = inverse_affine(rest_world(skeleton))
    present = {joint for skin in skins for joint in skin.joints}
    for joint in range(skeleton.joints):
        if joint not in present:
            skins[0].add(joint, inverse[joint])


def add_skins(builder: Builder, skins: list[Skin], roots: list[int], name: str) -> list[int]:
    """Write the skins; gives the scene's root nodes. Several roots get one node above, as skins demand."""
    world = None
    for skin in skins:
        nodes = []
        seen: set[int] = set()
        for joint in skin.joints:
            if joint < 0:
                world = builder.append("nodes", {"name": "world"}) if world is None else world
                nodes.append(world)
            elif joint in seen:  # a skin names a node once: a second way of binding gets a twin under it
                nodes.append(add_twin(builder, joint))
            else:
                nodes.append(joint)
            seen.add(joint)
        matrices = np.array(skin.inverse_binds).swapaxes(1, 2).reshape(-1, 16).astype("<f4")
        skin.number = builder.append("skins", {"inverseBindMatrices": builder.accessor(matrices), "joints": nodes})
    above = roots + ([] if world is None else [world])
    if len(above) == 1:
        return list(above)
    return [builder.append("nodes", {"name": f"{name} root", "children": above})]


def add_twin(builder: Builder, joint: int) -> int:
    node = builder.json["nodes"][joint]
    twin = builder.append("nodes", {"name": f"{node['name']} bind"})
    node.setdefault("children", []).append(twin)
    return twin


def add_mesh_node(builder: Builder, mesh: Mesh, part: Part, name: str, materials: list[int]) -> int:
    """A mesh on a root node: skinned meshes ignore where their node stands."""
    node: Json = {"name": name, "mesh": add_mesh(builder, mesh, part, name, materials)}
    if part.skin is not None:
        node["skin"] = part.skin.number
    return builder.append("nodes", node)


def fresh_clip(builder: Builder, skeleton: Skeleton, motion: Motion) -> Json:
    tracks: Tracks = {}
    rest: Rest = {}
    scale: Float[np.ndarray, " numbers"] = np.ones(3)
    for joint in range(skeleton.joints):
        tracks[joint, "translation"] = motion.translations[:, joint]
        tracks[joint, "rotation"] = motion.rotations[:, joint]
        rest[joint, "translation"] = skeleton.rest_translations[joint]
        rest[joint, "rotation"] = skeleton.rest_rotations[joint]
        if motion.scales is not None:
            tracks[joint, "scale"], rest[joint, "scale"] = motion.scales[:, joint], scale
    return build_animation(builder, motion, tracks, rest)
