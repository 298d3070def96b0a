"""Our own commands, registered like anybody's plugin."""

from collections.abc import Callable

import typer

from mocapcli import hookimpl
from mocapcli.checkpoints import shipped
from mocapcli.commands.adapt import adapt
from mocapcli.commands.capture import capture
from mocapcli.commands.convert import convert
from mocapcli.commands.data import app as data
from mocapcli.commands.eval import evaluate
from mocapcli.commands.info import info
from mocapcli.commands.plugins import plugins
from mocapcli.commands.render import render
from mocapcli.commands.retarget import retarget
from mocapcli.commands.solve import solve
from mocapcli.commands.train import train
from mocapcli.commands.view import view
from mocapcli.commands.zoo import zoo
from mocapcli.evaluation.records import METRICS
from mocapcli.extensions import Checkpoint, Filter, Metric, Segmenter, Source
from mocapcli.filters.records import FILTERS
from mocapcli.subject.records import SEGMENTERS
from mocapcli.video.records import SOURCES


@hookimpl
def register_commands(app: typer.Typer) -> None:
    app.command("adapt")(adapt)
    app.command("capture")(capture)
    app.command("convert")(convert)
    app.add_typer(data, name="data")
    app.command("eval")(evaluate)
    app.command("info")(info)
    app.command("plugins")(plugins)
    app.command("render")(render)
    app.command("retarget")(retarget)
    app.command("solve")(solve)
    app.command("train")(train)
    app.command("view")(view)
    app.command("zoo")(zoo)


@hookimpl
def register_filters(register: Callable[[Filter], None]) -> None:
    for record in FILTERS:
        register(record)


@hookimpl
def register_checkpoints(register: Callable[[Checkpoint], None]) -> None:
    for record in shipped():
        register(record)


@hookimpl
def register_sources(register: Callable[[Source], None]) -> None:
    for record in SOURCES:
        register(record)


@hookimpl
def register_segmenters(register: Callable[[Segmenter], None]) -> None:
    for record in SEGMENTERS:
        register(record)


@hookimpl
def register_metrics(register: Callable[[Metric], None]) -> None:
    for record in METRICS:
        register(record)
