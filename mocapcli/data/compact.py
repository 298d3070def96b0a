"""Assets as few, small, plain arrays: one `.npz` per rig that numpy alone can read.

Rotations and skin weights are quantised to 16 and 8 bits, vertices to 1/65535 of their box, and rotations are stored
as differences between frames (which compress well). Errors stay below 0.004° and 0.002 % of the rig's size.
"""

from pathlib import Path
from typing import Any, cast
from zipfile import BadZipFile
from zlib import error as ZlibError

import numpy as np
from jaxtyping import Float

from mocapcli.errors import MocapError, ReadError
from mocapcli.types import Asset, Material, Mesh, Motion, Rig, Skeleton, Texture

VERSION = 1
QUATERNION_STEPS = 32767
MOVES = 1e-6  # metres per metre: joints whose translation varies less keep their rest translation

Arrays = dict[str, np.ndarray]


def pack_asset(asset: Asset) -> Arrays:
    skeleton = asset.rig.skeleton
    arrays: Arrays = {
        "version": np.array(VERSION),
        "name": np.array(asset.rig.name),
        "joint_names": np.array(skeleton.names),
        "parents": skeleton.parents.astype(np.int16),
        "rest_translations": skeleton.rest_translations.astype(np.float32),
        "rest_rotations": skeleton.rest_rotations.astype(np.float32),
        "motion_names": np.array([motion.name for motion in asset.motions], dtype=np.str_),
        "motion_fps": np.array([motion.fps for motion in asset.motions], dtype=np.float32),
    }
    for number, motion in enumerate(asset.motions):
        arrays |= {f"motion{number}_{key}": value for key, value in _pack_motion(skeleton, motion).items()}
    if asset.rig.mesh is not None:
        arrays |= {f"mesh_{key}": value for key, value in _pack_mesh(asset.rig.mesh).items()}
    return arrays


def unpack_asset(arrays: Arrays) -> Asset:
    skeleton = Skeleton(
        tuple(str(name) for name in arrays["joint_names"]),
        arrays["parents"].astype(np.int64),
        arrays["rest_translations"].astype(np.float64),
        arrays["rest_rotations"].astype(np.float64),
    )
    mesh = None
    if "mesh_vertices" in arrays:
        mesh = _unpack_mesh({key[5:]: value for key, value in arrays.items() if key.startswith("mesh_")})
    motions = []
    for number, (name, fps) in enumerate(zip(arrays["motion_names"], arrays["motion_fps"], strict=True)):
        rotations = np.cumsum(arrays[f"motion{number}_rotations"], axis=0, dtype=np.int16) / QUATERNION_STEPS
        moving = arrays[f"motion{number}_moving"].astype(np.int64)
        translations = np.repeat(skeleton.rest_translations[None], len(rotations), axis=0)
        translations[:, moving] = arrays[f"motion{number}_translations"]
        motions.append(Motion(str(name), float(fps), rotations, translations))
    return Asset(Rig(skeleton, mesh, str(arrays["name"])), tuple(motions))


def save(path: Path, asset: Asset) -> None:
    # numpy's stubs forbid keyword arrays next to its own flags
    cast(Any, np.savez_compressed)(path, **pack_asset(asset))


def load(path: Path) -> Asset:
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            arrays = dict(file)
        if arrays["version"] == VERSION:
            return unpack_asset(arrays)
    except FileNotFoundError:
        raise ReadError("there is no such file", path=path, remedy="build the cache again") from None
    except (BadZipFile, ZlibError, ValueError, KeyError, TypeError, IndexError, EOFError, OSError, MocapError) as error:
        raise ReadError(f"damaged rig ({error!r})", path=path, remedy="build the cache again") from None
    raise ReadError(f"made by another version ({arrays['version']})", path=path, remedy="build the cache again")


def _pack_motion(skeleton: Skeleton, motion: Motion) -> Arrays:
    """Scale must have been baked away (`simplify.without_scales`): it is not kept."""
    steps = np.rint(motion.rotations * QUATERNION_STEPS).astype(np.int16)
    offsets = np.abs(motion.translations - skeleton.rest_translations).max(axis=(0, 2))
    reach = float(np.abs(skeleton.rest_translations).max()) or 1.0
    moving = np.flatnonzero(offsets > MOVES * reach)
    return {
        "rotations": np.diff(steps, axis=0, prepend=np.zeros_like(steps[:1])),
        "moving": moving.astype(np.int16),
        "translations": motion.translations[:, moving].astype(np.float32),
    }


