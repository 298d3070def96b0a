"""Materials and textures of a document, as far as our own renderer and other formats know them."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float

from mocapcli.errors import ReadError
from mocapcli.types import AlphaMode, Material, Texture
from mocapcli_gltf.accessors import view_bytes
from mocapcli_gltf.document import Document, Json, child, inside, integer, label, read_bounded
from mocapcli_gltf.hierarchy import numbers

ALPHA: dict[str, AlphaMode] = {"OPAQUE": "opaque", "MASK": "mask", "BLEND": "blend"}
MAX_IMAGES = 384 << 20  # bytes of all images: many may share one large view
GLOSSINESS = "KHR_materials_pbrSpecularGlossiness"
SIGNATURES = ((b"\x89PNG", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"RIFF", "image/webp"))


@dataclass(frozen=True)
class UvMap:
    """Which texture coordinates the colour texture uses, and how they are moved (KHR_texture_transform)."""

    channel: int = 0
    offset: tuple[float, float] = (0.0, 0.0)
    rotation: float = 0.0
    scale: tuple[float, float] = (1.0, 1.0)

    def apply(self, uvs: Float[np.ndarray, "vertices 2"]) -> Float[np.ndarray, "vertices 2"]:
        if self == UvMap(self.channel):
            return uvs
        cosine, sine = np.cos(self.rotation), np.sin(self.rotation)
        turn = np.array([[cosine, sine], [-sine, cosine]])
        moved: np.ndarray = (uvs * np.array(self.scale)) @ turn.T + np.array(self.offset)
        return moved


@dataclass
class Materials:
    """Materials in the order meshes use them, each read once."""

    document: Document
    found: list[Material] = field(default_factory=list)
    maps: list[UvMap] = field(default_factory=list)
    _rows: dict[int, int] = field(default_factory=dict)
    _textures: dict[int, Texture | None] = field(default_factory=dict)

    def row(self, index: Any) -> int:
        """Position of a document's material among those found; -1 for none."""
        if index is None:
            return -1
        record = self.document.record("materials", index)
        if index not in self._rows:
            self._rows[index] = len(self.found)
            material, uv_map = self._read(record, f"materials[{index}]")
            self.found.append(material)
            self.maps.append(uv_map)
        return self._rows[index]

    def _read(self, record: Json, place: str) -> tuple[Material, UvMap]:
        colour, picture = base_colour(record, place)
        mode = record.get("alphaMode", "OPAQUE")
        cutoff = record.get("alphaCutoff", 0.5)
        if mode not in ALPHA or type(cutoff) not in (int, float):
            raise ReadError("alphaMode or alphaCutoff is damaged", place=place)
        material = Material(
            name=label(record) or place,
            base_colour=(float(colour[0]), float(colour[1]), float(colour[2]), float(colour[3])),
            texture=None if picture is None else self._texture(picture.get("index")),
            alpha_mode=ALPHA[mode],
            alpha_cutoff=float(cutoff),
            double_sided=record.get("doubleSided") is True,
        )
        return material, uv_map(picture or {}, place)

    def _texture(self, index: Any) -> Texture | None:
        record = self.document.record("textures", index)
        webp = child(child(record, "extensions"), "EXT_texture_webp")
        source = record.get("source", webp.get("source"))
        if source is None:
            return None  # a kind of image we cannot show, such as Basis
        self.document.record("images", source)
        if source not in self._textures:
            self._textures[source] = read_image(self.document, source)
            self._check_size()
        return self._textures[source]

    def _check_size(self) -> None:
        if sum(len(texture.data) for texture in self._textures.values() if texture) > MAX_IMAGES:
            raise ReadError("the images are too large to hold", place="images")


def base_colour(record: Json, place: str) -> tuple[Float[np.ndarray, " numbers"], Json | None]:
    """Colour factor and texture reference, from metallic-roughness or the older specular-glossiness form."""
    keys = ("pbrMetallicRoughness", "baseColorFactor", "baseColorTexture")
    values = child(record, keys[0])
    older = child(record, "extensions").get(GLOSSINESS)
    if not values and isinstance(older, dict):
        keys, values = (GLOSSINESS, "diffuseFactor", "diffuseTexture"), older
    factor = numbers(values, keys[1], 4, place)
    picture = child(values, keys[2]) if keys[2] in values else None
    return (np.ones(4) if factor is None else factor), picture


def uv_map(picture: Json, place: str) -> UvMap:
    moved = child(child(picture, "extensions"), "KHR_texture_transform")
    channel = integer(picture, "texCoord", place, 0)
    if not moved:
        return UvMap(channel)
    offset, scale = numbers(moved, "offset", 2, place), numbers(moved, "scale", 2, place)
    turn = moved.get("rotation", 0.0)
    if type(turn) not in (int, float):
        raise ReadError("texture rotation must be a number", place=place)
    return UvMap(
        integer(moved, "texCoord", place, channel),
        (0.0, 0.0) if offset is None else (float(offset[0]), float(offset[1])),
        float(turn),
        (1.0, 1.0) if scale is None else (float(scale[0]), float(scale[1])),
    )


def read_image(document: Document, index: Any) -> Texture | None:
    """An image as it stands in the file; None where its file is missing (the rig is of use without)."""
    record = document.record("images", index)
    if "bufferView" in record:
        data = bytes(view_bytes(document, record["bufferView"]))
    else:
        found = image_file(document, record, f"images[{index}]")
        if found is None:
            return None
        data = found
    name = label(record) or f"image{index}"
    return Texture(name, data, mime_type(record, data))


def image_file(document: Document, record: Json, place: str) -> bytes | None:
    """The bytes behind an image's uri; a path outside the folder is an error, a missing file is not."""
    uri = record.get("uri")
    if isinstance(uri, str) and "://" in uri:
        return None
    if not isinstance(uri, str) or uri[:5].lower() == "data:":
        return document.resource(uri, place)
    try:
        return read_bounded(inside(document.folder, uri, place))
    except OSError:
        return None


def mime_type(record: Json, data: bytes) -> str:
    for signature, found in SIGNATURES:
        if data.startswith(signature):
            return found
    stated = record.get("mimeType")
    return stated if isinstance(stated, str) else "image/png"
