"""Whatever turns a video and a rig into motion, as `mocap eval` asks it; ours is a network made by `mocap train`.

A prediction lives in the gravity-up frame of the camera: y up, -z the level direction the camera looks in, the camera
itself at the origin, metres of the user's rig.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from mocapcli.evaluation.crops import CropBoxes, crop_boxes, cut_crops
from mocapcli.network.model import MotionNetwork
from mocapcli.network.reference import RigBatch, batch_rigs
from mocapcli.network.video_to_pose import PoseEstimate, ReferenceViews
from mocapcli.network.views import bins_to_yaw, centre_of, decide_facing, lift, tilt_matrix, turn_matrix
from mocapcli.training.batches import RenderedReference, collate_views, images_to_tensor
from mocapcli.training.samples import SceneRig
from mocapcli.training.stream import render_reference
from mocapcli.types import Asset

HELD_RIGS = 16
STEADY_FRAMES = 7  # on either side: a body comes nearer or goes away no faster than this mean tells


@dataclass(frozen=True, eq=False)
class Footage:
    """A video with its subject's mask. `focal` is in pixels; the principal point is the middle."""

    frames: UInt8[np.ndarray, "frames height width 3"]
    masks: Float[np.ndarray, "frames height width"]
    focal: float
    fps: float


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a video shows, on the user's rig."""

    positions: Float[np.ndarray, "frames joints 3"]
    rotations: Float[np.ndarray, "frames joints 3 3"] | None = None  # world
    places: Float[np.ndarray, "frames joints 2"] | None = None  # pixels of the video
    noise: Float[np.ndarray, "frames joints"] | None = None  # expected deviation of a coordinate, metres
    travels: bool = True  # whether the positions hold the root's path


@runtime_checkable
class Predictor(Protocol):
    def predict(self, asset: Asset, footage: Footage) -> Prediction: ...


@dataclass
class NetworkPredictor:
    """Stage 1 and, if asked to rotate, stage 2."""

    network: MotionNetwork
    rotate: bool = True
    _rigs: OrderedDict[int, tuple[Asset, RenderedReference]] = field(default_factory=OrderedDict, repr=False)

    @torch.no_grad()
    def predict(self, asset: Asset, footage: Footage) -> Prediction:
        reference = self._reference(asset)
        boxes = crop_boxes(footage.masks)
        side = self.network.config.side
        crops = images_to_tensor(cut_crops(footage.frames, footage.masks, boxes, side))[None]
        rig = batch_rigs([reference.rig])
        views = collate_views([reference], reference.rig.joints)
        tangent = torch.full((1, len(footage.frames)), boxes.width / 2 / footage.focal)
        estimate = self._look(crops, rig, views, tangent)
        positions = _upright(estimate, rig, boxes, footage, tangent)
        noise = estimate.spread * 2**0.5
        rotations = None
        if self.rotate:
            world = self.network.rotation(positions - positions.mean(dim=(1, 2), keepdim=True), rig, noise).world
            rotations = world[0].double().numpy()
        size = reference.rig.size
        places = (estimate.places[0].double().numpy() + 1) / 2 * boxes.width + boxes.corners[:, None]
        return Prediction(positions[0].double().numpy() * size, rotations, places, noise[0].double().numpy() * size)

    def _look(self, crops: Tensor, rig: RigBatch, views: ReferenceViews, tangent: Tensor) -> PoseEstimate:
        """Positions under the facing that is likeliest along the whole clip."""
        stage = self.network.video_to_pose
        features, queries = stage.look(crops, rig, views)
        first: PoseEstimate = stage.decide(features, queries, rig, tangent)
        yaw = bins_to_yaw(decide_facing(first.yaw_logits[0])).to(tangent)[None]
        return stage.decide(features, queries, rig, tangent, yaw)

    def _reference(self, asset: Asset) -> RenderedReference:
        """Renders of the rig, kept for its further clips."""
        key = id(asset)
        if key not in self._rigs:
            rig = SceneRig.of(asset, invent_only=True)
            self._rigs[key] = asset, render_reference(rig, None, self.network.config.side)
            if len(self._rigs) > HELD_RIGS:
                self._rigs.popitem(last=False)
        self._rigs.move_to_end(key)
        return self._rigs[key][1]


def _upright(
    estimate: PoseEstimate, rig: RigBatch, boxes: CropBoxes, footage: Footage, tangent: Float[Tensor, "batch frames"]
) -> Float[Tensor, "batch frames joints 3"]:
    """Joints in the camera's gravity-up frame, in sizes.

    The network sees each crop as if the camera looked straight at it: that turn is undone, first about the camera's
    level axis, then about the vertical.
    """
    half_width = torch.exp(_steady(estimate.half_width.log()))
    lifted = lift(estimate.places, estimate.depth, half_width, tangent)
    away = centre_of(lifted, rig.deforms & rig.mask)
    away = away - torch.nn.functional.pad((half_width / tangent)[..., None, None], (2, 0))
    height, width = footage.frames.shape[1:3]
    aside, below = torch.from_numpy((boxes.centres - [width / 2, height / 2]) / footage.focal).to(tangent).unbind(-1)
    pitch = (estimate.pitch - torch.atan(below)).median(dim=1, keepdim=True).values.expand_as(estimate.pitch)
    ray = torch.stack([aside, -below, -torch.ones_like(aside)], dim=-1)[None]
    level = (ray[..., None, :] @ tilt_matrix(pitch))[..., 0, :]
    yaw = torch.atan2(-level[..., 0], -level[..., 2])
    turn = turn_matrix(yaw) @ tilt_matrix(pitch + torch.atan(below)).transpose(-1, -2)
    result: Tensor = (estimate.positions + away) @ turn.transpose(-1, -2)
    return result


def _steady(values: Float[Tensor, "batch frames"]) -> Float[Tensor, "batch frames"]:
    """Mean over neighbouring frames."""
    span = 2 * STEADY_FRAMES + 1
    mean: Tensor = torch.nn.functional.avg_pool1d(values[:, None], span, 1, STEADY_FRAMES, count_include_pad=False)
    return mean[:, 0]
