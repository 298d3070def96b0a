"""Materials and textures of a new document."""

import warnings

from mocapcli.errors import DroppedWarning
from mocapcli.types import Material, Texture
from mocapcli_gltf.builder import Builder
from mocapcli_gltf.document import Json

IMAGES = ("image/png", "image/jpeg")
WEBP = "image/webp"


def add_materials(builder: Builder, materials: tuple[Material, ...]) -> list[int]:
    """The document's index of each material."""
    textures: dict[int, int | None] = {}
    return [builder.append("materials", material_record(builder, material, textures)) for material in materials]


def material_record(builder: Builder, material: Material, textures: dict[int, int | None]) -> Json:
    surface: Json = {
        "baseColorFactor": [min(max(value, 0.0), 1.0) for value in material.base_colour],
        "metallicFactor": 0.0,
    }
    if material.texture is not None:
        key = id(material.texture)
        if key not in textures:
            textures[key] = add_texture(builder, material.texture)
        if textures[key] is not None:
            surface["baseColorTexture"] = {"index": textures[key]}
    record: Json = {"name": material.name, "pbrMetallicRoughness": surface}
    if material.alpha_mode != "opaque":
        record["alphaMode"] = material.alpha_mode.upper()
    if material.alpha_mode == "mask":
        record["alphaCutoff"] = max(material.alpha_cutoff, 0.0)
    if material.double_sided:
        record["doubleSided"] = True
    return record


def add_texture(builder: Builder, texture: Texture) -> int | None:
    """An embedded image; None, with a warning, where glTF knows no such kind of image."""
    if texture.mime_type not in (*IMAGES, WEBP):
        message = f"texture {texture.name!r} is left out (glTF holds PNG, JPEG and WebP, not {texture.mime_type})"
        warnings.warn(message, DroppedWarning, stacklevel=2)
        return None
    image = {"name": texture.name, "mimeType": texture.mime_type, "bufferView": builder.view(texture.data)}
    source = builder.append("images", image)
    if texture.mime_type != WEBP:
        return builder.append("textures", {"source": source})
    for key in ("extensionsUsed", "extensionsRequired"):
        if "EXT_texture_webp" not in builder.json.setdefault(key, []):
            builder.json[key].append("EXT_texture_webp")
    return builder.append("textures", {"extensions": {"EXT_texture_webp": {"source": source}}})
