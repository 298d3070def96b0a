"""What a document holds beside rig and clips, in words, so that nobody loses it unawares."""

from typing import Any

from mocapcli.types import left_aside
from mocapcli_gltf.document import Json

OTHER_TEXTURES = ("normalTexture", "occlusionTexture", "emissiveTexture")


def beyond(document: Json, motions: set[int]) -> tuple[str, ...]:
    """`motions`: the animations that became clips. Damage in what nobody asked for is no reason to fail."""
    extensions = _object(document.get("extensions"))
    others = [index for index in range(len(_objects(document, "animations"))) if index not in motions]
    counted = left_aside(
        (len(others), "other animation"),
        (len(_objects(document, "cameras")), "camera"),
        (len(_objects(_object(extensions.get("KHR_lights_punctual")), "lights")), "light"),
    )
    found = {
        "morph targets": any(map(_has_targets, _objects(document, "meshes"))),
        "normal maps and other textures": any(map(_has_other_textures, _objects(document, "materials"))),
        "VRM data": bool({"VRM", "VRMC_vrm"} & set(extensions)),
        "custom properties (extras)": _has_extras(document),
    }
    return (*(name for name, there in found.items() if there), *(counted.beyond if counted else ()))


def _has_targets(mesh: Json) -> bool:
    return any(part.get("targets") for part in _objects(mesh, "primitives"))


def _has_other_textures(material: Json) -> bool:
    surface = _object(material.get("pbrMetallicRoughness"))
    return "metallicRoughnessTexture" in surface or any(name in material for name in OTHER_TEXTURES)


def _has_extras(document: Json) -> bool:
    kinds = ("scenes", "nodes", "meshes", "materials", "animations")
    return "extras" in document or any(record.get("extras") for kind in kinds for record in _objects(document, kind))


def _object(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _objects(record: Json, key: str) -> list[Json]:
    value = record.get(key)
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
