"""For every joint of the target who drives it, and how that was found: told, by name, by topology, or nobody."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from mocapcli.retarget.body import Body, Limb
from mocapcli.retarget.limbs import match_limbs
from mocapcli.retarget.words import bones_of, is_generic, words_of
from mocapcli.retarget_names import match_joints

Reason = Literal["told", "name", "topology", ""]
SAME_RIG = 0.8  # part of the joints with a namesake from which even `Bone.003` means something
ODD = 0.4  # how much worse, a joint, one to one must be to be given up
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
    roots = _root(source), _root(target)
    if roots[0] != source.trunk and roots[1] != target.trunk:
        drivers[roots[1]] = Driver(roots[0], roots[0], 0.0, "topology")
    drivers[target.trunk] = Driver(source.trunk, source.trunk, 0.0, "topology")
    if by_name:
        for joint, namesake in _namesakes(source, target).items():
            drivers[joint] = Driver(namesake, namesake, 0.0, "name")
    for joint, driver in (told or {}).items():
        drivers[joint] = Driver(driver, driver, 0.0, "told") if driver >= 0 else None
    return Plan(source, target, tuple(drivers), limbs)


def _root(body: Body) -> int:
    """The root above the trunk joint, or that joint itself."""
    joint = body.trunk
    while body.parents[joint] >= 0:
        joint = int(body.parents[joint])
    return joint


def _namesakes(source: Body, target: Body) -> dict[int, int]:
    """Joints of one name, unless the name means nothing or they are on different sides."""
    match = match_joints(source.skeleton.names, target.skeleton.names)
    same = match.matched >= SAME_RIG * max(target.skeleton.joints, source.skeleton.joints)
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
    soft = other.part in SOFT and one.part in SOFT
    if soft and len(ours) == len(theirs):
        for joint, driver in zip(ours, theirs, strict=True):
            drivers[joint] = Driver(driver, driver, 0.0, "topology")
    elif soft and len(theirs) > 1:
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


def _middles(body: Body, limb: Limb) -> Float[np.ndarray, " joints"]:
    """Where the middle of each joint's bone lies between where the limb is attached and its end."""
    return np.asarray(_bones(_arcs(body.line(limb, attached=True))[1:], limb).mean(axis=1))


def _landmarks(
    source: Body, target: Body, one: Limb, other: Limb, limbs: dict[int, int]
) -> Float[np.ndarray, "2 marks"]:
    """Places along both limbs that correspond: ends, heads, and where matched legs and arms grow from them."""
    pairs = [(0.0, 0.0), (1.0, 1.0)]
    heads = [_head(body, limb) for body, limb in ((source, one), (target, other))]
    if min(heads) >= 0:
        pairs.append((heads[0], heads[1]))
    grown = [
        (_beside(source, one, source.limbs[match]), _beside(target, other, target.limbs[number]))
        for number, match in limbs.items()
        if target.limbs[number].part in ("leg", "arm")
        and target.limbs[target.limbs[number].above] is other
        and source.limbs[source.limbs[match].above] is one
        and min(target.limbs[number].above, source.limbs[match].above) >= 0
    ]
    if grown:
        here, there = np.mean(grown, axis=0)
        pairs.append((float(here), float(there)))
    marks = np.array(sorted(pairs)).T
    return np.asarray(np.maximum.accumulate(marks + 1e-6 * np.arange(marks.shape[1]), axis=1))


def _head(body: Body, limb: Limb) -> float:
    """Where on a limb the head is, by its name; -1 where there is none."""
    places = [n for n, joint in enumerate(limb.joints) if "head" in words_of(body.labels[joint])]
    return float(_arcs(body.line(limb, attached=True))[1 + places[0]]) if places else -1.0


def _beside(body: Body, limb: Limb, grown: Limb) -> float:
    """Where on a limb another one begins: the place nearest to it, whichever joint it hangs on."""
    line, arcs = body.line(limb, attached=True), _arcs(body.line(limb, attached=True))
    share = np.linspace(0, 1, 9)[:, None, None]
    points = (line[:-1] * (1 - share) + line[1:] * share).reshape(-1, 3)
    where = (arcs[:-1] * (1 - share[..., 0]) + arcs[1:] * share[..., 0]).ravel()
    away = (points - body.places[grown.joints[0]]) * np.array([0.0, 1.0, 1.0])
    return float(where[int(np.argmin(np.linalg.norm(away, axis=-1)))])


