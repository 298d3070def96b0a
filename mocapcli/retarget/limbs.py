"""Which limb of one body is which limb of another: by side, part, direction, place and length."""

import numpy as np
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment

from mocapcli.retarget.body import Body, Limb

WORST = 1.1  # cost above which two limbs are strangers
NEVER = 1e3
# How unlike two parts are; what is not listed never matches.
UNLIKE = {frozenset(("leg", "arm")): 0.3, frozenset(("arm", "wing")): 0.3, frozenset(("leg", "wing")): 0.8}


def match_limbs(source: Body, target: Body) -> dict[int, int]:
    """Target limb to source limb: those of trunk and spine first, then those that grow from matched ones."""
    pairs: dict[int, int] = {}
    spines = _spine(source), _spine(target)
    if min(spines) >= 0:
        pairs[spines[1]] = spines[0]
    _assign(source, target, _major(source, spines[0]), _major(target, spines[1]), pairs)
    for number in range(len(target.limbs)):
        if number in pairs:
            grown = [n for n, limb in enumerate(target.limbs) if limb.above == number and n not in pairs]
            theirs = [n for n, limb in enumerate(source.limbs) if limb.above == pairs[number]]
            _assign(source, target, [n for n in theirs if n not in pairs.values()], grown, pairs)
    return pairs


def _spine(body: Body) -> int:
    """The middle limb from the trunk joint with most on it, tails aside."""
    found = [n for n, limb in enumerate(body.limbs) if limb.above < 0 and limb.side == 0 and limb.part != "tail"]
    return max(found, key=lambda number: body.limbs[number].weight, default=-1)


def _major(body: Body, spine: int) -> list[int]:
    return [n for n, limb in enumerate(body.limbs) if limb.above in (-1, spine) and n != spine]


def _assign(source: Body, target: Body, theirs: list[int], ours: list[int], pairs: dict[int, int]) -> None:
    """The cheapest pairing of two sets of limbs, added to `pairs`."""
    if not theirs or not ours:
        return
    costs = np.array([[_cost(source, target, source.limbs[s], target.limbs[t]) for s in theirs] for t in ours])
    for row, column in zip(*linear_sum_assignment(np.minimum(costs, WORST)), strict=True):
        if costs[row, column] < WORST:
            pairs[ours[row]] = theirs[column]


def _cost(source: Body, target: Body, one: Limb, other: Limb) -> float:
    if one.side != other.side:
        return NEVER
    unlike = 0.0 if one.part == other.part else UNLIKE.get(frozenset((one.part, other.part)), NEVER)
    turned = 0.4 * (1 - float(one.direction @ other.direction))
    apart = 0.8 * float(np.linalg.norm(_placed(source, one) - _placed(target, other)))
    longer = 0.1 * abs(float(np.log((one.length + 0.02) / (other.length + 0.02))))
    return unlike + turned + apart + longer


def _placed(body: Body, limb: Limb) -> Float[np.ndarray, " 3"]:
    """Where a limb starts within the extent of the torso, so that a long tail or a long face changes nothing."""
    spine = _spine(body)
    marks = [body.limbs[number].start for number in _major(body, spine)]
    marks += [np.zeros(3), body.limbs[spine].start] if spine >= 0 else [np.zeros(3)]
    extent = np.maximum(np.ptp(np.array(marks), axis=0), 0.3)
    return np.asarray(limb.start * np.array([0.0, 0.5, 1.0]) / extent)
