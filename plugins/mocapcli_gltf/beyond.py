"""What a document holds beside rig and clips, in words, so that nobody loses it unawares."""

from mocapcli.types import left_aside
from mocapcli_gltf.document import Document, Json, child, children

OTHER_TEXTURES = ("normalTexture", "occlusionTexture", "emissiveTexture")


def beyond(document: Document, motions: set[int], is_vrm: bool) -> tuple[str, ...]:
    """`motions`: the animations that became clips."""
    meshes = document.records("meshes")
    lights = child(child(document.json, "extensions"), "KHR_lights_punctual")
    counted = left_aside(
        (sum(map(_has_targets, meshes)), "mesh with morph targets"),
        (sum(map(_has_other_textures, document.records("materials"))), "material with more than a colour texture"),
        (sum(index not in motions for index in range(len(document.records("animations")))), "other animation"),
        (len(document.records("cameras")), "camera"),
        (len(children(lights, "lights")), "light"),
    )
    named = (*(("VRM data",) if is_vrm else ()), *(("custom properties (extras)",) if _has_extras(document) else ()))
    return (*(counted.beyond if counted else ()), *named)


def _has_targets(mesh: Json) -> bool:
    return any(isinstance(part, dict) and part.get("targets") for part in children(mesh, "primitives"))


def _has_other_textures(material: Json) -> bool:
    surface = material.get("pbrMetallicRoughness")
    shiny = isinstance(surface, dict) and "metallicRoughnessTexture" in surface
    return shiny or any(name in material for name in OTHER_TEXTURES)


def _has_extras(document: Document) -> bool:
    kinds = ("scenes", "nodes", "meshes", "materials", "animations")
    return "extras" in document.json or any(record.get("extras") for kind in kinds for record in document.records(kind))
