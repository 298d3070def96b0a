"""What training needs of an asset and no more: deforming joints, unit scales, light meshes, small textures."""

import io
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Int, UInt8

from mocapcli.kinematics import (
    continuous,
    decompose,
    motion_from_world,
    motion_world,
    polar,
    resample,
    rest_world,
    with_ancestors,
    world_to_local,
)
from mocapcli.types import RAW_IMAGE, Asset, Material, Mesh, Motion, Rig, Skeleton, Texture

FPS = 30.0
TRIANGLES = 6000
TEXTURE_PIXELS = 128
INFLUENCES = 4


def simplify_asset(asset: Asset, fps: float = FPS, triangles: int = TRIANGLES) -> Asset:
    """The asset pruned to what deforms, at one frame rate, with unit scales and a light mesh."""
    motions = [without_scales(asset.rig.skeleton, resample(motion, fps)) for motion in asset.motions]
    pruned = prune_joints(asset.with_motions(motions))
    mesh = pruned.rig.mesh
    if mesh is not None:
        mesh = shrink_textures(limit_influences(decimate(mesh, triangles)))
    return Asset(Rig(pruned.rig.skeleton, mesh, asset.rig.name), pruned.motions)


def without_scales(skeleton: Skeleton, motion: Motion) -> Motion:
    """The motion with animated scale baked into translations: joints stay put, surfaces keep their girth."""
    if motion.scales is None:
        return motion
    world = motion_world(skeleton, motion)
    world[..., :3, :3] = polar(world[..., :3, :3])[0]
    return motion_from_world(motion.name, motion.fps, skeleton, world)


def kept_joints(rig: Rig) -> Bool[np.ndarray, " joints"]:
    """Joints that deform the mesh, and those between two such joints; IK targets and poles go.

    A chain of unweighted joints above everything (a scene root) goes too, its motion moves into what stays.
    """
    deforms = rig.deforms
    parents = rig.skeleton.parents
    below = with_ancestors(parents, deforms)
    if not below.any():
        return np.ones(len(parents), dtype=bool)
    return np.asarray(below & _inside(parents, deforms, below))


def _inside(
    parents: Int[np.ndarray, " joints"], deforms: Bool[np.ndarray, " joints"], below: Bool[np.ndarray, " joints"]
) -> Bool[np.ndarray, " joints"]:
    """Joints that deform, lie under one that does, or are where deforming branches part."""
    branches = np.zeros(len(parents), dtype=np.int64)
    inside: np.ndarray = deforms.copy()
    for joint, parent in enumerate(parents):
        if parent >= 0:
            inside[joint] |= inside[parent]
            branches[parent] += below[joint]
    return np.asarray(inside | (branches > 1))


def prune_joints(asset: Asset) -> Asset:
    """Only `kept_joints`, everything in the same place; their world motion does not change."""
    rig, old = asset.rig, asset.rig.skeleton
    keep = kept_joints(rig)
    if keep.all():
        return asset
    new_index = np.cumsum(keep) - 1
    parents = np.full(int(keep.sum()), -1, dtype=np.int64)
    for joint in np.flatnonzero(keep):
        ancestor = old.parents[joint]
        while ancestor >= 0 and not keep[ancestor]:
            ancestor = old.parents[ancestor]
        parents[new_index[joint]] = new_index[ancestor] if ancestor >= 0 else -1
    names = tuple(name for name, kept in zip(old.names, keep, strict=True) if kept)
    rotations, translations, _ = decompose(world_to_local(parents, rest_world(old)[keep]))
    skeleton = Skeleton(names, parents, translations, rotations)
    motions = []
    for motion in asset.motions:
        local = world_to_local(parents, motion_world(old, motion)[:, keep])
        rotations, translations, _ = decompose(local)
        motions.append(Motion(motion.name, motion.fps, continuous(rotations), translations))
    mesh = rig.mesh
    if mesh is not None:
        joints = np.where(mesh.bind_joints >= 0, new_index[mesh.bind_joints], -1)
        gone = (mesh.bind_joints >= 0) & ~keep[mesh.bind_joints]  # binds nobody uses: point them at the first joint
        mesh = replace(mesh, bind_joints=np.where(gone, 0, joints))
    return Asset(Rig(skeleton, mesh, rig.name), tuple(motions))


