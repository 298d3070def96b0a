"""Creatures put together from others: centaur, naga, hydra; and the bat, which only looks it."""

from dataclasses import replace

import numpy as np

from mocapcli.zoo.beasts import plan_hip, quadruped
from mocapcli.zoo.heads import beast_head, ears, human_head
from mocapcli.zoo.limbs import arm, bat_wing, leg, neck, tail
from mocapcli.zoo.plan import Number, Plan, chain, profile, vec

Generator = np.random.Generator


def centaur(rng: Generator) -> Plan:
    """A human trunk where a horse has its neck."""
    plan = quadruped(rng, "centaur")
    keep = {"spine", "leg", "foot", "tail"}
    numbers = [n for n, limb in enumerate(plan.limbs) if limb.role in keep]
    plan = plan.only(numbers)
    chest, girth = plan.limbs[0].points[-1], float(plan.limbs[0].radii[0])
    joints, trunk = int(rng.integers(2, 5)), rng.uniform(0.45, 0.6)
    base = chest + vec(0, 0.35 * girth, 0.05)
    shoulders = base + vec(0, trunk, 0.06)
    torso = plan.limb(
        "torso",
        chain([base, shoulders], joints),
        profile([girth * 0.62, 0.11, 0.13, 0.08], joints),
        0,
        joint=plan.limbs[0].joints - 1,
        scale=(1.2, 1, 0.9),
    )
    human_top(plan, rng, torso, shoulders, trunk)
    return plan


def human_top(plan: Plan, rng: Generator, torso: int, shoulders: np.ndarray, trunk: Number) -> None:
    """Arms, neck and head on an upright torso."""
    joint = plan.limbs[torso].joints - 1
    girth = rng.uniform(0.05, 0.07)
    arm(
        plan,
        rng,
        (torso, joint),
        shoulders + vec(0.17, -0.05, 0),
        trunk * rng.uniform(1.15, 1.5),
        rng.choice([0.0, 0.7]),
        girth,
        int(rng.integers(0, 6)),
        rng.random() < 0.5,
    )
    collar = shoulders + vec(0, 0.07, 0.01)
    throat = neck(plan, (torso, joint), shoulders, collar, 1, (0.065, 0.055))
    human_head(plan, rng, (throat, 0), collar, rng.uniform(0.22, 0.3))


def naga(rng: Generator) -> Plan:
    """Human above, snake below."""
    plan = Plan("naga")
    trunk, height, girth = rng.uniform(0.45, 0.65), rng.uniform(0.35, 0.6), rng.uniform(0.11, 0.15)
    joints = int(rng.integers(2, 5))
    hips = vec(0, height, 0)
    shoulders = hips + vec(0, trunk, 0.02)
    torso = plan.limb(
        "spine", chain([hips, shoulders], joints), profile([girth, 0.11, 0.13, 0.08], joints), scale=(1.2, 1, 0.9)
    )
    human_top(plan, rng, torso, shoulders, trunk)
    length, rings = rng.uniform(1.0, 1.8), int(rng.integers(6, 20))
    control = [
        hips,
        hips + vec(0, -0.6 * height, -0.04),
        vec(0, girth * 0.8, -0.35),
        vec(0, girth * 0.5, -0.35 - 0.5 * length),
        vec(0, 0.02, -0.35 - length),
    ]
    plan.limb(
        "tail",
        chain(control, rings),
        profile([girth * 1.05, girth, 0.7 * girth, 0.08 * girth], rings),
        torso,
        scale=(1.1, 1, 1),
    )
    return plan


