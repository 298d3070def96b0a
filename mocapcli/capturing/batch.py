"""Many videos, many rigs: every video for every rig into one folder, by any engine of `mocapcli.batch`."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from warnings import warn

from mocapcli import __version__
from mocapcli.batch import Item, Shard, Summary, digest_of, run_batch
from mocapcli.batch.items import Work
from mocapcli.batch.naming import Pair, plan_outputs
from mocapcli.batch.run import Progress, unfinished
from mocapcli.capturing.options import Options
from mocapcli.errors import MocapError, ReadError, UnsupportedError, UsageError, WriteError
from mocapcli.formats import find_format, is_readable

if TYPE_CHECKING:
    from mocapcli.capturing.models import Model

BESIDE = {"preview": ".mp4", "view": ".html", "confidence": ".csv", "debug_dir": ""}  # folders, in a batch
WHERE_RIGS_CANNOT_BE_WRITTEN = "glb"
# What is written is the same; weights count, not their name.
OF_NO_WEIGHT = ("output", "report", "model", "device", "overwrite")


@dataclass(frozen=True)
class Plan:
    """What is to be done, and what is odd about it."""

    items: tuple[Item, ...]
    notes: tuple[str, ...] = ()


def plan_batch(
    videos: Sequence[Path], rigs: Sequence[Path], folder: Path, options: Options, extension: str | None = None
) -> Plan:
    """An item for every video and rig, `VIDEO-RIG.EXT` in `folder`, which is made where there is none.

    `preview`, `view`, `confidence` and `debug_dir` of the options name folders here, for a file of every item.
    """
    rigs = list(dict.fromkeys(rigs))
    _check(videos, rigs, options)
    told = extension and extension.lower().lstrip(".")
    endings = [told or _ending(rig) for rig in rigs]
    for ending in dict.fromkeys(endings):
        if find_format(Path(f"x.{ending}")).write is None:
            raise UnsupportedError(f".{ending} files can only be read", remedy="choose another format with --to")
    pairs, notes = plan_outputs(videos, rigs, folder.absolute(), endings)
    read = {path.absolute() for path in (*videos, *rigs)}
    for pair in pairs:
        if pair.output in read:
            raise UsageError(f"{pair.output} would replace what is read", remedy="choose another folder with -o")
    _make_folders(folder, options)
    digest, stems = _digest(options), Counter(pair.output.stem.casefold() for pair in pairs)
    items = [
        _item(pair, options, digest, pair.output.stem if stems[pair.output.stem.casefold()] == 1 else pair.output.name)
        for pair in pairs
    ]
    return Plan(tuple(items), tuple(notes))


def capture_batch(
    plan: Plan,
    folder: Path,
    options: Options,
    *,
    engine: str = "local",
    workers: int | None = None,
    shard: Shard | None = None,
    redo: bool = False,
    progress: Progress = lambda running, settled: None,
    learning: Callable[[str, int, int], object] = lambda stage, done, total: None,
) -> Summary:
    """Capture all that is not finished yet; every worker loads the model once.

    `learning` hears how far the rigs are learnt: (stage, seconds just spent, seconds in all).
    """
    if engine != "local" or (workers or 1) > 1:
        learn_rigs(unfinished(plan.items, folder, shard=shard, redo=redo), options, learning)
    factory = partial(make_worker, _absolute(options.model), options.device)
    return run_batch(
        plan.items, factory, folder, engine=engine, workers=workers, shard=shard, redo=redo, progress=progress
    )


def learn_rigs(items: Sequence[Item], options: Options, learning: Callable[[str, int, int], object]) -> None:
    """Learn each rig once, with all cores, which workers would otherwise do at the same time.

    Rigs that cannot be learnt are passed over: their captures will say why.
    """
    if options.adapt_seconds is None or options.adapter is not None or not items:
        return
    from mocapcli.capturing.models import load_model, network_for
    from mocapcli.capturing.rigs import read_rig, with_reference

    model = load_model(options.model, options.device)
    rigs = list(dict.fromkeys((item.task[0].rig, item.task[1].reference) for item in items))

    def tell(stage: str, done: int, total: int) -> None:
        learning(stage, done, total * len(rigs))

    for rig, reference in rigs:
        with suppress(MocapError, OSError):
            network_for(with_reference(read_rig(rig), reference), model, options.adapt_seconds, tell)


def make_worker(model: str | Path | None, device: str | None = None) -> Work:
    """What a worker holds: the model, ready for any video and rig."""
    from mocapcli.capturing.models import load_model

    return partial(_capture_item, load_model(model, device))


def _capture_item(model: "Model", item: Item) -> dict[str, Any]:
    from mocapcli.capturing.api import capture_video

    pair, options = item.task
    report = capture_video(pair.video, pair.rig, options, model=model).report
    for line in report.warnings:
        warn(line, stacklevel=1)  # so that it reaches people with the readers' and writers' warnings
    return report.as_dict()


def _check(videos: Sequence[Path], rigs: Sequence[Path], options: Options) -> None:
    """What would make every item fail, or mean nothing for more than one, is said before the work begins."""
    for name, many, what in (("mask", videos, "video"), ("reference", rigs, "rig"), ("adapter", rigs, "rig")):
        if getattr(options, name) is not None and len(many) > 1:
            raise UsageError(f"--{name} belongs to one {what}, here are {len(many)}")
    if not videos or not rigs:
        raise UsageError("nothing to do", remedy="name a video, and a rig with --rig")
    for rig in rigs:
        find_format(rig)
        if not rig.is_file():
            raise ReadError("there is no such rig", path=rig)


def _ending(rig: Path) -> str:
    """The rig's own format, so that its mesh and materials are kept; where that cannot be written, another."""
    own = rig.suffix.lower().lstrip(".")
    return own if is_readable(rig) and find_format(rig).write else WHERE_RIGS_CANNOT_BE_WRITTEN


