"""A motion from one rig onto another whose joints are called alike.

Joints are matched by name: as written, then without namespace and case, then letters and digits only. A matched
joint turns in the *world* by what its namesake turns away from its own rest pose (G_j = D_j G_j^rest with
D_j = S_j S_j^rest⁻¹), so the local axes of the two rigs may differ at will; both rest poses should face the same
way and look alike, for whatever differs between them (arms hanging, arms spread) stays as an offset. The highest
matched joints also travel, scaled by the ratio of the two sizes. Joints without a namesake keep their rest
transform relative to their parent.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from mocapcli.errors import InvalidDataError
from mocapcli.kinematics import compose, continuous, depth_levels, matrix_to_quat, motion_world, rest_world
from mocapcli.types import Motion, Skeleton

NAMESPACE = re.compile(r"^(.*[:|/]|mixamorig\d*(?=.))", re.DOTALL)


@dataclass(frozen=True)
class Match:
    """For every target joint the source joint that drives it, or -1."""

    sources: Int[np.ndarray, " joints"]
    exact: int

    @property
    def matched(self) -> int:
        return int((self.sources >= 0).sum())


def match_joints(source_names: Sequence[str], target_names: Sequence[str]) -> Match:
    """Pair joints by name, exact before similar; a similar name counts only where it is nobody else's."""
    sources = np.full(len(target_names), -1)
    exact = 0
    for simplify in (str, _without_namespace, _letters_and_digits):
        used = set(sources.tolist())
        free_sources = _only_ones(simplify, source_names, [s for s in range(len(source_names)) if s not in used])
        free_targets = _only_ones(simplify, target_names, np.flatnonzero(sources < 0).tolist())
        for key in free_sources.keys() & free_targets.keys():
            sources[free_targets[key]] = free_sources[key]
        exact = exact if simplify is not str else int((sources >= 0).sum())
    return Match(sources, exact)


def transfer(source: Skeleton, motion: Motion, target: Skeleton, match: Match) -> Motion:
    """The motion of `source` on `target`, joint by matched joint."""
    if not match.matched:
        raise InvalidDataError(
            f"no joint names in common: {_some(source.names)} here, {_some(target.names)} in the rig",
            remedy="rename the joints of one",
        )
    ratio = _size(target, match.sources >= 0) / _size(source, match.sources[match.sources >= 0])
    source_rest, target_rest = rest_world(source), rest_world(target)
    turned = _world_turns(source, motion, source_rest)
    places = _places(source, motion, match, source_rest, target_rest, ratio)
    slid = slides(source, motion, target, match, source_rest, target_rest) * ratio
    frames = motion.frames
    locals_ = np.tile(compose(target.rest_rotations, target.rest_translations), (frames, 1, 1, 1))
    world = np.empty_like(locals_)
    driven = np.zeros(target.joints, dtype=bool)  # itself or an ancestor: it hangs on somebody who travels
    for level in depth_levels(target.parents):
        for joint in level:
            parent, namesake = target.parents[joint], match.sources[joint]
            above = np.broadcast_to(np.eye(4), (frames, 4, 4)) if parent < 0 else world[:, parent]
            if namesake >= 0:
                aim = turned[:, namesake] @ target_rest[joint, :3, :3]
                locals_[:, joint, :3, :3] = np.swapaxes(above[:, :3, :3], -1, -2) @ aim
                if parent >= 0 and driven[parent]:
                    locals_[:, joint, :3, 3] += slid[:, joint]
                else:
                    away = places[:, joint] - above[:, :3, 3]
                    locals_[:, joint, :3, 3] = (np.swapaxes(above[:, :3, :3], -1, -2) @ away[..., None])[..., 0]
            driven[joint] = namesake >= 0 or (parent >= 0 and driven[parent])
            world[:, joint] = above @ locals_[:, joint]
    rotations = continuous(matrix_to_quat(locals_[..., :3, :3]))
    scales = _scales(motion, target, match, source_rest, target_rest)
    return Motion(motion.name, motion.fps, rotations, locals_[..., :3, 3], scales)


