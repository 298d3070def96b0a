"""Training the imaginer: poses of real clips, of rigs of all kinds, from the reference pose's point of view."""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mocapcli.data import compact
from mocapcli.data.windows import random_of, training_part
from mocapcli.kinematics import motion_world, polar, resize_pose
from mocapcli.network.imaginer import Imaginer, Turns, posed, turns_of
from mocapcli.network.on_device import OnDevice
from mocapcli.network.reference import RigBatch, RigReference, batch_rigs, forget_names, pad_joints, reference_of_rig
from mocapcli.network.whole_pose import places_of
from mocapcli.spread import evenly_spread
from mocapcli.training.poses import lengths_beyond
from mocapcli.training.rotation import BESIDE_DEFORMING, frames_of, known_pose, map_reference
from mocapcli.training.stream import HELD_RIGS, FamilyStream, choose_entry, share_out
from mocapcli.types import Asset

FRAMES_OF_CLIP, FRAMES_OF_RIG = 24, 600  # that are kept
LEAST = 0.15  # weight of a joint that carries nothing, such as a finger's end
CARRIED = 0.3  # sizes a joint must reach out for its whole weight
BONE_CHANGE, VARIED = 0.25, 0.5  # how other proportions are, and the share of rigs that have them
LIVELY, TRIES = 0.2, 4  # radians from which on a rig is shown whenever it is drawn
JUDGED_RIGS = 3
JUDGED = 64  # poses imagined of a rig, among which each real one looks for the nearest


@dataclass(frozen=True, eq=False)
class ImagineBatch(OnDevice):
    """Poses of several rigs."""

    rig: RigBatch
    world: Float[Tensor, "batch poses joints 3 3"]
    weights: Float[Tensor, "batch joints"]
    noise: Turns  # where each pose's way begins …
    time: Float[Tensor, "batch poses"]  # … and how much of it, 0 to 1, lies behind


@dataclass(frozen=True, eq=False)
class KnownPoses:
    """One rig and what is known of its poses: world rotations."""

    asset: Asset
    world: Float[np.ndarray, "frames joints 3 3"]
    liveliness: float  # radians by which joints are turned against their mean, on the average


@dataclass
class ImagineStream(FamilyStream[ImagineBatch]):
    """Poses of rigs, each rig seen from a reference of its own."""

    def __getitem__(self, step: int) -> ImagineBatch:
        task = self.config.imagine
        references, worlds, ways = [], [], []
        for slot in share_out(min(task.rigs, JUDGED_RIGS) if self.validation else task.rigs, self.rank, self.world):
            random = random_of(self.config.seed, "imagine", self.validation, step, slot)
            known = self._lively(random)
            world = known.world[random.integers(len(known.world), size=task.poses)]
            rig, motions = known.asset.rig, known.asset.motions
            if self.validation:
                reference = reference_of_rig(rig, motions[0])
            else:
                reference = known_pose(rig, motions, random, default=0.7, rest=0.1)
                reference, world = _varied(forget_names(reference, random), world, random)
            references.append(reference)
            worlds.append(world)
            ways.append((random.normal(size=(*world.shape[:2], 3)), random.normal(size=task.poses)))
        return _collate(references, worlds, ways)

    def _lively(self, random: np.random.Generator) -> KnownPoses:
        """A rig; those that hardly move come seldom."""
        for _ in range(TRIES):
            known = known_poses(self.cache_folder / choose_entry(self.shown, random).file)
            if random.random() < known.liveliness / LIVELY:
                break
        return known


@lru_cache(maxsize=HELD_RIGS)
def known_poses(path: Path) -> KnownPoses:
    asset = training_part(compact.load(path))
    parts = []
    for motion in asset.motions:
        kept = frames_of(motion, np.array(evenly_spread(motion.frames, FRAMES_OF_CLIP)))
        parts.append(polar(motion_world(asset.rig.skeleton, kept)[..., :3, :3])[0].astype(np.float32))
    world = np.concatenate(parts)
    world = world[evenly_spread(len(world), FRAMES_OF_RIG)]
    middle = polar(world.mean(axis=0))[0]
    cosine = (np.einsum("fjab,jab->fj", world, middle) - 1) / 2
    return KnownPoses(asset, world, float(np.arccos(np.clip(cosine, -1, 1)).mean()))


