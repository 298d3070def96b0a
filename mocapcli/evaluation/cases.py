"""One clip to be judged: the rig, the truth, what each row predicts, and the copy they are held against."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, UInt8

from mocapcli.errors import PluginError
from mocapcli.extensions import Metric
from mocapcli.kinematics import about_vertical, bones_in_parents, carried, motion_world, polar
from mocapcli.metrics import Comparison, Pose, Subject, facing_turns
from mocapcli.network.reference import RigReference
from mocapcli.render.camera import Camera
from mocapcli.types import Asset, Motion, Skeleton

COPY = "copy"
Points = Float[np.ndarray, "frames joints 3"]
Places = Float[np.ndarray, "frames joints 2"]
Figures = dict[str, float]
Rows = dict[str, Figures]
Curves = dict[str, list[float]]  # by row
Reliability = dict[str, list[tuple[float, float]]]  # by row: what it expects of itself, what is found
MEAN_DISTANCE = (8 / np.pi) ** 0.5  # of a point whose three coordinates deviate by one


@dataclass(frozen=True, eq=False)
class Shot:
    """What a case looks like: the user's asset, the clip's name and, where a video was given, it and its cameras.

    The cameras stand in the truth's frame.
    """

    asset: Asset
    title: str
    frames: UInt8[np.ndarray, "frames height width 3"] | None = None
    cameras: tuple[Camera, ...] = ()


@dataclass(frozen=True, eq=False)
class Case:
    """Everything there is to measure of one clip."""

    subject: Subject
    truth: Pose
    fps: float
    predictions: Mapping[str, Pose] = field(default_factory=dict)  # by row
    project: Callable[[Points], Places] | None = None  # of the truth's frame, into the picture
    shot: Shot | None = None


def subject_of(reference: RigReference) -> Subject:
    return Subject(
        reference.parents,
        reference.deforms,
        reference.reference_positions,
        reference.reference_rotations,
        float(reference.size),
        reference.carriers,
    )


def pose_of(skeleton: Skeleton, motion: Motion) -> Pose:
    """A clip of a rig in the world."""
    world = motion_world(skeleton, motion)
    return Pose(world[..., :3, 3], polar(world[..., :3, :3])[0])


def pose_from_rotations(
    subject: Subject,
    rotations: Float[np.ndarray, "frames joints 3 3"],
    roots: Float[np.ndarray, "frames joints 3"],
) -> Pose:
    """Forward kinematics of world rotations with the reference pose's bones; of `roots` only roots are read."""
    carriers = subject.parents if subject.carriers is None else subject.carriers
    bones = bones_in_parents(subject.reference_positions, subject.reference_rotations, carriers)
    return Pose(carried(rotations, bones, carriers, roots), rotations)


def copy_pose(
    subject: Subject,
    truth: Pose,
    given_facing: bool = True,
    project: Callable[[Points], Places] | None = None,
) -> Pose:
    """The reference pose in every frame; turned about the vertical to the true facing, which is generous to it.

    It stands still at the middle of the true path; in the picture it is put where the true root is.
    """
    frames = len(truth.positions)
    points = np.tile(subject.reference_positions, (frames, 1, 1))
    rotations = np.tile(subject.reference_rotations, (frames, 1, 1, 1))
    if given_facing:
        angles = facing_turns(points[:, subject.shown], truth.positions[:, subject.shown])
        turns = about_vertical(angles)
        points = np.einsum("fab,fjb->fja", turns, points)
        rotations = turns[:, None] @ rotations
    points = points - points[:, [subject.root]]
    path = truth.positions[:, [subject.root]]
    places = None if project is None else project(points + path)
    turned = None if truth.rotations is None else rotations
    return Pose(points + path.mean(axis=0), turned, places, truth.travels, truth.stands)


def measure_case(case: Case, metrics: Mapping[str, Metric]) -> Rows:
    """Every figure of every row; the copy comes first."""
    faced, plain = (copy_pose(case.subject, case.truth, given, case.project) for given in (True, False))
    rows: Rows = {COPY: {}}
    for name, metric in metrics.items():
        copy = Comparison(case.subject, faced if metric.given_facing else plain, case.truth, case.fps)
        if metric.needs <= copy.has:
            rows[COPY][name] = measured_by(metric, copy)
    measured: dict[int, Figures] = {}  # some rows are one and the same pose
    for row, pose in case.predictions.items():
        if id(pose) not in measured:
            comparison = Comparison(case.subject, pose, case.truth, case.fps)
            measured[id(pose)] = {
                name: measured_by(metric, comparison)
                for name, metric in metrics.items()
                if metric.needs <= comparison.has
            }
        rows[row] = dict(measured[id(pose)])
    return rows


def measured_by(metric: Metric, comparison: Comparison) -> float:
    """The figure; a plugin's mistake is told as one, with its name."""
    try:
        return float(metric.measure(comparison))
    except Exception as error:
        problem = f"the figure {metric.name!r} cannot be computed ({type(error).__name__}: {error})"
        raise PluginError(problem, remedy="leave its plugin out with MOCAP_PLUGINS") from error


def curves_of(case: Case) -> Curves:
    """Each row's error frame by frame: of local rotations (degrees) where they are known, else of positions (%)."""
    curves: Curves = {}
    for row, pose in {COPY: copy_pose(case.subject, case.truth), **case.predictions}.items():
        comparison = Comparison(case.subject, pose, case.truth, case.fps)
        if "rotations" in comparison.has:
            errors = comparison.local_degrees[:, case.subject.shown].mean(axis=1)
        else:
            errors = 100 * _distances(comparison).mean(axis=1)
        curves[row] = [round(float(error), 4) for error in errors]
    return curves


def reliability_of(case: Case) -> Reliability:
    """Of rows that say how sure they are: expected and found distance, % of the size, by tenths of what is expected."""
    found: Reliability = {}
    for row, pose in case.predictions.items():
        if pose.noise is None:
            continue
        shown, size = case.subject.shown, case.subject.size
        expected = 100 * MEAN_DISTANCE * pose.noise[:, shown].ravel() / size
        distances = 100 * _distances(Comparison(case.subject, pose, case.truth, case.fps)).ravel()
        tenths = [part for part in np.array_split(np.argsort(expected, kind="stable"), 10) if len(part)]
        pairs = [(float(expected[part].mean()), float(distances[part].mean())) for part in tenths]
        found[row] = [(round(said, 4), round(true, 4)) for said, true in pairs]
    return found


def _distances(comparison: Comparison) -> Float[np.ndarray, "frames shown"]:
    predicted, truth = comparison.around_root
    return np.asarray(np.linalg.norm(predicted - truth, axis=-1))


def skill(value: float, copy: float, ideal: float = 0.0) -> float:
    """1 − error/copy: one for the truth, nil for what copying the reference pose scores; NaN where copying is perfect.

    Of a ratio the error is its distance from what is ideal.
    """
    worst = abs(copy - ideal)
    return 1 - abs(value - ideal) / worst if worst > 1e-9 else float("nan")
