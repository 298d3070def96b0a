"""Joints and frames that nobody saw, and rigs of odd build."""

from dataclasses import replace

import numpy as np

import mocapcli
from factories import make_asset
from mocapcli.kinematics import joint_positions, matrix_to_quat, motion_world
from mocapcli.solving.carriers import to_local
from mocapcli.solving.chains import (
    bridge_gaps,
    place_missing,
)
from mocapcli.solving.pose import guess_places
from mocapcli.tracks.data import Tracks
from mocapcli.types import Asset, Rig, Skeleton
from solve_helpers import CLOSE, creature, place_error, solved, tracks_of, truth, world_error


def keep(joints: list[int]) -> np.ndarray:
    values = np.full_like(truth(), np.nan)
    values[:, joints] = truth()[:, joints]
    return values


def limb_ends() -> list[int]:
    children = creature().rig.skeleton.children
    return [joint for joint, below in enumerate(children) if not below or joint == 0]


# ---------------------------------------------------------------- what was not seen


def test_short_gaps_close():
    values = truth()
    values[np.random.default_rng(0).random(values.shape[:2]) < 0.15] = np.nan
    solution = solved(tracks_of(values, up="y"))
    assert world_error(solution) < 1.5 * CLOSE
    assert place_error(solution) < 0.01


