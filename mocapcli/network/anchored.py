"""Pose to rotation in closed form: world-space deltas from an anchor pose.

The delta of a joint is D = G (G_ref)⁻¹, its world rotation against the anchor's. D does not depend on the
rig's local axes. Positions constrain it: it carries the anchor's bone vectors onto the observed ones. The
estimate is the pose that fits the positions and changes local rotations least:

    E = Σ_bones w ‖b − D a‖² + Σ_joints κ ‖D − D_parent T‖²,

where a bone's weight w falls with the noise expected and with a stretch no rotation explains, and T is the
mean of what the two anchors (reference and rest) expect of a joint that stays as it is. Given its
neighbours, the best D is the rotation nearest to a matrix. A pass from the root outwards is, without noise,
Procrustes for joints with several children, the shortest arc on the parent's D for one child, and
inheritance for leaves; further sweeps let the limb beyond decide what the first pass cannot see (the bend of
a knee gives the twist of the thigh). From there `whole_pose` asks for the pose that fits the joints' places best as a
whole. Everything is batched, differentiable and free of loops over joints.
"""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from mocapcli.network.anchors import Anchors, bone_vectors, estimate_heading, expected_between
from mocapcli.network.attachments import find_attachments
from mocapcli.network.graph import fold_levels, gather_parents, sum_children
from mocapcli.network.kinematics import world_to_local_rotations
from mocapcli.network.procrustes import information, inverse_symmetric, nearest_rotation
from mocapcli.network.whole_pose import Evidence, WholePoseSettings, fit_whole_pose

Points = Float[Tensor, "batch frames joints 3"]
Rotations = Float[Tensor, "batch frames joints 3 3"]


@dataclass(frozen=True)
class Settings:
    """What the closed form believes before it sees anything; measured on training rigs."""

    bend: float = 0.3  # radians: how far a joint's local rotation usually strays from the anchors'
    root_bend: float = 0.07  # the same for a root, against the whole body's heading
    rest_share: float = 0.4  # of the rest pose in what a joint is expected to do; the reference has the other part
    floor: float = 0.001  # least error of a bone vector, in sizes
    stretch: float = 3.0  # how much of a bone's unexplained change of length counts as error of its direction
    speed: float = 0.1  # radians a bone usually turns between frames: what is slower is averaged over time
    reach: int = 8  # frames on either side that such a mean may span
    sweeps: int = 2
    attachments: bool = True  # leaves see joints that stay at their tip as their children
    heading_frames: int = 15  # on either side: the heading a root is held to is a mean over time
    lean: float = 0.3  # of a joint on its own last estimate, against its neighbours' weight: damps the sweeps
    whole: WholePoseSettings = field(default_factory=WholePoseSettings)


@dataclass(frozen=True)
class AnchoredEstimate:
    """Deltas from the reference pose, and how much of the prior's doubt is left about each axis (0: none, 1: all)."""

    deltas: Rotations
    doubt: Rotations  # symmetric, in the anchor's world axes
    evidence: Evidence  # what it was made of


def estimate_deltas(
    positions: Points,
    anchors: Anchors,
    noise: Float[Tensor, "batch frames joints"],
    settings: Settings | None = None,
) -> AnchoredEstimate:
    """Closed-form deltas; `noise` is the expected standard deviation of each coordinate. All in sizes."""
    settings = settings or Settings()
    kept = positions.dtype
    positions, noise = positions.double(), noise.double()
    problem = _Problem.build(positions, anchors, noise, settings)
    deltas = problem.outwards()
    for _ in range(settings.sweeps):
        deltas = problem.sweep(deltas)
    evidence = Evidence(positions, noise, problem.turned, problem.heading, nearest_rotation(problem.expected))
    if settings.whole.rounds:
        deltas = fit_whole_pose(evidence, anchors, deltas, settings.whole)
    return AnchoredEstimate(deltas.to(kept), problem.doubt(deltas).to(kept), evidence)


def deltas_to_local(
    deltas: Rotations, parents: Int[Tensor, "batch joints"], rotations: Float[Tensor, "batch joints 3 3"]
) -> Rotations:
    """Local rotations L = (D_p G_p)⁻¹ D G, of deltas from an anchor with world rotations G."""
    return world_to_local_rotations(deltas @ rotations[:, None].to(deltas), parents)


def world_to_deltas(world: Rotations, rotations: Float[Tensor, "batch joints 3 3"]) -> Rotations:
    """Deltas D = G G_ref⁻¹ of world rotations."""
    return world @ rotations[:, None].transpose(-1, -2).to(world)


def estimate_noise(positions: Points, anchors: Anchors) -> Float[Tensor, " batch"]:
    """Standard deviation of each coordinate's error, in sizes, from how far bones are off their length.

    The median over bones and frames, so that bones that truly stretch do not count as noise.
    """
    observed, anchor = bone_vectors(positions, anchors)
    off = (observed.norm(dim=-1) - anchor.norm(dim=-1)).abs()
    bone = (anchors.parents >= 0)[:, None] & (anchor.norm(dim=-1) > 1e-3)
    off = torch.where(bone, off, torch.nan)
    middle = off.flatten(1).nanmedian(dim=1).values
    return torch.nan_to_num(middle) / (0.6745 * 2**0.5)


