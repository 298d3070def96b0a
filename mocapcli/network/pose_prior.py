"""Which poses are likely of a rig: a Gaussian of the turns that are imagined for it.

Limbs bend together as they are wont to: whoever is pulled at one paw gives way with the whole leg, and mostly in the
ways that legs go. Angles are those of `imaginer`: each joint's turn against its parent, away from the reference pose.
"""

import math
from dataclasses import dataclass

import roma
import torch
from jaxtyping import Float
from torch import Tensor

from mocapcli.network.imaginer import TURN, Imaginer, turns_of
from mocapcli.network.kinematics import local_to_world_rotations
from mocapcli.network.reference import RigBatch

IMAGINED, TOGETHER = 128, 32  # poses, and how many at once
ALONE = 0.3  # share of the covariance that is each angle's own: few poses tell little of pairs
LEAST, WILD = math.radians(4.0), 1.3  # imagined poses are a little too tame
USUAL = 0.25  # radians: of a joint of which nothing is known
Turns = Float[Tensor, "frames joints 3"]
Deltas = Float[Tensor, "1 frames joints 3 3"]


@dataclass(frozen=True, eq=False)
class PosePrior:
    """Turns and back: in whitened angles every pose is as likely as its square is small."""

    mean: Float[Tensor, " angles"]
    factor: Float[Tensor, "angles angles"]  # Cholesky, of the covariance
    rig: RigBatch
    poses: Float[Tensor, "poses angles"]  # those imagined

    @classmethod
    @torch.no_grad()
    def of(cls, imaginer: Imaginer | None, rig: RigBatch) -> "PosePrior":
        """`rig`: one, in a batch. Without anyone to imagine, all joints turn alike and alone."""
        angles = 3 * rig.mask.shape[1]
        if imaginer is None:
            eye = torch.eye(angles).to(rig.rest_positions)
            return cls(eye[0] * 0, USUAL * eye, rig, eye[:0])
        noise = torch.randn(IMAGINED, angles // 3, 3, generator=torch.Generator().manual_seed(0))
        worlds = [imaginer.imagine(part[None].to(rig.rest_positions), rig) for part in noise.split(TOGETHER)]
        poses = _flat(turns_of(torch.cat(worlds, dim=1), rig)[0] * TURN).double()
        covariance = poses.T.cov()
        own = torch.diag(covariance.diagonal())
        covariance = (1 - ALONE) * covariance + ALONE * own + LEAST**2 * torch.eye(angles).to(own)
        factor = WILD * torch.linalg.cholesky(covariance)
        mean, factor, poses = (values.to(noise.dtype) for values in (poses.mean(0), factor, poses))
        return cls(mean, factor, rig, poses)

    def whitened(self, world: Deltas) -> tuple[Float[Tensor, "frames angles"], Deltas]:
        """Of world rotations: their angles, and the headings that angles leave out."""
        turns = _flat(turns_of(world, self.rig)[0] * TURN)
        white = self.white(turns)
        deltas = world @ self.rig.reference_rotations[:, None].transpose(-1, -2)
        return white, deltas @ self.deltas(white).transpose(-1, -2)

    def white(self, angles: Float[Tensor, "frames angles"]) -> Float[Tensor, "frames angles"]:
        result: Tensor = torch.linalg.solve_triangular(self.factor, (angles - self.mean).T, upper=False).T
        return result

    def angles(self, white: Float[Tensor, "frames angles"]) -> Float[Tensor, "frames angles"]:
        return self.mean + white @ self.factor.T

    def deltas(self, white: Float[Tensor, "frames angles"]) -> Deltas:
        """Turns of all joints in the world, away from the reference pose, without a heading."""
        turns = self.angles(white).unflatten(-1, (-1, 3))
        result: Deltas = local_to_world_rotations(roma.rotvec_to_rotmat(turns)[None], self.rig.levels)
        return result


def _flat(turns: Turns) -> Float[Tensor, "frames angles"]:
    return turns.flatten(1)
