"""Named arrays to an Asset."""

import lzma
import math
import struct
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

from mocapcli.errors import ReadError, UnsupportedError
from mocapcli.types import Asset, Material, Mesh, Motion, Rig, Skeleton, Texture
from mocapcli_npz.writer import FORMAT_VERSION, MESH_ARRAYS, OPTIONAL_MESH_ARRAYS

ALPHA_MODES = ("opaque", "mask", "blend")
ALWAYS_ALLOWED = 1 << 29  # bytes unpacked, however small the file
ALLOWED_RATIO = 16  # bytes unpacked per byte of a larger file

# What zipfile lets through where bytes are flipped: offsets before the file's start are an OSError.
DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, NotImplementedError, OSError)


def read_npz(path: Path) -> Asset:
    """Read what `write_npz` wrote, or arrays of the same names made by anybody."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _asset(Arrays(archive, path.stat().st_size))
    except DAMAGE as error:
        raise ReadError(f"not an NPZ archive, or a damaged one ({error})") from None


class Arrays:
    """The archive's members, unpacked when asked for, none before its size was found to be bearable and true."""

    def __init__(self, archive: zipfile.ZipFile, size: int) -> None:
        self.archive = archive
        self.members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
        total = sum(member.file_size for member in self.members.values())
        if total > max(ALWAYS_ALLOWED, ALLOWED_RATIO * size):
            raise ReadError(f"{size} bytes that claim to unpack to {total}", remedy="write it without compression")

    def __contains__(self, name: str) -> bool:
        return name in self.members

    def get(self, name: str, dimensions: int, kinds: str = "fiu") -> np.ndarray:
        """The array of that name, of the right rank and kind."""
        if name not in self.members:
            raise ReadError(f"there is no array {name!r}")
        member = self.members[name]
        try:
            with self.archive.open(member) as stream:
                return _read_array(stream, member.file_size, dimensions, kinds)
        except (ValueError, SyntaxError, TypeError, RuntimeError, tokenize.TokenError) as error:
            raise ReadError(str(error), place=f"array {name!r}") from None

    def text(self, name: str) -> list[str]:
        strings: list[str] = self.get(name, 1, "U").tolist()
        return strings


def _read_array(stream: IO[bytes], size: int, dimensions: int, kinds: str) -> np.ndarray:
    """One .npy member; its header is held against the member's size before anything is allocated."""
    version = npy.read_magic(stream)
    if version == (1, 0):
        shape, fortran, dtype = npy.read_array_header_1_0(stream)
    elif version == (2, 0):
        shape, fortran, dtype = npy.read_array_header_2_0(stream)
    else:
        raise ValueError(f"unknown .npy version {version}")
    if dtype.kind not in kinds or len(shape) != dimensions or dtype.itemsize == 0:
        raise ValueError(f"is {dtype} of shape {list(shape)}, which is not what belongs here")
    expected = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or expected > size:
        raise ValueError(f"claims shape {list(shape)}, more than the file holds")
    data = stream.read(expected)
    if len(data) != expected:
        raise ValueError("is cut off")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


def _asset(arrays: Arrays) -> Asset:
    version = int(arrays.get("format_version", 0, "iu"))
    if version != FORMAT_VERSION:
        raise UnsupportedError(
            f"format_version is {version}", remedy=f"this version of mocapcli reads {FORMAT_VERSION}"
        )
    skeleton = Skeleton(
        tuple(arrays.text("joint_names")),
        arrays.get("parents", 1, "iu"),
        arrays.get("rest_translations", 2),
        arrays.get("rest_rotations", 2),
    )
    mesh = _mesh(arrays) if "vertices" in arrays else None
    name = str(arrays.get("rig_name", 0, "U")) if "rig_name" in arrays else "rig"
    return Asset(Rig(skeleton, mesh, name), _motions(arrays))


def _motions(arrays: Arrays) -> tuple[Motion, ...]:
    names, rates = arrays.text("clip_names"), arrays.get("clip_fps", 1)
    if len(names) != len(rates):
        raise ReadError(f"{len(names)} clip_names and {len(rates)} clip_fps")
    motions = []
    for number, (name, fps) in enumerate(zip(names, rates.tolist(), strict=True)):
        scales = f"clip{number}_scales"
        motions.append(
            Motion(
                name,
                float(fps),
                arrays.get(f"clip{number}_rotations", 3),
                arrays.get(f"clip{number}_translations", 3),
                arrays.get(scales, 3) if scales in arrays else None,
            )
        )
    return tuple(motions)


def _mesh(arrays: Arrays) -> Mesh:
    ranks = {"bind_joints": 1, "inverse_binds": 3, "face_materials": 1}
    integers = ("faces", "skin_indices", "bind_joints", "face_materials")
    parts = {
        name: arrays.get(name, ranks.get(name, 2), "iu" if name in integers else "fiu")
        for name in (*MESH_ARRAYS, *(name for name in OPTIONAL_MESH_ARRAYS if name in arrays))
    }
    for name in integers:
        if name in parts and parts[name].size and not -1 <= parts[name].min() <= parts[name].max() < 1 << 31:
            raise ReadError("holds numbers that are no indices", place=f"array {name!r}")
    return Mesh(**parts, materials=_materials(arrays) if "material_names" in arrays else ())


def _materials(arrays: Arrays) -> tuple[Material, ...]:
    names = arrays.text("material_names")
    columns = {
        "material_colours": arrays.get("material_colours", 2),
        "material_textures": arrays.get("material_textures", 1, "iu"),
        "material_alpha": arrays.get("material_alpha", 1, "U"),
        "material_cutoffs": arrays.get("material_cutoffs", 1),
        "material_two_sided": arrays.get("material_two_sided", 1, "b"),
    }
    for name, column in columns.items():
        if len(column) != len(names):
            raise ReadError(f"has {len(column)} entries for {len(names)} materials", place=f"array {name!r}")
    textures = _textures(arrays)
    materials = []
    for name, colour, texture, alpha, cutoff, two_sided in zip(
        names, *(column.tolist() for column in columns.values()), strict=True
    ):
        if alpha not in ALPHA_MODES or not -1 <= texture < len(textures):
            raise ReadError(f"material {name!r} has alpha {alpha!r} and texture {texture}")
        image = None if texture < 0 else textures[texture]
        materials.append(Material(name, tuple(colour), image, alpha, cutoff, two_sided))
    return tuple(materials)


def _textures(arrays: Arrays) -> list[Texture]:
    names = arrays.text("texture_names")
    types = arrays.text("texture_types")
    if len(names) != len(types):
        raise ReadError(f"{len(names)} texture_names and {len(types)} texture_types")
    return [
        Texture(name, arrays.get(f"texture{number}", 1, "u").astype(np.uint8).tobytes(), kind)
        for number, (name, kind) in enumerate(zip(names, types, strict=True))
    ]
