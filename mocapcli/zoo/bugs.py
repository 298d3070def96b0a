"""Spiders, insects, scorpions: many legs, hard parts."""

import numpy as np

from mocapcli.zoo.heads import bug_head
from mocapcli.zoo.limbs import insect_leg, neck
from mocapcli.zoo.plan import MIRROR, Number, Plan, Sheet, chain, profile, vec

Generator = np.random.Generator


def legs_along(
    plan: Plan,
    rng: Generator,
    body: int,
    front: np.ndarray,
    back: np.ndarray,
    width: Number,
    pairs: int,
    reach: Number,
    radius: Number,
    joint: int = 0,
) -> None:
    """Pairs of jointed legs fanned from front to back."""
    segments, rise = int(rng.integers(2, 5)), rng.uniform(0.15, 0.6) * reach * 0.6
    for row in range(pairs):
        part = row / max(pairs - 1, 1)
        hip = front * (1 - part) + back * part + vec(width, 0, 0)
        azimuth = np.interp(part, [0, 1], [0.85, -0.85])
        stretch = reach * (1.0 + 0.15 * abs(2 * part - 1))
        insect_leg(plan, rng, (body, joint), hip, row, azimuth, stretch, rise, radius, segments)


def spider(rng: Generator) -> Plan:
    plan = Plan("spider")
    height, size = rng.uniform(0.2, 0.4), rng.uniform(0.17, 0.26)
    thorax = vec(0, height, 0)
    body = plan.limb(
        "spine", np.array([thorax, thorax + vec(0, 0, 0.9 * size)]), size * np.array([0.7, 0.6]), scale=(1.1, 0.7, 1)
    )
    bug_head(plan, rng, (body, 0), thorax + vec(0, 0, 0.9 * size), size * 0.9, int(rng.choice([4, 6, 8])), False)
    waist = thorax - vec(0, 0, 0.5 * size)
    fat = size * rng.uniform(0.9, 1.7)
    joints = int(rng.integers(1, 3))
    points = chain([waist, waist - vec(0, -0.25 * fat, 2.0 * fat)], joints)
    plan.limb("tail", points, profile([0.3 * size, fat, 0.25 * fat], joints), body, blend=0.3)
    if joints == 1:
        middle = waist - vec(0, -0.2 * fat, 1.1 * fat)
        plan.lump(
            (plan.with_role("tail")[0], 0), middle, middle - vec(0, 0, 0.2 * fat), (fat, 0.9 * fat), (0.95, 0.9, 1.05)
        )
    front, back = thorax + vec(0, 0, 0.7 * size), thorax - vec(0, 0, 0.2 * size)
    legs_along(plan, rng, body, front, back, 0.4 * size, 4, rng.uniform(0.65, 1.1), size * rng.uniform(0.14, 0.22))
    if rng.random() < 0.5:
        start = thorax + vec(0.3 * size, 0, 1.3 * size)
        feeler = chain([start, start + size * vec(0.6, 0.3, 0.8), start + size * vec(0.4, -0.5, 1.5)], 2)
        plan.pair("arm", feeler, size * np.array([0.14, 0.12, 0.05]), body, blend=0.3)
    return plan


def insect(rng: Generator) -> Plan:
    """Ant, beetle, wasp, mantis-like: three pairs of legs, three parts, perhaps wings."""
    wings = int(rng.integers(0, 3))
    plan = Plan("insect")
    height, size = rng.uniform(0.22, 0.42), rng.uniform(0.12, 0.2)
    joints = int(rng.integers(1, 4))
    back, front = vec(0, height, -0.15), vec(0, height * 1.1, 0.25)
    body = plan.limb(
        "spine", chain([back, front], joints), profile([0.6 * size, size, 0.5 * size], joints), scale=(1, 0.85, 1)
    )
    abdomen(plan, rng, body, back, size)
    front_leg, back_leg = vec(0, height, 0.2), vec(0, height, -0.05)
    reach, radius = rng.uniform(0.5, 0.85), size * rng.uniform(0.14, 0.24)
    legs_along(plan, rng, body, front_leg, back_leg, 0.5 * size, 3, reach, radius, joints - 1)
    skull = front + vec(0, 0, 0.25 * size)
    throat = neck(plan, (body, joints - 1), front - vec(0, 0, 0.1 * size), skull, 1, (0.4 * size, 0.35 * size))
    bug_head(plan, rng, (throat, 0), skull, size * rng.uniform(0.8, 1.3), 2, True)
    for row in range(wings):
        insect_wing(plan, rng, (body, joints - 1), vec(0.4 * size, height + 0.8 * size, 0.1 - 0.12 * row), row, size)
    return plan


