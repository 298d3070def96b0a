"""Small assets made fresh for every test: `from factories import make_asset`."""

import struct
import zlib

import numpy as np
from scipy.spatial.transform import Rotation

from mocapcli.kinematics import rest_world
from mocapcli.types import Asset, Material, Mesh, Motion, Rig, Skeleton, Texture

OCTAHEDRON = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], dtype=np.float64)
OCTAHEDRON_FACES = np.array(
    [[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]], dtype=np.int32
)


def random_quaternions(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Rotations spread evenly over all there are."""
    values = rng.normal(size=(*shape, 4))
    return values / np.linalg.norm(values, axis=-1, keepdims=True)


def make_skeleton(
    joints: int = 5, seed: int = 0, rotated: bool = True, names: tuple[str, ...] | None = None
) -> Skeleton:
    """One root and a random tree under it; `rotated=False` gives a rest pose without rotations (as BVH needs)."""
    rng = np.random.default_rng(seed)
    parents = np.array([-1] + [int(rng.integers(max(0, j - 3), j)) for j in range(1, joints)])
    rotations = random_quaternions(rng, joints) if rotated else np.tile([0.0, 0, 0, 1], (joints, 1))
    translations = rng.uniform(-0.5, 0.5, (joints, 3)) + np.array([0, 0.4, 0])
    return Skeleton(names or tuple(f"joint{j}" for j in range(joints)), parents, translations, rotations)


def make_motion(
    skeleton: Skeleton,
    frames: int = 7,
    fps: float = 30.0,
    seed: int = 0,
    name: str = "clip",
    translated: bool = False,
    scaled: bool = False,
) -> Motion:
    """Every joint swings about its rest rotation and the roots wander; `translated` moves inner joints as well."""
    rng = np.random.default_rng(seed)
    joints = skeleton.joints
    phase, axes = rng.uniform(0, 6, joints), rng.normal(size=(joints, 3)) * 0.4
    time = np.arange(frames)[:, None, None] / fps
    swing = Rotation.from_rotvec((np.sin(3 * time + phase[:, None]) * axes).reshape(-1, 3))
    rest = Rotation.from_quat(np.broadcast_to(skeleton.rest_rotations, (frames, joints, 4)).reshape(-1, 4))
    moves = 0.2 * np.sin(2 * time + rng.uniform(0, 6, (joints, 3)))
    if not translated:
        moves[:, skeleton.parents >= 0] = 0
    scales = 1 + 0.3 * np.sin(time + rng.uniform(0, 6, (joints, 3))) if scaled else None
    rotations = (rest * swing).as_quat().reshape(frames, joints, 4)
    return Motion(name, fps, rotations, skeleton.rest_translations + moves, scales)


def make_mesh(skeleton: Skeleton, size: float = 0.1, influences: int = 2, plain: bool = False) -> Mesh:
    """A closed octahedron around every joint, shared with the joint's parent.

    With normals, uvs, colours and two materials (the first textured), unless `plain`.
    """
    joints = skeleton.joints
    world = rest_world(skeleton)
    corners = len(OCTAHEDRON)
    vertices = (world[:, None, :3, 3] + size * OCTAHEDRON).reshape(-1, 3)
    faces = (OCTAHEDRON_FACES + corners * np.arange(joints)[:, None, None]).reshape(-1, 3)
    own = np.repeat(np.arange(joints), corners)
    indices, weights = np.zeros((len(own), influences), int), np.zeros((len(own), influences))
    indices[:, 0], weights[:, 0] = own, 1.0
    if influences > 1:
        parent = np.maximum(skeleton.parents, 0)[own]
        share = np.where(parent == own, 0.0, np.tile(np.linspace(0, 0.5, corners), joints))
        indices[:, 1], weights[:, 0], weights[:, 1] = np.where(share > 0, parent, 0), 1 - share, share
    skin = (vertices, faces, indices, weights, np.arange(joints), np.linalg.inv(world))
    if plain:
        return Mesh(*skin)
    rng = np.random.default_rng(1)
    return Mesh(
        *skin,
        normals=np.tile(OCTAHEDRON, (joints, 1)),
        uvs=rng.uniform(0, 1, (len(own), 2)),
        colours=np.c_[rng.uniform(0.2, 1, (len(own), 3)), np.ones(len(own))],
        face_materials=np.repeat(np.arange(joints) % 2, len(OCTAHEDRON_FACES)),
        materials=(
            Material("skin", (0.9, 0.5, 0.25, 1.0), texture=Texture("checks", make_png())),
            Material("glass", (0.1, 0.6, 0.8, 0.5), alpha_mode="blend", double_sided=True),
        ),
    )


def make_asset(
    joints: int = 5,
    clips: int = 1,
    frames: int = 7,
    fps: float = 30.0,
    seed: int = 0,
    mesh: bool = True,
    rotated: bool = True,
    translated: bool = False,
    scaled: bool = False,
) -> Asset:
    """A rig with its clips `clip0`, `clip1`, …"""
    skeleton = make_skeleton(joints, seed, rotated)
    motions = tuple(
        make_motion(skeleton, frames + k, fps, seed + k, f"clip{k}", translated, scaled) for k in range(clips)
    )
    return Asset(Rig(skeleton, make_mesh(skeleton) if mesh else None), motions)


def make_png(size: int = 4) -> bytes:
    """A tiny red and green chequered PNG."""
    rows = b"".join(
        b"\0" + b"".join(bytes((255, 40, 40) if (x + y) % 2 else (40, 200, 40)) for x in range(size))
        for y in range(size)
    )

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def skinned_vertices(mesh: Mesh, world: np.ndarray) -> np.ndarray:
    """Vertices [V, 3] moved by world joint matrices [J, 4, 4], one by one: slow, plain, the oracle."""
    out = np.zeros((len(mesh.vertices), 3))
    for vertex, place in enumerate(mesh.vertices):
        for bind, weight in zip(mesh.skin_indices[vertex], mesh.skin_weights[vertex], strict=True):
            joint = mesh.bind_joints[bind]
            matrix = (np.eye(4) if joint < 0 else world[joint]) @ mesh.inverse_binds[bind]
            out[vertex] += weight * (matrix @ [*place, 1.0])[:3]
    return out
