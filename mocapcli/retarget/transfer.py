"""The motion itself: each driven joint turns in the world as its driver turns away from rest.

G_t = F · D_s · Fᵀ · A · G_t^rest, with D_s the driver's world turn away from its rest pose, F the turn from one
body's axes to the other's, and A what lines the target's limb up with the source's at rest. The trunk joint travels
as the source's does, by the ratio of hip heights; other joints keep their distance to their parents.
"""

from dataclasses import replace
from typing import Literal

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from mocapcli.kinematics import (
    continuous,
    inverse_affine,
    matrix_to_quat,
    motion_world,
    polar,
    quat_to_matrix,
    rest_world,
    slerp,
)
from mocapcli.retarget.body import Body
from mocapcli.retarget.plan import Plan, bone_directions
from mocapcli.retarget_names import Match, slides
from mocapcli.types import Motion

Rest = Literal["align", "keep"]
ALIGNED = ("arm", "wing")  # limbs that rest poses hold anyhow; legs, trunks and tails stand as their rig stands
UNTOLD = 0.2  # of the size: a root resting at the origin but moving this high says nothing by its rest place

Turns = Float[np.ndarray, "frames joints 3 3"]


def transfer_plan(motion: Motion, plan: Plan, rest: Rest = "align") -> Motion:
    """The motion of the plan's source on its target."""
    source, target = plan.source, plan.target
    skeleton = target.skeleton
    world = motion_world(source.skeleton, replace(motion, scales=None))
    turns = _driven_turns(
        plan, world, alignment(plan) if rest == "align" else np.tile(np.eye(3), (skeleton.joints, 1, 1))
    )
    ratio = height_ratio(plan)
    ways = _ways(plan, motion, world, ratio)
    slid = _slid(plan, motion) * ratio
    posed = _pose(plan, turns, ways, slid)
    lift = _foot_lift(plan, world, posed, ratio, _untold(plan, motion))
    if lift:
        ways[target.trunk] = ways[target.trunk] + np.array([0.0, lift, 0.0])
        posed = _pose(plan, turns, ways, slid)
    return _locals(plan, motion, posed)


def height_ratio(plan: Plan) -> float:
    """Of the two bodies: by the height of their hips where both stand, else by size."""
    legs = [number for number in plan.limbs if plan.target.limbs[number].grounded]
    heights = plan.target.hip_height, plan.source.hip_height
    if legs and min(heights) > 1e-9:
        return heights[0] / heights[1]
    return plan.target.size / plan.source.size


def alignment(plan: Plan) -> Float[np.ndarray, "joints 3 3"]:
    """World turns that bring arms and wings of the target's rest pose to where the source's are at rest."""
    found = np.tile(np.eye(3), (plan.target.skeleton.joints, 1, 1))
    to_target = plan.target.axes.T
    for number, other in plan.limbs.items():
        limb, driver = plan.target.limbs[number], plan.source.limbs[other]
        if limb.part not in ALIGNED or driver.part not in ALIGNED:
            continue
        ours = bone_directions(plan.target, limb.joints)
        theirs = bone_directions(plan.source, driver.joints)
        if len(ours) != len(theirs):  # the limb as a whole, keeping its own bends
            ours = np.broadcast_to(limb.direction, ours.shape)
            theirs = np.broadcast_to(driver.direction, ours.shape)
        swings = _swings(ours @ to_target.T, theirs @ to_target.T)
        found[list(limb.joints)] = swings
        for joint in _grown(plan.target, limb.joints):
            found[joint] = found[plan.target.parents[joint]]
    return found


def _grown(body: Body, joints: tuple[int, ...]) -> list[int]:
    """What hangs on these joints, parents first, themselves aside."""
    inside = set(joints)
    found = []
    for joint in body.order():
        if int(body.parents[joint]) in inside and joint not in inside:
            inside.add(joint)
            found.append(joint)
    return found


def _swings(ours: Float[np.ndarray, "bones 3"], theirs: Float[np.ndarray, "bones 3"]) -> Float[np.ndarray, "bones 3 3"]:
    cross, cosine = np.cross(ours, theirs), (ours * theirs).sum(axis=-1)
    sine = np.linalg.norm(cross, axis=-1)
    angle = np.arctan2(sine, cosine)
    opposite = (sine < 1e-9) & (cosine < 0)
    axis = np.where(opposite[:, None], _across(ours), cross / np.maximum(sine, 1e-12)[:, None])
    return np.asarray(Rotation.from_rotvec(axis * angle[:, None]).as_matrix())


def _across(ways: Float[np.ndarray, "bones 3"]) -> Float[np.ndarray, "bones 3"]:
    """Axes at right angles to them, upright as far as can be."""
    aside = np.where(np.abs(ways[:, 1:2]) < 0.9, [0.0, 1.0, 0.0], [0.0, 0.0, 1.0])
    aside = aside - (aside * ways).sum(axis=-1, keepdims=True) * ways
    return np.asarray(aside / np.maximum(np.linalg.norm(aside, axis=-1, keepdims=True), 1e-12))


def _driven_turns(
    plan: Plan, world: Float[np.ndarray, "frames source 4 4"], align: Float[np.ndarray, "joints 3 3"]
) -> dict[int, Float[np.ndarray, "frames 3 3"]]:
    """World rotations of every driven joint."""
    source_rest = rest_world(plan.source.skeleton)[:, :3, :3]
    target_rest = rest_world(plan.target.skeleton)[:, :3, :3]
    turn = plan.target.axes.T @ plan.source.axes
    away = matrix_to_quat(polar(world[..., :3, :3])[0] @ np.swapaxes(source_rest, -1, -2))
    found = {}
    for joint, driver in enumerate(plan.drivers):
        if driver is not None:
            share = np.full((1, 1), driver.share)
            mixed = (
                slerp(away[:, driver.first], away[:, driver.second], share) if driver.share else away[:, driver.first]
            )
            found[joint] = turn @ quat_to_matrix(mixed) @ turn.T @ align[joint] @ target_rest[joint]
    return found


