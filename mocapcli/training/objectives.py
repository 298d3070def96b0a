"""Stage 1's loss, and the figures people watch while it falls."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from mocapcli.network.video_to_pose import PoseEstimate
from mocapcli.network.views import bins_to_yaw, tilt_matrix, wrap, yaw_to_bins
from mocapcli.training.batches import Batch

BUMP = 0.8  # cells
OFTEN_OUTSIDE = 1.5  # places further out than this are no evidence of anything


@dataclass(frozen=True)
class PoseWeights:
    """How much each part of stage 1's loss counts."""

    heat: float = 0.1
    places: float = 1.0
    depth: float = 1.0
    positions: float = 2.0
    spread: float = 0.05
    facing: float = 0.15
    up: float = 0.15
    camera: float = 0.3
    velocity: float = 1.0


def pose_loss(estimate: PoseEstimate, batch: Batch, weights: PoseWeights) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss to descend, and its parts by name (detached)."""
    targets = batch.targets
    shown = (batch.rig.mask & batch.rig.deforms)[:, None].expand_as(estimate.depth)
    inside = shown & (targets.places.abs().amax(-1) < OFTEN_OUTSIDE)
    parts = dict.fromkeys(("heat", "places", "depth"), torch.zeros((), device=shown.device))
    within = shown & (targets.places.abs().amax(-1) < 1)
    last = len(estimate.rounds)
    for number, look in enumerate(estimate.rounds, 1):
        share = number / last / ((last + 1) / 2)  # later rounds count more; together one
        parts["places"] = parts["places"] + share * _mean((look.places - targets.places).abs().sum(-1), inside)
        parts["depth"] = parts["depth"] + share * _mean((look.depth - targets.positions[..., 2]).abs(), shown)
        if look.heat is not None:
            parts["heat"] = parts["heat"] + share * _mean(heat_surprise(look.heat, targets.places), within)
    off = (estimate.positions - targets.positions).abs().sum(-1)
    parts["positions"] = _mean(off, shown)
    parts["spread"] = _mean(off.detach() / 3 / estimate.spread + estimate.spread.log(), shown)
    labels = yaw_to_bins(targets.yaw)
    parts["facing"] = -(labels * functional.log_softmax(estimate.yaw_logits, -1)).sum(-1).mean()
    parts["up"] = (estimate.up - targets.up).norm(dim=-1).mean()
    width_off = (estimate.half_width / targets.half_width).log().abs().mean()
    parts["camera"] = width_off + (estimate.pitch - targets.pitch).abs().mean()
    if batch.moving and off.shape[1] > 1:
        moved = (estimate.positions - targets.positions).diff(dim=1).abs().sum(-1)
        parts["velocity"] = _mean(moved, shown[:, 1:])
    total = torch.stack([getattr(weights, name) * value for name, value in parts.items()]).sum()
    return total, {name: value.detach() for name, value in parts.items()}


def heat_surprise(
    heat: Float[Tensor, "batch frames joints rows columns"], places: Float[Tensor, "batch frames joints 2"]
) -> Float[Tensor, "batch frames joints"]:
    """Cross-entropy of heatmaps against a narrow bump at the true place.

    The mean of a heatmap tells it nothing while it is flat; this does.
    """
    sides = []
    for axis, count in ((1, heat.shape[-2]), (0, heat.shape[-1])):
        cells = (torch.arange(count, device=heat.device) + 0.5) / count * 2 - 1
        away = (places[..., axis, None] - cells) * count / 2  # in cells
        sides.append(functional.softmax(-0.5 * (away / BUMP).square(), dim=-1))
    return -torch.einsum("bfjr,bfjrc,bfjc->bfj", sides[0], heat, sides[1])


@torch.no_grad()
def pose_figures(estimate: PoseEstimate, batch: Batch) -> dict[str, float]:
    """MPJPE in % of size, 2D error in % of the crop, facing within 30°, all over deforming joints."""
    targets = batch.targets
    shown = (batch.rig.mask & batch.rig.deforms)[:, None].expand_as(estimate.depth)
    off = upright(estimate.positions, estimate.pitch) - upright(targets.positions, targets.pitch)
    turned = wrap(bins_to_yaw(estimate.yaw_logits.argmax(-1)) - targets.yaw).abs().rad2deg()
    return {
        "mpjpe_percent": float(100 * _mean(off.norm(dim=-1), shown)),
        "places_percent": float(50 * _mean((estimate.places - targets.places).norm(dim=-1), shown)),
        "facing_degrees": float(turned.median()),
        "facing_within_30": float((turned < 30).float().mean()),
        "up_degrees": float((estimate.up * targets.up).sum(-1).clamp(-1, 1).arccos().rad2deg().mean()),
    }


def upright(
    positions: Float[Tensor, "batch frames joints 3"], pitch: Float[Tensor, "batch frames"]
) -> Float[Tensor, "batch frames joints 3"]:
    """Camera axes to the gravity-up, camera-yaw-aligned frame."""
    return positions @ tilt_matrix(pitch)


def _mean(values: Float[Tensor, "batch ..."], mask: Bool[Tensor, "batch ..."]) -> Tensor:
    """Mean of each clip over what its mask shows, then over clips: rigs with many joints count no more than others,
    and the loss does not depend on how clips are dealt out to processes."""
    shown = mask.flatten(1).sum(1).clamp_min(1)
    return ((values * mask).flatten(1).sum(1) / shown).mean()
