"""V2P and E2E: rendered videos of held-back clips to positions, and on to rotations."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from jaxtyping import Float

from mocapcli.data.appearance import Appearance
from mocapcli.data.cache import Cache
from mocapcli.data.videos import Video, window_video
from mocapcli.data.windows import Window, cut_motion
from mocapcli.evaluation.cases import Case, Shot, pose_from_rotations, pose_of, subject_of
from mocapcli.evaluation.crops import crop_boxes
from mocapcli.evaluation.positions import CLOSED_FORM, FACTORISED, closed_form, run_head
from mocapcli.evaluation.predictors import Footage, NetworkPredictor, Prediction, Predictor
from mocapcli.evaluation.run import Job
from mocapcli.kinematics import about_vertical
from mocapcli.metrics import Pose, Subject
from mocapcli.network.reference import RigReference, reference_of_asset
from mocapcli.types import Asset

UNREFINED = "unrefined"  # ours as stage 2 leaves it
Points = Float[np.ndarray, "frames joints 3"]


@dataclass(frozen=True)
class VideoToPositions:
    """The V2P setting: one row for each predictor."""

    predictors: Mapping[str, Predictor]
    appearance: Appearance = "own"
    seed: int = 0
    absent: Mapping[str, str] = field(default_factory=dict)
    name: str = "v2p"
    remark: str = "closed_form, factorised and direct differ in rotations, which v2p does not ask for"

    @property
    def rows(self) -> tuple[str, ...]:
        return tuple(self.predictors)

    def case(self, cache: Cache, window: Window) -> Case:
        scene = film_window(cache, window, self.appearance, self.seed)
        poses = {}
        for row, predictor in self.predictors.items():
            prediction = predictor.predict(scene.asset, scene.footage)
            places, noise = scene.shares(prediction), prediction.noise
            poses[row] = Pose(prediction.positions, None, places, prediction.travels, stands=False, noise=noise)
        truth = Pose(scene.truth.positions, None, scene.true_places, stands=False)
        return Case(scene.subject, truth, scene.footage.fps, poses, scene.project, scene.shot)

    def jobs(self, cache: Cache, window: Window) -> dict[str, Job]:
        scene = film_window(cache, window, self.appearance, self.seed)
        return {
            f"stage 1 ({row})": partial(predictor.predict, scene.asset, scene.footage)
            for row, predictor in self.predictors.items()
        }


@dataclass(frozen=True)
class VideoToRotations:
    """The E2E setting: each predictor's rotations, the closed form on its positions and, as a mark, on true ones."""

    predictors: Mapping[str, Predictor]
    appearance: Appearance = "own"
    seed: int = 0
    absent: Mapping[str, str] = field(default_factory=dict)
    name: str = "e2e"
    remark: str = "closed_form is given the true positions, all others the video alone"

    @property
    def rows(self) -> tuple[str, ...]:
        stages = {row: self.refines(row) for row in self.predictors}
        each = [name for row, refines in stages.items() for name in ([UNREFINED, row] if refines else [row])]
        return (CLOSED_FORM, *([FACTORISED] if self.predictors else []), *each)

    def refines(self, row: str) -> bool:
        """Whether stage 3 or matching takes part in the row that the others are compared with."""
        predictor = self.predictors[row]
        return row == self.factorised and isinstance(predictor, NetworkPredictor) and predictor.refines

    @property
    def factorised(self) -> str:
        """Whose positions the closed form is tried on."""
        return "ours" if "ours" in self.predictors else next(iter(self.predictors), "")

    def case(self, cache: Cache, window: Window) -> Case:
        scene = film_window(cache, window, self.appearance, self.seed)
        points = scene.truth.positions
        poses = {CLOSED_FORM: pose_from_rotations(scene.subject, closed_form(points, scene.reference), points)}
        for row, predictor in self.predictors.items():
            found = predictor.predict(scene.asset, scene.footage)
            if row == self.factorised:
                first = found.unrefined or found  # before the camera as stage 1 thinks that it is held
                rotations = closed_form(first.positions, scene.reference, first.noise)
                poses[FACTORISED] = pose_from_rotations(scene.subject, rotations, first.positions)
            for name, one in ((row, found), *([(UNREFINED, found.unrefined)] if self.refines(row) else [])):
                if one is not None and one.rotations is not None:
                    poses[name] = pose_from_rotations(
                        scene.subject, one.rotations, one.positions if one.roots is None else one.roots
                    )
        ordered = {row: poses[row] for row in self.rows if row in poses}
        poses = {row: Pose(pose.positions, pose.rotations, stands=False) for row, pose in ordered.items()}
        truth = Pose(points, scene.truth.rotations, stands=False)
        return Case(scene.subject, truth, scene.footage.fps, poses, shot=scene.shot)

    def jobs(self, cache: Cache, window: Window) -> dict[str, Job]:
        scene = film_window(cache, window, self.appearance, self.seed)
        points, reference = scene.truth.positions, scene.reference
        jobs: dict[str, Job] = {}
        for row, predictor in self.predictors.items():
            if isinstance(predictor, NetworkPredictor):
                first = replace(predictor, rotate=False, refine_iterations=0, match_steps=0)
                jobs[f"stage 1 ({row})"] = partial(first.predict, scene.asset, scene.footage)
                if predictor.rotate:
                    head = predictor.network.rotation
                    jobs[f"stage 2 ({row})"] = partial(run_head, head, points, reference)
                if predictor.refines:
                    both = replace(predictor, refine_iterations=0, match_steps=0)
                    jobs[f"stages 1 and 2 ({row})"] = partial(both.predict, scene.asset, scene.footage)
            jobs[f"end to end ({row})"] = partial(predictor.predict, scene.asset, scene.footage)
        return {**jobs, "closed form": partial(closed_form, points, reference)}


