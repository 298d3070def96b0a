"""The training loop, from top to bottom; `tasks` says what is trained."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from mocapcli.network.model import MotionNetwork, choose_device
from mocapcli.training.config import TrainConfig
from mocapcli.training.state import MovingAverage, TrainState, load_state, save_state, save_weights
from mocapcli.training.stream import load_batches
from mocapcli.training.tasks import TASKS

VALIDATION_BATCHES = 8


@dataclass
class Trainer:
    """A run in its folder: `train.Trainer(config, cache, folder).run()`."""

    config: TrainConfig
    cache_folder: Path
    folder: Path
    device: torch.device = field(default_factory=choose_device)
    minutes: float | None = None
    progress_bar: bool = True

    def __post_init__(self) -> None:
        torch.manual_seed(self.config.seed)
        self.task = TASKS[self.config.stage]
        self.network = MotionNetwork(self.config.network).to(self.device)
        self.part = self.task.part(self.network)
        self.optimizer = torch.optim.AdamW(
            self.part.parameters(), self.config.lr, weight_decay=self.config.weight_decay
        )
        self.average = MovingAverage(self.network, self.config.ema)
        self.state = TrainState(0, 0.0, math.inf)
        self._resume()
        judges = self.task.stream(self.cache_folder, self.config, validation=True)
        self.validation = [judges[k].to(self.device) for k in range(VALIDATION_BATCHES)]

    def run(self) -> dict[str, float]:
        """Train until the steps, or the minutes, are over; the folder holds usable weights at any time."""
        started, saved = time.monotonic() - self.state.elapsed, time.monotonic()
        figures: dict[str, float] = {}
        bar = tqdm(total=self.config.steps, initial=self.state.step, disable=not self.progress_bar, unit="step")
        with bar, _Log(self.folder) as log:
            for batch in self._batches():
                parts = self.step(batch.to(self.device))
                self.state.elapsed = time.monotonic() - started
                bar.update()
                if self.state.step % 20 == 0:
                    bar.set_postfix({name: f"{float(value):.3f}" for name, value in parts.items()}, refresh=False)
                    log.write("train", self.state.step, {name: float(value) for name, value in parts.items()})
                over = self.minutes is not None and self.state.elapsed > 60 * self.minutes
                if self.state.step % self.config.evaluate_every == 0 or over:
                    figures = self.evaluate()
                    log.write("validation", self.state.step, figures)
                    self._keep_best(figures)
                if over or time.monotonic() - saved > self.config.save_every:
                    self.save()
                    saved = time.monotonic()
                if over:
                    break
        figures = figures or self.evaluate()
        self._keep_best(figures)
        self.save()
        return figures

    def step(self, batch: Any) -> dict[str, torch.Tensor]:
        """One update of the weights."""
        self.network.train()
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.lr * self._rate()
        loss, parts = self.task.loss(self.network, batch, self.config)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.part.parameters(), self.config.clip)
        self.optimizer.step()
        self.state.step += 1
        self.average.update(self.network, self.state.step)
        return parts | {"loss": loss.detach()}

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Figures of the averaged weights on the fixed validation slice."""
        own = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.network.load_state_dict(self.average.weights)
        self.network.eval()
        rows = [self.task.figures(self.network, batch) for batch in self.validation]
        self.network.load_state_dict(own)
        return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}

    def save(self) -> None:
        save_state(self.folder, self.config, self.state, self.network, self.optimizer, self.average)

    def _keep_best(self, figures: dict[str, float]) -> None:
        save_weights(self.folder / "last", self.config, self.average.weights, figures)
        if figures[self.task.judged_by] < self.state.best:
            self.state.best = figures[self.task.judged_by]
            save_weights(self.folder / "best", self.config, self.average.weights, figures)

    def _batches(self) -> Iterator[Any]:
        stream = self.task.stream(self.cache_folder, self.config)
        return iter(load_batches(stream, self.state.step, self.config.steps, self.config.workers))

    def _rate(self) -> float:
        """Warm-up, then half a cosine over the steps or, if that is further along, the minutes."""
        done = self.state.step / self.config.steps
        if self.minutes is not None:
            done = max(done, self.state.elapsed / max(60 * self.minutes, 1e-9))
        warm = min(1.0, (self.state.step + 1) / self.config.warmup)
        return warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(done, 1.0))))

    def _resume(self) -> None:
        content = load_state(self.folder, self.device)
        if content is None:
            return
        self.network.load_state_dict(content["network"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.average.weights = content["average"]
        self.state = TrainState(**content["progress"])
        torch.set_rng_state(content["random"].cpu())


class _Log:
    """Figures by step: lines of a CSV, and TensorBoard's files where that is installed."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "log.csv"
        self.board: Any = None
        try:
            from torch.utils.tensorboard import SummaryWriter

            self.board = SummaryWriter(str(folder / "tensorboard"))
        except ImportError:
            pass

    def __enter__(self) -> "_Log":
        self.stream = self.path.open("a", encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        self.stream.close()
        if self.board is not None:
            self.board.close()

    def write(self, kind: str, step: int, figures: dict[str, float]) -> None:
        for name, value in figures.items():
            self.stream.write(f"{step},{kind},{name},{value:.6g}\n")
            if self.board is not None:
                self.board.add_scalar(f"{kind}/{name}", value, step)
        self.stream.flush()
