"""What `mocap capture` may be told."""

from pathlib import Path
from typing import Annotated, Literal

import typer

Videos = Annotated[
    list[Path],
    typer.Argument(metavar="VIDEO", help="A film (mp4, mov, webm, gif, …), a folder of pictures, or many of them."),
]
Rigs = Annotated[
    list[Path],
    typer.Option("--rig", metavar="RIG", help="File with the rig to animate; may be repeated.", show_default=False),
]
Output = Annotated[
    list[Path] | None,
    typer.Option(
        "--output",
        "-o",
        metavar="OUT",
        help="Where to write; may be repeated (a.glb, a.bvh). For many captures: a folder.",
        show_default=False,
    ),
]
Adapt = Annotated[
    str,
    typer.Option(
        metavar="TIME|off",
        help="Learn the rig from pictures drawn of it for this long (90s, 3m, 1h; a plain number is minutes), unless "
        "that was done before.",
    ),
]
Adapter = Annotated[
    Path | None, typer.Option(metavar="FILE", help="What mocap adapt RIG -o FILE learnt, instead of --adapt.")
]
Start = Annotated[float | None, typer.Option(help="First second of the video.", min=0)]
End = Annotated[float | None, typer.Option(help="Last second of the video.", min=0)]
Fps = Annotated[float | None, typer.Option(help="Frames per second of the result. Default: the video's.")]
Segment = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="How to find the subject: alpha, static, rembg, box, mask or a plugin's."),
]
Box = Annotated[
    str | None,
    typer.Option(metavar="X,Y,W,H", help="Box around the subject in the first frame that is captured, in pixels."),
]
Mask = Annotated[Path | None, typer.Option(metavar="FILE", help="Mask video or folder of masks.")]
SegmentModel = Annotated[
    str | None, typer.Option(metavar="NAME|FILE", help="Network of segmenters that use one (rembg).")
]
Subject = Annotated[int, typer.Option(metavar="N", help="Which subject of the video; 1 is the largest.", min=1)]
Fov = Annotated[
    float | None,
    typer.Option(help="Vertical field of view, degrees. Default: as most phones have (61° along the longer side)."),
]
Root = Annotated[
    Literal["full", "in-place", "none"],
    typer.Option(help="How the body travels: as filmed, only up and down (in-place), or not at all."),
]
Polish = Annotated[
    int,
    typer.Option(
        metavar="N",
        help="Steps of pulling joints onto where they are seen; with the model that comes with mocap mostly harmful.",
        min=0,
        max=10_000,
    ),
]
RefineIterations = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Rounds of drawing the rig and comparing (stage 3); at most 16.",
        min=0,
        show_default="1 if the model can",
    ),
]
Match = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Steps of fitting the drawn rig to the film, before and after other poses of its limbs are tried, and "
        "again where the body may as well face another way; 0 leaves that out, which is faster.",
        min=0,
        max=10_000,
        show_default="60 if the model can",
    ),
]
Steady = Annotated[
    float, typer.Option(metavar="HERTZ", help="Take out motion faster than this, as jitter; 0 keeps all.", min=0)
]
Filters = Annotated[
    list[str] | None,
    typer.Option(
        "--filter",
        metavar="NAME[:OPTION=VALUE,…]",
        help="smooth, contact, loop, …, as in mocap convert; may be repeated. Default: none.",
    ),
]
Confidence = Annotated[Path | None, typer.Option(metavar="FILE", help="Write how sure each joint is (.csv or .npz).")]
Report = Annotated[
    Path | None, typer.Option(metavar="JSON", help="Write settings, choices, seconds by stage and warnings.")
]
Preview = Annotated[Path | None, typer.Option(metavar="FILE", help="Film (.mp4) of video and rig side by side.")]
View = Annotated[Path | None, typer.Option(metavar="HTML", help="Page that plays the result in 3D.")]
DebugDir = Annotated[Path | None, typer.Option(metavar="DIR", help="Write crops, masks and joints seen.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Let an output replace VIDEO or RIG. Other files are replaced anyway.")
]
To = Annotated[str | None, typer.Option(metavar="EXT", help="Of many: extension of the results. Default: the rig's.")]
Workers = Annotated[
    int | None, typer.Option(metavar="N", help="Of many captures: so many at once.", min=1, show_default="1")
]
Engine = Annotated[
    Literal["local", "ray"], typer.Option(help="Of many: by processes of this machine, or a ray cluster.")
]
Shard = Annotated[str | None, typer.Option(metavar="I/N", help="Of many: do the I-th of N parts.", show_default=False)]
Redo = Annotated[bool, typer.Option("--redo", help="Of many: do those again that an earlier run finished.")]
