"""The last look: limbs are swung until the drawn rig lies on the film.

Nothing is learnt for it. Points of the rig's surface are asked to lie within the subject's outline, every spot of the
subject to have such a point near, and what the picture encoder sees of the film at a point to be what it sees of the
drawing there. Gradients of all that pass to the pose; poses that nobody would imagine are dear (`network.pose_prior`).
The rig is drawn anew now and then. What does not look more like the film than before is thrown away.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Lock

import numpy as np
import torch
from jaxtyping import Float, UInt8
from scipy.ndimage import distance_transform_edt
from torch import Tensor
from torch.nn import functional

from mocapcli.capturing.clip import CropClip
from mocapcli.capturing.comparing import alike
from mocapcli.capturing.inference import PoseTrack
from mocapcli.capturing.looking import Stretch
from mocapcli.capturing.match_pose import Change, Start, carry_points
from mocapcli.capturing.refine import upright_cameras
from mocapcli.capturing.windows import takeover, windows
from mocapcli.kinematics import matrix_to_quat, quat_to_matrix, slerp
from mocapcli.network.encoder import TRAINED_HERE, Encoder, sample_features, unit
from mocapcli.network.model import MotionNetwork
from mocapcli.network.pose_prior import PosePrior
from mocapcli.network.reference import RigReference, batch_rigs
from mocapcli.network.refiner_body import Body, look_at, sample_surface, surface_weights, to_camera, view_of
from mocapcli.network.refiner_pose import View
from mocapcli.network.refiner_settle import settle
from mocapcli.network.threads import at_once, one_thread
from mocapcli.render.camera import Camera
from mocapcli.render.scene import Model, render
from mocapcli.side_by_side import side_by_side
from mocapcli.training.batches import images_to_tensor
from mocapcli.training.samples import with_mask

STEPS, DRAWN = 60, 15  # of the optimiser, and how many until the rig is drawn anew
RATES = (0.1, 0.02, 0.01, 0.01)  # of whitened angles, the body's turn, its shift, bones' lengths
FADE = 0.9  # of the rates, until the end
RUN, OVERLAP = 48, 12  # frames matched together
POINTS, SPOTS = 400, 200  # of the surface, and of the film's subject
NEAR = 0.05  # half sides: a spot with a point so near is covered
FAR = 0.15  # half sides: what is farther off pulls no harder
OUTLINE, LIKENESS = 10.0, 0.6  # weights
BETTER = 0.025  # likeness to be gained, or the pose stays as it was

Crops = UInt8[np.ndarray, "frames side side 4"]
Matrices = Float[np.ndarray, "frames joints 4 4"]
Places = Float[Tensor, "frames points 2"]


def steps_of(network: MotionNetwork, asked: int | None) -> int:
    """As many as asked for, else the usual ones where the picture encoder knows more than renders."""
    knows = network.config.video_to_pose.encoder not in TRAINED_HERE
    return (STEPS if knows else 0) if asked is None else asked


@one_thread()
def match(
    matcher: "Matcher | None",
    pose: PoseTrack,
    clip: CropClip,
    full: Camera,
    progress: Callable[[int], object] = lambda frames: None,
) -> PoseTrack:
    """The pose swung to where the film shows it; as it is, where there is nothing to match."""
    if matcher is None or pose.rotations is None or pose.placed is None:
        return pose
    world = np.tile(np.eye(4), (*pose.placed.shape[:2], 1, 1))
    world[..., :3, :3], world[..., :3, 3] = quat_to_matrix(pose.rotations), pose.placed
    cameras, reading = upright_cameras(clip, full, pose.pitch), Lock()
    rotations, placed, done = pose.rotations.copy(), pose.placed.copy(), 0

    def better(stretch: Stretch) -> Matrices:
        part, found = slice(*stretch), world[slice(*stretch)].copy()
        shown = np.flatnonzero(pose.seen[part])
        if len(shown):
            with reading:  # the clip's file is read from one place at a time
                crops = clip.images(*stretch)[shown]
            found[shown] = matcher.match([cameras[stretch[0] + one] for one in shown], crops, found[shown])
        return found

    stretches = list(windows(len(clip), RUN, OVERLAP))
    for (first, last), found in zip(stretches, side_by_side(better, stretches, at_once(matcher.device)), strict=True):
        part, share = slice(first, last), takeover(first, last, done)[:, None, None]
        rotations[part] = slerp(rotations[part], matrix_to_quat(found[..., :3, :3]), share)
        placed[part] += share * (found[..., :3, 3] - placed[part])
        progress(last - done)
        done = last
    return replace(pose, rotations=rotations, placed=placed)


@dataclass(frozen=True, eq=False)
class Film:
    """What some frames show; the subject before nothing."""

    crops: Float[Tensor, "frames 4 side side"]
    details: list[Tensor]  # features, by unit vectors
    outside: Float[Tensor, "frames 1 side side"]  # how far off the subject a spot is, in half sides
    spots: Places  # of the subject
    levels: list[Tensor]  # features that likeness is judged by

    @classmethod
    def of(cls, crops: Crops, encoder: Encoder) -> "Film":
        pictures = unit(images_to_tensor(crops).to(next(encoder.parameters()).device))
        masks = crops[..., 3] > 127
        away = np.stack([distance_transform_edt(~mask) for mask in masks])[:, None] / (crops.shape[1] / 2)
        inside = np.stack([_spots(mask) for mask in masks])
        outside, spots = (torch.from_numpy(each).to(pictures) for each in (away, inside))
        return cls(pictures, _units(encoder.details(pictures)), outside, spots, encoder.levels(pictures))

    @property
    def side(self) -> int:
        return int(self.crops.shape[-1])


@dataclass(frozen=True, eq=False)
class Drawn:
    """The rig as it was drawn last: what its visible points look like."""

    details: list[Tensor]  # of points, by unit vectors
    seen: Float[Tensor, "frames points"]


@dataclass(frozen=True, eq=False)
class Matcher:
    """One rig before the encoder that compares."""

    encoder: Encoder
    model: Model
    body: Body
    prior: PosePrior
    weights: Float[Tensor, "points joints"]
    steps: int

    @classmethod
    def of(
        cls, network: MotionNetwork, model: Model | None, reference: RigReference, steps: int | None = None
    ) -> "Matcher | None":
        """`model`: the rig; nothing where it has no body of its own, for capsules are like nothing that is filmed."""
        steps = steps_of(network, steps)
        if model is None or steps == 0:
            return None
        device = next(network.parameters()).device
        body = replace(Body.of(model, reference), sample=sample_surface(model, reference.joints, POINTS))
        rig = batch_rigs([reference]).to(device)
        prior, weights = PosePrior.of(network.imaginer, rig), surface_weights([body], rig)[0].to(device)
        return cls(network.video_to_pose.encoder, model, body, prior, weights, steps)

    @property
    def device(self) -> torch.device:
        return self.weights.device

    def match(self, cameras: list[Camera], crops: Crops, world: Matrices) -> Matrices:
        """World matrices (metres) that look more like the crops; the given ones, if none are found."""
        with torch.no_grad():
            film, view = Film.of(crops, self.encoder), view_of(cameras).to(self.device)
            turns = torch.from_numpy(np.stack([camera.rotation for camera in cameras])).float().to(self.device)
            start, points = self._start(film, view, turns, cameras, world)
        change = Change.none(start)
        before = self._likeness(film, cameras, *change.pose(start))
        self._descend(change, start, points, film, view, turns, cameras)
        with torch.no_grad():
            rotations, places = change.pose(start, plain=True)
            if self._likeness(film, cameras, rotations, places) < before + BETTER:
                return world
        return self._metres(rotations, places)

    def _start(
        self, film: Film, view: View, turns: Tensor, cameras: list[Camera], world: Matrices
    ) -> tuple[Start, Float[Tensor, "frames points 3"]]:
        """The pose to begin with, moved to the middle of the subject's outline, and its surface, in the level frame."""
        local = torch.from_numpy(to_camera(world, cameras, self.body.reference.size)).float()[None].to(self.device)
        local = settle(local, look_at([self.body], local, view, film.side), film.crops[None], view)
        points = look_at([self.body], local, view, film.side).points[0]
        level = turns[None, :, None]
        places = (level @ local[..., :3, 3:])[..., 0]
        start = Start.of(self.prior, self.body.reference, level @ local[..., :3, :3], places)
        return start, (turns[:, None] @ points[..., None])[..., 0]

    @torch.enable_grad()
    def _descend(
        self,
        change: Change,
        start: Start,
        points: Tensor,
        film: Film,
        view: View,
        turns: Tensor,
        cameras: list[Camera],
    ) -> None:
        parts = (change.white, change.turn, change.shift, change.longer)
        optimiser = torch.optim.Adam([{"params": [part]} for part in parts], betas=(0.9, 0.95))
        for step in range(self.steps):
            for group, rate in zip(optimiser.param_groups, RATES, strict=True):
                group["lr"] = rate * (1 - FADE * step / self.steps)
            rotations, places = change.pose(start)
            if step % DRAWN == 0:
                drawn = self._drawn(film, view, turns, cameras, rotations.detach(), places.detach())
            surface = carry_points(points, self.weights, start, rotations, places)
            seen = view.project((turns.transpose(-1, -2)[:, None] @ surface[..., None])[None, ..., 0])[0]
            optimiser.zero_grad()
            (_off(film, drawn, seen) + change.unlikely(start)).backward()
            optimiser.step()

    @torch.no_grad()
    def _drawn(
        self, film: Film, view: View, turns: Tensor, cameras: list[Camera], rotations: Tensor, places: Tensor
    ) -> Drawn:
        local = torch.eye(4).to(places).repeat(*places.shape[:3], 1, 1)
        back = turns.transpose(-1, -2)[None, :, None]
        local[..., :3, :3], local[..., :3, 3:] = back @ rotations, back @ places[..., None]
        look = look_at([self.body], local, view, film.side)
        pictures = unit(images_to_tensor(self._picture(cameras, rotations, places)).to(self.device))
        at = view.project(look.points)[0]
        details = [sample_features(level, at) for level in self.encoder.details(pictures)]
        return Drawn([functional.normalize(each, dim=-1) for each in details], look.seen[0].float())

    @torch.no_grad()
    def _likeness(self, film: Film, cameras: list[Camera], rotations: Tensor, places: Tensor) -> float:
        """As facings are compared."""
        pictures = unit(images_to_tensor(self._picture(cameras, rotations, places)).to(self.device))
        either = torch.maximum(pictures[:, 3:], film.crops[:, 3:])
        pairs = zip(film.levels, self.encoder.levels(pictures), strict=True)
        return float(np.mean([float(alike(one, other, either).mean()) for one, other in pairs]))

    def _picture(self, cameras: list[Camera], rotations: Tensor, places: Tensor) -> Crops:
        near = 0.01 * self.body.reference.size
        world, options = self._metres(rotations, places), {"outputs": ("colour", "mask"), "threads": 1}
        nearby = [replace(camera, near=near) for camera in cameras]
        images = render(self.model, world, nearby, background=(0, 0, 0), **options)
        return with_mask(images.colour, images.mask)

    def _metres(self, rotations: Tensor, places: Tensor) -> Matrices:
        world = np.tile(np.eye(4), (*places.shape[1:3], 1, 1))
        world[..., :3, :3] = rotations[0].detach().double().cpu().numpy()
        world[..., :3, 3] = places[0].detach().double().cpu().numpy() * self.body.reference.size
        return world


