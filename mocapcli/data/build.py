"""Read folders of assets once and leave a compact cache, by one worker or by many on several machines.

Every group of files, and every creature, leaves a part beside the rigs; whoever finds the last one in place puts the
index together. So a build that was killed goes on where it was, and shards need to know nothing of each other.
"""

import hashlib
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mocapcli import __version__
from mocapcli.batch import Item, Shard, Summary, digest_of, run_batch
from mocapcli.batch.items import Work
from mocapcli.batch.report import progress_bar
from mocapcli.data.cache import INDEX, PARTS, Cache, open_cache, write_index
from mocapcli.data.layouts import Group, find_groups
from mocapcli.data.parts import build_part
from mocapcli.errors import MocapError, WriteError


@dataclass(frozen=True)
class Built:
    """What a build leaves: all rigs that are in place, how many groups are still to come, and what this run did."""

    cache: Cache
    missing: int
    summary: Summary


def build_cache(
    assets: Path | None,
    output: Path,
    groups: Iterable[Group] | None = None,
    creatures: Sequence[int] = (),
    progress_bar: bool = True,
) -> Cache:
    """Everything readable under `assets` (or in `groups`), and procedural creatures of these seeds, as a cache.

    A finished cache in `output` is replaced, an unfinished one is finished; any other folder that is not empty is
    refused.
    """
    found = list(groups) if groups is not None else find_groups(assets) if assets is not None else []
    return build(found, creatures, assets or output, output, show_progress=progress_bar).cache


def build(
    groups: Sequence[Group],
    creatures: Sequence[int],
    root: Path,
    output: Path,
    *,
    engine: str = "local",
    workers: int | None = None,
    shard: Shard | None = None,
    show_progress: bool = True,
) -> Built:
    """The same by any engine and in shards. `root` is what names of files are relative to.

    With shards nothing that is finished is done again: the others may be at it.
    """
    _make_room(output, anew=shard is None)
    output, root = output.absolute(), root.absolute()  # workers may have another working directory
    tasks: list[Group | int] = [*map(_absolute, groups), *creatures]
    items = [_item(task, output) for task in tasks]
    mine = shard.select(items, key=lambda item: item.key) if shard else items
    factory = partial(_make_builder, output, root)
    with progress_bar(len(mine), "data build", "group", show_progress) as progress:
        summary = run_batch(items, factory, output, engine=engine, workers=workers, shard=shard, progress=progress)
    if summary.interrupted:
        raise KeyboardInterrupt
    for outcome in summary.of("failed"):
        reason = {outcome.item.key: outcome.reason or ""}
        write_index(Cache(output, (), reason), _part_name(outcome.item))
    return _assemble(items, output, summary)


def _make_room(output: Path, anew: bool) -> None:
    """A place for the parts: nothing that is not a cache is ever deleted."""
    begun = (output / PARTS).is_dir() or (output / INDEX).is_file()
    if output.exists() and (not output.is_dir() or (any(output.iterdir()) and not begun)):
        raise WriteError("this is something else than a cache", path=output, remedy="name a new or empty folder")
    if anew and (output / INDEX).is_file():
        for folder in ("rigs", PARTS):
            shutil.rmtree(output / folder, ignore_errors=True)
        (output / INDEX).unlink()
    for folder in (PARTS, "rigs"):  # in this order: parts are what an unfinished cache is known by
        (output / folder).mkdir(parents=True, exist_ok=True)


def _absolute(group: Group) -> Group:
    listings = {path.absolute(): listing for path, listing in group.listings.items()}
    return Group(group.name, tuple(path.absolute() for path in group.files), listings)


def _item(task: Group | int, output: Path) -> Item:
    group = Group(f"creature {task}", (), {}) if isinstance(task, int) else task
    name = hashlib.sha256(group.name.encode()).hexdigest()[:16] + ".json"
    digest = digest_of(version=__version__, listings=sorted(str(listing) for listing in group.listings.values()))
    return Item(group.name, output / PARTS / name, group.files, task, digest)


def _part_name(item: Item) -> str:
    return f"{PARTS}/{item.output.name}"


def _make_builder(output: Path, root: Path) -> Work:
    def build_item(item: Item) -> dict[str, int]:
        part = build_part(item.task, output, root)
        write_index(part, _part_name(item))
        return {"rigs": len(part.entries), "skipped": len(part.skipped)}

    return build_item


def _assemble(items: Sequence[Item], output: Path, summary: Summary) -> Built:
    """One index of all parts, in the groups' order, once they are all there."""
    parts = []
    for item in items:
        try:
            parts.append(open_cache(output, _part_name(item)))
        except MocapError:  # another shard's, and not there yet
            continue
    entries = tuple(entry for part in parts for entry in part.entries)
    skipped = {file: reason for part in parts for file, reason in part.skipped.items()}
    cache, missing = Cache(output, entries, skipped), len(items) - len(parts)
    if not missing:
        write_index(cache)
    return Built(cache, missing, summary)
