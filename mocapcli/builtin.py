"""Our own commands, registered like anybody's plugin."""

import typer

from mocapcli import hookimpl
from mocapcli.commands.convert import convert
from mocapcli.commands.info import info
from mocapcli.commands.plugins import plugins
from mocapcli.commands.render import render
from mocapcli.commands.solve import solve
from mocapcli.commands.view import view
from mocapcli.commands.zoo import zoo


@hookimpl
def register_commands(app: typer.Typer) -> None:
    app.command("convert")(convert)
    app.command("info")(info)
    app.command("plugins")(plugins)
    app.command("render")(render)
    app.command("solve")(solve)
    app.command("view")(view)
    app.command("zoo")(zoo)
