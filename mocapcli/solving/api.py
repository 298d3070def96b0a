"""`solve`: tracks and a rig in, an animation on exactly that rig out."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float, Int

from mocapcli.errors import InvalidDataError
from mocapcli.formats import read_asset
from mocapcli.installed import need_network
from mocapcli.kinematics import continuous, joint_positions, resample, with_ancestors
from mocapcli.loose_feet import feet_turned, legs_of_feet, motion_on_legs
from mocapcli.solving.carriers import detached, free_joints, to_local
from mocapcli.solving.chains import bridge_gaps
from mocapcli.solving.fitting import Fit, fit_to_rig, with_proportions
from mocapcli.solving.mapping import JointMap, map_joints, observed
from mocapcli.tracks.data import Tracks, Up, crop_tracks
from mocapcli.tracks.read import read_tracks
from mocapcli.types import Asset, Motion, Rig, Skeleton

if TYPE_CHECKING:
    from mocapcli.solving.pose import Pose

BRIDGED_SECONDS = 0.25  # gaps up to this long are bridged by straight lines
LEAST_JOINTS = 2
CHUNK = 1 << 16  # frames × joints that are posed at once to measure
GROUND = 5.0  # percentile, over frames, of the lowest joint's height
Points = Float[np.ndarray, "frames joints 3"]


@dataclass(frozen=True)
class SolveOptions:
    """Everything that can be asked of a solution."""

    mapping: tuple[str, ...] = ()  # "Hips=RASI+LASI", or a file of pairs; see `map_joints`
    model: str | Path | None = None  # by name or folder, or "closed-form"; None: the shipped one where there is noise
    up: Up | None = None  # None: what the file says, else a guess
    scale: float | None = None  # metres per unit of the tracks; None: what the file says, else a guess
    keep_scale: bool = False  # leave the tracks' size alone
    rate: float | None = None  # frames per second of the tracks, where the file does not say
    fps: float | None = None  # of the result
    start: float | None = None  # seconds
    end: float | None = None
    which: str | None = None  # clip, individual or person
    least_confidence: float = 0.1  # tracks below count as unseen


@dataclass(frozen=True)
class JointReport:
    """One joint: its tracks, how they were found, how often seen, how far off (a share of the rig's size)."""

    joint: str
    tracks: str
    found_by: str
    seen: float
    distance: float | None


@dataclass(frozen=True)
class SolveReport:
    """How it went."""

    frames: int
    fps: float
    joints: int
    matched: int
    scale: float  # from the tracks' units to the rig's metres
    up: Up
    residual: float | None  # mean distance of the solved joints to the tracks, as a share of the rig's size
    proportions: float  # typical factor between a bone of the subject and of the rig, after scaling
    model: str
    per_joint: tuple[JointReport, ...]
    idle_tracks: tuple[str, ...]
    at_rest: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Solution:
    motion: Motion
    report: SolveReport


def solve(
    tracks: Tracks | str | Path,
    rig: Asset | Rig | str | Path,
    *,
    progress: Callable[[int], object] = lambda frames: None,
    **options: Any,
) -> Motion:
    """3D joint tracks as an animation on a rig. `options` are the fields of `SolveOptions`."""
    wishes = SolveOptions(**options)
    if not isinstance(tracks, Tracks):
        tracks = read_tracks(tracks, wishes.which, wishes.rate)
    asset = rig if isinstance(rig, Asset) else Asset(rig) if isinstance(rig, Rig) else read_asset(rig)
    return solve_tracks(tracks, asset, wishes, progress).motion


def propose_map(tracks: Tracks, asset: Asset, options: SolveOptions) -> JointMap:
    """Which tracks would drive which joint."""
    return map_joints(asset.rig.skeleton.names, tracks.names, options.mapping)


def solve_tracks(
    tracks: Tracks,
    asset: Asset,
    options: SolveOptions | None = None,
    progress: Callable[[int], object] = lambda frames: None,
) -> Solution:
    """The animation and how it went."""
    options = options or SolveOptions()
    need_network("solving")
    from mocapcli.network.reference import reference_of_asset
    from mocapcli.solving.pose import CLEAN, CLOSED_FORM, choose_head, solve_pose

    head, model = choose_head(options.model)
    tracks = crop_tracks(tracks, options.start, options.end)
    mapping = propose_map(tracks, asset, options)
    seen, trust = observed(tracks, mapping, options.least_confidence)
    _check_enough(seen, mapping)
    reference = reference_of_asset(asset)
    free = free_joints(asset, reference.size)
    reference = replace(reference, parents=detached(reference.parents, free))
    fit = fit_to_rig(seen, tracks, reference, options.up, options.scale, options.keep_scale)
    reference = with_proportions(reference, fit.factors)
    points = bridge_gaps(fit.points, round(BRIDGED_SECONDS * tracks.fps)) / reference.size
    trust = np.where(np.isfinite(points[..., 0]), np.maximum(trust, 0.3), 0.0)
    pose = solve_pose(points, trust, reference, head, progress, CLEAN if options.model is None else 0.0)
    tracked = np.asarray(np.isfinite(points[..., 0]).any(axis=0))
    known = with_ancestors(reference.parents, tracked)
    legs = np.where(free & known, -1, legs_of_feet(asset.rig))  # a foot that was tracked goes where it was seen
    rotations, known = feet_turned(pose.rotations, known, asset.rig.skeleton, legs)
    pose = replace(pose, rotations=rotations)
    motion = _motion(tracks, asset.rig.skeleton, pose, reference.size, free, known, legs, fit.points)
    report = _report(tracks, asset, mapping, fit, motion, reference.size, known, model if pose.learned else CLOSED_FORM)
    motion = motion if options.fps is None else resample(motion, options.fps)
    return Solution(motion, replace(report, frames=motion.frames, fps=motion.fps))


def _check_enough(seen: Points, mapping: JointMap) -> None:
    count = int(np.isfinite(seen[..., 0]).any(axis=0).sum())
    if count < LEAST_JOINTS:
        joints, tracks = (", ".join(names[:3]) for names in (mapping.joints, mapping.tracks))
        raise InvalidDataError(
            f"{count} of the rig's joints ({joints}, …) found in the tracks ({tracks}, …), at least {LEAST_JOINTS} are"
            " needed",
            remedy="say which is which with --map JOINT=TRACK; --list shows both",
        )


def _motion(
    tracks: Tracks,
    skeleton: Skeleton,
    pose: "Pose",
    size: float,
    free: Bool[np.ndarray, " joints"],
    known: Bool[np.ndarray, " joints"],
    legs: Int[np.ndarray, " joints"],
    points: Points,
) -> Motion:
    """Only free joints travel, and loose feet with their legs. What nothing is known of stays at rest.

    The lowest joint is as low as in the tracks.
    """

    def lifted(height: float) -> Motion:
        places = pose.positions * size + np.array([0.0, height, 0.0])
        rotations, translations = to_local(skeleton, pose.rotations, places, free, known)
        turned = Motion(tracks.name, tracks.fps, continuous(rotations), translations)
        return motion_on_legs(turned, skeleton, legs)

    return lifted(_ground_offset(skeleton, lifted(0.0), points))


def _ground_offset(skeleton: Skeleton, motion: Motion, points: Points) -> float:
    """How much higher the tracks' lowest joint is than the solution's: legs may be longer than the subject's."""
    lows = []
    for kept, solved in _chunks(skeleton, motion):
        seen = np.isfinite(points[kept][..., 0])
        rows = seen.any(axis=1)
        low = [np.where(seen, values[..., 1], np.inf).min(axis=1)[rows] for values in (points[kept], solved)]
        lows.append(np.stack(low))
    tracked, solved_low = np.percentile(np.concatenate(lows, axis=1), GROUND, axis=1)
    return float(tracked - solved_low)


def _chunks(skeleton: Skeleton, motion: Motion) -> Iterator[tuple[slice, Points]]:
    """Joint positions a stretch of frames at a time."""
    step = max(1, CHUNK // skeleton.joints)
    for first in range(0, motion.frames, step):
        kept = slice(first, first + step)
        part = replace(motion, rotations=motion.rotations[kept], translations=motion.translations[kept])
        yield kept, joint_positions(skeleton, part)


def _distances(skeleton: Skeleton, motion: Motion, points: Points) -> tuple[np.ndarray, np.ndarray]:
    """Summed distance and number of sightings of every joint."""
    sums, counts = np.zeros(skeleton.joints), np.zeros(skeleton.joints)
    for kept, solved in _chunks(skeleton, motion):
        off = np.linalg.norm(solved - points[kept], axis=-1)
        sums += np.nansum(off, axis=0)
        counts += np.isfinite(off).sum(axis=0)
    return sums, counts


def _report(
    tracks: Tracks,
    asset: Asset,
    mapping: JointMap,
    fit: Fit,
    motion: Motion,
    size: float,
    known: np.ndarray,
    model: str,
) -> SolveReport:
    sums, counts = _distances(asset.rig.skeleton, motion, fit.points)
    joints = tuple(
        JointReport(
            mapping.joints[joint],
            mapping.track_names(joint),
            mapping.reasons[joint],
            float(counts[joint] / tracks.frames),
            float(sums[joint] / counts[joint] / size) if counts[joint] else None,
        )
        for joint in mapping.matched
    )
    rigid = [chain.length * fit.scale / chain.rig_length for chain in fit.chains if chain.rigid]
    factors = np.abs(np.log(rigid or [1.0]))
    still = tuple(name for name, moves in zip(mapping.joints, known, strict=True) if not moves)
    return SolveReport(
        motion.frames,
        motion.fps,
        len(mapping.joints),
        len(joints),
        fit.scale,
        fit.up,
        float(sums.sum() / counts.sum() / size) if counts.sum() else None,
        float(np.exp(np.median(factors))),
        model,
        joints,
        tuple(mapping.idle),
        still,
        fit.notes,
    )
