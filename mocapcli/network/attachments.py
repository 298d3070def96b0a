"""Joints that hang at another's tip without being its child, found by what stays rigid.

In many rigs made for inverse kinematics the foot is a child of the root, and the shin, a leaf, merely ends
where the foot is: its rotation would be invisible. But the distance from shin to foot never changes. So a
leaf's distances to joints at or just below a root are watched over the reference, the rest pose and the clip;
those that stay the same, while the distance from the leaf's own parent changes, count as bones of the leaf.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mocapcli.network.graph import ancestors_and_self, sum_children

NEAREST, FARTHEST = 0.01, 0.6  # sizes: nearer says nothing of direction, farther is no bone
MOBILE = 0.02  # sizes: change of length that shows that two joints move against each other
TOLERANCE = 0.004  # sizes: change of length that a rigid pair may show


@dataclass(frozen=True)
class Attachments:
    """Pairs (batch, leaf, tip) and the vectors between them; `trust` is 1 for a pair that stayed rigid."""

    batch: Int[Tensor, " pairs"]
    leaf: Int[Tensor, " pairs"]
    tip: Int[Tensor, " pairs"]
    observed: Float[Tensor, "frames pairs 3"]
    anchor: Float[Tensor, "pairs 3"]
    variance: Float[Tensor, "frames pairs"]
    trust: Float[Tensor, " pairs"]


def find_attachments(
    positions: Float[Tensor, "batch frames joints 3"],
    noise: Float[Tensor, "batch frames joints"],
    parents: Int[Tensor, "batch joints"],
    depth: Int[Tensor, "batch joints"],
    reference: Float[Tensor, "batch joints 3"],
    rest: Float[Tensor, "batch joints 3"],
) -> Attachments:
    """All candidate pairs with their trust. `depth` is 0 for padding, 1 for roots."""
    distances = torch.cdist(reference, reference)
    bones = distances.gather(2, parents.clamp_min(0)[..., None])[..., 0] * (parents >= 0)
    leaf = (sum_children((bones > 1e-3).to(bones)[:, None], parents)[:, 0] == 0) & (parents >= 0)
    # Targets sit at or just below a root; anything else that seems rigid is more often chance.
    shallower = (depth[:, None, :] + 2 <= depth[:, :, None]) & ((depth > 0) & (depth <= 2))[:, None, :]
    rigid = (torch.cdist(rest, rest) - distances).abs() < TOLERANCE
    fits = (distances > NEAREST) & (distances < FARTHEST) & rigid
    batch, first, second = torch.nonzero(
        leaf[:, :, None] & shallower & fits & ~ancestors_and_self(parents), as_tuple=True
    )
    observed = (positions[batch, :, second] - positions[batch, :, first]).transpose(0, 1)
    anchor = reference[batch, second] - reference[batch, first]
    variance = (noise[batch, :, second].square() + noise[batch, :, first].square()).transpose(0, 1)
    excess = _change(positions, reference, batch, first, second) - variance.mean(0)
    above = _change(positions, reference, batch, parents[batch, first], second) - variance.mean(0)
    slack = 0.5 * variance.mean(0)
    trust = torch.exp(-excess.clamp_min(0) / (2 * TOLERANCE**2 + slack))
    # Rigid with the leaf's parent as well: then it shows how the parent turns, not the leaf.
    trust = trust * (1 - torch.exp(-above.clamp_min(0) / (2 * MOBILE**2 + 4 * slack)))
    variance = variance + excess.clamp_min(0)
    return Attachments(batch, first, second, observed, anchor, variance, trust)


def _change(
    positions: Float[Tensor, "batch frames joints 3"],
    reference: Float[Tensor, "batch joints 3"],
    batch: Int[Tensor, " pairs"],
    first: Int[Tensor, " pairs"],
    second: Int[Tensor, " pairs"],
) -> Float[Tensor, " pairs"]:
    """Mean squared change of distance over the clip, against the reference."""
    there = (reference[batch, second] - reference[batch, first]).norm(dim=-1)
    here = (positions[batch, :, second] - positions[batch, :, first]).norm(dim=-1)
    change: Tensor = (here - there[:, None]).square().mean(1)
    return change