def attachment_evidence(
    positions: Points, noise: Float[Tensor, "batch frames joints"], anchors: Anchors, settings: Settings
) -> Rotations:
    """What rigid pairs say of leaves, as Σ w b aᵀ."""
    batch, frames, joints = positions.shape[:3]
    reference, rest = anchors.positions.to(positions), anchors.rest_positions.to(positions)
    pairs = find_attachments(positions, noise, anchors.parents, anchors.depth, reference, rest)
    if not len(pairs.leaf):
        return positions.new_zeros(batch, frames, joints, 3, 3)
    observed, variance = smooth_bones(pairs.observed[None], pairs.anchor[None, None], pairs.variance[None], settings)
    weights = pairs.trust / (variance[0] + settings.floor**2)
    outer = observed[0][..., :, None] * pairs.anchor[:, None, :] * weights[..., None, None]
    evidence = positions.new_zeros(batch * joints, frames, 3, 3)
    evidence = evidence.index_add(0, pairs.batch * joints + pairs.leaf, outer.transpose(0, 1))
    result: Rotations = evidence.unflatten(0, (batch, joints)).transpose(1, 2)
    return result


def smooth_bones(
    observed: Points,
    anchor: Float[Tensor, "batch _frames joints 3"],
    variance: Float[Tensor, "batch frames joints"],
    settings: Settings,
) -> tuple[Points, Float[Tensor, "batch frames joints"]]:
    """Bone vectors as a random walk seen through noise: the two-sided exponential mean, and the variance left.

    A long bone that moves fast under little noise stays as it is. Noise is seldom independent from frame to
    frame, so the variance is lowered by the root of what independence would allow.
    """
    step = (settings.speed * anchor.norm(dim=-1)).square().clamp_min(1e-12).mean(1)
    decay = torch.acosh(1 + step / (2 * variance.mean(1)).clamp_min(1e-12))
    offsets = torch.arange(-settings.reach, settings.reach + 1).to(observed)
    kernel = torch.exp(-decay[..., None] * offsets.abs())[:, None]
    inside = functional.pad(observed.new_ones(1, observed.shape[1]), (settings.reach, settings.reach))
    weights = kernel * inside.unfold(1, len(offsets), 1)[:, :, None]
    weights = weights / weights.sum(-1, keepdim=True)
    padded = functional.pad(observed.flatten(2).transpose(1, 2), (settings.reach, settings.reach))
    windows = padded.transpose(1, 2).unflatten(2, (-1, 3)).unfold(1, len(offsets), 1)
    return (windows @ weights[..., None])[..., 0], variance * weights.square().sum(-1).sqrt()


@dataclass(frozen=True)
class _Problem:
    """The energy of one batch, in float64."""

    anchors: Anchors
    evidence: Rotations  # Σ w b aᵀ over each joint's bones, and what it carries
    turned: Rotations  # of that, what it carries alone
    expected: Float[Tensor, "batch 1 joints 3 3"]  # T
    heading: Float[Tensor, "batch frames 1 3 3"]
    prior: Float[Tensor, "batch 1 joints 1 1"]  # κ
    settings: Settings

    @classmethod
    def build(
        cls, positions: Points, anchors: Anchors, noise: Float[Tensor, "batch frames joints"], settings: Settings
    ) -> "_Problem":
        parents = anchors.parents
        observed, anchor = bone_vectors(positions, anchors)
        variance = noise.square() + gather_parents(noise, parents).square()
        observed, variance = smooth_bones(observed, anchor, variance, settings)
        stretch = observed.norm(dim=-1) - anchor.norm(dim=-1)
        # Lengths differ by noise as well: only what exceeds it is a stretch.
        variance = variance + settings.floor**2 + settings.stretch * (stretch.square() - variance).clamp_min(0)
        evidence = sum_children(observed[..., :, None] * anchor[..., None, :] / variance[..., None, None], parents)
        turned = torch.zeros_like(evidence)
        if settings.attachments:
            turned = attachment_evidence(positions, noise, anchors, settings)
        root = (parents < 0)[:, None, :, None, None]
        prior = torch.where(root, settings.root_bend, settings.bend).to(positions) ** -2 / 2
        heading = estimate_heading(positions, anchors, settings.heading_frames)[:, :, None]
        expected = expected_between(anchors, settings.rest_share).to(positions)
        return cls(anchors, evidence + turned, turned, expected, heading, prior, settings)

    def outwards(self) -> Rotations:
        """From the root to the leaves, each joint against its parent's estimate."""
        root = (self.anchors.parents < 0)[:, None, :, None, None]
        expected = self.prior * torch.where(root, self.heading @ self.expected, self.expected)
        both = torch.stack([self.evidence, expected], dim=-3)

        def step(own: Tensor, above: Tensor, _: Tensor) -> Tensor:
            prior = above @ own[..., 1, :, :] if len(above) else own[..., 1, :, :]
            return nearest_rotation(own[..., 0, :, :] + prior)

        return fold_levels(self.anchors.levels, both, step)

    def sweep(self, deltas: Rotations) -> Rotations:
        """Every joint at once against all its neighbours; leaning on itself keeps the energy falling."""
        prior, neighbours = self._neighbours(deltas)
        return nearest_rotation(self.evidence + neighbours + self.settings.lean * prior * deltas)

    def doubt(self, deltas: Rotations) -> Rotations:
        """Posterior variance of each joint given its neighbours, over the variance without any evidence."""
        prior, neighbours = self._neighbours(deltas)
        curvature = information(deltas, self.evidence + neighbours) / (2 * prior)
        return inverse_symmetric(curvature + 1e-6 * torch.eye(3).to(curvature))

    def _neighbours(self, deltas: Rotations) -> tuple[Tensor, Rotations]:
        """Total weight of a joint's neighbours, and what they expect of it."""
        parents = self.anchors.parents
        root = (parents < 0)[:, None, :, None, None]
        above = torch.where(root, self.heading, gather_parents(deltas, parents)) @ self.expected
        below = sum_children(self.prior * deltas @ self.expected.transpose(-1, -2), parents)
        return self.prior + sum_children(self.prior, parents), self.prior * above + below
