"""Differentiable pose maths on torch: the twin of `mocapcli.kinematics`, batched over rigs, by depth levels."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mocapcli.network.graph import DepthLevels, fold_levels, gather_parents

Rotations = Float[Tensor, "batch frames joints 3 3"]
Points = Float[Tensor, "batch frames joints 3"]


def local_to_world_rotations(local: Rotations, levels: DepthLevels) -> Rotations:
    """Rotations relative to the parent to rotations in the world."""
    return fold_levels(levels, local, lambda own, above, _: above @ own if len(above) else own)


def world_to_local_rotations(world: Rotations, parents: Int[Tensor, "batch joints"]) -> Rotations:
    root = (parents < 0)[:, None, :, None, None]
    return torch.where(root, world, gather_parents(world, parents).transpose(-1, -2) @ world)


def forward_kinematics(local: Rotations, translations: Points, levels: DepthLevels) -> tuple[Rotations, Points]:
    """World rotations and positions of local rotations and (parent-relative) translations."""
    matrices = fold_levels(
        levels, affine(local, translations), lambda own, above, _: above @ own if len(above) else own
    )
    return matrices[..., :3, :3], matrices[..., :3, 3]


def affine(rotations: Rotations, translations: Points) -> Float[Tensor, "batch frames joints 4 4"]:
    """Rotation and translation as 4×4 matrices."""
    upper = torch.cat([rotations, translations[..., None]], dim=-1)
    lower = torch.tensor([0.0, 0.0, 0.0, 1.0]).to(upper).expand(*upper.shape[:-2], 1, 4)
    return torch.cat([upper, lower], dim=-2)


def rotation_between(
    first: Float[Tensor, "*batch 3 3"], second: Float[Tensor, "*batch 3 3"]
) -> Float[Tensor, "*batch 3"]:
    """Rotation vector of firstᵀ second; smooth at zero, and finite (not unique) at half a turn."""
    return matrix_to_rotation_vector(first.transpose(-1, -2) @ second)


def matrix_to_rotation_vector(matrices: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3"]:
    quaternion = matrix_to_quaternion(matrices)
    vector, real = quaternion[..., :3], quaternion[..., 3:]
    squared = vector.square().sum(-1, keepdim=True)
    small = squared < 1e-12
    length = torch.where(small, 1.0, squared).sqrt()
    return vector * torch.where(small, 2.0, 2 * torch.atan2(length, real) / length)


def matrix_to_quaternion(matrices: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 4"]:
    """xyzw with w >= 0, by the best-conditioned of the four forms: finite derivatives everywhere."""
    m = matrices
    d0, d1, d2 = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    xy, xz, yz = m[..., 0, 1] + m[..., 1, 0], m[..., 0, 2] + m[..., 2, 0], m[..., 1, 2] + m[..., 2, 1]
    xw, yw, zw = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    # 4 q qᵀ: the column with the largest diagonal is far from zero.
    rows = [[1 + d0 - d1 - d2, xy, xz, xw], [xy, 1 - d0 + d1 - d2, yz, yw]]
    rows += [[xz, yz, 1 - d0 - d1 + d2, zw], [xw, yw, zw, 1 + d0 + d1 + d2]]
    outer = torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)
    best = outer.diagonal(dim1=-2, dim2=-1).argmax(-1)[..., None, None].expand(*outer.shape[:-2], 1, 4)
    quaternion = outer.gather(-2, best)[..., 0, :]
    quaternion = quaternion / quaternion.norm(dim=-1, keepdim=True)
    result: Tensor = quaternion * torch.where(quaternion[..., 3:] < 0, -1.0, 1.0)
    return result
