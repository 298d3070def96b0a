"""Heads with faces, so that front and back can be told apart."""

import numpy as np
from jaxtyping import Float

from mocapcli.zoo.plan import Number, Owner, Plan, chain, profile, vec

Generator = np.random.Generator
Point = Float[np.ndarray, " 3"]


def beast_head(
    plan: Plan, rng: Generator, owner: Owner, base: Point, size: Number, style: str, droop: Number = 0.15, row: int = 0
) -> int:
    """A skull with snout, jaw, eyes and nostrils. `style`: mammal, reptile."""
    long = rng.uniform(0.75, 1.2) if style == "mammal" else rng.uniform(1.1, 1.7)
    tip = base + size * vec(0, -droop, long)
    high = 0.30 if style == "mammal" else 0.24
    head = plan.limb(
        "head",
        np.array([base, tip]),
        size * np.array([high, rng.uniform(0.13, 0.2)]),
        owner[0],
        joint=owner[1],
        row=row,
        scale=(0.85, 0.9, 1.0),
        blend=0.8,
    )
    skull = base + size * vec(0, 0.08, 0.22)
    plan.lump((head, 0), skull, skull + size * vec(0, -0.04, 0.18), (0.36 * size, 0.30 * size), (0.9, 0.9, 1.0), 0.5)
    _jaw(plan, rng, head, base, tip, size, row)
    eye = base + size * vec(0.245, 0.19, 0.40)
    plan.eyes((head, 0), eye, size * rng.uniform(0.085, 0.12), vec(0.8, 0.1, 0.75))
    snout = float(plan.limbs[head].radii[1])
    plan.dot((head, 0), tip + snout * vec(0.36, 0.38, 0.5), 0.034 * size)
    if style == "reptile" and rng.random() < 0.6:
        _brow(plan, head, eye, size)
    return head


def _jaw(plan: Plan, rng: Generator, head: int, base: Point, tip: Point, size: Number, row: int) -> None:
    if rng.random() < 0.15:
        return
    hinge = base + size * vec(0, -0.17, 0.25)
    chin = tip + size * vec(0, -0.15, -0.03)
    points = chain([hinge, chin], 1)
    jaw = plan.limb(
        "jaw", points, size * np.array([0.15, 0.085]), head, row=row, surface="tube", scale=(1.25, 0.75, 1.0)
    )
    if rng.random() < 0.5:
        for step in (0.55, 0.8):
            side = hinge + step * (chin - hinge) + size * vec(0.10, 0.03, 0)
            plan.spike(
                (jaw, 0), np.array([side, side + size * vec(0, 0.13, 0.01)]), size * np.array([0.03, 0.004]), both=True
            )


def _brow(plan: Plan, head: int, eye: Point, size: Number) -> None:
    points = np.array([eye + size * vec(0.01, 0.09, 0.1), eye + size * vec(0.03, 0.13, -0.08)])
    plan.spike((head, 0), points, size * np.array([0.05, 0.02]), "accent", both=True)


def ears(plan: Plan, rng: Generator, head: int, size: Number, length: Number, joints: int, flop: Number = 0.0) -> None:
    """Pointed or hanging ears; now and then only one."""
    base = plan.limbs[head].points[0] + size * vec(0.20, 0.34, 0.08)
    out = vec(0.35 + flop, 1.0 - 1.4 * flop, -0.15)
    tip = base + out / np.linalg.norm(out) * length
    points = chain([base, (base + tip) / 2 + vec(0.08 * length, 0, 0), tip], joints)
    radii = size * profile([0.12, 0.13, 0.02], joints)
    settings = {"joint": 0, "surface": "tube", "scale": (1.0, 1.0, 0.45)}
    if rng.random() < 0.05:
        plan.limb("ear", points, radii, head, side=1, **settings)
    else:
        plan.pair("ear", points, radii, head, **settings)


def horns(plan: Plan, rng: Generator, head: int, size: Number) -> None:
    base = plan.limbs[head].points[0] + size * vec(0.14, 0.32, 0.16)
    length = size * rng.uniform(0.35, 1.1)
    curl = rng.uniform(-0.8, 0.8)
    back = rng.uniform(-0.9, 0.4)
    middle = base + length * vec(0.25, 0.45, 0.6 * back)
    tip = middle + length * vec(0.1, 0.5 * (1 - abs(curl)), 0.4 * back + 0.5 * curl)
    plan.spike((head, 0), chain([base, middle, tip], 5), size * profile([0.10, 0.07, 0.008], 5), both=True)


def nose_horn(plan: Plan, head: int, size: Number) -> None:
    limb = plan.limbs[head]
    base = limb.points[0] * 0.25 + limb.points[1] * 0.75 + size * vec(0, 0.15, 0)
    points = chain([base, base + size * vec(0, 0.25, 0.08), base + size * vec(0, 0.5, 0.05)], 4)
    plan.spike((head, 0), points, size * profile([0.1, 0.07, 0.01], 4))


