"""Training stage 2 by itself: true positions of real clips with the errors that stage 1 makes, to rotations.

Errors are AR(1) noise of random strength, steadiness and share among the joints. Some clips are made up, and some rigs
have other proportions than their files'. Rigs are mirrored, turned as a whole
(rest pose, reference and motion together) and under their motion only, so that no heading is special.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mocapcli import losses
from mocapcli.data.appearance import bone_factors, other_body
from mocapcli.data.cache import Entry
from mocapcli.data.noise import drift
from mocapcli.data.windows import random_of
from mocapcli.kinematics import about_vertical, motion_world
from mocapcli.network.on_device import OnDevice
from mocapcli.network.reference import RigBatch, RigReference, batch_rigs, forget_names, pad_joints, reference_of_rig
from mocapcli.network.rotation_head import RotationHead, RotationOutput
from mocapcli.network.shared_motion import without_measured_noise
from mocapcli.network.whole_pose import places_of
from mocapcli.training.config import RotationTaskConfig, RotationWeights
from mocapcli.training.samples import RIG_CHANGE, SceneRig
from mocapcli.training.stream import FamilyStream, choose_entry, scene_rig, share_out
from mocapcli.types import Asset, Motion, Rig

SMOOTH = 0.03  # radians within which an error's slope fades
STEADINESS = (0.0, 0.5, 0.8, 0.92)  # of the noise from frame to frame
SPREADS = (0.3, 0.6)  # of the logarithm of joints' shares of the noise: stage 1 sees some far better than others
TOLD_EACH = 0.5  # share of clips in which each joint's noise is told, as stage 1 does; others come as tracks do
OTHER_BONES, INVENTED = 0.5, 0.25  # shares of clips: other proportions, motions made up
FPS = 30.0
POOR = 2.5  # times the strongest usual noise
DEALT = 8  # steps whose rigs are dealt out by size
BESIDE_DEFORMING = 0.1  # weight of joints that deform nothing


@dataclass(frozen=True, eq=False)
class RotationBatch(OnDevice):
    """Clips of several rigs; lengths in sizes."""

    rig: RigBatch
    positions: Float[Tensor, "batch frames joints 3"]  # with noise, or with what is left of it
    noise: Float[Tensor, "batch frames joints"]  # what the network is told of it
    world: Float[Tensor, "batch frames joints 3 3"]  # the truth


@dataclass(frozen=True, eq=False)
class _Clip:
    reference: RigReference
    positions: np.ndarray
    noise: Float[np.ndarray, " joints"] | None  # None: it is to be measured, and taken out
    world: np.ndarray


_Draw = tuple[Entry, np.random.Generator]


@dataclass
class RotationStream(FamilyStream[RotationBatch]):
    """True positions with noise, and their rotations."""

    def __getitem__(self, step: int) -> RotationBatch:
        task = self.config.rotation
        drawn = self._drawn(step) if self.validation else self._dealt(step)
        mine = (drawn[slot] for slot in share_out(task.clips, self.rank, self.world))
        rigs = ((scene_rig(self.cache_folder / entry.file), random) for entry, random in mine)
        return _collate([_clip(rig, random, task, self.validation) for rig, random in rigs])

    def _drawn(self, step: int) -> list[_Draw]:
        """A rig for each clip, and the chance that decides the rest."""
        slots = range(self.config.rotation.clips)
        chances = (random_of(self.config.seed, "rotation", self.validation, step, slot) for slot in slots)
        return [(choose_entry(self.shown, random), random) for random in chances]

    def _dealt(self, step: int) -> list[_Draw]:
        """The draws of a few steps are dealt out by size: beside a rig of 100 joints one of 20 is mostly padding."""
        clips, number = self.config.rotation.clips, step % DEALT
        drawn = [draw for each in range(DEALT) for draw in self._drawn(step - number + each)]
        drawn.sort(key=lambda draw: draw[0].joints)
        place = clips * int(random_of(self.config.seed, "dealt", step - number).permutation(DEALT)[number])
        return drawn[place : place + clips]


def rotation_loss(
    output: RotationOutput, batch: RotationBatch, weights: RotationWeights
) -> tuple[Tensor, dict[str, Tensor]]:
    """Local and world angles, turning from frame to frame, and where joints stand and move by forward kinematics; every
    rig counts the same."""
    joints, bones = joint_shares(batch.rig, output.world.shape[1])
    frames = torch.ones(output.world.shape[:2], dtype=torch.bool, device=joints.device)
    parts = {
        "local": losses.local_rotation_loss(output.world, batch.world, batch.rig.parents, joints, smooth=SMOOTH),
        "world": losses.world_rotation_loss(output.world, batch.world, bones, smooth=SMOOTH),
        "turning": losses.angular_velocity_loss(output.world, batch.world, bones, frames),
    }
    stands, should = (places_of(world, batch.rig.anchors) for world in (output.world, batch.world))
    parts["fk"] = losses.position_loss(stands, should, joints)
    parts["fk_speed"] = losses.velocity_loss(stands, should, joints, frames)
    total = torch.stack([getattr(weights, name) * value for name, value in parts.items()]).sum()
    return total, {name: value.detach() for name, value in parts.items()}


@torch.no_grad()
def rotation_figures(head: RotationHead, batch: RotationBatch) -> dict[str, float]:
    """Degrees, of the network and of the closed form it starts from."""
    output = head(batch.positions, batch.rig, batch.noise)
    joints, bones = joint_shares(batch.rig, output.world.shape[1])
    rows = {"": output.world}
    if output.estimate is not None:
        rows["closed_form_"] = output.estimate.deltas @ batch.rig.reference_rotations[:, None]
    figures: dict[str, float] = {}
    for name, world in rows.items():
        local = losses.local_rotation_loss(world, batch.world, batch.rig.parents, joints, smooth=0.0)
        weighted = losses.world_rotation_loss(world, batch.world, bones, smooth=0.0)
        figures |= {f"{name}local_degrees": float(local.rad2deg()), f"{name}world_degrees": float(weighted.rad2deg())}
    return figures


def joint_shares(rig: RigBatch, frames: int) -> tuple[Tensor, Tensor]:
    """Weights of joints (those that deform) and of bones (by length); each rig's sum to one."""
    joints = (rig.mask * (BESIDE_DEFORMING + (1 - BESIDE_DEFORMING) * rig.deforms)).float()
    bones = losses.bone_weights(rig.reference_positions, rig.parents) * rig.mask
    shares = [weight / weight.sum(1, keepdim=True).clamp_min(1e-6) for weight in (joints, bones)]
    return shares[0][:, None].expand(-1, frames, -1), shares[1][:, None].expand(-1, frames, -1)


