"""Clips on land: walking, hopping, turning, standing about."""

import numpy as np
from jaxtyping import Float

from mocapcli.zoo.gait import Gait, Path, crouch, plant
from mocapcli.zoo.layers import (
    BUGS,
    bend,
    breathe,
    flex_elbow,
    look,
    secondary,
    stand,
    wave,
)
from mocapcli.zoo.legs import Leg
from mocapcli.zoo.plan import Number
from mocapcli.zoo.puppet import Puppet, X, Y, Z

Generator = np.random.Generator
Curve = Float[np.ndarray, " frames"]


def all_legs(puppet: Puppet) -> list[Leg]:
    return [Leg(puppet.body, number) for number in puppet.body.plan.with_role("leg")]


def hip_height(legs: list[Leg]) -> float:
    return float(np.mean([leg.hip[1] - leg.toe[1] for leg in legs])) if legs else 0.5


def rows(puppet: Puppet) -> int:
    return len({puppet.body.plan.limbs[n].row for n in puppet.body.plan.with_role("leg")})


def walk(puppet: Puppet, rng: Generator, cycles: int, fast: bool = False, turn: Number = 0.0) -> None:
    """Walk, trot, run or scuttle; `turn` in radians over the clip."""
    legs, plan = all_legs(puppet), puppet.body.plan
    bug = plan.kind in BUGS
    reach = float(np.mean([leg.reach for leg in legs]))
    height = 0.55 * reach if bug else min(0.95 * reach, 1.05 * hip_height(legs))
    period = float(puppet.time[-1]) / cycles
    duty = rng.uniform(0.36, 0.46) if fast else rng.uniform(0.58, 0.7)
    half = height * (rng.uniform(0.30, 0.45) if fast else rng.uniform(0.18, 0.32)) * (0.7 if turn else 1.0)
    shift = 0.5 if rows(puppet) == 1 or bug or fast else 0.25
    bound = fast and rows(puppet) == 2 and rng.random() < 0.35
    lift = height * (rng.uniform(0.07, 0.13) if fast else rng.uniform(0.10, 0.2))
    roll = 0.15 if bug else rng.uniform(0.3, 0.7)
    gait = Gait(period, duty, lift, shift, 0.12 if bound else 0.5, roll)
    path = Path(2 * half / (duty * period), turn / float(puppet.time[-1]))
    stand(puppet)
    stride_body(puppet, rng, legs, cycles, half, height, fast, bound)
    swing_arms(puppet, cycles, rng.uniform(0.25, 0.5) * (1.8 if fast else 1.0), 0.9 if fast else 0.3)
    if turn:
        lean_into(puppet, turn)
    secondary(puppet, rng, cycles, 0.8 if fast else 0.55)
    plant(puppet, legs, gait, path)


def stride_body(
    puppet: Puppet, rng: Generator, legs: list[Leg], cycles: int, half: Number, height: Number, fast: bool, bound: bool
) -> None:
    """Bob, sway, roll and twist of trunk and neck in time with the steps."""
    plan = puppet.body.plan
    strength = rng.uniform(0.6, 1.2) * (1.5 if fast else 1.0) * (0.4 if plan.kind in BUGS else 1.0)
    beats = cycles if bound else 2 * cycles
    bob = 0.022 * height * strength
    puppet.offset[:, 1] = -crouch(legs, half) - bob + bob * puppet.swing(beats, 0.1)
    puppet.offset[:, 0] = 0.02 * height * strength * puppet.swing(cycles, 0.0) * (not bound)
    trunk = puppet.body.trunk
    upright = plan.kind in ("biped",)
    spine = puppet.body.chains[0]
    if bound:
        puppet.turn(trunk, X, 0.05 * strength * puppet.swing(cycles, 0.1))
        puppet.offset[:, 1] -= 0.04 * height
        for joint in spine[1:]:
            puppet.turn(joint, X, 0.09 / len(spine) * strength * puppet.swing(cycles, 0.35))
    yaw = 0.10 * strength * (1.0 if upright else 0.6)
    puppet.turn(trunk, Z, 0.04 * strength * puppet.swing(cycles, 0.2))
    puppet.turn(trunk, Y, yaw * puppet.swing(cycles, 0.25))
    for joint in spine[1:]:
        puppet.turn(joint, Y, -1.7 * yaw / max(len(spine) - 1, 1) * puppet.swing(cycles, 0.25))
        puppet.turn(joint, Z, -0.05 * strength / len(spine) * puppet.swing(cycles, 0.2))
    if fast and upright:
        puppet.turn(trunk, X, rng.uniform(0.05, 0.2))
    for number in plan.with_role("neck"):
        nod = (0.16 if plan.kind in ("bird", "theropod") else 0.08) * strength
        wave(puppet, number, X, nod, 2 * cycles, 0.2, 0.3)
        bend(puppet, number, Y, 0.5 * yaw * puppet.swing(cycles, 0.25))
    for number in plan.with_role("head"):
        if plan.kind not in BUGS:
            bend(puppet, number, X, -0.06 * strength * puppet.swing(2 * cycles, 0.35))


