"""`mocap capture`: a video and a rig in, an animation on that rig out; or many of both, into a folder."""

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import typer

from mocapcli.commands import capture_options as ask
from mocapcli.commands.shared import DeviceOption, KeepClipsOption, ModelOption, ReferenceOption
from mocapcli.console import note, warnings_as_notes
from mocapcli.errors import UsageError

if TYPE_CHECKING:
    from mocapcli.capturing.api import Captured
    from mocapcli.capturing.options import Options


def capture(
    videos: ask.Videos,
    rigs: ask.Rigs,
    output: ask.Output = None,
    model: ModelOption = None,
    device: DeviceOption = None,
    adapt: ask.Adapt = "3m",
    adapter: ask.Adapter = None,
    reference: ReferenceOption = None,
    start: ask.Start = None,
    end: ask.End = None,
    fps: ask.Fps = None,
    segment: ask.Segment = None,
    box: ask.Box = None,
    mask: ask.Mask = None,
    segment_model: ask.SegmentModel = None,
    subject: ask.Subject = 1,
    fov: ask.Fov = None,
    root: ask.Root = "full",
    polish: ask.Polish = 0,
    refine_iterations: ask.RefineIterations = None,
    match: ask.Match = None,
    steady: ask.Steady = 5.0,
    filters: ask.Filters = None,
    confidence: ask.Confidence = None,
    report: ask.Report = None,
    preview: ask.Preview = None,
    view: ask.View = None,
    debug_dir: ask.DebugDir = None,
    keep_clips: KeepClipsOption = False,
    overwrite: ask.Overwrite = False,
    to: ask.To = None,
    workers: ask.Workers = None,
    engine: ask.Engine = "local",
    shard: ask.Shard = None,
    redo: ask.Redo = False,
) -> None:
    """Turn a video into an animation of a rig.

    Any subject, any skeleton. The camera should stand still, and show one subject. Start with --preview to see what
    came of it.

    Several videos or rigs, or a folder of videos, go into a folder as VIDEO-RIG.EXT; --preview, --view, --confidence
    and --debug-dir are folders then. What an earlier run finished is skipped, what fails does not stop the rest.
    """
    given: dict[str, Any] = dict(locals())
    if not any((output, confidence, report, preview, view, debug_dir)):
        raise UsageError("nothing to do", remedy="say where to write with -o FILE")
    from mocapcli.capturing.options import Options
    from mocapcli.commands.capture_many import Many, are_many, capture_many
    from mocapcli.installed import need_network

    need_network("capture")
    many = Many(*(given.pop(name) for name in ("to", "engine", "workers", "shard", "redo")))
    given = {name: value for name, value in given.items() if name not in ("videos", "rigs", "filters")}
    given |= {"box": _box(box), "filter": tuple(filters or ()), "output": tuple(output or ())}
    options = Options(**given)
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
