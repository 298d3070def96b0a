"""What `mocap eval` does: files, a split or a part of it, or parts put together; then tables, files, charts, a film."""

import json
import shutil
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import typer

from mocapcli.adapting.budget import parse_budget
from mocapcli.batch.shard import Shard, parse_shard
from mocapcli.checkpoints import model_folder
from mocapcli.console import note, show, warnings_as_notes
from mocapcli.data.appearance import Appearance
from mocapcli.data.cache import INDEX, Cache, file_digest, open_cache
from mocapcli.data.splits import Split
from mocapcli.data.windows import Window, evaluation_windows
from mocapcli.errors import MocapError, UsageError, WriteError
from mocapcli.evaluation.report import family_tables, figure_table, speed_table, speed_words, write_csv
from mocapcli.evaluation.request import Request, check
from mocapcli.evaluation.results import Results, summarise
from mocapcli.evaluation.run import Setting
from mocapcli.evaluation.settings import Scene
from mocapcli.evaluation.shards import merge_parts, part_of
from mocapcli.evaluation.sources import (
    cache_of_assets,
    cache_of_zoo,
    code_commit,
    code_digest,
    weights_digest,
)
from mocapcli.evaluation.work import Recipe, judge_windows
from mocapcli.extensions import Metric
from mocapcli.whole_file import whole_file

Metrics = dict[str, Metric]
WHO_IS_WHERE = "a manifest.csv says which rigs are unseen; without one all are for training and have a split 'seen'"
MOST_SKIPPED = 5  # files named


@dataclass(frozen=True)
class Job:
    """A split with all that decides its figures."""

    cache: Cache
    recipe: Recipe
    setting: Setting  # as the recipe makes it
    windows: list[Window]  # of the whole split
    shard: Shard | None
    run: dict[str, Any]  # whatever changes the figures of a window

    @property
    def own_windows(self) -> list[Window]:
        return self.windows if self.shard is None else self.shard.select(self.windows, lambda window: window.label)


def evaluate(request: Request, metrics: Metrics) -> None:
    check(request)
    if request.files and not request.merge:
        deliver(compare(request, metrics), request, metrics)
    elif request.merge:
        deliver(merge_parts(request.files), request, metrics)
    else:
        with ExitStack() as stack:
            evaluate_split(request, metrics, stack)


def compare(request: Request, metrics: Metrics) -> Results:
    from mocapcli.evaluation.files import compare_files

    first, second = request.files
    with warnings_as_notes() as warned:
        found = compare_files(first, second, cast(Path, request.rig), metrics)
    for line in (*warned, *found.notes):
        note(line)
    return found.results


def evaluate_split(request: Request, metrics: Metrics, stack: ExitStack) -> None:
    job = job_of(request, metrics, stack)
    results = judge_split(job, request, stack)
    if request.speed:
        from mocapcli.evaluation.speed import measure_speed

        results = replace(results, speed=measure_speed(job.setting, job.cache, job.windows))
    part = None
    if job.shard is not None:
        part = part_of(results, job.shard, job.run, [window.label for window in job.windows])
    deliver(results, request, metrics, part)
    if request.video is not None:
        from mocapcli.evaluation.film import write_film

        write_film(request.video, results, job.cache, job.windows, job.setting, metrics)
    if request.outputs:
        shutil.rmtree(partial_folder(request), ignore_errors=True)


def job_of(request: Request, metrics: Metrics, stack: ExitStack) -> Job:
    cache = cache_of(request, stack)
    tell_skipped(cache)
    shard = parse_shard(request.shard)
    look, budget = cast(Appearance, request.appearance), parse_budget(request.adapt)
    scene = Scene(look, request.seed, budget, request.refine_iterations, request.match)
    recipe = Recipe(cache.folder, request.setting, request.models, scene, tuple(metrics))
    setting = recipe.build()
    windows = evaluation_windows(cache, cast(Split, request.split), request.per_family, request.seed)
    if not windows:
        raise MocapError(
            f"the split {request.split!r} has no clips", path=request.assets or cache.folder, remedy=WHO_IS_WHERE
        )
    return Job(cache, recipe, setting, windows, shard, run_of(request, cache, setting, metrics))


def cache_of(request: Request, stack: ExitStack) -> Cache:
    if sum(source is not None for source in (request.assets, request.cache, request.zoo)) != 1:
        raise UsageError("say on what to evaluate", remedy="one of --assets DIR, --cache DIR, --zoo N")
    if request.cache is not None:
        return open_cache(request.cache)
    if request.assets is not None:
        return cache_of_assets(request.assets)
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mocap-zoo-")))
    return cache_of_zoo(request.zoo or 1, str(request.split), folder)


def tell_skipped(cache: Cache) -> None:
    """Figures of fewer files than there are would be taken for those of all."""
    for source, reason in list(cache.skipped.items())[:MOST_SKIPPED]:
        note(f"skipped {source}: {reason}")
    if len(cache.skipped) > MOST_SKIPPED:
        note(f"skipped {len(cache.skipped) - MOST_SKIPPED} files more")


def run_of(request: Request, cache: Cache, setting: Setting, metrics: Metrics) -> dict[str, Any]:
    """Whatever changes the figures of a window."""
    return {
        "split": request.split,
        "setting": setting.name,
        "rows": list(setting.rows),
        "weights": [weights_digest(model_folder(name)) for name in request.models.all],
        "cache": file_digest(cache.folder / INDEX),
        "appearance": getattr(setting, "appearance", None),
        "adapt": parse_budget(request.adapt),
        "refine_iterations": request.refine_iterations,
        "match": request.match,
        "metrics": list(metrics),
        "seed": request.seed,
        "commit": code_commit(),
        "code": code_digest(),
    }


def judge_split(job: Job, request: Request, stack: ExitStack) -> Results:
    """With a file to write, what is done so far is kept beside it until the files are written."""
    if request.outputs:
        folder = partial_folder(request)
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise WriteError(f"cannot make this folder: {error.strerror}", path=folder) from None
    else:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mocap-eval-")))
    judged = judge_windows(job.own_windows, job.recipe, job.run, folder, request.hands)
    facts = (request.split, job.setting.name, request.models.label, job.run["commit"])
    return summarise(judged, *facts, job.setting.absent, job.setting.remark)


def partial_folder(request: Request) -> Path:
    first = request.outputs[0]
    return first.with_name(first.name + ".partial")


def deliver(results: Results, request: Request, metrics: Metrics, part: dict[str, Any] | None = None) -> None:
    """Files first, then what people see. Of a shard, what merging needs."""
    text = json.dumps(part or results.as_dict(), indent=2)
    writers: list[tuple[Path | None, Callable[[Path], object]]] = [
        (request.output, lambda path: path.write_text(text + "\n", encoding="utf-8")),
        (request.csv, lambda path: write_csv(path, results, metrics)),
        (request.plot, lambda path: draw(path, results, metrics)),
    ]
    for path, write in writers:
        if path is not None:
            with whole_file(path) as temporary:
                write(temporary)
    if request.as_json:
        typer.echo(text)
    elif part is None:
        show_results(results, metrics)


def draw(path: Path, results: Results, metrics: Metrics) -> None:
    from mocapcli.evaluation.plot import draw_results

    draw_results(path, results, metrics)


def show_results(results: Results, metrics: Metrics) -> None:
    show(figure_table(results, metrics))
    if len(results.families) > 1:
        for table in family_tables(results, metrics):
            show("", table)
    if results.speed is not None:
        show("", speed_table(results.speed), speed_words(results.speed))
    if results.notes:
        show("", *results.notes)
