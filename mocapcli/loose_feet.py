"""Feet that hang on the root, or on nothing, so that inverse kinematics can let them stand still: whose are they?

In many rigs a foot is no child of its leg: the shin merely ends where the foot is, and their flesh is one. A clip made
by an animator moves both. A pose of turns alone, as one invents or captures it, would tear the foot off.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Int

from mocapcli.kinematics import (
    ancestry,
    inverse_affine,
    matrix_to_quat,
    motion_world,
    polar,
    quat_to_matrix,
    rest_world,
)
from mocapcli.types import Mesh, Motion, Rig, Skeleton

ONE_FLESH = 4  # edges of the surface, at the least, that run from a leg to its foot
HIGH_UP = 2  # joints from the root to such a foot, both counted, at the most
SAME_PLACE = 1e-4  # of the mesh's extent: vertices so near are one, where a texture's seam has doubled them


def legs_of_feet(rig: Rig) -> Int[np.ndarray, " joints"]:
    """For each joint the one at whose tip it sits though it hangs elsewhere; -1 where it hangs where it should."""
    skeleton = rig.skeleton
    legs = np.full(skeleton.joints, -1)
    if rig.mesh is None or not len(rig.mesh.faces):
        return legs
    touching, above = _touching(rig.mesh, skeleton.joints), ancestry(skeleton.parents)
    depth = above.sum(1)
    fleshy: Bool[np.ndarray, " joints"] = np.asarray(touching.any(1))
    ends = (above & fleshy[:, None]).sum(0) - fleshy == 0  # nothing below it has flesh
    for foot in np.flatnonzero(fleshy & (depth <= HIGH_UP)):
        parent = skeleton.parents[foot]
        if parent >= 0 and touching[foot, parent]:
            continue
        edges = touching[above[:, foot]].sum(0) * ~(above[:, foot] | above[foot])
        others = np.flatnonzero(edges >= ONE_FLESH)
        if len(others) == 1 and ends[others[0]] and depth[others[0]] > HIGH_UP:
            legs[foot] = others[0]
    return _without_circles(legs, skeleton.parents)


def _without_circles(
    legs: Int[np.ndarray, " joints"], parents: Int[np.ndarray, " joints"]
) -> Int[np.ndarray, " joints"]:
    """Two limbs that end in each other, as of an arch that is rigged from both ends, are nobody's feet."""
    carriers, rounds = np.where(legs >= 0, legs, parents), list[int]()
    for foot in np.flatnonzero(legs >= 0):
        above = int(legs[foot])
        for _ in range(len(parents)):
            above = int(carriers[above]) if above not in (-1, foot) else above
        rounds += [int(foot)] if above == foot else []
    legs[rounds] = -1
    return legs


def feet_on_legs(
    world: Float[np.ndarray, "frames joints 4 4"],
    known: Float[np.ndarray, "joints 4 4"],
    parents: Int[np.ndarray, " joints"],
    legs: Int[np.ndarray, " joints"] | None,
) -> Float[np.ndarray, "frames joints 4 4"]:
    """The same turns with every loose foot where its leg ends, as in a `known` pose, and what hangs on it along."""
    if legs is None or (legs < 0).all():
        return world
    below, placed = ancestry(parents).T, world.copy()
    places = placed[..., :3, 3]
    for foot in np.flatnonzero(legs >= 0):
        leg = legs[foot]
        tip = placed[:, leg] @ (inverse_affine(known[leg]) @ known[foot])[:, 3]
        places[:, below[foot]] += (tip[:, :3] - places[:, foot])[:, None]
    return placed


def motion_on_legs(motion: Motion, skeleton: Skeleton, legs: Int[np.ndarray, " joints"]) -> Motion:
    """The same for a clip of turns: loose feet travel."""
    feet = np.flatnonzero(legs >= 0)
    if not len(feet):
        return motion
    world = feet_on_legs(motion_world(skeleton, motion), rest_world(skeleton), skeleton.parents, legs)
    translations, parents = motion.translations.copy(), skeleton.parents
    for foot in feet:
        parent = parents[foot]
        local = world[:, foot] if parent < 0 else inverse_affine(world[:, parent]) @ world[:, foot]
        translations[:, foot] = local[:, :3, 3]
    return replace(motion, translations=translations)


def feet_turned(
    world: Float[np.ndarray, "frames joints 4"],
    known: Bool[np.ndarray, " joints"],
    skeleton: Skeleton,
    legs: Int[np.ndarray, " joints"],
) -> tuple[Float[np.ndarray, "frames joints 4"], Bool[np.ndarray, " joints"]]:
    """World turns in which feet that nothing is known of hold to their legs as at rest; and what is known then."""
    feet = np.flatnonzero((legs >= 0) & ~known & known[legs])
    rest = polar(rest_world(skeleton)[:, :3, :3])[0]
    held = np.swapaxes(rest[legs[feet]], -1, -2) @ rest[feet]
    turned, found = world.copy(), known.copy()
    turned[:, feet] = matrix_to_quat(quat_to_matrix(world[:, legs[feet]]) @ held)
    found[feet] = True
    return turned, found


def strongest_joints(mesh: Mesh) -> Int[np.ndarray, " vertices"]:
    """The joint with most weight on each vertex (-1: fixed in the world)."""
    if not len(mesh.vertices):
        return np.zeros(0, np.int32)
    strongest = mesh.skin_weights.argmax(axis=1)
    found: np.ndarray = mesh.bind_joints[mesh.skin_indices[np.arange(len(strongest)), strongest]]
    return found


def _touching(mesh: Mesh, joints: int) -> Int[np.ndarray, "joints joints"]:
    """How many edges run between two joints' flesh."""
    owner = strongest_joints(mesh)
    step = max(float(np.ptp(mesh.vertices, axis=0).max()), 1e-12) * SAME_PLACE
    place = np.unique(np.round(mesh.vertices / step).astype(np.int64), axis=0, return_inverse=True)[1].ravel()
    order = np.argsort(place, kind="stable")
    doubled = place[order[1:]] == place[order[:-1]]
    corners = mesh.faces
    pairs = [corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]]
    pairs.append(np.stack([order[1:], order[:-1]], axis=1)[doubled])
    ends = owner[np.concatenate(pairs)]
    ends = ends[(ends >= 0).all(1) & (ends[:, 0] != ends[:, 1])]
    counts = np.zeros((joints, joints), int)
    np.add.at(counts, (ends[:, 0], ends[:, 1]), 1)
    return counts + counts.T
