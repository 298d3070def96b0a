"""Errors of a pose against the truth, on numpy; the losses on torch are the same formulas.

Each figure takes a `Comparison` and gives a number, NaN where it is not defined (a velocity of one frame). They are
registered as plugins; `mocapcli/evaluation/METRICS.md` has the formulas.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

STILL = 5.0  # sizes per second cubed: jerk below this is no motion, only rounding


@dataclass(frozen=True, eq=False)
class Subject:
    """What a rig is to the figures: who hangs on whom, what deforms, its reference pose in the world, its size."""

    parents: Int[np.ndarray, " joints"]
    deforms: Bool[np.ndarray, " joints"]
    reference_positions: Float[np.ndarray, "joints 3"]
    reference_rotations: Float[np.ndarray, "joints 3 3"]
    size: float  # metres
    carriers: Int[np.ndarray, " joints"] | None = None  # whose turns move each joint; None: its parent's

    @cached_property
    def shown(self) -> Bool[np.ndarray, " joints"]:
        """Joints that deform; all of them where none does."""
        return self.deforms if self.deforms.any() else np.ones(len(self.parents), dtype=bool)

    @cached_property
    def root(self) -> int:
        """The shown joint that most shown joints hang on: hips, where the file's own root is a mere handle."""
        below = self.shown.astype(np.int64)
        for joint in range(len(self.parents) - 1, -1, -1):
            if self.parents[joint] >= 0:
                below[self.parents[joint]] += below[joint]
        return int(np.where(self.shown, below, -1).argmax())


@dataclass(frozen=True, eq=False)
class Pose:
    """A clip in the world: joint positions in metres and what else is known of it."""

    positions: Float[np.ndarray, "frames joints 3"]
    rotations: Float[np.ndarray, "frames joints 3 3"] | None = None  # world
    places: Float[np.ndarray, "frames joints 2"] | None = None  # in the picture, as shares of the crop's side
    travels: bool = True  # whether the root's path is part of it …
    stands: bool = True  # … and where in the world that path lies
    noise: Float[np.ndarray, "frames joints"] | None = None  # deviation of a coordinate it expects of itself, metres


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two clips of the same frames on one rig."""

    subject: Subject
    predicted: Pose
    truth: Pose
    fps: float

    @property
    def has(self) -> frozenset[str]:
        """What a metric may need of both clips: "rotations", "places", "path", "stand"."""
        found = set()
        for name in ("rotations", "places"):
            if getattr(self.predicted, name) is not None and getattr(self.truth, name) is not None:
                found.add(name)
        if self.predicted.travels and self.truth.travels:
            found.add("path")
        if self.predicted.stands and self.truth.stands:
            found.add("stand")
        return frozenset(found)

    @cached_property
    def local_degrees(self) -> Float[np.ndarray, "frames joints"]:
        parents = self.subject.parents
        first, second = (world_to_local(_rotations(pose), parents) for pose in (self.predicted, self.truth))
        return np.asarray(np.degrees(rotation_angles(first, second)))

    @cached_property
    def world_degrees(self) -> Float[np.ndarray, "frames joints"]:
        return np.asarray(np.degrees(rotation_angles(_rotations(self.predicted), _rotations(self.truth))))

    @cached_property
    def around_root(self) -> tuple[Float[np.ndarray, "frames shown 3"], Float[np.ndarray, "frames shown 3"]]:
        """Both clips' shown joints as seen from their roots, in sizes."""
        subject = self.subject

        def seen(points: np.ndarray) -> np.ndarray:
            return np.asarray((points[:, subject.shown] - points[:, [subject.root]]) / subject.size)

        return seen(self.predicted.positions), seen(self.truth.positions)


def rotation_angles(
    first: Float[np.ndarray, "*batch 3 3"], second: Float[np.ndarray, "*batch 3 3"]
) -> Float[np.ndarray, " *batch"]:
    """Geodesic angle between rotation matrices, radians; exact near 0 and near π alike."""
    relative = np.swapaxes(first, -1, -2) @ second
    sine = np.stack(
        [
            relative[..., 2, 1] - relative[..., 1, 2],
            relative[..., 0, 2] - relative[..., 2, 0],
            relative[..., 1, 0] - relative[..., 0, 1],
        ],
        axis=-1,
    )
    angles: np.ndarray = np.arctan2(np.linalg.norm(sine, axis=-1), np.trace(relative, axis1=-2, axis2=-1) - 1)
    return angles


def world_to_local(
    world: Float[np.ndarray, "frames joints 3 3"], parents: Int[np.ndarray, " joints"]
) -> Float[np.ndarray, "frames joints 3 3"]:
    """World rotations to parent-relative ones; a root's are the world's."""
    above = world[:, parents]
    above[:, parents < 0] = np.eye(3)
    return np.asarray(np.swapaxes(above, -1, -2) @ world)


def bone_weights(
    positions: Float[np.ndarray, "joints 3"], parents: Int[np.ndarray, " joints"]
) -> Float[np.ndarray, " joints"]:
    """How much a joint's world rotation shows: the length of its longest bone to a child; leaves weigh nothing."""
    child = np.flatnonzero(parents >= 0)
    weights = np.zeros(len(parents))
    np.maximum.at(weights, parents[child], np.linalg.norm(positions[child] - positions[parents[child]], axis=-1))
    return weights


def weighted_mean(values: Float[np.ndarray, "frames joints"], weights: Float[np.ndarray, " joints"]) -> float:
    """Mean over frames and, weighted, over joints; NaN where nothing weighs."""
    total = weights.sum()
    return float((values.mean(axis=0) * weights).sum() / total) if total > 0 else float("nan")


