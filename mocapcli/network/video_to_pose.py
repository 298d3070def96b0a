"""Stage 1, Video-to-Pose: crops and a rig to joint positions, image-aligned.

Joint queries come from the rig's own reference renders (features sampled at each joint), its geometry, its graph
and its names. Every round each joint looks for itself in the picture (heatmap = query · pixel), reads what stands
there, and GL-GMHA lets the joints agree. After the first round the facing is classified, and where the body's up points
is guessed; later rounds are told that and a facing (the true one in training, a decided one in use), so that left and
right, front and back need not be averaged.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Num
from torch import Tensor, nn
from torch.nn import functional

from mocapcli.network.attention import GraphTransformer
from mocapcli.network.encoder import build_encoder, sample_features, unit
from mocapcli.network.on_device import OnDevice
from mocapcli.network.reference import NameEmbedding, RigBatch
from mocapcli.network.views import YAW_BINS, bins_to_yaw, centre_of, lift, tilt_matrix, tip_matrix, turn_matrix

Places = Float[Tensor, "batch frames joints 2"]
Tokens = Float[Tensor, "batch frames joints channels"]
OVERVIEW = 4  # cells a side of the coarse picture that every joint sees before it looks
LAPLACE_DEVIATION = 2**0.5  # the standard deviation of errors whose Laplace scale is 1, as `spread` tells it
TYPICAL_PITCH = 0.2  # radians; only the queries' guess, the pose has its own


@dataclass(frozen=True)
class VideoToPoseConfig:
    """Sizes; saved with the weights."""

    encoder: str = "small"
    encoder_source: str = ""  # pretrained weights, for encoders that have any: a folder, a name or (imagenet) a file
    channels: int = 96
    heads: int = 4
    rounds: int = 2
    blocks: int = 2  # of GL-GMHA, each round
    query_blocks: int = 3
    window: int = 8


@dataclass(frozen=True, eq=False)
class ReferenceViews(OnDevice):
    """Renders of each rig in its reference pose, and where its joints lie in them."""

    crops: Num[Tensor, "batch views 4 side side"]
    places: Float[Tensor, "batch views joints 2"]
    depth: Float[Tensor, "batch views joints"]  # towards the viewer, in sizes
    yaw: Float[Tensor, "batch views"]


@dataclass(frozen=True, eq=False)
class Look:
    """Where a round looked and what depth it read; `heat` in training only, as log probabilities over the features."""

    places: Places
    depth: Float[Tensor, "batch frames joints"]  # towards the viewer, in sizes
    heat: Float[Tensor, "batch frames joints rows columns"] | None


@dataclass(frozen=True, eq=False)
class Glance:
    """The first round, which knows of no facing and scores them all."""

    tokens: Tokens
    look: Look
    yaw_logits: Float[Tensor, "batch frames bins"]
    up: Float[Tensor, "batch frames 3"]  # where the body's up points, in the upright frame


@dataclass(frozen=True, eq=False)
class PoseEstimate:
    """What one pass believes; lengths in sizes, camera axes as in `views`."""

    positions: Float[Tensor, "batch frames joints 3"]  # around the body's centre
    places: Places
    depth: Float[Tensor, "batch frames joints"]
    spread: Float[Tensor, "batch frames joints"]  # Laplace scale of a coordinate's error, in sizes
    half_width: Float[Tensor, "batch frames"]
    pitch: Float[Tensor, "batch frames"]
    yaw_logits: Float[Tensor, "batch frames bins"]
    up: Float[Tensor, "batch frames 3"]  # where the body's up points, in the upright frame
    rounds: tuple[Look, ...]


class ReferenceQueries(nn.Module):
    """A rig to one query for each joint."""

    def __init__(self, config: VideoToPoseConfig) -> None:
        super().__init__()
        channels = config.channels
        self.names = NameEmbedding(channels)
        self.geometry = nn.Linear(14, channels)
        self.view = nn.Sequential(nn.Linear(channels + 5, channels), nn.GELU(), nn.Linear(channels, channels))
        self.graph = GraphTransformer(channels, config.heads, config.query_blocks, window=0)

    def forward(
        self, rig: RigBatch, views: ReferenceViews, features: Float[Tensor, "all channels rows columns"]
    ) -> Float[Tensor, "batch joints channels"]:
        batch, count = views.places.shape[:2]
        sampled = sample_features(features, views.places.flatten(0, 1)).unflatten(0, (batch, count))
        facing = torch.stack([torch.sin(views.yaw), torch.cos(views.yaw)], dim=-1)
        facing = facing[:, :, None].expand(*views.places.shape)
        seen = self.view(torch.cat([sampled, views.places, views.depth[..., None], facing], dim=-1)).mean(dim=1)
        tokens = seen + self.geometry(_geometry(rig)) + self.names(rig.name_grams)
        return self.graph(tokens[:, None], rig.graph)[:, 0]  # type: ignore[no-any-return]


class LookRound(nn.Module):
    """One round: look in the picture, read, talk."""

    def __init__(self, config: VideoToPoseConfig, window: int) -> None:
        super().__init__()
        channels = config.channels
        self.ask = nn.Linear(channels, 2 * channels)
        self.read = nn.Sequential(nn.Linear(channels + 6, channels), nn.GELU(), nn.Linear(channels, channels))
        self.talk = GraphTransformer(channels, config.heads, config.blocks, window=window)
        self.correct = nn.Linear(channels, 3)
        nn.init.zeros_(self.correct.weight)
        nn.init.zeros_(self.correct.bias)

    def forward(
        self,
        tokens: Tokens,
        features: Float[Tensor, "images channels rows columns"],
        rig: RigBatch,
        frame_mask: Bool[Tensor, "batch frames"],
    ) -> tuple[Tokens, Look]:
        batch, frames = tokens.shape[:2]
        asked = (self.ask(tokens) * tokens.shape[-1] ** -0.5).flatten(0, 1)
        pixels = features.permute(0, 2, 3, 1).flatten(1, 2)  # no copy: encoders keep channels last
        where, depth_of = (torch.cat(asked.chunk(2, dim=-1), dim=1) @ pixels.transpose(1, 2)).chunk(2, dim=1)
        log_heat = functional.log_softmax(where.float(), dim=-1)
        heat, grid = log_heat.exp(), _grid(features)
        with torch.autocast(heat.device.type, enabled=False):  # half precision is too coarse for places
            places, squares = (heat @ torch.cat([grid, grid.square()], dim=-1)).chunk(2, dim=-1)
        depth = (heat * depth_of).sum(-1, keepdim=True)
        blur = (squares - places.square()).clamp_min(1e-8).sum(-1, keepdim=True).sqrt()
        peak = heat.amax(-1, keepdim=True)
        facts = torch.cat([heat @ pixels, places, depth, blur, peak, depth.abs()], dim=-1)
        tokens = tokens + self.read(facts).unflatten(0, (batch, frames))
        tokens = self.talk(tokens, rig.graph, frame_mask)
        correction = self.correct(tokens)
        kept = log_heat.unflatten(0, (batch, frames)).unflatten(-1, features.shape[-2:]) if self.training else None
        return tokens, Look(
            places.unflatten(0, (batch, frames)) + correction[..., :2],
            depth.unflatten(0, (batch, frames))[..., 0] + correction[..., 2],
            kept,
        )


class VideoToPose(nn.Module):
    """Crops of a clip and a rig to positions, image places, confidence and facing."""

    def __init__(self, config: VideoToPoseConfig) -> None:
        super().__init__()
        self.config = config
        channels = config.channels
        self.encoder = build_encoder(config.encoder, channels, config.encoder_source)
        self.queries = ReferenceQueries(config)
        self.overview = nn.Sequential(
            nn.AdaptiveAvgPool2d(OVERVIEW),
            nn.Flatten(),
            nn.Linear(OVERVIEW**2 * channels, 2 * channels),
            nn.GELU(),
            nn.Linear(2 * channels, channels),
        )
        self.turned = nn.Sequential(nn.Linear(8, channels), nn.GELU(), nn.Linear(channels, channels))
        self.rounds = nn.ModuleList(
            LookRound(config, config.window if last else 0) for last in [False] * (config.rounds - 1) + [True]
        )
        self.facing = nn.Sequential(nn.Linear(2 * channels, channels), nn.GELU(), nn.Linear(channels, YAW_BINS))
        tip = nn.Linear(channels, 3)
        nn.init.zeros_(tip.weight)
        nn.init.zeros_(tip.bias)
        self.tipping = nn.Sequential(nn.Linear(2 * channels, channels), nn.GELU(), tip)
        self.camera = nn.Sequential(nn.Linear(2 * channels, channels), nn.GELU(), nn.Linear(channels, 2))
        self.spread = nn.Linear(channels, 1)

    def forward(
        self,
        crops: Num[Tensor, "batch frames 4 side side"],
        rig: RigBatch,
        views: ReferenceViews,
        tangent: Float[Tensor, "batch frames"],
        yaw: Float[Tensor, "batch frames"] | None = None,
        frame_mask: Bool[Tensor, "batch frames"] | None = None,
    ) -> PoseEstimate:
        """`yaw`: the facing later rounds are told; None or NaN: the likeliest of each frame."""
        features, queries = self.look(crops, rig, views)
        if frame_mask is None:
            frame_mask = torch.ones(tangent.shape, dtype=torch.bool, device=tangent.device)
        return self.decide(features, self.glance(features, queries, rig, frame_mask), rig, tangent, frame_mask, yaw)

    def look(
        self, crops: Num[Tensor, "batch frames 4 side side"], rig: RigBatch, views: ReferenceViews
    ) -> tuple[Float[Tensor, "images channels rows columns"], Float[Tensor, "rigs joints channels"]]:
        """Everything that does not depend on a facing: picture features and joint queries. Crops: bytes or 0 … 1."""
        images = [unit(crops).flatten(0, 1), unit(views.crops).flatten(0, 1)]
        seen = self.encoder(torch.cat(images))  # one batch: they are normalised alike
        own, reference = seen.split([len(part) for part in images])
        return own, self.queries(rig, views, reference)

    def glance(
        self,
        features: Float[Tensor, "images channels rows columns"],
        queries: Float[Tensor, "batch joints channels"],
        rig: RigBatch,
        frame_mask: Bool[Tensor, "batch frames"],
    ) -> Glance:
        """`frame_mask`: the frames that others may look at, where the first round is the last as well."""
        tokens = queries[:, None] + self.overview(features).unflatten(0, frame_mask.shape)[:, :, None]
        tokens, look = self.rounds[0](tokens, features, rig, frame_mask)
        pooled = _pooled(tokens, rig.mask)
        tipped = self.tipping(pooled).to(rig.rest_positions)
        up = functional.normalize(tipped + torch.tensor([0.0, 1.0, 0.0]).to(tipped), dim=-1)
        return Glance(tokens, look, self.facing(pooled).to(tipped), up)

    def decide(
        self,
        features: Float[Tensor, "images channels rows columns"],
        glance: Glance,
        rig: RigBatch,
        tangent: Float[Tensor, "batch frames"],
        frame_mask: Bool[Tensor, "batch frames"],
        yaw: Float[Tensor, "batch frames"] | None = None,
    ) -> PoseEstimate:
        """Positions under a facing: that of each frame, or, where it is None or NaN, the likeliest."""
        look, yaw_logits = glance.look, glance.yaw_logits
        looks = [look]
        likeliest = bins_to_yaw(yaw_logits.detach().argmax(-1))
        yaw = likeliest if yaw is None else torch.where(yaw.isnan(), likeliest, yaw)
        tokens = glance.tokens + self.turned(_turned_rest(rig, yaw, glance.up.detach()))
        for again in list(self.rounds)[1:]:
            tokens, look = again(tokens, features, rig, frame_mask)
            looks.append(look)
        half_width, pitch = self.camera(_pooled(tokens, rig.mask)).to(tangent).unbind(-1)
        half_width = 0.6 * torch.exp(0.5 * half_width.clamp(-4, 4))
        positions = lift(look.places, look.depth, half_width, tangent)
        return PoseEstimate(
            positions - centre_of(positions, rig.deforms & rig.mask),
            look.places,
            look.depth,
            functional.softplus(self.spread(tokens)[..., 0].to(tangent) - 3.0) + 1e-3,
            half_width,
            TYPICAL_PITCH + 0.3 * pitch,
            yaw_logits,
            glance.up,
            tuple(looks),
        )


def _geometry(rig: RigBatch) -> Float[Tensor, "batch joints 14"]:
    """A joint's places at rest and in the reference pose, its bones, and whether it deforms."""

    def around(points: Tensor) -> Tensor:
        return points - centre_of(points[:, None], rig.deforms & rig.mask)[:, 0]

    parents = rig.parents.clamp_min(0)[..., None].expand(-1, -1, 3)
    has_parent = (rig.parents >= 0)[..., None].to(rig.rest_positions)
    bone = (rig.rest_positions - rig.rest_positions.gather(1, parents)) * has_parent
    reference_bone = (rig.reference_positions - rig.reference_positions.gather(1, parents)) * has_parent
    flags = torch.stack([rig.deforms, rig.parents < 0], dim=-1).to(bone)
    rest, reference = around(rig.rest_positions), around(rig.reference_positions)
    return torch.cat([rest, reference, 3 * bone, 3 * reference_bone, flags], dim=-1) * rig.mask[..., None]


