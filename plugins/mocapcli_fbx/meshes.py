"""The mesh as FBX geometry, its skin as clusters, its materials and textures."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from mocapcli.types import Material, Mesh, Texture, unique_names
from mocapcli_fbx.document import CENTIMETRES, SCENE, Document, add_number, add_property
from mocapcli_fbx.encoder import Long, Record
from mocapcli_fbx.images import file_extension
from mocapcli_fbx.materials import ALPHA_MODES
from mocapcli_fbx.models import add_model, flat_matrix
from mocapcli_fbx.polygons import linear_to_srgb


@dataclass(frozen=True)
class Bones:
    """What a skin hangs on: the joints' models, where they are at binding, and their holder."""

    models: list[Long]
    bind_world: Float[np.ndarray, "joints 4 4"]
    holder: Long


def add_mesh(document: Document, name: str, mesh: Mesh, materials: list[Long], bones: Bones | None) -> Long:
    """The mesh's model at the world's origin, with geometry, materials and, if it has bones, skin."""
    model, _ = add_model(document, name, "Mesh", SCENE)
    corners = mesh.faces.reshape(-1)
    first, points = _weld_points(mesh)
    geometry, record = document.add("Geometry", name, "Geometry", "Mesh")
    record.add("Vertices", mesh.vertices[first].astype(np.float64).reshape(-1) * CENTIMETRES)
    polygons = points[mesh.faces].astype(np.int32)
    polygons[:, 2] = ~polygons[:, 2]  # FBX marks a polygon's last corner so
    record.add("PolygonVertexIndex", polygons.reshape(-1))
    record.add("GeometryVersion", 124)
    _add_layers(record, mesh, corners)
    document.connect(geometry, model)
    for material in materials:
        document.connect(material, model)
    if bones is not None:
        _add_skin(document, geometry, mesh, first, bones)
    return model


def _weld_points(mesh: Mesh) -> tuple[Int[np.ndarray, " points"], Int[np.ndarray, " vertices"]]:
    """Vertices that differ in uv or normal only are one point of an FBX mesh.

    One vertex for each point, and the point of each vertex that a face uses.
    """
    used = np.unique(mesh.faces)
    columns = [mesh.vertices[used] + np.float32(0), mesh.skin_indices[used], mesh.skin_weights[used]]
    rows = np.concatenate([np.ascontiguousarray(c).view(np.uint8).reshape(len(c), -1) for c in columns], axis=1)
    keys = np.ascontiguousarray(rows).view(np.dtype((np.void, rows.shape[1]))).reshape(-1)
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    points = np.zeros(len(mesh.vertices), np.int64)
    points[used] = rank[inverse.reshape(-1)]
    return used[first[order]], points


def _add_layers(record: Record, mesh: Mesh, corners: Int[np.ndarray, " corners"]) -> None:
    """Normals, uvs, colours and materials, and the layer that lists them."""
    kinds = []
    if mesh.normals is not None:
        _add_layer(record, "LayerElementNormal", "ByPolygonVertex", Normals=mesh.normals[corners])
        kinds.append("LayerElementNormal")
    if mesh.uvs is not None:
        flipped = mesh.uvs * [1.0, -1.0] + [0.0, 1.0]
        _add_layer(record, "LayerElementUV", "ByPolygonVertex", corners, "UVIndex", UV=flipped)
        kinds.append("LayerElementUV")
    if mesh.colours is not None:
        colours = np.c_[linear_to_srgb(mesh.colours[:, :3].astype(np.float64)), mesh.colours[:, 3]]
        _add_layer(record, "LayerElementColor", "ByPolygonVertex", corners, "ColorIndex", Colors=colours)
        kinds.append("LayerElementColor")
    if mesh.materials:
        slots = np.zeros(len(mesh.faces), np.int32) if mesh.face_materials is None else mesh.face_materials
        layer = _start_layer(record, "LayerElementMaterial", "ByPolygon", "IndexToDirect")
        layer.add("Materials", np.where(slots < 0, len(mesh.materials), slots).astype(np.int32))
        kinds.append("LayerElementMaterial")
    listing = record.add("Layer", 0)
    listing.add("Version", 100)
    for kind in kinds:
        element = listing.add("LayerElement")
        element.add("Type", kind)
        element.add("TypedIndex", 0)


def _add_layer(
    record: Record,
    kind: str,
    mapping: str,
    indices: Int[np.ndarray, " corners"] | None = None,
    index_name: str = "",
    **values: np.ndarray,
) -> None:
    layer = _start_layer(record, kind, mapping, "Direct" if indices is None else "IndexToDirect")
    for name, numbers in values.items():
        layer.add(name, numbers.astype(np.float64).reshape(-1))
    if indices is not None:
        layer.add(index_name, indices.astype(np.int32))


