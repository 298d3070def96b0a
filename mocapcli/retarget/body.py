"""A rig as a body: which way it faces, how large it is, and the limbs it consists of.

Limbs are chains of joints. The trunk joint (hips) bears them; along the middle a chain follows the middle, so that
spine, neck and head are one, and at a side it follows the longest way, so that a hand's other fingers are limbs of
their own. Joints that move no vertex, and have none below them that does, take no part.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from mocapcli.kinematics import rest_world
from mocapcli.loose_feet import legs_of_feet
from mocapcli.retarget.words import part_of, side_of, with_sides_apart
from mocapcli.types import Rig, Skeleton

MIDDLE = 0.03  # of the rig's size: nearer to the plane of symmetry counts as in the middle
ASIDE = 0.2  # of its length: how far off the middle, on average, what starts there must be to be at a side
GROUNDED = 0.15  # of the rig's height above its lowest joint
STEM = 5  # joints, the most there are above the hips of a body with limbs
FOOT = 3  # joints, the most of a detached foot
NEAR = 0.25  # of the rig's size: a foot that is a root of its own belongs to the limb that ends so near
TWIGS = ("jaw", "ear", "horn")  # a head does not go on in these
UP = np.array([0.0, 1.0, 0.0])


@dataclass(frozen=True, eq=False)
class Limb:
    """A chain of joints from its first to its last; `above` is the limb it grows from, -1 for the trunk joint."""

    joints: tuple[int, ...]
    above: int
    side: int  # 1 left, -1 right, 0 middle
    part: str
    grounded: bool
    start: Float[np.ndarray, " 3"]  # left, up, forward of the trunk joint, in sizes
    end: Float[np.ndarray, " 3"]
    length: float  # along its bones, in sizes
    weight: int  # joints in it and below

    @property
    def direction(self) -> Float[np.ndarray, " 3"]:
        way = self.end - self.start
        size = float(np.linalg.norm(way))
        return np.asarray(way / size if size > 1e-9 else np.zeros(3))


@dataclass(frozen=True, eq=False)
class Body:
    """What retargeting knows of a rig."""

    skeleton: Skeleton
    labels: tuple[str, ...]  # names as far as words can be told apart
    parents: Int[np.ndarray, " joints"]  # with detached feet hung on their legs
    active: Bool[np.ndarray, " joints"]
    trunk: int
    axes: Float[np.ndarray, "3 3"]  # rows: left, up, forward
    size: float
    places: Float[np.ndarray, "joints 3"]  # left, up, forward of the trunk joint, in metres
    limbs: tuple[Limb, ...] = field(default=())

    @property
    def hip_height(self) -> float:
        """Of the trunk joint above the lowest active joint, in metres."""
        return -float(self.places[self.active, 1].min())

    def line(self, limb: Limb, attached: bool = False) -> Float[np.ndarray, "points 3"]:
        """Places along a limb, with the tip its last joint may have, and first the joint it is `attached` to."""
        joints = list(limb.joints)
        tips = [j for j in np.flatnonzero(self.parents == joints[-1]).tolist() if not self.active[j]]
        points = [*joints, *tips[:1]]
        return self.places[[int(self.parents[joints[0]]), *points] if attached else points]

    def order(self) -> list[int]:
        """Every joint after the one it hangs on (hung-on feet may stand earlier in the file)."""
        children = _children(self.parents, np.ones(len(self.parents), dtype=bool))
        found = np.flatnonzero(self.parents < 0).tolist()
        for joint in found:
            found.extend(children[joint])
        return found


def read_body(rig: Rig) -> Body:
    """Facing, size and limbs of a rig, from its rest pose."""
    skeleton = rig.skeleton
    world = rest_world(skeleton)[:, :3, 3]
    active = _active(rig)
    size = float(np.linalg.norm(np.ptp(world[active], axis=0))) or 1.0
    labels = with_sides_apart(skeleton.names)
    parents = _hang_feet(legs_of_feet(rig), skeleton, labels, world, active, size)
    trunk = _trunk(parents, active)
    axes = _axes(skeleton, labels, world, active, trunk, size)
    places = (world - world[trunk]) @ axes.T
    body = Body(skeleton, labels, parents, active, trunk, axes, size, places)
    return replace(body, limbs=tuple(_limbs(body)))


def active_children(body: Body) -> list[list[int]]:
    return _children(body.parents, body.active)


def _active(rig: Rig) -> Bool[np.ndarray, " joints"]:
    """Joints that move a vertex or have one below that does; all of them where that is hardly any."""
    active = np.array(rig.deforms)
    for joint in range(rig.skeleton.joints - 1, 0, -1):
        if active[joint] and rig.skeleton.parents[joint] >= 0:
            active[rig.skeleton.parents[joint]] = True
    return active if active.sum() > 1 else np.ones(rig.skeleton.joints, dtype=bool)


def _children(parents: Int[np.ndarray, " joints"], active: Bool[np.ndarray, " joints"]) -> list[list[int]]:
    children: list[list[int]] = [[] for _ in parents]
    for joint in np.flatnonzero(active & (parents >= 0)):
        children[parents[joint]].append(int(joint))
    return children


def _below(children: list[list[int]], joint: int) -> list[int]:
    found = [joint]
    for each in found:
        found.extend(children[each])
    return found


def _hang_feet(
    legs: Int[np.ndarray, " joints"],
    skeleton: Skeleton,
    labels: tuple[str, ...],
    world: Float[np.ndarray, "joints 3"],
    active: Bool[np.ndarray, " joints"],
    size: float,
) -> Int[np.ndarray, " joints"]:
    """Parents, feet of rigs with inverse kinematics hung on their legs: by their flesh, where they have any.

    Else what is few joints beside the body's own root hangs on the nearest tip.
    """
    parents = np.where(legs >= 0, legs, skeleton.parents)
    children = _children(parents, active)
    tops = np.flatnonzero((parents < 0) & active).tolist()
    while len(tops) == 1 and children[tops[0]]:
        tops = children[tops[0]]
    counts = {top: len(_below(children, top)) for top in tops}
    main = max(tops, key=lambda top: counts[top])
    tree = _below(children, main)
    leaves = [joint for joint in tree if not children[joint]]
    tips = [(joint, leaf) for leaf in leaves for joint in (leaf, *np.flatnonzero(parents == leaf))]
    ends = np.array([joint for joint, _ in tips])
    for top in tops:
        if top == main or counts[top] > FOOT:
            continue
        away = np.linalg.norm(world[ends] - world[top], axis=-1)
        sides = np.array([side_of(labels[leaf]) * side_of(labels[top]) for _, leaf in tips])
        away = np.where(sides < 0, np.inf, away)
        nearest = int(np.argmin(away))
        own = np.linalg.norm(world[top] - world[parents[top]]) if parents[top] >= 0 else np.inf
        if away[nearest] < NEAR * min(size, own):
            parents[top] = tips[nearest][1]
    return parents


def _trunk(parents: Int[np.ndarray, " joints"], active: Bool[np.ndarray, " joints"]) -> int:
    """The first joint from the root that bears more than one limb; of a snake, its first."""
    children = _children(parents, active)
    roots = [int(joint) for joint in np.flatnonzero(active & (parents < 0))]
    path = [max(roots, key=lambda root: len(_below(children, root)))]
    while len(children[path[-1]]) == 1:
        path.append(children[path[-1]][0])
    return path[-1] if children[path[-1]] and len(path) <= STEM else path[0]


def _axes(
    skeleton: Skeleton,
    labels: tuple[str, ...],
    world: Float[np.ndarray, "joints 3"],
    active: Bool[np.ndarray, " joints"],
    trunk: int,
    size: float,
) -> Float[np.ndarray, "3 3"]:
    """Left, up and forward: by what is called left and right, else by symmetry and the toes."""
    sides = np.array([side_of(name) for name in labels]) * active
    if (sides > 0).any() and (sides < 0).any():
        left = world[sides > 0].mean(axis=0) - world[sides < 0].mean(axis=0)
        left[1] = 0
        if np.linalg.norm(left) > 0.02 * size:
            return _frame(_snapped(left))
    around = world[active] - world[trunk]
    lopsided = [_lopsided(around, axis) for axis in (0, 2)]
    left = np.array([1.0, 0, 0]) if lopsided[0] <= lopsided[1] else np.array([0.0, 0, 1.0])
    frame = _frame(left)
    return frame if _looks_forward(skeleton, world, active, trunk, frame[2]) else _frame(-left)


def _frame(left: Float[np.ndarray, " 3"]) -> Float[np.ndarray, "3 3"]:
    left = left / np.linalg.norm(left)
    return np.stack([left, UP, np.cross(left, UP)])


def _snapped(left: Float[np.ndarray, " 3"]) -> Float[np.ndarray, " 3"]:
    """The axis nearest to a direction, where it is about that axis."""
    unit = left / np.linalg.norm(left)
    axis = np.zeros(3)
    axis[int(np.argmax(np.abs(unit)))] = np.sign(unit[int(np.argmax(np.abs(unit)))])
    return axis if float(unit @ axis) > 0.9 else unit


def _lopsided(around: Float[np.ndarray, "joints 3"], axis: int) -> float:
    """How far mirrored joints are from any joint, on average."""
    mirrored = around * np.where(np.arange(3) == axis, -1.0, 1.0)
    apart = np.linalg.norm(mirrored[:, None] - around[None], axis=-1)
    return float(apart.min(axis=1).mean())


def _looks_forward(
    skeleton: Skeleton,
    world: Float[np.ndarray, "joints 3"],
    active: Bool[np.ndarray, " joints"],
    trunk: int,
    forward: Float[np.ndarray, " 3"],
) -> bool:
    """Whether toes point this way; where there are none, the highest joint is ahead of the trunk."""
    height = float(np.ptp(world[active, 1]))
    low = world[:, 1] < world[active, 1].min() + GROUNDED * height
    inner = np.isin(np.arange(skeleton.joints), skeleton.parents)
    toes = np.flatnonzero(low & ~inner & (skeleton.parents >= 0))
    votes = float(((world[toes] - world[skeleton.parents[toes]]) @ forward).sum())
    if abs(votes) > 0.01 * height:
        return votes > 0
    highest = np.flatnonzero(active)[int(np.argmax(world[active, 1]))]
    return float((world[highest] - world[trunk]) @ forward) >= -1e-6


def _limbs(body: Body) -> list[Limb]:
    """All limbs, those that others grow from first."""
    children = active_children(body)
    side, reach = _sides(body), _reaches(body)
    limbs: list[Limb] = []
    waiting = [(child, -1) for child in children[body.trunk]]
    for start, above in waiting:
        chain, number = [start], len(limbs)
        while children[chain[-1]]:
            ways = children[chain[-1]]
            middle = [way for way in ways if side[way] == 0]
            fingers = {part_of(body.labels[way]) for way in ways} == {"finger"} != {part_of(body.labels[start])}
            if fingers or (side[start] == 0 and len(ways) > 1 and not middle):
                break
            pool = middle if side[start] == 0 and middle else ways
            chain.append(max(pool, key=lambda way: (part_of(body.labels[way]) not in TWIGS, reach[way])))
        limbs.append(_limb(body, chain, above, side[start], len(_below(children, start))))
        waiting += [(way, number) for joint in chain for way in children[joint] if way not in chain]
    return limbs


def _sides(body: Body) -> list[int]:
    """Side of every joint: as it is called, as the limb it belongs to, else where it and what is below it lie."""
    order = body.order()
    total, count = body.places[:, 0] * body.active, body.active.astype(float)
    spread = np.zeros(len(order))
    for joint in reversed(order):
        parent = body.parents[joint]
        if parent >= 0 and body.active[joint]:
            total[parent] += total[joint]
            count[parent] += count[joint]
            bone = float(np.linalg.norm(body.places[joint] - body.places[parent]))
            spread[parent] = max(spread[parent], spread[joint] + bone)
    means = total / np.maximum(count, 1)
    sides = [side_of(label) for label in body.labels]
    for joint in order:
        parent = int(body.parents[joint])
        above = sides[parent] if parent >= 0 and joint != body.trunk else 0
        aside = abs(body.places[joint, 0]) > MIDDLE * body.size or abs(means[joint]) > ASIDE * spread[joint] + 1e-9
        if not sides[joint] and (above or aside):
            sides[joint] = above or int(np.sign(means[joint]))
    return sides


def _reaches(body: Body) -> Float[np.ndarray, " joints"]:
    """Length of the longest way down from each joint's parent, through it."""
    reach = np.zeros(len(body.parents))
    for joint in reversed(body.order()):
        parent = body.parents[joint]
        if parent >= 0 and body.active[joint]:
            reach[joint] += np.linalg.norm(body.places[joint] - body.places[parent]) + 1e-6
            reach[parent] = max(reach[parent], reach[joint])
    return reach


def _limb(body: Body, chain: list[int], above: int, side: int, weight: int) -> Limb:
    places = body.places[chain] / body.size
    lowest = -body.hip_height / body.size
    height = float(np.ptp(body.places[body.active, 1])) / body.size
    grounded = bool(side != 0 and places[:, 1].min() < lowest + GROUNDED * height)
    length = float(np.linalg.norm(np.diff(places, axis=0), axis=-1).sum())
    part = _part(body, chain, above, side, grounded, places)
    return Limb(tuple(chain), above, side, part, grounded, places[0], places[-1], length, weight)


def _part(
    body: Body, chain: list[int], above: int, side: int, grounded: bool, places: Float[np.ndarray, "chain 3"]
) -> str:
    """Legs are what stands; else what most names say; else by place."""
    told = [part for part in (part_of(body.labels[joint]) for joint in chain) if part]
    most = max(set(told), key=told.count) if told else ""
    if grounded and most not in ("wing", "finger", "tail", "jaw"):
        return "leg"
    if most:
        return "trunk" if side == 0 and most in ("leg", "arm") else most
    if side != 0:
        return "arm"
    return "tail" if above < 0 and places[-1, 2] < min(places[0, 2], 0) - 0.05 else "trunk"
