"""Pure losses on torch, all masked means over [batch, frames, joints]; angles in radians, lengths in sizes."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mocapcli.network.graph import gather_parents
from mocapcli.network.kinematics import world_to_local_rotations
from mocapcli.network.procrustes import axial

Rotations = Float[Tensor, "batch frames joints 3 3"]
Points = Float[Tensor, "batch frames joints 3"]
Weights = Float[Tensor, "batch frames joints"]


def rotation_angles(
    first: Float[Tensor, "*batch 3 3"], second: Float[Tensor, "*batch 3 3"], smooth: float = 0.0
) -> Float[Tensor, " *batch"]:
    """Geodesic angle in radians. `smooth` rounds the tip at zero off, so that derivatives stay finite there."""
    relative = first.transpose(-1, -2) @ second
    squared = axial(relative).square().sum(-1) + (2 * smooth) ** 2
    # Without smoothing the square root's slope at zero would turn a masked zero into NaN.
    sine = torch.where(squared > 0, squared, 1.0).sqrt() * (squared > 0)
    return torch.atan2(sine, relative.diagonal(dim1=-2, dim2=-1).sum(-1) - 1)


def masked_mean(values: Weights, weights: Weights) -> Float[Tensor, ""]:
    """Weighted mean; nil where nothing weighs."""
    return (values * weights).sum() / weights.sum().clamp_min(1e-9)


def bone_weights(
    positions: Float[Tensor, "batch joints 3"], parents: Int[Tensor, "batch joints"]
) -> Float[Tensor, "batch joints"]:
    """Longest bone to a child; leaves and padding weigh nothing."""
    bones = (positions - gather_parents(positions[:, None], parents)[:, 0]).norm(dim=-1) * (parents >= 0)
    return torch.zeros_like(bones).scatter_reduce(1, parents.clamp_min(0), bones, "amax")


def local_rotation_loss(
    predicted: Rotations, truth: Rotations, parents: Int[Tensor, "batch joints"], weights: Weights, smooth: float = 1e-2
) -> Float[Tensor, ""]:
    """Mean geodesic error of local rotations; both given as world rotations."""
    first, second = (world_to_local_rotations(world, parents) for world in (predicted, truth))
    return masked_mean(rotation_angles(first, second, smooth=smooth), weights)


def world_rotation_loss(
    predicted: Rotations, truth: Rotations, weights: Weights, smooth: float = 1e-2
) -> Float[Tensor, ""]:
    """Mean geodesic error of world rotations; weigh by `bone_weights` for what the eye sees."""
    return masked_mean(rotation_angles(predicted, truth, smooth=smooth), weights)


def position_loss(predicted: Points, truth: Points, weights: Weights, smooth: float = 1e-3) -> Float[Tensor, ""]:
    """Mean distance of joints."""
    return masked_mean(((predicted - truth).square().sum(-1) + smooth**2).sqrt(), weights)


def velocity_loss(
    predicted: Points, truth: Points, weights: Weights, frame_mask: Bool[Tensor, "batch frames"]
) -> Float[Tensor, ""]:
    """Mean error of frame-to-frame steps; only where both frames count."""
    both = (frame_mask[:, 1:] & frame_mask[:, :-1])[..., None]
    return position_loss(predicted.diff(dim=1), truth.diff(dim=1), weights[:, 1:] * both)


def angular_velocity_loss(
    predicted: Rotations, truth: Rotations, weights: Weights, frame_mask: Bool[Tensor, "batch frames"]
) -> Float[Tensor, ""]:
    """Mean error of frame-to-frame turns: jitter that single frames do not show."""
    both = (frame_mask[:, 1:] & frame_mask[:, :-1])[..., None]
    first, second = (turns[:, :-1].transpose(-1, -2) @ turns[:, 1:] for turns in (predicted, truth))
    return masked_mean(rotation_angles(first, second, smooth=1e-2), weights[:, 1:] * both)
