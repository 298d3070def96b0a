"""Turns that correct a pose, in camera axes: each acts about its own joint and carries everything below along.

So a hip's correction moves the leg as a leg moves, local axes play no part, and the joints keep their place in their
parents' frames: only rotations and the roots' positions change. Lengths are in sizes, the camera at the origin,
axes as in `views`.
"""

from dataclasses import dataclass

import roma
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mocapcli.network.graph import DepthLevels, fold_levels
from mocapcli.network.kinematics import affine, matrix_to_rotation_vector, world_to_local_rotations
from mocapcli.network.on_device import OnDevice

World = Float[Tensor, "batch frames joints 4 4"]
Vectors = Float[Tensor, "batch frames joints 3"]
NEAREST = 0.05  # sizes in front of the camera; what is nearer is projected as if it were there


@dataclass(frozen=True, eq=False)
class View(OnDevice):
    """How a crop sees: focal length and principal point in half sides of the crop, y down."""

    focal: Float[Tensor, "batch frames"]
    middle: Float[Tensor, "batch frames 2"]
    up: Float[Tensor, "batch frames 3"]  # against gravity, in camera axes

    def project(self, points: Float[Tensor, "batch frames points 3"]) -> Float[Tensor, "batch frames points 2"]:
        """Places in the crop, -1 … 1."""
        ahead = (-points[..., 2:]).clamp_min(NEAREST)
        flat = torch.stack([points[..., 0], -points[..., 1]], dim=-1) / ahead
        return self.middle[:, :, None] + self.focal[:, :, None, None] * flat


def apply_turns(
    world: World, turns: Vectors, shift: Float[Tensor, "batch frames 3"], parents: Tensor, levels: DepthLevels
) -> World:
    """The pose after its corrections; see `moves_of`."""
    return moves_of(world, turns, shift, parents, levels) @ world


def moves_of(
    world: World,
    turns: Vectors,
    shift: Float[Tensor, "batch frames 3"],
    parents: Int[Tensor, "batch joints"],
    levels: DepthLevels,
) -> World:
    """What each joint's frame is multiplied by: its parent's move, and its own turn about where it was.

    Roots move by the shift as well.
    """
    rotations = roma.rotvec_to_rotmat(turns)
    places = world[..., :3, 3]
    offsets = places - (rotations @ places[..., None])[..., 0]
    offsets = offsets + shift[:, :, None] * (parents < 0)[:, None, :, None]
    return fold_levels(levels, affine(rotations, offsets), lambda own, above, _: above @ own if len(above) else own)


def turns_between(world: World, truth: World, parents: Int[Tensor, "batch joints"]) -> Vectors:
    """The turns that `apply_turns` needs to give `world` the rotations of `truth`."""
    moves = truth[..., :3, :3] @ world[..., :3, :3].transpose(-1, -2)
    return matrix_to_rotation_vector(world_to_local_rotations(moves, parents))