def swing_arms(puppet: Puppet, cycles: int, amount: Number, elbow: Number) -> None:
    """Arms against the legs, forearms turning as they go."""
    plan = puppet.body.plan
    if plan.kind in BUGS:
        return
    for number in plan.with_role("arm"):
        limb, joints = plan.limbs[number], puppet.body.chains[number]
        curve = puppet.swing(cycles, 0.25 if limb.side > 0 else 0.75)
        puppet.turn(joints[0], X, amount * curve)
        flex_elbow(puppet, number, elbow + 0.4 * amount * (1 - curve))
        if limb.joints > 1:
            puppet.twist(joints[1], 0.4 + 0.5 * amount * curve)


def lean_into(puppet: Puppet, turn: Number) -> None:
    plan = puppet.body.plan
    share = float(np.clip(turn, -1.2, 1.2)) * np.sin(np.pi * puppet.part) ** 0.5
    for number in plan.with_role("spine"):
        bend(puppet, number, Y, 0.12 * share)
    for number in plan.with_role("neck", "head"):
        bend(puppet, number, Y, 0.18 * share)
    for number in plan.with_role("tail"):
        if plan.kind not in ("fish", "snake"):
            bend(puppet, number, Y, 0.25 * share)


def hop(puppet: Puppet, rng: Generator, cycles: int) -> None:
    """Both feet together, the whole body thrown forwards and up."""
    legs = all_legs(puppet)
    height = hip_height(legs)
    period, duty = float(puppet.time[-1]) / cycles, 0.45
    half = height * rng.uniform(0.15, 0.3)
    jump = height * rng.uniform(0.15, 0.35)
    part = (puppet.part * cycles) % 1.0
    air = np.clip((part - duty) / (1 - duty), 0, 1)
    down = np.clip(part / duty, 0, 1)
    stand(puppet)
    puppet.offset[:, 1] = jump * 4 * air * (1 - air) * (1 + 0 * down) - 0.14 * height * np.sin(np.pi * down) ** 2
    puppet.offset[:, 1] -= crouch(legs, half)
    puppet.turn(puppet.body.trunk, X, 0.14 * np.sin(2 * np.pi * (part - 0.2)))
    for number in puppet.body.plan.with_role("neck"):
        wave(puppet, number, X, 0.2, cycles, 0.15, 0.6)
    secondary(puppet, rng, cycles, 0.7)
    plant(puppet, legs, Gait(period, duty, jump * 0.9, 0.0, 0.0, 0.8), Path(2 * half / (duty * period)))


def still_feet(puppet: Puppet, legs: list[Leg] | None = None, lift: Curve | None = None) -> None:
    """Feet stay where they are drawn, whatever the trunk does; `lift` takes them off the ground."""
    feet = all_legs(puppet) if legs is None else legs
    if feet:
        plant(puppet, feet, Gait(1.0, 0.999, 0.0, 0.0, 0.0, 0.0), Path(), lift)


def idle(puppet: Puppet, rng: Generator, cycles: int) -> None:
    """Breathe, look about, shift the weight."""
    legs = all_legs(puppet)
    height = hip_height(legs)
    stand(puppet)
    breathe(puppet, 2, rng.uniform(0.02, 0.05))
    look(puppet, rng, rng.uniform(0.4, 0.9))
    sway = rng.uniform(0.01, 0.04)
    puppet.offset[:, 0] = sway * height * puppet.swing(1)
    puppet.offset[:, 1] = -0.03 * height + 0.012 * height * puppet.swing(2) - crouch(legs, 0.05 * height)
    puppet.turn(puppet.body.trunk, Z, sway * puppet.swing(1, 0.5))
    puppet.turn(puppet.body.trunk, Y, rng.uniform(0.0, 0.12) * puppet.swing(1, 0.2))
    swing_arms(puppet, 1, 0.08, 0.15)
    secondary(puppet, rng, 2, rng.uniform(0.3, 0.8))
    still_feet(puppet)


def turn(puppet: Puppet, rng: Generator, cycles: int) -> None:
    """Walk a bend, to either side."""
    walk(puppet, rng, cycles, turn=float(rng.choice([-1, 1]) * rng.uniform(0.7, 1.6)))
