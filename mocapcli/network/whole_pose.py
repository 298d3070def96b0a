"""The likeliest pose of a rig as a whole: every joint's place bears on all the joints that carry it.

A bone's two ends tell where it points, and noise moves each end by itself: of a short bone they tell little. The ends
of a whole limb tell far more about everything between them. So here joints' places themselves are the evidence,

    E = Σ_joints ‖seen − placed‖² / noise² + ‖log(D (D_parent T)⁻¹) − mean‖² / spread²,

with T what the anchors expect of a joint. How far each joint turns from that on the average, and how much it moves
about its mean, is estimated along with the pose, from a second before and after: most joints hardly move. Bones whose
length changes more than noise explains may stretch. Each round is a Gauss-Newton step, solved on the skeleton's tree.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import roma
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from mocapcli.network.anchors import Anchors, bone_vectors
from mocapcli.network.graph import fold_levels, gather_parents
from mocapcli.network.kinematics import matrix_to_rotation_vector
from mocapcli.network.procrustes import axial, information
from mocapcli.network.skeleton_tree import MOVE, TURN, SkeletonTree, times

Points = Float[Tensor, "batch frames joints 3"]
Rotations = Float[Tensor, "batch frames joints 3 3"]


@dataclass(frozen=True)
class WholePoseSettings:
    """What is believed before anything is seen; measured on rigs set aside."""

    rounds: int = 3
    root_bend: float = 0.3  # radians: how far a root strays from the body's heading
    still: float = 0.02  # radians: the least a joint is taken to move about its mean
    reach: int = 24  # frames on either side whose like a joint is expected to do
    few: float = 4.0  # frames whose mean is believed by half
    floor: float = 5e-4  # least error of a place, in sizes
    stretches: float = 10.0  # times what noise explains: a bone whose length changes by more may stretch
    farthest: float = 0.8  # radians a joint may turn in one round


BONES_ALONE = WholePoseSettings(rounds=0)  # do without it


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known of a clip; sizes, double precision."""

    places: Points
    noise: Float[Tensor, "batch frames joints"]  # standard deviation of a coordinate
    turned: Rotations  # of joints' own rotations, beside their places: Σ w b aᵀ of vectors that they carry
    heading: Float[Tensor, "batch frames 1 3 3"]
    expected: Float[Tensor, "batch 1 joints 3 3"]  # T


def fit_whole_pose(evidence: Evidence, anchors: Anchors, deltas: Rotations, settings: WholePoseSettings) -> Rotations:
    """The likeliest deltas from the reference pose, starting from some."""
    pose = _Pose.of(evidence, anchors, deltas, settings)
    for number in range(settings.rounds):
        pose = pose.round(*pose.usual(number))
    return pose.deltas


def settle_pose(
    evidence: Evidence,
    anchors: Anchors,
    deltas: Rotations,
    spread: Float[Tensor, "batch frames joints"],
    settings: WholePoseSettings,
) -> Rotations:
    """One round from deltas that are believed, each joint's turn against its parent's up to `spread`, in radians."""
    pose = _Pose.of(evidence, anchors, deltas, settings)
    return pose.round(torch.zeros_like(evidence.places), spread[..., None].square()).deltas


