"""What each part of the network is worth: small runs that differ in one thing, with the same budget each.

`python tests/benchmarks/ablation.py --cache CACHE -o FOLDER --steps 2000` prints a table and leaves ablation.csv
and a folder for each run (log.csv, curves.png). A run that was killed goes on where it was. Families that judge are
those `mocap train` never trains on; with `--rig NAME` one rig alone is learnt, and judged by other pictures of it: from
nothing to knowing which way it faces takes minutes then. Degrees and per cent: lower is better.
"""

import argparse
import csv
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import nn

from mocapcli.data.cache import Cache
from mocapcli.network.attention import GraphAttention
from mocapcli.network.model import MotionNetwork
from mocapcli.network.reference import RigBatch
from mocapcli.network.video_to_pose import LookRound, VideoToPose
from mocapcli.training import loop, stream
from mocapcli.training.batches import Batch
from mocapcli.training.config import TrainConfig, load_config
from mocapcli.training.loop import Trainer
from mocapcli.training.state import MovingAverage
from mocapcli.training.stream import Families, FamilyStream
from mocapcli.training.tasks import TASKS, Loss, Task

CPU = torch.device("cpu")
FIGURES = {
    "rotation": ("local_degrees", "world_degrees", "closed_form_local_degrees", "closed_form_world_degrees"),
    "pose": ("mpjpe_percent", "places_percent", "facing_within_30"),
    "joint": ("mpjpe_percent", "local_degrees", "world_degrees"),
    "refine": ("world_0", "world_1", "world_2", "world_3", "leaves_0", "leaves_3"),
}


@dataclass(frozen=True)
class Row:
    """One variant: what differs in the settings, in the network, and in what it is told."""

    name: str
    settings: tuple[str, ...] = ()
    network: Callable[[nn.Module], None] = lambda part: None
    batch: Callable[[Any], Any] = field(default=lambda batch: batch)
    factorised: bool = False


@dataclass(frozen=True)
class Told:
    """A task whose batches are changed before the network sees them, in training and in judging."""

    task: Task
    change: Callable[[Any], Any]

    @property
    def judged_by(self) -> str:
        return self.task.judged_by

    def part(self, network: MotionNetwork) -> nn.Module:
        return self.task.part(network)

    def size(self, config: TrainConfig) -> tuple[int, int]:
        return self.task.size(config)

    @property
    def stream(self) -> type[FamilyStream[Any]]:
        return self.task.stream

    def loss(self, network: MotionNetwork, batch: Any, config: TrainConfig, done: float) -> Loss:
        return self.task.loss(network, self.change(batch), config, done)

    def figures(self, network: MotionNetwork, batch: Any) -> dict[str, float]:
        return self.task.figures(network, self.change(batch))


def without_bias(part: nn.Module) -> None:
    """The graph guides nothing but who is a relative (local blocks)."""
    for attention in attentions(part):
        for table in (attention.hop_bias, attention.edge_bias):
            table.weight.data.zero_()
            table.weight.requires_grad_(False)


def without_heatmaps(part: nn.Module) -> None:
    """Places are regressed from the picture's mean and its coarse overview: joints look nowhere in particular."""
    for look in (module for module in part.modules() if isinstance(module, LookRound)):
        for weight in look.ask.parameters():
            weight.data.zero_()
            weight.requires_grad_(False)


def without_up(part: nn.Module) -> None:
    """Nobody guesses where the body's up points: later rounds are shown the rig on its feet."""
    assert isinstance(part, VideoToPose)
    for weight in part.tipping.parameters():
        weight.data.zero_()
        weight.requires_grad_(False)


def all_local(part: nn.Module) -> None:
    for attention in attentions(part):
        attention.scope = "local"


def all_global(part: nn.Module) -> None:
    for attention in attentions(part):
        attention.scope = "global"


def attentions(part: nn.Module) -> list[GraphAttention]:
    return [module for module in part.modules() if isinstance(module, GraphAttention)]


def no_reference(rig: RigBatch) -> RigBatch:
    return replace(rig, reference_positions=rig.rest_positions, reference_rotations=rig.rest_rotations)


def no_rest(rig: RigBatch) -> RigBatch:
    return replace(rig, rest_positions=rig.reference_positions, rest_rotations=rig.reference_rotations)


def of_rigs(change: Callable[[RigBatch], RigBatch]) -> Callable[[Any], Any]:
    def changed(batch: Any) -> Any:
        name = "rigs" if hasattr(batch, "rigs") else "rig"
        return replace(batch, **{name: change(getattr(batch, name))})

    return changed


def no_views(batch: Batch) -> Batch:
    return replace(batch, views=replace(batch.views, crops=torch.zeros_like(batch.views.crops)))


