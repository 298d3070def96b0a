"""An Asset to named arrays."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mocapcli.errors import WriteError
from mocapcli.kinematics import joint_positions
from mocapcli.types import Asset, Mesh

FORMAT_VERSION = 1
MESH_ARRAYS = ("vertices", "faces", "skin_indices", "skin_weights", "bind_joints", "inverse_binds")
OPTIONAL_MESH_ARRAYS = ("normals", "uvs", "colours", "face_materials")
Arrays = dict[str, np.ndarray]


def write_npz(path: Path, asset: Asset) -> None:
    """Write rig, clips and mesh; the arrays are listed in the package's docstring."""
    arrays = _rig_arrays(asset)
    for number, motion in enumerate(asset.motions):
        arrays[f"clip{number}_rotations"] = motion.rotations
        arrays[f"clip{number}_translations"] = motion.translations
        arrays[f"clip{number}_positions"] = joint_positions(asset.rig.skeleton, motion)
        if motion.scales is not None:
            arrays[f"clip{number}_scales"] = motion.scales
    if asset.rig.mesh is not None:
        arrays |= _mesh_arrays(asset.rig.mesh)
    with path.open("wb") as stream:
        # Not compressed: that takes seconds and gains a tenth on real motion.
        np.savez(stream, **arrays)  # type: ignore[arg-type]


def _rig_arrays(asset: Asset) -> Arrays:
    skeleton = asset.rig.skeleton
    return {
        "format_version": np.array(FORMAT_VERSION),
        "rig_name": _text([asset.rig.name])[0],
        "joint_names": _text(skeleton.names),
        "parents": skeleton.parents,
        "rest_translations": skeleton.rest_translations,
        "rest_rotations": skeleton.rest_rotations,
        "clip_names": _text([motion.name for motion in asset.motions]),
        "clip_fps": np.array([motion.fps for motion in asset.motions], dtype=np.float64),
    }


def _mesh_arrays(mesh: Mesh) -> Arrays:
    arrays: Arrays = {name: getattr(mesh, name) for name in MESH_ARRAYS}
    for name in OPTIONAL_MESH_ARRAYS:
        if getattr(mesh, name) is not None:
            arrays[name] = getattr(mesh, name)
    return arrays | _material_arrays(mesh)


def _material_arrays(mesh: Mesh) -> Arrays:
    textures = list(dict.fromkeys(m.texture for m in mesh.materials if m.texture is not None))
    arrays: Arrays = {
        "material_names": _text([m.name for m in mesh.materials]),
        "material_colours": np.array([m.base_colour for m in mesh.materials], dtype=np.float64).reshape(-1, 4),
        "material_textures": np.array(
            [-1 if m.texture is None else textures.index(m.texture) for m in mesh.materials], dtype=np.int64
        ),
        "material_alpha": _text([m.alpha_mode for m in mesh.materials]),
        "material_cutoffs": np.array([m.alpha_cutoff for m in mesh.materials], dtype=np.float64),
        "material_two_sided": np.array([m.double_sided for m in mesh.materials], dtype=np.bool_),
        "texture_names": _text([texture.name for texture in textures]),
        "texture_types": _text([texture.mime_type for texture in textures]),
    }
    for number, texture in enumerate(textures):
        arrays[f"texture{number}"] = np.frombuffer(texture.data, dtype=np.uint8)
    return arrays


def _text(strings: Sequence[str]) -> np.ndarray:
    """A unicode array, checked: numpy drops NULs at the end of a string without a word."""
    for string in strings:
        if string.endswith("\0"):
            raise WriteError(f"the name {string!r} ends with a NUL character", remedy="rename it")
    return np.array(strings, dtype=np.str_)