def _pack_mesh(mesh: Mesh) -> Arrays:
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    arrays: Arrays = {
        "box": np.stack([low, high]).astype(np.float32),
        "vertices": np.rint((mesh.vertices - low) / np.maximum(high - low, 1e-12) * 65535).astype(np.uint16),
        "faces": mesh.faces.astype(np.uint16 if len(mesh.vertices) < 65536 else np.int32),
        "skin_indices": mesh.skin_indices.astype(np.uint16),
        "skin_weights": np.rint(mesh.skin_weights * 255).astype(np.uint8),
        "bind_joints": mesh.bind_joints.astype(np.int16),
        "inverse_binds": mesh.inverse_binds[:, :3].astype(np.float32),
        "material_names": np.array([material.name for material in mesh.materials], dtype=np.str_),
        "material_colours": np.array([m.base_colour for m in mesh.materials], dtype=np.float32).reshape(-1, 4),
        "material_flags": np.array(
            [(m.alpha_mode != "opaque", m.double_sided, m.alpha_cutoff) for m in mesh.materials], dtype=np.float32
        ).reshape(-1, 3),
    }
    if mesh.normals is not None:
        arrays["normals"] = np.rint(mesh.normals * 127).astype(np.int8)
    if mesh.uvs is not None:
        arrays["uvs"] = mesh.uvs.astype(np.float32)
    if mesh.colours is not None:
        arrays["colours"] = np.rint(np.clip(mesh.colours, 0, 1) * 255).astype(np.uint8)
    if mesh.face_materials is not None:
        arrays["face_materials"] = mesh.face_materials.astype(np.int16)
    for number, material in enumerate(mesh.materials):
        if material.texture is not None:
            arrays[f"texture{number}"] = np.frombuffer(material.texture.data, dtype=np.uint8)
            arrays[f"texture{number}_type"] = np.array(material.texture.mime_type)
    return arrays


def _unpack_mesh(arrays: Arrays) -> Mesh:
    low, high = arrays["box"]
    weights = arrays["skin_weights"].astype(np.float32)
    binds = np.zeros((len(arrays["bind_joints"]), 4, 4))
    binds[:, :3], binds[:, 3, 3] = arrays["inverse_binds"], 1.0
    return Mesh(
        vertices=(low + arrays["vertices"] / np.float32(65535) * (high - low)).astype(np.float32),
        faces=arrays["faces"].astype(np.int32),
        skin_indices=arrays["skin_indices"].astype(np.int32),
        skin_weights=weights / np.maximum(weights.sum(axis=1, keepdims=True), 1),
        bind_joints=arrays["bind_joints"].astype(np.int32),
        inverse_binds=binds,
        normals=_unit_normals(arrays.get("normals")),
        uvs=arrays.get("uvs"),
        colours=arrays["colours"].astype(np.float32) / 255 if "colours" in arrays else None,
        face_materials=arrays["face_materials"].astype(np.int32) if "face_materials" in arrays else None,
        materials=tuple(_unpack_material(arrays, number) for number in range(len(arrays["material_names"]))),
    )


def _unit_normals(normals: np.ndarray | None) -> Float[np.ndarray, "vertices 3"] | None:
    if normals is None:
        return None
    floats = normals.astype(np.float32)
    return np.asarray(floats / np.maximum(np.linalg.norm(floats, axis=1, keepdims=True), 1e-6))


def _unpack_material(arrays: Arrays, number: int) -> Material:
    cut_out, double_sided, cutoff = (float(value) for value in arrays["material_flags"][number])
    texture = None
    if f"texture{number}" in arrays:
        kind = str(arrays[f"texture{number}_type"])
        texture = Texture(f"texture{number}", arrays[f"texture{number}"].tobytes(), kind)
    red, green, blue, alpha = (float(value) for value in arrays["material_colours"][number])
    return Material(
        str(arrays["material_names"][number]),
        (red, green, blue, alpha),
        texture,
        "mask" if cut_out else "opaque",
        cutoff,
        bool(double_sided),
    )