def bird_head(plan: Plan, rng: Generator, owner: Owner, base: Point, size: Number) -> int:
    """A round head with a beak in two halves."""
    tip = base + size * vec(0, 0.15, 0.5)
    head = plan.limb(
        "head", np.array([base, tip]), size * np.array([0.33, 0.28]), owner[0], joint=owner[1], scale=(0.9, 1, 1)
    )
    plan.lump((head, 0), base + size * vec(0, 0.12, 0.15), base + size * vec(0, 0.12, 0.25), (0.38 * size, 0.34 * size))
    beak = size * rng.uniform(0.4, 1.3)
    hook = rng.uniform(0.0, 0.35) * beak
    root = tip + size * vec(0, 0.02, 0.1)
    upper = chain([root, root + vec(0, 0.02 * beak, 0.55 * beak), root + vec(0, -hook, beak)], 4)
    plan.spike((head, 0), upper, size * profile([0.17, 0.12, 0.02], 4), "horn", (0.8, 1, 1))
    low = root + size * vec(0, -0.12, -0.05)
    plan.limb(
        "jaw",
        np.array([low, low + vec(0, -0.25 * hook, 0.85 * beak)]),
        size * np.array([0.12, 0.02]),
        head,
        surface="tube",
        scale=(0.9, 0.6, 1),
        tint="horn",
    )
    plan.eyes((head, 0), base + size * vec(0.27, 0.24, 0.38), size * rng.uniform(0.08, 0.12), vec(0.95, 0.1, 0.5))
    if rng.random() < 0.4:
        crest = base + size * vec(0, 0.42, 0.1)
        points = chain([crest, crest + size * vec(0, 0.3, -0.15), crest + size * vec(0, 0.35, -0.5)], 3)
        plan.limb("ear", points[:3], size * np.array([0.1, 0.09, 0.02]), head, surface="tube", tint="accent")
    return head


def human_head(plan: Plan, rng: Generator, owner: Owner, base: Point, size: Number) -> int:
    """An upright head: bones run up, the face looks along +Z."""
    top = base + size * vec(0, 1.0, 0.02)
    head = plan.limb("head", np.array([base, top]), size * np.array([0.24, 0.26]), owner[0], joint=owner[1], blend=0.4)
    plan.lump(
        (head, 0),
        base + size * vec(0, 0.62, 0.02),
        base + size * vec(0, 0.70, 0),
        (0.45 * size, 0.47 * size),
        (0.88, 1, 1),
    )
    plan.lump((head, 0), base + size * vec(0, 0.24, 0.14), base + size * vec(0, 0.4, 0.12), (0.24 * size, 0.32 * size))
    plan.eyes((head, 0), base + size * vec(0.17, 0.58, 0.40), size * rng.uniform(0.075, 0.11), vec(0.15, 0, 1))
    nose = base + size * vec(0, 0.52, 0.42)
    long = rng.uniform(0.1, 0.28)
    plan.spike((head, 0), np.array([nose, nose + size * vec(0, -0.12, long)]), size * np.array([0.05, 0.075]), "skin")
    mouth = base + size * vec(-0.12, 0.26, 0.40)
    bow = chain([mouth, mouth + size * vec(0.12, -0.03, 0.045), mouth + size * vec(0.24, 0, 0)], 4)
    plan.spike((head, 0), bow, size * np.array([0.015, 0.035, 0.04, 0.035, 0.015]), "dark")
    _hair(plan, rng, head, base, size)
    if rng.random() < 0.4:
        hinge = base + size * vec(0, 0.28, 0.15)
        plan.limb(
            "jaw",
            np.array([hinge, hinge + size * vec(0, -0.14, 0.25)]),
            size * np.array([0.14, 0.12]),
            head,
            surface="tube",
        )
    return head


def _hair(plan: Plan, rng: Generator, head: int, base: Point, size: Number) -> None:
    """Ears at the sides, and hair, spikes or nothing at the back."""
    side = base + size * vec(0.40, 0.52, 0.0)
    point = rng.uniform(0.1, 0.45)
    plan.spike(
        (head, 0),
        np.array([side, side + size * vec(0.09, 0.06, -0.02), side + size * vec(0.12, point, -0.08)]),
        size * np.array([0.09, 0.10, 0.02]),
        "skin",
        (0.6, 1, 1),
        both=True,
    )
    if rng.random() < 0.75:
        crown = base + size * vec(0, 0.92, 0.26)
        down = rng.uniform(0.0, 0.9)
        points = chain([crown, crown + size * vec(0, 0.08, -0.46), crown + size * vec(0, -down - 0.2, -0.72)], 6)
        plan.spike((head, 0), points, size * profile([0.24, 0.5, 0.12], 6), "accent", (0.95, 0.62, 0.7))


def bug_head(plan: Plan, rng: Generator, owner: Owner, base: Point, size: Number, eyes: int, feelers: bool) -> int:
    """A lump with mandibles, many eyes or two big ones, and feelers."""
    tip = base + size * vec(0, -0.05, 0.7)
    head = plan.limb("head", np.array([base, tip]), size * np.array([0.42, 0.36]), owner[0], joint=owner[1], blend=0.3)
    for pair in range(eyes // 2):
        spread = 0.30 - 0.1 * (pair % 2)
        centre = base + size * vec(spread, 0.22 + 0.10 * (pair % 2), 0.72 - 0.13 * (pair // 2))
        plan.eyes((head, 0), centre, size * (0.2 if eyes == 2 else 0.10 - 0.01 * pair), vec(0.5, 0.3, 0.8))
    hinge = tip + size * vec(0.17, -0.16, 0.15)
    fang = chain(
        [hinge, hinge + size * vec(0.12, -0.12, 0.3), hinge + size * vec(-0.08, -0.3, 0.45)], 1 if feelers else 2
    )
    plan.pair("jaw", fang, size * profile([0.11, 0.08, 0.015], len(fang) - 1), head, surface="tube", tint="horn")
    if feelers:
        root = base + size * vec(0.15, 0.3, 0.6)
        end = root + size * vec(rng.uniform(0.3, 0.9), rng.uniform(0.4, 1.0), rng.uniform(0.7, 1.8))
        joints = int(rng.integers(1, 6))
        points = chain([root, (root + end) / 2 + size * vec(0, 0.3, 0), end], joints)
        plan.pair("feeler", points, size * profile([0.06, 0.045, 0.02], joints), head, surface="tube", tint="dark")
    return head
