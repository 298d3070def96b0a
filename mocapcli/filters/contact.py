"""Feet that stand stay where they stand, and nothing but their limbs moves for it.

For every foot and every time it stands, its point is held at the middle of where it was, at the foot's usual height
above the ground (or its own, on a step). The limb reaches there by two turns in closed form, whatever its number of
joints: the joint farthest out bends or stretches it to the right length, the top joint swings it into place; the
foot keeps its turn in the world. Before and after, what was shifted fades out.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from mocapcli.filters.chain import check_rig
from mocapcli.filters.feet import Foot, Stand, find_feet, find_stands, rig_height
from mocapcli.kinematics import continuous, matrix_to_quat, motion_world, polar
from mocapcli.types import Motion, Rig, Skeleton

STEP = 0.03  # of the rig's height: a stand this much off the foot's usual level is on a step of its own
STRETCH = 0.9995  # of a limb's full length, the most it is stretched: beyond, knees snap

Rows = Float[np.ndarray, "frames 3"]
World = Float[np.ndarray, "frames joints 4 4"]


def lock_contacts(motion: Motion, rig: Rig, height: float = 0.06, speed: float = 0.25, blend: float = 0.12) -> Motion:
    """The motion with its standing feet at rest."""
    check_rig(motion, rig)
    if motion.frames < 3:
        return motion
    skeleton = rig.skeleton
    world = motion_world(skeleton, motion)
    size = rig_height(skeleton)
    rotations = np.array(motion.rotations)
    for foot in find_feet(skeleton, world[..., :3, 3], max(2 * height, 0.1), rig.deforms):
        point = foot.point(world[..., :3, 3])
        stands = find_stands(point, motion.fps, height, speed, size)
        if stands:
            shifts = _shifts(point, stands, max(round(blend * motion.fps), 1), STEP * size)
            _reach(skeleton, world, foot, shifts, rotations)
    if (rotations == motion.rotations).all():
        return motion
    return replace(motion, rotations=continuous(rotations))


def _shifts(point: Rows, stands: list[Stand], fade: int, step: float) -> Rows:
    """Where the foot is to go, relative to where it is: still while it stands, eased in and out around."""
    usual = float(np.median(np.concatenate([point[s.first : s.last + 1, 1] for s in stands])))
    shifts = np.zeros_like(point)
    frames = np.arange(len(point))
    for stand in stands:
        inside = slice(stand.first, stand.last + 1)
        place = np.median(point[inside], axis=0)
        if abs(place[1] - usual) < step:
            place[1] = usual
        away = np.zeros_like(point)
        away[inside] = place - point[inside]
        away[: stand.first] = away[stand.first]
        away[stand.last + 1 :] = away[stand.last]
        far = np.maximum(np.maximum(stand.first - frames, frames - stand.last), 0)
        rest = np.clip(1 - far / (fade + 1), 0, 1)[:, None]
        shifts += away * rest * rest * (3 - 2 * rest) * _free(stands, stand, frames)[:, None]
    return shifts


def _free(stands: list[Stand], own: Stand, frames: np.ndarray) -> Float[np.ndarray, " frames"]:
    """Zero while the foot stands elsewhere, so that two stands never pull at once, and less on the way there."""
    free = np.ones(len(frames))
    for other in stands:
        if other is not own:
            gap = max(other.first - own.last, own.first - other.last, 1)
            far = np.maximum(np.maximum(other.first - frames, frames - other.last), 0)
            free = np.minimum(free, np.clip(2 * far / gap, 0, 1))
    return free


def _reach(
    skeleton: Skeleton, world: World, foot: Foot, shifts: Rows, rotations: Float[np.ndarray, "frames joints 4"]
) -> None:
    """Local rotations of the limb, written in place, that carry its end by `shifts`."""
    moved = np.abs(shifts).max(axis=-1) > 1e-12
    if not moved.any():
        return
    chain = list(foot.chain)
    turns = polar(world[moved][..., :3, :3])[0]
    places = world[moved][..., :3, 3][:, chain]
    knee = _knee(places)
    bend, swing = _two_turns(places[:, 0], places[:, knee], places[:, -1], places[:, -1] + shifts[moved])
    parents = skeleton.parents[chain]
    top, end = chain[0], chain[-1]
    above = turns[:, parents[0]] if parents[0] >= 0 else np.broadcast_to(np.eye(3), bend.shape)
    _put(rotations, moved, top, _transposed(above) @ swing @ turns[:, top])
    if knee > 0:
        _put(rotations, moved, chain[knee], _transposed(turns[:, parents[knee]]) @ bend @ turns[:, chain[knee]])
    if knee > 0 or end != top:
        before = swing @ bend @ turns[:, parents[-1]]
        _put(rotations, moved, end, _transposed(before) @ turns[:, end])


def _put(
    rotations: Float[np.ndarray, "frames joints 4"], frames: np.ndarray, joint: int, turns: Float[np.ndarray, "_ 3 3"]
) -> None:
    rotations[frames, joint] = matrix_to_quat(turns)


def _transposed(turns: np.ndarray) -> np.ndarray:
    return np.swapaxes(turns, -1, -2)


def _knee(places: Float[np.ndarray, "frames chain 3"]) -> int:
    """The joint of a limb that lies farthest off the line from its top to its end, or halfway; 0: there is none."""
    if places.shape[1] < 3:
        return 0
    line = _unit(places[:, -1] - places[:, 0])
    away = places[:, 1:-1] - places[:, :1]
    off = np.linalg.norm(away - (away * line[:, None]).sum(-1, keepdims=True) * line[:, None], axis=-1).mean(axis=0)
    if off.max() > 1e-3 * np.linalg.norm(away, axis=-1).max():
        return 1 + int(np.argmax(off))
    bones = np.linalg.norm(np.diff(places, axis=1), axis=-1).mean(axis=0)
    return 1 + int(np.argmin(np.abs(np.cumsum(bones)[:-1] - bones.sum() / 2)))


def _two_turns(
    top: Rows, knee: Rows, end: Rows, goal: Rows
) -> tuple[Float[np.ndarray, "frames 3 3"], Float[np.ndarray, "frames 3 3"]]:
    """World turns: of the lower part about the knee to the right length, then of the whole about the top."""
    upper, lower = knee - top, end - knee
    a, b = np.linalg.norm(upper, axis=-1), np.linalg.norm(lower, axis=-1)
    wanted = np.clip(np.linalg.norm(goal - top, axis=-1), np.abs(a - b) / STRETCH + 1e-9, (a + b) * STRETCH)
    axis = _hinge(upper, lower)
    now = np.arctan2((np.cross(upper, lower) * axis).sum(-1), (upper * lower).sum(-1))
    # The angle between the parts from the triangle's sides, the way it bends already.
    cosine = np.clip((wanted**2 - a**2 - b**2) / np.maximum(2 * a * b, 1e-12), -1, 1)
    bend = np.where(np.minimum(a, b) > 1e-9, np.arccos(cosine) - now, 0.0)
    turn = Rotation.from_rotvec(axis * bend[:, None])
    swing = _between(upper + turn.apply(lower), goal - top)
    return turn.as_matrix(), swing.as_matrix()


def _hinge(upper: Rows, lower: Rows) -> Rows:
    """The axis the knee bends about; where the limb is straight, the one it has when it bends most."""
    normals = np.cross(upper, lower)
    sizes = np.linalg.norm(normals, axis=-1)
    scale = np.maximum(np.linalg.norm(upper, axis=-1) * np.linalg.norm(lower, axis=-1), 1e-12)
    clearest = normals[int(np.argmax(sizes / scale))]
    straight = sizes < 1e-4 * scale
    spare = clearest if np.linalg.norm(clearest) > 1e-9 else np.array([1.0, 0.0, 0.0])
    axis = np.where(
        straight[:, None], spare - upper * ((spare * upper).sum(-1) / (upper**2).sum(-1).clip(1e-12))[:, None], normals
    )
    return _unit(axis)


def _between(first: Rows, second: Rows) -> Rotation:
    """The shortest turns from one direction to another."""
    one, two = _unit(first), _unit(second)
    cross = np.cross(one, two)
    sine, cosine = np.linalg.norm(cross, axis=-1), (one * two).sum(-1)
    angle = np.arctan2(sine, cosine)
    return Rotation.from_rotvec(cross * (angle / np.maximum(sine, 1e-12))[:, None])


def _unit(vectors: Rows) -> Rows:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12))
