"""From a pose in space to a clip on the rig: exact joints, roots, ground, cameras, polish."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from capture_helpers import SIDE, Told, tell, walking
from factories import make_asset
from mocapcli.capturing.inference import PoseTrack
from mocapcli.capturing.motion import to_motion
from mocapcli.capturing.polish import polish
from mocapcli.capturing.space import level
from mocapcli.capturing.steady import steady
from mocapcli.capturing.turning import stand
from mocapcli.filters.ground import lowest_height
from mocapcli.kinematics import joint_positions, matrix_to_quat, motion_world, polar, with_ancestors
from mocapcli.network.reference import RigReference
from mocapcli.render.camera import look_at
from mocapcli.training.filming import reference_of
from mocapcli.types import Asset, Motion

torch.set_num_threads(1)


def posed(asset: Asset, motion: Motion, reference: RigReference, told: Told, pitch: float) -> PoseTrack:
    """The truth as the two stages would tell it."""
    world = polar(motion_world(asset.rig.skeleton, motion)[..., :3, :3])[0]
    turned = told.turn @ world
    noise = np.full(told.positions.shape[:2], 0.01)
    facing, seen = np.zeros(len(world)), np.ones(len(world), bool)
    quaternions = matrix_to_quat(turned)
    placed = stand(reference, quaternions, told.positions, 1 / noise**2)
    return PoseTrack(
        told.positions, quaternions, placed, told.pixels, noise * reference.size, facing, seen, pitch, reference.size
    )


@pytest.fixture(scope="module")
def scene() -> tuple[Asset, Motion, RigReference, Told, PoseTrack]:
    asset, motion = walking(frames=20)
    reference = reference_of(asset, SIDE).rig
    size = reference.size
    camera = look_at((size, size, 3 * size), (0.3 * size, 0.2 * size, 0.0), 50.0, 640, 360)
    told = tell(asset, motion, reference, camera)
    told.clip.close()
    return asset, motion, reference, told, posed(asset, motion, reference, told, np.arcsin(camera.rotation[1, 2]))


def test_the_clip_is_seen_where_the_video_shows_it(scene) -> None:
    """Its joints, through the camera that comes with it, lie on the video's pixels; the ground is at height 0."""
    asset, motion, reference, told, pose = scene
    staged = to_motion(pose, reference, asset.rig, told.full, "walk", 15.0)
    seen = staged.camera.project(joint_positions(asset.rig.skeleton, staged.motion))[0]
    assert np.abs(seen - told.pixels).max() < 0.5
    assert lowest_height(staged.motion, asset.rig) == pytest.approx(0, abs=1e-5)
    first = staged.motion.translations[0, 0] - asset.rig.skeleton.rest_translations[0]
    assert first[[0, 2]] == pytest.approx([0, 0], abs=1e-9)
    turned = motion_world(asset.rig.skeleton, staged.motion)[..., :3, :3]
    np.testing.assert_allclose(turned, told.turn @ motion_world(asset.rig.skeleton, motion)[..., :3, :3], atol=1e-6)


def test_roots(scene) -> None:
    asset, _, reference, told, pose = scene
    full, in_place, none = (
        to_motion(pose, reference, asset.rig, told.full, "walk", 15.0, root).motion
        for root in ("full", "in-place", "none")
    )
    np.testing.assert_array_equal(full.rotations, none.rotations)
    way = np.ptp(full.translations[:, 0], axis=0)
    assert way[[0, 2]].max() > 0.2
    assert np.ptp(in_place.translations[:, 0], axis=0)[[0, 2]].max() < 0.1 * way.max()
    assert not np.ptp(none.translations, axis=0).any()


def test_joints_that_move_nothing_stay_at_rest(scene) -> None:
    asset, _, reference, told, pose = scene
    deforms = reference.deforms.copy()
    leaf = int(np.setdiff1d(np.arange(reference.joints), reference.parents)[-1])
    deforms[leaf] = False
    staged = to_motion(pose, replace(reference, deforms=deforms), asset.rig, told.full, "walk", 15.0)
    still = ~with_ancestors(reference.parents, deforms)
    assert still[leaf]
    rest = asset.rig.skeleton.rest_rotations[leaf]
    assert (np.abs(staged.motion.rotations[:, leaf] @ rest) > 1 - 1e-12).all()
    moving = staged.motion.rotations
    np.testing.assert_allclose(np.linalg.norm(moving, axis=-1), 1, atol=1e-12)
    assert ((moving[1:] * moving[:-1]).sum(-1) >= 0).all()


def test_frames_that_show_nothing_turn_on_evenly(scene) -> None:
    asset, _, reference, told, pose = scene
    seen = np.ones(20, bool)
    seen[5:9] = seen[18:] = False
    wild = pose.rotations.copy()
    wild[~seen] = [1.0, 0, 0, 0]
    hidden = replace(pose, seen=seen, rotations=wild)
    staged = to_motion(hidden, reference, asset.rig, told.full, "walk", 15.0).motion
    whole = to_motion(pose, reference, asset.rig, told.full, "walk", 15.0).motion
    np.testing.assert_allclose(staged.rotations[seen], whole.rotations[seen], atol=1e-9)
    np.testing.assert_allclose(staged.rotations[18:], np.stack([staged.rotations[17]] * 2), atol=1e-9)
    dots = np.abs((staged.rotations[4:9] * staged.rotations[5:10]).sum(-1))
    np.testing.assert_allclose(dots, dots[:1].repeat(5, axis=0), atol=1e-9)