def _turned_rest(
    rig: RigBatch, yaw: Float[Tensor, "batch frames"], up: Float[Tensor, "batch frames 3"]
) -> Float[Tensor, "batch frames joints 8"]:
    """Where joints would be, at rest or in the reference pose, if the body stood so; and the facing."""
    camera = tilt_matrix(torch.full_like(yaw, TYPICAL_PITCH)) @ tip_matrix(up) @ turn_matrix(yaw)
    joints = rig.deforms & rig.mask

    def seen(points: Tensor) -> Tensor:
        local = points[:, None] - centre_of(points[:, None], joints)
        return local @ camera.transpose(-1, -2)

    facing = torch.stack([torch.sin(yaw), torch.cos(yaw)], dim=-1)[:, :, None].expand(-1, -1, rig.mask.shape[1], -1)
    return torch.cat([seen(rig.rest_positions), seen(rig.reference_positions), facing], dim=-1)


def _pooled(tokens: Tokens, mask: Bool[Tensor, "batch joints"]) -> Float[Tensor, "batch frames both"]:
    """Mean and maximum over joints."""
    shown = mask[:, None, :, None]
    mean = (tokens * shown).sum(2) / shown.sum(2).clamp_min(1)
    return torch.cat([mean, tokens.masked_fill(~shown, -1e4).amax(2)], dim=-1)


def _grid(features: Float[Tensor, "images channels rows columns"]) -> Float[Tensor, "pixels 2"]:
    """Centres of feature cells, -1 … 1, x right and y down; in full precision, whatever the features have."""
    rows, columns = features.shape[-2:]
    y = (torch.arange(rows, device=features.device, dtype=torch.float32) + 0.5) / rows * 2 - 1
    x = (torch.arange(columns, device=features.device, dtype=torch.float32) + 0.5) / columns * 2 - 1
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).flatten(0, 1)
