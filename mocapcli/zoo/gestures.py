"""Gestures: things done on the spot that end where they began."""

import numpy as np
from jaxtyping import Float

from mocapcli.zoo.clips import all_legs, hip_height, still_feet
from mocapcli.zoo.gait import crouch
from mocapcli.zoo.layers import (
    BUGS,
    bend,
    breathe,
    elbow_axis,
    flex_elbow,
    fold_wings,
    hang_arm,
    look,
    open_jaw,
    secondary,
    stand,
)
from mocapcli.zoo.legs import Leg
from mocapcli.zoo.plan import Number
from mocapcli.zoo.puppet import Puppet, X, Y, Z

Generator = np.random.Generator
Curve = Float[np.ndarray, " frames"]


def attack(puppet: Puppet, rng: Generator, cycles: int) -> None:
    """Draw back, lunge, recover; jaws, arms, tail sting as there are."""
    legs, plan = all_legs(puppet), puppet.body.plan
    height = hip_height(legs)
    strike = puppet.keyed((0, 0), (0.28, -0.6), (0.36, -0.6), (0.5, 1.0), (0.62, 0.85), (1, 0))
    stand(puppet, wings=False)
    if plan.with_role("wing"):
        fold_wings(puppet, np.clip(1 - 0.55 * np.abs(strike), 0, 1))
    reach = 0.2 * height * rng.uniform(0.7, 1.3)
    puppet.offset[:, 2] = reach * strike
    puppet.offset[:, 1] = -crouch(legs, reach) - 0.05 * height * np.abs(strike)
    upright = plan.kind in ("biped", "naga")
    puppet.turn(puppet.body.trunk, X, 0.14 * strike)
    twist = rng.choice([-0.5, 0.5]) if upright else rng.uniform(-0.25, 0.25)
    for number in plan.with_role("spine", "torso"):
        bend(puppet, number, Y, twist * strike)
    for number in plan.with_role("neck"):
        own = strike * rng.uniform(0.7, 1.2)
        bend(puppet, number, X, 0.55 * own)
        bend(puppet, number, Y, rng.uniform(-0.2, 0.2) * own)
        joints = puppet.body.chains[number]
        puppet.twist(joints[-1], rng.uniform(-0.3, 0.3) * own)
    for number in plan.with_role("head"):
        if plan.kind != "octopus":
            bend(puppet, number, X, -0.35 * strike)
    open_jaw(puppet, 0.55 * puppet.keyed((0, 0), (0.3, 0.5), (0.45, 1.0), (0.56, 0.05), (1, 0)))
    strike_arms(puppet, strike, twist)
    if plan.kind == "scorpion":
        for number in plan.with_role("tail"):
            bend(puppet, number, X, 0.9 * strike)
    secondary(puppet, rng, 1, 0.5)
    still_feet(puppet)


def strike_arms(puppet: Puppet, strike: Curve, twist: Number) -> None:
    """A blow with the leading arm, the other following; pincers both at once."""
    plan = puppet.body.plan
    for number in plan.with_role("arm"):
        limb, joints = plan.limbs[number], puppet.body.chains[number]
        if plan.kind in BUGS:
            bend(puppet, number, Y, -0.4 * strike)
            continue
        leading = np.sign(twist) != limb.side
        puppet.turn(joints[0], X, -(0.4 + 1.1 * strike if leading else 0.5 - 0.3 * strike))
        flex_elbow(puppet, number, 1.2 - 0.9 * strike if leading else 1.1 + 0.3 * strike)
        if limb.joints > 1:
            puppet.twist(joints[1], 0.8 * strike)


