"""Creatures with a backbone and legs: two-legged, four-legged, winged."""

import numpy as np

from mocapcli.zoo.heads import beast_head, bird_head, ears, horns, human_head, nose_horn
from mocapcli.zoo.limbs import arm, bat_wing, bird_wing, haunch, leg, neck, tail
from mocapcli.zoo.plan import Number, Plan, Sheet, chain, profile, vec

Generator = np.random.Generator


def biped(rng: Generator) -> Plan:
    """An upright figure: person, goblin, ogre."""
    plan = Plan("biped")
    leg_length, trunk = rng.uniform(0.6, 1.0), rng.uniform(0.5, 0.75)
    girth, stout = rng.uniform(0.055, 0.1), rng.uniform(0.8, 1.5)
    head = rng.uniform(0.2, 0.42)
    joints = int(rng.integers(2, 6))
    hips = vec(0, leg_length, 0)
    shoulders = hips + vec(0, trunk, 0)
    wide = trunk * rng.uniform(0.27, 0.42)
    points = chain([hips, (hips + shoulders) / 2 + vec(0, 0, -0.02), shoulders], joints)
    radii = profile([0.13 * stout, 0.12 * stout, 0.135 * stout, 0.08], joints)
    spine = plan.limb("spine", points, radii, scale=(1.3, 1.0, 0.95))
    plan.lump((spine, 0), hips + vec(0.06, -0.02, -0.02), hips + vec(-0.06, -0.02, -0.02), (0.13 * stout, 0.13 * stout))
    chest = hips + vec(0, 0.72 * trunk, 0.01)
    plan.lump((spine, joints - 1), chest + vec(0.09, 0, 0), chest - vec(0.09, 0, 0), (0.125 * stout, 0.125 * stout))
    if stout > 1.2:
        plan.lump((spine, 0), hips + vec(0, 0.25 * trunk, 0.05), hips + vec(0, 0.35 * trunk, 0.04), (0.2, 0.19))
    hip = vec(rng.uniform(0.09, 0.13) * max(stout, 0.9), leg_length * 0.97, 0)
    leg(plan, rng, (spine, 0), hip, 0, "human", girth * 1.15, foot=0.24)
    droop = float(rng.choice([0.0, 0.05, 0.6, 0.8, 1.2]))
    arms = (trunk + 0.1) * rng.uniform(0.9, 1.35)
    shoulder = shoulders + vec(wide * 0.75, -0.04, 0)
    arm(plan, rng, (spine, joints - 1), shoulder, arms, droop, girth, int(rng.integers(0, 6)), rng.random() < 0.6)
    collar = shoulders + vec(0, head * rng.uniform(0.15, 0.4), 0.02)
    throat = neck(plan, (spine, joints - 1), shoulders, collar, 1, (0.07 * min(stout, 1.2), 0.06))
    skull = human_head(plan, rng, (throat, 0), collar, head)
    if rng.random() < 0.2:
        horns(plan, rng, skull, head * 0.9)
    if rng.random() < 0.12:
        tail(plan, (spine, 0), hips + vec(0, 0, -0.08), vec(0, -0.3, -1), 0.6, int(rng.integers(3, 9)), 0.05, -0.1)
    return plan


