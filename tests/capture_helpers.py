"""What the tests of `mocap capture` share: tiny networks, an oracle that knows the truth, filmed creatures."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from mocapcli.capturing.clip import CropClip
from mocapcli.data.videos import View, film, random_view
from mocapcli.kinematics import motion_world, resample
from mocapcli.network.model import MotionNetwork, NetworkConfig, save_network
from mocapcli.network.reference import RigReference
from mocapcli.network.rotation_head import RotationConfig
from mocapcli.network.video_to_pose import Glance, Look, PoseEstimate, VideoToPose, VideoToPoseConfig
from mocapcli.network.views import YAW_BINS
from mocapcli.render.camera import Camera
from mocapcli.render.movie import write_mp4
from mocapcli.subject.find import Crops
from mocapcli.subject.path import Path as SubjectPath
from mocapcli.subject.path import crop_cameras
from mocapcli.types import Asset, Motion
from mocapcli.zoo import make_creature

SIDE = 32
TINY = NetworkConfig(
    VideoToPoseConfig(channels=16, heads=2, rounds=2, blocks=2, query_blocks=1),
    RotationConfig(channels=16, heads=2, blocks=2),
    side=SIDE,
)


def tiny_network(seed: int = 0, config: NetworkConfig = TINY) -> MotionNetwork:
    torch.manual_seed(seed)
    network = MotionNetwork(config).eval()
    with torch.no_grad():  # heads start at zero: without this a random network says the same of every frame
        for parameter in network.parameters():
            if parameter.ndim > 1 and not parameter.any():
                parameter.normal_(std=0.05)
    return network


def save_tiny(folder: Path, seed: int = 0, config: NetworkConfig = TINY) -> Path:
    save_network(folder, config, tiny_network(seed, config).state_dict())
    return folder


def film_mp4(path: Path, asset: Asset, motion: Motion, size: int = 128, seed: int = 0, fps: float = 15.0) -> Path:
    """The asset's motion in front of one plain colour."""
    view = random_view(np.random.default_rng(seed), size)
    plain = np.full((size, size, 3), (90, 200, 90), np.uint8)
    view = View(view.yaw, view.pitch, view.fov, view.fill, view.lights, plain)
    write_mp4(path, iter(film(asset, motion, view, size).frames), fps)
    return path


def walking(seed: int = 3, frames: int = 60, speed: float = 0.5, aside: float = 0.0) -> tuple[Asset, Motion]:
    """A creature that swings its limbs and walks aside and away."""
    asset = make_creature(seed)
    motion = resample(asset.motions[0], 15.0)
    there = np.r_[0 : motion.frames, motion.frames - 2 : 0 : -1]
    place = there[np.arange(frames) % len(there)]
    translations = motion.translations[np.zeros(frames, int)]
    seconds = np.arange(frames) / 15.0
    translations[:, asset.rig.skeleton.roots] += np.outer(seconds * speed, [1.0, 0.0, -0.3])[:, None] + [aside, 0, 0]
    return asset, replace(motion, rotations=motion.rotations[place], translations=translations, scales=None)


@dataclass(frozen=True, eq=False)
class Told:
    """A clip whose truth is known: joints in the video camera's axes, at the crops' cameras, and in the level frame."""

    clip: CropClip
    full: Camera
    positions: np.ndarray  # level frame, metres
    pixels: np.ndarray  # of the video
    turn: np.ndarray  # from the world to the level frame
    estimate: PoseEstimate  # what a perfect stage 1 says


