"""In the child: meshes, skins, materials and textures as plain arrays and words."""

from typing import Any

import numpy as np

from mocapcli_fbx.binding import hold, items, matrix, numbers, per_corner, real_property, vectors
from mocapcli_fbx.budget import Budget
from mocapcli_fbx.nodes import Tree

Words = dict[str, Any]  # goes into the JSON part


def mesh_nodes(tree: Tree) -> list[int]:
    """Visible nodes with polygons."""
    found = []
    for number, node in enumerate(tree.nodes):
        mesh = hold(node.mesh)
        if mesh is not None and node.visible and mesh.num_faces > 0 and mesh.num_vertices > 0:
            found.append(number)
    return found


def clusters_of(mesh: Any) -> list[Any]:
    """Skin clusters of the mesh's first skin that has any."""
    for skin in items(mesh.skin_deformers):
        clusters = [cluster for cluster in items(skin.clusters) if hold(cluster.bone_node) is not None]
        if clusters:
            return clusters
    return []


def mesh_arrays(
    tree: Tree, node: int, joints: dict[int, int], materials: dict[int, int], budget: Budget
) -> dict[str, np.ndarray]:
    """One mesh instance: polygons, attributes per corner, skin; vertices in the mesh's own space."""
    mesh = hold(tree.nodes[node].mesh)
    budget.spend("polygon corners", max(mesh.num_indices, mesh.num_vertices), f"mesh {mesh.name!r}")
    faces = vectors(mesh.faces, 2).astype(np.int64)
    arrays = {
        "vertices": vectors(mesh.vertices, 3),
        "corners": numbers(mesh.vertex_indices, np.int64),
        "face_starts": faces[:, 0],
        "face_sizes": faces[:, 1],
        "face_materials": _face_materials(tree, node, mesh, materials),
        "geometry_to_world": matrix(tree.nodes[node].geometry_to_world),
        "carrier": np.array(tree.nearest(node, joints)),
    }
    attributes = (("normals", mesh.vertex_normal, 3), ("uvs", mesh.vertex_uv, 2), ("colours", mesh.vertex_color, 4))
    for name, attribute, width in attributes:
        values = per_corner(attribute, width)
        if values is not None:
            arrays[name] = values
    return {**arrays, **_skin(mesh, joints, budget)}


def _face_materials(tree: Tree, node: int, mesh: Any, materials: dict[int, int]) -> np.ndarray:
    """Material numbers of the whole file, per face; -1 where there is none."""
    own = items(tree.nodes[node].materials) or items(mesh.materials)
    table = np.array([materials.get(int(material.typed_id), -1) for material in own] or [-1])
    slots = numbers(mesh.face_material, np.int64)
    if len(slots) != mesh.num_faces:
        slots = np.zeros(mesh.num_faces, np.int64)
    return np.where(slots < len(table), table[np.clip(slots, 0, len(table) - 1)], -1)


def _skin(mesh: Any, joints: dict[int, int], budget: Budget) -> dict[str, np.ndarray]:
    """Influences as triples: vertex, bind, weight."""
    clusters = clusters_of(mesh)
    if not clusters:
        return {}
    budget.spend("skin weights", sum(cluster.num_weights for cluster in clusters), f"mesh {mesh.name!r}")
    vertices = [numbers(cluster.vertices, np.int64) for cluster in clusters]
    return {
        "bind_joints": np.array([joints.get(int(hold(cluster.bone_node).typed_id), -1) for cluster in clusters]),
        "geometry_to_bone": np.array([matrix(cluster.geometry_to_bone) for cluster in clusters]),
        "skin_vertices": np.concatenate(vertices),
        "skin_binds": np.repeat(np.arange(len(clusters)), [len(some) for some in vertices]),
        "skin_weights": np.concatenate([numbers(cluster.weights, np.float64) for cluster in clusters]),
    }


def bind_matrices(scene: Any, wanted: dict[int, int]) -> np.ndarray:
    """World matrices [joints, 4, 4] at binding, from the skin, else from the bind pose; NaN where unknown."""
    out = np.full((len(wanted), 4, 4), np.nan)
    for pose in items(scene.poses):
        if pose.is_bind_pose:
            for entry in items(pose.bone_poses):
                number = int(hold(entry.bone_node).typed_id)
                if number in wanted:
                    out[wanted[number]] = matrix(entry.bone_to_world)
    for cluster in items(scene.skin_clusters):
        bone = hold(cluster.bone_node)
        if bone is not None and int(bone.typed_id) in wanted:
            out[wanted[int(bone.typed_id)]] = matrix(cluster.bind_to_world)
    return out


def material_words(material: Any, textures: dict[int, int]) -> Words:
    """Name, linear RGBA and texture number of one material."""
    maps = hold(material.fbx)
    diffuse, factor = hold(maps.diffuse_color), hold(maps.diffuse_factor)
    texture = _file_texture(diffuse.texture) or _file_texture(hold(hold(material.pbr).base_color).texture)
    strength = float(factor.value_vec4[0]) if factor.has_value else 1.0
    colour = [float(value) * strength for value in diffuse.value_vec4[:3]] if diffuse.has_value else [0.8] * 3
    return {
        "name": material.name,
        "colour": [*colour, _opacity(material, maps)],
        "texture": -1 if texture is None else textures.get(int(texture.typed_id), -1),
        "own": {name: real_property(material, f"mocapcli_{name}", -1.0) for name in OWN_PROPERTIES},
    }


def _opacity(material: Any, maps: Any) -> float:
    """Exporters disagree about which of three numbers means it; nobody means a wholly invisible surface."""
    factor = hold(maps.transparency_factor).value_vec4[0]
    through = float(factor) * sum(hold(maps.transparency_color).value_vec4[:3]) / 3
    opacity = real_property(material, "Opacity", 1.0 - through)
    return opacity if opacity > 0 or real_property(material, "mocapcli_alpha_mode", -1.0) >= 0 else 1.0


OWN_PROPERTIES = ("alpha_mode", "alpha_cutoff", "double_sided", "tint")


def _file_texture(texture: Any) -> Any:
    """The image behind a texture: itself, or the first one of its layers."""
    if hold(texture) is None:
        return None
    if len(hold(texture.content)) or texture.relative_filename or texture.absolute_filename:
        return texture
    layers = items(texture.file_textures)
    return layers[0] if layers else None


def texture_words(texture: Any, images: dict[bytes, int]) -> Words:
    """Where a texture's image is said to be, and its number in `images` where the file holds it (else -1)."""
    video = hold(texture.video)
    content = bytes(hold(texture.content)) or (bytes(hold(video.content)) if video is not None else b"")
    names = [str(texture.relative_filename), str(texture.absolute_filename)]
    image = images.setdefault(content, len(images)) if content else -1
    return {"name": texture.name, "files": [name for name in names if name], "image": image}
