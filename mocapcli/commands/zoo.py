"""`mocap zoo`: as many creatures as you like, from nothing but a seed."""

from pathlib import Path
from typing import Annotated

import typer

from mocapcli.console import note, warnings_as_notes
from mocapcli.errors import UsageError


def zoo(
    outdir: Annotated[
        Path | None, typer.Argument(metavar="OUTDIR", help="Folder for the files; made if missing.", show_default=False)
    ] = None,
    count: Annotated[int, typer.Option(help="How many creatures.", min=1, max=1_000_000)] = 1,
    seed: Annotated[int, typer.Option(help="Seed of the first; the next ones count up.", min=0)] = 0,
    kind: Annotated[
        list[str] | None, typer.Option(help="Only this kind; may be repeated, they then take turns.", metavar="NAME")
    ] = None,
    axes: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Joints' local axes: y_along, x_along, x_mirrored, z_along, world or random. Default: many kinds.",
        ),
    ] = None,
    extension: Annotated[str, typer.Option("--format", help="Extension of the files.", metavar="EXT")] = "glb",
    sheet: Annotated[
        Path | None, typer.Option(help="Also draw them all on one picture (.png or .jpg).", metavar="FILE")
    ] = None,
    list_kinds: Annotated[bool, typer.Option("--list", help="List the kinds of creatures and exit.")] = False,
) -> None:
    """Make animated creatures from nothing.

    Dragons, spiders, fish, people, oddities. The same seed gives the same creature.
    """
    from mocapcli.zoo import KINDS

    if list_kinds:
        typer.echo("\n".join(KINDS))
        return
    if outdir is None and sheet is None:
        raise UsageError("nothing to do", remedy="give a folder to write to, --sheet FILE, or --list")
    for name in kind or ():
        if name not in KINDS:
            raise UsageError(f"no creature called {name!r}", remedy=f"known: {', '.join(KINDS)}")
    plans = [
        (number, kind[place % len(kind)] if kind else None) for place, number in enumerate(range(seed, seed + count))
    ]
    from mocapcli.zoo.axes import AXES

    if axes is not None and axes not in AXES:
        raise UsageError(f"no axis convention called {axes!r}", remedy=f"known: {', '.join(AXES)}")
    _make_all(plans, axes, outdir, extension.lower().lstrip("."), sheet)


def _make_all(
    plans: list[tuple[int, str | None]], axes: str | None, outdir: Path | None, extension: str, sheet: Path | None
) -> None:
    """Make, write and draw them one by one; what a format drops is said once."""
    from tqdm import tqdm

    from mocapcli.formats import find_writer, write_asset
    from mocapcli.zoo import make_creature
    from mocapcli.zoo.sheet import Sheet

    picture = Sheet(sheet, len(plans)) if sheet else None
    if outdir is not None:
        find_writer(Path(f"x.{extension}"))
        outdir.mkdir(parents=True, exist_ok=True)
    with warnings_as_notes() as warned:
        for seed, kind in tqdm(plans, desc="creatures", unit="", disable=None):
            asset = make_creature(seed, kind, axes)  # type: ignore[arg-type]
            if outdir is not None:
                write_asset(outdir / f"{asset.rig.name}.{extension}", asset)
            if picture is not None:
                picture.add(asset)
    if picture is not None:
        picture.save()
    for line in dict.fromkeys(line.partition(": ")[2] or line for line in warned):
        note(line)
