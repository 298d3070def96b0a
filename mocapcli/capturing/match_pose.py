"""A clip's pose as a handful of numbers that may change, and where the rig's surface is then.

What changes are whitened angles (`network.pose_prior`), a turn and a shift of the whole body, all from knot to knot
along straight lines, and, for the clip as a whole, how long the bones of the one who is filmed are.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import roma
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mocapcli.network.anchors import Anchors
from mocapcli.network.graph import build_levels
from mocapcli.network.pose_prior import PosePrior
from mocapcli.network.reference import RigReference
from mocapcli.network.whole_pose import place_joints

KNOT = 4  # frames apart
Rotations = Float[Tensor, "1 frames joints 3 3"]
Points = Float[Tensor, "1 frames joints 3"]


@dataclass(frozen=True, eq=False)
class Start:
    """The pose to begin with, in sizes and the level frame."""

    prior: PosePrior
    anchors: Anchors  # loose feet on their legs
    world: Rotations
    places: Points
    white: Float[Tensor, "frames angles"]
    headings: Rotations
    bones: Points  # in the axes of what carries them
    roots: Bool[Tensor, " joints"]
    knots: Float[Tensor, "frames knots"]  # each knot's share in every frame

    @classmethod
    def of(cls, prior: PosePrior, reference: RigReference, world: Rotations, places: Points) -> "Start":
        """Bones are as long as where joints are; those of loose feet as in the reference pose."""
        rig = prior.rig
        carriers = torch.tensor(reference.carriers, device=places.device)[None]
        anchors = replace(rig.anchors, parents=carriers, levels=build_levels(carriers))
        above, roots = carriers[0].clamp_min(0), carriers[0] < 0
        deltas = world @ rig.reference_rotations[:, None].transpose(-1, -2)
        bones = (deltas[:, :, above].transpose(-1, -2) @ (places - places[:, :, above])[..., None])[..., 0]
        loose = carriers[0] != rig.parents[0]
        known = (rig.reference_positions - rig.reference_positions[:, above])[:, None]
        bones = torch.where(loose[:, None], known, bones)
        white, headings = prior.whitened(world)
        knots = between_knots(places.shape[1]).to(places)
        return cls(prior, anchors, world, places, white, headings, bones, roots, knots)

    @property
    def first(self) -> int:
        """The root that the body turns about."""
        return int(torch.nonzero(self.roots)[0, 0])

    @property
    def middle(self) -> Float[Tensor, "knots 3"]:
        """Of the body at each knot, from that root."""
        places = self.places[0, self.knot_frames]
        return places.mean(1) - places[:, self.first]

    @property
    def knot_frames(self) -> list[int]:
        """The frame next to each knot."""
        frames, knots = self.knots.shape
        return np.linspace(0, frames - 1, knots).round().astype(int).tolist()  # type: ignore[no-any-return]

    def at(self, frames: Sequence[int]) -> "Start":
        """Some of the frames."""
        picked = torch.tensor(frames, device=self.places.device)
        clip = {name: getattr(self, name)[:, picked] for name in ("world", "places", "headings", "bones")}
        return replace(self, **clip, white=self.white[picked], knots=self.knots[picked])


@dataclass(frozen=True, eq=False)
class Change:
    """What is looked for."""

    white: Float[Tensor, "knots angles"]
    turn: Float[Tensor, "knots 3"]  # rotation vectors of the whole body
    shift: Float[Tensor, "knots 3"]
    longer: Float[Tensor, "joints 1"]  # logarithms

    @classmethod
    def none(cls, start: Start, turned: Sequence[float] = (0.0, 0.0, 0.0)) -> "Change":
        """But for a turn of the whole body (a rotation vector) about its middle: else it would leave the picture."""
        knots, (angles, joints) = start.knots.shape[1], (start.white.shape[1], start.places.shape[2])
        shapes = ((knots, angles), (knots, 3), (knots, 3), (joints, 1))
        white, turn, shift, longer = (torch.zeros(shape).to(start.places) for shape in shapes)
        turn[:] = torch.tensor(turned)
        shift += start.middle - turned_by(turn, start.middle)
        return cls(*(part.requires_grad_() for part in (white, turn, shift, longer)))

    @property
    def parts(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.white, self.turn, self.shift, self.longer

    @classmethod
    def pieced(cls, choices: Sequence["Change"], path: Sequence[int]) -> "Change":
        """From knot to knot one of the choices; bones are as long as in that which is taken most often."""
        along, often = list(enumerate(path)), max(path, key=list(path).count)
        white, turn, shift = (
            torch.stack([getattr(choices[choice], name)[knot].detach() for knot, choice in along])
            for name in ("white", "turn", "shift")
        )
        turn = unwound(turn)
        longer = choices[often].longer.detach().clone()
        return cls(*(part.requires_grad_() for part in (white, turn, shift, longer)))

    def copy(self) -> "Change":
        return Change(*(part.detach().clone().requires_grad_() for part in self.parts))

    def share(self, start: Start, much: float) -> "Change":
        """A part of the way: angles and the turn by as much, and the body's middle moved by as much."""
        turn, middle = much * self.turn, start.middle
        moved = self.shift + turned_by(self.turn, middle) - middle
        shift = much * moved + middle - turned_by(turn, middle)
        return Change(*(part.detach() for part in (much * self.white, turn, shift, much * self.longer)))

    def pose(
        self, start: Start, plain: bool = False, white: Float[Tensor, "frames angles"] | None = None
    ) -> tuple[Rotations, Points]:
        """World rotations and places; `plain`: with the rig's own bones; `white`: with angles of all frames as told."""
        white = start.white + start.knots @ self.white if white is None else white
        turn = roma.rotvec_to_rotmat(start.knots @ self.turn)[None, :, None]
        deltas = turn @ start.headings @ start.prior.deltas(white)
        middle = start.places[:, :, start.first, None]
        roots = middle + (turn @ (start.places - middle)[..., None])[..., 0] + (start.knots @ self.shift)[None, :, None]
        bones = start.bones if plain else start.bones * self.longer.exp()
        placed = place_joints(start.anchors, deltas, torch.where(start.roots[:, None], roots, bones))
        return deltas @ start.prior.rig.reference_rotations[:, None], placed

    def unlikely(self, start: Start) -> Tensor:
        """How unlikely the pose is, and how much it differs from the start and from knot to knot."""
        steps = ((self.white, 0.3), (self.turn, 30.0), (self.shift, 30.0))
        rough = (
            sum(weight * values.diff(dim=0).square().mean() for values, weight in steps) if len(self.turn) > 1 else 0
        )
        moved = 0.2 * self.turn.square().mean() + 2.0 * self.shift.square().mean()
        total: Tensor = 0.2 * (start.white + start.knots @ self.white).square().mean() + moved + rough
        return total + 1.25 * self.longer.square().mean()


