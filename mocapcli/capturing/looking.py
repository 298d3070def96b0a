"""One rig and one clip before the network that looks at them: picture features are kept for the next look."""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Lock

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from mocapcli.capturing.clip import CropClip, crop_tangents
from mocapcli.network.encoder import unit
from mocapcli.network.reference import RigBatch, batch_rigs
from mocapcli.network.video_to_pose import PoseEstimate, VideoToPose
from mocapcli.training.batches import RenderedReference, collate_views, images_to_tensor

BLOCK = 32  # frames encoded together
FEATURE_BYTES = 1 << 28  # of picture features that are kept for the second look
OVERLAP = 24
Stretch = tuple[int, int]  # of frames: the first, and the one after the last


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
        tangents = torch.from_numpy(crop_tangents(clip.cameras)).float()[None]
        return cls(stage, clip, rig, queries, tangents.to(device))

    @torch.inference_mode()
    def glance(self, stretch: Stretch) -> Float[Tensor, "frames bins"]:
        """Scores of each frame's facing."""
        everywhere = torch.ones(1, stretch[1] - stretch[0], dtype=torch.bool, device=self.tangents.device)
        return self.stage.glance(self.features(*stretch), self.queries, self.rig, everywhere).yaw_logits[0].cpu()

    @torch.inference_mode()
    def look(self, facing: Tensor, stretch: Stretch) -> PoseEstimate:
        """What a stretch shows, its facing being known."""
        part = slice(*stretch)
        yaw = facing[part].to(self.tangents)[None]
        seen = torch.from_numpy(self.clip.seen[part]).to(yaw.device)[None]
        features = self.features(*stretch)
        glance = self.stage.glance(features, self.queries, self.rig, seen)
        return self.stage.decide(features, glance, self.rig, self.tangents[:, part], seen, yaw)

    @torch.inference_mode()
    def glimpses(
        self, yaws: Float[Tensor, "tries frames"], frames: Int[np.ndarray, " frames"], stretch: Stretch
    ) -> Iterator[PoseEstimate]:
        """What single frames of a stretch show under each of some facings, every frame by itself."""
        features = self.features(*stretch)[torch.from_numpy(frames - stretch[0])]
        tangents = self.tangents[:, torch.from_numpy(frames)]
        alone = torch.zeros_like(tangents, dtype=torch.bool)
        glance = self.stage.glance(features, self.queries, self.rig, alone)
        for yaw in yaws:
            yield self.stage.decide(features, glance, self.rig, tangents, alone, yaw.to(tangents)[None])

    def pictures(self, frames: Int[np.ndarray, " frames"]) -> UInt8[np.ndarray, "frames side side 4"]:
        return self.clip.pictures(frames.tolist())

    def features(self, first: int, last: int) -> Tensor:
        """Picture features of some frames; those of the frames looked at last are at hand."""
        blocks = [self._block(number) for number in range(first // BLOCK, (last - 1) // BLOCK + 1)]
        start = first // BLOCK * BLOCK
        return torch.cat(blocks)[first - start : last - start]

    def _block(self, number: int) -> Tensor:
        with self._lock:
            found = self._features.pop(number, None)
        if found is None:
            images = self.pictures(np.arange(number * BLOCK, min((number + 1) * BLOCK, len(self.clip))))
            found = self.stage.encoder(unit(images_to_tensor(images).to(self.tangents.device)))
        with self._lock:
            self._features[number] = found
            most = max(2 + 2 * OVERLAP // BLOCK, FEATURE_BYTES // (found.numel() * found.element_size()))
            while len(self._features) > most:
                self._features.popitem(last=False)
        return found
