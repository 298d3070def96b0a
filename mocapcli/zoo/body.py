"""A plan with joints: who is whose parent, where every joint sits, and the bones that only riggers want."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from mocapcli.zoo.naming import Label, joint_names
from mocapcli.zoo.plan import Plan

TWISTABLE = ("arm", "leg", "wing")


@dataclass(frozen=True, eq=False)
class Body:
    """The joints of a plan, all frames still aligned with the world."""

    plan: Plan
    names: tuple[str, ...]
    labels: tuple[Label, ...]
    parents: Int[np.ndarray, " joints"]
    heads: Float[np.ndarray, "joints 3"]
    tips: Float[np.ndarray, "joints 3"]  # where the joint's bone ends
    chains: tuple[tuple[int, ...], ...]  # joints of each limb
    twists: tuple[tuple[int, int, int], ...]  # (twist bone, the bone it lies on, the bone it follows)
    targets: tuple[tuple[int, int], ...]  # (IK target bone, limb whose tip it marks)
    ground: int  # joint that carries the path over the ground, or -1

    @property
    def trunk(self) -> int:
        return self.chains[0][0]

    def bone(self, joint: int) -> Float[np.ndarray, " 3"]:
        """Unit vector along the joint's bone."""
        along = self.tips[joint] - self.heads[joint]
        return np.asarray(along / max(float(np.linalg.norm(along)), 1e-9))


class _Growing:
    """Joints as they are added, parents first."""

    def __init__(self) -> None:
        self.labels: list[Label] = []
        self.parents: list[int] = []
        self.heads: list[np.ndarray] = []
        self.tips: list[np.ndarray] = []

    def add(self, label: Label, parent: int, head: np.ndarray, tip: np.ndarray) -> int:
        self.labels.append(label)
        self.parents.append(parent)
        self.heads.append(np.asarray(head, dtype=np.float64))
        self.tips.append(np.asarray(tip, dtype=np.float64))
        return len(self.labels) - 1


def build_body(plan: Plan, rng: np.random.Generator) -> Body:
    """Joints for every limb, and by chance a ground root, end bones, twist bones and IK targets."""
    grow = _Growing()
    ground = -1
    if rng.random() < 0.45:
        ground = grow.add(Label("root", "root", 0, 0, 0, 1), -1, np.zeros(3), np.array([0.0, 0.0, 0.2]))
    use_ends, use_twists, use_targets = rng.random() < 0.4, rng.random() < 0.3, rng.random() < 0.15
    chains: list[list[int]] = [[] for _ in plan.limbs]
    several = any(plan.limbs[n].row for n in plan.with_role("leg"))
    for number in _limb_order(plan, deep=rng.random() < 0.6):
        limb = plan.limbs[number]
        role = "foreleg" if several and limb.role == "leg" and limb.row == 0 else limb.role
        parent = ground if limb.parent < 0 else chains[limb.parent][limb.joint]
        for place in range(limb.joints):
            label = Label("limb", role, limb.side, limb.row, place, limb.joints)
            parent = grow.add(label, parent, limb.points[place], limb.points[place + 1])
            chains[number].append(parent)
        if use_ends and not _continued(plan, number):
            tip = limb.points[-1]
            label = Label("end", limb.role, limb.side, limb.row, limb.joints, limb.joints)
            grow.add(label, parent, tip, tip + 0.3 * (tip - limb.points[-2]))
    twists = _add_twists(plan, chains, grow) if use_twists else []
    targets = _add_targets(plan, ground, chains, grow) if use_targets else []
    return Body(
        plan,
        joint_names(grow.labels, rng),
        tuple(grow.labels),
        np.array(grow.parents),
        np.array(grow.heads),
        np.array(grow.tips),
        tuple(tuple(chain) for chain in chains),
        tuple(twists),
        tuple(targets),
        ground,
    )


def _limb_order(plan: Plan, deep: bool) -> list[int]:
    """Depth first, as most files have it, or in the order they were drawn."""
    if not deep:
        return list(range(len(plan.limbs)))
    order, stack = [], [0]
    while stack:
        number = stack.pop()
        order.append(number)
        stack += [n for n in range(len(plan.limbs) - 1, 0, -1) if plan.limbs[n].parent == number]
    return order


def _continued(plan: Plan, number: int) -> bool:
    """Whether another limb grows from this one's last joint."""
    last = plan.limbs[number].joints - 1
    return any(limb.parent == number and limb.joint == last for limb in plan.limbs)


def _add_twists(plan: Plan, chains: list[list[int]], grow: _Growing) -> list[tuple[int, int, int]]:
    """Half-way bones that take half of the next bone's twist."""
    found = []
    for number, limb in enumerate(plan.limbs):
        if limb.role not in TWISTABLE:
            continue
        followers = (
            chains[number][1:] + [chains[n][0] for n, other in enumerate(plan.limbs) if other.parent == number][:1]
        )
        for place, follower in zip(range(min(limb.joints, 2)), followers, strict=False):
            joint = chains[number][place]
            middle = (limb.points[place] + limb.points[place + 1]) / 2
            label = Label("twist", limb.role, limb.side, limb.row, place, limb.joints)
            found.append((grow.add(label, joint, middle, limb.points[place + 1]), joint, follower))
    return found


def _add_targets(plan: Plan, ground: int, chains: list[list[int]], grow: _Growing) -> list[tuple[int, int]]:
    """IK targets, as riggers leave them in files: they deform nothing and move by translation."""
    parent = ground if ground >= 0 else chains[0][0]
    found = []
    for number, limb in enumerate(plan.limbs):
        if limb.role == "leg" and ground >= 0:
            tip = limb.points[-1]
            label = Label("target", "leg", limb.side, limb.row, 0, 1)
            found.append((grow.add(label, parent, tip, tip + np.array([0.0, 0.0, 0.1])), number))
    return found


def deforming(body: Body) -> Bool[np.ndarray, " joints"]:
    return np.array([label.kind in ("limb", "twist") for label in body.labels])
