"""Limbs that many creatures share: legs, arms, wings, tails, necks, fins."""

import numpy as np
from jaxtyping import Float

from mocapcli.zoo.plan import MIRROR, Number, Owner, Plan, Sheet, chain, profile, vec

Generator = np.random.Generator
Pair = tuple[int, int]


def digits(plan: Plan, feet: Pair, rng: Generator, size: Number, count: int, splay: Number = 0.5) -> None:
    """Claws or toes fanned at the tip of each foot, fixed to it."""
    foot = plan.limbs[feet[0]]
    joint = foot.joints - 1
    tip, radius = foot.points[-1], foot.radii[-1]
    for toe in range(count):
        angle = splay * (toe - (count - 1) / 2)
        forward = vec(np.sin(angle), -0.25, np.cos(angle))
        base = tip + vec(0.5 * size * np.sin(angle), 0, -0.2 * size)
        points = chain([base, base + forward * size * 0.7, base + forward * size * 1.2 - vec(0, 0.1 * size, 0)], 2)
        points[:, 1] = np.maximum(points[:, 1], 0.15 * radius)
        radii = radius * np.array([0.55, 0.42, 0.06])
        plan.spike((feet[0], joint), points, radii, "horn")
        mirrored = points * MIRROR
        plan.spike((feet[1], joint), mirrored, radii, "horn")


# per style of leg: joints below the hip as (part of its height, part of its height forwards), and girths
STANCES: dict[str, tuple[list[tuple[float, float]], list[float]]] = {
    "hind": ([(0.60, 0.13), (0.28, -0.17), (0.07, -0.06)], [1.25, 0.85, 0.5, 0.42]),
    "front": ([(0.58, -0.12), (0.30, -0.01), (0.07, -0.03)], [1.1, 0.75, 0.5, 0.42]),
    "bird": ([(0.66, 0.10), (0.36, -0.20), (0.05, 0.0)], [1.3, 0.8, 0.4, 0.38]),
    "human": ([(0.53, 0.035), (0.07, -0.03)], [1.15, 0.8, 0.6]),
    "column": ([(0.52, 0.03), (0.09, -0.03)], [1.15, 1.0, 0.9]),
}


def leg(
    plan: Plan,
    rng: Generator,
    owner: Owner,
    hip: Float[np.ndarray, " 3"],
    row: int,
    style: str,
    girth: Number,
    toes: int = 0,
    foot: Number = 0.28,
) -> Pair:
    """A standing leg from the hip to the ground with its foot; for the styles see `STANCES`."""
    shape, widths = STANCES[style]
    height, z = float(hip[1]), float(hip[2])
    spread, curl = float(hip[0]) * rng.uniform(1.0, 1.15), rng.uniform(0.8, 1.3)
    points = np.array([hip, *(vec(spread, height * y, z + height * dz * curl) for y, dz in shape)])
    legs = plan.pair("leg", points, girth * np.array(widths), owner[0], joint=owner[1], row=row, blend=0.9)
    joints = int(rng.integers(1, 3))
    toe = vec(spread, girth * 0.3, points[-1][2] + foot * height)
    radii = profile([0.46 * girth, 0.36 * girth], joints)
    sole = chain([points[-1], toe], joints)
    feet = plan.pair("foot", sole, radii, legs, joint=-1, row=row, scale=(1.35, 0.8, 1.0))
    if toes:
        digits(plan, feet, rng, foot * height * rng.uniform(0.35, 0.6), toes)
    return legs


def haunch(
    plan: Plan, legs: Pair, down: Float[np.ndarray, " 3"], radii: tuple[Number, Number], flat: Number = 0.65
) -> None:
    """Flesh over both thighs."""
    for limb, mirror in zip(legs, (np.ones(3), MIRROR), strict=True):
        start = plan.limbs[limb].points[0]
        plan.lump((limb, 0), start, start + down * mirror, radii, (flat, 1.0, 1.0))


def insect_leg(
    plan: Plan,
    rng: Generator,
    owner: Owner,
    hip: Float[np.ndarray, " 3"],
    row: int,
    azimuth: Number,
    reach: Number,
    rise: Number,
    radius: Number,
    segments: int,
) -> Pair:
    """Out and up, then down to a pointed tip. `azimuth` 0 = straight out, positive = forwards."""
    out = vec(np.cos(azimuth), 0, np.sin(azimuth))
    knee = hip + out * reach * 0.36 + vec(0, rise, 0)
    ankle = hip + out * reach * 0.74
    ankle[1] = 0.42 * knee[1]
    tip = hip + out * reach
    tip[1] = radius * 0.4
    coxa = hip + out * reach * 0.1
    control = {2: [hip, knee, tip], 3: [hip, knee, ankle, tip], 4: [hip, coxa, knee, ankle, tip]}[segments]
    radii = profile([1.25 * radius, radius, 0.75 * radius, 0.3 * radius], segments)
    return plan.pair("leg", np.array(control), radii, owner[0], joint=owner[1], row=row, blend=0.5)


