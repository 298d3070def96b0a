"""Creatures without the usual plan: bugs, swimmers, crawlers, and those out of myths."""

import numpy as np

from mocapcli.zoo.beasts import plan_hip, quadruped
from mocapcli.zoo.heads import beast_head, bug_head, ears, horns, human_head
from mocapcli.zoo.limbs import arm, bat_wing, insect_leg, leg, neck, tail
from mocapcli.zoo.plan import Number, Plan, Sheet, chain, profile, vec

Generator = np.random.Generator
MIRROR = vec(-1, 1, 1)


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
    plan = Plan("spider", abilities=("walk", "run", "idle", "attack", "turn", "rear"))
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
    fliers = ("fly",) if wings else ()
    plan = Plan("insect", abilities=(*fliers, "walk", "run", "idle", "attack", "turn"))
    height, size = rng.uniform(0.22, 0.42), rng.uniform(0.12, 0.2)
    joints = int(rng.integers(1, 4))
    back, front = vec(0, height, -0.15), vec(0, height * 1.1, 0.25)
    body = plan.limb(
        "spine", chain([back, front], joints), profile([0.6 * size, size, 0.5 * size], joints), scale=(1, 0.85, 1)
    )
    long, rings = rng.uniform(0.4, 1.0), int(rng.integers(1, 6))
    fat = size * rng.uniform(0.9, 1.6)
    lift = rng.uniform(-0.25, 0.25)
    points = chain([back, back + vec(0, 0.3 * lift, -0.5 * long), back + vec(0, lift, -long)], rings)
    radii = profile([0.35 * size, fat, 0.9 * fat, 0.15 * fat], max(rings, 1))
    end = plan.limb("tail", points, radii, body, scale=(1, 0.85, 1), blend=0.3)
    if rings < 2:
        plan.lump(
            (end, 0),
            back + vec(0, 0.2 * lift, -0.35 * long),
            back + vec(0, 0.6 * lift, -0.65 * long),
            (fat, 0.85 * fat),
            (1, 0.85, 1),
        )
    if rng.random() < 0.4:
        plan.spike(
            (end, rings - 1),
            np.array([points[-1], points[-1] - vec(0, 0.05, 0.2)]),
            size * np.array([0.25, 0.02]),
            "dark",
        )
    legs_along(
        plan,
        rng,
        body,
        vec(0, height, 0.2),
        vec(0, height, -0.05),
        0.5 * size,
        3,
        rng.uniform(0.5, 0.85),
        size * rng.uniform(0.14, 0.24),
        joints - 1,
    )
    skull = front + vec(0, 0, 0.25 * size)
    throat = neck(plan, (body, joints - 1), front - vec(0, 0, 0.1 * size), skull, 1, (0.4 * size, 0.35 * size))
    bug_head(plan, rng, (throat, 0), skull, size * rng.uniform(0.8, 1.3), 2, True)
    for row in range(wings):
        insect_wing(plan, rng, (body, joints - 1), vec(0.4 * size, height + 0.8 * size, 0.1 - 0.12 * row), row, size)
    return plan


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
    plan = Plan("scorpion", abilities=("walk", "run", "idle", "attack", "turn"))
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


def snake(rng: Generator) -> Plan:
    plan = Plan("snake", abilities=("slither", "idle", "strike", "coil", "turn"))
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
    plan = Plan("fish", abilities=("swim", "dart", "idle", "turn", "attack"), floats=True)
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
    plan = Plan("octopus", abilities=("pulse", "crawl", "idle", "reach", "turn"), floats=True)
    arms, joints = int(rng.integers(5, 11)), int(rng.integers(3, 15))
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


def centaur(rng: Generator) -> Plan:
    """A human trunk where a horse has its neck."""
    plan = quadruped(rng, "centaur")
    keep = {"spine", "leg", "foot", "tail"}
    numbers = [n for n, limb in enumerate(plan.limbs) if limb.role in keep]
    plan = _subset(plan, numbers)
    plan.abilities = ("walk", "run", "idle", "wave", "attack", "rear", "turn")
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


def _subset(plan: Plan, numbers: list[int]) -> Plan:
    """The plan with only these limbs and what is fixed to them."""
    from dataclasses import replace

    place = {old: new for new, old in enumerate(numbers)}
    kept = Plan(plan.kind, abilities=plan.abilities, floats=plan.floats)
    kept.limbs = [replace(plan.limbs[n], parent=place.get(plan.limbs[n].parent, -1)) for n in numbers]
    kept.lumps = [replace(p, owner=(place[p.owner[0]], p.owner[1])) for p in plan.lumps if p.owner[0] in place]
    kept.balls = [replace(p, owner=(place[p.owner[0]], p.owner[1])) for p in plan.balls if p.owner[0] in place]
    kept.spikes = [replace(p, owner=(place[p.owner[0]], p.owner[1])) for p in plan.spikes if p.owner[0] in place]
    kept.sheets = [
        replace(p, limbs=tuple(place[n] for n in p.limbs)) for p in plan.sheets if set(p.limbs) <= set(numbers)
    ]
    return kept


def naga(rng: Generator) -> Plan:
    """Human above, snake below."""
    plan = Plan("naga", abilities=("slide", "idle", "wave", "attack", "turn", "dance"))
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
    plan = Plan("hydra", abilities=("walk", "idle", "attack", "turn", "shake"))
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
    from dataclasses import replace

    plan.balls[before[0] :] = [replace(p, centre=p.centre + offset) for p in plan.balls[before[0] :]]
    plan.spikes[before[1] :] = [replace(p, points=p.points + offset) for p in plan.spikes[before[1] :]]
    plan.limbs[before[2] :] = [replace(p, points=p.points + offset) for p in plan.limbs[before[2] :]]
    plan.lumps[before[3] :] = [replace(p, start=p.start + offset, end=p.end + offset) for p in plan.lumps[before[3] :]]


def bat(rng: Generator) -> Plan:
    """Small body, large ears, skin wings, hovering."""
    plan = Plan("bat", abilities=("fly", "glide", "idle", "attack", "turn"), floats=True)
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
