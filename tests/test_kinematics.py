"""Pose maths against slow twins, inverses and promises."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation, Slerp

from factories import make_asset, make_mesh, make_motion, make_skeleton, random_quaternions, skinned_vertices
from mocapcli import kinematics as k
from mocapcli.errors import InvalidDataError
from mocapcli.types import Asset, Motion, Rig, Skeleton
from strategies import assets, motions, skeletons

SEEDS = st.integers(0, 2**16)


def naive_world(skeleton: Skeleton, motion: Motion) -> np.ndarray:
    """Joint after joint, frame after frame."""
    out = np.zeros((motion.frames, skeleton.joints, 4, 4))
    for frame in range(motion.frames):
        for joint, parent in enumerate(skeleton.parents):
            local = np.eye(4)
            local[:3, :3] = Rotation.from_quat(motion.rotations[frame, joint]).as_matrix()
            if motion.scales is not None:
                local[:3, :3] = local[:3, :3] @ np.diag(motion.scales[frame, joint])
            local[:3, 3] = motion.translations[frame, joint]
            out[frame, joint] = local if parent < 0 else out[frame, parent] @ local
    return out


def size(asset_or_skeleton) -> float:
    skeleton = getattr(asset_or_skeleton, "rig", asset_or_skeleton)
    skeleton = getattr(skeleton, "skeleton", skeleton)
    return float(abs(skeleton.rest_translations).max() + 1e-9)


@given(st.data())
def test_forward_kinematics_agree_with_the_plain_loop(data):
    skeleton = data.draw(skeletons())
    motion = data.draw(motions(skeleton))
    assert np.allclose(
        k.motion_world(skeleton, motion), naive_world(skeleton, motion), rtol=1e-9, atol=1e-9 * size(skeleton)
    )


@given(st.data())
def test_local_and_world_are_inverse(data):
    skeleton = data.draw(skeletons())
    motion = data.draw(motions(skeleton))
    local = k.compose(motion.rotations, motion.translations, motion.scales)
    world = k.local_to_world(skeleton.parents, local)
    again = k.local_to_world(skeleton.parents, k.world_to_local(skeleton.parents, world))
    # The largest number in a world matrix decides how much rounding the way back can cost.
    assert np.allclose(again, world, atol=1e-9 * abs(world).max())


def test_levels_hold_every_joint_after_its_parent():
    parents = make_skeleton(12).parents
    levels = k.depth_levels(parents)
    order = [int(joint) for level in levels for joint in level]
    assert sorted(order) == list(range(12))
    assert all(parents[joint] < 0 or order.index(parents[joint]) < order.index(joint) for joint in order)


def test_a_very_deep_chain_takes_linear_time():
    parents = np.arange(-1, 199_999)
    assert len(k.depth_levels(parents)) == 200_000


# ---------------------------------------------------------------- polar


def random_linear(seed: int, singular: list[float], mirrored: bool) -> np.ndarray:
    rng = np.random.default_rng(seed)
    u, v = (Rotation.from_quat(random_quaternions(rng)).as_matrix() for _ in range(2))
    return u @ np.diag(singular) @ v * (-1 if mirrored else 1)


@given(SEEDS, st.lists(st.sampled_from([0.0, 1e-9, 1e-3, 1.0, 2.5, 1e6]), min_size=3, max_size=3), st.booleans())
def test_polar_gives_a_rotation_and_what_is_left(seed, singular, mirrored):
    linear = random_linear(seed, singular, mirrored)
    rotation, stretch = k.polar(linear)
    assert np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(rotation) == pytest.approx(1)
    assert np.allclose(rotation @ stretch, linear, atol=1e-12 * max(1, max(singular)))


@given(SEEDS, st.booleans())
def test_polar_stretch_is_symmetric(seed, mirrored):
    _, stretch = k.polar(random_linear(seed, [0.5, 1.0, 3.0], mirrored))
    assert np.allclose(stretch, stretch.T, atol=1e-9)


def test_polar_sees_shear_beside_a_huge_axis():
    """The tolerance is per pair of columns, not relative to the longest of all."""
    linear = np.array([[1e6, 0, 0], [0, 1, 0.3], [0, 0, 1]])
    rotation, _ = k.polar(linear)
    assert np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-9)


@given(SEEDS, st.lists(st.sampled_from([-2.0, -1.0, 0.25, 1.0, 4.0]), min_size=3, max_size=3))
def test_decompose_composes_back(seed, scales):
    rng = np.random.default_rng(seed)
    rotation = random_quaternions(rng)
    matrix = k.compose(rotation, rng.normal(size=3), np.array(scales))
    assert np.allclose(k.compose(*k.decompose(matrix)), matrix, atol=1e-9)


@pytest.mark.parametrize("size", [1e-200, 1e-9, 1e9, 1e200])
def test_polar_of_tiny_and_huge_matrices(size):
    linear = random_linear(3, [0.5, 1.0, 2.0], False)
    expected, _ = k.polar(linear)
    rotation, stretch = k.polar(linear * size)
    assert np.allclose(rotation, expected, atol=1e-9)
    assert np.allclose(rotation @ stretch / size, linear)


@pytest.mark.parametrize("size", [1e-9, 1e-6, 1e9])
def test_a_rig_of_any_unit_is_no_collapsed_one(size):
    skeleton = make_skeleton(4)
    motion = make_motion(skeleton, 3, translated=True)
    unit = np.diag([size, size, size, 1])
    world = unit @ k.motion_world(skeleton, motion)
    rig, gauge = k.skeleton_from_world(skeleton.names, skeleton.parents, world[0])
    clip = k.motion_from_world("clip", 30.0, rig, world, gauge)
    assert clip.scales is None
    assert np.allclose(k.joint_positions(rig, clip), world[..., :3, 3], rtol=1e-9, atol=1e-9 * size)


def test_inverse_of_a_collapsed_axis_stays_finite():
    matrix = np.eye(4)
    matrix[:3, :3] = np.diag([1.0, 0.0, 2.0])
    inverse = k.inverse_affine(matrix)
    assert np.array_equal(inverse, k.inverse_affine(matrix[None])[0])  # any batch, none included
    assert np.isfinite(inverse).all()
    assert np.allclose((inverse @ matrix)[[0, 2]][:, [0, 2]], np.eye(2), atol=1e-5)


# ---------------------------------------------------------------- world matrices of files


def affine_world(skeleton: Skeleton, frames: int, seed: int) -> np.ndarray:
    """World matrices under a non-uniformly scaled, sheared ancestor, as files hold them."""
    rng = np.random.default_rng(seed)
    motion = make_motion(skeleton, frames, seed=seed, translated=True, scaled=True)
    ancestor = np.eye(4)
    ancestor[:3, :3] = random_linear(seed, [0.5, 1.0, 2.0], False)
    ancestor[:3, 3] = rng.normal(size=3)
    return ancestor @ k.motion_world(skeleton, motion)


@given(skeletons(), SEEDS)
def test_motion_from_world_puts_every_joint_exactly_in_its_place(skeleton, seed):
    world = affine_world(skeleton, 3, seed)
    rig, gauge = k.skeleton_from_world(skeleton.names, skeleton.parents, world[0])
    clip = k.motion_from_world("clip", 30.0, rig, world, gauge)
    assert np.allclose(k.joint_positions(rig, clip), world[..., :3, 3], atol=1e-8 * abs(world).max())


@given(skeletons(), SEEDS)
def test_skeleton_from_world_keeps_places_and_explains_the_frames(skeleton, seed):
    world = affine_world(skeleton, 1, seed)[0]
    rig, gauge = k.skeleton_from_world(skeleton.names, skeleton.parents, world)
    rest = k.rest_world(rig)
    assert np.allclose(rest[:, :3, 3], world[:, :3, 3], atol=1e-9 * abs(world).max())
    assert np.allclose(rest[:, :3, :3] @ gauge, world[:, :3, :3], atol=1e-9 * abs(world).max())


@given(st.data())
def test_motion_from_world_returns_a_rigid_motion_as_it_was(data):
    skeleton = data.draw(skeletons())
    motion = data.draw(motions(skeleton, scaled=False))
    clip = k.motion_from_world("clip", motion.fps, skeleton, k.motion_world(skeleton, motion))
    assert clip.scales is None
    dots = abs(np.sum(clip.rotations * motion.rotations, axis=-1))
    assert np.allclose(dots, 1, atol=1e-9)
    assert np.allclose(clip.translations, motion.translations, atol=1e-8 * max(1, abs(motion.translations).max()))


def test_a_mirrored_joint_becomes_a_negative_scale():
    skeleton = make_skeleton(2)
    world = np.tile(k.rest_world(skeleton), (2, 1, 1, 1))
    world[1, 1, :3, :3] = world[1, 1, :3, :3] @ np.diag([-1, 1, 1])
    clip = k.motion_from_world("clip", 30.0, skeleton, world)
    assert clip.scales is not None
    assert np.allclose(k.motion_world(skeleton, clip), world, atol=1e-9)


def test_a_joint_that_vanishes_takes_its_children_along():
    """Scale zero hides things in games; the children sit in their parent and must stay there, finite."""
    skeleton = make_skeleton(3)
    motion = make_motion(skeleton, 2)
    scales = np.ones((2, 3, 3))
    scales[1, 0] = 0
    world = k.motion_world(skeleton, dataclasses.replace(motion, scales=scales))
    clip = k.motion_from_world("clip", 30.0, skeleton, world)
    assert np.allclose(k.joint_positions(skeleton, clip), world[..., :3, 3], atol=1e-5)


def test_signs_of_quaternions_do_not_jump():
    turns = Rotation.from_rotvec(np.linspace([0, 0, 0], [0, 12, 0], 50)).as_quat(canonical=True)[:, None]
    smooth = k.continuous(turns)
    assert (np.sum(smooth[1:] * smooth[:-1], axis=-1) > 0).all()
    assert np.allclose(abs(np.sum(smooth * turns, axis=-1)), 1)


# ---------------------------------------------------------------- time


@given(SEEDS, st.floats(0, 1))
def test_slerp_agrees_with_scipy(seed, weight):
    pair = random_quaternions(np.random.default_rng(seed), 2)
    expected = Slerp([0, 1], Rotation.from_quat(pair))(weight).as_quat()
    mixed = k.slerp(pair[:1], pair[1:], np.array([[weight]]))
    assert abs(np.dot(mixed[0], expected)) == pytest.approx(1, abs=1e-12)


def test_slerp_of_twins_and_antipodes():
    one = random_quaternions(np.random.default_rng(0), 1)
    half = np.array([[0.5]])
    assert np.allclose(k.slerp(one, one, half), one)
    assert np.allclose(k.slerp(one, -one, half), one)


def test_resampling_to_the_same_rate_changes_nothing():
    motion = make_motion(make_skeleton())
    assert k.resample(motion, motion.fps) is motion


@pytest.mark.parametrize(("fps", "step"), [(60.0, 1), (10.0, 3), (15.0, 2)])
def test_frames_that_coincide_are_exact(fps, step):
    motion = make_motion(make_skeleton(), frames=13, fps=30.0, translated=True, scaled=True)
    again = k.resample(motion, fps)
    ours, theirs = (slice(None, None, 2), slice(None)) if fps > 30 else (slice(None), slice(None, None, step))
    assert np.array_equal(again.rotations[ours], motion.rotations[theirs])
    assert np.array_equal(again.translations[ours], motion.translations[theirs])
    assert again.scales is not None and motion.scales is not None
    assert np.array_equal(again.scales[ours], motion.scales[theirs])


@given(SEEDS, st.sampled_from([7.0, 24.0, 29.97, 48.0, 120.0]))
def test_resampling_keeps_time(seed, fps):
    motion = make_motion(make_skeleton(seed=seed), frames=20, seed=seed)
    again = k.resample(motion, fps)
    assert again.fps == fps
    assert 0 <= motion.duration - again.duration < 1 / fps
    middle = again.frames // 2
    expected = k.sample(motion, np.array([middle / fps]), 1.0)
    assert np.allclose(again.rotations[middle], expected.rotations[0])


def test_halfway_is_halfway():
    motion = make_motion(make_skeleton(), frames=2, fps=1.0, translated=True, scaled=True)
    middle = k.resample(motion, 2.0)
    assert np.allclose(middle.translations[1], motion.translations.mean(axis=0))
    assert middle.scales is not None and motion.scales is not None
    assert np.allclose(middle.scales[1], motion.scales.mean(axis=0))


def test_sampling_holds_both_ends():
    motion = make_motion(make_skeleton(), frames=4)
    held = k.sample(motion, np.array([-1.0, 99.0]), 30.0)
    assert np.array_equal(held.rotations, motion.rotations[[0, -1]])


@pytest.mark.parametrize("fps", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_frame_rates(fps):
    with pytest.raises(InvalidDataError, match="frame rate must be positive"):
        k.resample(make_motion(make_skeleton()), fps)


def test_crop_takes_whole_frames_exactly():
    motion = make_motion(make_skeleton(), frames=31, fps=30.0)
    part = k.crop(motion, 0.2, 0.5)
    assert np.array_equal(part.rotations, motion.rotations[6:16])
    assert np.array_equal(k.crop(motion).rotations, motion.rotations)
    assert np.array_equal(k.crop(motion, end=99.0).rotations, motion.rotations)


def test_crop_and_frame_rate_in_one_go_interpolate_once():
    motion = make_motion(make_skeleton(), frames=31, fps=30.0)
    part = k.crop(motion, 0.21, 0.5, fps=48.0)
    expected = k.sample(motion, 0.21 + np.arange(part.frames) / 48.0, 48.0)
    assert np.array_equal(part.rotations, expected.rotations)


@pytest.mark.parametrize(("start", "end"), [(0.5, 0.2), (2.0, None), (-0.1, None), (float("nan"), None), (0.0, -1.0)])
def test_empty_time_ranges(start, end):
    with pytest.raises(InvalidDataError, match=r"time range .* is empty"):
        k.crop(make_motion(make_skeleton(), frames=31), start, end)


# ---------------------------------------------------------------- whole assets


@given(assets(mesh=True), st.sampled_from([0.01, 1.0, 2.5]), SEEDS)
def test_joints_and_skin_turn_and_grow_with_the_asset(asset, scale, seed):
    turn = random_quaternions(np.random.default_rng(seed))
    moved = k.transform_asset(asset, scale, turn)
    matrix = Rotation.from_quat(turn).as_matrix()
    assert asset.rig.mesh is not None and moved.rig.mesh is not None
    for before, after in zip(poses(asset), poses(moved), strict=True):
        tolerance = 1e-5 * scale * max(1, abs(before).max())
        assert np.allclose(after[:, :3, 3], before[:, :3, 3] @ matrix.T * scale, atol=tolerance)
        skin = skinned_vertices(asset.rig.mesh, before) @ matrix.T * scale
        assert np.allclose(skinned_vertices(moved.rig.mesh, after), skin, atol=tolerance)


def poses(asset: Asset) -> list[np.ndarray]:
    skeleton = asset.rig.skeleton
    return [k.rest_world(skeleton), *(k.motion_world(skeleton, clip)[-1] for clip in asset.motions)]


def test_what_is_nailed_to_the_world_turns_as_well():
    skeleton = make_skeleton(2)
    mesh = dataclasses.replace(make_mesh(skeleton), bind_joints=np.array([-1, 1]))
    asset = Asset(Rig(skeleton, mesh))
    turn = random_quaternions(np.random.default_rng(3))
    moved = k.transform_asset(asset, 2.0, turn).rig.mesh
    assert moved is not None
    rest, turned = k.rest_world(skeleton), k.rest_world(k.transform_asset(asset, 2.0, turn).rig.skeleton)
    expected = skinned_vertices(mesh, rest) @ Rotation.from_quat(turn).as_matrix().T * 2
    assert np.allclose(skinned_vertices(moved, turned), expected, atol=1e-5)


def test_normals_turn_but_do_not_grow():
    asset = make_asset(2)
    turn = random_quaternions(np.random.default_rng(3))
    moved = k.transform_asset(asset, 3.0, turn).rig.mesh
    assert moved is not None and asset.rig.mesh is not None and asset.rig.mesh.normals is not None
    expected = asset.rig.mesh.normals @ Rotation.from_quat(turn).as_matrix().T
    assert np.allclose(moved.normals, expected, atol=1e-6)


def test_transforming_drops_the_source_document_and_nothing_else():
    asset = make_asset(3, clips=2, scaled=True)
    asset = Asset(dataclasses.replace(asset.rig, source=object(), name="hero"), asset.motions)
    moved = k.transform_asset(asset, 1.0)
    assert moved.rig.source is None
    assert moved.rig.name == "hero"
    assert [clip.name for clip in moved.motions] == ["clip0", "clip1"]
    assert np.array_equal(moved.motions[0].scales, asset.motions[0].scales)


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_scales(scale):
    with pytest.raises(InvalidDataError, match="scale must be positive"):
        k.transform_asset(make_asset(), scale)
