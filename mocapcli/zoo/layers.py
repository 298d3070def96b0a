"""What moves besides the legs: breathing, tails, ears, wings, arms. Layers add up on one puppet."""

import numpy as np
from jaxtyping import Float

from mocapcli.zoo.plan import Limb, Number
from mocapcli.zoo.puppet import Puppet, X, Y, Z

Generator = np.random.Generator
Curve = Float[np.ndarray, " frames"]
BUGS = ("spider", "insect", "scorpion")


def wave(
    puppet: Puppet,
    limb: int,
    axis: Float[np.ndarray, " 3"],
    total: Number,
    cycles: int,
    lag: Number,
    phase: Number = 0.0,
    growth: Number = 0.0,
) -> None:
    """A wave running along a chain: `total` radians shared by its joints, `lag` cycles late at the tip."""
    joints = puppet.body.chains[limb]
    share = np.linspace(1.0, 1.0 + growth, len(joints))
    share /= share.sum()
    for place, joint in enumerate(joints):
        late = lag * place / max(len(joints), 1)
        puppet.turn(joint, axis, total * share[place] * len(joints) ** 0.35 * puppet.swing(cycles, phase + late))


def twist_wave(puppet: Puppet, limb: int, total: Number, cycles: int, lag: Number, phase: Number = 0.0) -> None:
    joints = puppet.body.chains[limb]
    for place, joint in enumerate(joints):
        late = lag * place / max(len(joints), 1)
        puppet.twist(joint, total / len(joints) * puppet.swing(cycles, phase + late))


def bend(puppet: Puppet, limb: int, axis: Float[np.ndarray, " 3"], angle: Curve | Number) -> None:
    """A constant or keyed angle shared evenly along a chain."""
    joints = puppet.body.chains[limb]
    for joint in joints:
        puppet.turn(joint, axis, np.asarray(angle) / len(joints))


def stand(puppet: Puppet, wings: bool = True) -> None:
    """From the drawn pose to one at ease: arms hang, wings fold."""
    plan = puppet.body.plan
    for number in plan.with_role("arm"):
        if plan.kind not in BUGS:
            hang_arm(puppet, number, 1.25)
    if wings:
        fold_wings(puppet, 1.0)


def hang_arm(puppet: Puppet, number: int, target: Number) -> None:
    """Lower an arm to `target` radians below horizontal, elbow slightly bent."""
    joints, limb = puppet.body.chains[number], puppet.body.plan.limbs[number]
    along = limb.points[1] - limb.points[0]
    now = float(np.arctan2(-along[1], abs(along[0])))
    puppet.turn(joints[0], Z, -(target - now))
    flex_elbow(puppet, number, 0.25)


def elbow_axis(limb: Limb) -> Float[np.ndarray, " 3"]:
    """Axis (for the left side) about which the forearm swings forwards."""
    along = (limb.points[1] - limb.points[0]) * np.array([1.0 if limb.side >= 0 else -1.0, 1.0, 1.0])
    axis = np.cross(along, Z)
    return np.asarray(axis / max(float(np.linalg.norm(axis)), 1e-9))


def flex_elbow(puppet: Puppet, number: int, angle: Curve | Number) -> None:
    limb = puppet.body.plan.limbs[number]
    if limb.joints > 1:
        puppet.turn(puppet.body.chains[number][1], elbow_axis(limb), angle)


def fold_wings(puppet: Puppet, amount: Curve | Number) -> None:
    """Shut the wings: upper arm back, forearm forward, hand and fingers back again."""
    plan = puppet.body.plan
    for number in plan.with_role("wing"):
        limb, joints = plan.limbs[number], puppet.body.chains[number]
        bones = [back_angle(limb, place) for place in range(limb.joints)]
        if limb.joints == 1 or plan.kind == "insect":
            puppet.turn(joints[0], Y, (1.35 - bones[0]) * np.asarray(amount))
            puppet.turn(joints[0], Z, 0.1 * np.asarray(amount))
            continue
        goals = [1.35, -1.25, 1.45][: limb.joints]
        turned = 0.0
        for joint, bone, goal in zip(joints, bones, goals, strict=True):
            puppet.turn(joint, Y, (goal - bone - turned) * np.asarray(amount))
            turned = goal - bone
        for finger in (n for n in plan.with_role("feather") if plan.limbs[n].parent == number):
            spread = 1.35 + 0.12 * plan.limbs[finger].row
            angle = spread - back_angle(plan.limbs[finger], 0) - turned
            puppet.turn(puppet.body.chains[finger][0], Y, angle * np.asarray(amount))
        along = plan.limbs[0].points[-1] - plan.limbs[0].points[0]
        pitch = float(np.arctan2(along[1], along[2]))
        puppet.turn(joints[0], Z, (-0.9 if plan.kind == "bird" else -0.25) * np.asarray(amount))
        puppet.turn(joints[0], X, -pitch * np.asarray(amount))


def back_angle(limb: Limb, place: int) -> float:
    """How far a wing bone points backwards from straight out."""
    along = limb.points[place + 1] - limb.points[place]
    return float(np.arctan2(-along[2], abs(along[0])))


