"""UsdPreviewSurface to our materials."""

from pathlib import Path
from typing import Any

import numpy as np
from pxr import Sdf, UsdShade

from mocapcli.types import AlphaMode, Material, Texture
from mocapcli_usd.stage import display_name, read_bytes

SIGNATURES = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}


class Materials:
    """Materials met so far; asked by prim, answered by index."""

    def __init__(self, path: Path) -> None:
        self.folder = path.parent
        self.found: list[Material] = []
        self._index: dict[str, int] = {}

    def bound_to(self, prim: Any, double_sided: bool) -> int:
        """Index of the material bound to a mesh or subset; -1 for none."""
        material, _ = UsdShade.MaterialBindingAPI(prim).ComputeBoundMaterial()
        if not material:
            return -1
        key = f"{material.GetPath()} {double_sided}"
        if key not in self._index:
            self._index[key] = self.add(_material(material, self.folder, double_sided))
        return self._index[key]

    def add(self, material: Material) -> int:
        self.found.append(material)
        return len(self.found) - 1


def _material(material: Any, folder: Path, double_sided: bool) -> Material:
    name = display_name(material.GetPrim())
    shader = material.ComputeSurfaceSource()[0]
    if not shader:
        return Material(name, double_sided=double_sided)
    texture = _texture(shader, folder)
    colour = _value(shader, "diffuseColor", (0.18, 0.18, 0.18) if texture is None else (1.0, 1.0, 1.0))
    opacity, threshold = float(_value(shader, "opacity", 1.0)), float(_value(shader, "opacityThreshold", 0.0))
    mode: AlphaMode = "mask" if threshold > 0 else "blend" if opacity < 1 else "opaque"
    rgba = np.clip(np.nan_to_num([*colour, opacity]), 0.0, 1.0)
    red, green, blue, alpha = rgba.tolist() if len(rgba) == 4 else (1.0, 1.0, 1.0, 1.0)
    return Material(name, (red, green, blue, alpha), texture, mode, threshold or 0.5, double_sided)


def _value(shader: Any, name: str, default: Any) -> Any:
    """A constant input; the default where it is missing or comes from a texture."""
    shader_input = shader.GetInput(name)
    if not shader_input or shader_input.HasConnectedSource():
        return default
    value = shader_input.Get()
    return default if value is None else value


def _texture(shader: Any, folder: Path) -> Texture | None:
    """The image that feeds the diffuse colour."""
    colour = shader.GetInput("diffuseColor")
    sources = colour.GetConnectedSources()[0] if colour else []
    for source in sources:
        file_input = UsdShade.Shader(source.source.GetPrim()).GetInput("file")
        asset = file_input.Get() if file_input else None
        if not isinstance(asset, Sdf.AssetPath):
            continue
        data = read_bytes(asset.resolvedPath, folder) if asset.resolvedPath else None
        for signature, mime_type in SIGNATURES.items():
            if data is not None and data.startswith(signature):
                return Texture(asset.path.replace("\\", "/").rpartition("/")[2].rstrip("]"), data, mime_type)
    return None
