"""Clips without legs: slither, slide, swim, pulse, crawl."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from mocapcli.zoo.gait import Path
from mocapcli.zoo.layers import bend, breathe, hang_arm, look, open_jaw, secondary, twist_wave, wave
from mocapcli.zoo.plan import Number
from mocapcli.zoo.puppet import Puppet, X, Y, Z

Generator = np.random.Generator
Curve = Float[np.ndarray, " frames"]


def slither(
    puppet: Puppet, rng: Generator, cycles: int, turning: bool = False, lift: Number = 0.0, moving: bool = True
) -> None:
    """The body follows its own track: every joint passes where the head went, without sliding sideways."""
    body = puppet.body
    length = float(np.ptp(body.heads[:, 2]))
    waves = rng.uniform(1.2, 2.2)
    wavelength = length / waves
    speed = wavelength * cycles / float(puppet.time[-1]) if moving else 0.0
    bendiness = min(rng.uniform(0.55, 1.0), 0.08 * len(body.names))
    rate = bearing(rng, turning) / float(puppet.time[-1])

    def heading(along: np.ndarray) -> np.ndarray:
        extra = rate * along / speed if speed else 0.0 * along
        return np.asarray(bendiness * np.sin(2 * np.pi * along / wavelength) + extra)

    _track(puppet, heading, speed)
    if not moving:
        sway = 0.5 * puppet.swing(1)
        bend(puppet, 0, Y, sway * 0.4)
    raise_front(puppet, 0.15 + lift)
    twist_wave(puppet, 0, 1.2, cycles, 0.6)
    secondary(puppet, rng, cycles, 0.8)


def bearing(rng: Generator, turning: bool) -> float:
    """How far a turn goes over a clip: to either side, or not at all."""
    return float(rng.choice([-1.0, 1.0]) * rng.uniform(0.8, 1.6)) if turning else 0.0


def _track(puppet: Puppet, heading: Callable[[np.ndarray], np.ndarray], speed: Number) -> None:
    """Place the trunk on the curve of that heading, and every joint along it."""
    body = puppet.body
    fine = np.linspace(0.0, max(speed * float(puppet.time[-1]), 1e-9), 400)
    angle = heading(fine)
    step = fine[1] - fine[0]
    track = np.stack([np.sin(angle), 0 * angle, np.cos(angle)], axis=1)
    places = np.concatenate([np.zeros((1, 3)), np.cumsum((track[1:] + track[:-1]) / 2 * step, axis=0)])
    along = speed * puppet.time
    puppet.position = np.stack([np.interp(along, fine, places[:, i]) for i in range(3)], axis=1)
    origin = body.heads[body.trunk]
    for number in (0, *body.plan.with_role("tail")):
        before = np.zeros(puppet.frames)
        for joint in body.chains[number]:
            middle = float((body.heads[joint] + body.tips[joint])[2] / 2 - origin[2])
            now = heading(along + middle)
            if number == 0 or joint != body.chains[number][0]:
                puppet.turn(joint, Y, now - before)
            else:
                first = heading(along + float(body.tips[body.trunk][2] - origin[2]) / 2)
                puppet.turn(joint, Y, now - first)
            before = now


def raise_front(puppet: Puppet, angle: Curve | Number) -> None:
    """Lift the front of the body in an S, the head level again."""
    joints = puppet.body.chains[0]
    count = max(len(joints) // 3, 1)
    front = joints[-count:]
    for place, joint in enumerate(front):
        puppet.turn(joint, X, (-1.0 if place < (count + 1) // 2 else 0.6) * np.asarray(angle) * 1.6 / count)
    for number in puppet.body.plan.with_role("head"):
        bend(puppet, number, X, 0.6 * np.asarray(angle))


def strike(puppet: Puppet, rng: Generator, cycles: int) -> None:
    """Rise, draw back in an S, dart forwards."""
    hit = puppet.keyed((0, 0), (0.3, -0.7), (0.42, -0.8), (0.52, 1.0), (0.6, 0.8), (1, 0))
    up = puppet.keyed((0, 0), (0.28, 1.0), (0.6, 0.7), (1, 0))
    slither(puppet, rng, 1, moving=False)
    raise_front(puppet, 0.9 * up)
    joints = puppet.body.chains[0]
    for place, joint in enumerate(joints):
        if place >= len(joints) // 2:
            puppet.turn(joint, Y, (0.5 if place % 4 < 2 else -0.5) * np.minimum(hit, 0) * 2.0 / len(joints) ** 0.5)
            puppet.turn(joint, X, 0.5 * np.maximum(hit, 0) / len(joints))
    open_jaw(puppet, 0.8 * np.clip(puppet.keyed((0, 0), (0.4, 0.1), (0.5, 1), (0.6, 0.1), (1, 0)), 0, 1))


def coil(puppet: Puppet, rng: Generator, cycles: int) -> None:
    """Curl up sideways and open again."""
    curl = puppet.keyed((0, 0), (0.4, 1), (0.6, 1), (1, 0)) * float(rng.choice([-1, 1]))
    slither(puppet, rng, 1, moving=False)
    for number in (0, *puppet.body.plan.with_role("tail")):
        bend(puppet, number, Y, rng.uniform(1.8, 3.2) * curl * (1 if number == 0 else -1))


def rest_snake(puppet: Puppet, rng: Generator, cycles: int) -> None:
    slither(puppet, rng, 1, moving=False)
    raise_front(puppet, 0.4 + 0.15 * puppet.swing(1))
    look(puppet, rng, 0.7)


def swim(puppet: Puppet, rng: Generator, cycles: int, turning: bool = False, vigour: Number = 1.0) -> None:
    """A wave from head to tail, growing; fins row and steer."""
    plan = puppet.body.plan
    size = rng.uniform(0.5, 1.0) * vigour
    turn = bearing(rng, turning)
    path = Path(rng.uniform(0.5, 1.0) * vigour * cycles / float(puppet.time[-1]), turn / float(puppet.time[-1]))
    puppet.position, puppet.yaw = path.position(puppet.time), path.yaw(puppet.time)
    puppet.offset[:, 1] = 0.03 * puppet.swing(1)
    puppet.turn(puppet.body.trunk, Y, 0.10 * size * puppet.swing(cycles, 0.5) + 0.0)
    puppet.turn(puppet.body.trunk, Z, -0.3 * np.sin(np.pi * puppet.part) * np.sign(turn) + 0.06 * puppet.swing(1))
    puppet.turn(puppet.body.trunk, X, 0.08 * puppet.swing(1, 0.3))
    wave(puppet, 0, Y, 0.12 * size, cycles, 0.1, 0.4)
    for number in plan.with_role("tail"):
        wave(puppet, number, Y, 0.8 * size / len(puppet.body.chains[number]) ** 0.35, cycles, 0.45, 0.0, 1.5)
        twist_wave(puppet, number, 0.15 * size, cycles, 0.3)
        bend(puppet, number, Y, -0.35 * np.sin(np.pi * puppet.part) * np.sign(turn))
    row_fins(puppet, cycles, size)
    open_jaw(puppet, 0.12 * (1 + puppet.swing(2)))


def row_fins(puppet: Puppet, cycles: int, size: Number) -> None:
    plan = puppet.body.plan
    for number in plan.with_role("fin"):
        limb = plan.limbs[number]
        if limb.side == 0:
            wave(puppet, number, Y, 0.55 * size, cycles, 0.1, 0.5)
            continue
        wave(puppet, number, Z, 0.45, cycles, 0.25, 0.2 * limb.row, 0.5)
        puppet.twist(puppet.body.chains[number][0], 0.4 * puppet.swing(cycles, 0.25 + 0.2 * limb.row))
        bend(puppet, number, Y, 0.2 * puppet.swing(1, 0.1 * limb.side))


def hover_fish(puppet: Puppet, rng: Generator, cycles: int) -> None:
    """Hang in the water, fins at work."""
    swim(puppet, rng, 2, vigour=0.35)
    puppet.position = puppet.position * 0.05


def bite(puppet: Puppet, rng: Generator, cycles: int) -> None:
    """A dash at prey and back."""
    dash = puppet.keyed((0, 0), (0.3, -0.25), (0.48, 1), (0.6, 0.9), (1, 0))
    swim(puppet, rng, cycles, vigour=0.8)
    puppet.position = np.zeros((puppet.frames, 3))
    puppet.offset[:, 2] = 0.5 * dash
    bend(puppet, 0, Y, 0.25 * np.minimum(dash, 0.3))
    open_jaw(puppet, 0.5 * np.clip(dash, 0, 1))


def pulse(puppet: Puppet, rng: Generator, cycles: int, turning: bool = False) -> None:
    """Jet: tentacles open and snap together, the mantle squeezes along."""
    rise = rng.uniform(0.05, 0.15)
    speed = rng.uniform(0.2, 0.6)
    path = Path(speed, bearing(rng, turning) / float(puppet.time[-1]))
    puppet.position, puppet.yaw = path.position(puppet.time), path.yaw(puppet.time)
    puppet.offset[:, 1] = 0.3 + rise * puppet.swing(cycles, 0.1)
    puppet.turn(puppet.body.trunk, X, 0.15 + 0.08 * puppet.swing(1))
    puppet.turn(puppet.body.trunk, Y, 0.15 * puppet.swing(1, 0.3))
    for number in puppet.body.plan.with_role("tentacle"):
        open_tentacle(puppet, number, cycles, rng.uniform(0.5, 0.7), 0.35, -0.2)
        twist_wave(puppet, number, 0.5, cycles, 0.4)
    for number in puppet.body.plan.with_role("head"):
        wave(puppet, number, X, 0.12, cycles, 0.2, 0.3)


def open_tentacle(puppet: Puppet, number: int, cycles: int, size: Number, lag: Number, rest: Number) -> None:
    """Up and out, then down and in, running towards the tip."""
    limb = puppet.body.plan.limbs[number]
    out = (limb.points[1] - limb.points[0]) * np.array([1.0, 0.0, 1.0])
    axis = np.cross(out, Y) / max(float(np.linalg.norm(np.cross(out, Y))), 1e-9)
    if limb.side < 0:
        axis = axis * np.array([1.0, -1.0, -1.0])
    wave(puppet, number, axis, size, cycles, lag, 0.02 * limb.row, 0.6)
    bend(puppet, number, axis, rest)


def crawl(puppet: Puppet, rng: Generator, cycles: int, moving: bool = True) -> None:
    """Tentacles reach, grip and push, one after the other."""
    plan = puppet.body.plan
    speed = rng.uniform(0.15, 0.35) if moving else 0.0
    puppet.position = Path(speed).position(puppet.time)
    puppet.offset[:, 1] = 0.03 * puppet.swing(2 * cycles)
    puppet.turn(puppet.body.trunk, Z, 0.06 * puppet.swing(cycles))
    puppet.turn(puppet.body.trunk, Y, 0.12 * puppet.swing(1))
    for number in plan.with_role("tentacle"):
        phase = 0.37 * plan.limbs[number].row
        wave(puppet, number, Y, rng.uniform(0.5, 0.9), cycles, 0.4, phase, 0.8)
        open_tentacle(puppet, number, cycles, rng.uniform(0.25, 0.5) * (1.0 if moving else 0.5), 0.5, 0.0)
        twist_wave(puppet, number, rng.uniform(0.4, 1.0), cycles, 0.5, phase)
    for number in plan.with_role("head"):
        wave(puppet, number, X, 0.15, cycles, 0.3)
        twist_wave(puppet, number, 0.2, 1, 0.2)


def reach(puppet: Puppet, rng: Generator, cycles: int) -> None:
    """One or two tentacles go for something ahead."""
    crawl(puppet, rng, 1, moving=False)
    grab = puppet.keyed((0, 0), (0.3, 0.3), (0.5, 1), (0.65, 1), (1, 0))
    plan = puppet.body.plan
    ahead = sorted(plan.with_role("tentacle"), key=lambda n: -float(plan.limbs[n].points[-1][2]))
    for number in ahead[: int(rng.integers(1, 3))]:
        bend(puppet, number, X, -rng.uniform(1.0, 1.8) * grab)
        twist_wave(puppet, number, 0.6, 2, 0.4)
    puppet.turn(puppet.body.trunk, X, 0.2 * grab)


def slide(puppet: Puppet, rng: Generator, cycles: int, turning: bool = False) -> None:
    """A naga's way: the tail winds on the ground, the trunk sways above it."""
    plan = puppet.body.plan
    path = Path(rng.uniform(0.4, 0.8), bearing(rng, turning) / float(puppet.time[-1]))
    puppet.position, puppet.yaw = path.position(puppet.time), path.yaw(puppet.time)
    upright(puppet, rng, cycles)
    puppet.turn(puppet.body.trunk, X, 0.08)
    for number in plan.with_role("arm"):
        side = plan.limbs[number].side
        puppet.turn(puppet.body.chains[number][0], X, 0.2 * puppet.swing(cycles, 0.25 * side))


def upright(puppet: Puppet, rng: Generator, cycles: int) -> None:
    """Arms hang, the tail winds behind."""
    plan = puppet.body.plan
    for number in plan.with_role("arm"):
        hang_arm(puppet, number, 1.2)
    for number in plan.with_role("tail"):
        joints = puppet.body.chains[number]
        for place, joint in enumerate(joints):
            lying = abs(float(puppet.body.bone(joint)[1])) < 0.6
            size = (0.9 / len(joints) ** 0.6) * (1.0 if lying else 0.2)
            puppet.turn(joint, Y, size * puppet.swing(cycles, 1.2 * place / len(joints)))
    puppet.turn(puppet.body.trunk, Y, 0.12 * puppet.swing(cycles, 0.2))
    bend(puppet, 0, Z, 0.1 * puppet.swing(cycles, 0.4))
    breathe(puppet, 2)
    secondary(puppet, rng, cycles, 0.5)