def hydra(rng: Generator) -> Plan:
    """A beast with two to five heads on long necks."""
    plan = Plan("hydra")
    heads, links = int(rng.integers(2, 6)), int(rng.integers(3, 8))
    height, length, girth = rng.uniform(0.45, 0.7), rng.uniform(0.8, 1.1), rng.uniform(0.2, 0.27)
    joints = int(rng.integers(2, 4))
    hips, chest = vec(0, height, -length / 2), vec(0, height * 1.1, length / 2)
    spine = plan.limb("spine", chain([hips, chest], joints), profile([girth * 0.9, girth, girth * 0.95], joints))
    leg(plan, rng, (spine, 0), plan_hip(hips, girth), 1, "hind", girth * 0.45, 3)
    leg(plan, rng, (spine, joints - 1), plan_hip(chest, girth) + vec(0, -0.05, -0.05), 0, "front", girth * 0.42, 3)
    for number in range(heads):
        fan = np.interp(number, [0, heads - 1], [-0.85, 0.85])
        reach, pitch = rng.uniform(0.6, 0.85), rng.uniform(0.6, 1.0)
        base = chest + vec(np.sin(fan) * girth * 0.8, 0.3 * girth, 0.35 * girth)
        tip = base + reach * vec(np.sin(fan) * np.cos(pitch), np.sin(pitch), np.cos(fan) * np.cos(pitch))
        throat = neck(plan, (spine, joints - 1), base, tip, links, (girth * 0.42, girth * 0.27), 0.15, number)
        hydra_head(plan, rng, (throat, links - 1), tip, girth, number)
    base = hips + vec(0, 0.1 * girth, -0.5 * girth)
    tail(plan, (spine, 0), base, vec(0, -0.35, -1), rng.uniform(0.8, 1.3), int(rng.integers(4, 12)), girth * 0.6, 0.1)
    return plan


def hydra_head(plan: Plan, rng: Generator, owner: tuple[int, int], tip: np.ndarray, girth: Number, row: int) -> None:
    """One of several: eyes are placed about the head's own middle."""
    offset = vec(float(tip[0]), 0, 0)
    before = len(plan.balls), len(plan.spikes), len(plan.limbs), len(plan.lumps)
    beast_head(plan, rng, owner, tip - offset, girth * 1.1, "reptile", 0.15, row)
    plan.balls[before[0] :] = [replace(p, centre=p.centre + offset) for p in plan.balls[before[0] :]]
    plan.spikes[before[1] :] = [replace(p, points=p.points + offset) for p in plan.spikes[before[1] :]]
    plan.limbs[before[2] :] = [replace(p, points=p.points + offset) for p in plan.limbs[before[2] :]]
    plan.lumps[before[3] :] = [replace(p, start=p.start + offset, end=p.end + offset) for p in plan.lumps[before[3] :]]


def bat(rng: Generator) -> Plan:
    """Small body, large ears, skin wings, hovering."""
    plan = Plan("bat")
    girth, joints = rng.uniform(0.11, 0.16), int(rng.integers(1, 4))
    hips = vec(0, 0.8, -0.15)
    chest = hips + rng.uniform(0.25, 0.4) * vec(0, 0.5, 0.85)
    spine = plan.limb("spine", chain([hips, chest], joints), profile([girth * 0.7, girth, girth * 0.8], joints))
    size = girth * rng.uniform(1.5, 2.0)
    skull = beast_head(plan, rng, (spine, joints - 1), chest + vec(0, 0.4 * girth, 0.5 * girth), size, "mammal", 0.1)
    ears(plan, rng, skull, size, size * rng.uniform(0.6, 1.1), int(rng.integers(1, 3)))
    shoulder = chest + vec(0.6 * girth, 0.3 * girth, -0.03)
    bat_wing(plan, rng, (spine, joints - 1), shoulder, rng.uniform(0.8, 1.3), int(rng.integers(2, 5)), girth * 0.22)
    hang = hips + vec(0.5 * girth, -0.4 * girth, 0)
    plan.pair(
        "shank",
        np.array([hang, hang + vec(0.02, -0.12, -0.04), hang + vec(0.03, -0.2, 0.02)]),
        girth * np.array([0.3, 0.2, 0.12]),
        spine,
    )
    if rng.random() < 0.5:
        tail(
            plan,
            (spine, 0),
            hips - vec(0, 0.3 * girth, 0.5 * girth),
            vec(0, -0.8, -1),
            0.3,
            int(rng.integers(1, 5)),
            girth * 0.2,
            0,
        )
    return plan
