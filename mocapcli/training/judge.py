"""Training the judge: a picture of a film, the rig drawn in several poses beside it, and how far off each of these is.

The poses are wrong in the ways in which matching chooses: a body whose limbs are off, the same with a single limb
otherwise (right, wrong, or as in some other pose), turned as a whole, or hardly off at all. Of two poses that are drawn
the better one is to be told; how far off they are is asked besides.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor
from torch.nn import functional

from mocapcli.capturing.match_limbs import Limb, limbs_of
from mocapcli.data.cache import Entry
from mocapcli.data.windows import random_of
from mocapcli.errors import InvalidDataError
from mocapcli.kinematics import affine, local_to_world, quat_to_matrix, world_to_local
from mocapcli.network.encoder import Encoder, unit
from mocapcli.network.graph import build_levels
from mocapcli.network.judge import Judge
from mocapcli.network.likeness import Pictures, likeness_of
from mocapcli.network.on_device import OnDevice
from mocapcli.network.reference import RigReference
from mocapcli.network.refiner_pose import apply_turns
from mocapcli.render.rasteriser import draw
from mocapcli.render.scene import pose_points
from mocapcli.training.batches import images_to_tensor
from mocapcli.training.filming import choose_appearance
from mocapcli.training.poses import vectors_to_matrices
from mocapcli.training.refine import body_of, cameras_of
from mocapcli.training.refine_starts import start_turns
from mocapcli.training.samples import SceneRig, film_crops, with_mask
from mocapcli.training.stream import HELD_RIGS, FamilyStream, choose_entry, scene_rig, share_out
from mocapcli.training.wear import draw_wear, worn

Matrices = Float[np.ndarray, "pictures joints 4 4"]
LIMBS = 3  # poses with a single limb otherwise
TRIED = LIMBS + 3  # poses that each picture is shown with
TRUE_LIMB, WRONG_LIMB = 0.4, 0.3  # shares of limbs that are put right or bent at random; others are from another pose
ON_FROM_FIRST = 0.7  # of limbs' changes; the others come on top of the one before
WEAK, STRONG, HARDLY = (0.15, 1.0), (0.5, 1.3), (0.05, 0.6)  # strength of errors: of bodies, limbs, and good poses
ASIDE, OVER = (0.15, 3.14), (0.4, 3.14)  # radians that bodies are turned about the vertical, or about a level axis
UPRIGHT = 0.5  # share of those about the vertical
STAND, EACH, AWAY = 0.015, 0.007, 0.05  # how far off bodies stand: sizes, of all poses and each; share of the distance
WORN = 0.5  # share of pictures that show what films do to them
REAL, CLIPS = 0.7, 0.6  # shares of poses from clips, and of errors that lean towards a pose of theirs
FARTHEST = 40.0  # % of the size: errors count up to that
SAME, PLAIN = 0.2, 2.0  # % of the size: poses that differ by less are no choice, by more the plainest one
SHARP = 7.0  # of the choice between two poses, by what is said of them
ASKED = 0.25  # weight of how far off they are


@dataclass(frozen=True, eq=False)
class JudgeBatch(OnDevice):
    """Pictures of films, and what the rig looks like in some poses."""

    film: UInt8[Tensor, "pictures 4 side side"]
    drawn: UInt8[Tensor, "pictures tried 4 side side"]
    off: Float[Tensor, "pictures tried"]  # joints, in % of the size
    wear: Float[Tensor, "pictures chances"]  # what films do to pictures, …
    worn: Bool[Tensor, " pictures"]  # … where they do


@dataclass
class JudgeStream(FamilyStream[JudgeBatch]):
    """Rigs that have a mesh: capsules are like nothing that is filmed."""

    @property
    def shown(self) -> dict[str, list[Entry]]:
        families = super().shown
        meshed = {name: [entry for entry in entries if entry.triangles] for name, entries in families.items()}
        meshed = {name: entries for name, entries in meshed.items() if entries}
        if not meshed:
            whose = "set aside to judge" if self.validation else "trained on"
            raise InvalidDataError(f"no family that is {whose} has a mesh", remedy="build the cache of more assets")
        return meshed

    def __getitem__(self, step: int) -> JudgeBatch:
        parts, wear, pictures = [], [], self.config.judge.pictures
        for slot in share_out(self.config.judge.rigs, self.rank, self.world):
            random = random_of(self.config.seed, "judge", self.validation, step, slot)
            path = self.cache_folder / choose_entry(self.shown, random).file
            parts.append(self._judged(path, random))
            wear.append((draw_wear(random, 1, pictures, steady=False)[0], random.random(pictures) < self._worn))
        film, drawn, off = (np.concatenate(each) for each in zip(*parts, strict=True))
        chances, where = (torch.from_numpy(np.concatenate(each)) for each in zip(*wear, strict=True))
        return JudgeBatch(images_to_tensor(film), images_to_tensor(drawn), torch.from_numpy(off), chances, where)

    @property
    def _worn(self) -> float:
        """Share of the pictures."""
        return WORN if self.config.data.worn and not self.validation else 0.0

    def _judged(self, path: Path, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        data, rig, body = self.config.data, scene_rig(path), body_of(path)
        shown = rig.dressed(choose_appearance(data, random), random)
        poses = [rig.alike(shown, random, 1, REAL, data.fps) for _ in range(self.config.judge.pictures)]
        truth, filmed = (np.concatenate(each) for each in zip(*poses, strict=True))
        clip = film_crops(shown.model, filmed, random, self.config.network.side, moving=False)
        joints, size = body.reference.deforms, body.reference.size
        tried = WrongPoses.at(path, data.fps).of(truth, random)
        off = 100 / size * _apart(tried, truth[:, None], joints)
        where = _middle(filmed, joints)[:, None]
        where = where + _standing(size, where - clip.camera_position[:, None], random)
        tried[..., :3, 3] += (where - _middle(tried, joints))[:, :, None]
        cameras = [camera for camera in cameras_of(clip) for _ in range(TRIED)]
        points, normals = pose_points(rig.model, tried.reshape(-1, *tried.shape[2:]))
        surface = rig.model.surface
        images = draw(points, normals, surface, cameras, background=(0, 0, 0), outputs=("colour", "mask"), threads=1)
        drawn = with_mask(images.colour, images.mask).reshape(*off.shape, *clip.crops.shape[1:])
        return clip.crops, drawn, off.astype(np.float32)


@dataclass(frozen=True, eq=False)
class WrongPoses:
    """Of one rig. Where they stand is nobody's business."""

    rig: SceneRig
    reference: RigReference
    limbs: list[Limb]
    fps: float

    @classmethod
    @lru_cache(maxsize=HELD_RIGS)
    def at(cls, path: Path, fps: float) -> "WrongPoses":
        body = body_of(path)
        limbs = limbs_of(body.reference.carriers, body.sample.weights.sum(axis=0))
        return cls(scene_rig(path), body.reference, limbs, fps)

    def of(self, truth: Matrices, random: np.random.Generator) -> Float[np.ndarray, "pictures tried joints 4 4"]:
        """Some for each picture."""
        poses = [self._spoilt(truth, WEAK, random)]
        for _ in range(LIMBS):
            before = poses[0] if random.random() < ON_FROM_FIRST else poses[-1]
            poses.append(self._with_limb(before, self._other(truth, random), random))
        turned = [self._turned(poses[int(random.integers(len(poses)))][[at]], random) for at in range(len(truth))]
        return np.stack([*poses, np.concatenate(turned), self._spoilt(truth, HARDLY, random)], axis=1)

    def _other(self, truth: Matrices, random: np.random.Generator) -> Matrices:
        """Poses that a limb is taken from."""
        chance = random.random()
        if chance < TRUE_LIMB:
            return truth
        if chance < TRUE_LIMB + WRONG_LIMB:
            return self._spoilt(truth, STRONG, random)
        return np.concatenate([self.rig.pose(random, 1, REAL, self.fps) for _ in truth])

    def _spoilt(self, truth: Matrices, strength: tuple[float, float], random: np.random.Generator) -> Matrices:
        """With errors as stages 1 and 2 leave them, others in each picture."""
        skeleton, motions = self.rig.asset.rig.skeleton, self.rig.asset.motions
        much, known = float(random.uniform(*strength)), quat_to_matrix(skeleton.rest_rotations)
        if motions and random.random() < CLIPS:
            motion = motions[int(random.integers(len(motions)))]
            known = quat_to_matrix(motion.rotations[int(random.integers(motion.frames))])
        turns = [start_turns(self.rig.sampler, pose[None], known, much, random) for pose in truth]
        carriers = torch.from_numpy(self.reference.carriers.copy())[None]
        pose, wrong = torch.from_numpy(truth)[None], torch.from_numpy(np.concatenate(turns))[None]
        stays = wrong.new_zeros(1, len(truth), 3)
        return np.asarray(apply_turns(pose, wrong, stays, carriers, build_levels(carriers))[0].numpy())

    def _with_limb(self, pose: Matrices, other: Matrices, random: np.random.Generator) -> Matrices:
        """The joints of one limb as they are in other poses, bones as they were."""
        if not self.limbs:
            return other
        limb, carriers = self.limbs[int(random.integers(len(self.limbs)))], self.reference.carriers
        local, taken = (world_to_local(carriers, each) for each in (pose, other))
        local[:, limb, :3, :3] = taken[:, limb, :3, :3]
        return np.asarray(local_to_world(carriers, local))

    def _turned(self, pose: Matrices, random: np.random.Generator) -> Matrices:
        """As a whole, about its middle."""
        if random.random() < UPRIGHT:
            vector = np.array([0.0, random.choice((-1.0, 1.0)) * random.uniform(*ASIDE), 0.0])
        else:
            way = random.uniform(0, 2 * np.pi)
            vector = random.uniform(*OVER) * np.array([np.cos(way), 0.0, np.sin(way)])
        turn, middle = vectors_to_matrices(vector)[None], _middle(pose, self.reference.deforms)
        return np.asarray(affine(turn, middle - middle @ turn[0].T)[:, None] @ pose)


