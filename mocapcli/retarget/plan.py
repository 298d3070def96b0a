"""For every joint of the target who drives it, and how that was found: told, by name, by topology, or nobody."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from mocapcli.retarget.body import Body, Limb
from mocapcli.retarget.limbs import match_limbs
from mocapcli.retarget.words import is_generic, words_of
from mocapcli.retarget_names import match_joints

Reason = Literal["told", "name", "topology", ""]
SAME_RIG = 0.8  # part of the joints with a namesake from which even `Bone.003` means something
SOFT = ("trunk", "tail", "wing", "ear")  # what bends as one; knees and elbows stay where they are


@dataclass(frozen=True)
class Driver:
    """The source joints that turn a target joint: `second` counts by `share`, `first` by the rest."""

    first: int
    second: int
    share: float
    reason: Reason


@dataclass(frozen=True, eq=False)
class Plan:
    """Who drives whom, between two bodies."""

    source: Body
    target: Body
    drivers: tuple[Driver | None, ...]
    limbs: dict[int, int]  # target limb to source limb

    def by(self, reason: Reason) -> list[int]:
        return [j for j, driver in enumerate(self.drivers) if (driver.reason if driver else "") == reason]

    def names_of(self, joint: int) -> str:
        """The drivers as people read them: `Tail2 62 % + Tail3 38 %`."""
        driver = self.drivers[joint]
        if driver is None:
            return ""
        names = self.source.skeleton.names
        if driver.share < 0.005:
            return names[driver.first]
        return f"{names[driver.first]} {1 - driver.share:.0%} + {names[driver.second]} {driver.share:.0%}"


def make_plan(source: Body, target: Body, told: dict[int, int] | None = None, by_name: bool = True) -> Plan:
    """Pairs told (target joint to source joint, -1 for nobody) before names before topology."""
    drivers: list[Driver | None] = [None] * target.skeleton.joints
    limbs = match_limbs(source, target)
    for number, other in limbs.items():
        _drive_limb(source, target, source.limbs[other], target.limbs[number], limbs, drivers)
    drivers[target.trunk] = Driver(source.trunk, source.trunk, 0.0, "topology")
    if by_name:
        for joint, namesake in _namesakes(source, target).items():
            drivers[joint] = Driver(namesake, namesake, 0.0, "name")
    for joint, driver in (told or {}).items():
        drivers[joint] = Driver(driver, driver, 0.0, "told") if driver >= 0 else None
    return Plan(source, target, tuple(drivers), limbs)


def _namesakes(source: Body, target: Body) -> dict[int, int]:
    """Joints of one name, unless the name means nothing or they are on different sides."""
    match = match_joints(source.skeleton.names, target.skeleton.names)
    same = match.matched >= SAME_RIG * min(target.active.sum(), source.skeleton.joints)
    found = {}
    for joint in np.flatnonzero(match.sources >= 0).tolist():
        other = int(match.sources[joint])
        here, there = target.places[joint, 0] / target.size, source.places[other, 0] / source.size
        opposite = here * there < 0 and min(abs(here), abs(there)) > 0.05
        if not opposite and (same or not is_generic(target.skeleton.names[joint])):
            found[joint] = other
    return found


def _drive_limb(
    source: Body, target: Body, one: Limb, other: Limb, limbs: dict[int, int], drivers: list[Driver | None]
) -> None:
    ours, theirs = other.joints, one.joints
    if len(ours) == len(theirs):
        for joint, driver in zip(ours, theirs, strict=True):
            drivers[joint] = Driver(driver, driver, 0.0, "topology")
    elif other.part in SOFT and one.part in SOFT and len(theirs) > 1:
        for joint, (first, second, share) in zip(ours, _spread(source, target, one, other, limbs), strict=True):
            drivers[joint] = Driver(first, second, share, "topology")
    else:
        for joint, driver in zip(ours, _align(source, target, one, other), strict=True):
            drivers[joint] = Driver(driver, driver, 0.0, "topology")


def _spread(
    source: Body, target: Body, one: Limb, other: Limb, limbs: dict[int, int]
) -> Iterable[tuple[int, int, float]]:
    """Along the arc: each bone turns like the place on the other limb that its middle corresponds to."""
    marks = _landmarks(source, target, one, other, limbs)
    middles = _middles(source, one)
    for place in np.interp(_middles(target, other), marks[1], marks[0]):
        above = int(np.clip(np.searchsorted(middles, place), 1, len(middles) - 1))
        gap = middles[above] - middles[above - 1]
        share = float(np.clip((place - middles[above - 1]) / gap, 0, 1)) if gap > 1e-9 else 1.0
        yield one.joints[above - 1], one.joints[above], share


def _landmarks(
    source: Body, target: Body, one: Limb, other: Limb, limbs: dict[int, int]
) -> Float[np.ndarray, "2 marks"]:
    """Places along both limbs that correspond: ends, heads, and where matched limbs grow from them."""
    arcs = _arcs(source, one), _arcs(target, other)
    pairs = [(0.0, 0.0), (1.0, 1.0)]
    heads = [[n for n, j in enumerate(limb.joints) if "head" in words_of(body.skeleton.names[j])]
             for body, limb in ((source, one), (target, other))]  # fmt: skip
    if heads[0] and heads[1]:
        pairs.append((arcs[0][heads[0][0]], arcs[1][heads[1][0]]))
    grown = []
    for number, match in limbs.items():
        joints = target.parents[target.limbs[number].joints[0]], source.parents[source.limbs[match].joints[0]]
        if target.limbs[number].part in ("leg", "arm") and joints[0] in other.joints and joints[1] in one.joints:
            grown.append((arcs[0][one.joints.index(int(joints[1]))], arcs[1][other.joints.index(int(joints[0]))]))
    if grown:
        pairs.append(tuple(np.mean(grown, axis=0)))
    marks = np.array(sorted(pairs)).T
    return np.maximum.accumulate(marks + 1e-6 * np.arange(marks.shape[1]), axis=1)


def _arcs(body: Body, limb: Limb) -> Float[np.ndarray, " joints"]:
    """Where joints lie along a limb, 0 to 1."""
    bones = np.linalg.norm(np.diff(body.places[list(limb.joints)], axis=0), axis=-1)
    arcs = np.r_[0.0, np.cumsum(bones)]
    return arcs / arcs[-1] if arcs[-1] > 1e-9 else np.linspace(0, 1, len(arcs))


def _middles(body: Body, limb: Limb) -> Float[np.ndarray, " joints"]:
    """Middle of the bone below each joint; the last has none and counts as the end."""
    arcs = _arcs(body, limb)
    return np.r_[(arcs[1:] + arcs[:-1]) / 2, 1.0]


def bone_directions(body: Body, joints: tuple[int, ...]) -> Float[np.ndarray, "bones 3"]:
    """Unit bones from each joint to the next, in the body's axes; the last goes on like the one before."""
    ways = np.diff(body.places[list(joints)], axis=0)
    ways = np.concatenate([ways, ways[-1:] if len(ways) else np.zeros((1, 3))])
    return np.asarray(ways / np.maximum(np.linalg.norm(ways, axis=-1, keepdims=True), 1e-12))


