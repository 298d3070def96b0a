"""The skeleton as a graph: hop distances, edge types, kinematic chains and depth levels, batched and padded."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mocapcli.errors import InvalidDataError
from mocapcli.network.on_device import OnDevice

SELF, PARENT, CHILD, ANCESTOR, DESCENDANT, SIBLING, OTHER = range(7)
EDGE_TYPES = 7
HOP_LIMITS = (0, 1, 2, 3, 4, 5, 7, 10, 15)  # the last distance of each bucket; one more holds what is beyond
HOP_BUCKETS = len(HOP_LIMITS) + 1


@dataclass(frozen=True)
class SkeletonGraph(OnDevice):
    """How every joint (row) sees every other (column); padding is nobody's relative."""

    mask: Bool[Tensor, "batch joints"]
    hops: Int[Tensor, "batch joints joints"]  # bucketed
    edges: Int[Tensor, "batch joints joints"]
    chain: Bool[Tensor, "batch joints joints"]  # ancestor, descendant or self
    depth: Int[Tensor, "batch joints"]  # roots 1, padding 0


@dataclass(frozen=True)
class DepthLevels(OnDevice):
    """Joints of the whole batch by depth, as indices into [batch · joints]; padding counts as roots.

    `parents[k]` points from level k into level k - 1.
    """

    joints: tuple[Int[Tensor, " _level"], ...]
    parents: tuple[Int[Tensor, " _level"], ...]
    inverse: Int[Tensor, " all"]


def build_graph(
    parents: Int[Tensor, "batch joints"], mask: Bool[Tensor, "batch joints"] | None = None
) -> SkeletonGraph:
    """Graph relations from parent indices (-1: root or padding)."""
    mask = torch.ones_like(parents, dtype=torch.bool) if mask is None else mask
    above = ancestors_and_self(parents) & mask[:, :, None] & mask[:, None, :]
    depth = above.sum(-1)
    common = (above.float() @ above.float().transpose(-1, -2)).round().long()
    distance = depth[:, :, None] + depth[:, None, :] - 2 * common
    distance = torch.where(common > 0, distance, torch.iinfo(torch.long).max)  # another tree
    hops = torch.bucketize(distance, torch.tensor(HOP_LIMITS, device=parents.device))
    return SkeletonGraph(mask, hops, _edge_types(parents, above), above | above.transpose(-1, -2), depth)


def build_levels(parents: Int[Tensor, "batch joints"]) -> DepthLevels:
    """Depth levels over the flattened batch."""
    batch, joints = parents.shape
    offset = torch.arange(batch, device=parents.device)[:, None] * joints
    flat = torch.where(parents >= 0, parents + offset, -1).flatten()
    level = torch.nonzero(flat < 0)[:, 0]
    slots = torch.full_like(flat, -1)
    slots[level] = torch.arange(len(level), device=flat.device)
    members, links = [level], [torch.zeros_like(level)]
    found = len(level)
    while found < len(flat):
        safe = flat.clamp_min(0)
        level = torch.nonzero((flat >= 0) & (slots < 0) & (slots[safe] >= 0))[:, 0]
        if len(level) == 0:
            raise InvalidDataError("the parents of these joints run in a circle")
        links.append(slots[flat[level]] - (found - len(members[-1])))
        slots[level] = torch.arange(found, found + len(level), device=flat.device)
        members.append(level)
        found += len(level)
    return DepthLevels(tuple(members), tuple(links), slots)


def fold_levels(
    levels: DepthLevels,
    values: Float[Tensor, "batch frames joints *item"],
    step: Callable[[Tensor, Tensor, Tensor], Tensor],
) -> Float[Tensor, "batch frames joints *result"]:
    """From the roots outwards: `step(values, parent's result, joint indices)`, all joints of a level at once.

    `values` of a level are [level, frames, *item]. Roots get as their parent's result what `step` is given
    for nobody: an empty tensor.
    """
    batch, _, joints = values.shape[:3]
    flat = values.transpose(1, 2).flatten(0, 1)
    results: list[Tensor] = []
    for members, links in zip(levels.joints, levels.parents, strict=True):
        above = results[-1][links] if results else flat.new_zeros(0)
        results.append(step(flat[members], above, members))
    result: Tensor = torch.cat(results)[levels.inverse].unflatten(0, (batch, joints)).transpose(1, 2)
    return result


def gather_parents(
    values: Float[Tensor, "batch frames joints *item"], parents: Int[Tensor, "batch joints"]
) -> Float[Tensor, "batch frames joints *item"]:
    """Each joint's parent's value; a root's own."""
    own = torch.arange(parents.shape[1], device=parents.device)
    index = torch.where(parents >= 0, parents, own)
    item = (1,) * (values.ndim - 3)
    return values.gather(2, index[:, None].view(len(index), 1, -1, *item).expand(values.shape))


def sum_children(
    values: Float[Tensor, "batch frames joints *item"], parents: Int[Tensor, "batch joints"]
) -> Float[Tensor, "batch frames joints *item"]:
    """Sum of each joint's children's values."""
    item = (1,) * (values.ndim - 3)
    index = parents.clamp_min(0)[:, None].view(len(parents), 1, -1, *item).expand(values.shape)
    kept = values * (parents >= 0)[:, None].view(len(parents), 1, -1, *item)
    return torch.zeros_like(values).scatter_add(2, index, kept)


def ancestors_and_self(parents: Int[Tensor, "batch joints"]) -> Bool[Tensor, "batch joints joints"]:
    """Reachability upwards, by repeated squaring."""
    joints = parents.shape[1]
    columns = torch.arange(joints, device=parents.device)
    reach = ((parents[:, :, None] == columns) | torch.eye(joints, dtype=torch.bool, device=parents.device)).float()
    for _ in range(max(1, (joints - 1).bit_length())):
        reach = ((reach @ reach) > 0).float()
    return reach > 0


def _edge_types(
    parents: Int[Tensor, "batch joints"], above: Bool[Tensor, "batch joints joints"]
) -> Int[Tensor, "batch joints joints"]:
    """What the column is to the row."""
    known = above.diagonal(dim1=-2, dim2=-1)
    columns = torch.arange(parents.shape[1], device=parents.device)
    parent = parents[:, :, None] == columns
    sibling = (parents[:, :, None] == parents[:, None, :]) & (parents >= 0)[:, :, None] & known[:, None, :]
    edges = torch.full_like(parent, OTHER, dtype=torch.long)
    edges[sibling] = SIBLING
    edges[above] = ANCESTOR
    edges[above.transpose(-1, -2)] = DESCENDANT
    edges[parent] = PARENT
    edges[parent.transpose(-1, -2)] = CHILD
    edges[:, columns, columns] = SELF
    return edges
