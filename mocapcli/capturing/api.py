"""`capture`: a video and a rig in, an animation on exactly that rig out."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mocapcli.adapting.api import apply_adapter
from mocapcli.capturing.clip import CropClip
from mocapcli.capturing.comparing import drawable
from mocapcli.capturing.deliver import check_outputs, deliver, try_outputs
from mocapcli.capturing.inference import PoseTrack
from mocapcli.capturing.matching import Matcher
from mocapcli.capturing.models import Model, load_model, network_for
from mocapcli.capturing.motion import to_motion
from mocapcli.capturing.options import Options
from mocapcli.capturing.polish import polish
from mocapcli.capturing.preview import check_size
from mocapcli.capturing.reading import Reader
from mocapcli.capturing.refine import iterations_of
from mocapcli.capturing.report import Confidence, Report, Stopwatch, confidence_of, facing_changes, write_report
from mocapcli.capturing.rigs import read_rig, with_reference
from mocapcli.capturing.slim import Slim
from mocapcli.capturing.steady import steady
from mocapcli.console import warnings_heard
from mocapcli.filters.chain import Step, apply_filters, parse_filters
from mocapcli.render.camera import Camera
from mocapcli.subject.find import Options as SubjectOptions
from mocapcli.subject.find import Subject, find_subject
from mocapcli.training.filming import reference_of
from mocapcli.types import Asset, Motion, Rig
from mocapcli.video.frames import Picture, Request
from mocapcli.video.read import Video, open_video

READING = ("pose", "rotation", "refinement", "matching", "another facing")
SPEED = ("subject", "crops", "rig", *READING, "polish", "motion", "writing")
Progress = Callable[[str, int, int], object]  # stage, frames just done, frames in all (0: nobody knows)


@dataclass(frozen=True, eq=False)
class Captured:
    """A clip and all that is known of it. `camera` is the video's in the clip's world."""

    asset: Asset
    motion: Motion
    filmed: Motion  # frame by frame as in the video: filters may cut a clip
    camera: Camera
    video: Video
    pose: PoseTrack
    confidence: Confidence
    report: Report


def silent(stage: str, done: int, total: int) -> None:
    """No progress."""


def capture_video(
    video: str | Path,
    rig: Asset | Rig | str | Path,
    options: Options | None = None,
    model: Model | None = None,
    progress: Progress = silent,
) -> Captured:
    """Capture and write what `options` ask for. `model`: one that is loaded already, for many videos."""
    with warnings_heard() as warned:
        return _capture_and_write(video, rig, options or Options(), model, progress, warned)


def _capture_and_write(
    video: str | Path,
    rig: Asset | Rig | str | Path,
    options: Options,
    model: Model | None,
    progress: Progress,
    warned: Callable[[], list[str]],
) -> Captured:
    watch = Stopwatch()
    check_outputs(options, [Path(video), *([Path(rig)] if isinstance(rig, (str, Path)) else []), *options.read])
    steps = parse_filters(options.filter)
    with watch.stage("loading"):
        asset = read_rig(rig)
        try_outputs(options.output, asset)
        model = model or load_model(options.model, options.device)
        known = with_reference(asset, options.reference)
        iterations_of(model.network, options.refine_iterations)  # what the model lacks is said before the work
        if options.adapter is not None:
            model = replace(model, network=apply_adapter(options.adapter, known, model.network))
    fps = None if options.fps is None else float(options.fps)
    opened = open_video(video, fps, options.start, options.end)
    with watch.stage("subject"):
        subject = find_subject(_watched(opened, progress), _subject_options(options))
        subject.video = opened
    with subject, CropClip(model.network.config.side) as clip:
        if options.preview is not None:
            check_size(options.preview, opened, len(subject))
        captured = _capture(asset, known, model, subject, clip, steps, options, watch, progress)
        failed = deliver(captured, subject, clip, options, watch, progress)
    captured = replace(captured, report=_finished(captured.report, watch, subject, warned()))
    if options.report is not None:
        write_report(options.report, captured.report)
    if failed:
        raise failed[0]
    return captured


def _watched(video: Video, progress: Progress) -> Video:
    """The same video, telling of every picture that is looked at while the subject is searched for."""

    def pictures(request: Request) -> Iterator[Picture]:
        for picture in video.footage.pictures(request):
            yield picture
            progress("subject", 1, 0)

    return replace(video, footage=replace(video.footage, pictures=pictures))


def _subject_options(options: Options) -> SubjectOptions:
    return SubjectOptions(
        options.segment, options.box, options.mask, options.segment_model, options.subject, options.fov
    )


def _capture(
    asset: Asset,
    known: Asset,
    model: Model,
    subject: Subject,
    clip: CropClip,
    steps: tuple[Step, ...],
    options: Options,
    watch: Stopwatch,
    progress: Progress,
) -> Captured:
    """From crops to a clip of the rig; `known`: with the pose it is known in."""
    frames, full, side = len(subject), subject.camera, model.network.config.side
    with watch.stage("crops"):
        for crops in subject.crops(side):
            clip.add(crops)
            progress("crops", len(crops), frames)
    with watch.stage("rig"):
        slim = Slim.of(known)
        reference, drawn = reference_of(slim.light, side), drawable(slim.light.rig)
    with watch.stage("learning the rig"):
        seconds = None if options.adapter else options.adapt_seconds
        network = network_for(known, model, seconds, progress)

    with watch.stage("matching"):
        matcher = Matcher.of(network, drawn, reference.rig, options.match)
    rounds = iterations_of(network, options.refine_iterations)
    reader = Reader(network, reference, slim.light.rig, drawn, matcher, rounds)
    pose = reader.read(clip, full, watch, progress).pose
    with watch.stage("polish"):
        pose = polish(pose, reference.rig, clip.confidence, full, options.polish)
    with watch.stage("motion"):
        name, fps = subject.video.path.stem, float(subject.video.fps)
        pose = steady(pose, fps, options.steady)
        staged = to_motion(pose, reference.rig, slim.asset.rig, full, name, fps, options.root)
        whole = slim.widen(staged.motion)
        motion = apply_filters(whole, asset.rig, steps)
        filmed = motion if abs(motion.duration - whole.duration) < 0.5 / fps else whole
    confidence = _confidence(pose, clip, slim.asset)
    report = _report(asset, model, subject, pose, confidence, motion, options, watch)
    return Captured(asset, motion, filmed, staged.camera, subject.video, pose, confidence, report)


def _confidence(pose: PoseTrack, clip: CropClip, asset: Asset) -> Confidence:
    values = confidence_of(pose.noise, pose.size, clip.confidence)
    skeleton = asset.rig.skeleton
    return Confidence(clip.times, skeleton.names, skeleton.parents, values, pose.noise, pose.places, clip.confidence)


def _report(
    asset: Asset,
    model: Model,
    subject: Subject,
    pose: PoseTrack,
    confidence: Confidence,
    motion: Motion,
    options: Options,
    watch: Stopwatch,
) -> Report:
    return Report(
        str(subject.video.path),
        asset.rig.name,
        motion.frames,
        motion.fps,
        asset.rig.skeleton.joints,
        {"name": model.name, "sha256": model.digest},
        subject.reason,
        subject.number,
        subject.found,
        {"fov": round(subject.camera.fov, 2), "pitch": round(float(np.degrees(pose.pitch)), 2)},
        facing_changes(pose.facing, confidence.times),
        round(float(confidence.values.mean()), 4),
        options.plain(),
        watch.seconds,
        0.0,
        tuple(subject.notes),
    )


def _finished(report: Report, watch: Stopwatch, subject: Subject, warned: list[str]) -> Report:
    """With what only the end tells; loading and what is written for looking at do not count as speed."""
    worked = sum(watch.seconds[stage] for stage in SPEED if stage in watch.seconds)
    seconds = {stage: round(taken, 4) for stage, taken in watch.seconds.items()}
    notes = tuple(dict.fromkeys([*subject.notes, *subject.video.notes, *warned]))
    return replace(report, seconds=seconds, frames_per_second=round(len(subject) / worked, 2), warnings=notes)
