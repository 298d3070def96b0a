"""The two known poses of a rig that deltas are measured from, and what follows from them alone."""

from dataclasses import dataclass

import roma
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from mocapcli.network.graph import DepthLevels, gather_parents

Points = Float[Tensor, "batch frames joints 3"]


@dataclass(frozen=True)
class Anchors:
    """Two known poses of each rig, in world space and in units of its size: what deltas are measured from."""

    parents: Int[Tensor, "batch joints"]
    mask: Bool[Tensor, "batch joints"]
    levels: DepthLevels
    positions: Float[Tensor, "batch joints 3"]  # of the reference pose
    rotations: Float[Tensor, "batch joints 3 3"]
    rest_positions: Float[Tensor, "batch joints 3"]
    rest_rotations: Float[Tensor, "batch joints 3 3"]
    depth: Int[Tensor, "batch joints"]  # roots 1, padding 0


def estimate_heading(positions: Points, anchors: Anchors, reach: int) -> Float[Tensor, "batch frames 3 3"]:
    """Turn about the vertical that best carries the reference pose onto each frame's neighbourhood."""
    mask = anchors.mask[:, None, :, None].to(positions)
    anchor = anchors.positions[:, None].to(positions)

    def centred(points: Tensor) -> Tensor:
        return (points - (points * mask).sum(2, keepdim=True) / mask.sum(2, keepdim=True)) * mask

    here, there = centred(positions), centred(anchor)
    cosine = (here[..., [0, 2]] * there[..., [0, 2]]).sum((-1, -2))
    sine = (here[..., 0] * there[..., 2] - here[..., 2] * there[..., 0]).sum(-1)
    both = torch.stack([cosine, sine], dim=1)
    both = functional.avg_pool1d(both, 2 * reach + 1, 1, reach, count_include_pad=False)
    angle = torch.atan2(both[:, 1] + 1e-12, both[:, 0] + 1e-9)
    up = torch.tensor([0.0, 1.0, 0.0]).to(angle)
    result: Tensor = roma.rotvec_to_rotmat(angle[..., None] * up)
    return result


def expected_turn(anchors: Anchors) -> Float[Tensor, "batch 1 joints 3 3"]:
    """D_parentᵀ D of a joint that has the rest pose's local rotation; with the reference's it is the identity."""
    turn = (anchors.rest_rotations @ anchors.rotations.transpose(-1, -2))[:, None]
    root = (anchors.parents < 0)[:, None, :, None, None]
    return torch.where(root, torch.eye(3).to(turn), gather_parents(turn, anchors.parents).transpose(-1, -2) @ turn)


def expected_between(anchors: Anchors, rest_share: float) -> Float[Tensor, "batch 1 joints 3 3"]:
    """Mean of what the two anchors expect; a matrix between two rotations."""
    turn = expected_turn(anchors)
    return torch.eye(3).to(turn) * (1 - rest_share) + rest_share * turn


def bone_vectors(positions: Points, anchors: Anchors) -> tuple[Points, Points]:
    """Vectors from each joint's parent to it, observed and in the reference pose; a root's are nil."""
    anchor = anchors.positions[:, None].to(positions)
    return (
        positions - gather_parents(positions, anchors.parents),
        (anchor - gather_parents(anchor, anchors.parents)).expand_as(positions),
    )
