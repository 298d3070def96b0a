"""`mocap render`: a film or picture of any asset."""

from pathlib import Path
from typing import Annotated, Literal

import typer

OutputOption = Annotated[
    Path, typer.Option("--output", "-o", help="Film (.mp4, .gif) or picture (.png).", show_default=False)
]
ClipOption = Annotated[
    str | None, typer.Option(help="Clip by name or number (see mocap info). Default: the first.", metavar="NAME")
]
ViewOption = Annotated[
    list[str] | None,
    typer.Option(
        help="front, side, back, top, three-quarter, or YAW,PITCH in degrees; repeat it for views side by side.",
        metavar="VIEW",
    ),
]
SizeOption = Annotated[
    str | None, typer.Option(help="Pixels of one view: 640 or 800x600.", metavar="SIZE", show_default=False)
]
BackgroundOption = Annotated[
    str, typer.Option(help="studio, dark, transparent (png), or a plain colour such as white or #20242a.")
]
CameraOption = Annotated[Literal["auto", "still", "follow"], typer.Option(help="auto follows only those that go far.")]
TrailsOption = Annotated[
    list[str] | None, typer.Option(help="Draw the path of this joint; may be repeated.", metavar="JOINT")
]
SheetOption = Annotated[
    bool, typer.Option("--sheet", help="Contact sheet (.png) of the clip; of all clips without --clip.")
]


def render(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Any file mocap reads.", show_default=False)],
    output: OutputOption,
    clip: ClipOption = None,
    rest: Annotated[bool, typer.Option("--rest", help="Show the rest pose, turning, rather than a clip.")] = False,
    view: ViewOption = None,
    size: SizeOption = None,
    fps: Annotated[float | None, typer.Option(help="Frames per second. Default: the clip's.", min=1, max=240)] = None,
    background: BackgroundOption = "studio",
    camera: CameraOption = "auto",
    skeleton: Annotated[bool, typer.Option("--skeleton", help="Draw the skeleton over the body.")] = False,
    trails: TrailsOption = None,
    time: Annotated[float | None, typer.Option(help="Second of a clip to show in a .png.", min=0)] = None,
    sheet: SheetOption = False,
    tiles: Annotated[int | None, typer.Option(help="Frames of each clip on a sheet.", min=1, max=400)] = None,
    plugin: Annotated[str | None, typer.Option(help="Read FILE with this format plugin.", metavar="NAME")] = None,
) -> None:
    """Draw a film, picture or contact sheet of a clip.

    Of an asset without clips: its rest pose, turning.
    """
    from mocapcli.console import note, warnings_as_notes
    from mocapcli.render.command import Request, render_file

    request = Request(
        file,
        output,
        clip,
        rest,
        tuple(view or ()),
        size,
        fps,
        background,
        camera,
        skeleton,
        tuple(trails or ()),
        time,
        sheet,
        tiles,
        plugin,
    )
    with warnings_as_notes() as warned:
        result = render_file(request)
    for line in warned:
        note(line)
    typer.echo(result)
