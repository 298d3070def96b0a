"""Bodies that lean all along tell how the camera was held; bodies that fall do not."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mocapcli.capturing.inference import PoseTrack
from mocapcli.capturing.leaning import TRIED, held, leaning, level_again, share_of_camera
from mocapcli.capturing.space import level
from mocapcli.kinematics import matrix_to_quat, quat_to_matrix

FRAMES, JOINTS = 20, 9
DEFORMS = np.arange(JOINTS) > 0


def track(pitch: float = 0.2, still: bool = True) -> PoseTrack:
    random = np.random.default_rng(0)
    points = random.normal((0.5, 1.0, -9.0), 1.0, (FRAMES, JOINTS, 3))
    points = points[:1].repeat(FRAMES, axis=0) if still else points
    turns = matrix_to_quat(Rotation.random(FRAMES * JOINTS, rng=random).as_matrix()).reshape(FRAMES, JOINTS, 4)
    noise, seen = np.ones((FRAMES, JOINTS)), np.ones(FRAMES, bool)
    return PoseTrack(points, turns, points.copy(), points[..., :2], noise, np.zeros(FRAMES), seen, pitch, 1.0)


def laid(pose: PoseTrack, degrees: np.ndarray) -> PoseTrack:
    """The same, each frame's body turned about its middle by so much, about the level axis across the view."""
    turns = Rotation.from_rotvec(np.radians(degrees)[:, None] * [1.0, 0.0, 0.0]).as_matrix()
    assert pose.placed is not None and pose.rotations is not None
    middle = pose.placed[:, DEFORMS].mean(axis=1, keepdims=True)
    placed = np.einsum("fab,fjb->fja", turns, pose.placed - middle) + middle
    rotations = matrix_to_quat(turns[:, None] @ quat_to_matrix(pose.rotations))
    return replace(pose, rotations=rotations, placed=placed)


def in_camera(pose: PoseTrack) -> list[np.ndarray]:
    turn = level(pose.pitch)
    assert pose.placed is not None and pose.rotations is not None
    return [pose.positions @ turn, pose.placed @ turn, turn.T @ quat_to_matrix(pose.rotations)]


@pytest.mark.parametrize("degrees", [-60.0, -8.0, 0.0, 8.0, 60.0])
def test_leaning_is_measured_about_the_level_axis_across_the_view(degrees: float) -> None:
    pose = track(still=False)
    leant = laid(pose, np.full(FRAMES, degrees))
    assert pose.placed is not None and leant.placed is not None
    np.testing.assert_allclose(
        np.degrees(leaning(pose.placed[:, DEFORMS], leant.placed[:, DEFORMS])), degrees, atol=1e-9
    )
    aside = pose.placed @ Rotation.from_euler("y", 30, degrees=True).as_matrix().T
    assert np.abs(np.degrees(leaning(pose.placed, aside).mean())) < 5


@pytest.mark.parametrize("sign", [-1, 1])
def test_the_camera_takes_most_of_what_lasts_and_little_of_what_is_large(sign: int) -> None:
    def share(leans: list[float]) -> float:
        level_ground = np.zeros((len(TRIED), len(leans)))
        return sign * float(np.degrees(share_of_camera(sign * np.radians(leans), level_ground)))

    assert share([0.0] * 10) == 0
    assert 5 < share([10.0] * 10) < 10
    assert 12 < share([20.0] * 10) < 20
    assert abs(share([90.0] * 10)) < 3, "who lies all along, lies"
    assert abs(share([0.0] * 6 + [80.0] * 4)) < 3, "who falls, falls"
    assert 5 < share([9.0] * 6 + [85.0] * 4) < 10, "what they leant by before they fell is the camera's"
    assert abs(share([-12.0, 12.0] * 5)) < 2, "who sways, sways"


def test_another_camera_sees_the_same() -> None:
    pose = track(0.2)
    other = held(pose, 0.1)
    assert other.pitch == pytest.approx(0.3)
    for one, same in zip(in_camera(pose), in_camera(other), strict=True):
        np.testing.assert_allclose(one, same, atol=1e-9)


def test_a_body_that_leans_all_along_stands_again_and_is_seen_as_before() -> None:
    pose = track()
    leant = laid(pose, np.full(FRAMES, 10.0))
    found = level_again(pose, leant, DEFORMS)
    assert pose.placed is not None and leant.placed is not None and found.placed is not None
    left = np.degrees(leaning(pose.placed[:, DEFORMS], found.placed[:, DEFORMS]))
    assert (np.abs(left) < 4).all() and found.pitch > pose.pitch
    for one, same in zip(in_camera(leant), in_camera(found), strict=True):
        np.testing.assert_allclose(one, same, atol=1e-9)


def moved(pose: PoseTrack, ways: np.ndarray) -> PoseTrack:
    assert pose.placed is not None
    return replace(pose, placed=pose.placed + ways[:, None])


@pytest.mark.parametrize("degrees", [-10.0, 7.0])
def test_whoever_walks_goes_level(degrees: float) -> None:
    """Towards the camera, three sizes far, as a camera sees it that is thought to look down by so much too little."""
    far = np.linspace(0.0, 3.0, FRAMES)[:, None]
    climbing = far * np.array([0.0, -np.sin(np.radians(degrees)), np.cos(np.radians(degrees))])
    pose = track()
    walking = moved(pose, climbing)
    found = level_again(walking, walking, DEFORMS)
    assert np.degrees(found.pitch - pose.pitch) == pytest.approx(degrees, abs=3)
    aside = moved(pose, far * np.array([1.0, 0.0, 0.0]))
    assert level_again(aside, aside, DEFORMS) is aside, "across the view nothing tells of it"


def test_whoever_jumps_tells_nothing_of_the_camera() -> None:
    pose = track()
    jumping = moved(pose, np.abs(np.sin(np.linspace(0, 9, FRAMES)))[:, None] * np.array([0.0, 0.5, 0.0]))
    assert abs(np.degrees(level_again(jumping, jumping, DEFORMS).pitch - pose.pitch)) < 1


def test_where_nothing_is_seen_or_turned_nothing_is_told() -> None:
    pose = track()
    hidden = replace(pose, seen=np.zeros(FRAMES, bool))
    assert level_again(pose, hidden, DEFORMS) is hidden
    unturned = replace(pose, placed=None)
    assert level_again(pose, unturned, DEFORMS) is unturned
    assert level_again(pose, pose, DEFORMS) is pose
