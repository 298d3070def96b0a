"""Limbs tried in other poses: gradients take a limb to the next place that looks like it, not to the best one.

Of each limb the poses that it takes elsewhere in the clip are drawn, and some that are imagined. Those that look more
like the film are kept, as long as the limb need not leap for it (Viterbi). Descending goes on from there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mocapcli.capturing.match_film import Figure, Film
from mocapcli.capturing.match_pose import Change, Start
from mocapcli.in_threads import while_wanted
from mocapcli.kinematics import ancestry
from mocapcli.network.best_path import best_path

OWN, IMAGINED = 3, 5  # poses of the clip, and imagined ones, that each limb is tried in
LIMBS = 8  # at the most
SLIGHT, WHOLE = 0.02, 0.6  # shares of the body's flesh: what is less is no limb, what is more no part
CUTS, REST = 3, (0.15, 0.8)  # places where a body without branches is cut, and the share of it that may lie behind one
SURE = 80.0  # weight of likeness, beside leaps
SAME = 1e-3  # of whitened angles: what differs by less is rounding
LEAP, DEAREST = 0.7, 4.0  # radians that cost a half, and what no leap exceeds

Limb = Bool[np.ndarray, " joints"]
Whites = Float[Tensor, "frames angles"]
Angles = Float[Tensor, "poses angles"]
Scores = Float[Tensor, " knots"]


def limbs_of(carriers: Int[np.ndarray, " joints"], flesh: Float[np.ndarray, " joints"]) -> list[Limb]:
    """Joints by limb, the largest first: everything below a place where the body branches; of a snake its rear parts.

    `flesh`: how much of the body goes with each joint.
    """
    below = ancestry(carriers).T  # row: the joint and all that it carries
    share = below @ flesh / max(float(flesh.sum()), 1e-9)
    branches = [np.flatnonzero((carriers == joint) & (share >= SLIGHT)) for joint in range(len(carriers))]
    heads = [head for branch in branches if len(branch) > 1 for head in branch if share[head] <= WHOLE]
    if not heads:
        chain = np.flatnonzero((carriers >= 0) & (share > REST[0]) & (share < REST[1]))
        heads = [chain[at] for at in np.unique(np.linspace(0, len(chain) - 1, CUTS).astype(int))] if len(chain) else []
    largest = sorted(heads, key=lambda head: (-share[head], head))[:LIMBS]
    return [below[head] for head in largest]


@torch.no_grad()
def try_limbs(change: Change, start: Start, figure: Figure, film: Film, limbs: Sequence[Limb]) -> bool:
    """Whether any limb looked better otherwise; `change` is changed so that it is."""
    tried = _Tried(change, start.at(start.knot_frames), figure, film.at(start.knot_frames))
    before = tried.start.white + tried.start.knots @ change.white
    white, scores = before, tried.likeness(before)
    for limb in limbs:
        white, scores = tried.better(white, scores, torch.from_numpy(limb).repeat_interleave(3).to(white.device))
    change.white.add_(white - before)
    return bool(((white - before).abs() > SAME).any())


@dataclass(frozen=True, eq=False)
class _Tried:
    change: Change
    start: Start  # at knots, as the film
    figure: Figure
    film: Film

    def better(self, white: Whites, scores: Scores, limb: Bool[Tensor, " angles"]) -> tuple[Whites, Scores]:
        """With one limb in the best of its poses, knot by knot; `scores`: likeness as it is."""
        prior = self.start.prior
        angles = prior.angles(white)
        now = angles[:, limb]
        poses, choices, likeness = [white], [now], [scores]
        for other in self._others(now, prior.poses[:, limb]):
            swapped = angles.clone()
            swapped[:, limb] = other
            poses.append(prior.white(swapped))
            choices.append(other.expand_as(now))
            likeness.append(self.likeness(poses[-1]))
        picked = torch.tensor(path_of(SURE * torch.stack(likeness, 1), torch.stack(choices, 1) - now[:, None]))
        knots = torch.arange(len(picked))
        return torch.stack(poses)[picked, knots], torch.stack(likeness)[picked, knots]

    def likeness(self, white: Whites) -> Scores:
        while_wanted()
        return self.figure.likeness(self.film, *self.change.pose(self.start, white=white))

    @staticmethod
    def _others(own: Float[Tensor, "own angles"], imagined: Float[Tensor, "imagined angles"]) -> Angles:
        picked = own[_spread(own, OWN)]
        return torch.cat([picked, imagined[_spread(imagined, IMAGINED, picked)]])


def path_of(scores: Float[Tensor, "knots choices"], changes: Float[Tensor, "knots choices angles"]) -> list[int]:
    """The best choice at every knot, changes of choice being dear."""
    return best_path(scores, leaps_of(torch.cdist(changes[:-1], changes[1:])))


def leaps_of(angles: Float[Tensor, "*changes choices choices"]) -> Float[Tensor, "*changes choices choices"]:
    """What it costs to go over so many radians from knot to knot."""
    return (angles.square() / (2 * LEAP**2)).clamp_max(DEAREST)


def _spread(poses: Angles, count: int, known: Float[Tensor, "known angles"] | None = None) -> list[int]:
    """Some that differ from each other as much as can be, and from those that are known: none that is the same."""
    if known is None:
        picked = [int((poses - poses.mean(0)).norm(dim=-1).argmin())]
        known = poses[picked]
    else:
        picked = []
    away = torch.cdist(poses, known).amin(1)
    while len(picked) < min(count, len(poses)) and float(away.max()) > SAME:
        picked.append(int(away.argmax()))
        away = torch.minimum(away, (poses - poses[picked[-1]]).norm(dim=-1))
    return picked
