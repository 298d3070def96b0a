"""What is trained: stage 1 (pose), stage 2 (rotation), both (joint), stage 3 (refine), what invents poses
(imagine), or what judges them (judge). The loop is the same."""

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mocapcli.errors import InvalidDataError
from mocapcli.network.encoder import unit
from mocapcli.network.imaginer import Imaginer
from mocapcli.network.model import MotionNetwork
from mocapcli.network.precision import precision
from mocapcli.network.refiner import Refiner
from mocapcli.network.video_to_pose import PoseEstimate, VideoToPose
from mocapcli.training.batches import Batch
from mocapcli.training.config import TrainConfig
from mocapcli.training.imagine import ImagineBatch, ImagineStream, imagine_figures, imagine_loss
from mocapcli.training.joint import joint_loss, rotation_batch
from mocapcli.training.objectives import pose_figures, pose_loss
from mocapcli.training.refine import RefineBatch, RefineStream, refine_figures, refine_loss
from mocapcli.training.rotation import RotationBatch, RotationStream, rotation_figures, rotation_loss
from mocapcli.training.stream import BatchStream, FamilyStream
from mocapcli.training.wear import worn

Loss = tuple[Tensor, dict[str, Tensor]]  # the sum, and its parts


class Task(Protocol):
    """One stage's part in the loop."""

    @property
    def judged_by(self) -> str: ...
    @property
    def stream(self) -> type[FamilyStream[Any]]: ...
    def part(self, network: MotionNetwork) -> nn.Module: ...
    def size(self, config: TrainConfig) -> tuple[int, int]:
        """Slots of a batch, which processes share out among them, and frames of a slot."""
        ...

    def loss(self, network: MotionNetwork, batch: Any, config: TrainConfig, done: float) -> Loss:
        """`done`: how far the run is, 0 to 1."""
        ...

    def figures(self, network: MotionNetwork, batch: Any) -> dict[str, float]: ...


@dataclass(frozen=True)
class PoseTask:
    """Crops to positions."""

    judged_by: str = "mpjpe_percent"
    stream: type[FamilyStream[Any]] = BatchStream

    def part(self, network: MotionNetwork) -> nn.Module:
        return network.video_to_pose

    def size(self, config: TrainConfig) -> tuple[int, int]:
        return config.data.rigs, config.data.clips * config.data.frames

    def loss(self, network: MotionNetwork, batch: Batch, config: TrainConfig, done: float) -> Loss:
        with precision(batch.crops.device, config.half):
            estimate = look_at(network.video_to_pose, batch, batch.told)
        return pose_loss(estimate, batch, config.weights)

    def figures(self, network: MotionNetwork, batch: Batch) -> dict[str, float]:
        return pose_figures(look_at(network.video_to_pose, batch, None), batch)


def look_at(stage: VideoToPose, batch: Batch, yaw: Float[Tensor, "batch frames"] | None) -> PoseEstimate:
    """Stage 1 on a batch; what it makes of a rig is worked out once for all its clips."""
    crops = batch.crops if batch.wear is None else worn(unit(batch.crops), batch.wear)
    features, queries = stage.look(crops, batch.rigs, batch.views)
    glance = stage.glance(features, queries[batch.owner], batch.rig, batch.frame_mask)
    return stage.decide(features, glance, batch.rig, batch.tangent, batch.frame_mask, yaw)


@dataclass(frozen=True)
class RotationTask:
    """Positions to rotations."""

    judged_by: str = "world_degrees"
    stream: type[FamilyStream[Any]] = RotationStream

    def part(self, network: MotionNetwork) -> nn.Module:
        return network.rotation

    def size(self, config: TrainConfig) -> tuple[int, int]:
        return config.rotation.clips, config.rotation.frames

    def loss(self, network: MotionNetwork, batch: RotationBatch, config: TrainConfig, done: float) -> Loss:
        network.rotation.low_precision = config.half
        output = network.rotation(batch.positions, batch.rig, batch.noise)
        network.rotation.low_precision = False
        return rotation_loss(output, batch, config.rotation_weights)

    def figures(self, network: MotionNetwork, batch: RotationBatch) -> dict[str, float]:
        return rotation_figures(network.rotation, batch)


@dataclass(frozen=True)
class RefineTask:
    """Poses to better poses, by looking."""

    judged_by: str = "world_degrees"
    stream: type[FamilyStream[Any]] = RefineStream

    def part(self, network: MotionNetwork) -> nn.Module:
        return refiner_of(network)

    def size(self, config: TrainConfig) -> tuple[int, int]:
        return config.data.rigs, config.data.clips * config.data.frames

    def loss(self, network: MotionNetwork, batch: RefineBatch, config: TrainConfig, done: float) -> Loss:
        refiner = refiner_of(network)
        refiner.low_precision = config.half
        rounds = int(torch.randint(1, config.refine.rounds + 1, ()))
        loss = refine_loss(refiner, batch, rounds)
        refiner.low_precision = False
        return loss

    def figures(self, network: MotionNetwork, batch: RefineBatch) -> dict[str, float]:
        return refine_figures(refiner_of(network), batch)


@dataclass(frozen=True)
class ImagineTask:
    """Noise to poses."""

    judged_by: str = "nearest_percent"
    stream: type[FamilyStream[Any]] = ImagineStream

    def part(self, network: MotionNetwork) -> nn.Module:
        return imaginer_of(network)

    def size(self, config: TrainConfig) -> tuple[int, int]:
        return config.imagine.rigs, config.imagine.poses

    def loss(self, network: MotionNetwork, batch: ImagineBatch, config: TrainConfig, done: float) -> Loss:
        with precision(batch.world.device, config.half):
            return imagine_loss(imaginer_of(network), batch)

    def figures(self, network: MotionNetwork, batch: ImagineBatch) -> dict[str, float]:
        return imagine_figures(imaginer_of(network), batch)


@dataclass(frozen=True)
class JointTask(PoseTask):
    """Crops to positions to rotations, in one."""

    judged_by: str = "world_degrees"

    def part(self, network: MotionNetwork) -> nn.Module:
        return nn.ModuleList([network.video_to_pose, network.rotation])

    def loss(self, network: MotionNetwork, batch: Batch, config: TrainConfig, done: float) -> Loss:
        with precision(batch.crops.device, config.half):
            estimate = look_at(network.video_to_pose, batch, batch.told)
        share = max(config.true_positions, 1 - 2 * done)  # nearly all at first, few in the end
        return joint_loss(network, batch, estimate, config, batch.chance < share)

    def figures(self, network: MotionNetwork, batch: Batch) -> dict[str, float]:
        estimate = look_at(network.video_to_pose, batch, None)
        turned = rotation_figures(network.rotation, rotation_batch(estimate, batch, batch.chance < 0))
        return pose_figures(estimate, batch) | turned


def refiner_of(network: MotionNetwork) -> Refiner:
    if network.refiner is None:
        raise InvalidDataError("this network was built without stage 3, render-and-compare")
    return network.refiner


def imaginer_of(network: MotionNetwork) -> Imaginer:
    if network.imaginer is None:
        raise InvalidDataError("this network was built without what invents poses")
    return network.imaginer


TASKS: dict[str, Task] = {
    "pose": PoseTask(),
    "rotation": RotationTask(),
    "joint": JointTask(),
    "refine": RefineTask(),
    "imagine": ImagineTask(),
}