@dataclass(frozen=True, eq=False)
class FilmedWindow:
    """A window's video and its truth on the user's rig, in the camera's gravity-up frame."""

    asset: Asset
    reference: RigReference
    subject: Subject
    footage: Footage
    truth: Pose
    true_places: Float[np.ndarray, "frames joints 2"]  # of the filmed body
    video: Video
    title: str

    @property
    def shot(self) -> Shot:
        """The cameras turned into the truth's frame, where they stand at the origin."""
        turned = zip(self.video.cameras, camera_turns(self.video), strict=True)
        cameras = [replace(camera, position=np.zeros(3), rotation=turn @ camera.rotation) for camera, turn in turned]
        return Shot(self.asset, self.title, self.video.frames, tuple(cameras))

    def project(self, points: Points) -> Float[np.ndarray, "frames joints 2"]:
        """Points of the camera's gravity-up frame in the picture, as shares of the crop's side."""
        cameras = self.video.cameras
        world = points @ camera_turns(self.video)  # rows: the inverse turn
        pixels = [camera.project(row + camera.position)[0] for camera, row in zip(cameras, world, strict=True)]
        return self._shares(np.stack(pixels))

    def shares(self, prediction: Prediction) -> Float[np.ndarray, "frames joints 2"] | None:
        return None if prediction.places is None else self._shares(prediction.places)

    def _shares(self, pixels: Float[np.ndarray, "frames joints 2"]) -> Float[np.ndarray, "frames joints 2"]:
        boxes = crop_boxes(self.footage.masks)
        return np.asarray((pixels - boxes.corners[:, None]) / boxes.width)


def film_window(cache: Cache, window: Window, appearance: Appearance, seed: int) -> FilmedWindow:
    """The window's video, the same for everybody, and where everything is."""
    asset = cache.load(window.entry)
    motion = cut_motion(asset.motions[window.motion], window.start, window.frames)
    video = window_video(cache, window, appearance, seed)
    reference = reference_of_asset(asset)
    footage = Footage(video.frames, video.masks, float(video.cameras[0].focal), motion.fps)
    own = pose_of(asset.rig.skeleton, motion)
    turns = camera_turns(video)
    stands = np.stack([camera.position for camera in video.cameras])[:, None]
    truth = Pose(
        np.einsum("fab,fjb->fja", turns, own.positions - stands),
        None if own.rotations is None else turns[:, None] @ own.rotations,
    )
    filmed = pose_of(video.asset.rig.skeleton, video.motion).positions
    pixels = np.stack([camera.project(row)[0] for camera, row in zip(video.cameras, filmed, strict=True)])
    boxes = crop_boxes(video.masks)
    places = (pixels - boxes.corners[:, None]) / boxes.width
    title = f"{asset.rig.name}: {motion.name}"
    return FilmedWindow(asset, reference, subject_of(reference), footage, truth, places, video, title)


def camera_turns(video: Video) -> Float[np.ndarray, "frames 3 3"]:
    """From the world to the level frame that looks along the camera."""
    backward = np.stack([camera.rotation[:, 2] for camera in video.cameras])
    return about_vertical(-np.arctan2(backward[:, 0], backward[:, 2]))
