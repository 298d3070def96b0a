"""Two animation files against each other on one rig: other systems' output, in any format."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mocapcli.errors import InvalidDataError
from mocapcli.evaluation.cases import Case, curves_of, measure_case, pose_of, subject_of
from mocapcli.evaluation.results import Judged, Results, summarise
from mocapcli.extensions import Metric
from mocapcli.formats import read_asset
from mocapcli.kinematics import crop
from mocapcli.network.reference import reference_of_asset
from mocapcli.retarget_names import match_joints, transfer
from mocapcli.types import Asset, Motion, Skeleton

ROW = "predicted"
SHORTER = 1 / 30  # seconds: a smaller difference of length is no news


@dataclass(frozen=True)
class FileComparison:
    """Figures, clip by clip, and what people should know about how the clips were paired."""

    results: Results
    notes: tuple[str, ...]


def compare_files(predicted: Path, truth: Path, rig: Path, metrics: Mapping[str, Metric]) -> FileComparison:
    """Every clip of `truth` that `predicted` has too, both on `rig`; each takes the place of a family."""
    asset = read_asset(rig)
    reference = reference_of_asset(asset)
    notes: list[str] = []
    judged = []
    for name, first, second in pair_clips(read_asset(predicted), read_asset(truth), predicted, truth, notes):
        clips = [
            on_rig(motion, source, asset.rig.skeleton, notes, path)
            for path, (source, motion) in ((predicted, first), (truth, second))
        ]
        one, two = same_frames(clips[0], clips[1], notes)
        poses = [pose_of(asset.rig.skeleton, clip) for clip in (one, two)]
        case = Case(subject_of(reference), poses[1], two.fps, {ROW: poses[0]})
        judged.append(Judged(name, name, measure_case(case, metrics), curves_of(case)))
    return FileComparison(summarise(judged, None, "files"), tuple(dict.fromkeys(notes)))


Clip = tuple[Skeleton, Motion]


def pair_clips(
    predicted: Asset, truth: Asset, first: Path, second: Path, notes: list[str]
) -> list[tuple[str, Clip, Clip]]:
    """Clips of one name; where each file has a single one, those two, whatever they are called."""
    for path, asset in ((first, predicted), (second, truth)):
        if not asset.motions:
            raise InvalidDataError("there is no clip in it", path=path)
    if len(predicted.motions) == len(truth.motions) == 1:
        pairs = [(truth.motions[0], predicted.motions[0])]
    else:
        pairs = pair_by_name(truth.motions, predicted.motions)
    if not pairs:
        listed = [", ".join(repr(motion.name) for motion in asset.motions[:4]) for asset in (predicted, truth)]
        raise InvalidDataError(
            f"no clips of one name: {listed[0]} here, {listed[1]} in {second}",
            path=first,
            remedy="pick one of each with mocap convert --clip",
        )
    alone = [motion for motion in truth.motions if all(motion is not true for true, _ in pairs)]
    if alone:
        names = ", ".join(repr(motion.name) for motion in alone[:4]) + (" …" if len(alone) > 4 else "")
        notes.append(f"{len(alone)} of the {len(truth.motions)} true clips are not predicted: {names}")
    return [(true.name, (predicted.rig.skeleton, guess), (truth.rig.skeleton, true)) for true, guess in pairs]


def pair_by_name(true: Sequence[Motion], predicted: Sequence[Motion]) -> list[tuple[Motion, Motion]]:
    """As written first, then by letters and digits alone: BVH and others keep names in their own way."""
    matches = match_joints([motion.name for motion in predicted], [motion.name for motion in true]).sources
    return [(motion, predicted[match]) for motion, match in zip(true, matches, strict=True) if match >= 0]


def on_rig(motion: Motion, source: Skeleton, rig: Skeleton, notes: list[str], path: Path) -> Motion:
    """The clip on the rig's own joints: as it is where the skeletons are one, else by world turns away from rest."""
    if _same(source, rig):
        return motion
    match = match_joints(source.names, rig.names)
    if not match.matched:
        raise InvalidDataError("no joint is called as one of the rig's", path=path, remedy="mocap retarget first")
    if match.matched < rig.joints:
        missing = [name for name, found in zip(rig.names, match.sources, strict=True) if found < 0]
        shown = ", ".join(missing[:5]) + (" …" if len(missing) > 5 else "")
        notes.append(f"{len(missing)} of the rig's {rig.joints} joints are not in {motion.name!r}, at rest: {shown}")
    return transfer(source, motion, rig, match)


def _same(first: Skeleton, second: Skeleton) -> bool:
    return (
        first.names == second.names
        and np.array_equal(first.parents, second.parents)
        and np.allclose(first.rest_translations, second.rest_translations, atol=1e-5)
        and bool((np.abs((first.rest_rotations * second.rest_rotations).sum(axis=-1)) > 1 - 1e-9).all())
    )


def same_frames(predicted: Motion, truth: Motion, notes: list[str]) -> tuple[Motion, Motion]:
    """Both at the truth's frame rate, for the time that both last."""
    if predicted.fps != truth.fps:
        notes.append(f"{predicted.name!r} is resampled from {predicted.fps:g} to {truth.fps:g} frames per second")
    end = min(predicted.duration, truth.duration)
    if abs(predicted.duration - truth.duration) > SHORTER + 1e-9:
        notes.append(
            f"{truth.name!r}: only the first {end:.2f} s are compared ({predicted.duration:.2f} s predicted,"
            f" {truth.duration:.2f} s true)"
        )
    return crop(predicted, end=end, fps=truth.fps), crop(truth, end=end, fps=truth.fps)
