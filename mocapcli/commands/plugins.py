"""`mocap plugins`: what is installed, what it adds, and what is broken and why."""

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer

from mocapcli.plugins import Plugin, get_plugins


def plugins(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List plugins: package, version, hooks, file extensions, status."""
    loaded = get_plugins()
    extensions: dict[str, dict[str, str]] = {}
    for owner, record in loaded.registered("register_formats"):
        how = ("r" if record.read else "") + ("w" if record.write else "")
        extensions.setdefault(owner, {}).update({extension: how for extension in record.extensions})
    rows = [_row(plugin, extensions.get(plugin.name, {})) for plugin in loaded.found]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    else:
        _print_table(rows)


def _row(plugin: Plugin, extensions: dict[str, str]) -> dict[str, Any]:
    status = "skipped" if plugin.skipped else "broken" if plugin.error else "ok"
    row = asdict(plugin)
    del row["skipped"]
    return row | {"hooks": list(plugin.hooks), "extensions": extensions, "status": status}


def _print_table(rows: list[dict[str, Any]]) -> None:
    from rich.table import Table

    from mocapcli.console import show

    table = Table("plugin", "package", "version", "hooks", "extensions", "status", box=None, pad_edge=False)
    for row in rows:
        extensions = " ".join(f".{name}({how})" for name, how in row["extensions"].items())
        status = row["status"] + (f": {row['error']}" if row["error"] else "")
        hooks = " ".join(hook.removeprefix("register_") for hook in row["hooks"])
        table.add_row(row["name"], row["package"], row["version"], hooks, extensions, status)
    show(table)
