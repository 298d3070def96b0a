"""What several commands have alike."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer

SHOWN = 12  # names in a line

ModelOption = Annotated[
    str | None, typer.Option(metavar="NAME|DIR", help="A trained model. Default: the one that comes with mocap.")
]
DeviceOption = Annotated[str | None, typer.Option(help="cpu or cuda. Default: a GPU if there is one.")]
ReferenceOption = Annotated[
    str | None,
    typer.Option(
        metavar="FILE[:FRAME]",
        help="A frame that shows the rig in a pose known to be right. Default: its first clip's first.",
    ),
]
KeepClipsOption = Annotated[
    bool,
    typer.Option("--keep-clips", help="Write RIG's own clips too, behind the new one. Default: the new one alone."),
]


def check_outputs(outputs: Sequence[Path], inputs: Sequence[Path], overwrite: bool) -> None:
    """Before the work, not after it."""
    from mocapcli.formats import find_writer
    from mocapcli.whole_file import check_place, spare_inputs

    for path in outputs:
        find_writer(path)
        check_place(path)
        if not overwrite:
            spare_inputs(path, inputs)


def show_rows(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table of names, which may hold any character."""
    from rich.table import Table
    from rich.text import Text

    from mocapcli.console import printable, show

    table = Table(*heads, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(printable(cell or "-")) for cell in row))
    show(table)


def some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f", … ({len(names)})" if len(names) > SHOWN else "")