def abdomen(plan: Plan, rng: Generator, body: int, root: np.ndarray, size: Number) -> None:
    """The hind part, in one or several rings, some with a sting."""
    long, rings = rng.uniform(0.4, 1.0), int(rng.integers(1, 6))
    fat, lift = size * rng.uniform(0.9, 1.6), rng.uniform(-0.25, 0.25)
    points = chain([root, root + vec(0, 0.3 * lift, -0.5 * long), root + vec(0, lift, -long)], rings)
    radii = profile([0.35 * size, fat, 0.9 * fat, 0.15 * fat], rings)
    end = plan.limb("tail", points, radii, body, scale=(1, 0.85, 1), blend=0.3)
    if rings == 1:
        start, stop = root + vec(0, 0.2 * lift, -0.35 * long), root + vec(0, 0.6 * lift, -0.65 * long)
        plan.lump((end, 0), start, stop, (fat, 0.85 * fat), (1, 0.85, 1))
    if rng.random() < 0.4:
        sting = np.array([points[-1], points[-1] - vec(0, 0.05, 0.2)])
        plan.spike((end, rings - 1), sting, size * np.array([0.25, 0.02]), "dark")


def insect_wing(plan: Plan, rng: Generator, owner: tuple[int, int], root: np.ndarray, row: int, size: Number) -> None:
    span, chord = rng.uniform(0.7, 1.1), rng.uniform(0.22, 0.4)
    tip = root + span * vec(0.95, 0.15, 0.15 - 0.45 * row)
    joints = int(rng.integers(1, 3))
    wings = plan.pair(
        "wing",
        chain([root, tip], joints),
        profile([0.1 * size, 0.02 * size], joints),
        owner[0],
        joint=owner[1],
        row=row,
        surface="tube",
        tint="dark",
    )
    across = np.linspace(0, 1, 9)
    leading = root + across[:, None] * (tip - root)
    depth = chord * np.sin(np.pi * np.clip(0.08 + 0.85 * across, 0, 1)) ** 0.6
    rows = np.stack([leading - vec(0, 0, 1) * (depth * w)[:, None] for w in (0.0, 0.5, 1.0)])
    plan.sheets.append(Sheet(rows, (wings[0],)))
    plan.sheets.append(Sheet(rows * MIRROR, (wings[1],)))


def scorpion(rng: Generator) -> Plan:
    plan = Plan("scorpion")
    height, size = rng.uniform(0.15, 0.28), rng.uniform(0.14, 0.22)
    joints = int(rng.integers(1, 4))
    back, front = vec(0, height, -0.25), vec(0, height, 0.3)
    body = plan.limb(
        "spine", chain([back, front], joints), profile([0.8 * size, size, 0.8 * size], joints), scale=(1.15, 0.6, 1)
    )
    bug_head(plan, rng, (body, joints - 1), front, size * 0.7, 4, False)
    legs_along(
        plan,
        rng,
        body,
        vec(0, height, 0.25),
        vec(0, height, -0.15),
        0.7 * size,
        int(rng.integers(3, 6)),
        rng.uniform(0.4, 0.65),
        size * 0.17,
    )
    claw(plan, rng, (body, joints - 1), front + vec(0.7 * size, 0, 0), size)
    rings, high = int(rng.integers(4, 9)), rng.uniform(0.55, 0.9)
    control = [
        back,
        back + vec(0, 0.25 * high, -0.4),
        back + vec(0, 0.8 * high, -0.42),
        back + vec(0, high, -0.1),
        back + vec(0, 0.9 * high, 0.12),
    ]
    end = plan.limb(
        "tail", chain(control, rings), profile([0.6 * size, 0.42 * size, 0.36 * size], rings), body, blend=0.3
    )
    tip = plan.limbs[end].points[-1]
    plan.lump((end, rings - 1), tip - vec(0, 0, 0.02), tip + vec(0, -0.02, 0.04), (0.45 * size, 0.3 * size))
    sting = chain([tip, tip + vec(0, -0.03, 0.1), tip + vec(0, -0.14, 0.13)], 3)
    plan.spike((end, rings - 1), sting, size * profile([0.3, 0.18, 0.02], 3), "dark")
    return plan


def claw(plan: Plan, rng: Generator, owner: tuple[int, int], root: np.ndarray, size: Number) -> None:
    """Pincers: an arm, a fat hand, and a moving thumb."""
    reach = rng.uniform(0.35, 0.55)
    elbow, wrist = root + reach * vec(0.55, 0.1, 0.35), root + reach * vec(0.5, 0.05, 0.95)
    arms = plan.pair(
        "arm", np.array([root, elbow, wrist]), size * np.array([0.25, 0.22, 0.2]), owner[0], joint=owner[1], blend=0.4
    )
    tip = wrist + reach * vec(-0.1, 0, 0.55)
    hands = plan.pair(
        "hand", np.array([wrist, tip]), size * np.array([0.42, 0.3]), arms, joint=-1, scale=(0.8, 1, 1), blend=0.3
    )
    for row, out in enumerate((0.12, -0.14)):
        points = chain([tip, tip + reach * vec(out, 0.05, 0.25), tip + reach * vec(-0.05, 0, 0.55)], 1 + row)
        plan.pair(
            "finger",
            points,
            size * profile([0.2, 0.15, 0.02], 1 + row),
            hands,
            joint=-1,
            row=row,
            surface="tube",
            tint="accent",
        )
