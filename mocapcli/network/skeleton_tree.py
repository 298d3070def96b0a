"""Many uncertain steps along a skeleton at once: what is known of each joint tells something of all others.

A joint's state is six numbers: how far it moves, and how far everything that hangs on it turns. It follows from its
parent's, but for a move and a turn of its own that are believed to be near what is usual. Of such a tree of Gaussians
the likeliest states are found exactly by one pass inwards and one outwards, as a Kalman smoother does along time.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mocapcli.network.graph import DepthLevels
from mocapcli.network.procrustes import cross_matrix, inverse_symmetric

MOVE, TURN = slice(0, 3), slice(3, 6)
ANYWHERE = 1e3  # sizes: nothing is known of where a root stands
Vectors = Float[Tensor, "joints frames 6"]
Matrices = Float[Tensor, "joints frames 6 6"]


@dataclass(frozen=True, eq=False)
class SkeletonTree:
    """How joints' states follow from their parents'. All joints of a batch lie in a row."""

    levels: DepthLevels
    arms: Float[Tensor, "joints frames 3"]  # from the parent
    give: Float[Tensor, "joints frames 1"]  # variance of moves of their own
    spread: Float[Tensor, "joints frames 1"]  # variance of turns of their own
    usual: Vectors  # moves and turns of their own; of roots, all of it

    def solve(self, info: Matrices, pull: Vectors) -> Vectors:
        """The likeliest moves and turns of each joint's own. `info`: of its state; `pull`: info times what is seen."""
        kept = []
        for level in range(len(self.levels.joints) - 1, 0, -1):
            members = self.levels.joints[level]
            parents = self.levels.joints[level - 1][self.levels.parents[level]]
            link, told, told_pull = self._inwards(members, info[members], pull[members])
            kept.append(link)
            info, pull = info.index_add(0, parents, told), pull.index_add(0, parents, told_pull)
        return self._outwards(kept[::-1], info, pull)

    def _inwards(self, members: Tensor, info: Matrices, pull: Vectors) -> tuple["_Link", Matrices, Vectors]:
        """What a level's joints, with all that hangs on them, tell of their parents."""
        arm = torch.eye(6).to(info).repeat(*info.shape[:2], 1, 1)
        arm[..., MOVE, TURN] = -cross_matrix(self.arms[members])
        pull = pull - times(info, self.usual[members])
        moving = _Loose.of(info, pull, self.give[members], MOVE)
        turning = _Loose.of(moving.left, moving.left_pull, self.spread[members], TURN)
        across = arm.transpose(-1, -2)
        return _Link(arm, moving, turning), across @ turning.left @ arm, times(across, turning.left_pull)

    def _outwards(self, links: list["_Link"], info: Matrices, pull: Vectors) -> Vectors:
        """From where the roots go to each joint's own share of its way."""
        roots = self.levels.joints[0]
        still = torch.cat([torch.full_like(self.arms, ANYWHERE**-2), 1 / self.spread.expand_as(self.arms)], dim=-1)[
            roots
        ]
        state = torch.linalg.solve(info[roots] + torch.diag_embed(still), pull[roots] + still * self.usual[roots])
        own = [state]
        for level, link in enumerate(links, start=1):
            usual = self.usual[self.levels.joints[level]]
            state = times(link.arm, state[self.levels.parents[level]])
            turn = link.turning.given(state)
            state = torch.cat([state[..., MOVE], state[..., TURN] + turn], dim=-1)
            step = torch.cat([link.moving.given(state), turn], dim=-1)
            state = torch.cat([state[..., MOVE] + step[..., MOVE], state[..., TURN]], dim=-1) + usual
            own.append(step + usual)
        return torch.cat(own)[self.levels.inverse]


@dataclass(frozen=True, eq=False)
class _Loose:
    """Part of a state that has an unknown of its own: what is left to be known, and the unknown given the rest."""

    left: Matrices
    left_pull: Vectors
    gain: Float[Tensor, "joints frames 3 3"]
    rows: Float[Tensor, "joints frames 3 6"]
    rows_pull: Float[Tensor, "joints frames 3"]

    @classmethod
    def of(cls, info: Matrices, pull: Vectors, variance: Float[Tensor, "joints frames 1"], part: slice) -> "_Loose":
        share = variance[..., None]
        gain = share * inverse_symmetric(torch.eye(3).to(info) + share * info[..., part, part])
        across = info[..., :, part] @ gain
        left = info - across @ info[..., part, :]
        return cls(left, pull - times(across, pull[..., part]), gain, info[..., part, :], pull[..., part])

    def given(self, state: Vectors) -> Float[Tensor, "joints frames 3"]:
        return times(self.gain, self.rows_pull - times(self.rows, state))


@dataclass(frozen=True, eq=False)
class _Link:
    """One level's joints and their parents."""

    arm: Matrices  # from the parents' states to theirs
    moving: _Loose
    turning: _Loose


def times(matrices: Tensor, vectors: Tensor) -> Tensor:
    result: Tensor = (matrices @ vectors[..., None])[..., 0]
    return result