def quadruped(rng: Generator, kind: str = "quadruped") -> Plan:
    """Dog, cat, horse, bear, elephant-like bodies."""
    plan = Plan(kind)
    height, length = rng.uniform(0.55, 1.0), rng.uniform(0.85, 1.45)
    girth = rng.uniform(0.15, 0.30)
    joints = int(rng.integers(2, 6))
    hips, chest = vec(0, height, -length / 2), vec(0, height * rng.uniform(0.97, 1.12), length / 2)
    middle = (hips + chest) / 2 + vec(0, rng.uniform(-0.06, 0.08), 0)
    body = profile([girth * 0.9, girth * rng.uniform(0.8, 1.05), girth * 1.1, girth * 0.75], joints)
    spine = plan.limb("spine", chain([hips, middle, chest], joints), body, scale=(rng.uniform(0.72, 0.95), 1, 1))
    thigh = girth * rng.uniform(0.32, 0.46)
    column = girth > 0.26
    back = plan_hip(hips, girth)
    hind = leg(plan, rng, (spine, 0), back, 1, "column" if column else "hind", thigh, 0 if column else 3)
    haunch(plan, hind, vec(0.01, -0.2 * height, 0.03), (girth * 0.62, thigh), 0.7)
    front = plan_hip(chest, girth) + vec(0, -0.04, -0.06)
    leg(plan, rng, (spine, joints - 1), front, 0, "column" if column else "front", thigh * 0.95, 0 if column else 3)
    size = girth * rng.uniform(1.15, 1.7)
    rise = rng.uniform(0.1, 0.55) * height
    base = chest + vec(0, 0.1 * girth, 0.3 * girth)
    tip = base + vec(0, rise, rng.uniform(0.12, 0.4) * height)
    links = int(rng.integers(1, 5))
    throat = neck(plan, (spine, joints - 1), base, tip, links, (girth * 0.75, size * 0.36))
    skull = beast_head(plan, rng, (throat, links - 1), tip, size, "mammal", rng.uniform(0.05, 0.4))
    dress_beast(plan, rng, spine, skull, size, hips, girth, length)
    return plan


def plan_hip(point: np.ndarray, girth: Number) -> np.ndarray:
    """Where a leg begins beside the spine."""
    return np.asarray(point + vec(girth * 0.58, -0.15 * girth, 0))


def dress_beast(
    plan: Plan, rng: Generator, spine: int, skull: int, size: Number, hips: np.ndarray, girth: Number, length: Number
) -> None:
    """Ears, horns and a tail, as chance has it."""
    if rng.random() < 0.9:
        ears(plan, rng, skull, size, size * rng.uniform(0.3, 0.9), int(rng.integers(1, 4)), rng.choice([0.0, 0.0, 0.9]))
    luck = rng.random()
    if luck < 0.3:
        horns(plan, rng, skull, size)
    elif luck < 0.4:
        nose_horn(plan, skull, size)
    joints = int(rng.integers(0, 10))
    if joints:
        base = hips + vec(0, 0.35 * girth, -0.75 * girth)
        thick = girth * rng.uniform(0.12, 0.3)
        direction = vec(0, rng.uniform(-0.9, 0.4), -1)
        tail(
            plan,
            (spine, 0),
            base,
            direction,
            length * rng.uniform(0.35, 0.9),
            joints,
            thick,
            rng.uniform(-0.3, 0.3),
            tip=rng.choice([0.2, 0.9]),
        )


def kitsune(rng: Generator) -> Plan:
    """A fox with two to nine tails."""
    plan = quadruped(rng, "kitsune")
    plan = plan.only([n for n, limb in enumerate(plan.limbs) if limb.role != "tail"])
    hips, radius = plan.limbs[0].points[0], float(plan.limbs[0].radii[0])
    count, joints = int(rng.integers(2, 10)), int(rng.integers(4, 9))
    length = rng.uniform(0.7, 1.2)
    for number in range(count):
        angle = 0.0 if count == 1 else np.interp(number, [0, count - 1], [-1.0, 1.0])
        direction = vec(np.sin(angle), rng.uniform(0.1, 0.7), -np.cos(angle))
        base = hips + vec(0.06 * angle, 0.3 * radius, -0.8 * radius)
        tail(plan, (0, 0), base, direction, length, joints, radius * 0.32, rng.uniform(0.0, 0.4), number, tip=0.4)
    return plan


