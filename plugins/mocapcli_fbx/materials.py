"""Materials between FBX and ours.

DiffuseColor is taken as linear, as Blender writes it. A texture on it replaces the colour. What FBX has no
agreed place for (alpha mode, a tint on top of a texture) travels in properties of our own, which others ignore.
"""

from typing import Any

from mocapcli.types import AlphaMode, Material, Texture

ALPHA_MODES: tuple[AlphaMode, ...] = ("opaque", "mask", "blend")


def read_materials(words: list[dict[str, Any]], textures: list[Texture | None]) -> tuple[Material, ...]:
    return tuple(_read_material(entry, textures) for entry in words)


def _read_material(entry: dict[str, Any], textures: list[Texture | None]) -> Material:
    own, number = entry["own"], entry["texture"]
    texture = textures[number] if number >= 0 else None
    red, green, blue, alpha = (min(max(float(value), 0.0), 1.0) for value in entry["colour"])
    if texture is not None and own["tint"] < 0:
        red = green = blue = 1.0
    mode = int(own["alpha_mode"])
    alpha_mode = ALPHA_MODES[mode] if 0 <= mode < len(ALPHA_MODES) else ("blend" if alpha < 1 else "opaque")
    cutoff = own["alpha_cutoff"] if own["alpha_cutoff"] >= 0 else 0.5
    double_sided = own["double_sided"] > 0
    return Material(entry["name"], (red, green, blue, alpha), texture, alpha_mode, cutoff, double_sided)