def arm(
    plan: Plan,
    rng: Generator,
    owner: Owner,
    shoulder: Float[np.ndarray, " 3"],
    length: Number,
    droop: Number,
    girth: Number,
    fingers: int,
    clavicle: bool,
) -> Pair:
    """An arm with hand and fingers. `droop` is its angle below horizontal in the plan: 0 = T-pose."""
    parents: int | Pair = owner[0]
    joint = owner[1]
    if clavicle:
        inner = shoulder * vec(0.35, 1.0, 1.0)
        parents = plan.pair(
            "clavicle", np.array([inner, shoulder]), np.array([girth, girth * 1.1]), owner[0], joint=joint
        )
        joint = 0
    along = vec(np.cos(droop), -np.sin(droop), 0.0)
    elbow = shoulder + along * length * 0.45 - vec(0, 0, 0.02 * length)
    wrist = shoulder + along * length * 0.85 + vec(0, 0, 0.01 * length)
    arms = plan.pair(
        "arm", np.array([shoulder, elbow, wrist]), girth * np.array([1.05, 0.85, 0.62]), parents, joint=joint, blend=0.9
    )
    tip = wrist + along * length * 0.15
    hands = plan.pair(
        "hand", np.array([wrist, tip]), girth * np.array([0.62, 0.72]), arms, joint=-1, scale=(1.1, 0.75, 1.25)
    )
    for finger in range(fingers):
        _finger(plan, rng, hands, tip, along, length, girth, finger, fingers)
    return arms


def _finger(
    plan: Plan,
    rng: Generator,
    hands: Pair,
    tip: Float[np.ndarray, " 3"],
    along: Float[np.ndarray, " 3"],
    length: Number,
    girth: Number,
    finger: int,
    count: int,
) -> None:
    offset = (finger / max(count - 1, 1) - 0.5) * 1.3
    thumb = finger == count - 1 and count > 2
    base = tip - along * (0.06 * length if thumb else 0.01 * length) + vec(0, 0, offset * girth * 1.1)
    heading = along + vec(0, 0, offset * (1.4 if thumb else 0.4))
    heading /= np.linalg.norm(heading)
    joints = 2 if thumb else 3 if count > 3 else 2
    points = chain([base, base + heading * length * (0.12 if thumb else 0.16)], joints)
    radii = profile([0.32 * girth, 0.2 * girth], joints)
    plan.pair("finger", points, radii, hands, joint=-1, row=finger, surface="tube")


def neck(
    plan: Plan,
    owner: Owner,
    base: Float[np.ndarray, " 3"],
    tip: Float[np.ndarray, " 3"],
    joints: int,
    radii: tuple[Number, Number],
    curl: Number = 0.0,
    row: int = 0,
) -> int:
    """A chain to the head; `curl` bows it backwards like a swan's."""
    middle = (base + tip) / 2 + vec(0, 0.25 * curl, -curl) * float(np.linalg.norm(tip - base))
    mid_radius = 0.55 * radii[0] + 0.45 * radii[1] - 0.05 * radii[0]
    points = chain([base, middle, tip], joints)
    return plan.limb(
        "neck", points, profile([radii[0], mid_radius, radii[1]], joints), owner[0], joint=owner[1], row=row, blend=1.0
    )


def tail(
    plan: Plan,
    owner: Owner,
    base: Float[np.ndarray, " 3"],
    direction: Float[np.ndarray, " 3"],
    length: Number,
    joints: int,
    radius: Number,
    lift: Number,
    row: int = 0,
    tip: Number = 0.12,
) -> int:
    """Away from the base, `lift` bends its end up (or down)."""
    direction = direction / np.linalg.norm(direction)
    middle = base + direction * length * 0.5
    end = base + direction * length + vec(0, lift * length, 0)
    radii = profile([radius, 0.62 * radius, tip * radius], joints)
    return plan.limb("tail", chain([base, middle, end], joints), radii, owner[0], joint=owner[1], row=row, blend=0.8)