def turned_by(turn: Float[Tensor, "knots 3"], points: Float[Tensor, "knots 3"]) -> Float[Tensor, "knots 3"]:
    """By rotation vectors."""
    turned: Tensor = (roma.rotvec_to_rotmat(turn) @ points[..., None])[..., 0]
    return turned


def unwound(turn: Float[Tensor, "knots 3"]) -> Float[Tensor, "knots 3"]:
    """The same turns, each by the vector nearest to the one before: between knots vectors change along straight lines.

    Half a turn to the right is half a turn to the left.
    """
    out = [turn[0]]
    for vector in turn[1:]:
        angle = vector.norm().clamp_min(1e-6)
        others = [vector + full * (2 * math.pi / angle) * vector for full in (0, -1, 1)]
        out.append(min(others, key=lambda other: float((other - out[-1]).norm())))
    return torch.stack(out)


def between_knots(frames: int) -> Float[Tensor, "frames knots"]:
    knots = 1 if frames == 1 else max(2, -(-frames // KNOT) + 1)
    at = torch.linspace(0, knots - 1, frames)
    return (1 - (at[:, None] - torch.arange(knots)).abs()).clamp_min(0)


def carry_points(
    points: Float[Tensor, "frames points 3"],
    weights: Float[Tensor, "points joints"],
    start: Start,
    rotations: Rotations,
    places: Points,
) -> Float[Tensor, "frames points 3"]:
    """Points of the surface as it was at the start, after their joints' moves; what follows nobody stays."""
    moves = rotations @ start.world.transpose(-1, -2)
    offsets = places - (moves @ start.places[..., None])[..., 0]
    mixed = torch.einsum("pj,fjk->fpk", weights, torch.cat([moves.flatten(-2), offsets], dim=-1)[0])
    turned = (mixed[..., :9].unflatten(-1, (3, 3)) * points[..., None, :]).sum(-1)  # `@` is slow with many small ones
    carried: Tensor = turned + mixed[..., 9:] + (1 - weights.sum(-1))[:, None] * points
    return carried