def flap(puppet: Puppet, cycles: int, amplitude: Number, rest: Number = 0.15) -> None:
    """Wing beats: stroke at the shoulder, lag and feathering outwards, half folded on the way up."""
    plan = puppet.body.plan
    for number in plan.with_role("wing"):
        joints, row = puppet.body.chains[number], plan.limbs[number].row
        late = 0.06 * row
        fold_up = 0.22 * (1 + puppet.swing(cycles, late + 0.25)) / 2 if amplitude > 0.2 else 0.04
        for place, joint in enumerate(joints):
            size = amplitude * (1.0 if place == 0 else 0.4)
            puppet.twist(joint, 0.25 * amplitude * puppet.swing(cycles, late + 0.25 + 0.1 * place))
            puppet.turn(joint, Z, (rest if place == 0 else 0.0) + size * puppet.swing(cycles, late + 0.13 * place))
            if plan.kind != "insect":
                puppet.turn(joint, Y, (0.6, -1.2, 1.0)[min(place, 2)] * fold_up)
        for finger in (n for n in plan.with_role("feather") if plan.limbs[n].parent == number):
            wave(puppet, finger, Z, 0.35 * amplitude, cycles, 0.15, late + 0.2)


def breathe(puppet: Puppet, cycles: int, depth: Number = 0.03) -> None:
    """Chest up and down a little, the head held against it."""
    plan = puppet.body.plan
    for number in plan.with_role("spine", "torso"):
        for joint in puppet.body.chains[number][1:]:
            puppet.turn(joint, X, -depth / 2 * puppet.swing(cycles))
    for number in plan.with_role("neck"):
        bend(puppet, number, X, depth * puppet.swing(cycles, 0.05))
    for number in plan.with_role("clavicle"):
        bend(puppet, number, Z, 0.8 * depth * puppet.swing(cycles, 0.05))


def look(puppet: Puppet, rng: Generator, amount: Number) -> None:
    """Turn the head about, neck first, with some tilt."""
    plan = puppet.body.plan
    for row, number in enumerate(plan.with_role("neck", "head")):
        if plan.kind in ("fish", "octopus"):
            continue
        a, b, c = rng.uniform(-1, 1, 3) * amount
        curve = puppet.keyed((0, 0), (0.2, a), (0.4, a), (0.55, b), (0.75, b), (1, 0))
        nod = puppet.keyed((0, 0), (0.3, 0.3 * c), (0.6, -0.3 * a), (1, 0))
        bend(puppet, number, Y, 0.6 * curve)
        bend(puppet, number, X, nod)
        bend(puppet, number, Z, 0.25 * c * puppet.swing(1, 0.1 * row))


def secondary(puppet: Puppet, rng: Generator, cycles: int, vigour: Number) -> None:
    """Tails, ears, feelers, fins and fingers trail behind whatever the body does."""
    plan = puppet.body.plan
    for number in plan.with_role("tail"):
        limb = plan.limbs[number]
        if plan.kind in ("fish", "snake", "naga"):
            continue
        stiff = 0.25 if plan.kind in ("spider", "insect", "scorpion", "bird") else 1.0
        phase = 0.37 * limb.row + rng.uniform(0, 0.15)
        wave(puppet, number, Y, 0.55 * vigour * stiff, cycles, 0.35, phase, 1.0)
        wave(puppet, number, X, 0.3 * vigour * stiff, 2 * cycles, 0.35, phase + 0.2, 1.0)
        twist_wave(puppet, number, 0.5 * vigour * stiff, cycles, 0.3, phase + 0.1)
    for number in plan.with_role("ear"):
        wave(puppet, number, X, 0.22 * vigour, 2 * cycles, 0.25, 0.1, 1.0)
        wave(puppet, number, Z, 0.12 * vigour, cycles, 0.25, rng.uniform(0, 1), 1.0)
    for number in plan.with_role("feeler"):
        wave(puppet, number, X, 0.3 * vigour, cycles, 0.3, 0.15 * plan.limbs[number].side, 0.5)
        wave(puppet, number, Y, 0.25 * vigour, cycles + 1, 0.3, rng.uniform(0, 1), 0.5)
    for number in plan.with_role("finger"):
        limb = plan.limbs[number]
        inward = np.cross(limb.points[1] - limb.points[0], Y if plan.kind == "scorpion" else Z)
        inward = inward * np.array([1.0, limb.side, limb.side]) / max(float(np.linalg.norm(inward)), 1e-9)
        curl = 0.15 + 0.3 * vigour * (1 + puppet.swing(cycles, 0.04 * limb.row)) / 2
        bend(puppet, number, inward, -curl if limb.row == 1 and plan.kind == "scorpion" else curl)
    for number in plan.with_role("jaw"):
        bend(puppet, number, X, 0.06 * vigour * (1 + puppet.swing(cycles)))


def open_jaw(puppet: Puppet, curve: Curve) -> None:
    plan = puppet.body.plan
    for number in plan.with_role("jaw"):
        if plan.limbs[number].side:
            bend(puppet, number, Y, 0.5 * curve)
        else:
            bend(puppet, number, X, curve)
