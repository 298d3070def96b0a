"""Stage 1 along a clip of any length: what the network sees in the crops, under one decided facing.

First every frame's facing is scored, by the network and by what the rig would look like (`comparing`), then one path
of facings is chosen for the whole clip (Viterbi, between its bins what the scores say, and what looks most alike near
that), then windows are read under it. Only small numbers by frame and joint are kept.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mocapcli.capturing.clip import CropClip
from mocapcli.capturing.comparing import TRUST, Likeness, closer
from mocapcli.capturing.looking import BLOCK, OVERLAP, Scene, Stretch
from mocapcli.capturing.windows import takeover, window_length, windows
from mocapcli.in_threads import in_threads
from mocapcli.network.threads import at_once
from mocapcli.network.video_to_pose import VideoToPose
from mocapcli.network.views import likely_facings
from mocapcli.render.camera import Camera
from mocapcli.render.scene import Model
from mocapcli.training.batches import RenderedReference

LOOKS = 4  # at every frame: its facing scored, facings compared, those near the best compared closer, its pose
TOLD = 2  # the last two of these
COMPARED = 2 * BLOCK  # frames in which facings are compared together
Progress = Callable[[int], object]
Yaws = Float[np.ndarray, " frames"]  # radians
Facing = Float[Tensor, " frames"]  # the same


@dataclass(frozen=True, eq=False)
class Sight:
    """By frame and joint. Lengths in sizes of the rig, places from -1 to 1 over the crop with y down."""

    places: Float[np.ndarray, "frames joints 2"]
    depth: Float[np.ndarray, "frames joints"]  # towards the viewer, from the body's centre
    spread: Float[np.ndarray, "frames joints"]  # Laplace scale of a coordinate's error
    half_width: Float[np.ndarray, " frames"]  # of the crop at the body's distance
    pitch: Float[np.ndarray, " frames"]  # of the crop's camera, looking down
    facing: Yaws
    other: Yaws | None  # a facing that the clip speaks for nearly as much

    @classmethod
    def blank(cls, facing: Yaws, other: Yaws | None, joints: int) -> "Sight":
        cells, frames = (len(facing), joints), len(facing)
        each = np.zeros(cells, np.float32), np.zeros(cells, np.float32)
        return cls(np.zeros((*cells, 2), np.float32), *each, np.zeros(frames), np.zeros(frames), facing, other)


def see(
    stage: VideoToPose,
    reference: RenderedReference,
    clip: CropClip,
    progress: Progress = lambda _: None,
    model: Model | None = None,
    told: Yaws | None = None,
    full: Camera | None = None,
) -> Sight:
    """What every frame shows; `progress` is told of every frame as often as `LOOKS` says, or `TOLD`.

    With the rig to draw (`model`), facings are also chosen by which of them looks like the clip; or they are `told`.
    `full`: the video's camera, which the crops were cut from.
    """
    scene = Scene.of(stage, reference, clip)
    likeness = None if model is None else Likeness(scene, reference.rig, model, full)
    facing, *others = _facings(scene, likeness, progress) if told is None else [torch.from_numpy(told)]
    facing = _closer(facing, scene, likeness, progress)
    joints, frames = reference.rig.joints, len(clip)
    sight, done = Sight.blank(facing.numpy(), others[0].numpy() if others else None, joints), 0
    stretches = list(windows(frames, window_length(joints, OVERLAP), OVERLAP))
    estimates = in_threads(partial(scene.look, facing), stretches, at_once(scene.tangents.device))
    for (first, last), estimate in zip(stretches, estimates, strict=True):
        part, share = slice(first, last), takeover(first, last, done)
        for name in ("places", "depth", "spread", "half_width", "pitch"):
            kept, new = getattr(sight, name)[part], getattr(estimate, name)[0].cpu().numpy()
            kept += share.reshape(-1, *[1] * (kept.ndim - 1)) * (new - kept)
        progress(last - done)
        done = last
    return sight


def _facings(scene: Scene, likeness: Likeness | None, progress: Progress) -> list[Facing]:
    """The yaw of every frame that the whole clip speaks for; then another, if it is nearly as likely."""
    shown = torch.from_numpy(scene.clip.seen)
    scores = _scores(scene, scene.glance, BLOCK, progress)
    scores[~shown] = 0  # all alike
    if likeness is None:
        progress(len(scene.clip))
    else:
        scores = TRUST * scores + _scores(scene, likeness.scores, COMPARED, progress)
    return likely_facings(scores, shown)


def _closer(facing: Facing, scene: Scene, likeness: Likeness | None, progress: Progress) -> Facing:
    """What looks most like the clip near a facing."""
    if likeness is None:
        progress(len(scene.clip))
        return facing
    aside = closer(_scores(scene, partial(likeness.aside, facing), COMPARED, progress))
    return torch.remainder(facing + aside, 2 * math.pi)


def _scores(
    scene: Scene, score: Callable[[Stretch], Tensor], length: int, progress: Progress
) -> Float[Tensor, "frames tries"]:
    """Scores of every frame's facings, a stretch at a time."""
    frames, scores = len(scene.clip), []
    stretches = [(first, min(first + length, frames)) for first in range(0, frames, length)]
    found = in_threads(score, stretches, at_once(scene.tangents.device))
    for (first, last), part in zip(stretches, found, strict=True):
        scores.append(part)
        progress(last - first)
    return torch.cat(scores)