def test_several_roots_each_stand_where_their_joints_are() -> None:
    asset = make_asset(joints=6, frames=5, mesh=False)
    skeleton = asset.rig.skeleton
    parents = skeleton.parents.copy()
    parents[3] = -1
    asset = Asset(replace(asset.rig, skeleton=replace(skeleton, parents=parents)))
    reference = reference_of(asset, SIDE).rig
    points = np.tile(reference.reference_positions, (4, 1, 1))
    own = np.array([_root(parents, joint) for joint in range(6)])
    points[:, own == 3] += [1.0, 0, 0]
    rotations = np.tile(matrix_to_quat(reference.reference_rotations), (4, 1, 1))
    np.testing.assert_allclose(stand(reference, rotations, points, np.ones((4, 6))), points, atol=1e-9)


def _root(parents: np.ndarray, joint: int) -> int:
    while parents[joint] >= 0:
        joint = int(parents[joint])
    return joint


def test_jitter_goes_and_motion_stays(scene) -> None:
    pose, fps = scene[4], 30.0
    joints, times = pose.rotations.shape[1], np.arange(len(pose.rotations)) / fps
    random = np.random.default_rng(0)
    swing = np.sin(2 * np.pi * times)[:, None, None] * [0.0, 0.0, 0.5] * np.ones((1, joints, 1))

    def turned(jitter: float) -> np.ndarray:
        vectors = swing + jitter * random.normal(size=swing.shape)
        return Rotation.from_rotvec(vectors.reshape(-1, 3)).as_quat().reshape(*swing.shape[:2], 4)

    def jerk(rotations: np.ndarray) -> float:
        return float(np.linalg.norm(np.diff(rotations, 3, axis=0), axis=-1)[3:-3].mean())

    clean, placed = turned(0.0), swing + 0.01 * random.normal(size=swing.shape)
    rough = replace(pose, rotations=turned(0.03), placed=placed)
    rough.rotations[1::2] *= -1  # the same turns
    assert steady(rough, fps, 0) is rough
    calm = steady(rough, fps)
    assert jerk(calm.rotations) < 0.2 * jerk(turned(0.03))
    away = Rotation.from_quat(calm.rotations.reshape(-1, 4)) * Rotation.from_quat(clean.reshape(-1, 4)).inv()
    assert np.degrees(away.magnitude().reshape(len(times), -1)[5:-5].mean()) < 2.0
    assert np.abs(calm.placed - swing)[5:-5].mean() < 0.7 * np.abs(placed - swing)[5:-5].mean()
    np.testing.assert_allclose(steady(replace(rough, rotations=clean), fps).rotations, clean, atol=0.01)


def test_what_was_not_seen_leaves_its_neighbours_alone(scene) -> None:
    """Frames in which nobody is seen still hold the pose as it was thought before it was laid on the film."""
    pose = scene[4]
    frames, joints = pose.rotations.shape[:2]
    lying = Rotation.from_rotvec([0.0, 0.0, 1.5]).as_quat()
    rotations = np.tile(lying, (frames, joints, 1))
    seen = np.ones(frames, bool)
    seen[frames // 3 : 2 * frames // 3] = False
    rotations[~seen] = [0.0, 0.0, 0.0, 1.0]
    calm = steady(replace(pose, rotations=rotations, seen=seen), 30.0)
    np.testing.assert_allclose(np.abs(calm.rotations @ lying), 1, atol=1e-9)


def test_two_frames_are_no_motion(scene) -> None:
    pose = scene[4]
    parts = ("positions", "rotations", "placed", "places", "noise", "facing", "seen")
    short = replace(pose, **{name: getattr(pose, name)[:2] for name in parts})
    assert steady(short, 30.0) is short


def test_polish_brings_joints_to_where_they_are_seen(scene) -> None:
    _, _, reference, told, pose = scene
    random = np.random.default_rng(0)
    count = pose.rotations.shape[:2]
    shake = Rotation.from_rotvec(random.normal(scale=0.1, size=(1, count[1], 3)).repeat(count[0], 0).reshape(-1, 3))
    turned = (shake * Rotation.from_quat(pose.rotations.reshape(-1, 4))).as_quat().reshape(*count, 4)
    bent = replace(pose, rotations=turned, placed=stand(reference, turned, pose.positions, 1 / pose.noise**2))
    sure = np.ones(count[0])
    assert polish(bent, reference, sure, told.full, 0) is bent
    polished = polish(bent, reference, sure, told.full, 60)

    def off(track: PoseTrack) -> float:
        view = told.full.project(track.placed @ level(track.pitch))[0]
        return float(np.linalg.norm(view - told.pixels, axis=-1)[:, reference.deforms].mean())

    assert off(polished) < 0.4 * off(bent)
    angles = 2 * np.arccos(np.clip(np.abs((polished.rotations * turned).sum(-1)), 0, 1))
    assert np.degrees(angles.mean()) < 15
    blind = polish(bent, reference, np.zeros(count[0]), told.full, 20)
    np.testing.assert_allclose(blind.placed, bent.placed, atol=1e-3 * reference.size)
