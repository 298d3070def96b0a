"""A body plan: limbs as chains of points with radii, who hangs on whom, and what else covers them.

Plans are drawn in one shared space: facing +Z, up +Y, left +X, ground at Y = 0.
"""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from scipy.interpolate import PchipInterpolator

Surface = Literal["blob", "tube", "bare"]
Tint = Literal["skin", "accent", "horn", "membrane", "dark", "eye"]
Number = float | int
Owner = tuple[int, int]  # (limb, joint along it)
Points = Float[np.ndarray, "points 3"]

MIRROR = np.array([-1.0, 1.0, 1.0])
ROUND = (1.0, 1.0, 1.0)


@dataclass(frozen=True, eq=False)
class Limb:
    """A chain of joints; the last point is the tip of its last bone."""

    role: str
    points: Float[np.ndarray, "points 3"]
    radii: Float[np.ndarray, " points"]
    parent: int = -1  # limb it hangs on
    joint: int = 0  # joint of that limb
    side: int = 0  # +1 left, -1 right
    row: int = 0  # which one of its kind: front to back, or thumb to little finger
    surface: Surface = "blob"
    scale: tuple[Number, Number, Number] = ROUND  # flattens the cross-section
    tint: Tint = "skin"
    blend: Number = 0.6  # width of the fillet where it grows out, in radii

    @property
    def joints(self) -> int:
        return len(self.points) - 1


@dataclass(frozen=True, eq=False)
class Lump:
    """Extra flesh: a tapered capsule stretched by `scale`."""

    owner: Owner
    start: Float[np.ndarray, " 3"]
    end: Float[np.ndarray, " 3"]
    radii: tuple[Number, Number]
    scale: tuple[Number, Number, Number] = ROUND
    blend: Number = 0.6


@dataclass(frozen=True, eq=False)
class Ball:
    """An eye (with a pupil along `gaze`) or another small sphere."""

    owner: Owner
    centre: Float[np.ndarray, " 3"]
    radius: Number
    gaze: Float[np.ndarray, " 3"]
    tint: Tint = "eye"


@dataclass(frozen=True, eq=False)
class Spike:
    """A closed tapered tube fixed to one joint: horn, claw, tooth, beak, dorsal spike."""

    owner: Owner
    points: Float[np.ndarray, "points 3"]
    radii: Float[np.ndarray, " points"]
    tint: Tint = "horn"
    scale: tuple[Number, Number, Number] = ROUND


@dataclass(frozen=True, eq=False)
class Sheet:
    """A thin two-sided surface through rows of points, moved by the bones of the limbs named."""

    rows: Float[np.ndarray, "rows columns 3"]
    limbs: tuple[int, ...]
    tint: Tint = "membrane"


