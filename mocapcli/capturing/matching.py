"""The last look: limbs are swung until the drawn rig lies on the film.

Nothing is learnt for it. Points of the rig's surface are asked to lie within the subject's outline, every spot of the
subject to have such a point near, and what the picture encoder sees of the film at a point to be what it sees of the
drawing there; points are drawn to where the film looks like them (`match_film`). Gradients of all that pass to the
pose; poses that nobody would imagine are dear (`network.pose_prior`). The rig is drawn anew now and then.

That is begun with the body as it stands, turned a little aside, leaning over, lying, and upside down; from knot to knot
the most promising start is gone on with. Then limbs are tried in other poses, and swung on from the best of those
(`match_limbs`), up to three times. The less more the rig looks like the film then, the less of the way it goes.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import roma
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mocapcli.capturing.clip import CropClip
from mocapcli.capturing.comparing import gained
from mocapcli.capturing.inference import PoseTrack
from mocapcli.capturing.looking import Stretch
from mocapcli.capturing.match_film import Figure, Film, Matrices, off
from mocapcli.capturing.match_limbs import SURE, Limb, leaps_of, limbs_of, try_limbs
from mocapcli.capturing.match_paint import in_films_colours
from mocapcli.capturing.match_pose import KNOT, Change, Start, carry_points
from mocapcli.capturing.refine import upright_cameras
from mocapcli.capturing.unseen import bridge_points
from mocapcli.capturing.windows import Renewed, windows
from mocapcli.in_threads import in_threads, while_wanted
from mocapcli.kinematics import compose, matrix_to_quat
from mocapcli.network.best_path import best_path
from mocapcli.network.encoder import TRAINED_HERE, Encoder
from mocapcli.network.model import MotionNetwork
from mocapcli.network.pose_prior import PosePrior
from mocapcli.network.reference import RigReference, batch_rigs
from mocapcli.network.refiner_body import Body, look_at, sample_surface, surface_weights, to_camera
from mocapcli.network.refiner_settle import settle
from mocapcli.network.threads import at_once, one_thread
from mocapcli.render.camera import Camera
from mocapcli.render.scene import Model
from mocapcli.spread import evenly_spread
from mocapcli.subject.cut import in_picture

YAW, LEAN, SIDE, BACK = (math.radians(degrees) for degrees in (20.0, 50.0, 90.0, 180.0))
# Turns of the whole body that the search begins with, each with the margin in likeness it must win by (few bodies lean
# or lie): aside, and leaning forwards, backwards and to either side; then lying so, and upside down (head over heels,
# rolled over).
LEANING = (
    ((0.0, 0.0, 0.0), 0.0),
    *(((0.0, yaw, 0.0), 0.01) for yaw in (-YAW, YAW)),
    *(((lean, 0.0, 0.0), 0.04) for lean in (-LEAN, LEAN)),
    *(((0.0, 0.0, lean), 0.04) for lean in (-LEAN, LEAN)),
)
TURNED = (
    *LEANING,
    *(((side, 0.0, 0.0), 0.02) for side in (-SIDE, SIDE, BACK)),
    *(((0.0, 0.0, side), 0.02) for side in (-SIDE, SIDE, BACK)),
)
STEPS, DRAWN = 60, 15  # of the optimiser before and after limbs are tried, and how many until the rig is drawn anew
TRIES = 3  # times that limbs are tried, as long as that makes the rig look more like the film
RATES = (0.1, 0.02, 0.01, 0.01)  # of whitened angles, the body's turn, its shift, bones' lengths
FADE = 0.9  # of the rates, until the end
RUN, OVERLAP = 48, 12  # frames matched together
EVERY = 2  # frames apart are those that are asked: half a knot
POINTS = 400  # of the surface
LOOKED_AT = 24  # frames, to say how alike a whole clip is, and which colours it has
OVER = 0.03  # of what likeness lacks is to be gained by lying or being upside down
BETTER = 0.1  # of what likeness lacks is to be gained for all of the change; less of it brings as much less


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
    before, places, filmed = pose.rotations, pose.placed, Filmed(clip, full, pose.pitch)
    renewed, alike = Renewed.of(before, places), list[float]()
    painted = matcher.painted(pose, filmed)

    def better(stretch: Stretch) -> tuple[Matrices, list[float]]:
        found, likeness = compose(before[slice(*stretch)], places[slice(*stretch)]), list[float]()
        for shown in runs(np.flatnonzero(pose.seen[slice(*stretch)])):
            film = filmed.film((stretch[0] + shown).tolist(), painted.figure.encoder)
            found[shown], like = painted.match(film, found[shown])
            if painted is not matcher:  # readings are compared in the rig's own colours: paint suits any pose
                like = float(matcher.figure.likeness_of(film, found[shown]).mean())
            likeness += [like] * len(shown)
        return found, likeness

    stretches = list(windows(len(clip), RUN, OVERLAP))
    matched = in_threads(better, stretches, at_once(matcher.device))
    for (first, last), (found, likeness) in zip(stretches, matched, strict=True):
        progress(renewed.take(first, last, matrix_to_quat(found[..., :3, :3]), found[..., :3, 3], blends=1.0))
        alike += likeness
    placed = places + bridge_points(renewed.placed - places, pose.seen)  # turns are bridged when all is done
    return replace(pose, rotations=renewed.rotations, placed=placed, likeness=float(np.mean(alike or [0.0])))


@torch.no_grad()
@one_thread()
def how_alike(matcher: "Matcher", pose: PoseTrack, clip: CropClip, full: Camera) -> float:
    """Mean likeness of some frames to the film, the pose being as it is; of a pose that is none: nothing."""
    frames = some_seen(pose)
    if pose.rotations is None or pose.placed is None or not frames:
        return 0.0
    film = Filmed(clip, full, pose.pitch).film(frames, matcher.figure.encoder)
    return float(matcher.figure.likeness_of(film, compose(pose.rotations[frames], pose.placed[frames])).mean())


def some_seen(pose: PoseTrack) -> list[int]:
    """Frames that show the subject, to tell of the whole clip."""
    shown = np.flatnonzero(pose.seen)
    return shown[evenly_spread(len(shown), LOOKED_AT)].tolist()  # type: ignore[no-any-return]


def runs(shown: Int[np.ndarray, " frames"]) -> list[np.ndarray]:
    """Frames that follow each other: those on either side of a gap need not be alike."""
    return np.split(shown, np.flatnonzero(np.diff(shown) > KNOT) + 1) if len(shown) else []


@dataclass(frozen=True, eq=False)
class Filmed:
    """A clip, and the camera that it was cut from as it is thought to be held."""

    clip: CropClip
    full: Camera
    pitch: float

    @cached_property
    def cameras(self) -> list[Camera]:
        return upright_cameras(self.clip, self.full, self.pitch)

    def film(self, frames: Sequence[int], encoder: Encoder) -> Film:
        inside = np.stack([in_picture(self.full, self.clip.cameras[frame]) for frame in frames])
        return Film.of([self.cameras[frame] for frame in frames], self.clip.pictures(frames), encoder, inside)


@dataclass(frozen=True, eq=False)
class Matcher:
    """One rig to be laid on films."""

    figure: Figure
    prior: PosePrior
    weights: Float[Tensor, "points joints"]
    limbs: list[Limb]
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
        limbs = limbs_of(reference.carriers, weights.sum(0).double().cpu().numpy())
        return cls(Figure(network.video_to_pose.encoder, model, body), prior, weights, limbs, steps)

    @property
    def device(self) -> torch.device:
        return self.weights.device

    def painted(self, pose: PoseTrack, filmed: Filmed) -> "Matcher":
        """In the film's colours, where the rig's own are plainly others."""
        frames = some_seen(pose)
        if pose.rotations is None or pose.placed is None or not frames:
            return self
        film = filmed.film(frames, self.figure.encoder)
        start = self._task(film, compose(pose.rotations[frames], pose.placed[frames])).start
        figure = in_films_colours(self.figure, film, *Change.none(start).pose(start, plain=True))
        return self if figure is self.figure else replace(self, figure=figure)

    def match(self, film: Film, world: Matrices) -> tuple[Matrices, float]:
        """World matrices (metres) that look more like the film than those given; and how much they look like it."""
        whole, given = self._task(film, world), float(self.figure.likeness_of(film, world).mean())
        before = max(given, self._likeness(Change.none(whole.start), whole))  # settled is not always better
        likeness, change = self._most_alike(whole)
        share = gained(before, likeness) / BETTER
        if 0 < share < 1:  # a part of the way need not lead anywhere
            change = change.share(whole.start, share)
            likeness = self._likeness(change, whole)
        if not (share > 0 and likeness > before):  # nor where it is no number
            return world, given
        return self.figure.metres(*change.pose(whole.start, plain=True)), likeness

    def _most_alike(self, whole: "_Task") -> tuple[float, Change]:
        """What was found, and how much it looks like the film."""
        some = whole.every(EVERY)
        begun = [self._descended(change, some) for change in self._begun(whole.at_knots())]
        (likeness, change), *over = ((self._likeness(each, whole), each) for each in begun)
        for found, other in over:
            if gained(likeness, found) > OVER:
                likeness, change = found, other
        for _ in range(TRIES):
            other = change.copy()
            if not try_limbs(other, whole.start, self.figure, whole.film, self.limbs):
                break
            found = self._likeness(self._descended(other, some), whole)
            if not found > likeness:  # nor where it is no number
                break
            likeness, change = found, other
        return likeness, change

    @torch.no_grad()
    def _task(self, film: Film, world: Matrices) -> "_Task":
        """The body is moved to the middle of the subject's outline."""
        body, view, turns = self.figure.body, film.view, film.turns
        local = torch.from_numpy(to_camera(world, film.cameras, body.reference.size)).float()[None].to(self.device)
        look = look_at([body], local, view, film.side).within(film.inside[None, :, 0])
        local = settle(local, look, film.crops[None], view)
        points = look_at([body], local, view, film.side).points[0]
        level = turns[None, :, None]
        places = (level @ local[..., :3, 3:])[..., 0]
        start = Start.of(self.prior, body.reference, level @ local[..., :3, :3], places)
        return _Task(start, points @ turns.transpose(-1, -2), film)

    def _begun(self, task: "_Task") -> list[Change]:
        """Knot by knot the most promising of some turns of the whole body, after half of the steps: of those that stand
        or lean and, where that is something else, of all of them.

        One that stands may lie before the clip is over.
        """
        tried, likeness = [], []
        for turned, price in TURNED:
            change = self._descended(Change.none(task.start, turned), task, self.steps // 2)
            likeness.append(self._alike(change, task) - price)
            tried.append(change)
        turns = roma.rotvec_to_rotmat(torch.tensor([turned for turned, _ in TURNED]))
        leaps = leaps_of(roma.rotmat_geodesic_distance(turns[:, None], turns))
        scores = SURE * torch.stack(likeness, dim=1).cpu()
        paths = [best_path(scores[:, :few], leaps[:few, :few]) for few in (len(LEANING), len(TURNED))]
        return [Change.pieced(tried, path) for path in (paths if paths[0] != paths[1] else paths[:1])]

    @torch.enable_grad()
    def _descended(self, change: Change, task: "_Task", steps: int | None = None) -> Change:
        """The same, changed."""
        start, film, steps = task.start, task.film, self.steps if steps is None else steps
        view, turns = film.view, film.turns  # put together from the cameras, once
        optimiser = torch.optim.Adam([{"params": [part]} for part in change.parts], betas=(0.9, 0.95))
        for step in range(steps):
            while_wanted()
            for group, rate in zip(optimiser.param_groups, RATES, strict=True):
                group["lr"] = rate * (1 - FADE * step / steps)
            rotations, places = change.pose(start)
            if step % DRAWN == 0:
                drawn = self.figure.drawn(film, rotations.detach(), places.detach())
            surface = carry_points(task.points, self.weights, start, rotations, places)
            seen = view.project((surface @ turns)[None])[0]
            optimiser.zero_grad()
            (off(film, drawn, seen) + change.unlikely(start)).backward()
            optimiser.step()
        return change

    @torch.no_grad()
    def _alike(self, change: Change, task: "_Task") -> Float[Tensor, " frames"]:
        """Of the rig, its bones being its own."""
        return self.figure.likeness(task.film, *change.pose(task.start, plain=True))

    def _likeness(self, change: Change, task: "_Task") -> float:
        return float(self._alike(change, task).mean())


@dataclass(frozen=True, eq=False)
class _Task:
    """Frames to be matched."""

    start: Start  # the pose to begin with
    points: Float[Tensor, "frames points 3"]  # its surface, in the level frame
    film: Film

    def every(self, apart: int) -> "_Task":
        """So many apart, and the last."""
        return self._at(sorted({*range(0, len(self.points), apart), len(self.points) - 1}))

    def at_knots(self) -> "_Task":
        return self._at(self.start.knot_frames)

    def _at(self, frames: Sequence[int]) -> "_Task":
        return _Task(self.start.at(frames), self.points[list(frames)], self.film.at(frames))
