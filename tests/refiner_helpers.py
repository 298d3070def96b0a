"""Clips and networks that the tests of stage 3 share."""

from dataclasses import replace

import numpy as np
import torch

from mocapcli.network.graph import build_levels
from mocapcli.network.model import NetworkConfig
from mocapcli.network.refiner import Correction, Refiner, RefinerConfig
from mocapcli.network.refiner_body import Body, Look, look_at
from mocapcli.network.refiner_pose import apply_turns
from mocapcli.network.rotation_head import RotationConfig
from mocapcli.network.video_to_pose import VideoToPoseConfig
from mocapcli.training.config import DataConfig
from mocapcli.training.refine import (
    RefineBatch,
    RefineClip,
    cameras_of,
    make_clip,
)
from mocapcli.training.samples import SceneRig, film_crops

SMALL = RefinerConfig(side=48, width=12, channels=32, heads=2, blocks=2)
NETWORK = NetworkConfig(
    VideoToPoseConfig(channels=16, heads=2, rounds=2, blocks=1, query_blocks=1),
    RotationConfig(channels=16, heads=2, blocks=1),
    replace(SMALL, side=32, width=8, channels=16),
)
DATA = DataConfig(frames=2, other_body=0.0, recoloured=0.0)

torch.set_num_threads(1)  # small tensors: a second thread only waits


def clip_of(rig: SceneRig, seed: int = 0, data: DataConfig = DATA, side: int = 48) -> RefineClip:
    return make_clip(rig, Body.of(rig.model), data, side, 1.0, np.random.default_rng(seed))


def random_refiner(config: RefinerConfig = SMALL) -> Refiner:
    """Its last layers say something, unlike those of a fresh one."""
    torch.manual_seed(0)
    refiner = Refiner(config).eval()
    with torch.no_grad():
        for layer in (refiner.flow, refiner.read_out[-1], refiner.read_body[-1]):
            layer.weight.normal_(std=0.05)
            layer.bias.normal_(std=0.05)
    return refiner


@torch.no_grad()
def correct(refiner: Refiner, batch: RefineBatch, look: Look | None = None) -> Correction:
    found = look or look_at(batch.bodies, batch.start, batch.scene.view, batch.scene.crops.shape[-1])
    result: Correction = refiner(batch.scene, batch.start, found)
    return result


def film(rig: SceneRig, frames: int = 3, side: int = 48, seed: int = 2) -> tuple[np.ndarray, list, np.ndarray]:
    """Crops, cameras and true world matrices of a clip."""
    random = np.random.default_rng(seed)
    world = rig.pose(random, frames)
    sample = film_crops(rig.model, world, random, side)
    return sample.crops, cameras_of(sample), world


def turned_axes(joints: int) -> torch.Tensor:
    parents = torch.full((1, joints), -1)
    world = torch.eye(4).repeat(1, 1, joints, 1, 1)
    turns = torch.randn(1, 1, joints, 3)
    return apply_turns(world, turns, torch.zeros(1, 1, 3), parents, build_levels(parents))[0, 0, :, :3, :3]
