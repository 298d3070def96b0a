"""A clip that repeats without a seam: cut where it repeats best, then bent together at both ends.

The last frame is the first one again, as players expect. What travels does so on: the loop's end is its beginning
moved along (and, in a bend, turned) by a *stride*, the horizontal way of the body over the cut; `root=in-place`
takes that way out. Each joint gets half of what is missing at either end, in value and in speed, fading out
smoothly within `blend` seconds.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation

from mocapcli.filters.chain import check_rig
from mocapcli.filters.travel import HORIZONTAL, carrier, in_place, rig_size, travellers
from mocapcli.kinematics import continuous, motion_world
from mocapcli.types import Motion, Rig, Skeleton

MOST = 400  # frames compared with each other
BEND = np.radians(20)  # a body that ends up turned by more than this walks a bend; by less, it walks askew
AS_GOOD = 5e-3  # of the rig's size
SPEED_SECONDS = 0.1  # how much of speed counts beside place

Rows = Float[np.ndarray, "frames 3"]


@dataclass(frozen=True)
class Stride:
    """What a turn of the loop adds: a turn about the vertical, then a way."""

    yaw: float = 0.0
    way: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def turn(self) -> Rotation:
        return Rotation.from_rotvec([0.0, self.yaw, 0.0])


def make_loop(
    motion: Motion, rig: Rig, root: str = "drift", shortest: float = 0.5, blend: float = 0.4, search: bool = True
) -> Motion:
    """The motion, or its best part, closed to a loop."""
    check_rig(motion, rig)
    if root == "in-place":
        motion = in_place(motion, rig)
    if motion.frames < 3:
        return motion
    if search:
        first, last = _best_cut(motion, rig, shortest)
        motion = _frames(motion, first, last)
    return _close(motion, rig, Stride() if root == "in-place" else _stride(motion, rig.skeleton), blend)


def _best_cut(motion: Motion, rig: Rig, shortest: float) -> tuple[int, int]:
    """First and last frame that look and move most alike, the way and the facing aside; the whole clip if as good."""
    step = -(-motion.frames // MOST)
    looks = _looks(motion, rig)[::step]
    count = len(looks)
    costs = cdist(looks, looks)
    far = max(int(np.ceil(shortest * (motion.frames - 1) / step)), 2)
    allowed = np.triu(np.ones((count, count), dtype=bool), min(far, count - 1))
    # Longer is better where two cuts are about as good.
    costs = np.where(allowed, costs * (1.1 - 0.1 * np.subtract.outer(np.arange(count), np.arange(count)) / -count), 1e9)
    first, last = np.unravel_index(int(np.argmin(costs)), costs.shape)
    if costs[0, -1] <= 1.05 * costs[first, last] + AS_GOOD:
        return 0, motion.frames - 1
    return int(first) * step, int(last) * step


def _looks(motion: Motion, rig: Rig) -> Float[np.ndarray, "frames features"]:
    """Joint places and speeds seen from the body, relative to the rig's size; root mean square over joints."""
    world = motion_world(rig.skeleton, motion)
    body = carrier(rig.skeleton, motion)
    places = world[..., :3, 3] - (world[:, body, :3, 3] * HORIZONTAL)[:, None]
    back = Rotation.from_rotvec(-_yaws(world[:, body, :3, :3])[:, None] * np.array([0.0, 1.0, 0.0]))
    places = np.einsum("fab,fjb->fja", back.as_matrix(), places)
    ways = np.gradient(world[:, body, :3, 3] * HORIZONTAL, axis=0, edge_order=2)[:, None]
    speeds = np.gradient(places, axis=0, edge_order=2) * motion.fps
    travel = np.einsum("fab,fjb->fja", back.as_matrix(), ways) * motion.fps
    features = [places, speeds * SPEED_SECONDS, travel * SPEED_SECONDS * np.sqrt(rig.skeleton.joints)]
    scale = rig_size(rig.skeleton) * np.sqrt(rig.skeleton.joints)
    return np.asarray(np.concatenate([part.reshape(motion.frames, -1) for part in features], axis=1) / scale)


def _yaws(rotations: Float[np.ndarray, "frames 3 3"]) -> Float[np.ndarray, " frames"]:
    """Turns about the vertical since the first frame: the part of the rotation that is about Y."""
    turns = Rotation.from_matrix(rotations @ rotations[0].T).as_quat()
    return np.asarray(2 * np.unwrap(np.arctan2(turns[:, 1], turns[:, 3]), period=np.pi))


def _stride(motion: Motion, skeleton: Skeleton) -> Stride:
    world = motion_world(skeleton, motion)[[0, -1], carrier(skeleton, motion)]
    yaw = float(_yaws(world[:, :3, :3])[-1])
    yaw = (yaw + np.pi) % (2 * np.pi) - np.pi if abs(yaw) > BEND else 0.0
    turned = Rotation.from_rotvec([0.0, yaw, 0.0]).apply(world[0, :3, 3])
    way = (world[1, :3, 3] - turned) * HORIZONTAL
    return Stride(yaw, (float(way[0]), 0.0, float(way[2])))


