"""An optional last touch: turn joints a little so that they are seen where stage 1 saw them."""

from dataclasses import dataclass, replace

import numpy as np
import roma
import torch
from jaxtyping import Float
from torch import Tensor

from mocapcli.capturing.inference import PoseTrack
from mocapcli.capturing.space import level
from mocapcli.capturing.turning import bones_of
from mocapcli.capturing.windows import Renewed, window_length, windows
from mocapcli.network.graph import DepthLevels, build_levels
from mocapcli.network.kinematics import forward_kinematics, local_to_world_rotations, world_to_local_rotations
from mocapcli.network.reference import RigReference
from mocapcli.network.threads import one_thread
from mocapcli.render.camera import Camera

OVERLAP = 24
STEP = 0.01  # of the optimiser: radians, and sizes
STAY, SMOOTH, KEEP_PLACE = 0.05, 0.3, 0.5  # against turning away from stage 2, against shaking, against moving off
TOLERANCE = 0.03  # of the body's size in the picture: what is farther off pulls no harder


@one_thread()
def polish(
    pose: PoseTrack, reference: RigReference, sure: Float[np.ndarray, " frames"], full: Camera, iterations: int
) -> PoseTrack:
    """The pose after so many steps of a small optimisation, window by window; none leave it as it is."""
    if iterations == 0 or pose.rotations is None or pose.placed is None:
        return pose
    renewed = Renewed.of(pose.rotations, pose.placed)
    for first, last in windows(len(pose.placed), window_length(reference.joints, OVERLAP), OVERLAP):
        problem = Problem.of(pose, reference, sure, full, slice(first, last))
        renewed.take(first, last, *problem.solve(iterations))
    return replace(pose, rotations=renewed.rotations, placed=renewed.placed)


@dataclass(frozen=True, eq=False)
class Problem:
    """One window, in sizes and the level frame."""

    local: Float[Tensor, "1 frames joints 3 3"]
    start: Float[Tensor, "1 frames joints 3"]
    bones: Float[Tensor, "joints 3"]
    roots: Float[Tensor, "joints 1"]
    levels: DepthLevels
    places: Float[Tensor, "frames joints 2"]  # tangents, x right and y up
    weights: Float[Tensor, "frames joints"]
    view: Float[Tensor, "3 3"]  # level frame to camera axes
    size: float

    @classmethod
    def of(
        cls, pose: PoseTrack, reference: RigReference, sure: Float[np.ndarray, " frames"], full: Camera, part: slice
    ) -> "Problem":
        """Only joints that deform are looked at, the surer the more."""
        if pose.rotations is None or pose.placed is None:
            raise ValueError("stage 2 has not been asked")
        parents = torch.tensor(reference.carriers)[None]
        world = roma.unitquat_to_rotmat(torch.from_numpy(pose.rotations[part]))[None]
        tangents = (pose.places[part] - full.centre) / float(full.focal) * (1, -1)
        noise = pose.noise[part] / pose.size
        weights = sure[part, None] * reference.deforms * pose.seen[part, None] / (1 + (noise / TOLERANCE) ** 2)
        return cls(
            world_to_local_rotations(world, parents),
            torch.from_numpy(pose.placed[part])[None] / pose.size,
            torch.from_numpy(bones_of(reference)) / pose.size,
            (parents[0] < 0)[:, None].double(),
            build_levels(parents),
            torch.from_numpy(tangents),
            torch.from_numpy(weights),
            torch.from_numpy(level(pose.pitch).T.copy()),
            pose.size,
        )

    def solve(self, iterations: int) -> tuple[np.ndarray, np.ndarray]:
        """World rotations (quaternions) and joints (metres)."""
        turns = torch.zeros(self.local.shape[:-1], dtype=torch.float64, requires_grad=True)
        moves = torch.zeros(1, self.local.shape[1], 1, 3, dtype=torch.float64, requires_grad=True)
        optimiser = torch.optim.Adam([turns, moves], lr=STEP)
        with torch.enable_grad():
            for _ in range(iterations):
                optimiser.zero_grad()
                self.energy(turns, moves).backward()
                optimiser.step()
        with torch.no_grad():
            local, placed = self.posed(turns, moves)
            world = local_to_world_rotations(local, self.levels)
            return roma.rotmat_to_unitquat(world)[0].numpy(), placed[0].numpy() * self.size

    def posed(self, turns: Tensor, moves: Tensor) -> tuple[Tensor, Tensor]:
        local = self.local @ roma.rotvec_to_rotmat(turns)
        offsets = self.bones + self.roots * (self.start + moves)
        return local, forward_kinematics(local, offsets, self.levels)[1]

    def energy(self, turns: Tensor, moves: Tensor) -> Tensor:
        """Distance in the picture in sizes at the body's distance, bounded; and what keeps the pose as it was."""
        _, placed = self.posed(turns, moves)
        seen = placed[0] @ self.view.T
        ahead = (-seen[..., 2:]).clamp_min(0.1)
        off = (seen[..., :2] / ahead - self.places) * ahead.detach()
        squared = off.square().sum(-1) / TOLERANCE**2
        data = (self.weights * torch.log1p(squared)).sum() / self.weights.sum().clamp_min(1e-6)
        kept = STAY * turns.square().sum(-1).mean() + KEEP_PLACE * moves.square().sum(-1).mean()
        shake = sum((values.diff(dim=1).square().sum(-1).mean() for values in (turns, moves)), start=torch.zeros(()))
        return data + kept + (SMOOTH * shake if turns.shape[1] > 1 else 0.0)