def _clip(scene: SceneRig, random: np.random.Generator, task: RotationTaskConfig, plain: bool) -> _Clip:
    """One clip with its reference; validation shows real clips of rigs as they are."""
    asset = scene.asset
    if not plain and random.random() < OTHER_BONES:
        asset = other_body(asset, bone_factors(asset.rig.skeleton, random, RIG_CHANGE))
    if not plain and random.random() < INVENTED:
        world = scene.invented(asset, random, task.frames, FPS)
    else:
        world = _real(asset, random, task)
    reference = known_pose(asset.rig, asset.motions, random)
    positions, turns = world[..., :3, 3], world[..., :3, :3]
    if not plain:
        reference, positions, turns = _vary(forget_names(reference, random), positions, turns, random)
    positions = positions / reference.size
    positions = positions - positions[:1, :1]
    strength = _strength(random, task.noise)
    share = np.exp(random.choice(SPREADS) * random.normal(size=(1, positions.shape[1], 1)))
    noisy = positions + strength * share * _errors(positions.shape, random)
    told = strength * share[0, :, 0] * float(np.exp(0.2 * random.normal()))
    return _Clip(reference, noisy, told if random.random() < TOLD_EACH else None, turns)


def _real(
    asset: Asset, random: np.random.Generator, task: RotationTaskConfig
) -> Float[np.ndarray, "frames joints 4 4"]:
    """World matrices of a part of one of the rig's clips."""
    motions = asset.motions
    lengths = np.array([min(motion.frames, 150) for motion in motions], dtype=float)
    motion = motions[int(random.choice(len(motions), p=lengths / lengths.sum()))]
    stride = 1 if random.random() < 0.7 else 2
    start = int(random.integers(0, max(1, motion.frames - stride * (task.frames - 1))))
    chosen = np.minimum(start + stride * np.arange(task.frames), motion.frames - 1)
    return motion_world(asset.rig.skeleton, frames_of(motion, chosen))