@dataclass
class Plan:
    """Everything a creature is before it has joints, skin and motion."""

    kind: str
    limbs: list[Limb] = field(default_factory=list)
    lumps: list[Lump] = field(default_factory=list)
    balls: list[Ball] = field(default_factory=list)
    spikes: list[Spike] = field(default_factory=list)
    sheets: list[Sheet] = field(default_factory=list)

    def limb(
        self, role: str, points: Points, radii: Float[np.ndarray, " points"], parent: int = -1, **more: object
    ) -> int:
        """Add a limb; `joint=-1` hangs it on the parent's last joint."""
        limb = Limb(role, points, radii, parent, **more)  # type: ignore[arg-type]
        if parent >= 0 and limb.joint < 0:
            limb = Limb(role, points, radii, parent, **{**more, "joint": self.limbs[parent].joints + limb.joint})  # type: ignore[arg-type]
        self.limbs.append(limb)
        return len(self.limbs) - 1

    def pair(
        self,
        role: str,
        points: Points,
        radii: Float[np.ndarray, " points"],
        parents: int | tuple[int, int],
        **more: object,
    ) -> tuple[int, int]:
        """A left limb and its mirror image."""
        left, right = parents if isinstance(parents, tuple) else (parents, parents)
        first = self.limb(role, points, radii, left, side=1, **more)
        return first, self.limb(role, points * MIRROR, radii.copy(), right, side=-1, **more)

    def lump(
        self,
        owner: Owner,
        start: Float[np.ndarray, " 3"],
        end: Float[np.ndarray, " 3"],
        radii: tuple[Number, Number],
        scale: tuple[Number, Number, Number] = ROUND,
        blend: Number = 0.6,
    ) -> None:
        self.lumps.append(Lump(owner, start, end, radii, scale, blend))

    def eyes(
        self, owner: Owner, centre: Float[np.ndarray, " 3"], radius: Number, gaze: Float[np.ndarray, " 3"]
    ) -> None:
        gaze = gaze / np.linalg.norm(gaze)
        self.balls.append(Ball(owner, centre, radius, gaze))
        self.balls.append(Ball(owner, centre * MIRROR, radius, gaze * MIRROR))

    def dot(self, owner: Owner, centre: Float[np.ndarray, " 3"], radius: Number) -> None:
        """A small dark ball on both sides: nostril, ear hole."""
        for mirror in (np.ones(3), MIRROR):
            self.balls.append(Ball(owner, centre * mirror, radius, np.array([0.0, 0.0, 1.0]), "dark"))

    def spike(
        self,
        owner: Owner,
        points: Points,
        radii: Float[np.ndarray, " points"],
        tint: Tint = "horn",
        scale: tuple[Number, Number, Number] = ROUND,
        both: bool = False,
    ) -> None:
        self.spikes.append(Spike(owner, points, radii, tint, scale))
        if both:
            self.spikes.append(Spike(owner, points * MIRROR, radii, tint, scale))

    def with_role(self, *roles: str) -> list[int]:
        return [number for number, limb in enumerate(self.limbs) if limb.role in roles]

    def only(self, numbers: list[int]) -> "Plan":
        """The plan with these limbs alone, and what is fixed to them."""
        place = {old: new for new, old in enumerate(numbers)}

        def moved(parts: list[Any]) -> list[Any]:
            return [replace(p, owner=(place[p.owner[0]], p.owner[1])) for p in parts if p.owner[0] in place]

        limbs = [replace(self.limbs[n], parent=place.get(self.limbs[n].parent, -1)) for n in numbers]
        sheets = [
            replace(sheet, limbs=tuple(place[n] for n in sheet.limbs))
            for sheet in self.sheets
            if place.keys() >= set(sheet.limbs)
        ]
        return Plan(self.kind, limbs, moved(self.lumps), moved(self.balls), moved(self.spikes), sheets)


def lopsided(plan: Plan, rng: np.random.Generator) -> Plan:
    """Now and then a creature has lost an ear, a feeler, a finger or a tentacle on one side."""
    loose = [
        number
        for number, limb in enumerate(plan.limbs)
        if limb.role in ("ear", "feeler", "finger", "tentacle") and limb.side
    ]
    if not loose or rng.random() > 0.12:
        return plan
    lost = loose[int(rng.integers(len(loose)))]
    return plan.only([number for number in range(len(plan.limbs)) if number != lost])


def vec(x: Number, y: Number, z: Number) -> Float[np.ndarray, " 3"]:
    return np.array([x, y, z], dtype=np.float64)


def chain(control: list[np.ndarray], joints: int) -> Points:
    """`joints + 1` points evenly along a smooth curve through the control points."""
    knots = np.array(control, dtype=np.float64)
    lengths = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(knots, axis=0), axis=1))])
    curve = PchipInterpolator(lengths, knots, axis=0)
    return np.asarray(curve(np.linspace(0.0, lengths[-1], joints + 1)), dtype=np.float64)


def profile(values: list[float], joints: int) -> Float[np.ndarray, " points"]:
    """Radii at `joints + 1` points from a few evenly spaced ones."""
    knots = np.linspace(0.0, 1.0, len(values))
    if len(values) < 3:
        return np.interp(np.linspace(0.0, 1.0, joints + 1), knots, values)
    return np.asarray(PchipInterpolator(knots, values)(np.linspace(0.0, 1.0, joints + 1)), dtype=np.float64)
