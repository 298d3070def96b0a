"""Which limbs stand on the ground, and when: end joints that are low and slow, whatever the creature."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from mocapcli.filters.smooth import low_pass
from mocapcli.filters.travel import body_joint, descendants
from mocapcli.kinematics import rest_world
from mocapcli.types import Skeleton

SEEN_HERTZ = 6.0  # noise above says nothing of whether a foot stands
LONGEST_GAP, SHORTEST_STAND = 0.07, 0.1  # seconds
SLOW = 0.1  # rig heights a second: always slow

Places = Float[np.ndarray, "frames joints 3"]


@dataclass(frozen=True, eq=False)
class Foot:
    """A limb from its top joint to the end joint that is put down, with the leaves it stands on."""

    chain: tuple[int, ...]  # top … end; the end keeps its world rotation
    leaves: tuple[int, ...]

    def point(self, places: Places) -> Float[np.ndarray, "frames 3"]:
        """What stands: the middle of its leaves."""
        return np.asarray(places[:, list(self.leaves)].mean(axis=1))


@dataclass(frozen=True)
class Stand:
    """A foot on the ground from the first to the last frame, both included."""

    first: int
    last: int


def rig_height(skeleton: Skeleton) -> float:
    """Size of what stands up: the larger of the rest pose's height and half its longest side."""
    extent = np.ptp(rest_world(skeleton)[:, :3, 3], axis=0)
    height = float(max(extent[1], extent.max() / 2))
    return height if height > 1e-9 else 1.0


def ground_height(places: Places, leaves: list[int]) -> float:
    """Height on which leaves rest: as low as the lowest of them usually gets."""
    lows = np.percentile(places[:, leaves, 1], 5, axis=0)
    return float(np.min(lows)) if len(lows) else 0.0


def find_feet(
    skeleton: Skeleton, places: Places, height: float, deforms: Bool[np.ndarray, " joints"] | None = None
) -> list[Foot]:
    """Limbs with all their leaves coming near the ground; two leaves of one foot make one.

    Limbs of which no joint `deforms` are controls, and none.
    """
    children = skeleton.children
    leaves = [joint for joint in range(skeleton.joints) if not children[joint]]
    shown = np.ones(skeleton.joints, dtype=bool) if deforms is None else deforms
    # Controls may hang below the floor. A toe's tip moves no flesh either, but its toe does.
    fleshy = [leaf for leaf in leaves if shown[leaf] or (skeleton.parents[leaf] >= 0 and shown[skeleton.parents[leaf]])]
    level = ground_height(places, fleshy or leaves)
    low = np.percentile(places[..., 1], 5, axis=0) - level < height * rig_height(skeleton)
    only_low = np.array(low)  # every leaf below is low
    for joint in range(skeleton.joints - 1, -1, -1):
        if children[joint]:
            only_low[joint] = all(only_low[child] for child in children[joint])
    trunk = _ancestors(skeleton, body_joint(skeleton))
    only_low[list(trunk)] = False
    tops = [j for j in np.flatnonzero(only_low) if skeleton.parents[j] >= 0 and not only_low[skeleton.parents[j]]]
    feet = [_foot(skeleton, int(top)) for top in tops]
    return [foot for foot in feet if len(foot.chain) > 1 and shown[list(foot.chain)].any()]


def _ancestors(skeleton: Skeleton, joint: int) -> set[int]:
    found = set()
    while joint >= 0:
        found.add(joint)
        joint = int(skeleton.parents[joint])
    return found


def _foot(skeleton: Skeleton, top: int) -> Foot:
    """From the top down while there is one way to go, along the branch with most below where there are several."""
    children, counts = skeleton.children, descendants(skeleton)
    chain = [top]
    while len(children[chain[-1]]) == 1:
        chain.append(children[chain[-1]][0])
    if children[chain[-1]] and len(chain) == 1:  # it branches at once: follow the longest
        while children[chain[-1]]:
            chain.append(max(children[chain[-1]], key=lambda child: int(counts[child])))
    leaves = [joint for joint in _below(children, chain[-1]) if not children[joint]]
    if not children[chain[-1]] and len(chain) > 3:  # a toe's tip: the joint before it keeps its world rotation
        chain.pop()
    return Foot(tuple(chain), tuple(leaves))


def _below(children: list[list[int]], joint: int) -> list[int]:
    found = [joint]
    for each in found:
        found.extend(children[each])
    return found


def find_stands(
    point: Float[np.ndarray, "frames 3"], fps: float, height: float, speed: float, rig: float
) -> list[Stand]:
    """When a foot stands: near its own lowest level and slower than `speed` of its fastest. `rig`: the rig's height."""
    if len(point) < 3:
        return []
    calm = low_pass(point[:, None], fps, SEEN_HERTZ)[:, 0]
    speeds = np.linalg.norm(np.gradient(calm, axis=0), axis=-1) * fps
    low = calm[:, 1] < np.percentile(calm[:, 1], 5) + height * rig
    slow = speeds < max(speed * float(np.percentile(speeds, 95)), SLOW * rig)
    return _runs(low & slow, round(LONGEST_GAP * fps), max(round(SHORTEST_STAND * fps), 2))


def _runs(standing: Bool[np.ndarray, " frames"], gap: int, shortest: int) -> list[Stand]:
    """Runs of frames, short gaps bridged and short runs left out."""
    edges: Int[np.ndarray, " edges"] = np.flatnonzero(np.diff(np.r_[0, standing.astype(np.int8), 0]))
    stands: list[Stand] = []
    for first, last in zip(edges[::2].tolist(), (edges[1::2] - 1).tolist(), strict=True):
        if stands and first - stands[-1].last - 1 <= gap:
            stands[-1] = Stand(stands[-1].first, last)
        else:
            stands.append(Stand(first, last))
    return [stand for stand in stands if stand.last - stand.first + 1 >= shortest]