def rotation_errors(
    predicted: Float[np.ndarray, "frames joints 3 3"],
    truth: Float[np.ndarray, "frames joints 3 3"],
    parents: Int[np.ndarray, " joints"],
    deforms: Bool[np.ndarray, " joints"],
    reference_positions: Float[np.ndarray, "joints 3"],
) -> dict[str, float]:
    """Degrees, of *world* rotations given: local error of deform joints, of those with children, of all joints,
    and world error weighted by bone length."""
    subject = Subject(parents, deforms, reference_positions, truth[0], 1.0)
    nowhere = np.zeros((*truth.shape[:2], 3))
    comparison = Comparison(subject, Pose(nowhere, predicted), Pose(nowhere, truth), 1.0)
    return {
        "local": rotation_local(comparison),
        "local_inner": rotation_local_inner(comparison),
        "local_all_joints": rotation_local_all(comparison),
        "weighted_world": rotation_world(comparison),
    }


def rotation_local(comparison: Comparison) -> float:
    """Mean angle of local rotations, joints that deform."""
    return weighted_mean(comparison.local_degrees, comparison.subject.shown.astype(float))


def rotation_local_inner(comparison: Comparison) -> float:
    """The same over joints that deform and have children: what positions can tell."""
    subject = comparison.subject
    inner = subject.shown & np.isin(np.arange(len(subject.parents)), subject.parents)
    return weighted_mean(comparison.local_degrees, inner.astype(float))


def rotation_local_all(comparison: Comparison) -> float:
    """The same over every joint, helpers and handles included."""
    return weighted_mean(comparison.local_degrees, np.ones(len(comparison.subject.parents)))


def rotation_world(comparison: Comparison) -> float:
    """Mean angle of world rotations, weighted by bone length: what the eye sees."""
    subject = comparison.subject
    weights = bone_weights(subject.reference_positions, subject.parents) * subject.shown
    return weighted_mean(comparison.world_degrees, weights)


def mpjpe(comparison: Comparison) -> float:
    """Mean distance of joints around the root, % of the rig's size."""
    predicted, truth = comparison.around_root
    return float(100 * np.linalg.norm(predicted - truth, axis=-1).mean())


def mpjpe_world(comparison: Comparison) -> float:
    """Mean distance of joints where they stand, % of the rig's size."""
    shown = comparison.subject.shown
    off = comparison.predicted.positions[:, shown] - comparison.truth.positions[:, shown]
    return float(100 * np.linalg.norm(off, axis=-1).mean() / comparison.subject.size)


def velocity(comparison: Comparison) -> float:
    """Mean error of joint velocities around the root, % of the size per second."""
    predicted, truth = comparison.around_root
    if len(truth) < 2:
        return float("nan")
    return float(100 * np.linalg.norm(np.diff(predicted - truth, axis=0), axis=-1).mean() * comparison.fps)


def facing(comparison: Comparison) -> float:
    """Mean over frames of the turn about the vertical that best carries the predicted joints onto the true ones."""
    return float(_facing_off(comparison).mean())


def facing_within_30(comparison: Comparison) -> float:
    """Share of frames in which that turn is no more than 30°, %."""
    return float(100 * (_facing_off(comparison) <= 30).mean())


def _facing_off(comparison: Comparison) -> Float[np.ndarray, " frames"]:
    shown = comparison.subject.shown
    turns = facing_turns(comparison.predicted.positions[:, shown], comparison.truth.positions[:, shown])
    return np.asarray(np.degrees(np.abs(turns)))


def facing_turns(
    points: Float[np.ndarray, "frames joints 3"], truth: Float[np.ndarray, "frames joints 3"]
) -> Float[np.ndarray, " frames"]:
    """Angle about +Y, radians, that best carries each frame's points, around their middle, onto the true ones."""
    here, there = (clip - clip.mean(axis=1, keepdims=True) for clip in (points, truth))
    cosine = (here[..., [0, 2]] * there[..., [0, 2]]).sum(axis=(-1, -2))
    sine = (here[..., 2] * there[..., 0] - here[..., 0] * there[..., 2]).sum(axis=-1)
    return np.asarray(np.arctan2(sine, cosine))


def root_path(comparison: Comparison) -> float:
    """Mean distance of the two roots' paths, each around its own middle, % of the size."""
    root = comparison.subject.root
    paths = [pose.positions[:, root] for pose in (comparison.predicted, comparison.truth)]
    first, second = (path - path.mean(axis=0) for path in paths)
    return float(100 * np.linalg.norm(first - second, axis=-1).mean() / comparison.subject.size)


def jerk_ratio(comparison: Comparison) -> float:
    """Mean jerk of the joints over that of the truth; undefined where the truth hardly moves."""
    if len(comparison.truth.positions) < 4:
        return float("nan")

    def jerk(pose: Pose) -> float:
        points = pose.positions[:, comparison.subject.shown] / comparison.subject.size
        return float(np.linalg.norm(np.diff(points, n=3, axis=0), axis=-1).mean() * comparison.fps**3)

    true = jerk(comparison.truth)
    return jerk(comparison.predicted) / true if true > STILL else float("nan")


def places(comparison: Comparison) -> float:
    """Mean distance of joints in the picture, % of the crop's side."""
    shown, first, second = comparison.subject.shown, comparison.predicted.places, comparison.truth.places
    if first is None or second is None:
        return float("nan")
    return float(100 * np.linalg.norm(first[:, shown] - second[:, shown], axis=-1).mean())


def _rotations(pose: Pose) -> Float[np.ndarray, "frames joints 3 3"]:
    if pose.rotations is None:
        raise ValueError("this clip has no rotations: the metric must say that it needs them")
    return pose.rotations
