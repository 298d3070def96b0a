"""What is trained: stage 1 (pose) or stage 2 (rotation). The loop is the same."""

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from mocapcli.network.model import MotionNetwork
from mocapcli.training.batches import Batch
from mocapcli.training.config import TrainConfig
from mocapcli.training.objectives import pose_figures, pose_loss
from mocapcli.training.rotation import RotationBatch, RotationStream, rotation_figures, rotation_loss
from mocapcli.training.stream import BatchStream

FACING_DOUBT = 0.15  # radians by which the facing told in training is off


class Task(Protocol):
    """One stage's part in the loop."""

    @property
    def judged_by(self) -> str: ...
    def part(self, network: MotionNetwork) -> nn.Module: ...
    def stream(self, cache: Path, config: TrainConfig, validation: bool = False) -> Dataset[Any]: ...
    def loss(self, network: MotionNetwork, batch: Any, config: TrainConfig) -> tuple[Tensor, dict[str, Tensor]]: ...
    def figures(self, network: MotionNetwork, batch: Any) -> dict[str, float]: ...


@dataclass(frozen=True)
class PoseTask:
    """Crops to positions."""

    judged_by: str = "mpjpe_percent"

    def part(self, network: MotionNetwork) -> nn.Module:
        return network.video_to_pose

    def stream(self, cache: Path, config: TrainConfig, validation: bool = False) -> Dataset[Any]:
        return BatchStream(cache, config, validation=validation)

    def loss(self, network: MotionNetwork, batch: Batch, config: TrainConfig) -> tuple[Tensor, dict[str, Tensor]]:
        told = batch.targets.yaw + FACING_DOUBT * torch.randn_like(batch.targets.yaw)
        yaw = told if torch.rand(()) < config.told_facing else None
        with precision(batch.crops.device):
            estimate = network.video_to_pose(batch.crops, batch.rig, batch.views, batch.tangent, yaw)
        return pose_loss(estimate, batch, config.weights)

    def figures(self, network: MotionNetwork, batch: Batch) -> dict[str, float]:
        estimate = network.video_to_pose(batch.crops, batch.rig, batch.views, batch.tangent)
        return pose_figures(estimate, batch)


@dataclass(frozen=True)
class RotationTask:
    """Positions to rotations."""

    judged_by: str = "world_degrees"

    def part(self, network: MotionNetwork) -> nn.Module:
        return network.rotation

    def stream(self, cache: Path, config: TrainConfig, validation: bool = False) -> Dataset[Any]:
        return RotationStream(cache, config, validation=validation)

    def loss(
        self, network: MotionNetwork, batch: RotationBatch, config: TrainConfig
    ) -> tuple[Tensor, dict[str, Tensor]]:
        network.rotation.low_precision = config.half
        output = network.rotation(batch.positions, batch.rig, batch.noise)
        network.rotation.low_precision = False
        return rotation_loss(output, batch)

    def figures(self, network: MotionNetwork, batch: RotationBatch) -> dict[str, float]:
        return rotation_figures(network.rotation, batch)


TASKS: dict[str, Task] = {"pose": PoseTask(), "rotation": RotationTask()}


def precision(device: torch.device) -> Any:
    """bf16 on a GPU."""
    return torch.autocast("cuda", torch.bfloat16) if device.type == "cuda" else nullcontext()
