"""Smooth skin weights that follow the chain: a left thigh never pulls the right one."""

import numpy as np
from jaxtyping import Bool, Float, Int

from mocapcli.zoo.body import Body
from mocapcli.zoo.plan import Number
from mocapcli.zoo.surface import Capsule


def flesh_weights(
    vertices: Float[np.ndarray, "vertices 3"],
    capsules: list[Capsule],
    owners: list[int],
    parents: Int[np.ndarray, " joints"],
    softness: Number = 0.0,
    related_only: bool = True,
) -> Float[np.ndarray, "vertices joints"]:
    """Weights by distance to each joint's flesh, fading over a quarter of its radius (or `softness` metres)."""
    joints = sorted(set(owners))
    distance = np.full((len(vertices), len(joints)), np.inf)
    girth = np.zeros(len(joints))
    for capsule, owner in zip(capsules, owners, strict=True):
        column = joints.index(owner)
        distance[:, column] = np.minimum(distance[:, column], capsule.distance(vertices))
        girth[column] = max(girth[column], max(capsule.radii) * float(capsule.scale.min()))
    nearest = distance.argmin(axis=1)
    excess = distance - distance.min(axis=1, keepdims=True)
    width = np.maximum(0.28 * np.minimum(girth[nearest][:, None], girth[None, :]), max(softness, 1e-4))
    weights = np.exp(-excess / width)
    if related_only:
        weights *= related(parents)[np.ix_(joints, joints)][nearest]
    full = np.zeros((len(vertices), len(parents)))
    full[:, joints] = weights / weights.sum(axis=1, keepdims=True)
    return full


def related(parents: Int[np.ndarray, " joints"], reach: int = 2) -> Bool[np.ndarray, "joints joints"]:
    """Pairs where one is the other, or its ancestor within `reach` steps."""
    near = np.eye(len(parents), dtype=bool)
    for joint in range(len(parents)):
        above = joint
        for _ in range(reach):
            above = int(parents[above])
            if above < 0:
                break
            near[joint, above] = near[above, joint] = True
    return near


def split_twists(
    weights: Float[np.ndarray, "vertices joints"], vertices: Float[np.ndarray, "vertices 3"], body: Body
) -> Float[np.ndarray, "vertices joints"]:
    """The far half of a bone's flesh handed over to its twist bone."""
    weights = weights.copy()
    for twist, joint, _ in body.twists:
        along = body.tips[joint] - body.heads[joint]
        part = np.clip((vertices - body.heads[joint]) @ along / max(float(along @ along), 1e-12), 0.0, 1.0)
        share = np.clip((part - 0.25) / 0.5, 0.0, 1.0)
        share = share * share * (3 - 2 * share)
        weights[:, twist] += weights[:, joint] * share
        weights[:, joint] *= 1 - share
    return weights


def limit_influences(
    weights: Float[np.ndarray, "vertices joints"], count: int
) -> tuple[Int[np.ndarray, "vertices {count}"], Float[np.ndarray, "vertices {count}"]]:
    """The strongest few, normalised; unused places name joint 0 with weight 0."""
    padded = np.pad(weights, ((0, 0), (0, max(count - weights.shape[1], 0))))
    order = np.argsort(-padded, axis=1, kind="stable")[:, :count]
    strong = np.take_along_axis(padded, order, axis=1)
    strong = np.where(strong < 0.02 * strong[:, :1], 0.0, strong)
    strong /= strong.sum(axis=1, keepdims=True)
    return np.where(strong > 0, order, 0), strong