def tell(asset: Asset, motion: Motion, reference: RigReference, camera: Camera, hidden: tuple[int, ...] = ()) -> Told:
    """Film joints only: crops are blank but for the number of their frame; those of `hidden` frames show nothing."""
    world = motion_world(asset.rig.skeleton, motion)[..., :3, 3]
    full = Camera(np.zeros(3), np.eye(3), camera.width, camera.height, camera.focal, camera.centre)
    local = (world - camera.position) @ camera.rotation
    pixels = full.project(local)[0]
    boxes = np.concatenate([pixels.min(axis=1), pixels.max(axis=1)], axis=1)
    seen = np.array([frame not in hidden for frame in range(len(world))])
    cameras = crop_cameras(SubjectPath(boxes, np.ones(len(boxes)), seen), full, SIDE, motion.fps)
    backward = camera.rotation[:, 2]
    yaw, pitch = np.arctan2(backward[0], backward[2]), np.arcsin(backward[1])
    turn = np.array([[np.cos(yaw), 0, -np.sin(yaw)], [0, 1, 0], [np.sin(yaw), 0, np.cos(yaw)]])
    rows = [_row(points, crop, reference, pitch) for points, crop in zip(local, cameras, strict=True)]
    values = {name: torch.from_numpy(np.array([row[name] for row in rows])).float()[None] for name in rows[0]}
    logits = torch.zeros(1, len(rows), YAW_BINS)
    logits[..., 5] = 4.0
    positions = torch.zeros(1, *local.shape)
    up = torch.tensor([0.0, 1.0, 0.0]).expand(1, len(rows), 3)
    estimate = PoseEstimate(positions=positions, yaw_logits=logits, up=up, rounds=(), **values)
    clip = stamped(cameras, seen, motion.fps)
    return Told(clip, full, (world - camera.position) @ turn.T, pixels, turn, estimate)


def _row(points: np.ndarray, crop: Camera, reference: RigReference, pitch: float) -> dict[str, np.ndarray]:
    local = points @ crop.rotation
    centre = local[reference.deforms].mean(axis=0)
    places = crop.project(points)[0] / crop.width * 2 - 1
    back = crop.rotation[:, 2]
    tilted = np.arcsin(np.cos(pitch) * back[1] + np.sin(pitch) * back[2])
    half = -centre[2] / reference.size * (crop.width / 2 / crop.focal)
    spread = np.full(len(points), 0.02)
    return {
        "places": places,
        "depth": (local[:, 2] - centre[2]) / reference.size,
        "spread": spread,
        "half_width": np.array(half),
        "pitch": np.array(tilted),
    }


def stamped(cameras: list[Camera], seen: np.ndarray, fps: float, images: np.ndarray | None = None) -> CropClip:
    """Crops that hold nothing but the number of their frame, or those given."""
    if images is None:
        images = np.zeros((len(cameras), SIDE, SIDE, 4), np.uint8)
        images[..., 3] = 255 * seen[:, None, None]
        images[:, 0, 0, 0], images[:, 0, 0, 1] = np.divmod(np.arange(len(cameras)), 256)
    times = np.arange(len(cameras)) / fps
    return CropClip.of([Crops(images, tuple(cameras), np.ones(len(cameras)), times)], SIDE)


class Stamps(nn.Module):
    """Reads the number of the frame off its crop."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return (images[:, :2, 0, 0] * 255).round()


class Oracle(VideoToPose):
    """A stage 1 that tells the truth, but for frames within `reach` of an end of what it is shown."""

    def __init__(self, truth: PoseEstimate, reach: int = 0) -> None:
        super().__init__(TINY.video_to_pose)
        self.truth, self.reach = truth, reach
        self.encoder = Stamps()
        self.spans: list[tuple[int, int]] = []

    def queries(self, *_: object) -> torch.Tensor:  # type: ignore[override]
        return torch.zeros(1)

    def glance(self, features: torch.Tensor, *_: object) -> Glance:  # type: ignore[override]
        names, frames = ("places", "depth", "yaw_logits", "up"), self._frames(features)
        places, depth, logits, up = (getattr(self.truth, name)[:, frames] for name in names)
        return Glance(depth[..., None], Look(places, depth, None), logits, up)

    def _frames(self, features: torch.Tensor) -> torch.Tensor:
        return (features[:, 0] * 256 + features[:, 1]).long()

    def decide(self, features: torch.Tensor, *_: object) -> PoseEstimate:
        frames = self._frames(features)
        first, last, all_frames = int(frames[0]), int(frames[-1]) + 1, self.truth.depth.shape[1]
        self.spans.append((first, last))
        names = ("places", "depth", "spread", "half_width", "pitch", "yaw_logits", "up")
        values = {name: getattr(self.truth, name)[:, frames].clone() for name in names}
        if self.reach and first > 0:
            values["depth"][:, : self.reach] += 0.5
        if self.reach and last < all_frames:
            values["depth"][:, -self.reach :] += 0.5
        return PoseEstimate(positions=torch.zeros(1, *self.truth.places.shape[1:3], 3)[:, frames], rounds=(), **values)


def oracle_network(truth: PoseEstimate, reach: int = 0) -> MotionNetwork:
    network = tiny_network()
    del network.video_to_pose
    network.video_to_pose = Oracle(truth, reach)
    return network