def rear(puppet: Puppet, rng: Generator, cycles: int) -> None:
    """Up on the hind legs, forelegs pawing; a spider threatens with its front pair."""
    plan, legs = puppet.body.plan, all_legs(puppet)
    up = puppet.keyed((0, 0), (0.08, -0.06), (0.32, 1), (0.68, 1), (1, 0))
    last = max(plan.limbs[leg.limb].row for leg in legs)
    bug = plan.kind in BUGS
    tilt = (0.35 if bug else rng.uniform(0.55, 0.95)) * (1.0 if last else 0.4)
    stand(puppet, wings=False)
    fold_wings(puppet, np.clip(1 - 0.8 * up, 0, 1))
    puppet.turn(puppet.body.trunk, X, -tilt * up)
    puppet.offset[:, 1] = -0.10 * hip_height(legs) * up - crouch(legs, 0.04)
    for number in plan.with_role("neck"):
        bend(puppet, number, X, 0.4 * tilt * up)
    for number in plan.with_role("tail"):
        puppet.turn(puppet.body.chains[number][0], X, 0.75 * tilt * up)
    for number in plan.with_role("torso"):
        bend(puppet, number, X, 0.6 * tilt * up)
    open_jaw(puppet, 0.4 * np.clip(up, 0, 1) * (1 + 0.3 * puppet.swing(4)) / 1.3)
    free = [leg for leg in legs if last and plan.limbs[leg.limb].row < (last if not bug else 1)]
    secondary(puppet, rng, 1, 0.6)
    still_feet(puppet, [leg for leg in legs if leg not in free])
    paw(puppet, free, up, bug)


def paw(puppet: Puppet, legs: list[Leg], up: Curve, bug: bool) -> None:
    """Legs in the air: folded and beating, or spread wide."""
    for leg in legs:
        side = puppet.body.plan.limbs[leg.limb].side
        beat = puppet.swing(3, 0.0 if side > 0 else 0.4)
        puppet.turn(leg.joints[0], X, -(0.9 + 0.35 * beat) * up)
        for axis, joint in zip(leg.axes, leg.joints[1:], strict=True):
            mirrored = axis * np.array([1.0, side, side])
            puppet.turn(joint, mirrored, (-0.2 if bug else 0.55 + 0.25 * beat) * up)


def wave_arm(puppet: Puppet, rng: Generator, cycles: int) -> None:
    """Greet with one arm, forearm turning with the hand."""
    plan = puppet.body.plan
    idle_body(puppet, rng)
    up = puppet.keyed((0, 0), (0.22, 1), (0.78, 1), (1, 0))
    arms = plan.with_role("arm")
    chosen = arms[int(rng.integers(len(arms)))]
    for number in arms:
        hang_arm(puppet, number, 1.2)
        if number == chosen:
            joints = puppet.body.chains[number]
            puppet.turn(joints[0], Z, rng.uniform(1.3, 2.1) * up)
            puppet.turn(joints[1], elbow_axis(plan.limbs[number]), 0.9 * up)
            puppet.turn(joints[1], Z, (0.5 + 0.45 * puppet.swing(cycles * 2)) * up)
            puppet.twist(joints[1], (0.9 + 0.5 * puppet.swing(cycles * 2, 0.1)) * up)
    secondary(puppet, rng, 1, 0.5)
    still_feet(puppet)


def idle_body(puppet: Puppet, rng: Generator) -> None:
    legs = all_legs(puppet)
    breathe(puppet, 2)
    look(puppet, rng, 0.4)
    puppet.offset[:, 1] = -crouch(legs, 0.05 * hip_height(legs))
    puppet.turn(puppet.body.trunk, Z, 0.03 * puppet.swing(1))


def dance(puppet: Puppet, rng: Generator, cycles: int) -> None:
    """Hips, shoulders and raised arms to a beat."""
    plan, legs = puppet.body.plan, all_legs(puppet)
    height = hip_height(legs)
    puppet.offset[:, 0] = 0.07 * height * puppet.swing(cycles)
    puppet.offset[:, 1] = -crouch(legs, 0.12 * height) - 0.05 * height * (1 + puppet.swing(2 * cycles)) / 2
    puppet.turn(puppet.body.trunk, Y, 0.25 * puppet.swing(cycles, 0.25))
    puppet.turn(puppet.body.trunk, Z, 0.12 * puppet.swing(cycles, 0.5))
    for number in plan.with_role("spine", "neck"):
        for joint in puppet.body.chains[number][1:] or puppet.body.chains[number]:
            puppet.turn(joint, Y, -0.25 * puppet.swing(cycles, 0.3))
            puppet.turn(joint, Z, -0.10 * puppet.swing(cycles, 0.55))
    lift, style = rng.uniform(-0.6, 0.9), rng.uniform(0.4, 1.3)
    for number in plan.with_role("arm"):
        hang_arm(puppet, number, 0.5)
        joints, side = puppet.body.chains[number], plan.limbs[number].side
        puppet.turn(joints[0], Z, lift + 0.45 * puppet.swing(cycles, 0.25 * side))
        puppet.turn(joints[0], X, -0.3 + 0.35 * puppet.swing(2 * cycles, 0.1))
        flex_elbow(puppet, number, style + 0.5 * puppet.swing(cycles, 0.25 * side + 0.2))
        puppet.twist(joints[1], 0.7 * puppet.swing(cycles, 0.3))
    secondary(puppet, rng, cycles, 0.8)
    still_feet(puppet)


