"""Where stage 3, render-and-compare, takes part: after stage 2, before the pose becomes a clip."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from mocapcli.capturing.clip import CropClip
from mocapcli.capturing.inference import PoseTrack
from mocapcli.capturing.space import level
from mocapcli.capturing.turning import feet_along
from mocapcli.capturing.unseen import Seen
from mocapcli.capturing.windows import Renewed, window_length, windows
from mocapcli.errors import MocapError
from mocapcli.kinematics import compose, continuous, matrix_to_quat
from mocapcli.network.model import MotionNetwork
from mocapcli.network.reference import RigReference
from mocapcli.network.refiner_body import Body
from mocapcli.network.refiner_run import refine_world
from mocapcli.network.threads import one_thread
from mocapcli.render.camera import Camera
from mocapcli.render.scene import prepare
from mocapcli.subject.cut import in_picture
from mocapcli.types import Rig

Quaternions = Float[np.ndarray, "frames joints 4"]
Values = Float[np.ndarray, "frames joints parts"]
OVERLAP = 24
STEADY_SECONDS = 0.1  # over which corrections are averaged
ITERATIONS = 1  # where nobody says otherwise: the second gains little for its time


def iterations_of(network: MotionNetwork, asked: int | None) -> int:
    """Rounds of stage 3: as many as asked for, else the usual ones of a model that holds it."""
    if asked is None:
        return 0 if network.refiner is None else ITERATIONS
    if asked and network.refiner is None:
        raise MocapError("the model holds no refiner (stage 3)", remedy="leave --refine-iterations out")
    return asked


@one_thread()
def refine(
    network: MotionNetwork,
    rig: Rig,
    reference: RigReference,
    pose: PoseTrack,
    clip: CropClip,
    full: Camera,
    iterations: int,
    progress: Callable[[int], object] = lambda frames: None,
) -> PoseTrack:
    """The pose after so many rounds of drawing the rig and comparing; none leave it as it is."""
    if iterations == 0 or pose.rotations is None or pose.placed is None:
        return pose
    refiner = network.refiner
    if refiner is None:
        raise MocapError("the model holds no refiner (stage 3)")
    body, cameras = Body.of(prepare(rig), reference), upright_cameras(clip, full, pose.pitch)
    renewed = Renewed.of(pose.rotations, pose.placed)
    for first, last in windows(len(clip), window_length(reference.joints, OVERLAP), OVERLAP):
        part = slice(first, last)
        world = compose(pose.rotations[part], pose.placed[part])
        inside = np.stack([in_picture(full, camera) for camera in clip.cameras[part]])
        world = refine_world(refiner, body, clip.images(first, last), cameras[part], world, iterations, inside)
        progress(renewed.take(first, last, matrix_to_quat(world[..., :3, :3]), world[..., :3, 3]))
    steady = STEADY_SECONDS * clip.fps
    rotations = steady_turns(pose.rotations, renewed.rotations, steady, pose.seen)
    placed = pose.placed + blurred(renewed.placed - pose.placed, steady, pose.seen)
    return replace(pose, rotations=rotations, placed=feet_along(reference, rotations, placed))


def steady_turns(before: Quaternions, after: Quaternions, frames: float, seen: Seen) -> Quaternions:
    """`after`, its difference from `before` averaged over so many frames on either side, as far as they were seen.

    What a picture says of a pose is a little off in every frame, each time otherwise; where the pose was wrong lasts.
    """
    start = Rotation.from_quat(before.reshape(-1, 4))
    change = (Rotation.from_quat(after.reshape(-1, 4)) * start.inv()).as_quat().reshape(before.shape)
    mean = blurred(continuous(change), frames, seen).reshape(-1, 4)
    # Halves of one turn may not meet: then it is no turn.
    mean[np.linalg.norm(mean, axis=1) < 1e-6] = [0.0, 0.0, 0.0, 1.0]
    return continuous((Rotation.from_quat(mean) * start).as_quat().reshape(before.shape))


def blurred(values: Values, frames: float, seen: Seen) -> Values:
    """Means over seen frames around; far from all of them: nothing."""
    if frames <= 0:
        return values
    weights = seen[:, None, None].astype(float)
    total, share = (gaussian_filter1d(each, frames, axis=0, mode="nearest") for each in (values * weights, weights))
    return np.asarray(total / np.maximum(share, 1e-9))


def upright_cameras(clip: CropClip, full: Camera, pitch: float) -> list[Camera]:
    """The crops' cameras in the level frame."""
    turn = level(pitch) @ full.rotation.T
    return [replace(camera, position=np.zeros(3), rotation=turn @ camera.rotation) for camera in clip.cameras]
