"""`mocap eval`: how good is it? Models on held-back clips, or one animation file against another."""

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from mocapcli.console import note, show, warnings_as_notes
from mocapcli.errors import UsageError

if TYPE_CHECKING:
    from mocapcli.data.appearance import Appearance
    from mocapcli.data.cache import Cache
    from mocapcli.evaluation.run import Results, Setting
    from mocapcli.extensions import Metric


def evaluate(
    predicted: Annotated[
        Path | None, typer.Argument(help="An animation file to judge …", metavar="PREDICTED", show_default=False)
    ] = None,
    truth: Annotated[
        Path | None, typer.Argument(help="… and the true one.", metavar="TRUTH", show_default=False)
    ] = None,
    rig: Annotated[
        Path | None, typer.Option(help="With two files: the rig both are put on.", show_default=False)
    ] = None,
    split: Annotated[
        Literal["seen", "rare", "unseen"] | None,
        typer.Option(help="Clips held back of rigs trained on, of those with few frames, or rigs never trained on."),
    ] = None,
    setting: Annotated[
        Literal["p2r", "v2p", "e2e"],
        typer.Option(help="True positions to rotations, video to positions, or video to rotations."),
    ] = "p2r",
    model: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME|DIR", help="A trained model; may be repeated to compare.", show_default=False),
    ] = None,
    assets: Annotated[
        Path | None, typer.Option(help="Folder of assets, with a manifest.csv or without.", show_default=False)
    ] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder made by `mocap data build`.", show_default=False)] = None,
    zoo: Annotated[int | None, typer.Option(help="So many procedural creatures.", min=1, show_default=False)] = None,
    appearance: Annotated[
        Literal["own", "recoloured", "other-body"], typer.Option(help="What the video shows of the rig.")
    ] = "own",
    per_family: Annotated[
        int | None, typer.Option(help="At most so many windows of a family.", min=1, show_default="all")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of videos, noise and the choice of windows.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="JSON", help="Write the JSON to a file too.", show_default=False),
    ] = None,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a CSV.", show_default=False)] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the results (.png or .svg).", show_default=False)
    ] = None,
) -> None:
    """Measure a model on a split, or PREDICTED against TRUTH on a rig.

    Beside every figure stands what copying the reference pose scores, and the skill, 1 - error/copy. With a file
    to write, what is done so far is kept beside it: the same command goes on after a kill.
    """
    from mocapcli.plugins import get_plugins

    outputs = [path for path in (output, csv, plot) if path is not None]
    _check(predicted, truth, rig, split, outputs, plot)
    metrics = get_plugins().metrics
    with ExitStack() as stack:
        if predicted is not None and truth is not None and rig is not None:
            results = _files(predicted, truth, rig, metrics)
        else:
            found = _cache(assets, cache, zoo, str(split), stack)
            chosen = _setting(setting, model or [], appearance, seed)
            results = _split(found, str(split), chosen, model or [], per_family, seed, metrics, outputs)
    _deliver(results, metrics, as_json, output, csv, plot)


def _check(
    predicted: Path | None,
    truth: Path | None,
    rig: Path | None,
    split: str | None,
    outputs: list[Path],
    plot: Path | None,
) -> None:
    from importlib.util import find_spec

    from mocapcli.errors import UnsupportedError

    if predicted is not None and (truth is None or rig is None):
        raise UsageError("to compare files, three are needed", remedy="mocap eval PREDICTED TRUTH --rig RIG")
    if predicted is None and rig is not None:
        raise UsageError("--rig is for comparing two files", remedy="mocap eval PREDICTED TRUTH --rig RIG")
    if predicted is not None and split is not None:
        raise UsageError("either two files are compared or a split is evaluated")
    if predicted is None and split is None:
        raise UsageError("nothing to do", remedy="--split seen, rare or unseen, or two files and --rig")
    if plot is not None and plot.suffix.lower() not in (".png", ".svg"):
        raise UsageError(f"--plot {plot}: must end in .png or .svg")
    for path in outputs:
        if not path.parent.is_dir():
            raise UsageError(f"there is no folder {path.parent}", remedy="make it first")
    if any(find_spec(name) is None for name in ("torch", "roma", "safetensors")):
        raise UnsupportedError("mocap eval needs torch, roma and safetensors", remedy="pip install 'mocapcli[network]'")


