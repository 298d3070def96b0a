"""Our own commands, registered like anybody's plugin."""

import typer

from mocapcli import hookimpl
from mocapcli.commands.plugins import plugins


@hookimpl
def register_commands(app: typer.Typer) -> None:
    app.command("plugins")(plugins)