def _ways(
    plan: Plan, motion: Motion, world: Float[np.ndarray, "frames source 4 4"], ratio: float
) -> dict[int, Float[np.ndarray, "frames 3"]]:
    """World places of the target's trunk joint and of those above it that have a driver."""
    source, target = plan.source, plan.target
    turn = target.axes.T @ source.axes
    rests = rest_world(source.skeleton)[:, :3, 3], rest_world(target.skeleton)[:, :3, 3]
    untold = _untold(plan, motion)
    ways, joint = {}, target.trunk
    while joint >= 0:
        driver = plan.drivers[joint]
        if driver is not None:
            here = world[:, driver.first, :3, 3]
            if untold:
                ways[joint] = here @ turn.T * ratio
            else:
                ways[joint] = rests[1][joint] + (here - rests[0][driver.first]) @ turn.T * ratio
        joint = int(target.parents[joint])
    return ways


def _untold(plan: Plan, motion: Motion) -> bool:
    """Whether the source rests at the origin and moves at hip height, as many BVH files do."""
    roots = plan.source.skeleton.roots
    typical = np.median(np.abs(motion.translations[:, roots, 1]))
    resting = not plan.source.skeleton.rest_translations[roots].any()
    return bool(resting and typical > UNTOLD * plan.source.size)


def _slid(plan: Plan, motion: Motion) -> Float[np.ndarray, "frames joints 3"]:
    """How joints with a namesake slide against their parents, which must be namesakes too.

    Feet that were hung on a leg go with it: what they do against their parent in the file is that already.
    """
    sources = np.full(len(plan.drivers), -1)
    for joint, driver in enumerate(plan.drivers):
        if driver is not None and driver.reason in ("name", "told"):
            sources[joint] = driver.first
    facing = np.eye(4)
    facing[:3, :3] = plan.target.axes.T @ plan.source.axes
    rests = facing @ rest_world(plan.source.skeleton), rest_world(plan.target.skeleton)
    slid = slides(plan.source.skeleton, motion, plan.target.skeleton, Match(sources, 0), *rests)
    slid[:, plan.target.parents != plan.target.skeleton.parents] = 0.0
    return slid


def _pose(
    plan: Plan,
    turns: dict[int, Float[np.ndarray, "frames 3 3"]],
    ways: dict[int, Float[np.ndarray, "frames 3"]],
    slid: Float[np.ndarray, "frames joints 3"],
) -> Float[np.ndarray, "frames joints 4 4"]:
    """World matrices of the target: driven rotations, rest offsets, the trunk joint on its way."""
    target = plan.target
    rest = rest_world(target.skeleton)
    back = inverse_affine(rest)
    world = np.tile(np.eye(4), (len(slid), len(rest), 1, 1))
    for joint in target.order():
        parent = int(target.parents[joint])
        if parent >= 0:
            offset = np.broadcast_to(back[parent] @ rest[joint], world[:, joint].shape).copy()
            offset[:, :3, 3] += slid[:, joint]
            world[:, joint] = world[:, parent] @ offset
        else:
            world[:, joint] = rest[joint]
        if joint in turns:
            world[:, joint, :3, :3] = turns[joint]
        if joint in ways:
            world[:, joint, :3, 3] = ways[joint]
    return world


def _foot_lift(
    plan: Plan,
    source_world: Float[np.ndarray, "frames source 4 4"],
    world: Float[np.ndarray, "frames joints 4 4"],
    ratio: float,
    untold: bool,
) -> float:
    """How far up the whole clip must go for its lowest foot to be as high above the ground as the source's."""
    pairs = [(t, s) for t, s in plan.limbs.items() if plan.target.limbs[t].grounded and plan.source.limbs[s].grounded]
    if not pairs:
        return 0.0
    ours = [joint for t, _ in pairs for joint in plan.target.limbs[t].joints]
    theirs = [joint for _, s in pairs for joint in plan.source.limbs[s].joints]
    rests = [
        float(rest_world(body.skeleton)[joints, 1, 3].min())
        for body, joints in ((plan.target, ours), (plan.source, theirs))
    ]
    lowest = float(np.percentile(source_world[:, theirs, 1, 3].min(axis=1), 5))
    above = 0.0 if untold else (lowest - rests[1]) * ratio  # else they stand on the ground when lowest
    return rests[0] + above - float(np.percentile(world[:, ours, 1, 3].min(axis=1), 5))


def _locals(plan: Plan, motion: Motion, world: Float[np.ndarray, "frames joints 4 4"]) -> Motion:
    """Local transforms from world ones, in the file's own hierarchy; what is not driven stays exactly at rest."""
    skeleton = plan.target.skeleton
    rotations = np.tile(skeleton.rest_rotations, (motion.frames, 1, 1))
    translations = np.tile(skeleton.rest_translations, (motion.frames, 1, 1))
    for joint, parent in enumerate(skeleton.parents):
        above = world[:, parent] if parent >= 0 else np.broadcast_to(np.eye(4), (motion.frames, 4, 4))
        back = np.swapaxes(above[:, :3, :3], -1, -2)
        hung = plan.target.parents[joint] != parent
        if plan.drivers[joint] is not None or hung:
            rotations[:, joint] = matrix_to_quat(back @ world[:, joint, :3, :3])
            translations[:, joint] = (back @ (world[:, joint, :3, 3] - above[:, :3, 3])[..., None])[..., 0]
    return Motion(motion.name, motion.fps, continuous(rotations), translations)
