"""Clips of a rig that has none, as the imaginer thinks it would move."""

import numpy as np
import torch

from mocapcli.kinematics import matrix_to_quat
from mocapcli.loose_feet import motion_on_legs
from mocapcli.network.imaginer import Imaginer
from mocapcli.network.kinematics import world_to_local_rotations
from mocapcli.network.reference import RigReference, batch_rigs
from mocapcli.types import Motion, Skeleton

CLIPS, FRAMES, FPS = 48, 12, 12.0
TOGETHER = 8  # clips imagined at once
ARC = 0.2  # of a circle through noise that a clip goes round


@torch.no_grad()
def imagined_clips(imaginer: Imaginer, reference: RigReference, skeleton: Skeleton, seed: int) -> list[Motion]:
    """Each goes its way through noise steadily, so that its poses follow each other smoothly; feet go with legs."""
    device = next(imaginer.parameters()).device
    rig, random = batch_rigs([reference]).to(device), torch.Generator().manual_seed(seed)
    parents, legs = torch.tensor(skeleton.parents)[None], reference.legs
    angle = 2 * torch.pi * ARC * torch.arange(FRAMES) / FRAMES
    clips: list[Motion] = []
    while len(clips) < CLIPS:
        ends = torch.randn(2, TOGETHER, 1, reference.joints, 3, generator=random)
        noise = angle.cos()[:, None, None] * ends[0] + angle.sin()[:, None, None] * ends[1]
        world = imaginer.imagine(noise.flatten(0, 1)[None].to(device), rig)
        local = matrix_to_quat(world_to_local_rotations(world.cpu(), parents)[0].double().numpy())
        for turns in local.reshape(TOGETHER, FRAMES, reference.joints, 4):
            translations = np.tile(skeleton.rest_translations, (FRAMES, 1, 1))
            clip = Motion(f"imagined {len(clips) + 1}", FPS, turns, translations)
            clips.append(clip if legs is None else motion_on_legs(clip, skeleton, legs))
    return clips
