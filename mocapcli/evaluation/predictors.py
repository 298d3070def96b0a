"""Whatever turns a video and a rig into motion, as `mocap eval` asks it; ours is a network made by `mocap train`.

A prediction lives in the gravity-up frame of the camera: y up, -z the level direction the camera looks in, the camera
itself at the origin, metres of the user's rig.
"""

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, UInt8

from mocapcli.capturing.comparing import drawable
from mocapcli.capturing.inference import PoseTrack
from mocapcli.capturing.matching import Matcher
from mocapcli.capturing.options import STEADY_HERTZ
from mocapcli.capturing.reading import Reader
from mocapcli.capturing.steady import steady
from mocapcli.evaluation.crops import cut_clip
from mocapcli.kinematics import quat_to_matrix
from mocapcli.network.model import MotionNetwork
from mocapcli.render.camera import Camera
from mocapcli.training.filming import reference_of
from mocapcli.types import Asset

HELD_RIGS = 16


@dataclass(frozen=True, eq=False)
class Footage:
    """A video with its subject's mask. `focal` is in pixels; the principal point is the middle."""

    frames: UInt8[np.ndarray, "frames height width 3"]
    masks: Float[np.ndarray, "frames height width"]
    focal: float
    fps: float


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a video shows, on the user's rig."""

    positions: Float[np.ndarray, "frames joints 3"]
    rotations: Float[np.ndarray, "frames joints 3 3"] | None = None  # world
    places: Float[np.ndarray, "frames joints 2"] | None = None  # pixels of the video
    noise: Float[np.ndarray, "frames joints"] | None = None  # expected deviation of a coordinate, metres
    travels: bool = True  # whether the positions hold the root's path
    roots: Float[np.ndarray, "frames joints 3"] | None = None  # where the rotated rig's roots stand, if not there
    unrefined: "Prediction | None" = None  # what it would be without stage 3 and matching


@runtime_checkable
class Predictor(Protocol):
    def predict(self, asset: Asset, footage: Footage) -> Prediction: ...


@dataclass
class NetworkPredictor:
    """Stage 1, if asked to rotate stage 2, rounds of stage 3 and steps of matching, as `mocap capture` runs them.

    With `adapt_seconds` the network learns each rig first, for so long, from renders and never from the rig's clips.
    """

    network: MotionNetwork
    rotate: bool = True
    adapt_seconds: float | None = None
    refine_iterations: int = 0
    adapt_threads: int = 0
    compare: bool = True  # facings by what the rig would look like
    match_steps: int = 0
    hertz: float = STEADY_HERTZ  # what is faster is taken for jitter
    # By identity; another predictor that is made of this one (`replace`) reads otherwise, and has its own.
    _rigs: OrderedDict[int, tuple[Asset, Reader]] = field(init=False, default_factory=OrderedDict, repr=False)

    def predict(self, asset: Asset, footage: Footage) -> Prediction:
        height, width = footage.frames.shape[1:3]
        full = Camera(np.zeros(3), np.eye(3), width, height, footage.focal, (width / 2, height / 2))
        reader = self._reader(asset)
        with cut_clip(footage.frames, footage.masks, footage.fps, full, self.network.config.side) as clip:
            reading = reader.read(clip, full)
        found, unrefined = (
            as_prediction(steady(one, footage.fps, self.hertz)) for one in (reading.pose, reading.first)
        )
        return replace(found, unrefined=unrefined) if self.refines else found

    @property
    def refines(self) -> bool:
        """Whether anything follows stage 2."""
        return self.rotate and (self.refine_iterations > 0 or self.match_steps > 0)

    def _reader(self, asset: Asset) -> Reader:
        """What reads clips of the rig, kept for its further ones."""
        key = id(asset)
        if key not in self._rigs:
            reference = reference_of(asset, self.network.config.side)
            serving, model = self._serving(asset), drawable(asset.rig)
            matcher = Matcher.of(serving, model, reference.rig, self.match_steps) if self.rotate else None
            shown = model if self.compare else None
            reader = Reader(serving, reference, asset.rig, shown, matcher, self.refine_iterations, self.rotate)
            self._rigs[key] = asset, reader
            if len(self._rigs) > HELD_RIGS:
                self._rigs.popitem(last=False)
        self._rigs.move_to_end(key)
        return self._rigs[key][1]

    def _serving(self, asset: Asset) -> MotionNetwork:
        if self.adapt_seconds is None:
            return self.network
        from mocapcli.adapting.api import adapt_rig

        seconds, threads = self.adapt_seconds, self.adapt_threads
        return adapt_rig(asset, self.network, seconds, use_clips=False, threads=threads).network


def as_prediction(pose: PoseTrack) -> Prediction:
    rotations = None if pose.rotations is None else quat_to_matrix(pose.rotations)
    return Prediction(pose.positions, rotations, pose.places, pose.noise, roots=pose.placed)