def _frames(motion: Motion, first: int, last: int) -> Motion:
    cut = slice(first, last + 1)
    scales = None if motion.scales is None else motion.scales[cut]
    return replace(motion, rotations=motion.rotations[cut], translations=motion.translations[cut], scales=scales)


def _close(motion: Motion, rig: Rig, stride: Stride, blend: float) -> Motion:
    """Both ends made to meet, travelling joints up to the stride."""
    skeleton, fps = rig.skeleton, motion.fps
    frames = max(min(round(blend * fps), (motion.frames - 1) // 2), 1)
    rotations, translations = np.array(continuous(motion.rotations)), np.array(motion.translations)
    movers = set(travellers(skeleton, motion))
    for joint in range(skeleton.joints):
        root = skeleton.parents[joint] < 0
        there = stride if root and (joint in movers or stride.yaw) else Stride()
        rotations[:, joint] = _close_turns(rotations[:, joint], there, frames)
        if root or joint not in movers:
            translations[:, joint] = _close_places(translations[:, joint], there, frames)
    closed = replace(motion, rotations=rotations, translations=translations, scales=_close_scales(motion, frames))
    return _close_inner_movers(motion, closed, skeleton, movers, stride, frames)


def _close_inner_movers(
    motion: Motion, closed: Motion, skeleton: Skeleton, movers: set[int], stride: Stride, frames: int
) -> Motion:
    """Joints that carry the way though they are no roots: closed in the world, then put back under their parents."""
    inner = sorted(joint for joint in movers if skeleton.parents[joint] >= 0)
    if not inner:
        return closed
    before, after = motion_world(skeleton, motion), motion_world(skeleton, closed)
    rotations, translations = np.array(closed.rotations), np.array(closed.translations)
    for joint in inner:
        parent = skeleton.parents[joint]
        linear = after[:, parent, :3, :3]
        places = _close_places(before[:, joint, :3, 3], stride, frames) - after[:, parent, :3, 3]
        translations[:, joint] = np.linalg.solve(linear, places[..., None])[..., 0]
        if stride.yaw:
            turns = Rotation.from_matrix(before[:, joint, :3, :3]).as_quat()
            world = Rotation.from_quat(_close_turns(turns, stride, frames))
            rotations[:, joint] = (Rotation.from_matrix(linear).inv() * world).as_quat()
    return replace(closed, rotations=continuous(rotations), translations=translations)


def _close_places(values: Rows, stride: Stride, frames: int) -> Rows:
    """Places whose last is the first moved by the stride, and whose speeds there agree as well."""
    way = np.array(stride.way)
    back = stride.turn.inv().apply(values - way)  # the end as seen a turn of the loop later
    gap, speed = back[-1] - values[0], -_speed(back[::-1] - back[-1]) - _speed(values - values[0])
    ahead, behind = _fades(len(values), frames, gap / 2, speed / 2)
    late = np.arange(len(values)) > (len(values) - 1) // 2
    out = np.where(late[:, None], stride.turn.apply(back - behind) + way, values + ahead)
    return np.asarray(out)


def _close_turns(values: Float[np.ndarray, "frames 4"], stride: Stride, frames: int) -> Float[np.ndarray, "frames 4"]:
    """The same for rotations, what is missing being a rotation vector in the parent's axes."""
    turns = Rotation.from_quat(values)
    back = stride.turn.inv() * turns
    gap = (back[-1] * turns[0].inv()).as_rotvec()
    speed = -_speed((back[-3:][::-1] * back[-1].inv()).as_rotvec()) - _speed((turns[:3] * turns[0].inv()).as_rotvec())
    if not (np.abs(gap).max() > 1e-9 or np.abs(speed).max() > 1e-9):
        return values
    ahead, behind = _fades(len(values), frames, gap / 2, speed / 2)
    early = (Rotation.from_rotvec(ahead) * turns).as_quat()
    late = (stride.turn * Rotation.from_rotvec(-behind) * back).as_quat()
    second = np.arange(len(values)) > (len(values) - 1) // 2
    return continuous(np.where(second[:, None], late, early))


def _close_scales(motion: Motion, frames: int) -> Float[np.ndarray, "frames joints 3"] | None:
    if motion.scales is None:
        return None
    return np.stack([_close_places(motion.scales[:, j], Stride(), frames) for j in range(motion.joints)], axis=1)


def _speed(away: Rows) -> Float[np.ndarray, " 3"]:
    """Speed per frame at the first of three places, given relative to it: exact for steady acceleration too."""
    return np.asarray((4 * away[1] - away[2]) / 2)


def _fades(count: int, frames: int, gap: Float[np.ndarray, " 3"], speed: Float[np.ndarray, " 3"]) -> tuple[Rows, Rows]:
    """What to add after the start and to take off before the end: cubics from (gap, speed) to nothing."""
    t = np.clip(np.arange(count) / frames, 0, 1)[:, None]
    value, tangent = (1 + 2 * t) * (1 - t) ** 2, frames * t * (1 - t) ** 2
    return gap * value + speed * tangent, (gap * value - speed * tangent)[::-1]