def known_pose(
    rig: Rig, motions: tuple[Motion, ...], random: np.random.Generator, default: float = 0.5, rest: float = 0.15
) -> RigReference:
    """In such shares the default, the first clip's first frame, or the rest pose; else any frame of any clip."""
    draw = random.random()
    if draw < default:
        return reference_of_rig(rig, motions[0], 0)
    if draw < default + rest:
        return reference_of_rig(rig)
    motion = motions[int(random.integers(len(motions)))]
    return reference_of_rig(rig, motion, int(random.integers(motion.frames)))


def _vary(
    reference: RigReference, positions: np.ndarray, turns: np.ndarray, random: np.random.Generator
) -> tuple[RigReference, np.ndarray, np.ndarray]:
    """Mirrored, turned together, turned alone: each now and then."""
    if random.random() < 0.5:
        mirror = np.diag([-1.0, 1.0, 1.0])
        reference = map_reference(reference, mirror, mirror)
        positions, turns = positions @ mirror, mirror @ turns @ mirror
    for together in (True, False):
        if random.random() < 0.4:
            yaw = about_vertical(float(random.uniform(-np.pi, np.pi)))
            if together:
                reference = map_reference(reference, yaw, np.eye(3))
            positions, turns = positions @ yaw.T, yaw @ turns
    return reference, positions, turns


def map_reference(reference: RigReference, left: np.ndarray, right: np.ndarray) -> RigReference:
    return replace(
        reference,
        rest_positions=reference.rest_positions @ left.T,
        rest_rotations=left @ reference.rest_rotations @ right,
        reference_positions=reference.reference_positions @ left.T,
        reference_rotations=left @ reference.reference_rotations @ right,
    )


def frames_of(motion: Motion, chosen: np.ndarray) -> Motion:
    return Motion(motion.name, motion.fps, motion.rotations[chosen], motion.translations[chosen])


def _strength(random: np.random.Generator, most: float) -> float:
    """None at all in a fifth of the clips, else up to the most, and now and then what a poor look leaves."""
    draw = random.random()
    if draw < 0.2:
        return 0.0
    if draw < 0.9:
        return float(random.uniform(0.0, most / 2) if draw < 0.6 else random.uniform(most / 4, most))
    return float(random.uniform(most, POOR * most))


def _errors(shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    kept = float(random.choice(STEADINESS))
    return drift(random.normal(size=shape), kept)


def _collate(clips: list[_Clip]) -> RotationBatch:
    rig = batch_rigs([clip.reference for clip in clips])
    joints = rig.mask.shape[1]
    positions = np.stack([pad_joints(clip.positions, joints, 0.0, axis=1) for clip in clips])
    world = np.stack([pad_joints(clip.world, joints, np.eye(3), axis=1) for clip in clips])
    told = [np.zeros(clip.positions.shape[1]) if clip.noise is None else clip.noise for clip in clips]
    noise = np.stack([pad_joints(each, joints, 0.0) for each in told])[:, None]
    noise = np.broadcast_to(noise, positions.shape[:3]).copy()
    values = (torch.from_numpy(each.astype(np.float32)) for each in (positions, noise, world))
    return _as_tracks(RotationBatch(rig, *values), torch.tensor([clip.noise is None for clip in clips]))


def _as_tracks(batch: RotationBatch, chosen: Bool[Tensor, " batch"]) -> RotationBatch:
    """Those clips as the head takes places of which it is told no noise: measured, and taken out."""
    cleaned, left = without_measured_noise(batch.positions, batch.rig.anchors)
    positions = torch.where(chosen[:, None, None, None], cleaned, batch.positions)
    return replace(batch, positions=positions, noise=torch.where(chosen[:, None, None], left, batch.noise))
