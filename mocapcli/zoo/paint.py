"""Colours: shaded belly, stripes, spots, socks, eyes with pupils, and now and then a small texture."""

import colorsys
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from mocapcli.types import Material, Texture
from mocapcli.zoo.mesh import TINTS, Skin

Colour = Float[np.ndarray, " 3"]


@dataclass(frozen=True, eq=False)
class Paint:
    """What the mesh wears; materials: 0 skin, 1 plain, 2 sheets."""

    colours: Float[np.ndarray, "vertices 4"]
    uvs: Float[np.ndarray, "vertices 2"] | None
    materials: tuple[Material, ...]


def paint(skin: Skin, roles: Sequence[str], dressed: bool, rng: np.random.Generator) -> Paint:
    """Paint a skin; `roles` says what limb each vertex mostly follows."""
    palette = _palette(rng)
    if dressed and rng.random() < 0.6:
        palette |= _human_tones(rng)
    colours = np.stack([palette[name] for name in TINTS])[skin.tints]
    flesh = skin.tints == TINTS.index("skin")
    colours[flesh] = _hide(skin, palette, rng)[flesh]
    if dressed:
        _dress(colours, np.array(roles), flesh, rng)
    pupil = skin.gaze > 0.62
    colours[pupil] = 0.01
    if rng.random() < 0.3:  # a coloured iris
        colours[(skin.gaze > 0.2) & ~pupil] = _colour(rng.random(), 0.8, 0.8)
    texture = _texture(rng) if rng.random() < 0.3 else None
    materials = (
        Material("skin", texture=texture),
        Material("plain"),
        Material("sheet", double_sided=True),
    )
    uvs = None if texture is None else _unwrap(skin.vertices)
    return Paint(np.concatenate([np.clip(colours, 0, 1), np.ones((len(colours), 1))], axis=1), uvs, materials)


def _dress(
    colours: Float[np.ndarray, "vertices 3"], roles: np.ndarray, flesh: np.ndarray, rng: np.random.Generator
) -> None:
    """People wear things, most of them."""
    if rng.random() < 0.35:
        return
    shirt, trousers, shoes = (_colour(rng.random(), rng.uniform(0, 0.8), rng.uniform(0.15, 0.95)) for _ in range(3))
    upper = ("torso", "clavicle", "arm") if "torso" in roles else ("spine", "clavicle", "arm")
    colours[flesh & np.isin(roles, upper[: int(rng.integers(1, 4))])] = shirt
    if "torso" not in roles:
        colours[flesh & np.isin(roles, ("leg", "hips"))] = trousers
        colours[flesh & (roles == "foot")] = shoes


def _colour(hue: float, saturation: float, value: float) -> Colour:
    """HSV as people pick it, in linear light."""
    srgb = np.array(colorsys.hsv_to_rgb(hue % 1.0, float(np.clip(saturation, 0, 1)), float(np.clip(value, 0, 1))))
    return np.asarray(srgb**2.2)


def _palette(rng: np.random.Generator) -> dict[str, Colour]:
    natural = rng.random() < 0.5
    hue = rng.normal(0.08, 0.04) if natural else rng.random()
    saturation, value = (
        (rng.uniform(0.1, 0.65), rng.uniform(0.3, 0.9)) if natural else (rng.uniform(0.3, 0.95), rng.uniform(0.4, 0.95))
    )
    other = hue + rng.choice([0.03, 0.08, 0.33, 0.5])
    return {
        "skin": _colour(hue, saturation, value),
        "belly": _colour(hue + 0.03, saturation * 0.5, min(1.0, value * 1.35)),
        "mark": _colour(other, saturation, value * rng.choice([0.35, 0.5, 1.3])),
        "accent": _colour(other, min(1.0, saturation * 1.1), value * rng.uniform(0.6, 1.1)),
        "horn": _colour(0.12, rng.uniform(0.05, 0.35), rng.uniform(0.25, 0.95)),
        "membrane": _colour(other, saturation * 0.9, value * rng.uniform(0.6, 1.0)),
        "dark": _colour(hue, 0.4, 0.13),
        "eye": _colour(0.14, rng.choice([0.04, 0.85]), 0.97),
    }


def _human_tones(rng: np.random.Generator) -> dict[str, Colour]:
    """Skin from pale to dark, hair of a natural or dyed colour."""
    value = rng.uniform(0.3, 0.97)
    hue, saturation = rng.uniform(0.04, 0.085), 0.65 - 0.35 * value + rng.uniform(-0.08, 0.08)
    hair = _colour(rng.uniform(0.03, 0.12), rng.uniform(0, 0.8), rng.uniform(0.05, 0.8))
    tone = _colour(hue, saturation, value)
    return {"skin": tone, "belly": tone, "mark": tone * 0.9, "accent": hair}


