"""Walking: a path over the ground, and feet that stay where they are put."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from mocapcli.zoo.legs import Leg
from mocapcli.zoo.plan import Number
from mocapcli.zoo.puppet import Puppet, X, Y, chain_world

Curve = Float[np.ndarray, " frames"]


@dataclass(frozen=True)
class Path:
    """Steady speed along the facing direction, steadily turning."""

    speed: Number = 0.0
    turn: Number = 0.0  # radians a second, to the left

    def yaw(self, time: Curve) -> Curve:
        return self.turn * time

    def position(self, time: Curve) -> Float[np.ndarray, "frames 3"]:
        if abs(self.turn) < 1e-6:
            return np.stack([0 * time, 0 * time, self.speed * time], axis=1)
        radius, yaw = self.speed / self.turn, self.turn * time
        return np.stack([radius * (1 - np.cos(yaw)), 0 * time, radius * np.sin(yaw)], axis=1)

    def carry(self, time: Curve, point: Float[np.ndarray, " 3"]) -> Float[np.ndarray, "frames 3"]:
        """A point fixed to the moving body, in the world."""
        return self.position(time) + Rotation.from_rotvec(self.yaw(time)[:, None] * Y).apply(point)


@dataclass(frozen=True)
class Gait:
    """When each foot is down. Shifts are fractions of a cycle."""

    period: Number
    duty: Number  # part of the cycle on the ground
    lift: Number  # height of a step
    row_shift: Number  # from one row of legs to the next
    side_shift: Number = 0.5  # from left to right
    roll: Number = 0.5  # radians the heel comes up

    def phase(self, row: int, side: int) -> float:
        return (row * self.row_shift + (self.side_shift if side < 0 else 0.0)) % 1.0


def steps(
    gait: Gait, path: Path, leg: Leg, phase: Number, time: Curve
) -> tuple[Float[np.ndarray, "frames 3"], Curve, Curve, Curve]:
    """Where the toe is, which way it points, how far the heel is up, and whether all is in the air (0 to 1)."""
    cycle = time / gait.period + phase
    start = np.floor(cycle)
    part = cycle - start
    middle = (start - phase + gait.duty / 2) * gait.period
    planted, following = (path.carry(at, leg.toe) for at in (middle, middle + gait.period))
    swing = np.clip((part - gait.duty) / (1 - gait.duty), 0.0, 1.0)
    ease = swing * swing * (3 - 2 * swing)
    toe = planted + ease[:, None] * (following - planted)
    toe[:, 1] += gait.lift * np.sin(np.pi * swing) ** 2
    yaw = path.yaw(middle) + ease * path.turn * gait.period
    knots = np.array([0.0, 0.12, 0.55, 1.0, 1.0 + 0.35 * (1 / gait.duty - 1), 1 / gait.duty]) * gait.duty
    heel = np.interp(part, knots, np.array([-0.35, 0.0, 0.0, 0.8, 0.9, -0.35]) * gait.roll)
    return toe, yaw, smooth(heel), np.asarray(np.sin(np.pi * swing))


def smooth(values: Curve) -> Curve:
    """Corners of a looping curve rounded off."""
    if len(values) < 8:
        return values
    padded = np.concatenate([values[-4:-1], values, values[1:4]])
    return np.convolve(padded, np.array([1, 2, 3, 4, 3, 2, 1]) / 16, mode="valid")


def plant(puppet: Puppet, legs: list[Leg], gait: Gait, path: Path, lift: Curve | None = None) -> None:
    """Move the puppet along the path and walk the given legs; the trunk sinks until all can reach."""
    puppet.position = path.position(puppet.time)
    puppet.yaw = path.yaw(puppet.time)
    world = puppet.world()
    for leg in legs:
        limb = puppet.body.plan.limbs[leg.limb]
        toe, yaw, heel, up = steps(gait, path, leg, gait.phase(limb.row, limb.side), puppet.time)
        if lift is not None:
            toe[:, 1] += lift
        if not leg.foot:
            leg.solve(puppet, toe, world)
            continue
        turn = Rotation.from_rotvec(yaw[:, None] * Y) * Rotation.from_rotvec(heel[:, None] * X)
        stiff = 1.0 if len(leg.foot) == 1 else up  # toes that cannot bend would go through the floor
        toe[:, 1] += leg.claw * stiff * np.sin(np.maximum(heel, 0.0))
        leg.solve(puppet, toe + turn.apply(leg.home - leg.toe), world)
        _set_foot(puppet, leg, turn, Rotation.from_rotvec(yaw[:, None] * Y), np.maximum(heel, 0), world)


def _set_foot(puppet: Puppet, leg: Leg, turn: Rotation, flat: Rotation, heel: Curve, world: np.ndarray) -> None:
    """Foot and toes level with the ground, toes bent while the heel is up."""
    parent = world[:, puppet.body.parents[leg.joints[0]], :3, :3]
    above = Rotation.from_matrix(chain_world(puppet, leg.joints, parent))
    puppet.rotations[:, leg.foot[0]] = (above.inv() * turn).as_quat()
    for joint in leg.foot[1:]:
        puppet.rotations[:, joint] = (turn.inv() * flat * Rotation.from_rotvec(0.3 * heel[:, None] * X)).as_quat()


def crouch(legs: list[Leg], half_stride: Number) -> float:
    """How far the trunk must sink so that every leg still reaches half a stride away."""
    sink = 0.0
    for leg in legs:
        away = leg.home - leg.hip
        half = half_stride * (0.55 if leg.foot else 1.0)  # a lifted heel makes up for the rest
        flat, height = float(np.hypot(away[0], away[2])), -float(away[1])
        room = (0.985 * leg.reach) ** 2 - (flat + half) ** 2
        sink = max(sink, height - float(np.sqrt(max(room, (0.45 * height) ** 2))))
    return sink
