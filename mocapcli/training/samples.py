"""Training samples for stages 1 and 2: a rig, short clips of it in tight crops, and the exact truth.

Plain numpy and numba in worker processes; a sample travels as a handful of small arrays.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from jaxtyping import Float, Int, UInt8

from mocapcli.data.appearance import Appearance, bone_factors, change_appearance, other_body
from mocapcli.data.videos import random_lights
from mocapcli.kinematics import quat_to_matrix, rest_world
from mocapcli.loose_feet import feet_on_legs, legs_of_feet
from mocapcli.render.camera import Camera, look_at, orbit_rotation, perspective
from mocapcli.render.capsules import is_bare
from mocapcli.render.rasteriser import draw
from mocapcli.render.scene import Model, pose_points, prepare
from mocapcli.training.poses import PoseSampler, pose_world, vectors_to_matrices
from mocapcli.types import Asset

FIELD_OF_VIEW = (25.0, 55.0)
PITCH = (-8.0, 33.0)
MARGIN = (1.1, 1.45)  # of a crop around the subject
ROOM, ROOMY = 0.6, 0.3  # more of it in a share of the cases: a clip's crops are as wide as its widest frame needs
RIG_CHANGE = 0.4  # of bones, where one rig stands for many
FALLEN, FALL_SECONDS = (0.8, 2.8), 0.5  # radians that a body which fell is turned by, and how long that takes
JITTER = 0.08  # of the crop's side
FRAMED = 400  # vertices that crops are cut around; more make them no better
REFERENCE_YAWS = (35.0, 215.0)  # two opposite three-quarter views
REFERENCE_PITCH = 12.0
REFERENCE_FIELD_OF_VIEW = 35.0


@dataclass(frozen=True, eq=False)
class ClipSample:
    """One short clip. World axes; positions in metres."""

    crops: UInt8[np.ndarray, "frames side side 4"]
    world: Float[np.ndarray, "frames joints 4 4"]
    camera_rotation: Float[np.ndarray, "frames 3 3"]  # columns right, up, backward
    camera_position: Float[np.ndarray, "frames 3"]
    focal: Float[np.ndarray, " frames"]  # pixels of the crop
    middle: Float[np.ndarray, "frames 2"]  # principal point, pixels of the crop


@dataclass(frozen=True, eq=False)
class SceneRig:
    """One rig ready to make samples of."""

    asset: Asset
    model: Model
    sampler: PoseSampler
    legs: Int[np.ndarray, " joints"]  # of loose feet

    @classmethod
    def of(cls, asset: Asset, invent_only: bool = False) -> "SceneRig":
        """`invent_only`: of the rig's clips nothing is known but the reference pose, the first one's first frame."""
        motions, known = (() if invent_only else asset.motions), asset.motions[0] if asset.motions else None
        sampler = PoseSampler.of(asset.rig.skeleton, motions, known)
        return cls(asset, prepare(asset.rig), sampler, legs_of_feet(asset.rig))

    def varied(self, random: np.random.Generator) -> "SceneRig":
        """Another rig of the same joints: bones and girth far from the given ones, the reference pose's too."""
        factors = bone_factors(self.asset.rig.skeleton, random, RIG_CHANGE)
        asset = other_body(self.asset, factors, self.legs)
        return replace(self, asset=asset, model=prepare(asset.rig))

    def dressed(self, appearance: Appearance, random: np.random.Generator) -> "SceneRig":
        """The same rig with another look; bones alone never show the colours that tell us left from right."""
        if appearance == "own":
            if not is_bare(self.asset.rig):
                return self
            appearance = "recoloured"
        asset = change_appearance(self.asset, appearance, random, self.legs)
        return replace(self, asset=asset, model=prepare(asset.rig))

    def sample(
        self,
        random: np.random.Generator,
        frames: int,
        side: int,
        real_share: float = 0.5,
        fps: float = 15.0,
        falls: float = 0.0,
    ) -> ClipSample:
        """A clip of a real motion where there is one (with that probability), else of an invented one."""
        return film_crops(self.model, self.pose(random, frames, real_share, fps, falls), random, side)

    def stills(
        self,
        random: np.random.Generator,
        count: int,
        side: int,
        real_share: float = 0.5,
        fps: float = 15.0,
        falls: float = 0.0,
    ) -> ClipSample:
        """Single pictures of poses of their own, each from a side of its own, as one sample."""
        world = np.concatenate([self.pose(random, 1, real_share, fps, falls) for _ in range(count)])
        return film_crops(self.model, world, random, side, moving=False)

    def pose(
        self, random: np.random.Generator, frames: int, real_share: float = 0.5, fps: float = 15.0, falls: float = 0.0
    ) -> Float[np.ndarray, "frames joints 4 4"]:
        """World matrices of such a clip; in that share of the real ones the whole body falls, as invented ones do."""
        real = bool(self.asset.motions) and random.random() < real_share
        if not real:
            return self.invented(self.asset, random, frames, fps)
        world = self._real(random, frames, fps)
        return fall(random, frames, fps) @ world if random.random() < falls else world

    def _real(self, random: np.random.Generator, frames: int, fps: float) -> Float[np.ndarray, "frames joints 4 4"]:
        lengths = np.array([motion.frames for motion in self.asset.motions], dtype=float)
        motion = self.asset.motions[int(random.choice(len(lengths), p=lengths / lengths.sum()))]
        step = max(1, round(motion.fps / fps))
        start = int(random.integers(0, max(1, motion.frames - (frames - 1) * step)))
        chosen = np.minimum(start + step * np.arange(frames), motion.frames - 1)
        local = quat_to_matrix(motion.rotations[chosen])
        return pose_world(self.asset.rig.skeleton, local, motion.translations[chosen])

    def invented(
        self, asset: Asset, random: np.random.Generator, frames: int, fps: float
    ) -> Float[np.ndarray, "frames joints 4 4"]:
        """World matrices of an invented clip of the rig, or of another body of its joints."""
        skeleton = asset.rig.skeleton
        world = pose_world(skeleton, self.sampler.sample(frames, fps, random), skeleton.rest_translations)
        return feet_on_legs(world, rest_world(skeleton), skeleton.parents, self.legs)

    def reference_views(
        self, world: Float[np.ndarray, "joints 4 4"], side: int
    ) -> tuple[UInt8[np.ndarray, "views side side 4"], list[Camera]]:
        """Renders of one pose from fixed sides, as tight crops."""
        points, normals = pose_points(self.model, world[None])
        used = points[0, self.model.drawn]
        cameras = [
            crop_camera(used[None], yaw, REFERENCE_PITCH, REFERENCE_FIELD_OF_VIEW, 1.15, np.zeros(2), side)[0]
            for yaw in REFERENCE_YAWS
        ]
        count = len(cameras)
        images = draw(
            np.repeat(points, count, axis=0),
            np.repeat(normals, count, axis=0),
            self.model.surface,
            cameras,
            background=(0, 0, 0),
            outputs=("colour", "mask"),
            threads=1,
        )
        return with_mask(images.colour, images.mask), cameras


