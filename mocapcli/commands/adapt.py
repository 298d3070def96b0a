"""`mocap adapt`: teach the network one rig, from renders of that very rig."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mocapcli.commands.shared import DeviceOption, ModelOption, ReferenceOption

if TYPE_CHECKING:
    from mocapcli.adapting.adapt import Progress


def adapt(
    rig: Annotated[Path, typer.Argument(metavar="RIG", help="File with the rig.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Adapter file, for capture --adapter. Default: the cache.",
        ),
    ] = None,
    minutes: Annotated[float, typer.Option(help="Time to learn.", min=0.05)] = 5.0,
    model: ModelOption = None,
    clips: Annotated[bool, typer.Option("--clips/--no-clips", help="Learn from the rig's own clips too.")] = True,
    reference: ReferenceOption = None,
    device: DeviceOption = None,
    threads: Annotated[int, typer.Option(help="Cores to use, 16 at the most; 0: all.", min=0)] = 0,
) -> None:
    """Learn one rig before capturing, from pictures drawn of it in ever new poses.

    mocap capture does so by itself, for three minutes; this is for more, or to do it ahead.

    What was learnt is kept, so that it is done once for a rig; asked for more time, it goes on where it stopped.
    """
    from mocapcli.installed import need_network

    need_network("learning a rig")
    from mocapcli.adapting.api import adapt_rig
    from mocapcli.capturing.models import load_model
    from mocapcli.capturing.rigs import read_rig, with_reference

    asset = with_reference(read_rig(rig), reference)
    known = load_model(model, device)
    with learning_bar(60 * minutes) as watch:
        adapted = adapt_rig(
            asset, known.network, 60 * minutes, use_clips=clips, keep=output, threads=threads, watch=watch
        )
    origin, figures = adapted.adapter.origin, adapted.adapter.origin.figures
    done = "was learnt already" if adapted.from_cache else "learnt"
    typer.echo(
        f"{adapted.path or 'not kept'}: {origin.rig_name} {done}, {origin.samples} pictures in"
        f" {origin.seconds / 60:.1f} min;"
        f" joints {figures['mpjpe_percent']:.1f} % of its size off,"
        f" facing within 30° in {100 * figures['facing_within_30']:.0f} % of pictures never learnt from"
    )


@contextmanager
def learning_bar(seconds: float) -> "Iterator[Callable[[Progress], None]]":
    """A bar of the time, with the error on pictures never learnt from."""
    from tqdm import tqdm

    shape = "{desc}: {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s{postfix}"
    with tqdm(total=seconds, desc="learning the rig", bar_format=shape, disable=None, leave=False) as bar:

        def watch(progress: "Progress") -> None:
            bar.update(min(progress.seconds, seconds) - bar.n)
            error, facing = progress.figures["mpjpe_percent"], 100 * progress.figures["facing_within_30"]
            bar.set_postfix_str(f"joints off {error:.1f} %, facing right {facing:.0f} %", refresh=False)

        yield watch