def _start_layer(record: Record, kind: str, mapping: str, reference: str) -> Record:
    layer = record.add(kind, 0)
    layer.add("Version", 101)
    layer.add("Name", kind.removeprefix("LayerElement"))
    layer.add("MappingInformationType", mapping)
    layer.add("ReferenceInformationType", reference)
    return layer


def _add_skin(document: Document, geometry: Long, mesh: Mesh, first: Int[np.ndarray, " points"], bones: Bones) -> None:
    """One cluster per bind that moves anything."""
    skin, record = document.add("Deformer", "Skin", "Deformer", "Skin")
    record.add("Version", 101)
    record.add("Link_DeformAcuracy", 50.0)
    document.connect(skin, geometry)
    indices, weights = mesh.skin_indices[first], mesh.skin_weights[first].astype(np.float64)
    for bind, joint in enumerate(mesh.bind_joints):
        share = np.where(indices == bind, weights, 0.0).sum(axis=1)
        moved = np.flatnonzero(share > 0)
        if not len(moved):
            continue
        fixed = joint < 0  # what partly follows nothing hangs on a bone of its own that never moves
        bone = _add_static_bone(document, bones.holder) if fixed else bones.models[joint]
        link = np.eye(4) if fixed else bones.bind_world[joint]
        cluster, record = document.add("Deformer", f"cluster{bind}", "SubDeformer", "Cluster")
        record.add("Version", 100)
        record.add("UserData", "", "")
        record.add("Indexes", moved.astype(np.int32))
        record.add("Weights", share[moved])
        record.add("Transform", flat_matrix(mesh.inverse_binds[bind]))
        record.add("TransformLink", flat_matrix(link))
        document.connect(cluster, skin)
        document.connect(bone, cluster)


def _add_static_bone(document: Document, holder: Long) -> Long:
    number, properties = add_model(document, "static", "LimbNode", holder)
    add_number(properties, "mocapcli_static", 1.0, "U")  # our reader makes no joint of it
    return number


def add_materials(document: Document, mesh: Mesh) -> list[Long]:
    """All materials of the mesh. Faces that have none among faces that have some get a plain white one."""
    bare = mesh.face_materials is not None and bool((mesh.face_materials < 0).any())
    materials = (*mesh.materials, Material("none")) if mesh.materials and bare else mesh.materials
    textures = {id(m.texture): m.texture for m in materials if m.texture is not None}
    stems = unique_names([_file_stem(texture.name) for texture in textures.values()], "texture")
    known = {
        key: _add_texture(document, texture, stem) for (key, texture), stem in zip(textures.items(), stems, strict=True)
    }
    numbers = []
    for material in materials:
        number, record = document.add("Material", material.name, "Material", "")
        record.add("Version", 102)
        record.add("ShadingModel", "phong")
        record.add("MultiLayer", 0)
        _add_look(record.add("Properties70"), material)
        if material.texture is not None:
            document.connect_property(known[id(material.texture)], number, "DiffuseColor")
        numbers.append(number)
    return numbers


def _file_stem(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_. " else "_" for c in name)


def _add_look(properties: Record, material: Material) -> None:
    *colour, alpha = material.base_colour
    add_property(properties, "DiffuseColor", "Color", "", "A", *colour)
    add_number(properties, "DiffuseFactor", 1.0, "A")
    add_property(properties, "TransparentColor", "Color", "", "A", 1.0, 1.0, 1.0)
    add_number(properties, "TransparencyFactor", 1.0 - alpha, "A")
    add_number(properties, "Opacity", alpha)
    add_number(properties, "mocapcli_alpha_mode", ALPHA_MODES.index(material.alpha_mode), "U")
    add_number(properties, "mocapcli_alpha_cutoff", material.alpha_cutoff, "U")
    add_number(properties, "mocapcli_double_sided", material.double_sided, "U")
    add_number(properties, "mocapcli_tint", 1.0, "U")  # DiffuseColor multiplies the texture


def _add_texture(document: Document, texture: Texture, stem: str) -> Long:
    """An image embedded in the file, named as if it lay next to it."""
    file = f"{stem}.{file_extension(texture.mime_type)}"
    video, clip = document.add("Video", texture.name, "Video", "Clip")
    clip.add("Type", "Clip")
    properties = clip.add("Properties70")
    add_property(properties, "Path", "KString", "XRefUrl", "", file)
    clip.add("UseMipMap", 0)
    clip.add("Filename", file)
    clip.add("RelativeFilename", file)
    clip.add("Content", texture.data)
    number, record = document.add("Texture", texture.name, "Texture", "")
    record.add("Type", "TextureVideoClip")
    record.add("Version", 202)
    record.add("TextureName", f"{texture.name}\0\1Texture")
    record.add("Media", f"{texture.name}\0\1Video")
    record.add("FileName", file)
    record.add("RelativeFilename", file)
    document.connect(video, number)
    return number
