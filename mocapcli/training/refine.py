"""Training stage 3 by itself: crops as in stage 1, poses that start off the truth, corrections by several iterations.

A start grows from nearly right to as wrong as stage 2 leaves it over the first steps; later iterations begin where
earlier ones ended. The video may show another body than the rig that is fitted to it: then the truth is the rig's own
pose, its middle where the other's is.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor
from torch.nn import functional

from mocapcli import losses
from mocapcli.checkpoints import model_folder
from mocapcli.data.windows import random_of
from mocapcli.kinematics import quat_to_matrix
from mocapcli.network.encoder import sample_features, unit
from mocapcli.network.graph import build_levels
from mocapcli.network.on_device import OnDevice
from mocapcli.network.reference import batch_rigs, pad_joints
from mocapcli.network.refiner import Correction, Refiner, Scene
from mocapcli.network.refiner_body import Body, Look, look_at, surface_weights, to_camera, view_of
from mocapcli.network.refiner_pose import View, World, apply_turns, turns_between
from mocapcli.network.refiner_run import shrunk
from mocapcli.network.refiner_settle import settle
from mocapcli.network.refiner_solve import Flow
from mocapcli.render.camera import Camera
from mocapcli.training.batches import images_to_tensor
from mocapcli.training.config import DataConfig
from mocapcli.training.filming import choose_appearance
from mocapcli.training.refine_predicted import Seer, seer_of
from mocapcli.training.refine_starts import start_shift, start_turns
from mocapcli.training.rotation import joint_shares
from mocapcli.training.samples import ClipSample, SceneRig, film_crops
from mocapcli.training.stream import (
    HELD_RIGS,
    FamilyStream,
    choose_entry,
    scene_rig,
    share_out,
)

Points = Float[Tensor, "batch frames points 3"]
SMOOTH = 0.02  # radians
WEAKEST, EASY = 0.15, 0.3  # strength of starts: the least, and the most at the first step
ITERATIONS = 3  # that validation looks at
PREDICTED = 0.5  # share of clips whose start another model sees, where one is named
TURN, GUESS, SURFACE, HINT, FLOW, CANONICAL = 0.5, 0.3, 4.0, 0.5, 4.0, 1.0  # weights of the loss beside the angles
FARTHEST = 1.0  # half sides or sizes: flow beyond it counts no more


@dataclass(frozen=True, eq=False)
class RefineBatch(OnDevice):
    """Clips, the bodies to be fitted, where they start and where they should end (camera axes, sizes)."""

    bodies: tuple[Body, ...]
    scene: Scene
    start: World
    truth: World
    goal: Look  # the bodies as they should stand
    canonical: Float[Tensor, "batch points 3"]  # of the surface points
    flow_only: bool = False  # nothing but where points go is to be learnt yet


@dataclass(frozen=True, eq=False)
class RefineClip:
    """One clip of one body."""

    body: Body
    crops: UInt8[np.ndarray, "frames side side 4"]
    view: View
    start: Float[np.ndarray, "frames joints 4 4"]
    truth: Float[np.ndarray, "frames joints 4 4"]


@dataclass
class RefineStream(FamilyStream[RefineBatch]):
    """Crops, a start that is off, and the truth."""

    def __getitem__(self, step: int) -> RefineBatch:
        data, side = self.config.data, self.config.network.refiner.side
        first = step * max(1, data.shows)  # of the steps that this batch is shown in
        share = 1.0 if self.validation else min(1.0, EASY + (1 - EASY) * first / max(self.config.refine.ramp, 1))
        clips = []
        for slot in share_out(data.rigs, self.rank, self.world):
            random = random_of(self.config.seed, "refine", self.validation, step, slot)
            path = self.cache_folder / choose_entry(self.shown, random).file
            for _ in range(data.clips):
                strength = share * float(random.uniform(WEAKEST, 1.0))
                predicted = self.config.refine.seer and not self.validation and random.random() < PREDICTED
                seer = seer_of(model_folder(self.config.refine.seer), path) if predicted else None
                clips.append(make_clip(scene_rig(path), body_of(path), data, side, strength, random, seer))
        return replace(collate_clips(clips), flow_only=first < self.config.refine.flow_first)


@lru_cache(maxsize=HELD_RIGS)
def body_of(path: Path) -> Body:
    return Body.of(scene_rig(path).model)


def make_clip(
    rig: SceneRig,
    body: Body,
    data: DataConfig,
    side: int,
    strength: float,
    random: np.random.Generator,
    seer: Seer | None = None,
) -> RefineClip:
    """A clip filmed in some look, and the rig's own start: off by so much of the full strength, or as it is seen."""
    shown = rig.dressed(choose_appearance(data, random), random)
    world = rig.pose(copy.deepcopy(random), data.frames, data.real_share, data.fps)
    filmed = shown.pose(random, data.frames, data.real_share, data.fps)
    sample = film_crops(shown.model, filmed, random, side if seer is None else seer.side)
    apart = (filmed - world)[..., :3, 3]
    world[..., :3, 3] += apart[:, body.reference.deforms].mean(axis=1, keepdims=True)
    cameras = cameras_of(sample)
    truth = to_camera(world, cameras, body.reference.size)
    start = None if seer is None else seer.start(sample.crops, cameras, data.fps, truth)
    if start is None:
        start = make_start(rig, truth, world, sample.camera_rotation, strength, random)
    view = view_of([camera.resized(side, side) for camera in cameras])
    return RefineClip(body, shrunk(sample.crops, side), view, start, truth)


