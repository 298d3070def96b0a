"""The observed joints and the bones between them: sizes, and places for joints that nobody observed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from mocapcli.kinematics import depth_levels

Points = Float[np.ndarray, "frames joints 3"]
STEADY = 0.1  # spread of a distance, relative to it, below which what lies between is taken for rigid
STRAIGHT = 0.97  # share of the way along the bones that the straight line between their ends has where they are in line
SHORTEST = 1e-3  # of the rig's size: shorter bones say nothing of proportions
WIDEST = 4.0  # factor by which one bone's proportion may differ from the whole's


@dataclass(frozen=True)
class Chain:
    """From an observed joint's nearest observed ancestor to itself: the bones between, by their lower joints."""

    above: int
    below: int
    bones: tuple[int, ...]
    rig_length: float
    length: float  # the same in the tracks
    rigid: (
        bool  # the two lengths measure the same thing; else a limb's full length and the farthest it was seen to reach
    )


def find_chains(
    points: Points, parents: Int[np.ndarray, " joints"], pose: Float[np.ndarray, "joints 3"]
) -> list[Chain]:
    """Chains whose two ends are seen together in some frame."""
    seen = np.isfinite(points[..., 0])
    tracked = seen.any(axis=0)
    shortest = SHORTEST * float(np.linalg.norm(np.ptp(pose, axis=0)))
    chains = []
    for joint in np.flatnonzero(tracked):
        bones, above = [int(joint)], int(parents[joint])
        while above >= 0 and not tracked[above]:
            bones.append(above)
            above = int(parents[above])
        both = seen[:, joint] & seen[:, above] if above >= 0 else np.zeros(len(seen), dtype=bool)
        if both.any():
            distances = np.linalg.norm(points[both, joint] - points[both, above], axis=-1)
            chain = _chain(above, int(joint), tuple(bones), distances, parents, pose)
            if min(chain.rig_length, chain.length) > 0 and chain.rig_length > shortest:
                chains.append(chain)
    return chains


def _chain(
    above: int,
    below: int,
    bones: tuple[int, ...],
    distances: Float[np.ndarray, " frames"],
    parents: Int[np.ndarray, " joints"],
    pose: Float[np.ndarray, "joints 3"],
) -> Chain:
    """One bone has one length; several in line that keep their distance are as good as one; others are a limb."""
    straight = float(np.linalg.norm(pose[below] - pose[above]))
    along = sum(float(np.linalg.norm(pose[bone] - pose[parents[bone]])) for bone in bones)
    low, middle, high = np.percentile(distances, (5, 50, 95))
    steady = high - low < STEADY * middle and straight > STRAIGHT * along
    if len(bones) == 1 or steady:
        return Chain(above, below, bones, straight, float(middle), True)
    return Chain(above, below, bones, max(along, straight), float(high), False)


def uniform_scale(chains: Sequence[Chain], points: Points, pose: Float[np.ndarray, "joints 3"]) -> float | None:
    """The rig's size over the subject's: the median over chains, long ones counting more."""
    rigid = [chain for chain in chains if chain.rigid]
    if rigid:
        ratios = np.array([chain.rig_length / chain.length for chain in rigid])
        order = np.argsort(ratios)
        weights = np.cumsum(np.array([chain.rig_length for chain in rigid])[order])
        return float(ratios[order][np.searchsorted(weights, weights[-1] / 2)])
    # Only ends of limbs, as of the four feet: how far they are from each other.
    spreads: list[float] = []
    for frame in points:
        seen = np.isfinite(frame[:, 0])
        spread = np.linalg.norm(frame[seen] - frame[seen].mean(axis=0)) if seen.sum() > 1 else 0.0
        if spread > 0:
            spreads.append(float(np.linalg.norm(pose[seen] - pose[seen].mean(axis=0)) / spread))
    return float(np.median(spreads)) if spreads and np.median(spreads) > 0 else None


def proportions(chains: Sequence[Chain], scale: float, joints: int) -> Float[np.ndarray, " joints"]:
    """How much longer the subject's bones are than the rig's, after scaling; 1 where nothing tells."""
    logs, counts = np.zeros(joints), np.zeros(joints)
    for chain in chains:
        ratio = np.log(np.clip(chain.length * scale / chain.rig_length, 1 / WIDEST, WIDEST))
        if not chain.rigid:
            ratio = max(ratio, 0.0)  # a limb never seen stretched need not be short
        for bone in chain.bones:
            logs[bone] += ratio
            counts[bone] += 1
    return np.asarray(np.exp(logs / np.maximum(counts, 1)))


def bridge_gaps(points: Points, longest: int) -> Points:
    """Straight lines over gaps of up to `longest` frames; longer ones, and those at the ends, stay open."""
    out = np.array(points)
    for joint in range(points.shape[1]):
        seen = np.flatnonzero(np.isfinite(points[:, joint, 0]))
        gaps = np.flatnonzero((np.diff(seen) > 1) & (np.diff(seen) <= longest + 1))
        for first, last in zip(seen[gaps], seen[gaps + 1], strict=True):
            share = np.arange(1, last - first)[:, None] / (last - first)
            out[first + 1 : last, joint] = (1 - share) * points[first, joint] + share * points[last, joint]
    return out


def place_missing(points: Points, parents: Int[np.ndarray, " joints"], bones: Points, guess: Points) -> Points:
    """Joints that were not seen, where the bones put them: least squares on the tree, exact in two passes.

    Of every joint neither seen nor connected to one that is, `guess`.
    """
    seen = np.isfinite(points[..., 0])
    # Weight and weighted mean of what is known of a joint from itself and from below.
    weight = np.where(seen, 1e6, 1e-9)
    total = weight[..., None] * np.where(seen[..., None], points, guess)
    levels = depth_levels(parents)
    for level in reversed(levels[1:]):
        above, known = parents[level], weight[:, level]
        passed = known / (known + 1)
        mean = total[:, level] / known[..., None] - bones[:, level]
        for place, parent in enumerate(above):
            weight[:, parent] += passed[:, place]
            total[:, parent] += passed[:, place, None] * mean[:, place]
    out = total / weight[..., None]
    for level in levels[1:]:
        expected = out[:, parents[level]] + bones[:, level]
        known = weight[:, level, None]
        out[:, level] = (total[:, level] + expected) / (known + 1)
    return np.where(seen[..., None], points, out)
