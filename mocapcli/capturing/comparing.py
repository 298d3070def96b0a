"""Which way does it face? Every facing is tried on: the rig is drawn as it is seen under that facing, beside the film.

The network scores facings after a first look, and is wrong where front and back look alike to it. But under each facing
stage 1 says where joints are; the closed form turns the rig so, and it can be drawn. The network's own picture encoder
then says how much the drawing looks like the film. Some frames of a clip are enough, for facings last.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor
from torch.nn import functional

from mocapcli.capturing.clip import crop_rays, crop_tangents
from mocapcli.capturing.looking import Scene, Stretch
from mocapcli.capturing.placing import fit_to_view
from mocapcli.capturing.turning import root_of, stand
from mocapcli.kinematics import affine, matrix_to_quat
from mocapcli.network.anchored import Settings, estimate_deltas
from mocapcli.network.encoder import unit
from mocapcli.network.likeness import Pictures, likeness_of
from mocapcli.network.reference import RigReference
from mocapcli.network.video_to_pose import LAPLACE_DEVIATION, PoseEstimate
from mocapcli.network.views import bin_centres, tilt_matrix
from mocapcli.network.whole_pose import BONES_ALONE, around
from mocapcli.render.camera import Camera
from mocapcli.render.capsules import is_bare
from mocapcli.render.scene import Model, prepare, render
from mocapcli.spread import evenly_spread
from mocapcli.subject.cut import in_picture
from mocapcli.training.batches import images_to_tensor
from mocapcli.training.samples import with_mask
from mocapcli.types import Rig

EVERY, FEWEST = 6, 8  # frames: how far apart those are that are compared, and how many there should be at the least
SURE = 40.0  # weight of likeness beside the network's own scores (log-probabilities) …
TRUST = 0.5  # … and of those, which are over-confident
ASIDE = torch.deg2rad(7.5 * torch.arange(-3, 4))  # what is tried once a facing is chosen
SHARP, LASTING = 100.0, 24  # weight of likeness among those, and frames on either side that are asked
# Frames that lie apart tell nothing of each other.
ONE_BY_ONE = Settings(speed=1e6, heading_frames=0, sweeps=8, whole=BONES_ALONE)
Crops = UInt8[np.ndarray, "frames side side 4"]
World = Float[np.ndarray, "frames joints 4 4"]


def drawable(rig: Rig) -> Model | None:
    """The rig to compare with; nothing where it has no body of its own: capsules are like nothing that is filmed."""
    return None if is_bare(rig) else prepare(rig)


@dataclass(frozen=True, eq=False)
class Likeness:
    """How much a clip looks like its rig, by the way that faces."""

    scene: Scene
    reference: RigReference
    model: Model  # of the same joints
    full: Camera | None = None  # the video's, which the crops were cut from; none: they lie within its picture

    @torch.inference_mode()
    def scores(self, stretch: Stretch) -> Float[Tensor, "frames bins"]:
        """Of every frame's facings."""
        frames = compared_frames(self.scene.clip.seen, stretch)
        yaws = bin_centres()[:, None].expand(-1, len(frames))
        return SURE * every_frame(self._tried(yaws, frames, stretch), frames, stretch)

    @torch.inference_mode()
    def aside(self, facing: Float[Tensor, " clip"], stretch: Stretch) -> Float[Tensor, "frames tries"]:
        """How well every frame is met by turns of `ASIDE` away from its facing."""
        frames = compared_frames(self.scene.clip.seen, stretch)
        yaws = facing[torch.from_numpy(frames)] + ASIDE[:, None]
        return every_frame(self._tried(yaws, frames, stretch), frames, stretch)

    def _tried(
        self, yaws: Float[Tensor, "tries compared"], frames: Int[np.ndarray, " compared"], stretch: Stretch
    ) -> Float[Tensor, "compared tries"]:
        if not len(frames):
            return torch.zeros(0, len(yaws))
        cameras = [self.scene.clip.cameras[frame] for frame in frames]
        film, tried = self._pictures(self.scene.pictures(frames)), []
        for seen in self.scene.glimpses(yaws, frames, stretch):
            tried.append(likeness_of(film, self._pictures(self._drawn(seen, cameras))).cpu())
        return torch.stack(tried, dim=1)

    def _pictures(self, crops: Crops) -> Pictures:
        return Pictures.of(pictures_of(crops, self.scene.tangents.device), self.scene.stage.encoder)

    def _drawn(self, seen: PoseEstimate, cameras: Sequence[Camera]) -> Crops:
        """The rig in the pose that is seen, as the crops' cameras would see it."""
        tilts = tilt_matrix(seen.pitch[0].double()).cpu().numpy()
        near = 0.01 * self.reference.size
        upright = [
            replace(camera, position=np.zeros(3), rotation=tilt.T, near=near)
            for camera, tilt in zip(cameras, tilts, strict=True)
        ]
        world = self._posed(seen, cameras, tilts)
        options = {"background": (0, 0, 0), "outputs": ("colour", "mask"), "threads": 1}
        images = render(self.model, world, upright, **options)
        drawn = with_mask(images.colour, images.mask)
        if self.full is not None:
            drawn[~np.stack([in_picture(self.full, camera) for camera in cameras])] = 0
        return drawn

    def _posed(self, seen: PoseEstimate, cameras: Sequence[Camera], tilts: Float[np.ndarray, "frames 3 3"]) -> World:
        """World matrices, metres, in the upright frames around the cameras."""
        reference, rig = self.reference, self.scene.rig
        rays = crop_rays(_numbers(seen.places), cameras) @ tilts
        distance = _numbers(seen.half_width) / crop_tangents(cameras)
        points = rays * (distance[:, None] - _numbers(seen.depth))[..., None]
        noise = _numbers(seen.spread) * LAPLACE_DEVIATION
        told = [torch.from_numpy(values)[None].to(rig.parents.device) for values in (points, noise)]
        deltas = estimate_deltas(told[0], rig.anchors, told[1], ONE_BY_ONE).deltas
        turns = _numbers(deltas @ rig.reference_rotations[:, None].to(deltas))
        placed = stand(reference, matrix_to_quat(turns), points * reference.size, 1 / noise**2)
        roots, all_seen = root_of(reference), np.ones(len(points), bool)
        return affine(turns, fit_to_view(placed, rays, noise * reference.size, roots, reference.deforms, all_seen))