def longneck(rng: Generator) -> Plan:
    """Giraffe or sauropod: the neck rules."""
    plan = Plan("longneck")
    height, length, girth = rng.uniform(0.6, 0.95), rng.uniform(0.8, 1.2), rng.uniform(0.2, 0.3)
    joints, links = int(rng.integers(2, 6)), int(rng.integers(4, 11))
    hips, chest = vec(0, height, -length / 2), vec(0, height * 1.08, length / 2)
    spine = plan.limb(
        "spine",
        chain([hips, (hips + chest) / 2 + vec(0, 0.04, 0), chest], joints),
        profile([girth * 0.9, girth * 1.1, girth * 0.75], joints),
        scale=(0.85, 1, 1),
    )
    thigh = girth * 0.48
    leg(plan, rng, (spine, 0), plan_hip(hips, girth), 1, "column", thigh)
    leg(plan, rng, (spine, joints - 1), plan_hip(chest, girth) + vec(0, -0.05, -0.05), 0, "column", thigh * 0.95)
    reach, pitch = rng.uniform(0.8, 1.5), rng.uniform(0.5, 1.35)
    base = chest + vec(0, 0.2 * girth, 0.3 * girth)
    tip = base + reach * vec(0, np.sin(pitch), np.cos(pitch))
    throat = neck(plan, (spine, joints - 1), base, tip, links, (girth * 0.62, girth * 0.26), rng.uniform(0, 0.12))
    skull = beast_head(plan, rng, (throat, links - 1), tip, girth * rng.uniform(0.9, 1.3), "mammal", 0.2)
    if rng.random() < 0.5:
        ears(plan, rng, skull, girth, girth * 0.5, 1)
    base = hips + vec(0, 0.2 * girth, -0.7 * girth)
    tail(plan, (spine, 0), base, vec(0, -0.4, -1), rng.uniform(0.5, 1.4), int(rng.integers(3, 13)), girth * 0.42, 0.0)
    return plan


def theropod(rng: Generator) -> Plan:
    """A two-legged dinosaur, balanced by its tail."""
    plan = Plan("theropod")
    height, girth = rng.uniform(0.8, 1.0), rng.uniform(0.16, 0.25)
    joints, links = int(rng.integers(2, 5)), int(rng.integers(1, 5))
    pitch = rng.uniform(0.1, 0.6)
    hips = vec(0, height, -0.1)
    chest = hips + rng.uniform(0.5, 0.75) * vec(0, np.sin(pitch), np.cos(pitch))
    spine = plan.limb(
        "spine", chain([hips, chest], joints), profile([girth, girth * 1.1, girth * 0.75], joints), scale=(0.8, 1, 1)
    )
    hip = hips + vec(girth * 0.55, -0.02, 0.02)
    legs = leg(plan, rng, (spine, 0), hip, 0, "hind", girth * 0.6, 3, foot=0.24)
    haunch(plan, legs, vec(0, -0.22, 0.06), (girth * 0.72, girth * 0.5), 0.65)
    shoulder = chest + vec(girth * 0.5, -0.35 * girth, 0.0)
    arm(
        plan,
        rng,
        (spine, joints - 1),
        shoulder,
        rng.uniform(0.22, 0.45),
        1.1,
        girth * 0.24,
        int(rng.integers(2, 4)),
        False,
    )
    base = chest + vec(0, 0.15 * girth, 0.2 * girth)
    tip = base + rng.uniform(0.25, 0.5) * vec(0, 0.85, 0.55)
    size = girth * rng.uniform(1.5, 2.1)
    throat = neck(plan, (spine, joints - 1), base, tip, links, (girth * 0.68, size * 0.28), 0.1)
    skull = beast_head(plan, rng, (throat, links - 1), tip, size, "reptile", 0.1)
    if rng.random() < 0.3:
        horns(plan, rng, skull, size * 0.6)
    base = hips + vec(0, 0.1 * girth, -0.5 * girth)
    tail(plan, (spine, 0), base, vec(0, -0.1, -1), rng.uniform(0.9, 1.4), int(rng.integers(4, 13)), girth * 0.72, 0.1)
    ridge(plan, rng, spine)
    return plan


