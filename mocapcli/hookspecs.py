"""Every hook a plugin may implement, one line each. Each has a heading in plugins/README.md."""

from collections.abc import Callable

import pluggy
import typer

from mocapcli.extensions import Format

hookspec = pluggy.HookspecMarker("mocapcli")


@hookspec
def register_commands(app: typer.Typer) -> None:
    """Add commands to `mocap`: `app.command("name")(function)`."""


@hookspec
def register_formats(register: Callable[[Format], None]) -> None:
    """Teach mocap to read and write a file format: `register(Format(...))`."""