def test_a_third_of_the_joints_never_seen():
    values = truth()
    joints = values.shape[1]
    values[:, np.random.default_rng(0).choice(joints, joints // 3, replace=False)] = np.nan
    solution = solved(tracks_of(values, up="y"))
    assert world_error(solution) < 2 * CLOSE
    assert solution.report.residual is not None and solution.report.residual < 0.01


def test_ends_of_limbs_alone_bend_the_limbs():
    solution = solved(tracks_of(keep(limb_ends()), up="y"))
    assert solution.report.matched == creature().rig.skeleton.joints
    assert place_error(solution) < 0.03
    assert solution.report.residual is not None and solution.report.residual < 0.02


def test_frames_in_which_nothing_was_seen_are_passed_over_smoothly():
    values = truth()
    values[3:9], values[-2:] = np.nan, np.nan
    solution = solved(tracks_of(values, up="y"))
    assert place_error(solution) < 0.03


def test_joints_that_nothing_tells_of_stay_at_rest():
    skeleton = creature().rig.skeleton
    ends = [joint for joint in limb_ends() if joint]
    values = truth()
    values[:, ends] = np.nan
    names = tuple(f"nobody{joint}" if joint in ends else name for joint, name in enumerate(skeleton.names))
    solution = solved(tracks_of(values, names=names, up="y"))
    assert set(solution.report.at_rest) == {skeleton.names[joint] for joint in ends}
    assert set(solution.report.idle_tracks) == {name for name in names if name.startswith("nobody")}
    np.testing.assert_allclose(
        solution.motion.rotations[:, ends],
        np.tile(skeleton.rest_rotations[ends], (solution.motion.frames, 1, 1)),
        atol=1e-12,
    )


def test_points_of_little_confidence_count_as_unseen():
    values, confidence = truth(), np.ones(truth().shape[:2])
    values[4:9, 10:20] += np.random.default_rng(0).normal(size=(10, 3)) * 0.3
    confidence[4:9, 10:20] = 0.05
    wild = tracks_of(values, up="y")
    assert place_error(solved(replace(wild, confidence=confidence))) < 0.005
    assert place_error(solved(wild)) > 0.01


def test_place_missing_is_least_squares():
    parents = np.array([-1, 0, 1, 1, 3])
    rng = np.random.default_rng(0)
    points, bones, guess = rng.normal(size=(3, 4, 5, 3))
    points[:, [0, 1, 3]] = np.nan
    points[0, 0] = 0.0
    found = place_missing(points, parents, bones, guess)
    np.testing.assert_array_equal(found[np.isfinite(points)], points[np.isfinite(points)])
    for frame in range(4):
        free = [joint for joint in range(5) if np.isnan(points[frame, joint, 0])]
        pull = np.zeros((5, 3))
        for joint in range(1, 5):
            off = found[frame, joint] - found[frame, parents[joint]] - bones[frame, joint]
            pull[joint] -= off
            pull[parents[joint]] += off
        np.testing.assert_allclose(pull[free], 0, atol=1e-5)


def test_only_short_gaps_are_bridged():
    values = np.arange(10.0)[:, None, None].repeat(3, axis=2)
    values[[0, 2, 5, 6, 7]] = np.nan
    bridged = bridge_gaps(values, 2)[:, 0, 0]
    np.testing.assert_array_equal(np.isnan(bridged), np.isin(np.arange(10), [0, 5, 6, 7]))
    assert bridged[2] == 2.0


# ---------------------------------------------------------------- odd rigs


def test_several_roots_and_joints_in_one_place():
    names = ("body", "twin", "hand", "prop", "handle")
    places = np.array([[0.0, 1, 0], [0, 0, 0], [0.5, 0, 0], [2, 0, 0], [0, 0, 1]])
    skeleton = Skeleton(names, np.array([-1, 0, 1, -1, 3]), places, np.tile([0.0, 0, 0, 1], (5, 1)))
    asset = Asset(Rig(skeleton))
    world = motion_world(
        skeleton, mocapcli.Motion("m", 30.0, np.tile([0.0, 0, 0, 1], (4, 5, 1)), np.tile(places, (4, 1, 1)))
    )
    positions = world[..., :3, 3] + np.arange(4)[:, None, None] * np.array([0.1, 0, 0])
    motion = mocapcli.solve(Tracks(names, 30.0, positions, up="y"), asset)
    np.testing.assert_allclose(joint_positions(skeleton, motion), positions, atol=1e-3)


def hips_on_a_root() -> Asset:
    """Three joints in a row under a root that stays where it is while the first of them bobs and travels."""
    names = ("root", "hips", "chest", "head")
    offsets = np.array([[0.0, 0, 0], [0, 1, 0], [0, 0.5, 0.1], [0, 0.4, 0]])
    skeleton = Skeleton(names, np.array([-1, 0, 1, 2]), offsets, np.tile([0.0, 0, 0, 1], (4, 1)))
    time = np.arange(12)[:, None] / 12
    translations = np.tile(offsets, (12, 1, 1))
    translations[:, 1] += np.concatenate([time, 0.2 * np.sin(6 * time), 0 * time], axis=1)
    rotations = np.tile([0.0, 0, 0, 1], (12, 4, 1))
    rotations[:, 2] = np.concatenate([np.sin(0.3 * time), 0 * time, 0 * time, np.cos(0.3 * time)], axis=1)
    return Asset(Rig(skeleton), (mocapcli.Motion("bob", 30.0, rotations, translations),))


def test_joints_that_the_rigs_own_clips_slide_may_slide():
    asset = hips_on_a_root()
    positions = joint_positions(asset.rig.skeleton, asset.motions[0])
    motion = mocapcli.solve(Tracks(("hips", "chest", "head"), 30.0, positions[:, 1:], up="y"), asset)
    np.testing.assert_allclose(joint_positions(asset.rig.skeleton, motion)[:, 1:], positions[:, 1:], atol=0.01)
    np.testing.assert_array_equal(motion.translations[:, 0], 0)
    np.testing.assert_array_equal(motion.rotations[:, 0], np.tile([0.0, 0, 0, 1], (12, 1)))


def test_without_such_clips_the_root_carries_the_body():
    asset = hips_on_a_root()
    positions = joint_positions(asset.rig.skeleton, asset.motions[0])
    motion = mocapcli.solve(Tracks(("hips", "chest", "head"), 30.0, positions[:, 1:], up="y"), asset.rig)
    np.testing.assert_allclose(joint_positions(asset.rig.skeleton, motion)[:, 1:], positions[:, 1:], atol=0.02)
    np.testing.assert_allclose(
        motion.translations[:, 1:], np.tile(asset.rig.skeleton.rest_translations[1:], (12, 1, 1))
    )


def test_world_poses_go_back_under_their_parents():
    skeleton, clip = (
        make_asset(joints=9, translated=True).rig.skeleton,
        make_asset(joints=9, translated=True).motions[0],
    )
    world = motion_world(skeleton, clip)
    every = np.ones(9, dtype=bool)
    rotations, translations = to_local(skeleton, matrix_to_quat(world[..., :3, :3]), world[..., :3, 3], every, every)
    np.testing.assert_allclose(translations, clip.translations, atol=1e-9)
    np.testing.assert_allclose(np.abs((rotations * clip.rotations).sum(-1)), 1.0, atol=1e-9)


def test_guess_follows_the_heading():
    anchor = np.array([[0.0, 1, 0], [0, 1, 1], [1.0, 0, 0]])
    angle = 2.0
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    points = (anchor @ turn.T + 5.0)[None].repeat(3, axis=0)
    points[1], points[0, 2] = np.nan, np.nan
    np.testing.assert_allclose(guess_places(points, anchor), (anchor @ turn.T + 5.0)[None].repeat(3, axis=0), atol=1e-9)
