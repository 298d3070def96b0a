"""What the tests of retargeting share: creatures, people of sticks, and where their joints go."""

from functools import lru_cache

import numpy as np

from mocapcli.kinematics import joint_positions
from mocapcli.retarget.api import RetargetOptions, retarget
from mocapcli.types import Asset, Motion, Skeleton
from mocapcli.zoo import make_creature

IDENTITY = np.array([0.0, 0, 0, 1.0])


@lru_cache
def creature(kind: str, seed: int = 1, axes: str | None = None) -> Asset:
    asset = make_creature(seed, kind, axes)  # type: ignore[arg-type]
    return asset.with_motions(asset.motions[:1])


def moved(source: Asset, target: Asset, **options) -> tuple[Motion, np.ndarray]:
    result, _ = retarget(source, target, RetargetOptions(**options))
    return result.motions[0], joint_positions(result.rig.skeleton, result.motions[0])


def stick(joints: list[tuple[str, int, tuple[float, float, float]]], detached: tuple[str, ...] = ()) -> Skeleton:
    """A skeleton without rotations from names, parents and world places; `detached` joints become roots."""
    places = np.array([place for _, _, place in joints], dtype=float)
    parents = np.array([-1 if name in detached else parent for name, parent, _ in joints])
    local = places - np.where(parents[:, None] >= 0, places[parents], 0.0)
    return Skeleton(tuple(name for name, _, _ in joints), parents, local, np.tile(IDENTITY, (len(joints), 1)))


def person(arms: float = 0.0, names: str = "{}", scale: float = 1.0) -> Skeleton:
    """A stick figure; its arms hang by so many radians from straight out."""
    out, down = np.cos(arms), -np.sin(arms)
    joints: list[tuple[str, int, tuple[float, float, float]]] = [
        ("Hips", -1, (0, 1.0, 0)),
        ("Spine", 0, (0, 1.2, 0)),
        ("Head", 1, (0, 1.6, 0)),
    ]
    for side, sign in (("Left", 1), ("Right", -1)):
        first = len(joints)
        shoulder = np.array([0.2 * sign, 1.5, 0])
        for number, part in enumerate(("Arm", "ForeArm", "Hand")):
            place = shoulder + 0.3 * number * np.array([sign * out, down, 0])
            joints.append((side + part, 1 if number == 0 else first + number - 1, tuple(place)))
        first = len(joints)
        for number, part in enumerate(("UpLeg", "Leg", "Foot", "Toe")):
            place = (0.1 * sign, (0.95, 0.5, 0.05, 0.0)[number], (0, 0.02, 0, 0.15)[number])
            joints.append((side + part, 0 if number == 0 else first + number - 1, place))
    named = [(names.format(name), parent, tuple(scale * c for c in place)) for name, parent, place in joints]
    return stick(named)
