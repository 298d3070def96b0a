"""Pose to rotation, learned: joint positions over time and two known poses of the rig to joint rotations.

`anchored` starts from the closed form and lets GL-GMHA correct it: each joint gets a turn of what was *seen*
of it in the world, a turn of what its *parent* lets expect, a gate between the two, and how sure that is. From
the root outwards the gate blends them, so a leaf follows a corrected parent, and thin evidence falls back on the
anchors; then the pose as a whole is fitted to the joints' places once more, about what was said and as firmly.
`direct` regresses local rotations as 6D, the paper's plain form. Root translations pass through.
"""

from dataclasses import dataclass, field
from typing import Literal

import roma
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from mocapcli.network.anchored import AnchoredEstimate, Settings, estimate_deltas
from mocapcli.network.anchors import expected_between
from mocapcli.network.attention import GraphTransformer
from mocapcli.network.graph import fold_levels
from mocapcli.network.kinematics import local_to_world_rotations, matrix_to_quaternion, world_to_local_rotations
from mocapcli.network.procrustes import nearest_rotation
from mocapcli.network.reference import NameEmbedding, RigBatch
from mocapcli.network.rotation_features import (
    DIRECT_FEATURES,
    MOVING_FEATURES,
    STATIC_FEATURES,
    anchored_features,
    direct_features,
)
from mocapcli.network.shared_motion import without_measured_noise
from mocapcli.network.whole_pose import settle_pose

Points = Float[Tensor, "batch frames joints 3"]
Rotations = Float[Tensor, "batch frames joints 3 3"]
BELIEVED = 0.05  # radians: how far off joints are believed to be by a head that has learnt nothing;
LEAST_AND_MOST = (-4.0, 3.0)  # one that has may say e^this times as much


@dataclass(frozen=True)
class RotationConfig:
    """Everything that decides the network's shape."""

    rotation_head: Literal["anchored", "direct"] = "anchored"
    channels: int = 96
    heads: int = 4
    blocks: int = 6
    window: int = 8
    expansion: int = 2
    closed_form: Settings = field(default_factory=Settings)


@dataclass(frozen=True)
class RotationOutput:
    """World and local rotations of every joint, the root's path, and the closed form it started from."""

    world: Rotations
    local: Rotations
    root_positions: Float[Tensor, "batch frames 3"]  # in sizes, as given
    estimate: AnchoredEstimate | None


class RotationHead(nn.Module):
    """Stage 2, usable alone: `head(positions, rig)` with positions in units of each rig's size."""

    def __init__(self, config: RotationConfig | None = None) -> None:
        super().__init__()
        self.config = config or RotationConfig()
        self.low_precision = False
        channels = self.config.channels
        direct = self.config.rotation_head == "direct"
        self.embed = nn.Linear(DIRECT_FEATURES if direct else STATIC_FEATURES + MOVING_FEATURES, channels)
        self.names = NameEmbedding(channels)
        self.transformer = GraphTransformer(
            channels, self.config.heads, self.config.blocks, self.config.window, self.config.expansion
        )
        last = nn.Linear(channels, 6 if direct else 8)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.read_out = nn.Sequential(nn.Linear(channels, channels), nn.GELU(), last)

    def forward(
        self,
        positions: Points,
        rig: RigBatch,
        noise: Float[Tensor, "batch frames joints"] | None = None,
        frame_mask: Bool[Tensor, "batch frames"] | None = None,
    ) -> RotationOutput:
        """`noise`: expected standard deviation of each coordinate, in sizes.

        If not given, it is read off the bones' lengths, and what noise can be told from motion is taken out first.
        """
        if self.config.rotation_head == "direct":
            return self._direct(positions, rig, frame_mask)
        if noise is None:
            positions, noise = without_measured_noise(positions, rig.anchors)
        estimate = estimate_deltas(positions, rig.anchors, noise, self.config.closed_form)
        features = anchored_features(positions, rig, estimate, noise)
        raw = self._read(features, rig, frame_mask)
        deltas = correct_deltas(raw[..., :7], rig, estimate, self.config.closed_form)
        deltas = settle(deltas, raw[..., 7], rig, estimate, self.config.closed_form)
        world = deltas @ rig.reference_rotations[:, None]
        return RotationOutput(world, world_to_local_rotations(world, rig.parents), positions[:, :, 0], estimate)

    def _direct(self, positions: Points, rig: RigBatch, frame_mask: Tensor | None) -> RotationOutput:
        raw = self._read(direct_features(positions, rig), rig, frame_mask)
        upright = torch.tensor([1.0, 0.0, 0.0, 1.0, 0.0, 0.0]).to(raw)  # the identity, row by row
        local = roma.special_gramschmidt((raw + upright).unflatten(-1, (3, 2)))
        return RotationOutput(local_to_world_rotations(local, rig.levels), local, positions[:, :, 0], None)

    def _read(self, features: Tensor, rig: RigBatch, frame_mask: Tensor | None) -> Tensor:
        # Only the transformer may run in half precision (training does): angles would suffer elsewhere.
        with torch.autocast(features.device.type, torch.bfloat16, enabled=self.low_precision):
            tokens = self.embed(features) + self.names(rig.name_grams)[:, None]
            raw: Tensor = self.read_out(self.transformer(tokens, rig.graph, frame_mask))
        return raw.to(features.dtype)


