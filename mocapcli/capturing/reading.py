"""From crops to the pose of a rig, stage after stage, as `mocap capture` and `mocap eval` read a clip.

A clip may speak for two facings nearly as much: which way does a mere outline face? Then it is read under both, and
the reading that looks more like the film, once limbs are matched, is kept.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from mocapcli.capturing.clip import CropClip
from mocapcli.capturing.comparing import gained
from mocapcli.capturing.inference import PoseTrack, infer
from mocapcli.capturing.leaning import level_again
from mocapcli.capturing.matching import Matcher, how_alike, match
from mocapcli.capturing.refine import refine
from mocapcli.capturing.report import Stopwatch
from mocapcli.capturing.sight import LOOKS, TOLD, Yaws
from mocapcli.network.model import MotionNetwork
from mocapcli.render.camera import Camera
from mocapcli.render.scene import Model
from mocapcli.training.batches import RenderedReference
from mocapcli.types import Rig

LESS_ALIKE = 0.03  # than the first, in likeness: what is so before limbs are matched is not matched
# Of what likeness lacks another facing must gain so much afterwards: the first is usually the right one, and where
# another body is filmed a wrong one may look a little better.
MORE_ALIKE = 0.09
Progress = Callable[[str, int, int], object]  # stage, frames just done, frames in all
Tell = Callable[[str, int], object]


@dataclass(frozen=True, eq=False)
class Reading:
    """A clip's pose, and what it was after stages 1 and 2 (under the likeliest facing)."""

    first: PoseTrack
    pose: PoseTrack


@dataclass(frozen=True, eq=False)
class Reader:
    """What it takes to read clips of one rig."""

    network: MotionNetwork
    reference: RenderedReference
    rig: Rig
    model: Model | None = None  # the rig, for facings to be compared by drawing it
    matcher: Matcher | None = None
    rounds: int = 0  # of stage 3
    rotate: bool = True

    def read(
        self,
        clip: CropClip,
        full: Camera,
        watch: Stopwatch | None = None,
        progress: Progress = lambda stage, done, total: None,
    ) -> Reading:
        """`full`: the video's camera, which the crops' were cut from."""
        watch, frames = watch or Stopwatch(), len(clip)

        def tell(stage: str, done: int) -> None:
            progress(stage, done, LOOKS * frames if stage == "pose" else frames)

        def tell_again(_: str, done: int) -> None:
            progress("another facing", done, self.again * frames)

        first, refined = self._under(None, clip, full, watch, tell)
        with watch.stage("matching"):
            found = self._laid(first, refined, clip, full, partial(tell, "matching"))
        if self.matcher is None or first.other is None:
            return found
        with watch.stage("another facing"):
            _, other = self._under(first.other, clip, full, Stopwatch(), tell_again)
            before, after = (how_alike(self.matcher, pose, clip, full) for pose in (refined, other))
            if after < before - LESS_ALIKE:
                tell_again("", frames)  # what is left
                return found
            again = self._laid(first, other, clip, full, partial(tell_again, ""))
        return again if gained(found.pose.likeness, again.pose.likeness) > MORE_ALIKE else found

    @property
    def again(self) -> int:
        """How often every frame is told of when a clip is read once more: looks, rotation, stage 3, matching."""
        return TOLD + 1 + (self.rounds > 0) + 1

    def _laid(
        self, first: PoseTrack, refined: PoseTrack, clip: CropClip, full: Camera, progress: Callable[[int], object]
    ) -> Reading:
        """With limbs laid on the film, before the camera as it is likely to be held then."""
        laid = match(self.matcher, refined, clip, full, progress)
        return Reading(first, level_again(refined, laid, self.reference.rig.deforms))

    def _under(
        self, facing: Yaws | None, clip: CropClip, full: Camera, watch: Stopwatch, tell: Tell
    ) -> tuple[PoseTrack, PoseTrack]:
        """Before stage 3 and after."""
        first = infer(self.network, self.reference, clip, full, self.rotate, watch, tell, self.model, facing)
        with watch.stage("refinement"):
            known = self.rig, self.reference.rig
            return first, refine(self.network, *known, first, clip, full, self.rounds, partial(tell, "refinement"))
