"""Tracks in the rig's units to rotations: windows of the closed form, or of a trained head on top of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from mocapcli.capturing.models import shipped_model
from mocapcli.checkpoints import model_folder
from mocapcli.kinematics import about_vertical, matrix_to_quat
from mocapcli.network.anchored import Settings, estimate_deltas, estimate_noise
from mocapcli.network.model import load_network
from mocapcli.network.reference import RigBatch, RigReference, batch_rigs
from mocapcli.network.rotation_head import RotationHead, RotationOutput
from mocapcli.network.shared_motion import without_noise
from mocapcli.network.whole_pose import BONES_ALONE
from mocapcli.solving.chains import place_missing

Points = Float[np.ndarray, "frames joints 3"]
CLOSED_FORM = "closed-form"
CLEAN = 0.0015  # in sizes: noise below which the closed form is at least as good as what was learnt
MOST_CELLS = 20_000  # frames × joints of a window: what keeps memory flat
LONGEST, SHORTEST, OVERLAP = 256, 96, 32  # frames; the overlap is beyond what the closed form looks to the side
# In sizes, of joints placed by their neighbours' pull: falling, so that limbs bend as is their habit before they
# have to reach; at last they nearly must.
UNSEEN_NOISE, FINAL_NOISE = 0.05, 0.005
ROUNDS = 10  # of placing unseen joints and turning bones in turns
IN_TURNS = Settings(sweeps=1, stretch=0.0, whole=BONES_ALONE)
NOISE_FRAMES = 2000  # looked at to measure noise


@dataclass(frozen=True)
class Pose:
    """World rotations as quaternions, and where the joints were taken to be, in sizes."""

    rotations: Float[np.ndarray, "frames joints 4"]
    positions: Points
    learned: bool  # by the head; else in closed form


def choose_head(model: str | Path | None) -> tuple[RotationHead | None, str]:
    """The rotation head of a trained model, and its name; by default that of the one that comes with mocap."""
    if model == CLOSED_FORM:
        return None, CLOSED_FORM
    folder = shipped_model() if model is None else model_folder(str(model))
    return load_network(folder, "rotation").rotation, folder.name if model is None else str(model)


def solve_pose(
    points: Points,
    trust: Float[np.ndarray, "frames joints"],
    reference: RigReference,
    head: RotationHead | None = None,
    progress: Callable[[int], object] = lambda frames: None,
    least_noise: float = 0.0,
) -> Pose:
    """Rotations of every joint from places in units of the reference's size, NaN where unseen.

    Tracks with less noise need no head: the closed form follows them to the letter.
    """
    solver = _Solver.build(points, reference, head)
    if solver.noise < least_noise:
        solver = replace(solver, head=None)
    frames, joints = points.shape[:2]
    rotations, positions = np.zeros((frames, joints, 4)), np.zeros((frames, joints, 3))
    guess = guess_places(points, solver.anchor_positions)
    done = 0
    for first, last in windows(frames, joints):
        kept = slice(first, last)
        quaternions, places = solver.window(points[kept], trust[kept], guess[kept])
        share = np.ones(last - first)  # of the new window; it takes over gradually from the one before
        share[: done - first] = (np.arange(done - first) + 1) / (done - first + 1)
        signs = np.where((rotations[kept] * quaternions).sum(-1, keepdims=True) < 0, -1.0, 1.0)
        mixed = rotations[kept] * (1 - share)[:, None, None] + signs * quaternions * share[:, None, None]
        rotations[kept] = mixed / np.linalg.norm(mixed, axis=-1, keepdims=True)
        positions[kept] += share[:, None, None] * (places - positions[kept])
        progress(last - done)
        done = last
    return Pose(rotations, positions, solver.head is not None)


def windows(frames: int, joints: int) -> Iterator[tuple[int, int]]:
    """Overlapping stretches that cover all frames."""
    length = int(np.clip(MOST_CELLS // joints, SHORTEST, LONGEST))
    first = 0
    while True:
        last = min(first + length, frames)
        yield first, last
        if last == frames:
            return
        first = last - OVERLAP


@dataclass(frozen=True)
class _Solver:
    """One rig, ready to be posed window by window."""

    rig: RigBatch
    bones: Float[np.ndarray, "joints 3"]  # from each parent, in the reference pose
    anchor_positions: Float[np.ndarray, "joints 3"]
    parents: Int[np.ndarray, " joints"]
    noise: float
    head: RotationHead | None

    @classmethod
    def build(cls, points: Points, reference: RigReference, head: RotationHead | None) -> "_Solver":
        rig = batch_rigs([reference], torch.float64)
        anchor = reference.reference_positions / reference.size
        step = max(1, len(points) // NOISE_FRAMES)
        # Bones with an unseen end are NaN, which the median passes over.
        noise = float(estimate_noise(torch.from_numpy(points[::step])[None], rig.anchors)[0])
        bones = anchor - np.where(reference.parents[:, None] >= 0, anchor[reference.parents], anchor)
        return cls(rig, bones, anchor, reference.parents, noise, head)

    def window(
        self, points: Points, trust: Float[np.ndarray, "frames joints"], guess: Points
    ) -> tuple[Float[np.ndarray, "frames joints 4"], Points]:
        unseen = ~np.isfinite(points[..., 0])
        noise = np.where(unseen, FINAL_NOISE, self.noise / np.clip(trust, 0.1, 1.0))
        with torch.no_grad():
            places = self._complete(points, unseen, noise, guess)
            if self.noise >= CLEAN:
                told = torch.from_numpy(places)[None], self.rig.anchors, torch.from_numpy(noise)[None]
                places, noise = (values[0].numpy() for values in without_noise(*told))
            world = self._rotate(places, noise)[0].double().numpy()
        return matrix_to_quat(world), places

    def _complete(
        self, points: Points, unseen: Bool[np.ndarray, "frames joints"], noise: np.ndarray, guess: Points
    ) -> Points:
        """Every joint's place: unseen ones where bones of the right length put them, as the pose has it so far.

        Turning bones and placing joints in turns lowers one energy: a limb of which only the ends are seen bends.
        """
        if not unseen.any():
            return points
        inner = self.parents >= 0
        bones = guess - np.where(inner[:, None], guess[:, self.parents], guess)
        places = place_missing(points, self.parents, bones, guess)
        for level in np.geomspace(UNSEEN_NOISE, FINAL_NOISE, ROUNDS):
            deltas = self._deltas(places, np.where(unseen, level, noise), IN_TURNS)
            turned = np.einsum("fjab,jb->fja", deltas[:, self.parents], self.bones)
            places = place_missing(points, self.parents, turned, guess)
        return places

    def _rotate(self, places: Points, noise: np.ndarray) -> torch.Tensor:
        """World rotations, closed form or learned."""
        if self.head is None:
            deltas = torch.from_numpy(self._deltas(places, noise, None))[None]
            return deltas @ self.rig.reference_rotations[:, None]
        centred = torch.from_numpy(places - places.mean(axis=(0, 1))).float()[None]
        output: RotationOutput = self.head(centred, _single(self.rig), torch.from_numpy(noise).float()[None])
        return output.world

    def _deltas(self, places: Points, noise: np.ndarray, settings: Settings | None) -> np.ndarray:
        estimate = estimate_deltas(
            torch.from_numpy(places)[None], self.rig.anchors, torch.from_numpy(noise)[None], settings
        )
        return estimate.deltas[0].numpy()


def _single(rig: RigBatch) -> RigBatch:
    """In single precision, as heads are trained."""
    names = ("rest_positions", "rest_rotations", "reference_positions", "reference_rotations", "size")
    return replace(rig, **{name: getattr(rig, name).float() for name in names})


def guess_places(points: Points, anchor: Float[np.ndarray, "joints 3"]) -> Points:
    """The reference pose carried along: turned about the vertical and moved as what is seen suggests.

    Frames that show too little borrow from their neighbours.
    """
    headings, places = np.full((len(points), 2), np.nan), np.full((len(points), 3), np.nan)
    seen = np.isfinite(points[..., 0])
    for frame in np.flatnonzero(seen.sum(axis=1) > 1):
        headings[frame] = _heading(points[frame, seen[frame]], anchor[seen[frame]])
    headings = _bridge(headings, (1.0, 0.0))
    turns = about_vertical(np.arctan2(headings[:, 1], headings[:, 0]))
    for frame in np.flatnonzero(seen.any(axis=1)):
        middle = anchor[seen[frame]].mean(axis=0)
        places[frame] = points[frame, seen[frame]].mean(axis=0) - turns[frame] @ middle
    carried: np.ndarray = np.einsum("fab,jb->fja", turns, anchor) + _bridge(places, (0.0, 0.0, 0.0))[:, None]
    return carried


def _heading(here: Float[np.ndarray, "seen 3"], there: Float[np.ndarray, "seen 3"]) -> Float[np.ndarray, " 2"]:
    """Cosine and sine of the best turn about the vertical; NaN where points on a plumb line tell of none."""
    here, there = here - here.mean(axis=0), there - there.mean(axis=0)
    cosine = (here[:, [0, 2]] * there[:, [0, 2]]).sum()
    sine = (here[:, 0] * there[:, 2] - here[:, 2] * there[:, 0]).sum()
    length = np.hypot(cosine, sine)
    return np.array([cosine, sine]) / length if length > 1e-9 else np.full(2, np.nan)


def _bridge(
    values: Float[np.ndarray, "frames items"], otherwise: tuple[float, ...]
) -> Float[np.ndarray, "frames items"]:
    """NaN rows from their neighbours in time."""
    known = np.flatnonzero(np.isfinite(values[:, 0]))
    if len(known) == 0:
        return np.tile(np.array(otherwise), (len(values), 1))
    times = np.arange(len(values))
    return np.stack([np.interp(times, known, column[known]) for column in values.T], axis=-1)
