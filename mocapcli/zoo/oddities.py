"""Creatures without legs: snake, fish, octopus."""

import numpy as np

from mocapcli.zoo.heads import beast_head, horns
from mocapcli.zoo.plan import MIRROR, Number, Plan, Sheet, chain, profile, vec

Generator = np.random.Generator


def snake(rng: Generator) -> Plan:
    plan = Plan("snake")
    joints, length, girth = int(rng.integers(6, 40)), rng.uniform(1.6, 2.6), rng.uniform(0.04, 0.09)
    tip = vec(0, girth, 0.5 * length)
    points = chain([vec(0, 0.5 * girth, -0.5 * length), tip], joints)
    radii = profile([0.15 * girth, 0.75 * girth, girth, girth, 0.6 * girth], joints)
    if rng.random() < 0.5:  # the root in the middle, where many riggers put it
        middle = joints // 2
        body = plan.limb("spine", points[middle:], radii[middle:])
        plan.limb("tail", points[: middle + 1][::-1].copy(), radii[: middle + 1][::-1].copy(), body)
    else:
        body = plan.limb("spine", points, radii)
    skull = beast_head(plan, rng, (body, plan.limbs[body].joints - 1), tip, girth * 2.3, "reptile", 0.0)
    head = plan.limbs[skull]
    mouth = head.points[-1] + girth * vec(0, -0.1, 0)
    fork = chain([mouth, mouth + girth * vec(0, 0, 1.0), mouth + girth * vec(0, 0.1, 1.6)], 2)
    plan.limb("feeler", fork, girth * np.array([0.12, 0.1, 0.02]), skull, surface="tube", tint="accent")
    if rng.random() < 0.3:
        horns(plan, rng, skull, girth * 1.5)
    if rng.random() < 0.3:
        cobra_hood(plan, body)
    return plan


def cobra_hood(plan: Plan, body: int) -> None:
    limb = plan.limbs[body]
    girth = float(limb.radii.max())
    for joint in range(max(limb.joints - 3, 0), limb.joints):
        plan.lump(
            (body, joint), limb.points[joint], limb.points[joint + 1], (girth * 0.9, girth * 0.9), (2.3, 0.6, 1.0), 0.5
        )


