"""The processes of one run. `torchrun` starts them on any number of machines; each makes its share of every batch.

The network has a few million weights, so gradients travel as one flat sum after the backward pass. What a run does
depends on the whole batch alone: any number of processes take the same steps, but for rounding.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn

from mocapcli.errors import UsageError

Value = TypeVar("Value")
PATIENCE = timedelta(hours=6)  # the first process may have to read thousands of assets while the others wait


@dataclass(frozen=True)
class Team:
    """This process's place among those of the run; by default it is the only one."""

    rank: int = 0
    world: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes and prints."""
        return self.rank == 0

    def add_gradients(self, weights: Sequence[nn.Parameter]) -> None:
        """Every process's gradients, each of its share of the loss, become the whole batch's."""
        if self.world == 1:
            return
        gradients = [torch.zeros_like(weight) if weight.grad is None else weight.grad for weight in weights]
        touched = torch.tensor([weight.grad is not None for weight in weights]).to(gradients[0])
        whole = torch.cat([*(gradient.flatten() for gradient in gradients), touched])
        distributed.all_reduce(whole)
        *parts, touched = whole.split([*(weight.numel() for weight in weights), len(weights)])
        for weight, part, anybody in zip(weights, parts, touched.tolist(), strict=True):
            weight.grad = part.view_as(weight) if anybody else None

    def mean(self, figures: dict[str, Tensor], share: float) -> dict[str, float]:
        """Figures of the whole batch from each process's own."""
        values = torch.stack([figure.detach().float() for figure in figures.values()]) * share
        if self.world > 1:
            distributed.all_reduce(values)
        return dict(zip(figures, values.tolist(), strict=True))

    def agree(self, value: Value) -> Value:
        """The first process's value, for all."""
        if self.world == 1:
            return value
        values = [value]
        distributed.broadcast_object_list(values)
        return values[0]

    def any(self, asked: bool) -> bool:
        """Whether it is so for one of them: then it is for all."""
        if self.world == 1:
            return asked
        votes = torch.tensor(float(asked))
        distributed.all_reduce(votes)
        return bool(votes)

    def gather(self, rows: list[Value]) -> list[Value]:
        """Everybody's rows."""
        if self.world == 1:
            return rows
        everybody: list[Any] = [None] * self.world
        distributed.all_gather_object(everybody, rows)
        return [row for part in everybody for row in part]


class _Sum(torch.autograd.Function):
    """Everybody's values added up. So are the gradients, since everybody's loss depends on the sum."""

    @staticmethod
    def forward(_: Any, values: Tensor) -> Tensor:
        total = values.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        total = gradient.contiguous().clone()
        distributed.all_reduce(total)
        return total


class SharedBatchNorm(nn.BatchNorm2d):
    """Batch norm over the batch of all processes; torch's own works on GPUs alone."""

    def forward(self, images: Tensor) -> Tensor:
        if not self.training:
            return super().forward(images)
        values = images.float()
        own = [values.sum((0, 2, 3)), values.new_tensor([values[:, 0].numel()])]
        sums, count = _Sum.apply(torch.cat(own)).split([self.num_features, 1])  # type: ignore[no-untyped-call]
        mean = sums / count
        away = values - mean[:, None, None]  # then squared: the difference of large squares would be mere rounding
        variance = _Sum.apply(away.square().sum((0, 2, 3))) / count  # type: ignore[no-untyped-call]
        with torch.no_grad():
            momentum = self.momentum or 0.1
            self.running_mean.lerp_(mean, momentum)  # type: ignore[union-attr]
            self.running_var.lerp_(variance * count / (count - 1), momentum)  # type: ignore[union-attr]
            self.num_batches_tracked.add_(1)  # type: ignore[union-attr]
        scale = self.weight * (variance + self.eps).rsqrt()
        result: Tensor = (away * scale[:, None, None] + self.bias[:, None, None]).to(images)
        return result


def share_statistics(network: nn.Module, team: Team) -> None:
    """Let the processes' batch norms see the whole batch."""
    for module in network.modules() if team.world > 1 else ():
        for name, child in module.named_children():
            if type(child) is nn.BatchNorm2d:
                shared = SharedBatchNorm(child.num_features, child.eps, child.momentum)
                shared.load_state_dict(child.state_dict())
                setattr(module, name, shared.to(child.weight.device))


@contextmanager
def join_team(device: torch.device) -> Iterator[Team]:
    """The team that the environment tells of (RANK, WORLD_SIZE, … as torchrun sets them), for the length of a run."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world < 2:
        yield Team()
        return
    missing = [name for name in ("RANK", "MASTER_ADDR", "MASTER_PORT") if name not in os.environ]
    if missing:
        raise UsageError(f"WORLD_SIZE is {world} but {missing[0]} is not set", remedy="start with torchrun")
    if device.type == "cuda":
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    distributed.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield Team(distributed.get_rank(), world)
        distributed.barrier()  # nobody leaves while another still writes
    finally:
        distributed.destroy_process_group()
