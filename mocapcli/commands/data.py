"""`mocap data`: turn folders of assets into a cache for training and evaluation, and show what is in it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from mocapcli.console import note
from mocapcli.errors import UsageError

if TYPE_CHECKING:
    from mocapcli.data.build import Built
    from mocapcli.data.cache import Cache

app = typer.Typer(help="Build and inspect caches of assets for training and evaluation.", no_args_is_help=True)


@app.command()
def build(
    assets: Annotated[
        Path | None, typer.Argument(help="Folder of assets, with a manifest.csv or without.", show_default=False)
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the cache.")] = Path("cache"),
    zoo: Annotated[int, typer.Option(help="Add this many procedural creatures.", min=0)] = 0,
    seed: Annotated[int, typer.Option(help="The first creature's seed.", min=0)] = 0,
    objaverse: Annotated[
        int, typer.Option(help="Add this many animated Objaverse objects (extra [objaverse]).", min=0)
    ] = 0,
    workers: Annotated[
        int | None, typer.Option(help="Work in so many processes at once.", min=1, show_default="1")
    ] = None,
    engine: Annotated[
        Literal["local", "ray"], typer.Option(help="Processes of this machine, or a ray cluster (extra [ray]).")
    ] = "local",
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N", help="Do the I-th of N parts; the last one done finishes the cache.", show_default=False
        ),
    ] = None,
) -> None:
    """Read every asset under a folder once and keep what training needs, small.

    Recognised: a manifest.csv with file, split, family, category; Truebones Zoo (a folder per species); Mixamo
    packs (a character and animations without skin); Objaverse downloads; any folder of files that mocap reads. A build
    that was stopped goes on where it was.
    """
    from mocapcli.batch import parse_shard
    from mocapcli.data.build import build as build_all
    from mocapcli.data.layouts import find_groups, objaverse_groups

    if assets is None and not zoo and not objaverse:
        raise UsageError("nothing to build from", remedy="name a folder of assets, --zoo N or --objaverse N")
    part = parse_shard(shard)
    groups = find_groups(assets) if assets is not None else []
    groups += objaverse_groups(count=objaverse) if objaverse else []
    seeds = range(seed, seed + zoo)
    built = build_all(groups, seeds, assets or output, output, engine=engine, workers=workers, shard=part)
    _tell(built, output)


def _tell(built: "Built", output: Path) -> None:
    cache = built.cache
    for source, reason in cache.skipped.items():
        note(f"skipped {source}: {reason}")
    if built.missing:
        count = len(built.summary.outcomes)
        typer.echo(f"{output}: this shard's {count} groups are there; {built.missing} of other shards are to come")
    else:
        size = sum(path.stat().st_size for path in (output / "rigs").iterdir())
        typer.echo(f"{output}: {len(cache.entries)} rigs, {size / 1e6:.1f} MB, {len(cache.skipped)} files skipped")
    if built.summary.exit_code:
        raise typer.Exit(built.summary.exit_code)


@app.command()
def info(
    cache: Annotated[Path, typer.Argument(help="Folder made by `mocap data build`.")] = Path("cache"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the splits: families, rigs, clips and frames of each."""
    import json

    from mocapcli.data.cache import open_cache

    rows = _rows(open_cache(cache))
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    from rich.table import Table

    from mocapcli.console import show

    table = Table(
        "split", *(name for name in next(iter(rows.values())) if name != "categories"), "categories", box=None
    )
    for split, row in rows.items():
        kinds = ", ".join(f"{name} {count}" for name, count in row["categories"].items())
        table.add_row(split, *(str(value) for name, value in row.items() if name != "categories"), kinds)
    show(table)


def _rows(cache: "Cache") -> dict[str, dict[str, Any]]:
    from collections import Counter

    from mocapcli.data.windows import evaluation_windows

    rows: dict[str, dict[str, Any]] = {}
    for split in ("train", "seen", "rare", "unseen"):
        entries = cache.entries_of(split)
        windows = evaluation_windows(cache, split)
        rows[split] = {
            "families": len({entry.family for entry in entries}),
            "rigs": len(entries),
            "clips": len({(window.entry.file, window.motion) for window in windows}),
            "frames": sum(window.frames for window in windows),
            "windows": len(windows),
            "categories": dict(Counter(entry.category for entry in entries).most_common()),
        }
    return rows