def fish(rng: Generator) -> Plan:
    """From a goldfish to an eel or a shark."""
    plan = Plan("fish")
    joints, length = int(rng.integers(2, 13)), rng.uniform(0.9, 1.5)
    high, wide, up = rng.uniform(0.11, 0.28), rng.uniform(0.4, 0.8), 0.6
    chest = vec(0, up, 0.1 * length)
    forward, backward = max(joints // 3, 1), max(joints - joints // 3, 1)
    gill = vec(0, up, 0.32 * length)
    body = plan.limb("spine", chain([chest, gill], forward), profile([high, 0.85 * high], forward), scale=(wide, 1, 1))
    end = vec(0, up + 0.02, -0.55 * length)
    rear = plan.limb(
        "tail",
        chain([chest, end], backward),
        profile([high, 0.62 * high, 0.22 * high], backward),
        body,
        scale=(wide, 1, 1),
    )
    nose = gill + vec(0, -0.05 * high, rng.uniform(0.9, 1.8) * high)
    head = plan.limb("head", np.array([gill, nose]), high * np.array([0.85, 0.28]), body, joint=-1, scale=(wide, 1, 1))
    plan.eyes(
        (head, 0),
        gill + vec(0.62 * high * max(wide, 0.55), 0.25 * high, 0.45 * high),
        high * rng.uniform(0.14, 0.24),
        vec(1, 0.1, 0.35),
    )
    hinge = gill + vec(0, -0.4 * high, 0.35 * high)
    chin = nose + vec(0, -0.22 * high, 0.02)
    if rng.random() < 0.7:
        plan.limb(
            "jaw", np.array([hinge, chin]), high * np.array([0.25, 0.14]), head, surface="tube", scale=(0.9, 0.8, 1)
        )
    fish_fins(plan, rng, body, rear, high, wide, length)
    return plan


def fish_fins(plan: Plan, rng: Generator, body: int, rear: int, high: Number, wide: Number, length: Number) -> None:
    spine, end = plan.limbs[body], plan.limbs[rear]
    tip, size = end.points[-1], high * rng.uniform(1.2, 2.4)
    fan = np.linspace(-1.0, 1.0, 7)
    fork = 1.0 - rng.uniform(-0.2, 0.5) * (1 - np.abs(fan))
    rim = tip + np.stack([0 * fan, size * 0.7 * fan, -size * 0.75 * fork], axis=1)
    root = tip + np.stack([0 * fan, 0.2 * high * fan, 0 * fan + 0.03], axis=1)
    flukes = plan.limb(
        "fin", np.array([tip, tip - vec(0, 0, 0.5 * size)]), high * np.array([0.12, 0.04]), rear, joint=-1, row=2
    )
    plan.sheets.append(Sheet(np.stack([root, (root + rim) / 2, rim]), (rear, flukes), "accent"))
    back = np.linspace(0.05, 0.7, 6)
    ridge = np.stack([end.points[0] * (1 - b) + end.points[-1] * b for b in back])
    thick = np.interp(back, np.linspace(0, 1, len(end.radii)), end.radii)
    low = ridge + thick[:, None] * vec(0, 0.85, 0)
    tall = high * rng.uniform(0.4, 1.1) * np.sin(np.pi * np.linspace(0.15, 0.95, 6)) ** 0.7
    top = low + np.stack([0 * tall, tall, -0.5 * tall], axis=1)
    plan.sheets.append(Sheet(np.stack([low, (low + top) / 2, top]), (rear,), "accent"))
    for row in range(int(rng.integers(0, 3))):
        root_point = spine.points[0] + vec(wide * high * 0.8, -0.35 * high, 0.12 * length - 0.3 * length * row)
        joints = int(rng.integers(1, 4))
        reach = high * rng.uniform(0.9, 1.9) * (1 - 0.4 * row)
        out = root_point + reach * vec(0.8, -0.35, -0.5)
        fins = plan.pair(
            "fin",
            chain([root_point, out], joints),
            profile([0.1 * high, 0.02 * high], joints),
            body if row == 0 else rear,
            joint=0,
            row=row,
            surface="tube",
            tint="accent",
        )
        leading = chain([root_point, out], 5)
        depth = reach * np.array([0.35, 0.45, 0.5, 0.45, 0.3, 0.1])
        rows = np.stack([leading + w * depth[:, None] * vec(-0.15, -0.15, -1) for w in (0.0, 0.5, 1.0)])
        plan.sheets.append(Sheet(rows, (fins[0],), "accent"))
        plan.sheets.append(Sheet(rows * MIRROR, (fins[1],), "accent"))


def octopus(rng: Generator) -> Plan:
    """A bag of a head on five to ten tentacles."""
    plan = Plan("octopus")
    arms = int(rng.integers(5, 11))
    joints = int(rng.integers(3, min(15, 130 // arms)))
    size, length = rng.uniform(0.2, 0.32), rng.uniform(0.8, 1.4)
    base = vec(0, 0.75, 0)
    links = int(rng.integers(1, 4))
    lean = rng.uniform(-0.9, 0.1)
    top = base + size * 2.0 * vec(0, np.cos(lean), np.sin(lean))
    body = plan.limb("spine", np.array([base, base + vec(0, 0.55 * size, 0)]), size * np.array([0.6, 0.7]), blend=0.9)
    mantle = plan.limb(
        "head",
        chain([base + vec(0, 0.55 * size, 0), top], links),
        profile([0.75 * size, 1.1 * size, 0.8 * size], links),
        body,
        blend=0.9,
    )
    plan.lump((mantle, 0), top - vec(0, 0.6 * size, 0), top - vec(0, 0.2 * size, 0), (size, 0.9 * size))
    plan.eyes((body, 0), base + size * vec(0.45, 0.55, 0.62), size * rng.uniform(0.18, 0.28), vec(0.5, 0.1, 1))
    start = float(rng.uniform(0, 2 * np.pi)) if arms % 2 else np.pi / arms
    for number in range(arms):
        angle = start + 2 * np.pi * number / arms
        out = vec(np.sin(angle), 0, np.cos(angle))
        root = base + 0.45 * size * out - vec(0, 0.15 * size, 0)
        middle = root + length * (0.3 * out - vec(0, 0.35, 0))
        tip = root + length * (0.75 * out - vec(0, 0.42, 0))
        side = 1 if out[0] > 1e-6 else -1
        points = chain([root, middle, tip], joints)
        plan.limb(
            "tentacle", points, profile([0.32 * size, 0.2 * size, 0.04 * size], joints), body, side=side, row=number
        )
    return plan