def compared_frames(seen: Bool[np.ndarray, " frames"], stretch: Stretch) -> Int[np.ndarray, " compared"]:
    """Of a stretch: some that show the subject, evenly spread."""
    frames = stretch[0] + np.flatnonzero(seen[slice(*stretch)])
    count = max(FEWEST, round(len(frames) / EVERY))
    return frames[evenly_spread(len(frames), count)]


def pictures_of(crops: Crops, device: torch.device) -> Float[Tensor, "images 4 side side"]:
    """As encoders take them."""
    return unit(images_to_tensor(crops).to(device))


def gained(before: float, after: float) -> float:
    """In likeness, as a share of what it lacked: where another body is filmed it is never high."""
    return (after - before) / max(1 - before, 1e-9)


def every_frame(
    tried: Float[Tensor, "compared tries"], frames: Int[np.ndarray, " compared"], stretch: Stretch
) -> Float[Tensor, "frames tries"]:
    """From some frames to all of them, on straight lines; of none that was seen: nothing is better than anything."""
    every = np.arange(*stretch)
    if not len(frames):
        return torch.zeros(len(every), tried.shape[1])
    return torch.from_numpy(np.stack([np.interp(every, frames, column) for column in tried.numpy().T], axis=1)).float()


def closer(likeness: Float[Tensor, "frames tries"]) -> Float[Tensor, " frames"]:
    """How far aside (radians) of its facing a clip points, by what `Likeness.aside` says of it.

    A body that is seen to face a little aside goes on being seen so: many frames are asked at once.
    """
    lasting = around(likeness.double()[None], LASTING)[0]
    return functional.softmax(SHARP * lasting, dim=-1) @ ASIDE.double()


def _numbers(values: Tensor) -> np.ndarray:
    """Of the one clip in a batch."""
    return values[0].double().cpu().numpy()
