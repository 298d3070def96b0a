"""A mesh's faces, colours and textures packed for the rasteriser: made once, drawn many times."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8

from mocapcli.render.shading import BLEND, CUTOFF, MASK, MATERIAL_COLUMNS, MODE, OPAQUE, TEXTURED, TWO_SIDED
from mocapcli.render.textures import LEVELS, MAX_SIDE, pyramid
from mocapcli.types import Material, Mesh

MODES = {"opaque": OPAQUE, "mask": MASK, "blend": BLEND}


@dataclass(frozen=True, eq=False)
class Surface:
    """Faces sorted so that the alpha-tested ones (from `tested` on) come last."""

    faces: Int[np.ndarray, "faces 3"]
    tested: int
    uvs: Float[np.ndarray, "vertices 2"]
    colours: Float[np.ndarray, "vertices 4"]
    face_materials: Int[np.ndarray, " faces"]
    materials: Float[np.ndarray, "materials columns"]
    levels: Int[np.ndarray, "materials levels 3"]
    texels: UInt8[np.ndarray, "texels 4"]


def pack(mesh: Mesh, max_texture_side: int = MAX_SIDE) -> Surface:
    """The mesh's looks. A face without a material is white and drawn from both sides."""
    materials = (*mesh.materials, Material("none", double_sided=True))
    count = len(mesh.vertices)
    chosen = mesh.face_materials
    face_materials = np.full(len(mesh.faces), -1, np.int32) if chosen is None else chosen
    face_materials = np.where(face_materials < 0, len(materials) - 1, face_materials).astype(np.int32)
    table, levels, texels = pack_materials(materials, mesh.uvs is not None, max_texture_side)
    tested = table[face_materials, MODE] != OPAQUE
    order = np.argsort(tested, kind="stable")
    return Surface(
        owned(mesh.faces[order], np.int32),
        int((~tested).sum()),
        owned(np.zeros((count, 2)) if mesh.uvs is None else mesh.uvs, np.float32),
        owned(np.ones((count, 4)) if mesh.colours is None else mesh.colours, np.float32),
        owned(face_materials[order], np.int32),
        table,
        levels,
        texels,
    )


def pack_materials(
    materials: tuple[Material, ...], textured: bool, max_side: int = MAX_SIDE
) -> tuple[
    Float[np.ndarray, "materials columns"], Int[np.ndarray, "materials levels 3"], UInt8[np.ndarray, "texels 4"]
]:
    """The table of numbers, the table of mip levels, and all texels in one array. A texture is stored once."""
    table = np.zeros((len(materials), MATERIAL_COLUMNS), np.float32)
    levels = np.zeros((len(materials), LEVELS, 3), np.int64)
    texels = [np.full((1, 4), 255, np.uint8)]
    placed: dict[int, np.ndarray] = {}
    used = 1
    for row, material in enumerate(materials):
        table[row, :4] = material.base_colour
        table[row, MODE], table[row, CUTOFF] = MODES[material.alpha_mode], material.alpha_cutoff
        table[row, TWO_SIDED] = material.double_sided
        images = pyramid(material.texture, max_side) if material.texture and textured else None
        if images is None:
            continue
        if id(images) not in placed:
            placed[id(images)] = place_levels(images, used)
            texels.extend(image.reshape(-1, 4) for image in images)
            used += sum(image.shape[0] * image.shape[1] for image in images)
        table[row, TEXTURED] = 1.0
        levels[row] = placed[id(images)]
    return table, levels, np.concatenate(texels)


def place_levels(images: tuple[np.ndarray, ...], offset: int) -> Int[np.ndarray, "levels 3"]:
    """Offset, width and height of each mip level; the last one repeated to the end."""
    rows = np.zeros((LEVELS, 3), np.int64)
    for level in range(LEVELS):
        image = images[min(level, len(images) - 1)]
        rows[level] = offset, image.shape[1], image.shape[0]
        if level < len(images) - 1:
            offset += image.shape[0] * image.shape[1]
    return rows


def owned(array: np.ndarray, dtype: type) -> np.ndarray:
    """A contiguous, writeable array of that type: numba compiles once per kind of array, so there is only one kind."""
    return np.require(array, dtype=dtype, requirements=["C", "W", "A", "E"])
