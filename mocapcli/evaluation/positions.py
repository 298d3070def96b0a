"""P2R, positions to rotations: what the rotation head does with joint positions as they are, and with noise on them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from jaxtyping import Float

from mocapcli.data.cache import Cache
from mocapcli.data.noise import drift
from mocapcli.data.windows import Window, cut_motion, random_of
from mocapcli.evaluation.cases import Case, Shot, pose_from_rotations, pose_of, subject_of
from mocapcli.evaluation.run import Job
from mocapcli.metrics import Pose
from mocapcli.network.anchored import Settings, estimate_deltas, estimate_noise
from mocapcli.network.reference import RigReference, batch_rigs, reference_of_asset
from mocapcli.network.rotation_head import RotationHead
from mocapcli.network.shared_motion import without_measured_noise
from mocapcli.network.whole_pose import BONES_ALONE

NOISES = (0.0, 0.005, 0.01)  # of the rig's size, standard deviation of each coordinate
MEMORY_SECONDS = 0.15  # after which the noise has forgotten all but 1/e of itself
CLOSED_FORM, ONE_PASS, FACTORISED = "closed_form", "one_pass", "factorised"
# What a closed form was before ours looked at what lies beyond a joint, at time, at both anchors and at the noise.
PLAIN = Settings(bend=3.0, rest_share=0.0, stretch=0.0, speed=1e6, sweeps=0, attachments=False, whole=BONES_ALONE)
Points = Float[np.ndarray, "frames joints 3"]
Turns = Float[np.ndarray, "frames joints 3 3"]


@dataclass(frozen=True)
class PositionsToRotations:
    """The P2R setting: rows for the closed form and each head, at each level of noise."""

    heads: Mapping[str, RotationHead] = field(default_factory=dict)  # by row
    noises: tuple[float, ...] = NOISES
    seed: int = 0
    absent: Mapping[str, str] = field(default_factory=dict)
    name: str = "p2r"
    remark: str = "factorised is the closed form here: the positions are given, nobody has to find them"

    @property
    def rows(self) -> tuple[str, ...]:
        each = (CLOSED_FORM, FACTORISED, ONE_PASS, *self.heads)
        return tuple(row_name(row, level) for level in self.noises for row in each)

    def case(self, cache: Cache, window: Window) -> Case:
        asset = cache.load(window.entry)
        motion = cut_motion(asset.motions[window.motion], window.start, window.frames)
        reference = reference_of_asset(asset)
        subject, truth = subject_of(reference), pose_of(asset.rig.skeleton, motion)
        noise = correlated_noise(self.seed, window.label, truth.positions.shape[:2], motion.fps) * subject.size
        predictions: dict[str, Pose] = {}
        for level in self.noises:
            points = truth.positions + level * noise
            computed = pose_from_rotations(subject, closed_form(points, reference), points)
            predictions |= {row_name(row, level): computed for row in (CLOSED_FORM, FACTORISED)}
            predictions[row_name(ONE_PASS, level)] = pose_from_rotations(
                subject, closed_form(points, reference, None, PLAIN), points
            )
            for row, head in self.heads.items():
                predictions[row_name(row, level)] = pose_from_rotations(
                    subject, run_head(head, points, reference), points
                )
        return Case(subject, truth, motion.fps, predictions, shot=Shot(asset, f"{asset.rig.name}: {motion.name}"))

    def jobs(self, cache: Cache, window: Window) -> dict[str, Job]:
        asset = cache.load(window.entry)
        motion = cut_motion(asset.motions[window.motion], window.start, window.frames)
        reference, points = reference_of_asset(asset), pose_of(asset.rig.skeleton, motion).positions
        heads = {f"stage 2 ({row})": partial(run_head, head, points, reference) for row, head in self.heads.items()}
        return {"closed form": partial(closed_form, points, reference), **heads}


def row_name(row: str, noise: float) -> str:
    """`ours` on true positions, `ours_noise_0.5` with half a per cent of noise."""
    return f"{row}_noise_{100 * noise:g}" if noise else row


def correlated_noise(seed: int, label: str, shape: tuple[int, int], fps: float) -> Points:
    """Unit noise on every coordinate of [frames, joints] that drifts.

    e_t = ρ e_{t−1} + √(1−ρ²) n_t with ρ = exp(−1 / (0.15 s · fps)): stationary from the first frame on, and the same
    for a seed and window, whatever level it is scaled to.
    """
    random = random_of("positions noise", seed, label)
    fresh = random.standard_normal((*shape, 3))
    kept = np.exp(-1 / (MEMORY_SECONDS * fps))
    return drift(fresh, float(kept))


def closed_form(
    points: Points,
    reference: RigReference,
    noise: Float[np.ndarray, "frames joints"] | None = None,
    settings: Settings | None = None,
) -> Turns:
    """World rotations without any learning.

    Noise (metres) that is not told is read off the bones' lengths, and taken out first, but for PLAIN.
    """
    rig = batch_rigs([reference], torch.float64)
    positions = torch.from_numpy(points / reference.size)[None]
    if noise is not None:
        expected = torch.from_numpy(noise / reference.size)[None]
    elif settings is PLAIN:
        expected = estimate_noise(positions, rig.anchors)[:, None, None].expand(positions.shape[:3])
    else:
        positions, expected = without_measured_noise(positions, rig.anchors)
    with torch.no_grad():
        deltas = estimate_deltas(positions, rig.anchors, expected, settings).deltas[0].numpy()
    return np.asarray(deltas @ reference.reference_rotations)


def run_head(head: RotationHead, points: Points, reference: RigReference) -> Turns:
    """World rotations by a trained head."""
    device = next(head.parameters()).device
    rig = batch_rigs([reference]).to(device)
    centred = (points - points.mean(axis=(0, 1))) / reference.size
    with torch.no_grad():
        world = head(torch.from_numpy(centred).float()[None].to(device), rig).world[0]
    return np.asarray(world.double().cpu().numpy())
