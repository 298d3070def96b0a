"""`mocap capture`: a video and a rig in, an animation on that rig out; or many of both, into a folder."""

from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from mocapcli.commands.shared import KeepClipsOption
from mocapcli.console import note, warnings_as_notes
from mocapcli.errors import UsageError

if TYPE_CHECKING:
    from mocapcli.capturing.api import Captured
    from mocapcli.capturing.options import Options

VideosArgument = Annotated[
    list[Path],
    typer.Argument(metavar="VIDEO", help="A film (mp4, mov, webm, gif, …), a folder of pictures, or many of them."),
]
RigsOption = Annotated[
    list[Path],
    typer.Option("--rig", metavar="RIG", help="File with the rig to animate; may be repeated.", show_default=False),
]
OutputOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--output",
        "-o",
        metavar="OUT",
        help="Where to write; may be repeated (a.glb, a.bvh). For many captures: a folder.",
        show_default=False,
    ),
]
ModelOption = Annotated[
    str | None, typer.Option(metavar="NAME|DIR", help="A trained model. Default: the one that comes with mocap.")
]
AdaptOption = Annotated[
    str,
    typer.Option(
        metavar="TIME|off",
        help="Learn the rig for this long (90s, 3m, 1h; a plain number is minutes), unless done before.",
    ),
]
AdapterOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="What mocap adapt RIG -o FILE learnt, instead of --adapt.")
]
ReferenceOption = Annotated[
    str | None,
    typer.Option(metavar="FILE[:FRAME]", help="Pose the rig is known in. Default: its first clip's first frame."),
]
SegmentOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="How to find the subject: alpha, static, rembg, box, mask or a plugin's."),
]
BoxOption = Annotated[
    str | None,
    typer.Option(metavar="X,Y,W,H", help="Box around the subject in the first frame that is captured, in pixels."),
]
SegmentModelOption = Annotated[
    str | None, typer.Option(metavar="NAME|FILE", help="Network of segmenters that use one (rembg).")
]
RootOption = Annotated[
    Literal["full", "in-place", "none"],
    typer.Option(help="How the body travels: as filmed, only up and down (in-place), or not at all."),
]
PolishOption = Annotated[
    int,
    typer.Option(
        metavar="N", help="Steps of pulling joints onto where they are seen; seldom better.", min=0, max=10_000
    ),
]
RefineIterationsOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Rounds of drawing the rig and comparing (stage 3); at most 16.",
        min=0,
        show_default="1 if the model can",
    ),
]
MatchOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Steps of fitting the limbs to the film, before and after other poses are tried, and again under another "
        "facing where the clip leaves that open; 0: none, which is faster.",
        min=0,
        max=10_000,
        show_default="60 if the model can",
    ),
]
SteadyOption = Annotated[
    float, typer.Option(metavar="HERTZ", help="Motion faster than this is taken out as jitter; 0: none is.", min=0)
]
FiltersOption = Annotated[
    list[str] | None,
    typer.Option("--filter", metavar="NAME[:OPTION=VALUE,…]", help="As of mocap convert. Default: no filter."),
]
ConfidenceOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Write how sure each joint is (.csv or .npz).")
]
PreviewOption = Annotated[Path | None, typer.Option(metavar="FILE", help="Film (.mp4) of video and rig side by side.")]
ToOption = Annotated[
    str | None, typer.Option(metavar="EXT", help="Of many: extension of the results. Default: the rig's.")
]
WorkersOption = Annotated[
    int | None, typer.Option(metavar="N", help="Of many captures: so many at once.", min=1, show_default="1")
]
EngineOption = Annotated[
    Literal["local", "ray"], typer.Option(help="Of many: by processes of this machine, or a ray cluster.")
]
ShardOption = Annotated[
    str | None, typer.Option(metavar="I/N", help="Of many: do the I-th of N parts.", show_default=False)
]


