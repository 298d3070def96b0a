"""The fine-tuning itself: a time budget, every core, and an error to watch on a fixed slice of renders.

What a rig looks like is what is new of it, so stage 1 alone learns; from joints to rotations it goes as for any rig.
"""

import copy
import math
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from mocapcli.adapting.scenes import RigScenes
from mocapcli.cores import cores
from mocapcli.network.model import MotionNetwork
from mocapcli.network.precision import half_pays, precision
from mocapcli.network.threads import one_thread
from mocapcli.training.batches import Batch
from mocapcli.training.objectives import PoseWeights, pose_figures, pose_loss
from mocapcli.training.state import MovingAverage
from mocapcli.training.tasks import look_at

LR, WARMUP, FINAL_RATE = 5e-4, 20, 0.03
MEMORY = 0.985  # of the averaged weights, by step
GRADIENT = 5.0
WEIGHTS = PoseWeights(facing=0.25)
JUDGED_BATCHES = 3
MOST_REPLICAS = 16  # pictures of a step grow with them, and steps are what counts in minutes
LOOK_EVERY, LOOKING = 20.0, 0.05  # least seconds between looks at the fixed slice, and the share of time they may take


@dataclass(frozen=True)
class Progress:
    """How far it has come; the error is that of positions, in % of the rig's size, on renders never trained on."""

    seconds: float
    samples: int
    figures: dict[str, float]
    stopped: bool = False  # by Ctrl-C


@dataclass(frozen=True)
class AdaptOptions:
    seconds: float
    threads: int = 0  # 0: one for each core
    half: bool | None = None  # bf16; None: where it pays
    most_steps: int | None = None


def adapt(
    network: MotionNetwork,
    scenes: RigScenes,
    options: AdaptOptions,
    watch: Callable[[Progress], object] = lambda progress: None,
) -> tuple[MotionNetwork, Progress]:
    """A copy of the network that knows this rig, or knows it as before if learning did harm.

    Stopped early (Ctrl-C), it knows what was learnt so far; `Progress.stopped` tells.
    """
    device = next(network.parameters()).device
    with one_thread():  # replicas share the cores among themselves
        crew = _Crew(network, scenes, options, device)
        started = time.monotonic()
        judges = [scenes.batch(k, "judge").to(device) for k in range(JUDGED_BATCHES)]
        drawn = time.monotonic() - started
        before = progress = Progress(0.0, 0, crew.figures(judges))
        watch(progress)
        looked = time.monotonic() - started
        pause = max(LOOK_EVERY, (looked - drawn) / LOOKING)
        stopped = False
        with crew:
            try:
                while progress.seconds < options.seconds and crew.steps != options.most_steps:
                    crew.step(_rate(progress.seconds / options.seconds, crew.steps))
                    seconds, figures = time.monotonic() - started, progress.figures
                    if seconds - looked > pause and seconds < options.seconds:
                        looked, figures = seconds, crew.figures(judges)
                    progress = Progress(seconds, crew.samples, figures)
                    watch(progress)
            except KeyboardInterrupt:
                if not crew.steps:
                    raise
                stopped = True
        progress = Progress(progress.seconds, crew.samples, crew.figures(judges), stopped)
        if not _off(progress) <= _off(before):  # nor if nothing is left but NaN
            unchanged = replace(progress, figures=before.figures)
            watch(unchanged)
            return copy.deepcopy(network).eval(), unchanged
        watch(progress)
    return crew.result(), progress


def _off(progress: Progress) -> float:
    """Error in space and in the picture, in % of the rig's size and of the crop."""
    return progress.figures["mpjpe_percent"] + progress.figures["places_percent"]


