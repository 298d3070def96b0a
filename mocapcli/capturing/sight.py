"""Stage 1 along a clip of any length: what the network sees in the crops, under one decided facing.

First every frame's facing is scored, then one path of facings is chosen for the whole clip (Viterbi), then windows
are read under it. Only small numbers by frame and joint are kept.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from threading import Lock

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mocapcli.capturing.clip import CropClip
from mocapcli.capturing.windows import takeover, window_length, windows
from mocapcli.network.encoder import unit
from mocapcli.network.reference import RigBatch, batch_rigs
from mocapcli.network.threads import at_once
from mocapcli.network.video_to_pose import PoseEstimate, VideoToPose
from mocapcli.network.views import YAW_BINS, bins_to_yaw, decide_facing
from mocapcli.side_by_side import side_by_side
from mocapcli.training.batches import RenderedReference, collate_views, images_to_tensor

BLOCK = 32  # frames encoded together
FEATURE_BYTES = 1 << 28  # of picture features that are kept for the second look
OVERLAP = 24
Progress = Callable[[int], object]
Stretch = tuple[int, int]  # of frames: the first, and the one after the last


@dataclass(frozen=True, eq=False)
class Sight:
    """By frame and joint. Lengths in sizes of the rig, places from -1 to 1 over the crop with y down."""

    places: Float[np.ndarray, "frames joints 2"]
    depth: Float[np.ndarray, "frames joints"]  # towards the viewer, from the body's centre
    spread: Float[np.ndarray, "frames joints"]  # Laplace scale of a coordinate's error
    half_width: Float[np.ndarray, " frames"]  # of the crop at the body's distance
    pitch: Float[np.ndarray, " frames"]  # of the crop's camera, looking down
    facing: Int[np.ndarray, " frames"]  # yaw bin, of `network.views.YAW_BINS`

    @classmethod
    def blank(cls, facing: Int[np.ndarray, " frames"], joints: int) -> "Sight":
        cells, frames = (len(facing), joints), len(facing)
        each = np.zeros(cells, np.float32), np.zeros(cells, np.float32)
        return cls(np.zeros((*cells, 2), np.float32), *each, np.zeros(frames), np.zeros(frames), facing)


@dataclass(eq=False)
class Scene:
    """One rig, one clip and the network that looks, on one device. Several threads may look at once."""

    stage: VideoToPose
    clip: CropClip
    rig: RigBatch
    queries: Tensor
    tangents: Tensor
    _features: "OrderedDict[int, Tensor]" = field(default_factory=OrderedDict, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    @classmethod
    def of(cls, stage: VideoToPose, reference: RenderedReference, clip: CropClip) -> "Scene":
        device = next(stage.parameters()).device
        rig = batch_rigs([reference.rig]).to(device)
        views = collate_views([reference], reference.rig.joints).to(device)
        queries = stage.queries(rig, views, stage.encoder(unit(views.crops.flatten(0, 1))))
        tangents = torch.tensor([camera.width / 2 / float(camera.focal) for camera in clip.cameras])[None]
        return cls(stage, clip, rig, queries, tangents.float().to(device))

    @torch.inference_mode()
    def glance(self, stretch: Stretch) -> Float[Tensor, "frames bins"]:
        """Scores of each frame's facing."""
        everywhere = torch.ones(1, stretch[1] - stretch[0], dtype=torch.bool, device=self.tangents.device)
        scores: Tensor = self.stage.glance(self.features(*stretch), self.queries, self.rig, everywhere)[2][0]
        return scores.cpu()

    @torch.inference_mode()
    def look(self, facing: Tensor, stretch: Stretch) -> PoseEstimate:
        """What a stretch shows, its facing being known."""
        part = slice(*stretch)
        yaw = bins_to_yaw(facing[part]).to(self.tangents)[None]
        seen = torch.from_numpy(self.clip.seen[part]).to(yaw.device)[None]
        return self.stage.decide(self.features(*stretch), self.queries, self.rig, self.tangents[:, part], yaw, seen)

    def features(self, first: int, last: int) -> Tensor:
        """Picture features of some frames; those of the frames looked at last are at hand."""
        blocks = [self._block(number) for number in range(first // BLOCK, (last - 1) // BLOCK + 1)]
        start = first // BLOCK * BLOCK
        return torch.cat(blocks)[first - start : last - start]

    def _block(self, number: int) -> Tensor:
        with self._lock:
            found = self._features.pop(number, None)
        if found is None:
            with self._lock:  # the clip's file is read from one place at a time
                images = self.clip.images(number * BLOCK, min((number + 1) * BLOCK, len(self.clip)))
            found = self.stage.encoder(unit(images_to_tensor(images).to(self.tangents.device)))
        with self._lock:
            self._features[number] = found
            most = max(2 + 2 * OVERLAP // BLOCK, FEATURE_BYTES // (found.numel() * found.element_size()))
            while len(self._features) > most:
                self._features.popitem(last=False)
        return found


def see(stage: VideoToPose, reference: RenderedReference, clip: CropClip, progress: Progress = lambda _: None) -> Sight:
    """What every frame shows; `progress` is told of twice as many frames as there are."""
    scene = Scene.of(stage, reference, clip)
    facing = decide_facing(_facing_logits(scene, progress))
    joints, frames = reference.rig.joints, len(clip)
    sight, done = Sight.blank(facing.numpy(), joints), 0
    stretches = list(windows(frames, window_length(joints, OVERLAP), OVERLAP))
    estimates = side_by_side(partial(scene.look, facing), stretches, at_once(scene.tangents.device))
    for (first, last), estimate in zip(stretches, estimates, strict=True):
        part, share = slice(first, last), takeover(first, last, done)
        for name in ("places", "depth", "spread", "half_width", "pitch"):
            kept, new = getattr(sight, name)[part], getattr(estimate, name)[0].cpu().numpy()
            kept += share.reshape(-1, *[1] * (kept.ndim - 1)) * (new - kept)
        progress(last - done)
        done = last
    return sight


def _facing_logits(scene: Scene, progress: Progress) -> Float[Tensor, "frames bins"]:
    """Scores of every frame's facing; of frames that show nothing, all alike."""
    frames = len(scene.clip)
    logits = torch.zeros(frames, YAW_BINS)
    stretches = [(first, min(first + BLOCK, frames)) for first in range(0, frames, BLOCK)]
    looks = side_by_side(scene.glance, stretches, at_once(scene.tangents.device))
    for (first, last), scores in zip(stretches, looks, strict=True):
        logits[first:last] = scores
        progress(last - first)
    logits[torch.from_numpy(~scene.clip.seen)] = 0
    return logits
