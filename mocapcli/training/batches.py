"""Samples to tensors: crops, the rig they show, and stage 1's targets in camera axes."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from mocapcli.network.on_device import OnDevice
from mocapcli.network.reference import RigBatch, RigReference, batch_rigs, pad_joints
from mocapcli.network.video_to_pose import ReferenceViews
from mocapcli.network.views import centre_of, stance_of, tilt_matrix
from mocapcli.render.camera import Camera
from mocapcli.training.samples import REFERENCE_YAWS, ClipSample


@dataclass(frozen=True, eq=False)
class RenderedReference:
    """One rig as the network meets it, with the renders of its reference pose."""

    rig: RigReference
    crops: UInt8[np.ndarray, "views side side 4"]
    cameras: tuple[Camera, ...]


@dataclass(frozen=True, eq=False)
class Targets(OnDevice):
    """Truth in camera axes and sizes, around the body's centre; see `network.views`."""

    positions: Float[Tensor, "batch frames joints 3"]
    places: Float[Tensor, "batch frames joints 2"]
    half_width: Float[Tensor, "batch frames"]
    pitch: Float[Tensor, "batch frames"]
    yaw: Float[Tensor, "batch frames"]
    up: Float[Tensor, "batch frames 3"]  # the body's, in the upright frame
    world_rotations: Float[Tensor, "batch frames joints 3 3"]
    camera: Float[Tensor, "batch frames 3 3"]  # world to camera axes


@dataclass(frozen=True, eq=False)
class Batch(OnDevice):
    """What one training step sees."""

    crops: UInt8[Tensor, "batch frames 4 side side"]
    tangent: Float[Tensor, "batch frames"]
    rigs: RigBatch  # each rig once, with its views
    views: ReferenceViews
    owner: Int[Tensor, " batch"]  # which of the rigs a clip shows
    targets: Targets
    told: Float[Tensor, "batch frames"]  # the facing later rounds are told in training; NaN: nothing
    chance: Float[Tensor, " batch"]  # where both stages are trained, stage 2 learns from a share's true positions …
    noise: Float[Tensor, "batch frames joints 3"]  # … with this on them, in sizes
    wear: Float[Tensor, "batch frames chances"] | None = None  # chances of `wear.worn`; None: crops as drawn
    moving: bool = True  # frames follow each other in time; else they are single pictures

    @cached_property
    def rig(self) -> RigBatch:
        """That of each clip."""
        return self.rigs.select(self.owner)

    @property
    def frame_mask(self) -> Bool[Tensor, "batch frames"]:
        """For attention along time: single pictures see no other."""
        return torch.full(self.tangent.shape, self.moving, device=self.tangent.device)


def collate(references: Sequence[RenderedReference], samples: Sequence[ClipSample], moving: bool = True) -> Batch:
    """One batch of clips, each with its rig; clips have the same number of frames and pixels."""
    distinct = list({id(reference): reference for reference in references}.values())
    rows = {id(reference): row for row, reference in enumerate(distinct)}
    owner = torch.tensor([rows[id(reference)] for reference in references])
    rigs = batch_rigs([reference.rig for reference in distinct])
    crops = images_to_tensor(np.stack([sample.crops for sample in samples]))
    side = crops.shape[-1]
    focal = _tensor([sample.focal for sample in samples])
    targets = _targets(samples, rigs, owner, side)
    return Batch(
        crops,
        side / 2 / focal,
        rigs,
        collate_views(distinct, rigs.mask.shape[1]),
        owner,
        targets,
        torch.full_like(targets.yaw, torch.nan),
        torch.ones(len(samples)),
        torch.zeros_like(targets.positions),
        moving=moving,
    )


def images_to_tensor(images: UInt8[np.ndarray, "*batch rows columns 4"]) -> UInt8[Tensor, "*batch 4 rows columns"]:
    """Bytes, which travel four times as fast as numbers; `encoder.unit` makes those of them."""
    return torch.from_numpy(images).movedim(-1, -3)


def collate_views(references: Sequence[RenderedReference], joints: int) -> ReferenceViews:
    places, depths = [], []
    for reference in references:
        points = reference.rig.reference_positions
        side = reference.crops.shape[1]
        seen = [camera.project(points) for camera in reference.cameras]
        places.append(pad_joints(np.stack([pixels for pixels, _ in seen]) / side * 2 - 1, joints, 0.0, axis=1))
        centre = points[reference.rig.deforms].mean(axis=0)
        backward = np.stack([camera.rotation[:, 2] for camera in reference.cameras])
        depth = ((points - centre) @ backward.T).T / reference.rig.size
        depths.append(pad_joints(depth, joints, 0.0, axis=1))
    return ReferenceViews(
        images_to_tensor(np.stack([reference.crops for reference in references])),
        _tensor(places).clamp(-2, 2),
        _tensor(depths),
        torch.deg2rad(torch.tensor(REFERENCE_YAWS)).expand(len(references), -1),
    )


def _targets(samples: Sequence[ClipSample], rigs: RigBatch, owner: Int[Tensor, " batch"], side: int) -> Targets:
    joints, size, shown = rigs.mask.shape[1], rigs.size[owner], (rigs.deforms & rigs.mask)[owner]
    world = _tensor([pad_joints(sample.world, joints, np.eye(4), axis=1) for sample in samples])
    turn = _tensor([sample.camera_rotation for sample in samples]).transpose(-1, -2)
    stand = _tensor([sample.camera_position for sample in samples])
    focal = _tensor([sample.focal for sample in samples])[..., None]
    middle = _tensor([sample.middle for sample in samples])[:, :, None]
    local = (world[..., :3, 3] - stand[:, :, None]) @ turn.transpose(-1, -2)  # camera axes, metres, from the camera
    centre = centre_of(local, shown)
    ahead = (-local[..., 2]).clamp_min(1e-6)
    pixels = torch.stack([local[..., 0], -local[..., 1]], dim=-1) / ahead[..., None] * focal[..., None]
    positions = (local - centre) / size[:, None, None, None]
    pitch = torch.asin(turn[..., 2, 1].clamp(-1, 1))
    upright = positions @ tilt_matrix(pitch)
    distance = -centre[:, :, 0, 2] / size[:, None]
    return Targets(
        positions,
        (pixels + middle) / side * 2 - 1,
        distance * (side / 2 / focal[..., 0]),
        pitch,
        *stance_of(upright, rigs.rest_positions[owner], shown),
        world[..., :3, :3],
        turn,
    )


def _tensor(values: Sequence[np.ndarray] | list[Any]) -> Tensor:
    return torch.from_numpy(np.stack(values).astype(np.float32))
