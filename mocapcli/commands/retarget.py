"""`mocap retarget`: an animation moves to another rig."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mocapcli.commands.shared import KeepClipsOption, check_outputs, show_rows, some
from mocapcli.console import note, warnings_as_notes
from mocapcli.errors import InvalidDataError, UsageError

if TYPE_CHECKING:
    from mocapcli.retarget.api import RetargetOptions, RetargetReport
    from mocapcli.retarget.plan import Plan
    from mocapcli.types import Asset

PairsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="PAIR|FILE",
        help="JOINT=SOURCE (RIG's joint, IN's joint), JOINT= (stays at rest), or a .json, .toml, .csv file of "
        "such pairs; may be repeated. Joints not told are matched by name, then by topology.",
    ),
]
RestOption = Annotated[
    Literal["align", "keep"],
    typer.Option(
        help="align: an arm that hangs in IN hangs on RIG, whatever their rest poses. keep: limbs turn as far as "
        "in IN, from RIG's own rest pose."
    ),
]


def retarget(
    source: Annotated[Path, typer.Argument(metavar="IN", help="File with the animation.", show_default=False)],
    rig: Annotated[Path, typer.Option(help="File with the rig to animate.", show_default=False)],
    output: Annotated[
        list[Path] | None,
        typer.Option("--output", "-o", metavar="OUT", help="Where to write; may be repeated.", show_default=False),
    ] = None,
    clip: Annotated[
        list[str] | None,
        typer.Option(help="Clip by name or number (see mocap info); may be repeated. Default: all.", metavar="NAME"),
    ] = None,
    pairs: PairsOption = None,
    list_pairs: Annotated[bool, typer.Option("--list", help="Show who would drive whom; write nothing.")] = False,
    up: Annotated[
        Literal["y", "z"], typer.Option(help="Axis that points up in IN, where the format does not say.")
    ] = "y",
    rest: RestOption = "align",
    names: Annotated[bool, typer.Option("--names/--no-names", help="Whether names count before topology.")] = True,
    filters: Annotated[
        list[str] | None,
        typer.Option(
            "--filter",
            metavar="NAME[:OPTION=VALUE,…]",
            help="contact, smooth, …, as in mocap convert; may be repeated.",
        ),
    ] = None,
    keep_clips: KeepClipsOption = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Let OUT replace IN or RIG. Other files are replaced anyway.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Move an animation to another rig.

    Joints are paired by names and, where those fail, by limbs; --list shows how. Feet are kept on the ground as a
    whole; where they slide, --filter contact holds them.
    """
    from mocapcli.filters.chain import filter_asset, parse_filters
    from mocapcli.retarget.api import RetargetOptions

    if not output and not list_pairs:
        raise UsageError("nothing to do", remedy="say where to write with -o FILE, or --list")
    steps = parse_filters(filters or ())
    options = RetargetOptions(tuple(pairs or ()), rest, names)
    check_outputs(output or [], (source, rig), overwrite)
    with warnings_as_notes() as warned:
        here, there = _read(source, rig, clip or (), up == "z")
        if list_pairs:
            _list(here, there, options, as_json)
        else:
            moved, report = _move(here, there, options, source)
            _write(output or [], there.with_new_motions(filter_asset(moved, steps).motions, keep_clips))
    for line in warned:
        note(line)
    if not list_pairs:
        _tell(report, output or [], as_json)


def _read(source: Path, rig: Path, clips: Sequence[str], z_up: bool) -> "tuple[Asset, Asset]":
    from mocapcli.convert import Z_UP_TO_Y_UP, choose_clips
    from mocapcli.formats import read_asset
    from mocapcli.kinematics import transform_asset

    here = read_asset(source)
    if z_up:
        here = transform_asset(here, rotation=Z_UP_TO_Y_UP)
    return here.with_motions(choose_clips(here.motions, clips)), read_asset(rig)


def _move(here: "Asset", there: "Asset", options: "RetargetOptions", source: Path) -> "tuple[Asset, RetargetReport]":
    from mocapcli.retarget.api import retarget as move

    try:
        return move(here, there, options)
    except InvalidDataError as error:
        error.path = error.path or source
        raise


def _write(outputs: Sequence[Path], asset: "Asset") -> None:
    from mocapcli.formats import write_asset

    for path in outputs:
        write_asset(path, asset)


def _tell(report: "RetargetReport", outputs: Sequence[Path], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(report.as_dict() | {"output": [str(path) for path in outputs]}, indent=2))
        return
    for line in report.notes:
        note(line)
    if report.at_rest:
        note(f"at rest: {some(report.at_rest)}")
    if report.idle:
        note(f"joints of the motion that drive nothing: {some(report.idle)}")
    for path in outputs:
        typer.echo(f"{path}: {report} (ways scaled by {report.scale:.4g})")


def _list(here: "Asset", there: "Asset", options: "RetargetOptions", as_json: bool) -> None:
    from mocapcli.retarget.api import propose, report_of

    plan = propose(here.rig, there.rig, options)
    report = report_of(plan)
    if as_json:
        rows = [{"joint": name, "source": source, "by": by} for name, source, by in _rows(plan)]
        typer.echo(json.dumps({"map": rows} | report.as_dict(), indent=2, ensure_ascii=False))
        return
    show_rows(("joint of the rig", "driven by", "found by"), _rows(plan))
    typer.echo(str(report))
    for line in report.notes:
        note(line)


def _rows(plan: "Plan") -> list[tuple[str, str, str]]:
    drivers = [driver.reason if driver else "" for driver in plan.drivers]
    return [
        (name, plan.names_of(joint), reason or ("at rest" if plan.target.active[joint] else "moves no vertex"))
        for joint, (name, reason) in enumerate(zip(plan.target.skeleton.names, drivers, strict=True))
    ]
