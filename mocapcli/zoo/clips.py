"""Clips on land and in the air: what each ability looks like."""

import numpy as np
from jaxtyping import Float

from mocapcli.zoo.gait import Gait, Path, crouch, plant
from mocapcli.zoo.layers import (
    BUGS,
    bend,
    breathe,
    elbow_axis,
    flap,
    flex_elbow,
    fold_wings,
    hang_arm,
    look,
    open_jaw,
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
    gait = Gait(
        period,
        duty,
        height * rng.uniform(0.10, 0.2),
        shift,
        0.12 if bound else 0.5,
        0.15 if bug else rng.uniform(0.3, 0.7),
    )
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
        puppet.turn(trunk, X, 0.12 * strength * puppet.swing(cycles, 0.1))
        for joint in spine[1:]:
            puppet.turn(joint, X, 0.25 / len(spine) * strength * puppet.swing(cycles, 0.35))
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


def still_feet(puppet: Puppet, legs: list[Leg] | None = None) -> None:
    """Feet stay where they are drawn, whatever the trunk does."""
    feet = all_legs(puppet) if legs is None else legs
    if feet:
        plant(puppet, feet, Gait(1.0, 0.999, 0.0, 0.0, 0.0, 0.0), Path())


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


def fly(puppet: Puppet, rng: Generator, cycles: int, glide: bool = False, hover: bool = False) -> None:
    """Beat or hold the wings, legs drawn up, the body riding on the strokes."""
    plan, height = puppet.body.plan, 0.5
    beats = cycles * (4 if plan.kind == "insect" else 1)
    amplitude = 0.1 if glide else rng.uniform(0.45, 0.8)
    speed = rng.uniform(1.0, 3.0) * (0.0 if hover else 1.0)
    puppet.position = Path(speed).position(puppet.time)
    puppet.offset[:, 1] = rng.uniform(0.4, 1.2) - 0.12 * amplitude * puppet.swing(beats, 0.22)
    bank = rng.uniform(-0.5, 0.5) if glide else rng.uniform(-0.15, 0.15)
    puppet.turn(
        puppet.body.trunk, X, 0.05 * amplitude * puppet.swing(beats, 0.4) + (0.35 if plan.kind == "wyvern" else 0.1)
    )
    puppet.turn(puppet.body.trunk, Z, bank * puppet.swing(1))
    flap(puppet, beats, amplitude, 0.1 if not glide else 0.2)
    for number in plan.with_role("neck"):
        bend(puppet, number, X, 0.25 if plan.kind not in ("insect",) else 0.0)
        wave(puppet, number, X, 0.12 * amplitude, beats, 0.2, 0.5)
        bend(puppet, number, Z, -0.5 * bank * puppet.swing(1))
    for number in plan.with_role("head"):
        bend(puppet, number, X, -0.25 if plan.kind not in ("insect", "bat") else 0.0)
    tuck(puppet, height)
    secondary(puppet, rng, cycles, 0.35)


def veer(puppet: Puppet, rng: Generator, cycles: int) -> None:
    """Fly a bend, leaning into it."""
    fly(puppet, rng, cycles)
    way = float(rng.choice([-1, 1]))
    path = Path(float(puppet.position[-1, 2] / puppet.time[-1]), way * rng.uniform(0.8, 1.6) / float(puppet.time[-1]))
    puppet.position, puppet.yaw = path.position(puppet.time), path.yaw(puppet.time)
    puppet.turn(puppet.body.trunk, Z, -0.6 * way * np.sin(np.pi * puppet.part))


def swoop(puppet: Puppet, rng: Generator, cycles: int) -> None:
    """A dive and back up, mouth open at the bottom."""
    fly(puppet, rng, cycles)
    dive = puppet.keyed((0, 0), (0.25, -0.15), (0.5, 1), (0.6, 0.9), (1, 0))
    puppet.offset[:, 1] -= 0.3 * dive
    slope = puppet.keyed((0, 0), (0.35, 0.5), (0.5, 0.1), (0.7, -0.4), (1, 0))
    puppet.turn(puppet.body.trunk, X, slope)
    open_jaw(puppet, 0.4 * np.clip(dive, 0, 1))


def tuck(puppet: Puppet, height: Number) -> None:
    """Legs folded under or trailing behind."""
    plan = puppet.body.plan
    for number in plan.with_role("leg"):
        limb, joints = plan.limbs[number], puppet.body.chains[number]
        axes, _ = Leg(puppet.body, number).axes, height
        back = 0.9 if limb.row or plan.kind in ("bird", "wyvern") else 0.5
        puppet.turn(joints[0], X, (0.3 if plan.kind == "insect" else back) + 0.06 * puppet.swing(2, 0.3))
        for axis, joint in zip(axes, joints[1:], strict=True):
            puppet.turn(joint, axis * np.array([1.0, limb.side, limb.side]), 0.35 + 0.05 * puppet.swing(2, 0.5))
    for number in plan.with_role("foot"):
        bend(puppet, number, X, 0.7)


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


def turn(puppet: Puppet, rng: Generator, cycles: int) -> None:
    """Walk a bend, to either side."""
    walk(puppet, rng, cycles, turn=float(rng.choice([-1, 1]) * rng.uniform(0.7, 1.6)))


__all__ = [
    "X",
    "Y",
    "Z",
    "attack",
    "dance",
    "fly",
    "hop",
    "idle",
    "rear",
    "shake",
    "swoop",
    "turn",
    "veer",
    "walk",
    "wave_arm",
]
