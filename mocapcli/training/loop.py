"""The training loop, from top to bottom; `tasks` says what is trained."""

import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from mocapcli.batch import digest_of
from mocapcli.data.cache import INDEX, file_digest
from mocapcli.network.model import MotionNetwork, choose_device
from mocapcli.training.begin import bring_photographs, copy_weights, load_given, with_given_stages
from mocapcli.training.config import TrainConfig
from mocapcli.training.log import Log, Pace, Silence
from mocapcli.training.state import MovingAverage, TrainState, load_state, save_state, save_weights, taken_up
from mocapcli.training.stop import Stop
from mocapcli.training.stream import load_batches, share_out
from mocapcli.training.tasks import TASKS
from mocapcli.training.team import Team, share_statistics

VALIDATION_BATCHES = 8
LOGGED_EVERY = 20  # steps
JUDGES = ("seed", "data", "rotation", "refine", "imagine")  # settings that the validation slice hangs on
GROUP = 16  # batches that are shown in turn where each is shown more than once


@dataclass
class Trainer:
    """A run in its folder: `train.Trainer(config, cache, folder).run()`."""

    config: TrainConfig
    cache_folder: Path
    folder: Path
    device: torch.device = field(default_factory=choose_device)
    minutes: float | None = None
    progress_bar: bool = True
    start_from: tuple[Path, ...] = ()  # models whose weights a new run starts from; their other stages come along
    team: Team = field(default_factory=Team)

    def __post_init__(self) -> None:
        torch.manual_seed(self.config.seed)
        self.given = load_given(self.start_from)
        self.config = with_given_stages(self.config, self.given)
        content = self.team.agree(load_state(self.folder) if self.team.leads else None)
        if content is not None:
            self.config = taken_up(self.config, json.loads(content["config"]), self.folder)
        self.task = TASKS[self.config.stage]
        self.slots, self.slot_frames = self.task.size(self.config)
        self.share = len(share_out(self.slots, self.team.rank, self.team.world)) / self.slots
        self.network = MotionNetwork(self.config.network).to(self.device)
        share_statistics(self.network, self.team)
        self.part = self.task.part(self.network)
        self.weights = [weight for weight in self.part.parameters() if weight.requires_grad]
        self.optimizer = torch.optim.AdamW(self.weights, self.config.lr, weight_decay=self.config.weight_decay)
        self.average = MovingAverage(self.network, self.config.ema)
        self.state = TrainState(0, 0.0, math.inf)
        self._begin() if content is None else self._resume(content)
        judges = self.task.stream(self.cache_folder, self.config, validation=True)
        own = range(self.team.rank, VALIDATION_BATCHES, self.team.world)
        self.validation = [judges[k].to(self.device) for k in own]
        plain = asdict(self.config)
        index = file_digest(self.cache_folder / INDEX)
        self.judges = digest_of(index=index, **{name: plain[name] for name in JUDGES})
        if content is not None and content.get("judges") != self.judges:
            self.state.best = math.inf  # of other pictures: no mark for these

    def run(self) -> dict[str, float]:
        """Train until the steps, or the minutes, are over; the folder holds usable weights at any time."""
        started, saved = time.monotonic() - self.state.elapsed, time.monotonic()
        pace = Pace(self.device, self.slots * self.slot_frames)
        hidden = not (self.progress_bar and self.team.leads)
        bar = tqdm(total=self.config.steps, initial=self.state.step, disable=hidden, unit="step")
        figures = self._judge_start()
        with Stop() as stop, bar, Log(self.folder, self.state.step) if self.team.leads else Silence() as log:
            if figures:
                log.write("validation", self.state.step, figures)
            asked = time.monotonic()
            for batch in () if self._over() else self._batches():
                pace.step(waited=time.monotonic() - asked)
                parts = self.step(batch.to(self.device))
                self.state.elapsed = time.monotonic() - started
                if self.minutes is not None:
                    self.state.elapsed = self.team.agree(self.state.elapsed)  # the rate and the end depend on it
                bar.update()
                if self.state.step % LOGGED_EVERY == 0:
                    facts = self.team.mean(parts, self.share) | pace.look()
                    bar.set_postfix({name: f"{value:.3g}" for name, value in facts.items()}, refresh=False)
                    log.write("train", self.state.step, facts)
                over = self._over()
                if self.state.step % self.config.evaluate_every == 0 or over:
                    figures = self.evaluate()
                    log.write("validation", self.state.step, figures)
                    log.draw()
                    self._keep_best(figures)
                if over or time.monotonic() - saved > self.config.save_every:
                    self.save()
                    saved = time.monotonic()
                if over:
                    break
                if self.team.any(stop.asked):  # nothing is lost: the same command goes on from here
                    self.save()
                    raise KeyboardInterrupt
                asked = time.monotonic()
        return figures or self.evaluate()  # a finished run that is started again does no step

    def _judge_start(self) -> dict[str, float]:
        """Weights that were given are the best so far: training must do better. None, where there are no such."""
        given = self.given.keys() >= set(self.config.trained)
        if self.state.step > 0 or not (given or self._over()):
            return {}
        figures = self.evaluate()
        self._keep_best(figures)
        return figures

    def step(self, batch: Any) -> dict[str, torch.Tensor]:
        """One update of the weights."""
        self.network.train()
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.lr * self._rate()
        loss, parts = self.task.loss(self.network, batch, self.config, self._done())
        self.optimizer.zero_grad(set_to_none=True)
        (loss * self.share).backward()
        self.team.add_gradients(self.weights)
        norm = torch.nn.utils.clip_grad_norm_(self.weights, self.config.clip)
        if torch.isfinite(norm):  # one bad clip must not cost the run
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
        rows = self.team.gather([self.task.figures(self.network, batch) for batch in self.validation])
        self.network.load_state_dict(own)
        return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}

    def save(self) -> None:
        if self.team.leads:
            save_state(self.folder, self.config, self.state, self.judges, self.network, self.optimizer, self.average)

    def _keep_best(self, figures: dict[str, float]) -> None:
        better = figures[self.task.judged_by] < self.state.best
        self.state.best = min(self.state.best, figures[self.task.judged_by])
        for name in ("last", "best") if better else ("last",):
            if self.team.leads:
                save_weights(self.folder / name, self.config, self.average.weights, figures)

    def _batches(self) -> Iterator[Any]:
        """The batch of every step from here on: a group of batches as often as each is to be shown, then the next."""
        shows = max(1, self.config.data.shows)
        if shows == 1:
            yield from self._drawn(self.state.step, self.config.steps)
            return
        group, done = divmod(self.state.step, GROUP * shows)
        groups = -(-self.config.steps // (GROUP * shows))
        fresh, stream = self._drawn(group * GROUP, groups * GROUP), self._stream()
        for first in range(group * GROUP, groups * GROUP, GROUP):
            kept = []
            for number in range(GROUP):
                kept.append(next(fresh).to(self.device))
                if done <= number:
                    yield kept[number]
            for number in range(max(GROUP, done), GROUP * shows):
                show, place = divmod(number, GROUP)
                yield stream.again(kept[place], first + place, show)
            done = 0

    def _drawn(self, first: int, last: int) -> Iterator[Any]:
        return iter(load_batches(self._stream(), first, last, self.config.workers))

    def _stream(self) -> Any:
        return self.task.stream(self.cache_folder, self.config, self.team.rank, self.team.world)

    def _rate(self) -> float:
        """Warm-up, then half a cosine."""
        warm = min(1.0, (self.state.step + 1) / max(1, self.config.warmup))
        return warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(self._done(), 1.0))))

    def _done(self) -> float:
        """How far the run is: of its steps or, if that is further along, its minutes."""
        done = self.state.step / max(self.config.steps, 1)
        return done if self.minutes is None else max(done, self.state.elapsed / max(60 * self.minutes, 1e-9))

    def _over(self) -> bool:
        late = self.minutes is not None and self.state.elapsed > 60 * self.minutes
        return late or self.state.step >= self.config.steps

    def _begin(self) -> None:
        if self.config.stage in ("pose", "joint") and "pose" not in self.given:
            bring_photographs(self.network, self.config.network.video_to_pose.encoder_source)
        copy_weights(self.given, self.network)
        self.average = MovingAverage(self.network, self.config.ema)

    def _resume(self, content: dict[str, Any]) -> None:
        self.network.load_state_dict(content["network"])
        self.optimizer.load_state_dict(content["optimizer"])
        for group in self.optimizer.param_groups:
            group["weight_decay"] = self.config.weight_decay
        self.average.weights = {name: value.to(self.device) for name, value in content["average"].items()}
        self.state = TrainState(**content["progress"])
        torch.set_rng_state(content["random"])