def _hide(skin: Skin, palette: dict[str, Colour], rng: np.random.Generator) -> Float[np.ndarray, "vertices 3"]:
    """Base colour, markings, socks, and a lighter belly."""
    points = skin.vertices
    low, high = points.min(axis=0), points.max(axis=0)
    size = float(np.linalg.norm(high - low))
    colours = np.broadcast_to(palette["skin"], points.shape).copy()
    marks = _marks(points / size, rng)
    colours += marks[:, None] * (palette["mark"] - colours)
    if rng.random() < 0.4:
        height = (points[:, 1] - low[1]) / max(float(high[1] - low[1]), 1e-9)
        socks = np.clip((rng.uniform(0.15, 0.4) - height) / 0.06, 0, 1)
        colours += socks[:, None] * (palette["mark"] * 0.7 - colours)
    belly = np.clip((-skin.normals[:, 1] - 0.15) / 0.5, 0, 1) * rng.choice([0.0, 0.8, 1.0])
    colours += belly[:, None] * (palette["belly"] - colours)
    return np.asarray(colours * (0.88 + 0.12 * skin.normals[:, 1:2]))


def _marks(points: Float[np.ndarray, "vertices 3"], rng: np.random.Generator) -> Float[np.ndarray, " vertices"]:
    """Strength 0-1 of the second colour: none, stripes, spots, patches, or back to front."""
    kind = rng.choice(["none", "stripes", "spots", "patches", "gradient"])
    wobble = np.sin(points @ rng.normal(0, 18, 3) + rng.uniform(0, 6))
    if kind == "stripes":
        wave = np.sin(rng.uniform(45, 95) * (points[:, 2] + 0.25 * points[:, 1]) + 1.2 * wobble)
        return np.clip(3 * wave - 0.5, 0, 1)
    if kind == "spots":
        seeds = points[rng.integers(0, len(points), int(rng.integers(30, 110)))]
        gap = np.linalg.norm(points[:, None] - seeds[None], axis=-1).min(axis=1)
        return np.asarray(np.clip((rng.uniform(0.015, 0.035) - gap) / 0.008, 0, 1))
    if kind == "patches":
        field = sum(np.sin(points @ rng.normal(0, 9, 3) + rng.uniform(0, 6)) for _ in range(4))
        return np.clip(2.5 * np.asarray(field) - 0.6, 0, 1)
    if kind == "gradient":
        along = points[:, 2] - points[:, 2].min()
        return np.asarray(np.clip(along / max(float(along.max()), 1e-9) * 1.4 - 0.2, 0, 1))
    return np.zeros(len(points))


def _unwrap(points: Float[np.ndarray, "vertices 3"]) -> Float[np.ndarray, "vertices 2"]:
    """A slanted side projection: no seams, little stretching on flanks and back."""
    low, size = points.min(axis=0), float(np.ptp(points, axis=0).max())
    local = (points - low) / max(size, 1e-9)
    across = np.abs(local[:, 0] - local[:, 0].mean())
    return np.stack([0.05 + 0.9 * local[:, 2], 0.95 - 0.6 * local[:, 1] - 0.3 * across], axis=1)


def _texture(rng: np.random.Generator, size: int = 64) -> Texture:
    """Light mottling or scales that darken the vertex colours."""
    y, x = np.mgrid[0:size, 0:size] / size
    shade = np.zeros((size, size))
    for octave in (3, 6, 12, 24):
        turn, phase = rng.uniform(0, np.pi), rng.uniform(0, 6, 2)
        shade += np.sin(2 * np.pi * octave * (x * np.cos(turn) + y * np.sin(turn)) + phase[0]) * np.sin(
            2 * np.pi * octave * (y * np.cos(turn) - x * np.sin(turn)) + phase[1]
        )
    if rng.random() < 0.5:
        count = float(rng.integers(10, 22))
        shade += 1.5 * np.abs(np.sin(np.pi * count * x) * np.sin(np.pi * count * y))
    grey = np.interp(shade, [shade.min(), shade.max()], [150, 255])
    tinted = grey[..., None] * (1 - 0.12 * rng.random(3))
    return Texture("skin", encode_png(np.clip(tinted, 0, 255).astype(np.uint8)))


def encode_png(pixels: UInt8[np.ndarray, "height width 3"]) -> bytes:
    """An RGB image as PNG."""
    height, width = pixels.shape[:2]
    raw = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1).tobytes()

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b"")