@dataclass(frozen=True, eq=False)
class _Pose:
    """A pose on its way to the likeliest one."""

    evidence: Evidence
    anchors: Anchors
    settings: WholePoseSettings
    weight: Float[Tensor, "batch frames joints"]  # of places, inverse variances; nil for padding
    rigid: Points  # bones, in the axes of the parent's delta
    give: Float[Tensor, "batch frames joints"]  # variance of a coordinate of bones that stretch, else nil
    bones: Points  # the same as they are stretched; of a root, its place
    deltas: Rotations

    @classmethod
    def of(cls, evidence: Evidence, anchors: Anchors, deltas: Rotations, settings: WholePoseSettings) -> "_Pose":
        root = (anchors.parents < 0)[:, None]
        observed, rigid = bone_vectors(evidence.places, anchors)
        variance = evidence.noise.square() + settings.floor**2
        blur = around(variance + gather_parents(variance[..., None], anchors.parents)[..., 0], settings.reach)
        excess = around((observed.norm(dim=-1) - rigid.norm(dim=-1)).square(), settings.reach) - blur
        give = torch.where((excess > settings.stretches * blur + 1e-7) & ~root, 2 * excess, 0.0)
        bones = from_roots(evidence.places, rigid, anchors)
        return cls(evidence, anchors, settings, anchors.mask[:, None] / variance, rigid, give, bones, deltas)

    def round(self, back: Points, spread: Float[Tensor, "batch frames joints 1"]) -> "_Pose":
        """One step towards the places, and by turns of joints' own that are believed, with their variances."""
        levels, farthest = self.anchors.levels, self.settings.farthest
        root = (self.anchors.parents < 0)[:, None, :, None]
        shrink = torch.where(root, 0.0, -times(self.above, self.bones - self.rigid))
        placed = place_joints(self.anchors, self.deltas, self.bones)
        arms = placed - gather_parents(placed, self.anchors.parents)
        parts = (arms, self.give[..., None], spread, torch.cat([shrink, back], dim=-1))
        steps = SkeletonTree(levels, *map(_in_a_row, parts)).solve(*map(_in_a_row, self._seen(placed)))
        steps = steps.unflatten(0, self.anchors.parents.shape).transpose(1, 2)
        turns = steps[..., TURN]
        turns = turns * (farthest / turns.norm(dim=-1, keepdim=True).clamp_min(farthest))
        moves = fold_levels(levels, roma.rotvec_to_rotmat(turns), lambda own, over, _: over @ own if len(over) else own)
        longer = torch.where(root, steps[..., MOVE], times(self.above.transpose(-1, -2), steps[..., MOVE]))
        return replace(self, deltas=moves @ self.deltas, bones=self.bones + longer)

    def _seen(self, placed: Points) -> tuple[Tensor, Tensor]:
        """Of each joint's move and turn: information, and what it pulls towards."""
        info = self.deltas.new_zeros(*placed.shape[:3], 6, 6)
        info[..., MOVE, MOVE] = self.weight[..., None, None] * torch.eye(3).to(info)
        across, turned = self.deltas.transpose(-1, -2), self.evidence.turned
        info[..., TURN, TURN] = self.deltas @ information(self.deltas, turned) @ across
        torque = times(self.deltas, axial(across @ turned))
        return info, torch.cat([self.weight[..., None] * (self.evidence.places - placed), torque], dim=-1)

    def usual(self, number: int) -> tuple[Points, Float[Tensor, "batch frames joints 1"]]:
        """The turns that take joints back to what they usually do, and the variance about that."""
        root, reach = (self.anchors.parents < 0)[:, None, :, None], self.settings.reach
        own = own_turns(self.evidence, self.deltas, self.above)
        frames = min(own.shape[1], 2 * reach + 1)
        trusted = frames / (frames + self.settings.few) if number else 0.0
        mean = torch.where(root, 0.0, trusted * around(own, reach))
        about = around((own - mean).square().sum(-1, keepdim=True) / 3, reach) + self.settings.still**2
        spread = torch.where(root, self.settings.root_bend**2, about).expand(*own.shape[:3], 1)
        return times(self.above, mean - own), spread

    @cached_property
    def above(self) -> Rotations:
        return turns_above(self.evidence, self.anchors, self.deltas)


def own_turns(evidence: Evidence, deltas: Rotations, above: Rotations) -> Points:
    """Rotation vectors of joints from what the anchors expect of them, in the axes of the parent's delta."""
    return matrix_to_rotation_vector(above.transpose(-1, -2) @ deltas @ evidence.expected.transpose(-1, -2))


def turns_above(evidence: Evidence, anchors: Anchors, deltas: Rotations) -> Rotations:
    """Each joint's parent's delta; a root's is the body's heading."""
    root = (anchors.parents < 0)[:, None, :, None, None]
    return torch.where(root, evidence.heading, gather_parents(deltas, anchors.parents))


def from_roots(places: Points, bones: Points, anchors: Anchors) -> Points:
    """Bones as `place_joints` wants them: of roots, where they are."""
    return torch.where((anchors.parents < 0)[:, None, :, None], places, bones)


def place_joints(anchors: Anchors, deltas: Rotations, bones: Points) -> Points:
    """`bones`: vectors from each joint's parent in the axes of the parent's delta; of roots, their places."""
    return fold_levels(anchors.levels, torch.cat([deltas, bones[..., None]], dim=-1), _place)[..., 3]


def places_of(world: Rotations, anchors: Anchors) -> Points:
    """Where joints stand in sizes, roots where the reference pose has them; bones are as long as there."""
    reference = anchors.positions[:, None].expand(*world.shape[:3], 3)
    bones = from_roots(reference, bone_vectors(reference, anchors)[1], anchors)
    return place_joints(anchors, world @ anchors.rotations[:, None].transpose(-1, -2), bones)


def around(values: Float[Tensor, "batch frames *item"], reach: int) -> Float[Tensor, "batch frames *item"]:
    """Means over so many frames on either side, as far as there are any."""
    in_time = values.flatten(2).transpose(1, 2)
    means = functional.avg_pool1d(in_time, 2 * reach + 1, 1, reach, count_include_pad=False)
    return means.transpose(1, 2).reshape(values.shape)


def _place(own: Tensor, above: Tensor, _: Tensor) -> Tensor:
    """Deltas and places of joints from their parents'."""
    if not len(above):
        return own
    place = above[..., 3] + times(above[..., :3], own[..., 3])
    return torch.cat([own[..., :3], place[..., None]], dim=-1)


def _in_a_row(values: Float[Tensor, "batch frames joints *item"]) -> Float[Tensor, "all frames *item"]:
    return values.transpose(1, 2).flatten(0, 1)