def correct_deltas(
    raw: Float[Tensor, "batch frames joints 7"], rig: RigBatch, estimate: AnchoredEstimate, settings: Settings
) -> Rotations:
    """Deltas after the network's say: of zeros, the closed form itself (leaves and thin evidence by their parents)."""
    seen = roma.quat_product(matrix_to_quaternion(estimate.deltas), _small_turn(raw[..., :3]))
    anchors = nearest_rotation(expected_between(rig.anchors, settings.rest_share))
    expected = roma.quat_product(matrix_to_quaternion(anchors).expand_as(seen), _small_turn(raw[..., 3:6]))
    unseen = estimate.doubt.diagonal(dim1=-2, dim2=-1).mean(-1, keepdim=True).clamp(0.01, 0.99)
    gate = torch.sigmoid(raw[..., 6:] + torch.logit(unseen**4))
    blended = fold_levels(rig.levels, torch.cat([seen, expected, gate], dim=-1), _blend)
    result: Tensor = roma.unitquat_to_rotmat(blended)
    return result


def settle(
    deltas: Rotations,
    raw: Float[Tensor, "batch frames joints"],
    rig: RigBatch,
    estimate: AnchoredEstimate,
    settings: Settings,
) -> Rotations:
    """Those deltas brought nearer to the joints' places, as far as the network doubts itself.

    Every joint was corrected by itself, and is moved by what carries it: together they may end far from what was seen.
    """
    spread = BELIEVED * torch.exp(raw.double().clamp(*LEAST_AND_MOST))
    return settle_pose(estimate.evidence, rig.anchors, deltas.double(), spread, settings.whole).to(deltas)


def _blend(own: Tensor, above: Tensor, _: Tensor) -> Tensor:
    """Between what was seen of a joint and what its parent lets expect; a root has only the former."""
    seen, expected, gate = own[..., :4], own[..., 4:8], own[..., 8:]
    if not len(above):
        return seen
    inherited = roma.quat_product(above, expected)
    inherited = inherited * torch.where((inherited * seen).sum(-1, keepdim=True) < 0, -1.0, 1.0)
    mixed = seen + gate * (inherited - seen)
    result: Tensor = mixed / mixed.norm(dim=-1, keepdim=True)
    return result


def _small_turn(vectors: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 4"]:
    """Quaternion whose vector part is half of `vectors` before normalising: smooth, never a full turn."""
    quaternion = torch.cat([vectors / 2, torch.ones_like(vectors[..., :1])], dim=-1)
    result: Tensor = quaternion / quaternion.norm(dim=-1, keepdim=True)
    return result
