"""Stage 3, render-and-compare: draw the rig as it is believed to stand, look at video and drawing together, correct.

A small U-Net sees both and says where each visible surface point should go and how sure it is of that. GL-GMHA over
joints and time says what turns it expects of each joint and how firmly. Both meet in one linear system
(`refiner_solve`) whose solution is each joint's turn in camera axes. Then the rig is drawn anew, as often as the user
likes. An untrained refiner corrects nothing.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from mocapcli.network.attention import GraphTransformer
from mocapcli.network.encoder import normalised, sample_features
from mocapcli.network.graph import gather_parents, sum_children
from mocapcli.network.kinematics import matrix_to_rotation_vector, world_to_local_rotations
from mocapcli.network.on_device import OnDevice
from mocapcli.network.reference import RigBatch
from mocapcli.network.refiner_body import LOOK_CHANNELS, Look
from mocapcli.network.refiner_pose import View, World, moves_of
from mocapcli.network.refiner_solve import (
    Evidence,
    Flow,
    Prior,
    carried_by,
    gather_evidence,
    point_slopes,
    solve_turns,
)

Points = Float[Tensor, "batch frames points 3"]
JOINT_FACTS = 35
FLOW_SPREAD, DEPTH_SPREAD = 0.06, 0.2  # of an untrained flow: half sides of the crop, sizes
TOGETHER = 12.0  # neighbouring points err together: so many count as one
TURN_SPREAD = 0.25  # radians
SHIFT_SPREAD = (0.1, 0.1, 0.3)  # sizes
STRONGEST = 4.0  # of a learnt weight, as a logarithm


@dataclass(frozen=True)
class RefinerConfig:
    """Sizes; saved with the weights."""

    side: int = 64  # pixels of a crop
    width: int = 16  # of the U-Net's first level
    channels: int = 64
    heads: int = 4
    blocks: int = 4
    window: int = 4
    solve: bool = True  # off: turns are read off the joints' tokens alone (the ablation)


@dataclass(frozen=True, eq=False)
class Scene(OnDevice):
    """What does not change between iterations."""

    crops: Float[Tensor, "batch frames 4 side side"]
    rig: RigBatch
    view: View
    weights: Float[Tensor, "batch points joints"]  # skin weights of the surface points


@dataclass(frozen=True, eq=False)
class Correction:
    """One iteration's say."""

    turns: Float[Tensor, "batch frames joints 3"]  # rotation vectors, camera axes
    shift: Float[Tensor, "batch frames 3"]  # of the roots, sizes
    world: World  # the pose afterwards
    points: Points  # the surface points afterwards
    flow: Flow
    prior: Prior
    displacement: Float[Tensor, "batch frames joints 3"]  # of the joints' places and depths: a hint to learn by
    features: Float[Tensor, "images channels rows columns"]


