"""Jitter taken out of a captured pose: every frame is seen anew, and a little off each time.

Nothing that was measured is lost by it: errors stay what they are, and a captured pose jerks about as much as the
truth does (docs/TRAINING.md).
"""

from dataclasses import replace

from mocapcli.capturing.inference import PoseTrack
from mocapcli.capturing.options import STEADY_HERTZ
from mocapcli.capturing.unseen import bridge_turns
from mocapcli.filters.smooth import low_pass, smooth_turns
from mocapcli.kinematics import continuous


def steady(pose: PoseTrack, fps: float, hertz: float | int = STEADY_HERTZ) -> PoseTrack:
    """The pose without what is faster; 0 leaves it as it is."""
    if hertz == 0 or pose.rotations is None or pose.placed is None or len(pose.rotations) < 3:
        return pose
    shown = bridge_turns(pose.rotations, pose.seen)  # where nothing was seen, nothing else was corrected
    rotations = smooth_turns(continuous(shown), fps, float(hertz))
    return replace(pose, rotations=rotations, placed=low_pass(pose.placed, fps, float(hertz)))