def ridge(plan: Plan, rng: Generator, spine: int) -> None:
    """Spikes along back and tail, in the middle line."""
    if rng.random() < 0.45:
        return
    height = rng.uniform(0.3, 0.9)
    for number in [spine, *plan.with_role("tail")]:
        limb = plan.limbs[number]
        for joint in range(limb.joints):
            for part in (0.25, 0.75):
                base = limb.points[joint] * (1 - part) + limb.points[joint + 1] * part
                radius = float(limb.radii[joint] * (1 - part) + limb.radii[joint + 1] * part)
                up = vec(0, radius * 0.9, 0)
                points = np.array([base + up, base + up + radius * height * vec(0, 1, -0.6)])
                plan.spike((number, joint), points, radius * np.array([0.3, 0.02]), "horn", (0.4, 1, 1))


def dragon(rng: Generator, forelegs: bool = True) -> Plan:
    """Four legs (or two: a wyvern) and two skin wings."""
    kind = "dragon" if forelegs else "wyvern"
    plan = Plan(kind)
    height, girth = rng.uniform(0.55, 0.8), rng.uniform(0.15, 0.22)
    joints = int(rng.integers(2, 6))
    pitch = rng.uniform(0.0, 0.2) if forelegs else rng.uniform(0.25, 0.7)
    hips = vec(0, height, -0.4 if forelegs else -0.1)
    chest = hips + rng.uniform(0.7, 1.0) * vec(0, np.sin(pitch), np.cos(pitch))
    spine = plan.limb(
        "spine",
        chain([hips, (hips + chest) / 2, chest], joints),
        profile([girth * 0.85, girth, girth * 1.15, girth * 0.7], joints),
        scale=(0.85, 1, 1),
    )
    hip = plan_hip(hips, girth)
    legs = leg(plan, rng, (spine, 0), hip, 1, "hind", girth * 0.5, 3, foot=0.3)
    haunch(plan, legs, vec(0, -0.18 * height, 0.05), (girth * 0.62, girth * 0.45), 0.65)
    if forelegs:
        front = plan_hip(chest, girth) + vec(0, -0.05, -0.02)
        leg(plan, rng, (spine, joints - 1), front, 0, "front", girth * 0.45, 3, foot=0.3)
    shoulder = plan.limbs[spine].points[-2] * 0.35 + chest * 0.65 + vec(girth * 0.55, 0.62 * girth, 0)
    span = rng.uniform(1.1, 1.9)
    bat_wing(plan, rng, (spine, joints - 1), shoulder, span, int(rng.integers(2, 5)), girth * 0.3)
    neck_and_tail(plan, rng, spine, girth)
    return plan


def neck_and_tail(plan: Plan, rng: Generator, spine: int, girth: Number) -> None:
    """What makes a dragon: a proud neck with a horned head, spikes, a long tail."""
    hips, chest, joints = plan.limbs[spine].points[0], plan.limbs[spine].points[-1], plan.limbs[spine].joints
    base = chest + vec(0, 0.2 * girth, 0.25 * girth)
    pitch, links = rng.uniform(0.6, 1.2), int(rng.integers(2, 8))
    tip = base + rng.uniform(0.4, 0.9) * vec(0, np.sin(pitch), np.cos(pitch))
    size = girth * rng.uniform(1.3, 1.8)
    throat = neck(plan, (spine, joints - 1), base, tip, links, (girth * 0.7, size * 0.27), rng.uniform(0.05, 0.2))
    horns(plan, rng, beast_head(plan, rng, (throat, links - 1), tip, size, "reptile", 0.15), size)
    root, rings = hips + vec(0, 0.1 * girth, -0.5 * girth), int(rng.integers(4, 14))
    end = tail(plan, (spine, 0), root, vec(0, -0.35, -1), rng.uniform(0.9, 1.5), rings, girth * 0.6, 0.12)
    ridge(plan, rng, spine)
    if rng.random() < 0.5:
        tail_blade(plan, end, girth)