class ConvBlock(nn.Module):
    """Two 3×3 convolutions with a residual; group norm, because later iterations look unlike the first."""

    def __init__(self, channels_in: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        groups = math.gcd(channels, 8)
        self.first = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.first_norm = nn.GroupNorm(groups, channels)
        self.second = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.second_norm = nn.GroupNorm(groups, channels)
        plain = stride == 1 and channels_in == channels
        self.shortcut = nn.Identity() if plain else nn.Conv2d(channels_in, channels, 1, stride)

    def forward(self, images: Tensor) -> Tensor:
        hidden = functional.silu(self.first_norm(self.first(images)))
        hidden = self.second_norm(self.second(hidden))
        return functional.silu(hidden + self.shortcut(images))


class PairEncoder(nn.Module):
    """Crop and drawing to features at a quarter and an eighth of the side."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        first, second, third, fourth = width, 2 * width, 4 * width, 6 * width
        self.stem = nn.Sequential(nn.Conv2d(4 + LOOK_CHANNELS, first, 5, 2, 2), nn.SiLU())
        self.down = nn.ModuleList(ConvBlock(a, b, 2) for a, b in ((first, second), (second, third), (third, fourth)))
        self.middle = ConvBlock(fourth, fourth)
        self.up = nn.ModuleList([ConvBlock(fourth + third, third), ConvBlock(third + second, second)])
        self.fine, self.coarse = nn.Conv2d(second, channels, 1), nn.Conv2d(third, channels, 1)

    def forward(self, images: Float[Tensor, "images channels side side"]) -> tuple[Tensor, Tensor]:
        hidden = self.stem(images.contiguous(memory_format=torch.channels_last))
        levels = []
        for block in self.down:
            hidden = block(hidden)
            levels.append(hidden)
        hidden = self.middle(hidden)
        coarse = self.up[0](torch.cat([functional.interpolate(hidden, size=levels[1].shape[-2:]), levels[1]], 1))
        fine = self.up[1](torch.cat([functional.interpolate(coarse, size=levels[0].shape[-2:]), levels[0]], 1))
        return self.fine(fine), self.coarse(coarse)


class Refiner(nn.Module):
    """`refiner(scene, world, look)`: one correction of a pose (camera axes, sizes) that was drawn as `look`."""

    def __init__(self, config: RefinerConfig | None = None) -> None:
        super().__init__()
        self.config = config or RefinerConfig()
        self.low_precision = False
        channels = self.config.channels
        self.encoder = PairEncoder(self.config.width, channels)
        self.flow = _silent(nn.Conv2d(channels, 6, 1))
        self.canonical = nn.Conv2d(channels, 3, 1)  # of the video's own pixels: only to learn by
        self.embed = nn.Linear(2 * channels + JOINT_FACTS, channels)
        self.transformer = GraphTransformer(channels, self.config.heads, self.config.blocks, self.config.window)
        self.read_out = nn.Sequential(nn.Linear(channels, channels), nn.GELU(), _silent(nn.Linear(channels, 9)))
        self.read_body = nn.Sequential(nn.Linear(channels, channels), nn.GELU(), _silent(nn.Linear(channels, 6)))

    def forward(
        self, scene: Scene, world: World, look: Look, frame_mask: Bool[Tensor, "batch frames"] | None = None
    ) -> Correction:
        rig, view = scene.rig, scene.view
        flow, fine, coarse = self.see(scene, look)
        slopes = point_slopes(look.points, world[..., :3, 3], carried_by(rig.graph, scene.weights), view)
        evidence = gather_evidence(slopes, flow)
        with torch.no_grad():
            facts = joint_facts(world, rig, view, evidence)
        places = view.project(world[..., :3, 3]).flatten(0, 1)
        sampled = [sample_features(level, places).unflatten(0, world.shape[:2]) for level in (fine, coarse)]
        with torch.autocast(world.device.type, torch.bfloat16, enabled=self.low_precision):
            tokens = self.embed(torch.cat([*sampled, facts], dim=-1))
            tokens = self.transformer(tokens, rig.graph, frame_mask)
            raw = self.read_out(tokens).float()
            shown = rig.mask[:, None, :, None]
            body = self.read_body((tokens * shown).sum(2) / shown.sum(2).clamp_min(1)).float()
        raw = raw * shown
        prior = _prior(raw, body, world)
        if self.config.solve:
            turns, shift = solve_turns(evidence, prior)
        else:
            turns, shift = prior.mean[:, :, :-1], prior.mean[:, :, -1]
        moves = moves_of(world, turns, shift, rig.parents, rig.levels)
        return Correction(
            turns,
            shift,
            moves @ world,
            move_points(look.points, moves, scene.weights),
            flow,
            prior,
            raw[..., 6:],
            fine,
        )

    def see(self, scene: Scene, look: Look) -> tuple[Flow, Tensor, Tensor]:
        """Where surface points should go, and the features that say so, fine and coarse."""
        fine, coarse = self._encode(scene.crops, look)
        return self._flow(fine, look, scene.view), fine, coarse

    def _encode(self, crops: Float[Tensor, "batch frames 4 side side"], look: Look) -> tuple[Tensor, Tensor]:
        images = torch.cat([normalised(crops.flatten(0, 1)), look.images.flatten(0, 1)], dim=1)
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.low_precision):
            fine, coarse = self.encoder(images)
        return fine.float(), coarse.float()

    def _flow(self, features: Float[Tensor, "images channels rows columns"], look: Look, view: View) -> Flow:
        places = view.project(look.points).flatten(0, 1)
        raw = sample_features(self.flow(features), places).unflatten(0, look.points.shape[:2])
        spread = raw.new_tensor([FLOW_SPREAD, FLOW_SPREAD, DEPTH_SPREAD])
        weights = raw[..., 3:].clamp(-STRONGEST, STRONGEST).exp() / spread.square() / TOGETHER
        return Flow(raw[..., :3], weights * look.seen[..., None])


def move_points(points: Points, moves: World, weights: Float[Tensor, "batch points joints"]) -> Points:
    """Surface points after their joints' moves, by skin weights; what follows nobody stays."""
    blended = torch.einsum("bnj,btjik->btnik", weights, moves)
    stays = (1 - weights.sum(-1))[:, None, :, None]
    moved: Tensor = (blended[..., :3, :3] @ points[..., None])[..., 0] + blended[..., :3, 3] + stays * points
    return moved


def joint_facts(
    world: World, rig: RigBatch, view: View, evidence: Evidence
) -> Float[Tensor, "batch frames joints facts"]:
    """What is known of each joint before looking: its place, bones and bend, and what the flow alone makes of it."""
    places, parents = world[..., :3, 3], rig.parents
    mask = rig.mask[:, None, :, None].to(places)
    centre = (places * mask).sum(2, keepdim=True) / mask.sum(2, keepdim=True).clamp_min(1)
    bone = places - gather_parents(places, parents)
    has_parent = (parents >= 0)[:, None, :, None].to(places)
    children = sum_children(mask.expand_as(places[..., :1]) * has_parent, parents)
    forward = sum_children(bone * mask, parents) / children.clamp_min(1)
    root = (parents < 0)[:, None, :, None]
    axes = world[..., :3, :3] @ rig.rest_rotations[:, None].transpose(-1, -2)
    bend = matrix_to_rotation_vector(world_to_local_rotations(axes, parents)).masked_fill(root, 0.0)
    bend = (gather_parents(axes, parents) @ bend[..., None])[..., 0]
    flags = torch.cat([root, children[:, :1] == 0, rig.deforms[:, None, :, None], children[:, :1] > 1], dim=-1)
    up = view.up[:, :, None].expand_as(places)
    crop = view.project(places).clamp(-2, 2)
    lengths = torch.stack([bone.norm(dim=-1), forward.norm(dim=-1)], dim=-1)
    turns, shift = solve_turns(evidence, _plain_prior(world))
    told = evidence.curvature.diagonal(dim1=-2, dim2=-1).unflatten(-1, (-1, 3))[:, :, :-1]
    facts = [places - centre, 5 * bone, 5 * forward, (lengths + 1e-3).log() / 3 + 1, bend, axes[..., 2], up, crop]
    facts += [flags.to(places).expand(*places.shape[:3], 4), 3 * turns, (told + 0.1).log() / 3]
    facts += [5 * shift[:, :, None].expand_as(places)]
    result: Tensor = torch.cat(facts, dim=-1) * mask
    return result


def _plain_prior(world: World) -> Prior:
    batch, frames, joints = world.shape[:3]
    precision = world.new_full((batch, frames, joints + 1, 3), TURN_SPREAD**-2)
    precision[:, :, -1] = world.new_tensor(SHIFT_SPREAD) ** -2
    return Prior(torch.zeros_like(precision), precision)


def _prior(raw: Float[Tensor, "batch frames joints 9"], body: Float[Tensor, "batch frames 6"], world: World) -> Prior:
    """Joints' means and precisions, then the shift's."""
    plain = _plain_prior(world)
    mean = torch.cat([raw[..., :3], body[..., :3][:, :, None]], dim=2)
    firmness = torch.cat([raw[..., 3:6], body[..., 3:][:, :, None]], dim=2)
    return Prior(mean, plain.precision * firmness.clamp(-STRONGEST, STRONGEST).exp())


def _silent(layer: nn.Linear | nn.Conv2d) -> nn.Linear | nn.Conv2d:
    """A last layer that says nothing before it is trained."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
