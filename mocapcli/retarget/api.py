"""Clips of one asset on the rig of another, and what was matched."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mocapcli.errors import InvalidDataError
from mocapcli.retarget.body import read_body
from mocapcli.retarget.plan import Plan, make_plan
from mocapcli.retarget.transfer import Rest, height_ratio, transfer_plan
from mocapcli.types import Asset, Rig

LEAST = 0.34  # part of the joints that should be driven, below which a note says that the rigs have little in common


@dataclass(frozen=True)
class RetargetOptions:
    """What the command line can ask of a retargeting."""

    told: tuple[str, ...] = ()  # JOINT=SOURCE, JOINT= for nobody, or files of such pairs
    rest: Rest = "align"
    names: bool = True  # match by name before topology


@dataclass(frozen=True)
class RetargetReport:
    """How the joints of the target were matched."""

    joints: int
    told: int
    by_name: int
    by_topology: int
    at_rest: tuple[str, ...]  # active joints that nobody drives
    idle: tuple[str, ...]  # active joints of the source that drive nobody
    scale: float
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        told = f"{self.told} told, " if self.told else ""
        return (
            f"{told}{self.by_name} joints matched by name, {self.by_topology} by topology, {len(self.at_rest)} at rest"
        )


def propose(source: Rig, target: Rig, options: RetargetOptions | None = None) -> Plan:
    """Who would drive whom."""
    options = options or RetargetOptions()
    told = _told(source, target, options.told)
    return make_plan(read_body(source), read_body(target), told, options.names)


def retarget(source: Asset, target: Asset, options: RetargetOptions | None = None) -> tuple[Asset, RetargetReport]:
    """Every clip of `source` on the rig of `target`, which loses its own clips."""
    options = options or RetargetOptions()
    if not source.motions:
        raise InvalidDataError("it has no clips to move to another rig")
    plan = propose(source.rig, target.rig, options)
    clips = [transfer_plan(motion, plan, options.rest) for motion in source.motions]
    scaled = [motion.name for motion in source.motions if motion.scales is not None]
    notes = [f"scales are left out of clip {', '.join(map(repr, scaled[:3]))}"] if scaled else []
    return target.with_motions(clips), report_of(plan, notes)


def report_of(plan: Plan, notes: Sequence[str] = ()) -> RetargetReport:
    """What was matched, in numbers and names."""
    used = {joint for driver in plan.drivers if driver for joint in (driver.first, driver.second)}
    rest = [j for j in plan.by("") if plan.target.active[j]]
    idle = [j for j in np.flatnonzero(plan.source.active).tolist() if j not in used]
    counts = len(plan.by("told")), len(plan.by("name")), len(plan.by("topology"))
    if sum(counts) < LEAST * plan.target.active.sum():
        notes = [*notes, "the two rigs have little in common: most joints stay at rest (see --list and --map)"]
    names, theirs = plan.target.skeleton.names, plan.source.skeleton.names
    return RetargetReport(
        len(names),
        *counts,
        tuple(names[joint] for joint in rest),
        tuple(theirs[joint] for joint in idle),
        height_ratio(plan),
        tuple(notes),
    )


def _told(source: Rig, target: Rig, told: Sequence[str]) -> dict[int, int]:
    """Pairs as `mocap solve --map` takes them; one source joint each."""
    if not told:
        return {}
    from mocapcli.solving.mapping import map_joints

    mapping = map_joints(target.skeleton.names, source.skeleton.names, told)
    found = {}
    for joint, (places, reason) in enumerate(zip(mapping.sources, mapping.reasons, strict=True)):
        if reason != "told":
            continue
        if len(places) > 1:
            name = target.skeleton.names[joint]
            raise InvalidDataError(f"joint {name!r} can follow one joint only, not {len(places)}")
        found[joint] = places[0] if places else -1
    return found