def make_start(
    rig: SceneRig,
    truth: Float[np.ndarray, "frames joints 4 4"],
    world: Float[np.ndarray, "frames joints 4 4"],
    camera: Float[np.ndarray, "frames 3 3"],
    strength: float,
    random: np.random.Generator,
) -> Float[np.ndarray, "frames joints 4 4"]:
    """The truth with errors. Estimates shrink towards the rest pose, or any pose of the rig's clips."""
    known = quat_to_matrix(rig.asset.rig.skeleton.rest_rotations)
    if rig.asset.motions and random.random() < 0.5:
        motion = rig.asset.motions[int(random.integers(len(rig.asset.motions)))]
        known = quat_to_matrix(motion.rotations[int(random.integers(motion.frames))])
    turns = start_turns(rig.sampler, world, known, strength, random) @ camera
    shift = start_shift(truth[:, 0, :3, 3], 1.0, strength, random)
    parents = torch.from_numpy(rig.asset.rig.skeleton.parents.copy())[None]
    pose, wrong, away = (torch.from_numpy(values)[None] for values in (truth, turns, shift))
    return np.asarray(apply_turns(pose, wrong, away, parents, build_levels(parents))[0].numpy())


def cameras_of(sample: ClipSample) -> list[Camera]:
    side = sample.crops.shape[1]
    rows = zip(sample.camera_position, sample.camera_rotation, sample.focal, sample.middle, strict=True)
    return [Camera(place, turn, side, side, float(focal), tuple(middle)) for place, turn, focal, middle in rows]


def collate_clips(clips: Sequence[RefineClip]) -> RefineBatch:
    rig = batch_rigs([clip.body.reference for clip in clips])
    joints, bodies = rig.mask.shape[1], tuple(clip.body for clip in clips)
    view = View(*(torch.cat([getattr(clip.view, name) for clip in clips]) for name in ("focal", "middle", "up")))
    crops = unit(images_to_tensor(np.stack([clip.crops for clip in clips])))

    def stack(name: str) -> Tensor:
        rows = [pad_joints(getattr(clip, name), joints, np.eye(4), axis=1) for clip in clips]
        return torch.from_numpy(np.stack(rows).astype(np.float32))

    truth = stack("truth")
    canonical = torch.from_numpy(np.stack([2 * body.sample.canonical - 1 for body in bodies]).astype(np.float32))
    scene = Scene(crops, rig, view, surface_weights(bodies, rig))
    return RefineBatch(bodies, scene, stack("start"), truth, look_at(bodies, truth, view, crops.shape[-1]), canonical)


def refine_loss(refiner: Refiner, batch: RefineBatch, rounds: int) -> tuple[Tensor, dict[str, Tensor]]:
    """Mean over iterations, each from where the last one ended; gradients do not pass the drawing."""
    world, parts = settled(batch), []
    for _ in range(1 if batch.flow_only else rounds):
        look = look_at(batch.bodies, world, batch.scene.view, batch.scene.crops.shape[-1])
        if batch.flow_only:
            flow, features, _ = refiner.see(batch.scene, look)
            parts.append(_flow_parts(refiner, flow, features, look, batch))
            continue
        correction = refiner(batch.scene, world, look)
        parts.append(_parts(refiner, correction, world, look, batch))
        world = correction.world.detach()
    means = {name: torch.stack([part[name] for part in parts]).mean() for name in parts[0]}
    return torch.stack(list(means.values())).sum(), {name: value.detach() for name, value in means.items()}


def settled(batch: RefineBatch) -> World:
    """Starts with their silhouettes where the videos' are: what the first iteration is given."""
    scene = batch.scene
    look = look_at(batch.bodies, batch.start, scene.view, scene.crops.shape[-1])
    return settle(batch.start, look, scene.crops, scene.view)


