"""Rigs made from nothing for the render tests and benchmarks."""

import io

import numpy as np
from PIL import Image

from mocapcli.kinematics import inverse_affine, rest_world
from mocapcli.types import Material, Mesh, Motion, Rig, Skeleton, Texture


def chain(joints: int) -> Skeleton:
    """Joints stacked along Y from -1 to 1."""
    offsets = np.zeros((joints, 3))
    offsets[0, 1], offsets[1:, 1] = -1.0, 2.0 / max(joints - 1, 1)
    names = tuple(f"joint{j}" for j in range(joints))
    return Skeleton(names, np.arange(joints) - 1, offsets, np.tile([0.0, 0.0, 0.0, 1.0], (joints, 1)))


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "png")
    return stream.getvalue()


def noise_material(side: int = 512) -> Material:
    blocks = (np.random.default_rng(0).random((16, 16, 3)) * 255).astype(np.uint8)
    pixels = blocks.repeat(side // 16, axis=0).repeat(side // 16, axis=1)
    return Material("noise", texture=Texture("noise", png(pixels)))


def tube_rig(rows: int = 50, columns: int = 50, joints: int = 30, material: Material | None = None) -> Rig:
    """A wavy closed-looking tube along a chain, four influences a vertex, about 2 · rows · columns triangles."""
    u, v = np.meshgrid(np.linspace(0, 1, columns + 1), np.linspace(0, 1, rows))
    turn, radius = 2 * np.pi * u, 0.25 + 0.15 * np.sin(7 * v)
    around = np.stack([np.cos(turn), 0 * turn, -np.sin(turn)], axis=-1)
    vertices = (around * radius[..., None] + np.stack([0 * v, 2 * v - 1, 0 * v], axis=-1)).reshape(-1, 3)
    first = (np.arange(rows - 1)[:, None] * (columns + 1) + np.arange(columns)).ravel()
    above = first + columns + 1
    faces = np.concatenate([np.stack([first, first + 1, above + 1], 1), np.stack([first, above + 1, above], 1)])
    place = v.ravel() * (joints - 1)
    low = np.clip(np.floor(place), 0, joints - 2).astype(int)
    share = place - low
    near = np.stack([low, low + 1, np.maximum(low - 1, 0), np.minimum(low + 2, joints - 1)], axis=1)
    weights = np.stack([(1 - share) * 0.8, share * 0.8, 0 * share + 0.1, 0 * share + 0.1], axis=1)
    skeleton = chain(joints)
    mesh = Mesh(
        vertices=vertices,
        faces=faces,
        skin_indices=near,
        skin_weights=weights,
        bind_joints=np.arange(joints),
        inverse_binds=inverse_affine(rest_world(skeleton)),
        normals=around.reshape(-1, 3),
        uvs=np.stack([u, v], axis=-1).reshape(-1, 2),
        face_materials=None if material is None else np.zeros(len(faces), int),
        materials=() if material is None else (material,),
    )
    return Rig(skeleton, mesh, "tube")


def wave(skeleton: Skeleton, frames: int, bend: float = 0.08) -> Motion:
    """Every joint swings about Z."""
    angle = bend * np.sin(np.arange(frames) / 10)[:, None] * np.ones(skeleton.joints)
    rotations = np.zeros((frames, skeleton.joints, 4))
    rotations[..., 2], rotations[..., 3] = np.sin(angle / 2), np.cos(angle / 2)
    return Motion("wave", 30.0, rotations, np.tile(skeleton.rest_translations, (frames, 1, 1)))
