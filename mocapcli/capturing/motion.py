"""A pose in space as a clip of the user's rig: local rotations, the root's way, the ground under the feet."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from mocapcli.capturing.inference import PoseTrack
from mocapcli.capturing.options import RootMotion
from mocapcli.capturing.space import level
from mocapcli.capturing.turning import bones_of
from mocapcli.capturing.unseen import bridge_turns
from mocapcli.filters.ground import lowest_height
from mocapcli.kinematics import ancestry, continuous, rest_world, with_ancestors
from mocapcli.network.reference import RigReference
from mocapcli.render.camera import Camera
from mocapcli.solving.carriers import to_local
from mocapcli.types import Motion, Rig, Skeleton

SAME = 1e-3  # of the rig's size: an offset of the reference pose this near to the rest pose's is the same
RUN = 256  # frames whose lowest point is looked for at a time


@dataclass(frozen=True, eq=False)
class Stage:
    """The clip in a world of its own: the ground at height 0, the body starting where the rig rests."""

    motion: Motion
    camera: Camera  # the video's, in that world


def to_motion(
    pose: PoseTrack, reference: RigReference, rig: Rig, full: Camera, name: str, fps: float, root: RootMotion = "full"
) -> Stage:
    """The rig's clip. Joints that never deform, and carry none that do, stay at rest."""
    moving = with_ancestors(reference.parents, reference.deforms)
    rotations, translations = _local(pose, reference, rig.skeleton, moving)
    rotations = bridge_turns(continuous(rotations), pose.seen)
    roots = (rig.skeleton.parents < 0) & moving
    shift = _to_start(translations, rig.skeleton, roots)
    translations[:, roots] += shift
    motion = Motion(name, fps, continuous(rotations), translations)
    if root == "none":
        _hold(translations, rig.skeleton, roots)
        motion = replace(motion, translations=translations)
    else:
        lift = -_lowest(motion, rig)
        translations[:, roots, 1] += lift
        shift = shift + np.array([0.0, lift, 0.0])
        motion = replace(motion, translations=translations)
    if root == "in-place":
        from mocapcli.filters.travel import in_place

        motion = in_place(motion, rig)
    return Stage(motion, replace(full, position=shift, rotation=level(pose.pitch) @ full.rotation))


def _hold(
    translations: Float[np.ndarray, "frames joints 3"], skeleton: Skeleton, roots: Bool[np.ndarray, " joints"]
) -> None:
    """Keep the root that carries most at its rest place; others, such as loose feet, stay where they are beside it."""
    carried = ancestry(skeleton.parents).sum(axis=0)
    first = max(np.flatnonzero(roots), key=carried.__getitem__)
    translations[:, roots] -= (translations[:, first] - skeleton.rest_translations[first])[:, None]


def _local(
    pose: PoseTrack, reference: RigReference, skeleton: Skeleton, moving: Bool[np.ndarray, " joints"]
) -> tuple[Float[np.ndarray, "frames joints 4"], Float[np.ndarray, "frames joints 3"]]:
    """Under their parents. A joint off its rest place in the reference pose keeps the reference's offset.

    Loose feet travel with their legs.
    """
    if pose.rotations is None or pose.placed is None:
        raise ValueError("stage 2 has not been asked")
    offsets = bones_of(reference)
    off = np.linalg.norm(offsets - skeleton.rest_translations, axis=-1) > SAME * reference.size
    free = (skeleton.parents < 0) | off | (reference.carriers != skeleton.parents)
    return to_local(skeleton, pose.rotations, pose.placed, free, moving)


def _to_start(
    translations: Float[np.ndarray, "frames joints 3"], skeleton: Skeleton, roots: Bool[np.ndarray, " joints"]
) -> Float[np.ndarray, " 3"]:
    """The level way from where the roots are in the first frame to where they rest."""
    rest = rest_world(skeleton)[roots, :3, 3]
    return np.asarray((rest - translations[0, roots]).mean(axis=0) * (1, 0, 1))


def _lowest(motion: Motion, rig: Rig) -> float:
    """Height of the lowest point of the clip; memory does not grow with its length."""
    parts = [slice(first, first + RUN) for first in range(0, motion.frames, RUN)]
    return min(
        lowest_height(replace(motion, rotations=motion.rotations[part], translations=motion.translations[part]), rig)
        for part in parts
    )
