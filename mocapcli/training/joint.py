"""Both stages at once: what stage 1 sees goes on to stage 2, and the error of the rotations comes back.

Stage 2 gets true positions now and then (mostly at first), so that it learns from something while stage 1 is bad.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mocapcli.network.model import MotionNetwork
from mocapcli.network.video_to_pose import LAPLACE_DEVIATION, PoseEstimate
from mocapcli.network.views import tilt_matrix
from mocapcli.training.batches import Batch
from mocapcli.training.config import TrainConfig
from mocapcli.training.objectives import pose_loss, upright
from mocapcli.training.rotation import RotationBatch, rotation_loss

ROTATIONS = 0.5  # weight of stage 2's loss beside stage 1's
LEAST_NOISE = 0.002  # that stage 2 is told of true positions
STILLS = 2  # single pictures of a rig that stage 2 learns from


def joint_loss(
    network: MotionNetwork,
    batch: Batch,
    estimate: PoseEstimate,
    config: TrainConfig,
    given: Bool[Tensor, " batch"],
) -> tuple[Tensor, dict[str, Tensor]]:
    """Stage 1's loss, and stage 2's on what stage 1 found, or on the truth in clips where that is given."""
    total, parts = pose_loss(estimate, batch, config.weights)
    asked = rotation_batch(estimate, batch, given)
    output = network.rotation(asked.positions, asked.rig, asked.noise)
    turned, angles = rotation_loss(output, asked, config.rotation_weights)
    return total + ROTATIONS * turned, parts | angles


def rotation_batch(estimate: PoseEstimate, batch: Batch, given: Bool[Tensor, " batch"]) -> RotationBatch:
    """Stage 2's task in the upright frame of each clip's camera."""
    targets, given = batch.targets, given[:, None, None]
    seen = upright(estimate.positions, estimate.pitch)
    truth = upright(targets.positions, targets.pitch)
    power = batch.noise.square().mean((1, 3)).sum(-1) / batch.rig.mask.sum(-1)  # padding has none
    level = power.sqrt().clamp_min(LEAST_NOISE)[:, None, None]
    noise = torch.where(given, level.expand_as(estimate.spread), LAPLACE_DEVIATION * estimate.spread.detach())
    positions = torch.where(given[..., None], truth + batch.noise, seen)
    rotations = upright_rotations(batch)
    if batch.moving:
        return RotationBatch(batch.rig, positions, noise, rotations)
    kept = min(STILLS, positions.shape[1])
    each = [values[:, :kept].flatten(0, 1).unsqueeze(1) for values in (positions, noise, rotations)]
    return RotationBatch(batch.rigs.select(batch.owner.repeat_interleave(kept)), *each)


def upright_rotations(batch: Batch) -> Float[Tensor, "batch frames joints 3 3"]:
    """True world rotations in the gravity-up, camera-yaw-aligned frame."""
    turn = tilt_matrix(batch.targets.pitch).transpose(-1, -2) @ batch.targets.camera
    return turn[:, :, None] @ batch.targets.world_rotations
