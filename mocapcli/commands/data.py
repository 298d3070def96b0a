"""`mocap data`: turn folders of assets into a cache for training and evaluation, and show what is in it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from mocapcli.data.cache import Cache

app = typer.Typer(help="Build and inspect caches of assets for training and evaluation.", no_args_is_help=True)


@app.command()
def build(
    assets: Annotated[Path, typer.Argument(help="Folder of assets, with a manifest.csv or without.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the cache.")] = Path("cache"),
) -> None:
    """Read every asset under a folder once and keep what training needs, small."""
    from mocapcli.data.build import build_cache

    cache = build_cache(assets, output)
    for source, reason in cache.skipped.items():
        typer.echo(f"skipped {source}: {reason}", err=True)
    size = sum(path.stat().st_size for path in output.rglob("*") if path.is_file())
    typer.echo(f"{output}: {len(cache.entries)} rigs, {size / 1e6:.1f} MB, {len(cache.skipped)} files skipped")


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
    from rich.console import Console
    from rich.table import Table

    table = Table(
        "split", *(name for name in next(iter(rows.values())) if name != "categories"), "categories", box=None
    )
    for split, row in rows.items():
        kinds = ", ".join(f"{name} {count}" for name, count in row["categories"].items())
        table.add_row(split, *(str(value) for name, value in row.items() if name != "categories"), kinds)
    Console().print(table)


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
