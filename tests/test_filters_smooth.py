"""Noise goes and keys go, the motion stays."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from factories import make_asset, make_motion, make_skeleton
from filters_helpers import constant, noisy, places, walker
from mocapcli.errors import InvalidDataError
from mocapcli.filters.decimate import decimate
from mocapcli.filters.smooth import smooth
from mocapcli.kinematics import joint_positions, sample
from mocapcli.types import Motion


def angles(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    apart, near = np.linalg.norm(second - first, axis=-1), np.linalg.norm(second + first, axis=-1)
    return 4 * np.arctan2(np.minimum(apart, near), np.maximum(apart, near))


# ---------------------------------------------------------------- smooth


@pytest.mark.parametrize(("method", "factor"), [("butterworth", 1.6), ("one-euro", 1.6)])
def test_noise_goes_down(method, factor):
    asset = walker()
    clean = asset.motions[0]
    rough = noisy(clean, 2.0, 0.01)
    calm = smooth(rough, method=method)
    before, after = (angles(motion.rotations, clean.rotations).mean() for motion in (rough, calm))
    assert before / after > factor
    jerk = [np.abs(np.diff(places(motion, asset), 3, axis=0)).mean() for motion in (rough, calm)]
    assert jerk[0] / jerk[1] > 4


@pytest.mark.parametrize(("method", "worst", "mean"), [("butterworth", 0.004, 0.0005), ("one-euro", 0.015, 0.003)])
@pytest.mark.parametrize("kind", ["biped", "quadruped"])
def test_a_clean_walk_hardly_changes(kind, method, worst, mean):
    asset = walker(kind)
    away = places(smooth(asset.motions[0], method=method), asset) - places(asset.motions[0], asset)
    size = np.linalg.norm(np.ptp(places(asset.motions[0], asset)[0], axis=0))
    distances = np.linalg.norm(away, axis=-1) / size
    assert distances.max() < worst
    assert distances.mean() < mean


@pytest.mark.parametrize("method", ["butterworth", "one-euro"])
def test_no_lag(method):
    """A symmetric pulse stays symmetric about the same frame, in rotation and in translation."""
    frames, middle = 61, 30
    pulse = np.exp(-(((np.arange(frames) - middle) / 4.0) ** 2))
    skeleton = make_skeleton(2)
    rotations = Rotation.from_rotvec(np.repeat(pulse, 2)[:, None] * [0.3, 0.5, -0.2]).as_quat().reshape(frames, 2, 4)
    translations = skeleton.rest_translations + pulse[:, None, None] * np.array([0.2, 0.1, 0.3])
    calm = smooth(Motion("pulse", 30.0, rotations, translations), strength=0.8, method=method)
    np.testing.assert_allclose(calm.translations, calm.translations[::-1], atol=1e-12)
    np.testing.assert_allclose(angles(calm.rotations, calm.rotations[::-1]), 0, atol=1e-7)
    assert np.argmax(calm.translations[:, 0, 0]) == middle
    turned = Rotation.from_quat(calm.rotations[:, 0]).magnitude()
    assert np.argmax(turned) == middle
    assert turned[middle] < 0.9 * Rotation.from_quat(rotations[middle, 0]).magnitude()


@pytest.mark.parametrize("method", ["butterworth", "one-euro"])
def test_ends_and_scales_are_kept(method):
    asset = make_asset(frames=40, scaled=True, translated=True)
    rough = noisy(asset.motions[0], 3.0, 0.05)
    calm = smooth(rough, strength=1.0, method=method)
    np.testing.assert_array_equal(calm.translations[[0, -1]], rough.translations[[0, -1]])
    np.testing.assert_allclose(angles(calm.rotations[[0, -1]], rough.rotations[[0, -1]]), 0, atol=1e-7)
    np.testing.assert_array_equal(calm.scales, rough.scales)
    assert np.abs(calm.translations - rough.translations).max() > 0.01


def test_strength_nothing_is_nothing_and_more_is_more():
    rough = noisy(walker().motions[0], 2.0, 0.01)
    assert smooth(rough, strength=0.0) is rough
    left = [np.abs(np.diff(smooth(rough, strength=s).rotations, 2, axis=0)).sum() for s in (0.2, 0.5, 0.9)]
    assert left[0] > left[1] > left[2]
    np.testing.assert_array_equal(
        smooth(rough, strength=0.9, cutoff=6.0).rotations, smooth(rough, cutoff=6.0).rotations
    )


@pytest.mark.parametrize("turns_a_second", [0.5, 3.0])
def test_steady_spin_stays_and_fast_spin_never_breaks(turns_a_second):
    """A wheel is no noise: whole turns survive though no angle can be filtered."""
    frames = 91
    angle = 2 * np.pi * turns_a_second * np.arange(frames) / 30
    rotations = Rotation.from_rotvec(angle[:, None] * [0, 0, 1]).as_quat()[:, None]
    wheel = Motion("wheel", 30.0, rotations, np.zeros((frames, 1, 3)))
    for strength in (0.5, 1.0):
        away = angles(smooth(wheel, strength).rotations, rotations)[10:-10]
        assert away.max() < 0.35
    assert angles(smooth(wheel).rotations, rotations)[10:-10].mean() < 0.02


@given(st.integers(0, 1000), st.floats(0, 1), st.sampled_from(["butterworth", "one-euro"]))
def test_smoothing_does_not_depend_on_local_axes(seed, strength, method):
    rng = np.random.default_rng(seed)
    motion = noisy(make_motion(make_skeleton(3), 15), 5.0, 0.1, seed)
    gauge = Rotation.from_rotvec(rng.normal(size=3))

    def turned(clip: Motion) -> Motion:
        return replace(
            clip,
            rotations=(Rotation.from_quat(clip.rotations.reshape(-1, 4)) * gauge).as_quat().reshape(15, 3, 4),
        )

    one_way, other_way = turned(smooth(motion, strength, method)), smooth(turned(motion), strength, method)
    np.testing.assert_allclose(angles(one_way.rotations, other_way.rotations), 0, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(other_way.rotations, axis=-1), 1, atol=1e-12)


# ---------------------------------------------------------------- decimate


@pytest.mark.parametrize("tolerance", [0.005, 0.02])
def test_decimate_keeps_within_its_tolerance(tolerance):
    asset = walker("biped")
    motion = asset.motions[0]
    thin = decimate(motion, asset.rig, tolerance)
    assert thin.frames < motion.frames
    assert thin.duration == pytest.approx(motion.duration)
    back = sample(thin, np.arange(motion.frames) / motion.fps, motion.fps)
    size = np.linalg.norm(np.ptp(joint_positions(asset.rig.skeleton, constant(asset))[0], axis=0))
    assert np.linalg.norm(places(back, asset) - places(motion, asset), axis=-1).max() / size < 1.5 * tolerance
    np.testing.assert_array_equal(thin.rotations[0], motion.rotations[0])
    np.testing.assert_allclose(thin.translations[-1], motion.translations[-1], atol=1e-12)


def test_decimate_without_tolerance_changes_nothing():
    asset = walker("biped")
    assert decimate(asset.motions[0], asset.rig, 0.0) is asset.motions[0]
    with pytest.raises(InvalidDataError, match="must not be negative"):
        decimate(asset.motions[0], asset.rig, -1.0)
