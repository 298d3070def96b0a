"""`mocap convert`: a file, or a folder of them, into another format."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mocapcli.console import complain, note, warnings_as_notes
from mocapcli.errors import MocapError, UsageError

if TYPE_CHECKING:
    from mocapcli.convert import Result, Wishes


def convert(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A file, or a folder of files.", show_default=False)],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="A file, or a folder.", show_default=False)],
    clip: Annotated[
        list[str] | None,
        typer.Option(help="Clip by name or number (see mocap info); may be repeated. Default: all.", metavar="NAME"),
    ] = None,
    fps: Annotated[float | None, typer.Option(help="Frames per second of the result.", min=0.001, max=10000)] = None,
    start: Annotated[float | None, typer.Option(help="First second to keep.", min=0)] = None,
    end: Annotated[float | None, typer.Option(help="Last second to keep.", min=0)] = None,
    up: Annotated[
        Literal["y", "z"], typer.Option(help="Axis that points up in IN, where the format does not say.")
    ] = "y",
    scale: Annotated[
        float, typer.Option(help="Metres per unit of IN (0.01 for centimetres), where the format does not say.")
    ] = 1.0,
    rig: Annotated[
        Path | None, typer.Option(help="Put the motion on this file's rig, joint by joint of the same name.")
    ] = None,
    filters: Annotated[
        list[str] | None,
        typer.Option(
            "--filter",
            help="smooth, contact, loop, decimate, in-place, ground or a plugin's, with options as in "
            "smooth:strength=0.5; may be repeated, in that order.",
            metavar="NAME[:OPTION=VALUE,…]",
        ),
    ] = None,
    to: Annotated[
        str | None, typer.Option(help="Extension of the results (glb, bvh, …) where OUT is a folder.", metavar="EXT")
    ] = None,
    plugin: Annotated[str | None, typer.Option(help="Read IN with this format plugin.", metavar="NAME")] = None,
    to_plugin: Annotated[str | None, typer.Option(help="Write OUT with this format plugin.", metavar="NAME")] = None,
    overwrite: Annotated[
        bool | None,
        typer.Option(
            "--overwrite/--no-overwrite",
            help="Replace files that exist. Default: yes, but not those being read.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Convert a rig with its clips into another format."""
    if not scale > 0:
        raise UsageError(f"--scale must be positive, not {scale:g}")
    if start is not None and end is not None and start > end:
        raise UsageError(f"--start {start:g} is later than --end {end:g}")
    from mocapcli.convert import Wishes
    from mocapcli.filters.chain import parse_filters

    steps = parse_filters(filters or ())
    wishes = Wishes(
        tuple(clip or ()), fps, start, end, up == "z", scale, None, rig, plugin, to_plugin, overwrite, steps
    )
    extension = to.lower().lstrip(".") if to else None
    if source.is_dir():
        _convert_folder(source, target, extension, _with_rig(wishes))
    else:
        _convert_one(source, _target_file(source, target, extension), _with_rig(wishes))


def _with_rig(wishes: "Wishes") -> "Wishes":
    from dataclasses import replace

    from mocapcli.formats import read_asset

    if wishes.rig_path is None:
        return wishes
    with warnings_as_notes() as warned:
        rig = read_asset(wishes.rig_path)
    for line in warned:
        note(line)
    return replace(wishes, rig=rig)


def _target_file(source: Path, target: Path, extension: str | None) -> Path:
    if target.is_dir():
        if extension is None:
            raise UsageError("OUT is a folder", path=target, remedy="say which format with --to, as in --to glb")
        return target / f"{source.stem}.{extension}"
    if extension is not None and target.suffix.lower() != f".{extension}":
        raise UsageError(f"--to {extension} contradicts OUT", path=target, remedy="--to is for folders")
    return target


def _convert_one(source: Path, target: Path, wishes: "Wishes") -> None:
    from mocapcli.convert import convert_file

    _tell(convert_file(source, target, wishes))


def _convert_folder(folder: Path, target: Path, extension: str | None, wishes: "Wishes") -> None:
    """Convert every file; those that fail are listed at the end and make the exit code 1."""
    from tqdm import tqdm

    from mocapcli.convert import convert_file, plan_folder
    from mocapcli.formats import find_writer

    if extension is None:
        raise UsageError("IN is a folder", path=folder, remedy="say which format with --to, as in --to glb")
    if target.exists() and not target.is_dir():
        raise UsageError("IN is a folder, OUT a file", path=target, remedy="name a folder")
    find_writer(Path(f"x.{extension}"), wishes.to_plugin)
    plan = plan_folder(folder, target, extension, wishes.plugin)
    results, failures = [], []
    for source, output in tqdm(plan.items(), desc="convert", unit="file", file=sys.stderr, disable=None):
        try:
            output.parent.mkdir(parents=True, exist_ok=True)
            results.append(convert_file(source, output, wishes))
        except MocapError as error:
            failures.append(str(error))
        except Exception as error:  # one file that trips a plugin must not cost the others
            failures.append(f"{source}: {type(error).__name__}: {error}")
    for result in results:
        _tell(result)
    typer.echo(f"{len(results)} of {len(plan)} files converted")
    if failures:
        complain(f"{len(failures)} of {len(plan)} files failed:")
        for line in failures:
            complain(line)
        raise typer.Exit(1)


def _tell(result: "Result") -> None:
    for line in result.notes:
        note(line)
    typer.echo(str(result))
