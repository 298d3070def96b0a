"""A plugin for mocap: the .csv format and the command `mocap trace`.

mocap imports this module at every start, so it imports nothing heavy; reader and writer load on first use.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mocapcli import Format, hookimpl

if TYPE_CHECKING:
    from mocapcli import Asset


@hookimpl
def register_formats(register: Callable[[Format], None]) -> None:
    register(
        Format(
            name="csv",
            description="a mocapcli CSV table",
            extensions=("csv",),
            read=read,
            write=write,
            keeps=frozenset({"motions", "translations", "rest_rotations"}),
            magic=(b"mocapcli-csv,",),
        )
    )


@hookimpl
def register_commands(app: typer.Typer) -> None:
    app.command("trace")(trace)


def read(path: Path) -> "Asset":
    from mocapcli_csv.table import read_table

    return read_table(path)


def write(path: Path, asset: "Asset") -> None:
    from mocapcli_csv.table import write_table

    write_table(path, asset)


def trace(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Any file mocap reads.", show_default=False)],
    joint: Annotated[str, typer.Argument(metavar="JOINT", help="The joint to follow.", show_default=False)],
) -> None:
    """Print where a joint is in every frame: clip, seconds, x, y, z."""
    from mocapcli import read_asset
    from mocapcli.kinematics import joint_positions

    asset = read_asset(file)
    index = asset.rig.skeleton.index(joint)
    for clip in asset.motions:
        for frame, (x, y, z) in enumerate(joint_positions(asset.rig.skeleton, clip)[:, index]):
            typer.echo(f"{clip.name},{frame / clip.fps:g},{x:.6g},{y:.6g},{z:.6g}")