def _align(source: Body, target: Body, one: Limb, other: Limb) -> list[int]:
    """Joint by joint in order, by place along the limb, direction at rest and words in common; cheapest overall."""
    places = np.abs(_middles(target, other)[:, None] - _middles(source, one)[None])
    turned = 1 - bone_directions(target, other.joints) @ bone_directions(source, one.joints).T
    words = np.array([[_in_common(target.skeleton.names[t], source.skeleton.names[s]) for s in one.joints]
                      for t in other.joints])  # fmt: skip
    costs = places + 0.2 * turned - 0.3 * words
    best, back = costs.copy(), np.zeros(costs.shape, dtype=int)
    for row in range(1, len(costs)):
        for column in range(costs.shape[1]):
            steps = best[row - 1, : column + 1].copy()
            steps[column] += 0.15  # the same joint twice
            back[row, column] = int(np.argmin(steps))
            best[row, column] += steps[back[row, column]]
    column = int(np.argmin(best[-1]))
    chosen = [column]
    for row in range(len(costs) - 1, 0, -1):
        column = int(back[row, column])
        chosen.append(column)
    return [one.joints[column] for column in reversed(chosen)]


def _in_common(one: str, other: str) -> float:
    words = {word for word in words_of(one) if len(word) > 2 and not word.isdigit()}
    common = words & set(words_of(other)) - {"left", "right", "front", "back", "leg", "wing", "bone"}
    return 1.0 if common else 0.0
