"""`mocap view`: an asset as a page for the browser."""

from pathlib import Path
from typing import Annotated

import typer


def view(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Any file mocap reads.", show_default=False)],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The page. Default: FILE with .html.", show_default=False)
    ] = None,
    clip: Annotated[
        list[str] | None,
        typer.Option(help="Clip by name or number (see mocap info); may be repeated. Default: all.", metavar="NAME"),
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    plugin: Annotated[str | None, typer.Option(help="Read FILE with this format plugin.", metavar="NAME")] = None,
) -> None:
    """Make a web page that plays an asset in 3D.

    One file that needs no network: turn the asset, scrub, choose clips, name joints.
    """
    from mocapcli.console import note, warnings_as_notes
    from mocapcli.convert import choose_clips
    from mocapcli.errors import InvalidDataError, UsageError
    from mocapcli.formats import read_asset
    from mocapcli.view.page import write_page

    path = output or file.with_suffix(".html")
    if path.suffix.lower() not in (".html", ".htm"):
        raise UsageError("a page is an .html file", path=path, remedy="name it .html")
    with warnings_as_notes() as warned:
        asset = read_asset(file, plugin)
        try:
            asset = asset.with_motions(choose_clips(asset.motions, clip or []))
        except InvalidDataError as error:
            error.path = error.path or file
            raise
        size = write_page(path, asset, file.name)
    for line in warned:
        note(line)
    typer.echo(f"{path}: {size / 1e6:.1f} MB, open it in any browser")
    if show:
        import webbrowser

        webbrowser.open(path.resolve().as_uri())
