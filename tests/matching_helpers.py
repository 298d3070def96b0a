"""A creature side on before the camera, drawn in poses that are known."""

import numpy as np
from scipy.spatial.transform import Rotation

from mocapcli.capturing.clip import CropClip
from mocapcli.capturing.inference import PoseTrack
from mocapcli.capturing.turning import bones_of
from mocapcli.kinematics import carried, matrix_to_quat
from mocapcli.network.reference import RigReference
from mocapcli.render.camera import Camera
from mocapcli.render.scene import Model, render
from mocapcli.subject.find import Crops
from mocapcli.training.samples import with_mask

FRAMES, SIDE, FPS = 6, 96, 15.0
SWUNG = {21: -30.0, 33: -30.0}  # joint, degrees: neck and tail
FOLDED = {33: -110.0}  # farther than gradients reach


def posed(reference: RigReference, turns: dict[int, float], frames: int = FRAMES) -> tuple[np.ndarray, np.ndarray]:
    """World rotations and joints (metres), side on before the camera; joints and all below turned in the picture."""
    aside = Rotation.from_euler("y", 90, degrees=True).as_matrix()
    rotations = np.tile(aside @ reference.reference_rotations, (frames, 1, 1, 1))
    for joint, degrees in turns.items():
        below = [one for one in range(reference.joints) if _is_below(reference.parents, one, joint)]
        swing = Rotation.from_euler("z", degrees, degrees=True).as_matrix()
        rotations[:, below] = swing @ rotations[:, below]
    roots = np.zeros((frames, reference.joints, 3))
    placed = carried(rotations, bones_of(reference), reference.parents, roots)
    middle = placed[:, reference.deforms].mean(axis=(0, 1))
    return rotations, placed - middle + [0.0, 0.0, -2.5 * reference.size]


def _is_below(parents: np.ndarray, joint: int, above: int) -> bool:
    while joint >= 0 and joint != above:
        joint = int(parents[joint])
    return joint == above


def track(rotations: np.ndarray, placed: np.ndarray, size: float, seen: np.ndarray | None = None) -> PoseTrack:
    frames = len(placed)
    seen = np.ones(frames, bool) if seen is None else seen
    noise = np.full(placed.shape[:2], 0.03 * size)
    return PoseTrack(
        placed, matrix_to_quat(rotations), placed, placed[..., :2], noise, np.zeros(frames), seen, 0.0, size
    )


def camera(size: float) -> Camera:
    return Camera(np.zeros(3), np.eye(3), SIDE, SIDE, 2.0 * SIDE, (SIDE / 2, SIDE / 2), 0.01 * size)


def filmed(model: Model, rotations: np.ndarray, placed: np.ndarray, size: float) -> np.ndarray:
    world = np.tile(np.eye(4), (*placed.shape[:2], 1, 1))
    world[..., :3, :3], world[..., :3, 3] = rotations, placed
    images = render(model, world, camera(size), background=(0, 0, 0), outputs=("colour", "mask"), threads=1)
    return with_mask(images.colour, images.mask)


def clip_of(crops: np.ndarray, size: float) -> CropClip:
    count = len(crops)
    return CropClip.of([Crops(crops, (camera(size),) * count, np.ones(count), np.arange(count) / FPS)], SIDE)


def off(pose: PoseTrack, placed: np.ndarray, axes: int = 3) -> float:
    """Of joints, in sizes; of two axes, across the view."""
    assert pose.placed is not None
    return float(np.linalg.norm((pose.placed - placed)[..., :axes], axis=-1).mean() / pose.size)
