"""Every hook a plugin may implement, one line each. Each has a heading in plugins/README.md."""

from collections.abc import Callable

import pluggy
import typer

from mocapcli.extensions import Checkpoint, Filter, Format, Metric, Segmenter, Source

hookspec = pluggy.HookspecMarker("mocapcli")


@hookspec
def register_commands(app: typer.Typer) -> None:
    """Add commands to `mocap`: `app.command("name")(function)`."""


@hookspec
def register_formats(register: Callable[[Format], None]) -> None:
    """Teach mocap to read and write a file format: `register(Format(...))`."""


@hookspec
def register_filters(register: Callable[[Filter], None]) -> None:
    """Offer a change to clips by name, for `--filter`: `register(Filter(...))`."""


@hookspec
def register_metrics(register: Callable[[Metric], None]) -> None:
    """Add a figure to `mocap eval`: `register(Metric(...))`."""


@hookspec
def register_checkpoints(register: Callable[[Checkpoint], None]) -> None:
    """Bring a trained model by name, for `--model`: `register(Checkpoint(...))`."""


@hookspec
def register_sources(register: Callable[[Source], None]) -> None:
    """Open a kind of video: `register(Source(...))`."""


@hookspec
def register_segmenters(register: Callable[[Segmenter], None]) -> None:
    """Offer a way to find the subject in a video: `register(Segmenter(...))`."""
