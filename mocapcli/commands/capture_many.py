"""`mocap capture` with several videos or rigs: a folder is filled, and what was finished before stays."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mocapcli.console import note
from mocapcli.errors import UsageError

if TYPE_CHECKING:
    from mocapcli.capturing.options import Options


@dataclass(frozen=True)
class Many:
    """What the command line says of many captures and would not of one."""

    to: str | None = None
    engine: str = "local"
    workers: int | None = None
    shard: str | None = None
    redo: bool = False


def are_many(videos: Sequence[Path], rigs: Sequence[Path], outputs: Sequence[Path], many: Many) -> bool:
    """Whether a folder is to be filled: several videos, several rigs, a folder of videos, or a folder to write into."""
    from mocapcli.batch.naming import find_videos

    if len(videos) > 1 or len(rigs) > 1 or any(path.is_dir() or not path.suffix for path in outputs):
        return True
    if any(video.is_dir() and find_videos([video], [video]) != [video] for video in videos):
        return True
    if many != Many():
        raise UsageError(
            "--to, --engine, --workers, --shard and --redo are for many captures", remedy="name a folder with -o"
        )
    return False


def capture_many(videos: Sequence[Path], rigs: Sequence[Path], options: "Options", many: Many) -> int:
    """Every video for every rig; gives the exit code."""
    from mocapcli.batch import parse_shard
    from mocapcli.batch.naming import find_videos
    from mocapcli.batch.report import progress_bar, show_summary, write_summary
    from mocapcli.capturing.batch import capture_batch, folders_beside, plan_batch
    from mocapcli.commands.capture import Bars

    folder = _folder(options.output)
    _check_report(options.report)
    shard = parse_shard(many.shard)
    for name in ("preview", "debug_dir"):
        place = getattr(options, name)
        if place is not None and any(_same(place, video) for video in videos):
            problem = f"{place} is the folder of videos: what is written there would be captured the next time"
            raise UsageError(problem, remedy=f"name another for --{name.replace('_', '-')}")
    found = find_videos(videos, [folder, *folders_beside(options)])
    plan = plan_batch(found, rigs, folder, options, many.to)
    for line in plan.notes:
        note(line)
    count = len(shard.select(plan.items)) if shard else len(plan.items)
    with Bars() as bars, progress_bar(count, "capture", "capture") as progress:
        summary = capture_batch(
            plan,
            folder,
            options,
            engine=many.engine,
            workers=many.workers,
            shard=shard,
            redo=many.redo,
            progress=progress,
            learning=bars.update,
        )
    show_summary(summary, "capture")
    if options.report is not None:
        write_summary(options.report, summary)
    return summary.exit_code


def _same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()


def _check_report(path: Path | None) -> None:
    """Before the work, not after it."""
    if path is not None and (path.is_dir() or not path.parent.is_dir()):
        problem = f"{path} is a folder" if path.is_dir() else f"there is no folder {path.parent}"
        raise UsageError(problem, remedy="--report names a file")


def _folder(outputs: Sequence[Path]) -> Path:
    remedy = "as in -o out/, and --to EXT for another format than the rig's"
    if len(outputs) != 1:
        raise UsageError("many captures go into one folder", remedy=remedy)
    (folder,) = outputs
    if folder.suffix and not folder.is_dir():
        raise UsageError("many captures go into a folder, and this is a file's name", path=folder, remedy=remedy)
    return folder
