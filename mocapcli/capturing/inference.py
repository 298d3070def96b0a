"""Crops and a rig to a pose in space: the one implementation behind `mocap capture` and `mocap eval`.

Stage 1 sees joints in the crops, geometry puts them into the level frame (`space`), stage 2 turns the rig's joints.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Bool, Float

from mocapcli.capturing.clip import CropClip
from mocapcli.capturing.placing import fit_to_view
from mocapcli.capturing.report import Stopwatch
from mocapcli.capturing.sight import Yaws, see
from mocapcli.capturing.space import Lenses, level, to_space
from mocapcli.capturing.turning import root_of, stand, turn
from mocapcli.capturing.unseen import bridge_points
from mocapcli.network.encoder import LIGHT
from mocapcli.network.model import MotionNetwork
from mocapcli.network.threads import one_thread
from mocapcli.network.video_to_pose import LAPLACE_DEVIATION
from mocapcli.render.camera import Camera
from mocapcli.render.scene import Model
from mocapcli.training.batches import RenderedReference

Points = Float[np.ndarray, "frames joints 3"]
Progress = Callable[[str, int], object]


@dataclass(frozen=True, eq=False)
class PoseTrack:
    """A clip's pose in the level frame, metres of the user's rig; see `space`."""

    positions: Points  # of stage 1
    rotations: Float[np.ndarray, "frames joints 4"] | None  # of stage 2, world
    placed: Points | None  # the rig in those rotations, put where stage 1 sees it
    places: Float[np.ndarray, "frames joints 2"]  # pixels of the video
    noise: Float[np.ndarray, "frames joints"]  # expected deviation of a coordinate, metres
    facing: Yaws
    seen: Bool[np.ndarray, " frames"]
    pitch: float  # of the video's camera, radians, looking down
    size: float  # of the rig, metres
    other: Yaws | None = None  # a facing that the clip speaks for nearly as much
    likeness: float = 0.0  # to the film, of a pose that was matched with it


@torch.inference_mode()
def infer(
    network: MotionNetwork,
    reference: RenderedReference,
    clip: CropClip,
    full: Camera,
    rotate: bool = True,
    watch: Stopwatch | None = None,
    progress: Progress = lambda stage, frames: None,
    model: Model | None = None,
    facing: Yaws | None = None,
) -> PoseTrack:
    """Everything the network tells of a clip; `full` is the video's camera, which the crops' were cut from.

    `model`: the rig, for facings to be compared by drawing it. `facing`: one that is told.
    """
    rig, seen, watch = reference.rig, clip.seen, watch or Stopwatch()
    lenses = Lenses.of(clip.cameras, full)
    with watch.stage("pose"), one_thread(network.config.video_to_pose.encoder in LIGHT):
        tell = partial(progress, "pose")
        sight = see(network.video_to_pose, reference, clip, tell, model, facing, full)
        points, pitch = to_space(sight, lenses, seen, clip.fps)
        points = bridge_points(points, seen)
    noise = sight.spread.astype(float) * LAPLACE_DEVIATION
    rotations = placed = None
    if rotate:
        with watch.stage("rotation"), one_thread():
            rotations = turn(network.rotation, rig, points, noise, lambda frames: progress("rotation", frames))
            placed = stand(rig, rotations, points * rig.size, 1 / noise**2)
            rays = lenses.rays(sight.places.astype(float)) @ level(pitch).T
            placed = fit_to_view(placed, rays, noise * rig.size, root_of(rig), rig.deforms, seen)
    places, facing = lenses.pixels(sight.places.astype(float)), sight.facing
    points, noise = points * rig.size, noise * rig.size
    return PoseTrack(points, rotations, placed, places, noise, facing, seen, pitch, float(rig.size), sight.other)