def _middle(poses: Float[np.ndarray, "*poses joints 4 4"], joints: Bool[np.ndarray, " joints"]) -> np.ndarray:
    return np.asarray(poses[..., :3, 3][..., joints, :].mean(axis=-2))


def _apart(poses: np.ndarray, truth: np.ndarray, joints: Bool[np.ndarray, " joints"]) -> np.ndarray:
    """Mean distance of joints, both bodies' middles being at one place."""
    here, there = (each[..., :3, 3][..., joints, :] - _middle(each, joints)[..., None, :] for each in (poses, truth))
    return np.asarray(np.linalg.norm(here - there, axis=-1).mean(axis=-1))


def _standing(size: float, away: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Errors of where bodies stand."""
    shared, own = random.normal(size=(len(away), 1, 3)), random.normal(size=(len(away), TRIED, 3))
    return np.asarray(size * (STAND * shared + EACH * own) + AWAY * random.normal(size=(len(away), 1, 1)) * away)


def judge_loss(judge: Judge, encoder: Encoder, batch: JudgeBatch) -> tuple[Tensor, dict[str, Tensor]]:
    """Of telling the better of two poses, the more they differ the more; and of saying how far off they are."""
    said, off = verdicts(judge, encoder, batch), batch.off.clamp(max=FARTHEST)
    signs, weights = pairs_of(off)
    apart = said[:, :, None] - said[:, None]
    choice = (weights * functional.softplus(-SHARP * signs * apart)).mean()
    asked = ASKED * functional.smooth_l1_loss(said, off.log1p(), beta=0.2)
    return choice + asked, {"choice": choice.detach(), "asked": asked.detach()}


def verdicts(judge: Judge, encoder: Encoder, batch: JudgeBatch) -> Float[Tensor, "pictures tried"]:
    film, drawn = _seen(encoder, batch)
    said: Tensor = judge(film, drawn).float().unflatten(0, batch.off.shape)
    return said


def pairs_of(off: Float[Tensor, "pictures tried"]) -> tuple[Tensor, Tensor]:
    """Which of two poses is farther off (1 or -1), and how much telling them apart counts."""
    apart = off[:, :, None] - off[:, None]
    return apart.sign(), (apart.abs().clamp(max=PLAIN) / PLAIN) * (apart.abs() > SAME)


@torch.no_grad()
def judge_figures(judge: Judge, encoder: Encoder, batch: JudgeBatch) -> dict[str, float]:
    """How often the worse of two poses is taken for the better one, in %: of all, and of those whose limbs differ;
    besides, where likeness alone chooses."""
    film, drawn = _seen(encoder, batch)
    said = {"": judge(film, drawn), "alike_": -likeness_of(film, drawn)}
    off, figures = batch.off.clamp(max=FARTHEST), dict[str, float]()
    for name, values in said.items():
        values = values.unflatten(0, off.shape)
        for kind, tried in (("wrong", TRIED), ("limbs", LIMBS + 1)):
            signs, weights = pairs_of(off[:, :tried])
            apart = values[:, :tried, None] - values[:, None, :tried]
            wrong = (weights * (signs * apart <= 0)).sum() / weights.sum().clamp_min(1e-6)
            figures[f"{name}{kind}_percent"] = 100 * float(wrong)
    return figures


def _seen(encoder: Encoder, batch: JudgeBatch) -> tuple[Pictures, Pictures]:
    """Each pair's film and drawing."""
    with torch.no_grad():
        crops = unit(batch.film)
        shown = torch.where(batch.worn[:, None, None, None], worn(crops[:, None], batch.wear[:, None])[:, 0], crops)
        film = Pictures.of(shown, encoder)
        drawn = Pictures.of(unit(batch.drawn.flatten(0, 1)), encoder)
    rows = torch.arange(len(batch.film), device=batch.film.device).repeat_interleave(batch.off.shape[1])
    return film.at(rows), drawn