def tail_blade(plan: Plan, number: int, girth: Number) -> None:
    """A flat arrowhead at the end of the tail."""
    limb = plan.limbs[number]
    away = limb.points[-1] - limb.points[-2]
    tip = limb.points[-1] + 0.12 * away / np.linalg.norm(away)
    points = np.array([limb.points[-1] - 0.3 * away, limb.points[-1], tip])
    plan.spike((number, limb.joints - 1), points, girth * np.array([0.1, 0.4, 0.01]), "horn", (1, 0.4, 1))


def wyvern(rng: Generator) -> Plan:
    return dragon(rng, forelegs=False)


def bird(rng: Generator) -> Plan:
    """Songbird, crow, stork, bird of prey."""
    plan = Plan("bird")
    height, girth = rng.uniform(0.3, 0.75), rng.uniform(0.15, 0.22)
    joints, links = int(rng.integers(1, 4)), int(rng.integers(1, 6))
    pitch = rng.uniform(0.2, 0.8)
    hips = vec(0, height, -0.1)
    chest = hips + rng.uniform(0.32, 0.45) * vec(0, np.sin(pitch), np.cos(pitch))
    spine = plan.limb("spine", chain([hips, chest], joints), profile([girth * 0.75, girth, girth * 0.65], joints))
    hip = hips + vec(girth * 0.5, -0.3 * girth, 0.08)
    legs = leg(plan, rng, (spine, 0), hip, 0, "bird", girth * 0.3, 3, foot=0.26)
    haunch(plan, legs, vec(0, -0.14 * height, 0.03), (girth * 0.42, girth * 0.3), 0.8)
    belly = (hips + chest) / 2 - vec(0, 0.3 * girth, 0)
    plan.lump((spine, 0), belly, belly + 0.2 * (chest - hips), (girth * 0.95, girth * 0.95), (0.95, 1, 1), 0.8)
    shoulder = chest + vec(girth * 0.6, 0.15 * girth, -0.05)
    span = rng.uniform(0.7, 1.3)
    bird_wing(plan, rng, (spine, joints - 1), shoulder, span, span * rng.uniform(0.3, 0.5), girth * 0.25)
    base = chest + vec(0, 0.25 * girth, 0.25 * girth)
    tip = base + rng.uniform(0.08, 0.45) * vec(0, 0.9, 0.4)
    size = girth * rng.uniform(0.85, 1.25)
    throat = neck(plan, (spine, joints - 1), base, tip, links, (girth * 0.55, size * 0.3), 0.1)
    bird_head(plan, rng, (throat, links - 1), tip, size)
    feather_tail(plan, rng, spine, hips, girth, rng.uniform(0.2, 0.5))
    return plan


def feather_tail(plan: Plan, rng: Generator, spine: int, hips: np.ndarray, girth: Number, length: Number) -> None:
    joints = int(rng.integers(1, 4))
    base = hips + vec(0, 0.15 * girth, -0.5 * girth)
    end = tail(plan, (spine, 0), base, vec(0, -0.15, -1), length * 0.6, joints, girth * 0.35, 0.0, tip=0.3)
    spread = rng.uniform(0.15, 0.6)
    angles = np.linspace(-spread, spread, 7)
    fork = 1 + rng.uniform(-0.3, 0.3) * np.abs(np.linspace(-1, 1, 7))
    rows = [
        base + np.stack([np.sin(angles), -0.15 * np.ones(7), -np.cos(angles)], axis=1) * (length * part * fork)[:, None]
        for part in (0.1, 0.5, 1.0)
    ]
    plan.sheets.append(Sheet(np.array(rows), (end,), "accent"))
