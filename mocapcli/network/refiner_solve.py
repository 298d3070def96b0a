"""From moving surface points to turning joints, in closed form: one damped, weighted Gauss-Newton step.

Where a surface point should go in the picture is something a small convolutional network learns quickly and for any
creature; which joints turn by how much then follows from the skeleton, and need not be learnt. Every joint has a
prior (a mean turn and how firmly it is held), every point a weight; the most probable turns solve a linear system.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mocapcli.network.graph import CHILD, DESCENDANT, SELF, SkeletonGraph
from mocapcli.network.refiner_pose import NEAREST, View

Points = Float[Tensor, "batch frames points 3"]


@dataclass(frozen=True, eq=False)
class Flow:
    """Where surface points are believed to go, and how firmly: across the picture (half sides) and in depth (sizes)."""

    offsets: Points
    weights: Points  # inverse variances; nil for what is not seen


@dataclass(frozen=True, eq=False)
class Prior:
    """Turns of the joints, and last the roots' shift, as they are believed to be without looking at points."""

    mean: Float[Tensor, "batch frames unknowns 3"]
    precision: Float[Tensor, "batch frames unknowns 3"]


@dataclass(frozen=True, eq=False)
class Evidence:
    """What the flow alone says of all turns and the shift: a quadratic around no change."""

    curvature: Float[Tensor, "batch frames columns columns"]
    pull: Float[Tensor, "batch frames columns"]


def carried_by(graph: SkeletonGraph, weights: Float[Tensor, "batch points joints"]) -> Tensor:
    """[batch, points, joints]: which share of each point's motion follows a joint's turn, from skin weights."""
    below = (graph.edges == SELF) | (graph.edges == CHILD) | (graph.edges == DESCENDANT)
    carried: Tensor = weights @ below.to(weights).transpose(-1, -2)
    return carried * graph.mask[:, None]


def point_slopes(
    points: Points,
    joints: Float[Tensor, "batch frames joints 3"],
    carried: Float[Tensor, "batch points joints"],
    view: View,
) -> Float[Tensor, "batch frames rows columns"]:
    """Derivative of every point's place and depth by all turns and the shift.

    Rows are points × (right, down, towards the viewer), columns (joints + 1) × 3.
    """
    ahead = (-points[..., 2]).clamp_min(NEAREST)[..., None]
    scale = view.focal[:, :, None, None] / ahead
    aside, above = points[..., :1] / ahead, points[..., 1:2] / ahead
    x, y, z = ((points[:, :, :, None] - joints[:, :, None]) * carried[:, None, :, :, None]).unbind(-1)
    none = torch.zeros_like(x)
    right = [scale * aside * y, scale * (z - aside * x), -scale * y]
    down = [scale * (z - above * y), scale * above * x, -scale * x]
    nil, one = torch.zeros_like(aside), torch.ones_like(aside)
    shifts = [[scale, nil, scale * aside], [nil, -scale, -scale * above], [nil, nil, one]]
    rows = []
    for by_turn, by_shift in zip((right, down, [y, -x, none]), shifts, strict=True):
        row = [torch.cat([turn, shift], dim=-1) for turn, shift in zip(by_turn, by_shift, strict=True)]
        rows.append(torch.stack(row, dim=-1).flatten(-2))
    return torch.stack(rows, dim=3).flatten(2, 3)


def gather_evidence(slopes: Float[Tensor, "batch frames rows columns"], flow: Flow) -> Evidence:
    weighted = (slopes * flow.weights.flatten(-2)[..., None]).transpose(-1, -2)
    return Evidence(weighted @ slopes, (weighted @ flow.offsets.flatten(-2)[..., None])[..., 0])


def solve_turns(
    evidence: Evidence, prior: Prior
) -> tuple[Float[Tensor, "batch frames joints 3"], Float[Tensor, "batch frames 3"]]:
    """The most probable turns and shift."""
    mean, precision = prior.mean.flatten(-2), prior.precision.flatten(-2)
    factor = torch.linalg.cholesky(evidence.curvature + torch.diag_embed(precision))
    pull = evidence.pull[..., None] - evidence.curvature @ mean[..., None]
    change = torch.cholesky_solve(pull, factor)[..., 0]
    solved = (mean + change).unflatten(-1, (-1, 3))
    return solved[:, :, :-1], solved[:, :, -1]


def seen_points(
    places: Float[Tensor, "batch frames points 2"],
    ahead: Float[Tensor, "batch frames points"],
    depth: Float[Tensor, "batch frames side side"],
    tolerance: float = 0.025,
) -> Bool[Tensor, "batch frames points"]:
    """Points inside the picture with nothing in front of them, by a depth map (sizes, infinite where empty)."""
    side = depth.shape[-1]
    pixel = ((places + 1) / 2 * side).floor().long()
    inside = ((pixel >= 0) & (pixel < side)).all(-1)
    pixel = pixel.clamp(0, side - 1)
    found = depth.flatten(-2).gather(-1, pixel[..., 1] * side + pixel[..., 0])
    return inside & (ahead < found + tolerance) & torch.isfinite(found)
