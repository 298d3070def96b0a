"""Who seems to lean all along stands before a camera that is held otherwise than was thought.

How far a camera looks down is told by the subject alone, and often wrong by 5° or 10°. A body that is laid on the film
makes up for it by leaning towards the camera or away from it. But bodies seldom lean so for a whole clip: most of what
lasts is the camera's, and what does not is theirs (who falls, leans more than any camera). And bodies seldom walk
uphill: as the camera is held, what is lowest of them stays about as low.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float

from mocapcli.capturing.inference import PoseTrack
from mocapcli.capturing.space import level
from mocapcli.kinematics import matrix_to_quat, quat_to_matrix
from mocapcli.metrics import facing_turns

HELD, LEANT = np.radians(8.0), np.radians(5.0)  # by how much cameras and bodies usually are otherwise than was thought
FRAMES = 1.5  # how many frames that know nothing of each other a clip is worth
FLOOR, GROUNDED = 0.1, 4.0  # sizes by which the lowest point usually rises and sinks, and what that counts for
TRIED = np.radians(0.25 * np.arange(-100, 101))  # for the camera; nothing is among them
Points = Float[np.ndarray, "frames joints 3"]


def level_again(before: PoseTrack, after: PoseTrack, deforms: Bool[np.ndarray, " joints"]) -> PoseTrack:
    """What was matched, in the level frame of the camera as it is likely to be held; `before`: as it was thought of."""
    if before.placed is None or after.placed is None or not after.seen.any():
        return after
    shown = np.ix_(after.seen, deforms)
    placed = after.placed[shown]
    further = share_of_camera(leaning(before.placed[shown], placed), rising(placed / after.size))
    return held(after, further) if further else after


def leaning(before: Points, after: Points) -> Float[np.ndarray, " frames"]:
    """Radians that each frame's body is turned by about the level axis across the view, away from the camera."""
    return facing_turns(*(np.roll(points, 1, axis=-1) for points in (before, after)))  # across the view is up, then


def rising(points: Points) -> Float[np.ndarray, "tried frames"]:
    """How much higher than usual each frame's lowest point is, were the camera held otherwise by what is tried."""
    _, up, near = np.moveaxis(points, -1, 0)
    low = np.stack([(np.cos(tried) * up + np.sin(tried) * near).min(axis=1) for tried in TRIED])
    return np.asarray(low - np.median(low, axis=1, keepdims=True))


def share_of_camera(leans: Float[np.ndarray, " frames"], rises: Float[np.ndarray, "tried frames"]) -> float:
    """The likeliest error of the camera's pitch: usual ones are small, and of bodies' leaning a few are large."""
    body = np.log1p(np.square((leans - TRIED[:, None]) / LEANT)).mean(axis=1)
    ground = np.log1p(np.square(rises / FLOOR)).mean(axis=1)
    return float(TRIED[np.argmin(np.square(TRIED / HELD) / 2 + FRAMES * body + GROUNDED * ground)])


def held(pose: PoseTrack, further: float) -> PoseTrack:
    """The same before a camera that looks further down by so many radians."""
    turn = level(further)
    rotations = None if pose.rotations is None else matrix_to_quat(turn @ quat_to_matrix(pose.rotations))
    placed = None if pose.placed is None else pose.placed @ turn.T
    return replace(
        pose, positions=pose.positions @ turn.T, rotations=rotations, placed=placed, pitch=pose.pitch + further
    )