def folders_beside(options: Options) -> list[Path]:
    """Where a batch writes, beside its outputs."""
    return [path for path in (getattr(options, name) for name in BESIDE) if path is not None]


def _make_folders(folder: Path, options: Options) -> None:
    for path in [folder, *folders_beside(options)]:
        if path.exists() and not path.is_dir():
            raise WriteError("this is a file, and a batch needs a folder", path=path)
        path.mkdir(parents=True, exist_ok=True)


def _item(pair: Pair, options: Options, digest: str, label: str) -> Item:
    """`label`: what files beside the output are called."""
    pair = Pair(pair.video.absolute(), pair.rig.absolute(), pair.output)
    places: dict[str, Any] = {"output": (pair.output,), "report": None}
    for name, ending in BESIDE.items():
        folder = getattr(options, name)
        places[name] = folder and folder.absolute() / f"{label}{ending}"
    mask = options.mask and options.mask.absolute()
    reference = options.reference and str(Path(options.reference).absolute())  # FILE:FRAME stays one
    adapter = options.adapter and options.adapter.absolute()
    places |= {"mask": mask, "reference": reference, "segment_model": _absolute(options.segment_model)}
    own = replace(options, **places, adapter=adapter)
    return Item(pair.output.name, pair.output, (pair.video, pair.rig, *own.read), (pair, own), digest)


def _absolute(name: str | Path | None) -> str | None:
    """Names of models stay, paths hold in every working directory."""
    if name is None:
        return None
    return str(Path(name).absolute()) if Path(name).exists() else str(name)


def _digest(options: Options) -> str:
    """Whatever shapes an output but the video and the rig: a later run with other options does the items again."""
    from mocapcli.capturing.models import shipped_model
    from mocapcli.checkpoints import model_folder
    from mocapcli.evaluation.sources import weights_digest

    folder = shipped_model() if options.model is None else model_folder(str(options.model))
    facts = {name: value for name, value in asdict(options).items() if name not in OF_NO_WEIGHT}
    return digest_of(version=__version__, weights=weights_digest(folder), **facts)