def limit_influences(mesh: Mesh, count: int = INFLUENCES) -> Mesh:
    """The strongest `count` binds of every vertex."""
    if mesh.skin_weights.shape[1] <= count:
        return mesh
    order = np.argsort(-mesh.skin_weights, axis=1)[:, :count]
    weights = np.take_along_axis(mesh.skin_weights, order, axis=1)
    indices = np.take_along_axis(mesh.skin_indices, order, axis=1)
    return replace(mesh, skin_indices=indices, skin_weights=weights / weights.sum(axis=1, keepdims=True))


def decimate(mesh: Mesh, triangles: int) -> Mesh:
    """About `triangles` triangles by clustering vertices of like skin, uv and place on ever coarser grids.

    A representative vertex stands for its cluster, so attributes need no averaging and seams stay apart.
    """
    if len(mesh.faces) <= triangles:
        return mesh
    fine, coarse = 8, 512  # cells along the longest side
    best = mesh
    while fine + 1 < coarse:
        cells = (fine + coarse) // 2
        candidate = _cluster(mesh, cells)
        if len(candidate.faces) > triangles:
            coarse = cells
        else:
            fine, best = cells, candidate
    return best if best is not mesh else _cluster(mesh, fine)


def _cluster(mesh: Mesh, cells: int) -> Mesh:
    low = mesh.vertices.min(axis=0)
    step = float(np.ptp(mesh.vertices, axis=0).max()) / cells or 1.0
    keys = [np.floor((mesh.vertices - low) / step).astype(np.int64)]
    strongest = np.take_along_axis(mesh.skin_indices, mesh.skin_weights.argmax(axis=1)[:, None], axis=1)
    keys.append(strongest.astype(np.int64))
    if mesh.uvs is not None:
        keys.append(np.floor(mesh.uvs * 4).astype(np.int64))  # islands far apart in the texture stay apart
    _, representative, label = np.unique(np.concatenate(keys, axis=1), axis=0, return_index=True, return_inverse=True)
    faces = label.reshape(-1)[mesh.faces]
    real = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    return take_vertices(mesh, representative, faces[real], real)


def take_vertices(
    mesh: Mesh, chosen: Int[np.ndarray, " chosen"], faces: Int[np.ndarray, "left 3"], kept: Bool[np.ndarray, " faces"]
) -> Mesh:
    """The mesh of some of its vertices; `faces` count among them, `kept` says which old faces they were."""

    def pick(values: np.ndarray | None) -> np.ndarray | None:
        return None if values is None else values[chosen]

    return replace(
        mesh,
        vertices=mesh.vertices[chosen],
        faces=faces,
        skin_indices=mesh.skin_indices[chosen],
        skin_weights=mesh.skin_weights[chosen],
        normals=pick(mesh.normals),
        uvs=pick(mesh.uvs),
        colours=pick(mesh.colours),
        face_materials=None if mesh.face_materials is None else mesh.face_materials[kept],
    )


def shrink_textures(mesh: Mesh, pixels: int = TEXTURE_PIXELS) -> Mesh:
    """Textures decoded, made small, and kept as plain arrays."""
    return replace(mesh, materials=tuple(_shrink(material, pixels) for material in mesh.materials))


def _shrink(material: Material, pixels: int) -> Material:
    if material.texture is None:
        return material
    from PIL import Image

    try:
        with Image.open(io.BytesIO(material.texture.data)) as image:
            image.draft("RGB", (pixels, pixels))
            small = image.convert("RGBA")
    except (OSError, ValueError, Image.DecompressionBombError):
        return replace(material, texture=None)  # an unreadable picture is no picture
    small.thumbnail((pixels, pixels), Image.Resampling.BOX)
    return replace(material, texture=Texture(material.texture.name, raw_image(np.asarray(small)), RAW_IMAGE))


def raw_image(pixels: UInt8[np.ndarray, "height width 4"]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, pixels.astype(np.uint8))
    return stream.getvalue()