def _arcs(line: Float[np.ndarray, "points 3"]) -> Float[np.ndarray, " points"]:
    """Where points lie along a line, 0 to 1."""
    arcs = np.r_[0.0, np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=-1))]
    return np.asarray(arcs / arcs[-1] if arcs[-1] > 1e-9 else np.linspace(0, 1, len(arcs)))


def _bones(places: Float[np.ndarray, " points"], limb: Limb) -> Float[np.ndarray, "joints 2"]:
    """From where to where the bone of each joint goes; a last joint without a tip has none and stays a point."""
    count = len(limb.joints)
    ends = np.r_[places[1:count], places[count] if len(places) > count else places[-1]]
    return np.stack([places[:count], ends], axis=1)


def bone_directions(body: Body, joints: tuple[int, ...]) -> Float[np.ndarray, "bones 3"]:
    """Unit bones from each joint to the next, in the body's axes; the last goes on like the one before."""
    ways = np.diff(body.places[list(joints)], axis=0)
    ways = np.concatenate([ways, ways[-1:] if len(ways) else np.zeros((1, 3))])
    return np.asarray(ways / np.maximum(np.linalg.norm(ways, axis=-1, keepdims=True), 1e-12))


def _align(source: Body, target: Body, one: Limb, other: Limb) -> list[int]:
    """Joint by joint in order: by what part of the limb a bone is, its direction at rest and words in common."""
    ours, theirs = _extents(target, other), _extents(source, one)
    shared = np.minimum(ours[:, None, 1], theirs[None, :, 1]) - np.maximum(ours[:, None, 0], theirs[None, :, 0])
    either = np.maximum(ours[:, None, 1], theirs[None, :, 1]) - np.minimum(ours[:, None, 0], theirs[None, :, 0])
    apart = 1 - np.maximum(shared, 0) / np.maximum(either, 1e-9)
    apart = 0.5 * apart + np.abs(ours.mean(axis=1)[:, None] - theirs.mean(axis=1)[None])
    turned = 1 - bone_directions(target, other.joints) @ bone_directions(source, one.joints).T
    names, their_names = target.labels, source.labels
    words = np.array([[bool(bones_of(names[t]) & bones_of(their_names[s])) for s in one.joints] for t in other.joints])
    costs = apart + 0.4 * turned - 0.3 * words
    columns = _cheapest(costs)
    if len(ours) == len(theirs):  # as many joints are most likely the same ones, whatever their lengths
        rows = np.arange(len(ours))
        columns = columns if (costs[rows, rows] - costs[rows, columns]).mean() > ODD else rows.tolist()
    return [one.joints[column] for column in columns]


def _extents(body: Body, limb: Limb) -> Float[np.ndarray, "joints 2"]:
    """From where to where each bone goes: legs by height, so that girdles hardly count, others along the limb."""
    line = body.line(limb)
    height = float(np.ptp(line[:, 1]))
    places = (line[:, 1].max() - line[:, 1]) / height if limb.grounded and height > 1e-9 else _arcs(line)
    return np.sort(_bones(places, limb), axis=1)


def _cheapest(costs: Float[np.ndarray, "rows columns"]) -> list[int]:
    """A column for every row, never going back; the same twice, and leaving one out, costs a little."""
    columns = np.arange(costs.shape[1])
    best, back = costs.copy(), np.zeros(costs.shape, dtype=int)
    best[0] += 0.08 * columns
    for row in range(1, len(costs)):
        steps = columns[None] - columns[:, None]  # [from, to]
        moves = np.where(steps < 0, np.inf, np.where(steps == 0, 0.25, 0.08 * (steps - 1)))
        totals = best[row - 1][:, None] + moves
        back[row] = np.argmin(totals, axis=0)
        best[row] += np.min(totals, axis=0)
    chosen = [int(np.argmin(best[-1]))]
    for row in range(len(costs) - 1, 0, -1):
        chosen.append(int(back[row, chosen[-1]]))
    return chosen[::-1]
