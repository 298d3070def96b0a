"""Start poses for the refiner as stages 1 and 2 leave them: a whole model sees the clip as capture would."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8

from mocapcli.capturing.clip import CropClip
from mocapcli.capturing.inference import infer
from mocapcli.capturing.refine import upright_cameras
from mocapcli.kinematics import compose
from mocapcli.network.model import MotionNetwork, load_network
from mocapcli.network.refiner_body import to_camera
from mocapcli.render.camera import Camera
from mocapcli.subject.find import Crops
from mocapcli.training.batches import RenderedReference
from mocapcli.training.filming import reference_of
from mocapcli.training.stream import HELD_RIGS, scene_rig

LOST = 60.0  # degrees that joints are turned wrongly, on average, beyond which there is nothing to refine
Matrices = Float[np.ndarray, "frames joints 4 4"]


@dataclass(frozen=True, eq=False)
class Seer:
    """A model with stages 1 and 2, and one rig as it meets it."""

    network: MotionNetwork
    reference: RenderedReference

    @property
    def side(self) -> int:
        """Of the crops it looks at."""
        return self.network.config.side

    def start(
        self, crops: UInt8[np.ndarray, "frames side side 4"], cameras: Sequence[Camera], fps: float, truth: Matrices
    ) -> Matrices | None:
        """The pose it sees, in the cameras' axes and sizes; nothing where it is lost."""
        full, frames = cameras[0], len(cameras)
        with CropClip(self.side) as clip:
            clip.add(Crops(crops, tuple(cameras), np.ones(frames), np.arange(frames) / fps))
            pose = infer(self.network, self.reference, clip, full)
            level = upright_cameras(clip, full, pose.pitch)
        assert pose.rotations is not None and pose.placed is not None
        start = to_camera(compose(pose.rotations, pose.placed), level, self.reference.rig.size)
        return start if degrees_off(start, truth, self.reference.rig.deforms) < LOST else None


def degrees_off(start: Matrices, truth: Matrices, joints: np.ndarray) -> float:
    """Mean angle between the joints' world rotations."""
    traces = np.einsum("fjab,fjab->fj", start[:, joints, :3, :3], truth[:, joints, :3, :3])
    return float(np.degrees(np.arccos(np.clip((traces - 1) / 2, -1, 1))).mean())


@lru_cache(maxsize=HELD_RIGS)
def seer_of(model: Path, rig: Path) -> Seer:
    network = _network(model)
    return Seer(network, reference_of(scene_rig(rig).asset, network.config.side))


@lru_cache(maxsize=1)
def _network(model: Path) -> MotionNetwork:
    with torch.random.fork_rng(devices=[]):  # a run that is taken up again loads it at another time
        return load_network(model, "pose")