def shake(puppet: Puppet, rng: Generator, cycles: int) -> None:
    """A wet dog's shake: twist running from nose to tail."""
    plan, legs = puppet.body.plan, all_legs(puppet)
    strength = puppet.keyed((0, 0), (0.2, 0.3), (0.4, 1), (0.65, 1), (0.85, 0.2), (1, 0))
    beat = int(puppet.time[-1] * rng.uniform(2.2, 3.2))
    stand(puppet)
    puppet.offset[:, 1] = -crouch(legs, 0.06 * hip_height(legs)) - 0.04 * hip_height(legs) * strength
    limbs = [*plan.with_role("spine"), *plan.with_role("neck"), *plan.with_role("head")]
    for late, number in enumerate(limbs):
        joints = puppet.body.chains[number]
        for joint in joints:
            size = (0.12 if number == 0 else 0.5) / len(joints)
            puppet.turn(joint, Z, size * strength * puppet.swing(beat, -0.12 * late))
    for number in plan.with_role("tail", "ear"):
        for place, joint in enumerate(puppet.body.chains[number]):
            puppet.turn(joint, Z, 0.25 * strength * puppet.swing(beat, 0.1 + 0.08 * place))
            puppet.turn(joint, Y, 0.15 * strength * puppet.swing(beat, 0.1 + 0.08 * place))
    still_feet(puppet)


def eat(puppet: Puppet, rng: Generator, cycles: int) -> None:
    """Head down to the ground, a few bites, up again."""
    plan, legs = puppet.body.plan, all_legs(puppet)
    down = puppet.keyed((0, 0), (0.25, 1), (0.75, 1), (1, 0))
    bites = down * (1 + puppet.swing(4)) / 2
    stand(puppet)
    height = hip_height(legs)
    puppet.offset[:, 1] = -crouch(legs, 0.08 * height) - 0.1 * height * down
    puppet.turn(puppet.body.trunk, X, (0.45 if len(legs) == 2 else 0.16) * down)
    for number in plan.with_role("neck"):
        bend(puppet, number, X, rng.uniform(0.9, 1.3) * down + 0.1 * bites)
        bend(puppet, number, Y, 0.2 * down * puppet.swing(1))
        puppet.twist(puppet.body.chains[number][-1], 0.25 * down * puppet.swing(2))
    for number in plan.with_role("head"):
        bend(puppet, number, X, 0.25 * down)
        bend(puppet, number, Z, 0.12 * down * puppet.swing(2, 0.2))
    for number in plan.with_role("tail"):
        puppet.turn(puppet.body.chains[number][0], X, 0.2 * down)
    open_jaw(puppet, 0.3 * bites)
    secondary(puppet, rng, 2, 0.4)
    still_feet(puppet)


