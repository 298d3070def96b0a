"""A split judged by one worker or by many, rig by rig: each is learnt and drawn in one place. What is judged is kept in
a folder until everything is written, so that a killed run goes on where it was."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from mocapcli.batch import Item, Outcome, Summary, digest_of, run_batch
from mocapcli.batch.items import Work
from mocapcli.batch.report import NAMED, progress_bar
from mocapcli.console import note
from mocapcli.data.cache import Cache, file_digest, open_cache
from mocapcli.data.windows import Window
from mocapcli.errors import MocapError
from mocapcli.evaluation.results import Judged, judged_from_plain, plain_judged
from mocapcli.evaluation.run import Setting, judge
from mocapcli.evaluation.settings import Models, Scene, build_setting
from mocapcli.extensions import Metric
from mocapcli.whole_file import whole_file


@dataclass(frozen=True)
class Recipe:
    """All that decides how a window is judged, as it travels to workers, who must see the same files."""

    cache: Path
    setting: str
    models: Models
    scene: Scene
    metrics: tuple[str, ...]

    def build(self) -> Setting:
        if self.setting == "p2r":  # thousands of small matrices: a second thread only waits
            import torch

            torch.set_num_threads(1)
        return build_setting(self.setting, self.models, self.scene)


@dataclass(frozen=True)
class Hands:
    """Who works."""

    engine: str = "local"
    workers: int | None = None

    @property
    def many(self) -> bool:
        return self.engine != "local" or (self.workers or 1) > 1


def judge_windows(
    windows: Sequence[Window], recipe: Recipe, run: Mapping[str, Any], folder: Path, hands: Hands
) -> list[Judged]:
    """Each window's figures, in order. `run` names whatever changes them: what an earlier run of the same left in the
    folder is taken as it is."""
    items = _items(windows, run, recipe.cache, folder.absolute())
    with progress_bar(len(items), "eval", "rig") as progress:
        summary = run_batch(
            items,
            partial(_begin, replace(recipe, cache=recipe.cache.absolute()), hands.many),
            folder,
            engine=hands.engine,
            workers=hands.workers,
            progress=progress,
        )
    _tell(summary)
    found = {judged.label: judged for item in items for judged in _read(item.output)}
    return [found[window.label] for window in windows]


def _items(windows: Sequence[Window], run: Mapping[str, Any], cache: Path, folder: Path) -> list[Item]:
    by_rig: dict[str, list[Window]] = {}
    for window in windows:
        by_rig.setdefault(window.entry.file, []).append(window)
    items = []
    for file, own in by_rig.items():
        output = folder / f"{hashlib.sha256(file.encode()).hexdigest()[:16]}.json"
        known = digest_of(run=run, windows=[window.label for window in own], rig=file_digest(cache / file))
        items.append(Item(file, output, (), own, known))
    return items


def _begin(recipe: Recipe, many: bool) -> Work:
    from mocapcli.plugins import get_plugins

    if many:  # each has been given its share of the machine
        threads = int(os.environ.get("OMP_NUM_THREADS", "0"))
        recipe = replace(recipe, scene=replace(recipe.scene, adapt_threads=threads))
    metrics = {name: metric for name, metric in get_plugins().metrics.items() if name in recipe.metrics}
    return partial(_judge_rig, open_cache(recipe.cache), recipe.build(), metrics)


def _judge_rig(cache: Cache, setting: Setting, metrics: Mapping[str, Metric], item: Item) -> dict[str, int]:
    lines = [plain_judged(judged) for judged in judge(cache, item.task, setting, metrics)]
    with whole_file(item.output) as temporary:
        temporary.write_text(json.dumps(lines), encoding="utf-8")
    return {"windows": len(lines)}


def _read(path: Path) -> list[Judged]:
    return [judged_from_plain(line) for line in json.loads(path.read_text(encoding="utf-8"))]


def _tell(summary: Summary) -> None:
    """Means over fewer rigs than there are would be taken for those of all."""
    if summary.interrupted:
        raise KeyboardInterrupt
    for line in dict.fromkeys(line for outcome in summary.outcomes for line in outcome.notes):
        note(line)
    failed = summary.of("failed")
    if failed:
        raise MocapError(
            f"{len(failed)} of {len(summary.outcomes)} rigs could not be judged: {_reasons(failed)}",
            remedy="with a file to write, the others are kept for the next run",
        )


def _reasons(failed: Sequence[Outcome]) -> str:
    told = [f"{outcome.item.key} ({outcome.reason})" for outcome in failed[:NAMED]]
    return "; ".join(told) + ("; …" if len(failed) > NAMED else "")
