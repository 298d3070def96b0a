"""Everything a capture writes; all paths are checked before the work begins."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mocapcli.capturing.options import Options
from mocapcli.capturing.report import Stopwatch, check_confidence, write_confidence
from mocapcli.errors import MocapError, UnsupportedError, UsageError, WriteError
from mocapcli.formats import find_format, write_asset
from mocapcli.types import Asset, Motion
from mocapcli.whole_file import check_place, spare_inputs

if TYPE_CHECKING:
    from mocapcli.capturing.api import Captured, Progress
    from mocapcli.capturing.clip import CropClip
    from mocapcli.subject.find import Subject


def check_outputs(options: Options, inputs: Sequence[Path]) -> None:
    """Say what cannot be written before anything is computed."""
    for path in options.output:
        if find_format(path).write is None:
            raise UnsupportedError("this format can only be read", path=path, remedy="choose another for -o")
    if options.confidence is not None:
        check_confidence(options.confidence)
    _check_suffix(options.preview, (".mp4", ".gif"), "a preview is an .mp4 or .gif file")
    _check_suffix(options.view, (".html", ".htm"), "a page is an .html file")
    others = (options.confidence, options.report, options.preview, options.view)
    if options.debug_dir is not None and options.debug_dir.exists() and not options.debug_dir.is_dir():
        raise WriteError("this is a file, and --debug-dir needs a folder", path=options.debug_dir)
    paths = [*options.output, *(path for path in others if path is not None)]
    for number, path in enumerate(paths):
        if path.is_dir():
            raise UsageError(f"{path} is a folder", remedy="name a file")
        check_place(path)
        if path in paths[:number]:
            raise UsageError(f"{path} is to be written twice")
        if not options.overwrite:
            spare_inputs(path, inputs)


def _check_suffix(path: Path | None, known: tuple[str, ...], problem: str) -> None:
    if path is not None and path.suffix.lower() not in known:
        raise UsageError(problem, path=path, remedy=f"name it {known[0]}")


def try_outputs(paths: Sequence[Path], asset: Asset) -> None:
    """Write the rig at rest in every format, to nowhere: what a format has against it, or lacks, is said before."""
    skeleton = asset.rig.skeleton
    still = Motion("rest", 30.0, skeleton.rest_rotations[None], skeleton.rest_translations[None])
    for path in {path.suffix.lower(): path for path in paths}.values():
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they come with the real thing
            try:
                write_asset(Path(folder, path.name), asset.with_new_motions([still], keep=False))
            except MocapError as error:
                if isinstance(error.__cause__, OSError):
                    continue  # nowhere is too small, or locked
                error.path = path
                raise


def deliver(
    captured: Captured, subject: Subject, clip: CropClip, options: Options, watch: Stopwatch, progress: Progress
) -> list[MocapError]:
    """Write all that was asked for but the report, and say what could not be: that must not cost the others."""
    failed = list[MocapError]()

    @contextmanager
    def trying(stage: str) -> Iterator[None]:
        with watch.stage(stage):
            try:
                yield
            except MocapError as error:
                failed.append(error)

    written = captured.asset.with_new_motions([captured.motion], options.keep_clips)
    for path in options.output:
        with trying("writing"):
            write_asset(path, written)
    if options.confidence is not None:
        with trying("writing"):
            places = captured.confidence.places / captured.video.scale  # the file's pixels
            write_confidence(options.confidence, replace(captured.confidence, places=places))
    if options.view is not None:
        from mocapcli.view.page import write_page

        with trying("writing"):
            shown = captured.asset.with_new_motions([captured.motion], keep=False)
            write_page(options.view, shown, options.view.stem)
    if options.preview is not None:
        from mocapcli.capturing.preview import write_preview

        with trying("preview"):
            write_preview(options.preview, captured, progress)
    if options.debug_dir is not None:
        from mocapcli.capturing.debug import write_debug

        with trying("debugging"):
            write_debug(options.debug_dir, captured, subject, clip)
    return failed
