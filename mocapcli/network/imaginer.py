"""What poses would this rig take? A network that has seen how other creatures move invents poses of one it has not.

A rectified flow: noise becomes each joint's turn against its parent, away from the reference pose, in that pose's world
axes, so that local axis conventions play no part. GL-GMHA over the joints sees the reference pose, the graph and the
names. Rigs are learnt from renders in such poses (`mocapcli.adapting`): limbs bent at random are not what clips show.
"""

from dataclasses import dataclass

import roma
import torch
from jaxtyping import Float
from torch import Tensor, nn

from mocapcli.network.attention import GraphTransformer
from mocapcli.network.kinematics import local_to_world_rotations, matrix_to_rotation_vector, world_to_local_rotations
from mocapcli.network.reference import NameEmbedding, RigBatch
from mocapcli.network.rotation_features import STATIC_FEATURES, static_features

Turns = Float[Tensor, "batch poses joints 3"]
TURN = 0.4  # radians that count as one
TIMES = 4  # octaves of the flow's time that a joint is told


@dataclass(frozen=True)
class ImaginerConfig:
    """Sizes; saved with the weights."""

    channels: int = 96
    heads: int = 4
    blocks: int = 6
    expansion: int = 2
    steps: int = 20  # from noise to poses


class Imaginer(nn.Module):
    """Usable alone: `imagine(noise, rig)`."""

    def __init__(self, config: ImaginerConfig) -> None:
        super().__init__()
        self.config = config
        self.embed_rig = nn.Linear(STATIC_FEATURES, config.channels)
        self.names = NameEmbedding(config.channels)
        self.embed_pose = nn.Linear(3 + 2 * TIMES, config.channels)
        self.transformer = GraphTransformer(config.channels, config.heads, config.blocks, 0, config.expansion)
        self.read_out = nn.Linear(config.channels, 3)
        nn.init.zeros_(self.read_out.weight)
        nn.init.zeros_(self.read_out.bias)

    def forward(self, turns: Turns, time: Float[Tensor, "batch poses"], rig: RigBatch) -> Turns:
        """How turns that are noise at time 0 go on towards those of a pose, at time 1."""
        about = self.embed_rig(static_features(rig)) + self.names(rig.name_grams)
        phase = time[..., None] * torch.pi * 2.0 ** torch.arange(TIMES, device=time.device)
        told = torch.cat([phase.sin(), phase.cos()], dim=-1)[:, :, None].expand(*turns.shape[:3], -1)
        tokens = about[:, None] + self.embed_pose(torch.cat([turns, told], dim=-1))
        result: Tensor = self.read_out(self.transformer(tokens, rig.graph))
        return result

    @torch.no_grad()
    def imagine(self, noise: Turns, rig: RigBatch) -> Float[Tensor, "batch poses joints 3 3"]:
        """World rotations of the poses that noise leads to; close by, poses are alike."""
        turns = noise
        for step in range(self.config.steps):
            time = torch.full(turns.shape[:2], step / self.config.steps).to(turns)
            turns = turns + self(turns, time, rig) / self.config.steps
        return posed(turns, rig)


def posed(turns: Turns, rig: RigBatch) -> Float[Tensor, "batch poses joints 3 3"]:
    """World rotations of such turns."""
    deltas = local_to_world_rotations(roma.rotvec_to_rotmat(turns * TURN), rig.levels)
    return deltas @ rig.reference_rotations[:, None]


def turns_of(world: Float[Tensor, "batch poses joints 3 3"], rig: RigBatch) -> Turns:
    """The inverse of `posed`; which way a body faces is no part of its pose."""
    deltas = world @ rig.reference_rotations[:, None].transpose(-1, -2)
    turns = world_to_local_rotations(deltas, rig.parents)
    roots = (rig.parents < 0)[:, None, :, None, None]
    return matrix_to_rotation_vector(torch.where(roots, _without_heading(turns), turns)) / TURN


def _without_heading(turns: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Turns without their part about the vertical (the twist of swing and twist)."""
    heading = torch.atan2(turns[..., 0, 2] - turns[..., 2, 0], turns[..., 0, 0] + turns[..., 2, 2])
    about = torch.zeros_like(turns[..., 0])
    about[..., 1] = -heading
    result: Tensor = roma.rotvec_to_rotmat(about) @ turns
    return result