def _parts(refiner: Refiner, correction: Correction, world: World, look: Look, batch: RefineBatch) -> dict[str, Tensor]:
    scene, truth, goal = batch.scene, batch.truth, batch.goal
    joints, bones = joint_shares(scene.rig, world.shape[1])
    wanted = turns_between(world, truth, scene.rig.parents)
    seen = _flow_parts(refiner, correction.flow, correction.features, look, batch)
    after, should = correction.world[..., :3, :3], truth[..., :3, :3]
    hint = _offsets(world[..., :3, 3], truth[..., :3, 3], scene.view)
    surface = (correction.points - goal.points).abs() * world.new_tensor([1.0, 1.0, 0.5])
    guess = (correction.prior.mean[:, :, :-1] - wanted).abs().sum(-1)
    return {
        "local": losses.local_rotation_loss(after, should, scene.rig.parents, joints, smooth=SMOOTH),
        "world": 0.7 * losses.world_rotation_loss(after, should, bones, smooth=SMOOTH),
        "turn": TURN * losses.masked_mean((correction.turns - wanted).abs().sum(-1), joints),
        "guess": GUESS * losses.masked_mean(guess, joints),
        "surface": SURFACE * surface.sum(-1).mean(),
        "hint": HINT * losses.masked_mean((correction.displacement - hint).abs().sum(-1), joints),
    } | seen


def _flow_parts(refiner: Refiner, flow: Flow, features: Tensor, look: Look, batch: RefineBatch) -> dict[str, Tensor]:
    """Where points go, and where on the body each pixel of the video lies (asked at the points as they should be)."""
    goal = batch.goal
    wanted = _offsets(look.points, goal.points, batch.scene.view)
    places = batch.scene.view.project(goal.points).flatten(0, 1)
    read = sample_features(refiner.canonical(features), places).unflatten(0, goal.points.shape[:2])
    return {
        "flow": FLOW * _seen_mean((flow.offsets - wanted).abs().sum(-1), look.seen),
        "canonical": CANONICAL * _seen_mean((read - batch.canonical[:, None]).abs().sum(-1), goal.seen),
    }


def _offsets(points: Points, goal: Points, view: View) -> Points:
    across = view.project(goal) - view.project(points)
    return torch.cat([across, goal[..., 2:] - points[..., 2:]], dim=-1).clamp(-FARTHEST, FARTHEST)


def _seen_mean(values: Float[Tensor, "batch frames points"], seen: Bool[Tensor, "batch frames points"]) -> Tensor:
    """Mean of each clip over what is seen in it, then over clips: then it does not matter how they are dealt out."""
    return ((values * seen).sum((1, 2)) / seen.sum((1, 2)).clamp_min(1)).mean()


@torch.no_grad()
def refine_figures(refiner: Refiner, batch: RefineBatch, iterations: int = ITERATIONS) -> dict[str, float]:
    """Errors at the settled start (`…_0`) and after each iteration; `world_degrees` is the last one's."""
    world, figures = settled(batch), dict[str, float]()
    for iteration in range(iterations + 1):
        look = look_at(batch.bodies, world, batch.scene.view, batch.scene.crops.shape[-1])
        figures |= {f"{name}_{iteration}": value for name, value in pose_errors(world, look, batch).items()}
        if iteration < iterations:
            correction = refiner(batch.scene, world, look)
            world = correction.world
            if iteration == 0:
                off = (correction.flow.offsets - _offsets(look.points, batch.goal.points, batch.scene.view)).abs()
                figures["flow"] = float(_seen_mean(off[..., :2].sum(-1), look.seen))
    return figures | {"world_degrees": figures[f"world_{iterations}"]}


def pose_errors(world: World, look: Look, batch: RefineBatch) -> dict[str, float]:
    """Degrees of local rotations (deforming joints; leaves among them), of world rotations by bone length, and the
    surface's mean distance, around its middle and as it stands, in % of the size."""
    rig, truth = batch.scene.rig, batch.truth
    joints, bones = joint_shares(rig, world.shape[1])
    leaf = ~functional.one_hot(rig.parents.clamp_min(0), rig.mask.shape[1]).bool().any(1) & rig.deforms & rig.mask
    turns, should = world[..., :3, :3], truth[..., :3, :3]
    local = losses.local_rotation_loss(turns, should, rig.parents, joints)
    leaves = losses.local_rotation_loss(turns, should, rig.parents, leaf[:, None].float().expand_as(joints))
    middle = [points - points.mean(2, keepdim=True) for points in (look.points, batch.goal.points)]
    return {
        "local": float(local.rad2deg()),
        "leaves": float(leaves.rad2deg()),
        "world": float(losses.world_rotation_loss(turns, should, bones, smooth=0.0).rad2deg()),
        "surface": float(100 * (middle[0] - middle[1]).norm(dim=-1).mean()),
        "stand": float(100 * (look.points - batch.goal.points).norm(dim=-1).mean()),
    }