def _files(predicted: Path, truth: Path, rig: Path, metrics: "dict[str, Metric]") -> "Results":
    from mocapcli.evaluation.files import compare_files

    with warnings_as_notes() as warned:
        found = compare_files(predicted, truth, rig, metrics)
    for line in (*warned, *found.notes):
        note(line)
    return found.results


def _cache(assets: Path | None, cache: Path | None, zoo: int | None, split: str, stack: ExitStack) -> "Cache":
    import tempfile

    from mocapcli.data.cache import open_cache
    from mocapcli.evaluation.sources import cache_of_assets, cache_of_zoo

    if sum(source is not None for source in (assets, cache, zoo)) != 1:
        raise UsageError("say on what to evaluate", remedy="one of --assets DIR, --cache DIR, --zoo N")
    if cache is not None:
        return open_cache(cache)
    if assets is not None:
        return cache_of_assets(assets)
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mocap-zoo-")))
    return cache_of_zoo(zoo or 1, split, folder)


def _setting(name: str, models: list[str], appearance: "Appearance", seed: int) -> "Setting":
    import torch

    from mocapcli.evaluation.settings import build_setting

    if name == "p2r":  # thousands of small matrices: a second thread only waits
        torch.set_num_threads(1)
    return build_setting(name, models, appearance, seed)


def _split(
    cache: "Cache",
    split: str,
    setting: "Setting",
    models: list[str],
    per_family: int | None,
    seed: int,
    metrics: "dict[str, Metric]",
    outputs: list[Path],
) -> "Results":
    import sys

    from tqdm import tqdm

    from mocapcli.data.windows import evaluation_windows
    from mocapcli.errors import MocapError
    from mocapcli.evaluation.run import Partial, judge, summarise
    from mocapcli.evaluation.sources import code_commit

    windows = evaluation_windows(cache, split, per_family, seed)  # type: ignore[arg-type]
    if not windows:
        raise MocapError(f"the split {split!r} has no clips", path=cache.folder, remedy="see mocap data info")
    commit = code_commit()
    partial = None
    if outputs:
        path = outputs[0].with_name(outputs[0].name + ".partial.jsonl")
        partial = Partial(path, _header(cache, split, setting, models, seed, commit, metrics))
    done = False
    try:
        with tqdm(total=len(windows), desc="eval", unit="clip", file=sys.stderr, disable=None) as bar:
            judged = list(judge(cache, windows, setting, metrics, partial, bar.update))
        done = True
    finally:
        if partial:
            partial.close(remove=done)
    return summarise(judged, split, setting.name, "+".join(models) or None, commit)


def _header(
    cache: "Cache",
    split: str,
    setting: "Setting",
    models: list[str],
    seed: int,
    commit: str | None,
    metrics: "dict[str, Metric]",
) -> dict[str, Any]:
    """Whatever changes the figures of a window."""
    import hashlib

    from mocapcli.data.cache import INDEX
    from mocapcli.evaluation.sources import model_folder, weights_digest

    return {
        "split": split,
        "setting": setting.name,
        "rows": list(setting.rows),
        "weights": [weights_digest(model_folder(name)) for name in models],
        "cache": hashlib.sha256((cache.folder / INDEX).read_bytes()).hexdigest()[:16],
        "appearance": getattr(setting, "appearance", None),
        "metrics": list(metrics),
        "seed": seed,
        "commit": commit,
    }


def _deliver(
    results: "Results",
    metrics: "dict[str, Metric]",
    as_json: bool,
    output: Path | None,
    csv: Path | None,
    plot: Path | None,
) -> None:
    from mocapcli.evaluation.report import family_tables, figure_table, write_csv

    text = json.dumps(results.as_dict(), indent=2)
    if output is not None:
        output.write_text(text + "\n", encoding="utf-8")
    if csv is not None:
        write_csv(csv, results, metrics)
    if plot is not None:
        from mocapcli.evaluation.plot import draw_results

        draw_results(plot, results, metrics)
    if as_json:
        typer.echo(text)
        return
    show(figure_table(results, metrics))
    if len(results.families) > 1:
        for table in family_tables(results, metrics):
            show("", table)
