"""Our free binds to what FBX viewers expect: one bind pose for the whole skeleton, meshes placed in it.

A `Mesh` may bind one joint several times (merged skins, rigid parts). FBX can say so too, but Blender and three
take one bind matrix per joint. Moving each vertex into a common bind pose removes the repeats without changing
anything that is seen, as long as all binds of a vertex agree where that puts it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from mocapcli.kinematics import inverse_affine, rest_world
from mocapcli.types import Mesh, Motion, Skeleton

AGREEMENT = 1e-6  # of the mesh's size
HAIR = 3e-5  # of a bone's length


@dataclass(frozen=True)
class Posed:
    """A mesh with the world matrices that its joints had at binding."""

    mesh: Mesh | None
    bind_world: Float[np.ndarray, "joints 4 4"]


def to_bind_pose(skeleton: Skeleton, mesh: Mesh | None) -> Posed:
    """The mesh in the rest pose if possible, else in the pose of its own binds, else as it is."""
    rest = rest_world(skeleton)
    if mesh is None:
        return Posed(None, rest)
    own = rest.copy()
    for bind in range(len(mesh.bind_joints) - 1, -1, -1):  # the first bind of a joint wins
        joint = mesh.bind_joints[bind]
        if joint >= 0 and abs(np.linalg.det(mesh.inverse_binds[bind, :3, :3])) > 1e-18:
            own[joint] = inverse_affine(mesh.inverse_binds[bind])
    for pose in (rest, own):
        moved = _moved(mesh, pose)
        if moved is not None:
            return Posed(moved, pose)
    return Posed(mesh, own)


def detach_moving(
    skeleton: Skeleton, motions: Sequence[Motion], bind_world: Float[np.ndarray, "joints 4 4"]
) -> Float[np.ndarray, "joints 4 4"]:
    """Bind matrices with a hair's breadth beside those joints that move and lie on their parent's y axis.

    Blender takes such a joint for connected to its parent's tail, and drops the translation of connected bones.
    """
    out = bind_world.copy()
    for joint in _moving_joints(skeleton, motions):
        parent = bind_world[skeleton.parents[joint]]
        x, y, z = np.linalg.solve(parent[:3, :3], bind_world[joint, :3, 3] - parent[:3, 3])
        if y > 0 and np.hypot(x, z) < HAIR * y:
            out[joint, :3, 3] += HAIR * y * parent[:3, 0]
    return out


def _moving_joints(skeleton: Skeleton, motions: Sequence[Motion]) -> Int[np.ndarray, " moving"]:
    """Inner joints whose local translation some clip changes."""
    moves = np.zeros(skeleton.joints, dtype=bool)
    for motion in motions:
        moves |= (np.abs(motion.translations - skeleton.rest_translations) > 1e-7).any(axis=(0, 2))
    return np.flatnonzero(moves & (skeleton.parents >= 0))


def split_static(mesh: Mesh) -> tuple[Mesh, Mesh]:
    """Faces that some joint moves, and faces that nothing moves: the latter need no skin at all."""
    follows = (mesh.bind_joints[mesh.skin_indices] >= 0) & (mesh.skin_weights > 0)
    moving = follows.any(axis=1)[mesh.faces].any(axis=1)
    return _with_faces(mesh, moving), _with_faces(mesh, ~moving)


def _with_faces(mesh: Mesh, kept: Bool[np.ndarray, " faces"]) -> Mesh:
    materials = None if mesh.face_materials is None else mesh.face_materials[kept]
    return replace(mesh, faces=mesh.faces[kept], face_materials=materials)


def _moved(mesh: Mesh, pose: Float[np.ndarray, "joints 4 4"]) -> Mesh | None:
    """The mesh bound in `pose` once per joint; None where the binds of a vertex contradict each other."""
    joints = mesh.bind_joints
    world = np.concatenate([pose, np.eye(4)[None]])[joints]  # -1 picks the identity
    placed = world @ mesh.inverse_binds
    if len(mesh.vertices) == 0:
        return mesh
    points = np.einsum("vkij,vj->vki", placed[mesh.skin_indices, :3, :3], mesh.vertices.astype(np.float64))
    points += placed[mesh.skin_indices, :3, 3]
    strongest = mesh.skin_weights.argmax(axis=1)
    every = np.arange(len(points))
    chosen = points[every, strongest]
    apart = np.linalg.norm(points - chosen[:, None], axis=-1) * (mesh.skin_weights > 0)
    size = max(float(np.ptp(chosen, axis=0).max()), 1e-9)
    if apart.max() > AGREEMENT * size:
        return None
    turn = np.linalg.pinv(placed[:, :3, :3])[mesh.skin_indices[every, strongest]]
    normals = None if mesh.normals is None else _unit(np.einsum("vi,vij->vj", mesh.normals.astype(np.float64), turn))
    used, indices = _once_per_joint(mesh)
    inverse = inverse_affine(np.concatenate([pose, np.eye(4)[None]])[used])
    faces = _unmirrored(mesh, placed, strongest)
    return replace(
        mesh,
        vertices=chosen,
        normals=normals,
        faces=faces,
        skin_indices=indices,
        bind_joints=used,
        inverse_binds=inverse,
    )


def _once_per_joint(mesh: Mesh) -> tuple[Int[np.ndarray, " binds"], Int[np.ndarray, "vertices influences"]]:
    used, renamed = np.unique(mesh.bind_joints, return_inverse=True)
    return used, renamed.reshape(-1)[mesh.skin_indices]


def _unmirrored(
    mesh: Mesh, placed: Float[np.ndarray, "binds 4 4"], strongest: Int[np.ndarray, " vertices"]
) -> Int[np.ndarray, "faces 3"]:
    """Faces that the move turned inside out are turned back."""
    if len(mesh.faces) == 0:
        return mesh.faces
    first = mesh.faces[:, 0]
    mirrored = np.linalg.det(placed[:, :3, :3])[mesh.skin_indices[first, strongest[first]]] < 0
    return np.where(mirrored[:, None], mesh.faces[:, ::-1], mesh.faces)


def _unit(vectors: Float[np.ndarray, "vertices 3"]) -> Float[np.ndarray, "vertices 3"]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.where(lengths > 1e-20, vectors / np.maximum(lengths, 1e-20), [0.0, 0.0, 1.0])
