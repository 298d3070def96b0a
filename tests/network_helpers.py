"""Small rigs in known poses for the tests of the network: made by forward kinematics, so the truth is exact."""

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from mocapcli.network.reference import RigBatch, RigReference, batch_rigs, hash_name

torch.set_num_threads(1)  # small tensors: a second thread only waits

BODY = np.array([-1, 0, 1, 2, 1, 4, 5, 1, 7, 8, 0, 10, 11, 0, 13, 14])  # trunk, head, two arms, two legs


def some_crops(side: int = 32) -> torch.Tensor:
    """Premultiplied colours under a mask, as the renderer makes them."""
    torch.manual_seed(1)
    crops = torch.rand(2, 4, side, side)
    crops[:, 3] = (crops[:, 3] > 0.5).float()
    crops[:, :3] *= crops[:, 3:]
    return crops


def random_turns(rng: np.random.Generator, shape: tuple[int, ...], degrees: float) -> np.ndarray:
    """Rotation matrices about random axes by normal angles."""
    vectors = rng.normal(size=(*shape, 3)) * np.radians(degrees) / np.sqrt(3)
    return Rotation.from_rotvec(vectors.reshape(-1, 3)).as_matrix().reshape(*shape, 3, 3)


def pose(parents: np.ndarray, local: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """World positions and rotations of local rotations [..., joints, 3, 3] and offsets [joints, 3]."""
    world = local.copy()
    positions = np.broadcast_to(offsets, (*local.shape[:-2], 3)).copy()
    for joint, parent in enumerate(parents):
        if parent >= 0:
            world[..., joint, :, :] = world[..., parent, :, :] @ local[..., joint, :, :]
            moved = world[..., parent, :, :] @ offsets[joint]
            positions[..., joint, :] = positions[..., parent, :] + moved
    return positions, world


def make_rig(
    rng: np.random.Generator, parents: np.ndarray = BODY, frames: int = 6, bend: float = 25.0, rest_bend: float = 15.0
) -> tuple[RigReference, np.ndarray, np.ndarray]:
    """A rig with random local axes, and a clip on it: positions and world rotations, smooth in time."""
    joints = len(parents)
    offsets = rng.normal(size=(joints, 3)) * 0.15
    axes = random_turns(rng, (joints,), 90)
    rest_positions, rest = pose(parents, axes, offsets)
    reference_positions, reference = pose(parents, axes @ random_turns(rng, (joints,), rest_bend), offsets)
    first, last = (random_turns(rng, (joints,), bend) for _ in range(2))
    share = np.linspace(0, 1, frames)[:, None, None, None]
    u, _, vt = np.linalg.svd(first * (1 - share) + last * share)
    positions, world = pose(parents, axes @ (u @ vt), offsets)
    rig = RigReference(
        parents,
        np.ones(joints, dtype=bool),
        rest_positions,
        rest,
        reference_positions,
        reference,
        1.0,
        np.stack([hash_name(f"joint_{k}") for k in range(joints)]),
    )
    return rig, positions, world


def as_batch(
    *items: tuple[RigReference, np.ndarray, np.ndarray], dtype: torch.dtype = torch.float64
) -> tuple[RigBatch, torch.Tensor, torch.Tensor]:
    """Rigs with their clips as one padded batch: rigs, positions, world rotations."""
    batch = batch_rigs([rig for rig, _, _ in items], dtype)
    joints, frames = batch.mask.shape[1], items[0][1].shape[0]
    positions = torch.zeros(len(items), frames, joints, 3, dtype=dtype)
    world = torch.eye(3, dtype=dtype).expand(len(items), frames, joints, 3, 3).clone()
    for index, (rig, points, turns) in enumerate(items):
        positions[index, :, : rig.joints] = torch.from_numpy(points)
        world[index, :, : rig.joints] = torch.from_numpy(turns)
    return batch, positions, world
