"""`mocap solve`: 3D joint tracks, from wherever, become an animation on a rig."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from mocapcli.commands.shared import KeepClipsOption, check_outputs, show_rows, some
from mocapcli.console import note, warnings_as_notes
from mocapcli.errors import UsageError

if TYPE_CHECKING:
    from mocapcli.solving.api import SolveOptions, SolveReport
    from mocapcli.solving.mapping import JointMap
    from mocapcli.tracks.data import Tracks
    from mocapcli.types import Asset, Motion

LONG = 300  # frames from which a progress bar is worth it

PositionsArgument = Annotated[
    Path,
    typer.Argument(
        metavar="POSITIONS",
        help="Tracks: .csv (Anipose, DeepLabCut 3D, …), .trc, .c3d, .json, .npz, or any animation.",
        show_default=False,
    ),
]
OutputOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--output", "-o", metavar="OUT", help="Where to write; may be repeated (a.glb, a.bvh).", show_default=False
    ),
]
NamesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="PAIR|FILE",
        help="JOINT=TRACK, JOINT=A+B (mean of two markers), JOINT= (none), or a .json, .toml, .csv file of such "
        "pairs; may be repeated. Joints not told are matched by name.",
    ),
]
ListNamesOption = Annotated[bool, typer.Option("--list", help="Show both lists of names and the pairs; solve nothing.")]
UpOption = Annotated[
    Literal["x", "y", "z", "-x", "-y", "-z"] | None,
    typer.Option(help="Axis of POSITIONS that points up. Default: as the file says, else guessed.", show_default=False),
]
ScaleOption = Annotated[
    float | None,
    typer.Option(help="Metres per unit of POSITIONS, for --keep-scale where the file is silent.", show_default=False),
]
KeepScaleOption = Annotated[
    bool,
    typer.Option("--keep-scale", help="Keep distances travelled as they are, instead of fitting the rig's size."),
]
RateOption = Annotated[
    float | None,
    typer.Option(
        help="Frames per second of POSITIONS, where the file does not say.", min=0.001, max=1e6, show_default=False
    ),
]
WhichOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="Which clip, individual, person or subject of several.")
]
LeastConfidenceOption = Annotated[
    float, typer.Option("--min-confidence", help="Points below count as unseen.", min=0, max=1)
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|DIR|closed-form",
        help="A trained model, or none. Default: the one that comes with mocap, and none for clean tracks.",
        show_default=False,
    ),
]


def solve(
    positions: PositionsArgument,
    rig: Annotated[Path, typer.Option(help="File with the rig to animate.", show_default=False)],
    output: OutputOption = None,
    names: NamesOption = None,
    list_names: ListNamesOption = False,
    up: UpOption = None,
    scale: ScaleOption = None,
    keep_scale: KeepScaleOption = False,
    rate: RateOption = None,
    fps: Annotated[float | None, typer.Option(help="Frames per second of the result.", min=0.001, max=10000)] = None,
    start: Annotated[float | None, typer.Option(help="First second to solve.", min=0)] = None,
    end: Annotated[float | None, typer.Option(help="Last second to solve.", min=0)] = None,
    which: WhichOption = None,
    least_confidence: LeastConfidenceOption = 0.1,
    model: ModelOption = None,
    keep_clips: KeepClipsOption = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Let OUT replace POSITIONS or RIG. Other files are replaced anyway.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Turn 3D joint tracks into an animation of a rig.

    Tracks are those of DeepLabCut, Anipose, OpenCap, markers, …: .npz, .csv, .trc, .c3d or .json. Sizes, units and axes
    are fitted to the rig; bones keep the rig's lengths; joints that were not tracked, or not all the time, are filled
    in. Start with --list to see which track would drive which joint.
    """
    from mocapcli.solving.api import SolveOptions

    _check(output, list_names, scale, keep_scale, start, end)
    check_outputs(output or [], (positions, rig), overwrite)
    options = SolveOptions(tuple(names or ()), model, up, scale, keep_scale, rate, fps, start, end)
    options = replace(options, which=which, least_confidence=least_confidence)
    tracks, asset = _read(positions, rig, options)
    if list_names:
        _list(tracks, asset, options, as_json)
        return
    with warnings_as_notes() as warned:
        motion, report = _solve(tracks, asset, options)
        for path in output or []:
            _write(path, asset.with_new_motions([motion], keep_clips))
    for line in warned:
        note(line)
    _tell(report, output or [], as_json)