def _world_turns(
    skeleton: Skeleton, motion: Motion, rest: Float[np.ndarray, "joints 4 4"]
) -> Float[np.ndarray, "frames joints 3 3"]:
    """Every joint's world rotation away from rest; scale plays no part."""
    world = motion_world(skeleton, replace(motion, scales=None))
    turns: np.ndarray = world[..., :3, :3] @ np.swapaxes(rest[:, :3, :3], -1, -2)
    return turns


def _places(
    source: Skeleton,
    motion: Motion,
    match: Match,
    source_rest: Float[np.ndarray, "source 4 4"],
    target_rest: Float[np.ndarray, "target 4 4"],
    ratio: float,
) -> Float[np.ndarray, "frames target 3"]:
    """Where joints are that follow their namesakes' way from rest.

    A BVH often rests with its root at the origin and moves it at hip height: then the way is no way from rest,
    and the places themselves are taken.
    """
    world = motion_world(source, motion)[..., :3, 3]
    roots = source.roots
    typical = np.median(np.abs(motion.translations[:, roots, 1]))
    untold = not source.rest_translations[roots].any() and typical > 0.2 * _size(source, np.arange(source.joints))
    if untold:
        return world[:, match.sources] * ratio
    moved: np.ndarray = target_rest[:, :3, 3] + (world - source_rest[:, :3, 3])[:, match.sources] * ratio
    return moved


def slides(
    source: Skeleton,
    motion: Motion,
    target: Skeleton,
    match: Match,
    source_rest: Float[np.ndarray, "source 4 4"],
    target_rest: Float[np.ndarray, "target 4 4"],
) -> Float[np.ndarray, "frames target 3"]:
    """How joints slide against their parents, in the target parents' axes; only where the parents match as well."""
    slides = np.zeros((motion.frames, target.joints, 3))
    moved = motion.translations - source.rest_translations
    for joint in np.flatnonzero((match.sources >= 0) & (target.parents >= 0)):
        namesake, parent = match.sources[joint], target.parents[joint]
        if match.sources[parent] >= 0 and match.sources[parent] == source.parents[namesake]:
            axes = target_rest[parent, :3, :3].T @ source_rest[match.sources[parent], :3, :3]
            slides[:, joint] = moved[:, namesake] @ axes.T
    return slides


def _scales(
    motion: Motion,
    target: Skeleton,
    match: Match,
    source_rest: Float[np.ndarray, "source 4 4"],
    target_rest: Float[np.ndarray, "target 4 4"],
) -> Float[np.ndarray, "frames target 3"] | None:
    """Scales along the target's axes: exact where they lie along the source's or the scale is even."""
    if motion.scales is None:
        return None
    scales = np.ones((motion.frames, target.joints, 3))
    joints = np.flatnonzero(match.sources >= 0)
    namesakes = match.sources[joints]
    axes = np.swapaxes(target_rest[joints, :3, :3], -1, -2) @ source_rest[namesakes, :3, :3]
    scales[:, joints] = np.einsum("jab,fjb->fja", axes**2, motion.scales[:, namesakes])
    return scales


def _size(skeleton: Skeleton, joints: np.ndarray) -> float:
    """Diagonal of the box around these joints at rest; 1 where they are all in one place."""
    places = rest_world(skeleton)[joints, :3, 3]
    diagonal = float(np.linalg.norm(np.ptp(places, axis=0)))
    return diagonal if diagonal > 1e-9 else 1.0


def _only_ones(simplify: Callable[[str], str], names: Sequence[str], joints: Sequence[int]) -> dict[str, int]:
    """Joints whose simplified name nobody shares, by that name."""
    keys = {joint: simplify(names[joint]) for joint in joints}
    counts = Counter(keys.values())
    return {key: joint for joint, key in keys.items() if key and counts[key] == 1}


def _without_namespace(name: str) -> str:
    return NAMESPACE.sub("", name).casefold()


def _letters_and_digits(name: str) -> str:
    return "".join(character for character in _without_namespace(name) if character.isalnum())


def _some(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names[:3]) + ("…" if len(names) > 3 else "")
