"""Legs that reach: any number of segments, folded like an accordion until the foot is where it should be."""

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from mocapcli.kinematics import matrix_to_quat
from mocapcli.zoo.body import Body
from mocapcli.zoo.plan import Number
from mocapcli.zoo.puppet import Puppet

STEPS = 96


class Leg:
    """One leg of a body: how its length depends on how far it is folded."""

    def __init__(self, body: Body, limb: int) -> None:
        self.limb = limb
        self.joints = body.chains[limb]
        points = body.plan.limbs[limb].points
        self.segments = np.diff(points, axis=0)
        self.home = points[-1]
        self.hip = points[0]
        self.feet = [n for n, other in enumerate(body.plan.limbs) if other.parent == limb and other.role == "foot"]
        self.foot = body.chains[self.feet[0]] if self.feet else ()
        self.toe = body.plan.limbs[self.feet[0]].points[-1] if self.feet else points[-1]
        foot = body.plan.limbs[self.feet[0]].points if self.feet else points[-1:]
        self.claw = 0.6 * float(np.linalg.norm(foot[-1] - foot[0]))  # how far toes reach past the foot's bones
        self.axes, self.bends = _bends(self.segments)
        self.folds = np.linspace(-1.2, 2.5, STEPS)
        lengths = np.linalg.norm(self._chord(self.folds), axis=-1)
        self.lengths = np.minimum.accumulate(lengths) - 1e-9 * np.arange(STEPS)  # longest first

    @property
    def reach(self) -> float:
        return float(self.lengths[0])

    def angles(self, fold: Float[np.ndarray, " folds"]) -> Float[np.ndarray, "folds bends"]:
        """Bend angles: wide bends fold most, none straightens past its stop."""
        weight = np.maximum(np.abs(self.bends), 0.5)
        return np.asarray(np.clip(self.bends + fold[:, None] * weight, 0.03, 2.7))

    def _turns(self, fold: Float[np.ndarray, " folds"]) -> Float[np.ndarray, "bends folds 3 3"]:
        extra = self.angles(fold) - self.bends
        return (
            np.stack([Rotation.from_rotvec(extra[:, k, None] * axis).as_matrix() for k, axis in enumerate(self.axes)])
            if len(self.axes)
            else np.zeros((0, len(fold), 3, 3))
        )

    def _chord(self, fold: Float[np.ndarray, " folds"]) -> Float[np.ndarray, "folds 3"]:
        """Hip to tip for a fold, the first segment held still."""
        total = np.broadcast_to(self.segments[0], (len(fold), 3)).copy()
        turn = np.tile(np.eye(3), (len(fold), 1, 1))
        for step, segment in zip(self._turns(fold), self.segments[1:], strict=True):
            turn = turn @ step
            total += turn @ segment
        return total

    def solve(self, puppet: Puppet, target: Float[np.ndarray, "frames 3"], world: np.ndarray) -> None:
        """Turn the leg's joints so that its tip is at the target, given the world matrices of its parent."""
        parent = world[:, puppet.body.parents[self.joints[0]]]
        above = puppet.body.heads[self.joints[0]] - puppet.body.heads[puppet.body.parents[self.joints[0]]]
        hip = parent[:, :3, 3] + parent[:, :3, :3] @ above
        wanted = np.einsum("tji,tj->ti", parent[:, :3, :3], target - hip)
        length = np.maximum(soft_limit(np.linalg.norm(wanted, axis=1), self.reach), 0.4 * self.reach)
        fold = np.interp(-length, -self.lengths, self.folds)
        puppet.rotations[:, self.joints[0]] = matrix_to_quat(between(self._chord(fold), wanted))
        for joint, turn in zip(self.joints[1:], self._turns(fold), strict=True):
            puppet.rotations[:, joint] = matrix_to_quat(turn)


def soft_limit(length: Float[np.ndarray, " frames"], most: Number, zone: Number = 0.07) -> Float[np.ndarray, " frames"]:
    """Lengths that approach the most without reaching it: a knee must not snap straight."""
    start, room = (1 - zone) * most, zone * most
    over = np.maximum(length - start, 0.0)
    return np.asarray(np.where(length > start, start + room * (1 - np.exp(-over / room)), length))


def _bends(
    segments: Float[np.ndarray, "segments 3"],
) -> tuple[Float[np.ndarray, "bends 3"], Float[np.ndarray, " bends"]]:
    """Axis and angle from each segment to the next."""
    first, second = segments[:-1], segments[1:]
    cross = np.cross(first, second)
    sine = np.linalg.norm(cross, axis=1)
    angles = np.arctan2(sine, np.sum(first * second, axis=1))
    axes = np.where(sine[:, None] > 1e-9, cross / np.maximum(sine[:, None], 1e-12), [1.0, 0.0, 0.0])
    return axes, angles


def between(
    first: Float[np.ndarray, "frames 3"], second: Float[np.ndarray, "frames 3"]
) -> Float[np.ndarray, "frames 3 3"]:
    """The smallest rotations that carry one direction onto the other."""
    a = first / np.maximum(np.linalg.norm(first, axis=1, keepdims=True), 1e-12)
    b = second / np.maximum(np.linalg.norm(second, axis=1, keepdims=True), 1e-12)
    cross = np.cross(a, b)
    sine = np.linalg.norm(cross, axis=1)
    angle = np.arctan2(sine, np.sum(a * b, axis=1))
    scale = np.where(sine > 1e-9, angle / np.maximum(sine, 1e-12), 1.0)
    return Rotation.from_rotvec(cross * scale[:, None]).as_matrix()