def capture(
    videos: VideosArgument,
    rigs: RigsOption,
    output: OutputOption = None,
    model: ModelOption = None,
    adapt: AdaptOption = "3m",
    adapter: AdapterOption = None,
    reference: ReferenceOption = None,
    start: Annotated[float | None, typer.Option(help="First second of the video.", min=0)] = None,
    end: Annotated[float | None, typer.Option(help="Last second of the video.", min=0)] = None,
    fps: Annotated[float | None, typer.Option(help="Frames per second of the result. Default: the video's.")] = None,
    segment: SegmentOption = None,
    box: BoxOption = None,
    mask: Annotated[Path | None, typer.Option(metavar="FILE", help="Mask video or folder of masks.")] = None,
    segment_model: SegmentModelOption = None,
    subject: Annotated[int, typer.Option(metavar="N", help="Which subject, the largest first.", min=1)] = 1,
    fov: Annotated[
        float | None,
        typer.Option(help="Vertical field of view, degrees. Default: as most phones have (61° along the longer side)."),
    ] = None,
    root: RootOption = "full",
    polish: PolishOption = 0,
    refine_iterations: RefineIterationsOption = None,
    match: MatchOption = None,
    steady: SteadyOption = 5.0,
    filters: FiltersOption = None,
    confidence: ConfidenceOption = None,
    report: Annotated[
        Path | None, typer.Option(metavar="JSON", help="Write settings, choices, seconds by stage and warnings.")
    ] = None,
    preview: PreviewOption = None,
    view: Annotated[Path | None, typer.Option(metavar="HTML", help="Page that plays the result in 3D.")] = None,
    debug_dir: Annotated[Path | None, typer.Option(metavar="DIR", help="Write crops, masks and joints seen.")] = None,
    keep_clips: KeepClipsOption = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Let an output be VIDEO or RIG itself.")] = False,
    to: ToOption = None,
    workers: WorkersOption = None,
    engine: EngineOption = "local",
    shard: ShardOption = None,
    redo: Annotated[bool, typer.Option("--redo", help="Of many: do what is finished again.")] = False,
) -> None:
    """Turn a video into an animation of a rig.

    Any subject, any skeleton. The camera should stand still, and show one subject. Start with --preview to see what
    came of it.

    Several videos or rigs, or a folder of videos, go into a folder as VIDEO-RIG.EXT; --preview, --view, --confidence
    and --debug-dir are folders then. What an earlier run finished is skipped, what fails does not stop the rest.
    """
    if not any((output, confidence, report, preview, view, debug_dir)):
        raise UsageError("nothing to do", remedy="say where to write with -o FILE")
    from mocapcli.capturing.options import Options
    from mocapcli.commands.capture_many import Many, are_many, capture_many
    from mocapcli.installed import need_network

    need_network("capture")
    options = Options(segment=segment, box=_box(box), mask=mask, segment_model=segment_model, subject=subject, fov=fov)
    options = replace(options, model=model, adapt=adapt, adapter=adapter, reference=reference, start=start, end=end)
    options = replace(options, fps=fps, root=root)
    options = replace(options, polish=polish, refine_iterations=refine_iterations, match=match, steady=steady)
    options = replace(options, filter=tuple(filters or ()))
    options = replace(options, output=tuple(output or ()), confidence=confidence, report=report, preview=preview)
    options = replace(options, view=view, debug_dir=debug_dir, keep_clips=keep_clips, overwrite=overwrite)
    many = Many(to, engine, workers, shard, redo)
    if are_many(videos, rigs, options.output, many):
        raise typer.Exit(capture_many(videos, rigs, options, many))
    _capture_one(videos[0], rigs[0], options)


def _capture_one(video: Path, rig: Path, options: "Options") -> None:
    from mocapcli.capturing.api import capture_video

    with warnings_as_notes() as warned, Bars() as bars:
        captured = capture_video(video, rig, options, progress=bars.update)
    for line in dict.fromkeys([*captured.report.warnings, *warned]):
        note(line)
    _tell(captured, options.output)


def _box(text: str | None) -> tuple[float, float, float, float] | None:
    if text is None:
        return None
    try:
        left, top, width, height = (float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--box {text!r} is not X,Y,WIDTH,HEIGHT", remedy="as in --box 120,40,200,300") from None
    return left, top, width, height


def _tell(captured: "Captured", outputs: tuple[Path, ...]) -> None:
    found = captured.report
    for path in outputs:
        typer.echo(f"{path}: {found.frames} frames at {found.fps:g} fps, {found.joints} joints")
    typer.echo(f"subject found by {found.segmenter}")
    typer.echo(f"mean confidence {found.confidence:.0%}, {found.frames_per_second:.1f} frames per second")


class Bars:
    """One progress bar a stage, where a terminal shows it."""

    def __init__(self) -> None:
        self._bars: dict[str, Any] = {}

    def update(self, stage: str, done: int, total: int) -> None:
        """What follows a comma in a stage's name may change while it is at work."""
        name, _, detail = stage.partition(", ")
        if name not in self._bars:
            import sys

            from tqdm import tqdm

            self._close()
            unit = "s" if name == "learning the rig" else "frame"
            self._bars[name] = tqdm(total=total or None, desc=name, unit=unit, file=sys.stderr, disable=None)
        self._bars[name].set_postfix_str(detail, refresh=False)
        self._bars[name].update(done)

    def _close(self) -> None:
        for bar in self._bars.values():
            bar.close()

    def __enter__(self) -> "Bars":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()