def imagine_loss(imaginer: Imaginer, batch: ImagineBatch) -> tuple[Tensor, dict[str, Tensor]]:
    """Of the way from noise to a pose, at a random moment; every rig counts the same."""
    turns = turns_of(batch.world, batch.rig)
    way = turns - batch.noise
    now = batch.noise + batch.time[..., None, None] * way
    off = (imaginer(now, batch.time, batch.rig) - way).square().mean((1, 3))
    loss = (off * batch.weights / batch.weights.sum(-1, keepdim=True)).sum(-1).mean()
    return loss, {"flow": loss.detach()}


@torch.no_grad()
def imagine_figures(imaginer: Imaginer, batch: ImagineBatch) -> dict[str, float]:
    """How far real poses are from the nearest of some imagined ones, and from the reference pose: % of the size."""
    rig = batch.rig
    noise = torch.randn(len(rig.mask), JUDGED, rig.mask.shape[1], 3, generator=torch.Generator().manual_seed(0))
    imagined = _around_centre(imaginer.imagine(noise.to(batch.world), rig), rig)
    real = _around_centre(posed(turns_of(batch.world, rig), rig), rig)
    copy = _around_centre(rig.reference_rotations[:, None], rig)
    near, far = _apart(real, imagined, rig).min(-1).values, _apart(real, copy, rig)
    return {"nearest_percent": 100 * float(near.mean()), "copy_percent": 100 * float(far.mean())}


def _around_centre(world: Float[Tensor, "batch poses joints 3 3"], rig: RigBatch) -> Turns:
    points = places_of(world, rig.anchors)
    middle: Tensor = (points * _shares(rig)[:, None, :, None]).sum(2, keepdim=True)
    return points - middle


def _apart(
    first: Float[Tensor, "batch some joints 3"], second: Float[Tensor, "batch others joints 3"], rig: RigBatch
) -> Float[Tensor, "batch some others"]:
    distance = (first[:, :, None] - second[:, None]).norm(dim=-1)
    result: Tensor = (distance * _shares(rig)[:, None, None]).sum(-1)
    return result


def _shares(rig: RigBatch) -> Float[Tensor, "batch joints"]:
    """What deforms counts; where nothing does, all joints."""
    counted = torch.where(rig.deforms.any(-1, keepdim=True), rig.deforms, rig.mask).to(rig.reference_positions)
    result: Tensor = counted / counted.sum(-1, keepdim=True)
    return result


def _varied(
    reference: RigReference, world: np.ndarray, random: np.random.Generator
) -> tuple[RigReference, Float[np.ndarray, "poses joints 3 3"]]:
    """Mirrored, or of other proportions. World rotations tell of one body what they told of the other."""
    if random.random() < 0.5:
        mirror = np.diag([-1.0, 1.0, 1.0])
        reference, world = map_reference(reference, mirror, mirror), mirror @ world @ mirror
    if random.random() < VARIED:
        factors = np.exp(BONE_CHANGE * random.normal(size=reference.joints))
        rest, known = (
            resize_pose(points, reference.parents, factors)
            for points in (reference.rest_positions, reference.reference_positions)
        )
        reference = replace(reference, rest_positions=rest, reference_positions=known)
    return reference, world


def _weights(reference: RigReference) -> Float[np.ndarray, " joints"]:
    reach = lengths_beyond(reference.parents, reference.reference_positions) / reference.size
    deform = np.where(reference.deforms, 1.0, BESIDE_DEFORMING)
    return deform * (LEAST + (1 - LEAST) * np.minimum(reach / CARRIED, 1.0))


def _collate(
    references: list[RigReference], worlds: list[np.ndarray], ways: list[tuple[np.ndarray, np.ndarray]]
) -> ImagineBatch:
    """`ways`: noise of each pose, and a number whose logistic function is the moment."""
    rig = batch_rigs(references)
    joints = rig.mask.shape[1]
    world = np.stack([pad_joints(one, joints, np.eye(3), axis=1) for one in worlds])
    weights = np.stack([pad_joints(_weights(one), joints, 0.0) for one in references])
    noise = np.stack([pad_joints(one, joints, 0.0, axis=1) for one, _ in ways])
    moments = np.stack([moment for _, moment in ways])
    values = (world, weights, noise, 1 / (1 + np.exp(-moments)))
    return ImagineBatch(rig, *(torch.from_numpy(each.astype(np.float32)) for each in values))
