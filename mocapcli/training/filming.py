"""What a batch shows of one rig: its reference pose, clips and single pictures of it."""

from dataclasses import replace

import numpy as np

from mocapcli.data.appearance import Appearance
from mocapcli.data.noise import drift
from mocapcli.kinematics import affine
from mocapcli.network.reference import reference_of_rig
from mocapcli.training.batches import RenderedReference
from mocapcli.training.config import DataConfig
from mocapcli.training.samples import ClipSample, SceneRig, joined
from mocapcli.types import Asset

CLIPS_PER_LOOK, STILLS_PER_LOOK = 3, 8  # that show a rig alike: dressing it takes as long as filming a clip
MADE_NOISE, STEADY = 0.02, 0.8  # the most on true positions, in sizes; its share that stays from frame to frame


def render_reference(rig: SceneRig, random: np.random.Generator | None, side: int) -> RenderedReference:
    """The rig in its reference pose: in training now the rest pose, now any frame of its clips.

    Where nothing is bound to any joint, all of them count.
    """
    asset = rig.asset
    motion = asset.motions[0] if asset.motions else None
    frame = 0
    if random is not None and asset.motions:
        motion = asset.motions[int(random.integers(len(asset.motions)))] if random.random() < 0.7 else None
        frame = int(random.integers(motion.frames)) if motion is not None and random.random() < 0.5 else 0
    reference = reference_of_rig(asset.rig, motion, frame)
    if not reference.deforms.any():
        reference = replace(reference, deforms=np.ones(reference.joints, bool))
    known = affine(reference.reference_rotations, reference.reference_positions)
    crops, cameras = rig.reference_views(known, side)
    return RenderedReference(reference, crops, tuple(cameras))


def reference_of(asset: Asset, side: int) -> RenderedReference:
    """A rig as the network meets it: its reference pose is the first frame of the first clip, else the rest pose."""
    return render_reference(SceneRig.of(asset, invent_only=True), None, side)


def film(
    rig: SceneRig, data: DataConfig, clips: int, frames: int, moving: bool, side: int, random: np.random.Generator
) -> list[ClipSample]:
    """Clips, or single pictures, in changing looks."""
    samples: list[ClipSample] = []
    if moving:
        for clip in range(clips):
            if clip % CLIPS_PER_LOOK == 0:
                shown = rig.dressed(choose_appearance(data, random), random)
            samples.append(shown.sample(random, frames, side, data.real_share, choose_pace(data, random), data.falls))
        return samples
    for _ in range(clips):
        parts = []
        for first in range(0, frames, STILLS_PER_LOOK):
            shown = rig.dressed(choose_appearance(data, random), random)
            count = min(STILLS_PER_LOOK, frames - first)
            parts.append(shown.stills(random, count, side, data.real_share, data.fps, data.falls))
        samples.append(joined(parts))
    return samples


def made_noise(random: np.random.Generator, clips: int, frames: int, joints: int) -> np.ndarray:
    """Drifting, of another strength for each clip; in sizes."""
    drifting = drift(random.normal(size=(frames, clips, joints, 3)), STEADY).swapaxes(0, 1)
    return np.asarray(drifting * random.uniform(0, MADE_NOISE, (clips, 1, 1, 1)), dtype=np.float32)


def choose_pace(data: DataConfig, random: np.random.Generator) -> float:
    """Frames per second of a clip: what videos have, or less."""
    return float(random.choice([data.fps, 24.0, 30.0]))


def choose_appearance(data: DataConfig, random: np.random.Generator) -> Appearance:
    draw = random.random()
    if draw < data.other_body:
        return "other-body"
    return "recoloured" if draw < data.other_body + data.recoloured else "own"