PARTS = (
    Row("everything"),
    Row("no reference pair", batch=of_rigs(no_reference)),
    Row("no rest pose", batch=of_rigs(no_rest)),
    Row("no graph bias", network=without_bias),
    Row("local only", network=all_local),
    Row("global only", network=all_global),
)
ROWS = {
    "rotation": (PARTS[0], Row("direct head", ("network.rotation.rotation_head=direct",)), *PARTS[1:]),
    "pose": (
        *PARTS,
        Row("no reference renders", batch=no_views),
        Row("no up", ("weights.up=0",), network=without_up),
        Row("one round", ("network.video_to_pose.rounds=1",)),
        Row("regression", ("weights.heat=0",), network=without_heatmaps),
    ),
    "joint": (Row("joint"), Row("factorised", factorised=True)),
    "refine": (Row("everything"),),  # world_0: no refiner
}


def main() -> None:
    options = parse()
    torch.set_num_threads(1)
    loop.VALIDATION_BATCHES = options.judges
    if options.rig:
        stream.divide_families = partial(one_rig, options.rig)
    chosen = [row for row in ROWS[options.stage] if not options.rows or row.name in options.rows]
    table = []
    for row in chosen:
        steps, figures = run(row, options)
        table.append(
            {"variant": row.name, "steps": steps} | {name: figures.get(name) for name in FIGURES[options.stage]}
        )
        report(table, options.output / "ablation.csv")


def one_rig(name: str, cache: Cache, share: float) -> Families:
    """The rig with this in its file's name, to learn and to judge."""
    found = [entry for entry in cache.entries if name in entry.source and entry.frames]
    if not found:
        raise SystemExit(f"no animated file of the cache has {name!r} in its name")
    family = {found[0].family: found[:1]}
    return Families(family, family)


def run(row: Row, options: argparse.Namespace) -> tuple[int, dict[str, float]]:
    folder = options.output / row.name.replace(" ", "-")
    if not row.factorised:
        trainer = train(row, options.stage, folder, options)
        return trainer.state.step, trainer.evaluate()
    halves = [train(row, stage, folder / stage, options, share=0.5) for stage in ("pose", "rotation")]
    judge = Trainer(configure(row, "joint", options, 1.0), options.cache, folder / "both", CPU, progress_bar=False)
    for half in halves:
        judge.average.weights |= {
            name: value for name, value in half.average.weights.items() if name.startswith(PREFIXES[half.config.stage])
        }
    return sum(half.state.step for half in halves), judge.evaluate()


PREFIXES = {"pose": "video_to_pose.", "rotation": "rotation."}


def train(row: Row, stage: str, folder: Path, options: argparse.Namespace, share: float = 1.0) -> Trainer:
    minutes = options.minutes * share if options.minutes else None
    with changed(stage, row):
        trainer = Trainer(
            configure(row, stage, options, share), options.cache, folder, CPU, minutes, start_from=options.init
        )
        row.network(trainer.part)
        if not trainer.state.step:
            trainer.average = MovingAverage(trainer.network, trainer.config.ema)
        trainer.run()
    return trainer


def changed(stage: str, row: Row) -> AbstractContextManager[Any]:
    return mock.patch.dict(TASKS, {stage: Told(TASKS[stage], row.batch)})


def configure(row: Row, stage: str, options: argparse.Namespace, share: float) -> TrainConfig:
    steps = max(1, round(options.steps * share))
    given = [
        f"stage={stage}",
        f"steps={steps}",
        f"evaluate_every={max(1, steps // 4)}",
        f"warmup={max(1, steps // 20)}",
    ]
    return load_config(options.preset, None, [*given, *options.settings, *row.settings])


def report(table: list[dict[str, Any]], path: Path) -> None:
    """Markdown on the terminal after each row, everything so far in the file."""
    names = list(table[0])
    if len(table) == 1:
        print("| " + " | ".join(name.replace("_", " ") for name in names) + " |\n" + "|---" * len(names) + "|")  # noqa: T201
    values = [
        "–" if value is None else f"{value:.2f}" if isinstance(value, float) else value for value in table[-1].values()
    ]
    print("| " + " | ".join(map(str, values)) + " |", flush=True)  # noqa: T201
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(table)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/ablation"))
    parser.add_argument("--stage", choices=ROWS, default="rotation")
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--steps", type=int, default=2000, help="of each run")
    parser.add_argument("--minutes", type=float, help="of each run, if that is over earlier")
    parser.add_argument("--init", type=Path, action="append", default=[], help="weights that every run starts from")
    parser.add_argument("--rig", help="learn this rig alone (part of its file's name)")
    parser.add_argument("--judges", type=int, default=16, help="batches that judge")
    parser.add_argument("--rows", nargs="*", help="only these variants")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="NAME=VALUE")
    options = parser.parse_args()
    options.init = tuple(options.init)
    options.output.mkdir(parents=True, exist_ok=True)
    return options


if __name__ == "__main__":
    main()