def bat_wing(
    plan: Plan,
    rng: Generator,
    owner: Owner,
    shoulder: Float[np.ndarray, " 3"],
    span: Number,
    fingers: int,
    radius: Number,
) -> Pair:
    """Arm and finger bones with skin between them down to the body."""
    elbow = shoulder + vec(0.30 * span, 0.10 * span, -0.12 * span)
    wrist = shoulder + vec(0.52 * span, 0.15 * span, 0.08 * span)
    wings = plan.pair(
        "wing", np.array([shoulder, elbow, wrist]), radius * np.array([1.0, 0.75, 0.6]), owner[0], joint=owner[1]
    )
    joints = int(rng.integers(1, 4))
    edges: list[np.ndarray] = []
    limbs: list[Pair] = []
    for finger in range(fingers):
        fan = np.interp(finger, [0, max(fingers - 1, 1)], [0.15, 1.25])
        reach = span * np.interp(finger, [0, max(fingers - 1, 1)], [0.62, 0.5])
        end = wrist + reach * vec(np.cos(fan), -0.06, -np.sin(fan))
        points = chain([wrist, wrist + 0.5 * (end - wrist) + vec(0, 0.03 * span, 0), end], joints)
        radii = profile([0.42 * radius, 0.12 * radius], joints)
        limbs.append(plan.pair("feather", points, radii, wings, joint=-1, row=finger, surface="tube"))
        edges.append(chain(list(points), 6) if joints > 1 else chain([points[0], points[1]], 6))
    flank = np.array([wrist, elbow, shoulder - vec(0.2 * shoulder[0], 0, 0)])
    body = shoulder + vec(-0.3 * float(shoulder[0]), -0.02 * span, -0.42 * span)
    _web(plan, wings, limbs, edges, flank, body)
    return wings


def _web(
    plan: Plan, wings: Pair, limbs: list[Pair], edges: list[np.ndarray], flank: np.ndarray, body: np.ndarray
) -> None:
    """Membrane panels between neighbouring fingers, and from the last one along the arm to the body."""
    mirror = MIRROR
    panels: list[tuple[np.ndarray, list[Pair]]] = []
    for first in range(len(edges) - 1):
        weights = np.linspace(0, 1, 5)[:, None, None]
        rows = edges[first] * (1 - weights) + edges[first + 1] * weights
        scallop = 0.16 * np.sin(np.pi * np.linspace(0, 1, 5))[:, None, None] * np.linspace(0, 1, 7)[None, :, None] ** 2
        rows = rows - scallop * (rows - rows[:, :1])
        panels.append((rows, [limbs[first], limbs[first + 1]]))
    leading = chain(list(flank), 6)
    trailing = chain([edges[-1][-1], (edges[-1][-1] + body) / 2 + 0.22 * (flank[1] - edges[-1][-1]), body], 6)
    weights = np.linspace(0, 1, 5)[:, None, None]
    first_row = edges[-1]
    rows = np.stack([leading * (1 - w) + trailing * w for w in weights[:, 0]], axis=0)
    rows[:, 0] = first_row[np.linspace(0, 6, 5).astype(int)]
    panels.append((rows, [limbs[-1], wings]))
    for rows, owners in panels:
        plan.sheets.append(Sheet(rows, tuple(pair[0] for pair in owners)))
        plan.sheets.append(Sheet(rows * mirror, tuple(pair[1] for pair in owners)))


def bird_wing(
    plan: Plan,
    rng: Generator,
    owner: Owner,
    shoulder: Float[np.ndarray, " 3"],
    span: Number,
    chord: Number,
    radius: Number,
) -> Pair:
    """Three arm bones with a sheet of feathers behind them, fingered at the tip."""
    points = np.array(
        [
            shoulder,
            shoulder + vec(0.30 * span, 0.05 * span, -0.06 * span),
            shoulder + vec(0.62 * span, 0.06 * span, 0.05 * span),
            shoulder + vec(1.0 * span, 0.03 * span, -0.12 * span),
        ]
    )
    wings = plan.pair(
        "wing", points, radius * np.array([1.0, 0.7, 0.5, 0.2]), owner[0], joint=owner[1], scale=(1, 0.8, 1)
    )
    columns = 13
    leading = chain(list(points), columns - 1)
    across = np.linspace(0, 1, columns)
    depth = chord * np.interp(across, [0, 0.25, 0.6, 0.85, 1], [0.9, 1.0, 0.95, 0.85, 0.25])
    fingered = np.where(np.arange(columns) % 2 == 0, 1.0, 0.72) if rng.random() < 0.6 else np.ones(columns)
    depth = depth * np.where(across > 0.55, fingered, 1.0)
    fan = np.interp(across, [0, 0.5, 1], [0.0, 0.1, 0.75])
    trailing = leading + depth[:, None] * np.stack([np.sin(fan), -0.05 * np.ones(columns), -np.cos(fan)], axis=1)
    forward = leading + vec(0, 0, 0.35 * radius)
    rows = np.stack([forward * (1 - w) + trailing * w for w in (0.0, 0.33, 0.66, 1.0)])
    plan.sheets.append(Sheet(rows, (wings[0],), "accent"))
    plan.sheets.append(Sheet(rows * MIRROR, (wings[1],), "accent"))
    return wings