def _check(
    output: Sequence[Path] | None,
    list_names: bool,
    scale: float | None,
    keep_scale: bool,
    start: float | None,
    end: float | None,
) -> None:
    if not output and not list_names:
        raise UsageError("nothing to do", remedy="say where to write with -o FILE, or --list")
    if scale is not None and not 0 < scale < float("inf"):
        raise UsageError(f"--scale must be positive, not {scale:g}")
    if scale is not None and not keep_scale:
        raise UsageError("--scale changes nothing without --keep-scale: tracks are fitted to the rig's size")
    if start is not None and end is not None and start > end:
        raise UsageError(f"--start {start:g} is later than --end {end:g}")


def _read(positions: Path, rig: Path, options: "SolveOptions") -> "tuple[Tracks, Asset]":
    from mocapcli.formats import read_asset
    from mocapcli.tracks.read import read_tracks

    with warnings_as_notes() as warned:
        asset = read_asset(rig)
        tracks = read_tracks(positions, options.which, options.rate)
    for line in warned:
        note(line)
    return tracks, asset


def _solve(tracks: "Tracks", asset: "Asset", options: "SolveOptions") -> "tuple[Motion, SolveReport]":
    import sys

    from tqdm import tqdm

    from mocapcli.solving.api import solve_tracks
    from mocapcli.tracks.data import crop_tracks

    frames = crop_tracks(tracks, options.start, options.end).frames
    silent = True if frames < LONG else None  # None: only where a terminal shows it
    with tqdm(total=frames, desc="solve", unit="frame", file=sys.stderr, disable=silent) as bar:
        solution = solve_tracks(tracks, asset, options, bar.update)
    return solution.motion, solution.report


def _write(path: Path, asset: "Asset") -> None:
    from mocapcli.formats import write_asset

    write_asset(path, asset)


def _tell(report: "SolveReport", output: Sequence[Path], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(report.as_dict() | {"output": [str(path) for path in output]}, indent=2))
        return
    for line in report.notes:
        note(line)
    if report.at_rest:
        note(f"at rest, for nothing tells of them: {some(report.at_rest)}")
    if report.idle_tracks:
        note(f"tracks that drive nothing: {some(report.idle_tracks)}")
    for path in output:
        typer.echo(f"{path}: {report.frames} frames, {report.matched} of {report.joints} joints tracked")
    residual = "unknown" if report.residual is None else f"{100 * report.residual:.2f} % of the rig's size"
    typer.echo(f"mean distance to the tracks: {residual} (tracks scaled by {report.scale:.4g}, {report.up} up)")


def _list(tracks: "Tracks", asset: "Asset", options: "SolveOptions", as_json: bool) -> None:
    from mocapcli.solving.api import propose_map

    mapping = propose_map(tracks, asset, options)
    if as_json:
        typer.echo(json.dumps(_plain(mapping), indent=2, ensure_ascii=False))
    else:
        found = zip(mapping.joints, map(mapping.track_names, range(len(mapping.joints))), mapping.reasons, strict=True)
        show_rows(("joint of the rig", "track", "found by"), found)
        typer.echo(f"{len(mapping.matched)} of {len(mapping.joints)} joints matched")
        if mapping.idle:
            typer.echo(f"tracks that drive nothing: {', '.join(mapping.idle)}")


def _plain(mapping: "JointMap") -> dict[str, Any]:
    pairs = {
        joint: [mapping.tracks[k] for k in places]
        for joint, places in zip(mapping.joints, mapping.sources, strict=True)
    }
    return {
        "joints": list(mapping.joints),
        "tracks": list(mapping.tracks),
        "map": {j: t for j, t in pairs.items() if t},
    }