class _Crew:
    """Replicas of the network, one for each core, that learn from different renders and agree after every step.

    Threads, not processes: nearly all the time is spent in torch and numba, which let go of Python's lock.
    """

    def __init__(self, network: MotionNetwork, scenes: RigScenes, options: AdaptOptions, device: torch.device) -> None:
        self.scenes, self.device = scenes, device
        self.half = half_pays() if options.half is None else options.half
        self.network = copy.deepcopy(network).train()
        self.weights = _trained(self.network)
        # Not the fused one: on a processor it takes gradients of kernels that lie otherwise in memory for other ones.
        self.optimizer = torch.optim.AdamW(self.weights, LR, weight_decay=0.0)
        self.average = MovingAverage(self.network, MEMORY)
        count = min(options.threads or cores(), MOST_REPLICAS)
        on_processor = device.type == "cpu"
        self.replicas = [self.network, *(copy.deepcopy(self.network) for _ in range(count - 1 if on_processor else 0))]
        self.pool = ThreadPoolExecutor(count)
        self.ahead = count if on_processor else 2 * count
        self.queue: list[Future[Batch]] = []
        self.steps = self.drawn = self.samples = 0

    def step(self, rate: float) -> None:
        """One update from a batch of each replica."""
        for group in self.optimizer.param_groups:
            group["lr"] = LR * rate
        batches = [self._next() for _ in self.replicas]
        jobs = [
            self.pool.submit(self._learn, replica, batch) for replica, batch in zip(self.replicas, batches, strict=True)
        ]
        self._draw_ahead()  # behind the learning: threads that have done draw, where they would wait for the others
        gradients = [job.result() for job in jobs]
        for weight, *parts in zip(self.weights, *gradients, strict=True):
            known = [part for part in parts if part is not None]
            weight.grad = sum(known) / len(parts) if known else None
        if torch.isfinite(nn.utils.clip_grad_norm_(self.weights, GRADIENT)):
            self.optimizer.step()
        self.steps += 1
        self.average.update(self.network, self.steps)
        with torch.no_grad():
            for replica in self.replicas[1:]:
                for own, shared in zip(_trained(replica), self.weights, strict=True):
                    own.copy_(shared)

    def _next(self) -> "Future[Batch]":
        if not self.queue:
            self._draw_ahead()
        return self.queue.pop(0)

    def _draw_ahead(self) -> None:
        while len(self.queue) < self.ahead:
            self.queue.append(self.pool.submit(self.scenes.batch, self.drawn))
            self.drawn += 1

    def _learn(self, replica: MotionNetwork, coming: "Future[Batch]") -> list[Tensor | None]:
        batch = coming.result().to(self.device)
        told = batch.targets.yaw + 0.15 * torch.randn_like(batch.targets.yaw)
        with precision(self.device, self.half):
            estimate = look_at(replica.video_to_pose, batch, told if torch.rand(()) < 0.6 else None)
        loss, _ = pose_loss(estimate, batch, WEIGHTS)
        self.samples += estimate.yaw_logits.shape[0] * estimate.yaw_logits.shape[1]
        gradients = torch.autograd.grad(loss, _trained(replica), allow_unused=True)
        return list(gradients)

    @torch.no_grad()
    def figures(self, judges: list[Batch]) -> dict[str, float]:
        own = copy.deepcopy(self.network).eval()
        own.load_state_dict(self.average.weights)
        rows = [pose_figures(look_at(own.video_to_pose, batch, None), batch) for batch in judges]
        return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}

    def result(self) -> MotionNetwork:
        self.network.load_state_dict(self.average.weights)
        return self.network.eval()

    def __enter__(self) -> "_Crew":
        return self

    def __exit__(self, *_: object) -> None:
        self.pool.shutdown(wait=True, cancel_futures=True)


def _trained(network: MotionNetwork) -> list[nn.Parameter]:
    """All of stage 1 but the vectors of names: a rig knows only its own."""
    named = network.video_to_pose.named_parameters()
    return [weight for name, weight in named if "names." not in name and weight.requires_grad]


def _rate(done: float, steps: int) -> float:
    warm = min(1.0, (steps + 1) / WARMUP)
    return warm * (FINAL_RATE + (1 - FINAL_RATE) * 0.5 * (1 + math.cos(math.pi * min(done, 1.0))))