def _off(film: Film, drawn: Drawn, seen: Places) -> Tensor:
    """How far the surface's points, where they are seen now, are from lying on the film."""
    where = seen[:, :, None]
    outside = functional.grid_sample(film.outside, where, padding_mode="border", align_corners=False)[:, 0, :, 0]
    beyond = (seen.abs() - 1).clamp_min(0).sum(-1)
    bare = torch.cdist(film.spots, seen).amin(-1) - NEAR
    outline = _bounded(outside + beyond).mean() + _bounded(bare.clamp_min(0)).mean()
    shown = drawn.seen.sum(1).clamp_min(1)
    unlike = seen.new_zeros(len(seen))
    for level, there in zip(film.details, drawn.details, strict=True):
        here = functional.normalize(sample_features(level, seen), dim=-1)
        unlike = unlike + ((1 - (here * there).sum(-1)) * drawn.seen).sum(1) / shown
    total: Tensor = OUTLINE * outline + LIKENESS * unlike.mean()
    return total


def _bounded(distance: Tensor) -> Tensor:
    return torch.where(distance < FAR, distance.square() / (2 * FAR), distance - FAR / 2)


def _spots(mask: np.ndarray) -> Float[np.ndarray, "spots 2"]:
    """Some pixels of a mask, -1 … 1; always the same. Of an empty one: the middle."""
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return np.zeros((SPOTS, 2))
    picked = np.random.default_rng(0).choice(len(rows), SPOTS, replace=len(rows) < SPOTS)
    return np.stack([columns[picked], rows[picked]], axis=-1) * (2 / len(mask)) + (1 / len(mask) - 1)


def _units(levels: list[Tensor]) -> list[Tensor]:
    return [functional.normalize(level, dim=1) for level in levels]