def flinch(puppet: Puppet, rng: Generator, cycles: int) -> None:
    """Struck from the front or a side: thrown back, shaking it off."""
    plan, legs = puppet.body.plan, all_legs(puppet)
    hit = puppet.keyed((0, 0), (0.15, 0), (0.24, 1), (0.42, 0.55), (0.55, 0.7), (1, 0))
    side = rng.uniform(-1, 1)
    stand(puppet)
    height = hip_height(legs)
    puppet.offset[:, 2] = -0.16 * height * hit
    puppet.offset[:, 0] = 0.12 * side * height * hit
    puppet.offset[:, 1] = -crouch(legs, 0.15 * height) - 0.08 * height * hit
    puppet.turn(puppet.body.trunk, X, -0.16 * hit)
    puppet.turn(puppet.body.trunk, Z, -0.18 * side * hit)
    for number in plan.with_role("spine", "torso"):
        bend(puppet, number, Y, 0.5 * side * hit)
        bend(puppet, number, X, -0.12 * hit)
    for number in plan.with_role("neck", "head"):
        bend(puppet, number, Y, 0.45 * side * hit)
        bend(puppet, number, X, -0.25 * hit)
        bend(puppet, number, Z, 0.3 * side * hit)
    for number in plan.with_role("arm"):
        if plan.kind not in BUGS:
            puppet.turn(puppet.body.chains[number][0], Z, rng.uniform(0.3, 0.9) * hit)
            puppet.turn(puppet.body.chains[number][0], X, -rng.uniform(0.2, 1.0) * hit)
            flex_elbow(puppet, number, rng.uniform(0.5, 1.4) * hit)
    open_jaw(puppet, 0.3 * hit)
    secondary(puppet, rng, 2, 0.6)
    still_feet(puppet)


def fall(puppet: Puppet, rng: Generator, cycles: int) -> None:
    """Sink down, roll over on a side, lie, and get up again."""
    plan, legs = puppet.body.plan, all_legs(puppet)
    sink = puppet.keyed((0, 0), (0.22, 0.8), (0.4, 1), (0.65, 1), (0.85, 0.75), (1, 0))
    over = puppet.keyed((0, 0), (0.12, 0), (0.38, 1), (0.65, 1), (0.88, 0), (1, 0))
    side = float(rng.choice([-1, 1]))
    height, girth = hip_height(legs), float(plan.limbs[0].radii.max())
    stand(puppet)
    still_feet(puppet)
    standing = {leg: puppet.rotations[:, list(leg.joints)].copy() for leg in legs}
    puppet.turn(puppet.body.trunk, Z, -side * rng.uniform(1.2, 1.45) * over)
    drop = float(puppet.body.heads[puppet.body.trunk][1]) - 1.1 * girth
    puppet.offset[:, 1] -= drop * sink
    puppet.offset[:, 0] += 0.6 * height * side * over
    for number in plan.with_role("spine", "neck", "head", "torso"):
        bend(puppet, number, Z, -0.25 * side * over)
        bend(puppet, number, Y, rng.uniform(-0.3, 0.3) * over)
    for leg in legs:
        sign = plan.limbs[leg.limb].side
        puppet.rotations[:, list(leg.joints)] = standing[leg]
        puppet.turn(leg.joints[0], X, rng.uniform(-0.5, 0.3) * sink)
        for axis, joint in zip(leg.axes, leg.joints[1:], strict=True):
            puppet.turn(joint, axis * np.array([1.0, sign, sign]), (0.9 * (1 - over) + rng.uniform(0.2, 0.7)) * sink)
    secondary(puppet, rng, 1, 0.3)


def jump(puppet: Puppet, rng: Generator, cycles: int) -> None:
    """Crouch, leap on the spot, land softly."""
    plan, legs = puppet.body.plan, all_legs(puppet)
    height = hip_height(legs)
    air = np.clip((puppet.part - 0.4) / 0.25, 0, 1)
    rise = 4 * air * (1 - air) * height * rng.uniform(0.35, 0.7)
    low = puppet.keyed((0, 0), (0.28, 1), (0.4, 0), (0.65, 0), (0.75, 0.8), (1, 0))
    stand(puppet)
    puppet.offset[:, 1] = rise - 0.3 * height * low - crouch(legs, 0.06 * height)
    puppet.turn(puppet.body.trunk, X, 0.25 * low - 0.08 * np.sin(np.pi * air))
    for number in plan.with_role("neck"):
        bend(puppet, number, X, -0.2 * low)
    for number in plan.with_role("arm"):
        if plan.kind not in BUGS:
            puppet.turn(puppet.body.chains[number][0], X, 0.9 * low - 1.6 * np.sin(np.pi * air))
            flex_elbow(puppet, number, 0.5 * low + 0.6 * np.sin(np.pi * air))
    secondary(puppet, rng, 2, 0.6)
    still_feet(puppet, lift=0.8 * rise)
