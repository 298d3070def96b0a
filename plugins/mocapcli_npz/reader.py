"""Named arrays to an Asset."""

import math
import zipfile
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

from mocapcli.errors import ReadError, UnsupportedError
from mocapcli.types import Asset, Material, Mesh, Motion, Rig, Skeleton, Texture
from mocapcli_npz.writer import FORMAT_VERSION, MESH_ARRAYS, OPTIONAL_MESH_ARRAYS, Arrays

LARGEST = 1 << 30  # bytes unpacked
MOST_ARRAYS = 50_000
HEADER_SPACE = 1 << 16  # more than any header of ours, and little enough for a hostile one
ALPHA_MODES = ("opaque", "mask", "blend")


def read_npz(path: Path) -> Asset:
    """Read what `write_npz` wrote, or arrays of the same names made by anybody."""
    arrays = _load(path)
    version = int(_need(arrays, "format_version", 0, "iu"))
    if version != FORMAT_VERSION:
        raise UnsupportedError(
            f"format_version is {version}", remedy=f"this version of mocapcli reads {FORMAT_VERSION}"
        )
    skeleton = Skeleton(
        tuple(_need(arrays, "joint_names", 1, "U").tolist()),
        _need(arrays, "parents", 1, "iu"),
        _need(arrays, "rest_translations", 2),
        _need(arrays, "rest_rotations", 2),
    )
    mesh = _mesh(arrays) if "vertices" in arrays else None
    rig = Rig(skeleton, mesh, str(_need(arrays, "rig_name", 0, "U")) if "rig_name" in arrays else "rig")
    return Asset(rig, _motions(arrays))


def _load(path: Path) -> Arrays:
    """Every array of the archive, after all their sizes were found to be bearable and true."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
            _check_sizes(members, len(archive.infolist()))
            arrays: Arrays = {}
            for name, member in members.items():
                with archive.open(member) as stream:
                    arrays[name] = _read_array(stream, name, member.file_size)
            return arrays
    except (zipfile.BadZipFile, EOFError, NotImplementedError, zipfile.zlib.error, RuntimeError) as error:  # type: ignore[attr-defined]
        raise ReadError(f"not an NPZ archive, or a damaged one ({error})") from None


def _check_sizes(members: dict[str, zipfile.ZipInfo], count: int) -> None:
    if len(members) != count:
        raise ReadError("two arrays have the same name")
    if count > MOST_ARRAYS:
        raise ReadError(f"holds {count} arrays, more than {MOST_ARRAYS}")
    total = sum(member.file_size for member in members.values())
    if total > LARGEST:
        raise ReadError(f"unpacks to {total / (1 << 30):.1f} GiB, more than the {LARGEST >> 30} GiB allowed")


def _read_array(stream: IO[bytes], name: str, size: int) -> np.ndarray:
    """One .npy member; its header is held against the member's size before anything is allocated."""
    try:
        version = npy.read_magic(stream)
        read_header = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}.get(version)
        if read_header is None:
            raise ValueError(f"unknown .npy version {version}")
        shape, fortran, dtype = read_header(stream, max_header_size=HEADER_SPACE)
    except (ValueError, SyntaxError, TypeError) as error:
        raise ReadError(f"not a .npy array ({error})", place=f"array {name!r}") from None
    if dtype.hasobject or dtype.kind not in "biufU":
        raise ReadError(f"holds {dtype}, not plain numbers or text", place=f"array {name!r}")
    expected = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or expected > size:
        raise ReadError(f"claims shape {list(shape)}, more than the file holds", place=f"array {name!r}")
    data = stream.read(expected)
    if len(data) != expected:
        raise ReadError("is cut off", place=f"array {name!r}")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


def _need(arrays: Arrays, name: str, dimensions: int, kinds: str = "fiu") -> np.ndarray:
    """The array of that name, of the right rank and kind."""
    if name not in arrays:
        raise ReadError(f"there is no array {name!r}", remedy="`python -c 'import mocapcli_npz; help(mocapcli_npz)'`")
    array = arrays[name]
    if array.ndim != dimensions or array.dtype.kind not in kinds:
        raise ReadError(f"is {array.dtype} with shape {list(array.shape)}", place=f"array {name!r}")
    return array


def _motions(arrays: Arrays) -> tuple[Motion, ...]:
    names, rates = _need(arrays, "clip_names", 1, "U"), _need(arrays, "clip_fps", 1)
    if len(names) != len(rates):
        raise ReadError(f"{len(names)} clip_names and {len(rates)} clip_fps")
    motions = []
    for number, (name, fps) in enumerate(zip(names.tolist(), rates.tolist(), strict=True)):
        scales = f"clip{number}_scales"
        motions.append(
            Motion(
                name,
                fps,
                _need(arrays, f"clip{number}_rotations", 3),
                _need(arrays, f"clip{number}_translations", 3),
                _need(arrays, scales, 3) if scales in arrays else None,
            )
        )
    return tuple(motions)


def _mesh(arrays: Arrays) -> Mesh:
    ranks = {"bind_joints": 1, "inverse_binds": 3, "face_materials": 1}
    integers = ("faces", "skin_indices", "bind_joints", "face_materials")
    parts = {
        name: _need(arrays, name, ranks.get(name, 2), "iu" if name in integers else "fiu")
        for name in (*MESH_ARRAYS, *(name for name in OPTIONAL_MESH_ARRAYS if name in arrays))
    }
    return Mesh(**parts, materials=_materials(arrays) if "material_names" in arrays else ())


def _materials(arrays: Arrays) -> tuple[Material, ...]:
    names = _need(arrays, "material_names", 1, "U").tolist()
    columns = {
        "material_colours": _need(arrays, "material_colours", 2),
        "material_textures": _need(arrays, "material_textures", 1, "iu"),
        "material_alpha": _need(arrays, "material_alpha", 1, "U"),
        "material_cutoffs": _need(arrays, "material_cutoffs", 1),
        "material_two_sided": _need(arrays, "material_two_sided", 1, "b"),
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
    names = _need(arrays, "texture_names", 1, "U").tolist()
    types = _need(arrays, "texture_types", 1, "U").tolist()
    if len(names) != len(types):
        raise ReadError(f"{len(names)} texture_names and {len(types)} texture_types")
    return [
        Texture(name, _need(arrays, f"texture{number}", 1, "u").astype(np.uint8).tobytes(), kind)
        for number, (name, kind) in enumerate(zip(names, types, strict=True))
    ]
