"""Options that several commands have alike."""

from typing import Annotated

import typer

KeepClipsOption = Annotated[
    bool,
    typer.Option("--keep-clips", help="Write RIG's own clips too, behind the new one. Default: the new one alone."),
]
