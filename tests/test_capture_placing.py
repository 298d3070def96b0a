"""The turned rig is put where it is as large as it is seen."""

import numpy as np
import pytest

from mocapcli.capturing.placing import fit_to_view


def scene(frames: int = 40, joints: int = 20, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A body that bends and walks away from the camera, and the rays its joints are seen on."""
    random = np.random.default_rng(seed)
    body = 0.3 * random.normal(size=(1, joints, 3)) + 0.02 * random.normal(size=(frames, joints, 3))
    way = np.stack([np.linspace(-0.5, 0.5, frames), np.full(frames, 0.2), -np.linspace(3, 4, frames)], axis=-1)
    points = body + way[:, None]
    return points, points / -points[..., 2:]


ALL = np.ones(20, bool)
ONE_ROOT = np.zeros(20, dtype=int)


@pytest.mark.parametrize("factor", [0.7, 1.0, 1.4])
def test_a_wrong_distance_is_mended(factor: float) -> None:
    points, rays = scene()
    middle = points.mean(axis=1, keepdims=True)
    wrong = points + (factor - 1) * middle + np.array([0.1, -0.05, 0.0])
    found = fit_to_view(wrong, rays, np.full(points.shape[:2], 0.02), ONE_ROOT, ALL, np.ones(40, bool))
    assert np.linalg.norm(found - points, axis=-1).max() < 0.08
    np.testing.assert_allclose(found - wrong, np.broadcast_to((found - wrong)[:, :1], wrong.shape), atol=1e-12)


def test_noise_in_the_picture_does_not_make_the_distance_shake() -> None:
    points, rays = scene(frames=200)
    random = np.random.default_rng(1)
    noisy = rays + 0.01 * random.normal(size=rays.shape) * (1, 1, 0)
    found = fit_to_view(points.copy(), noisy, np.full(points.shape[:2], 0.03), ONE_ROOT, ALL, np.ones(200, bool))
    off = found[:, 0, 2] - points[:, 0, 2]
    assert np.abs(off).mean() < 0.03 and np.abs(np.diff(off)).max() < 0.01


def test_trees_are_placed_by_themselves_and_joints_that_do_not_count_have_no_say() -> None:
    points, rays = scene()
    roots = np.repeat([0, 10], 10)
    wrong = points.copy()
    wrong[:, :10] += [0.2, 0.0, 0.0]
    rays[:, [3, 14]] = [0.9, 0.9, -1.0]
    counted = ALL.copy()
    counted[[3, 14]] = False
    found = fit_to_view(wrong, rays, np.full(points.shape[:2], 0.02), roots, counted, np.ones(40, bool))
    assert np.linalg.norm(found - points, axis=-1).max() < 0.08


def test_frames_that_show_nothing_keep_their_place_at_a_distance_between_their_neighbours() -> None:
    points, rays = scene()
    seen = np.ones(40, bool)
    seen[15:20] = False
    wrong = 1.3 * points.mean(axis=1, keepdims=True) + points - points.mean(axis=1, keepdims=True)
    rays[15:20] = [0.5, 0.5, -1.0]
    found = fit_to_view(wrong, rays, np.full(points.shape[:2], 0.02), ONE_ROOT, ALL, seen)
    assert np.linalg.norm(found - points, axis=-1)[seen].max() < 0.08
    assert np.abs((found - points)[~seen][..., 2]).max() < 0.1


def test_a_rig_of_one_joint_stays_at_the_distance_it_was_given() -> None:
    points, rays = scene(joints=20)
    points, rays = points[:, :1], rays[:, :1]
    wrong = points + np.array([0.1, 0.0, 0.0])
    found = fit_to_view(wrong, rays, np.full((40, 1), 0.02), np.zeros(1, int), np.ones(1, bool), np.ones(40, bool))
    assert np.abs(found[..., 0] / -found[..., 2] - rays[..., 0]).max() < 1e-3
    np.testing.assert_allclose(np.linalg.norm(found, axis=-1), np.linalg.norm(wrong, axis=-1), rtol=0.02)


def test_long_clips_are_worked_through_in_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    points, rays = scene(frames=50)
    arguments = (points * 1.1, rays, np.full(points.shape[:2], 0.02), ONE_ROOT, ALL, np.ones(50, bool))
    whole = fit_to_view(*arguments)
    monkeypatch.setattr("mocapcli.capturing.placing.RUN", 7)
    np.testing.assert_allclose(fit_to_view(*arguments), whole, atol=1e-12)
