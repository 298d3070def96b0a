"""Materials and textures of an assimp scene: embedded ones, and files inside the asset's own folder."""

import ctypes
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np

from mocapcli.types import Material, Texture
from mocapcli_assimp.library import Library
from mocapcli_assimp.scene import array, text

DIFFUSE, BASE_COLOUR = 1, 12  # aiTextureType
LARGEST_TEXTURE = 64 << 20
SIGNATURES = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}


def materials(library: Library, scene: Any, folder: Path) -> tuple[Material, ...]:
    return tuple(_material(library, scene, scene.mMaterials[i], folder) for i in range(scene.mNumMaterials))


def _material(library: Library, scene: Any, pointer: Any, folder: Path) -> Material:
    colour = _colour(library, pointer)
    texture = None
    for kind in (BASE_COLOUR, DIFFUSE):
        place = _string(library, pointer, b"$tex.file", kind)
        texture = texture or (_texture(scene, place, folder) if place else None)
    if texture is not None and not any(colour[:3]):
        colour = (1.0, 1.0, 1.0, colour[3])  # exporters leave black behind where a texture gives the colour
    return Material(
        _string(library, pointer, b"?mat.name") or "material",
        colour,
        texture,
        "blend" if colour[3] < 1.0 else "opaque",
        double_sided=bool(_number(library, pointer, b"$mat.twosided", 0.0)),
    )


def _colour(library: Library, pointer: Any) -> tuple[float, float, float, float]:
    colour = library.structs.Color4D()
    for key in (b"$clr.base", b"$clr.diffuse"):
        if library.dll.aiGetMaterialColor(pointer, key, 0, 0, ctypes.byref(colour)) == 0:
            opacity = _number(library, pointer, b"$mat.opacity", 1.0)
            rgb = np.nan_to_num(np.clip([colour.r, colour.g, colour.b], 0.0, 1.0)).tolist()
            return rgb[0], rgb[1], rgb[2], opacity if 0.0 < opacity <= 1.0 else 1.0
    return 1.0, 1.0, 1.0, 1.0


def _number(library: Library, pointer: Any, key: bytes, default: float) -> float:
    value, count = ctypes.c_float(), ctypes.c_uint(1)
    status = library.dll.aiGetMaterialFloatArray(pointer, key, 0, 0, ctypes.byref(value), ctypes.byref(count))
    return float(value.value) if status == 0 else default


def _string(library: Library, pointer: Any, key: bytes, kind: int = 0) -> str:
    value = library.structs.String()
    status = library.dll.aiGetMaterialString(pointer, key, kind, 0, ctypes.byref(value))
    return text(value) if status == 0 else ""


def _texture(scene: Any, place: str, folder: Path) -> Texture | None:
    """The image a material names: `*3` is the scene's third, anything else a file or an embedded file's name."""
    for index in range(scene.mNumTextures):
        embedded = scene.mTextures[index].contents
        if place == f"*{index}" or _leaf(place) == _leaf(_embedded_name(embedded)):
            return _encoded(_leaf(_embedded_name(embedded)) or f"texture{index}", _embedded_bytes(embedded))
    return texture_file(place, folder)


def _embedded_name(texture: Any) -> str:
    """`mFilename` follows the last field pyassimp knows."""
    address = ctypes.addressof(texture) + ctypes.sizeof(texture)
    length = ctypes.c_uint32.from_address(address).value
    return ctypes.string_at(address + 4, min(length, 1023)).decode("utf-8", "replace")


def _embedded_bytes(texture: Any) -> bytes:
    """A whole image file; bare pixels (height given) are left aside."""
    if texture.mHeight or texture.mWidth > LARGEST_TEXTURE:
        return b""
    return array(texture.pcData, texture.mWidth, np.uint8).tobytes()


def texture_file(place: str, folder: Path) -> Texture | None:
    """An image beside the asset; never one outside its folder, whatever the file says."""
    folder = folder.resolve()
    for name in (place.replace("\\", "/"), _leaf(place)):
        try:
            path = (folder / name).resolve()
            if path.is_relative_to(folder) and path.is_file() and path.stat().st_size <= LARGEST_TEXTURE:
                return _encoded(path.name, path.read_bytes())
        except (OSError, ValueError):  # names that are no file names at all
            continue
    return None


def _leaf(place: str) -> str:
    return PureWindowsPath(PurePosixPath(place).name).name


def _encoded(name: str, data: bytes) -> Texture | None:
    for signature, mime_type in SIGNATURES.items():
        if data.startswith(signature):
            return Texture(name, data, mime_type)
    return None