def fall(random: np.random.Generator, frames: int, fps: float) -> Float[np.ndarray, "frames 1 4 4"]:
    """Turns of a body that tips over, whichever way, or lies already."""
    begins = random.uniform(-2 * FALL_SECONDS, frames / fps)
    share = np.clip((np.arange(frames) / fps - begins) / FALL_SECONDS, 0.0, 1.0)
    way, angle = random.uniform(0, 2 * np.pi), random.uniform(*FALLEN)
    turns = np.tile(np.eye(4), (frames, 1, 1, 1))
    axis = np.array([np.cos(way), 0.0, np.sin(way)])
    turns[:, 0, :3, :3] = vectors_to_matrices(angle * share[:, None] * axis)
    return turns


def joined(samples: Sequence[ClipSample]) -> ClipSample:
    """One sample of all their frames."""
    return ClipSample(*(np.concatenate([getattr(one, part.name) for one in samples]) for part in fields(ClipSample)))


def film_crops(
    model: Model,
    world: Float[np.ndarray, "frames joints 4 4"],
    random: np.random.Generator,
    side: int,
    moving: bool = True,
) -> ClipSample:
    """Render posed joints as the crops that capture would cut out of a video, background removed."""
    points, normals = pose_points(model, world)
    seen = points[:, model.drawn[:: max(1, len(model.drawn) // FRAMED)]]
    cameras = [
        aimed(camera)
        for part in ([seen] if moving else seen[:, None])
        for camera in crop_camera(
            part,
            float(random.uniform(0, 360)),
            float(random.uniform(*PITCH)),
            float(random.uniform(*FIELD_OF_VIEW)),
            float(random.uniform(*MARGIN)) * (1 + (ROOM * random.random() if random.random() < ROOMY else 0.0)),
            random.uniform(-JITTER, JITTER, 2),
            side,
        )
    ]
    images = draw(
        points,
        normals,
        model.surface,
        cameras,
        lights=random_lights(random),
        background=(0, 0, 0),
        outputs=("colour", "mask"),
        threads=1,
    )
    return ClipSample(
        with_mask(images.colour, images.mask),
        world,
        np.stack([camera.rotation for camera in cameras]),
        np.stack([camera.position for camera in cameras]),
        np.array([camera.focal for camera in cameras]),
        np.array([camera.centre for camera in cameras]),
    )


def crop_camera(
    points: Float[np.ndarray, "frames vertices 3"],
    yaw: float,
    pitch: float,
    fov: float,
    margin: float,
    jitter: Float[np.ndarray, " 2"],
    side: int,
) -> list[Camera]:
    """Cameras that look at the subject, one a frame: one size for the clip, the middle following the subject."""
    rotation = orbit_rotation(yaw, pitch)
    low, high = points.min(axis=1), points.max(axis=1)
    extent = float(np.linalg.norm(high - low, axis=1).max()) or 1.0
    distance = 0.5 * extent / np.tan(np.radians(fov) / 2) + 0.5 * extent
    cameras, boxes = [], []
    for frame, centre in zip(points, (low + high) / 2, strict=True):
        wide = perspective(centre + distance * rotation[:, 2], rotation, 90.0, side, side, distance * 1e-3)
        pixels, _ = wide.project(frame)
        boxes.append((pixels.min(axis=0), pixels.max(axis=0)))
        cameras.append(wide)
    width = margin * max(float((top - bottom).max()) for bottom, top in boxes)
    crops = []
    for camera, (bottom, top) in zip(cameras, boxes, strict=True):
        left, upper = (bottom + top) / 2 - width / 2 + jitter * width
        crops.append(camera.crop(float(left), float(upper), width, side))
    return crops


def aimed(crop: Camera) -> Camera:
    """Turned towards the crop's middle, as capture turns its own: what is seen obliquely is lifted wrongly."""
    across, down = (np.array([crop.width, crop.height]) / 2 - crop.centre) / crop.focal
    turn = look_at((0, 0, 0), (across, -down, -1.0)).rotation
    return replace(crop, rotation=crop.rotation @ turn, centre=(crop.width / 2, crop.height / 2))


def with_mask(
    colour: UInt8[np.ndarray, "frames side side 4"], mask: Float[np.ndarray, "frames side side"]
) -> UInt8[np.ndarray, "frames side side 4"]:
    """RGB on black with the mask as fourth channel."""
    out = colour.copy()
    out[..., 3] = np.rint(np.clip(mask, 0, 1) * 255)
    return out
