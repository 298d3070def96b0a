"""The camera against closed forms."""

import math

import numpy as np
import pytest

from mocapcli.errors import InvalidDataError
from mocapcli.render.camera import Camera, fit, look_at, orbit, orbit_rotation, perspective


def test_projection_closed_form() -> None:
    camera = perspective([0, 0, 0], np.eye(3), fov=90, width=200, height=100)
    assert camera.focal == pytest.approx(50)
    pixels, depth = camera.project(np.array([[0.0, 0, -2], [2, 0, -2], [0, 1, -2], [0, 0, 1]]))
    np.testing.assert_allclose(depth, [2, 2, 2, -1])
    np.testing.assert_allclose(pixels[:3], [[100, 50], [150, 50], [100, 25]])
    assert np.isnan(pixels[3]).all()


def test_unproject_inverts_project() -> None:
    camera = orbit([1, 2, 3], 40, -20, 5, fov=35, width=320, height=200).crop(10, 20, 77, 128)
    points = np.random.default_rng(0).normal([1, 2, 3], size=(4, 5, 3))
    np.testing.assert_allclose(camera.unproject(*camera.project(points)), points, atol=1e-12)


def test_look_at_centres_target_and_keeps_up() -> None:
    camera = look_at([3, 4, 5], [0, 1, 0], width=64, height=48)
    pixels, depth = camera.project(np.array([[0.0, 1, 0], [0, 1.1, 0]]))
    np.testing.assert_allclose(pixels[0], [32, 24])
    assert depth[0] == pytest.approx(math.sqrt(9 + 9 + 25))
    assert pixels[1, 1] < pixels[0, 1] and pixels[1, 0] == pytest.approx(32)


@pytest.mark.parametrize("height", [5.0, -5.0])
def test_look_at_straight_up_and_down(height: float) -> None:
    camera = look_at([0, height, 0], [0, 0, 0])
    assert np.linalg.det(camera.rotation) == pytest.approx(1)
    pixels, _ = camera.project(np.array([[1.0, 0, 0], [0, 0, -height]]))
    assert pixels[0, 0] > 128  # +X stays on the right
    assert pixels[1, 1] < 128


@pytest.mark.parametrize(
    ("yaw", "pitch", "side"),
    [(0, 0, [0, 0, 1]), (90, 0, [1, 0, 0]), (180, 0, [0, 0, -1]), (0, 90, [0, 1, 0]), (0, -90, [0, -1, 0])],
)
def test_orbit_stands_where_it_says(yaw: float, pitch: float, side: list[float]) -> None:
    camera = orbit([1, 1, 1], yaw, pitch, 4)
    np.testing.assert_allclose(camera.position, np.ones(3) + 4 * np.array(side), atol=1e-12)
    np.testing.assert_allclose(camera.rotation.T @ camera.rotation, np.eye(3), atol=1e-12)
    assert np.linalg.det(camera.rotation) == pytest.approx(1)
    np.testing.assert_allclose(camera.project(np.ones(3))[0], [128, 128])


def test_orbit_equals_look_at() -> None:
    turned = orbit([0, 1, 0], 37, 21, 6)
    aimed = look_at(turned.position, [0, 1, 0])
    np.testing.assert_allclose(turned.rotation, aimed.rotation, atol=1e-12)


@pytest.mark.parametrize(("width", "height"), [(200, 200), (300, 100), (100, 300)])
@pytest.mark.parametrize("fill", [0.5, 0.9, 1.0])
def test_fit_touches_the_frame(width: int, height: int, fill: float) -> None:
    points = np.random.default_rng(1).normal(size=(60, 50, 3)) * [1, 3, 0.5] + [7, -2, 4]
    camera = fit(points, 25, 10, 40, fill, width, height)
    pixels, depth = camera.project(points)
    assert (depth > camera.near).all()
    share = np.abs(pixels - [width / 2, height / 2]).max(axis=(0, 1)) / [width / 2, height / 2]
    assert share.max() == pytest.approx(fill, abs=1e-9)
    limits = (pixels.min(axis=(0, 1)) + pixels.max(axis=(0, 1))) / 2  # both sides of the tight axis are touched
    tight = int(share.argmax())
    assert limits[tight] == pytest.approx([width / 2, height / 2][tight], abs=1e-6)


@pytest.mark.parametrize("points", [np.zeros((1, 3)), np.zeros((0, 3)), np.full((3, 3), np.nan), np.ones((4, 3)) * 1e5])
def test_fit_survives_odd_points(points: np.ndarray) -> None:
    camera = fit(points)
    assert np.isfinite(camera.position).all() and camera.near > 0


def test_crop_maps_pixels() -> None:
    camera = orbit([0, 0, 0], 30, 10, 5, width=640, height=480)
    points = np.random.default_rng(2).normal(size=(20, 3))
    whole, depth = camera.project(points)
    cropped, cropped_depth = camera.crop(100, -50, 200, 64).project(points)
    np.testing.assert_allclose(cropped, (whole - [100, -50]) * 64 / 200, atol=1e-9)
    np.testing.assert_allclose(cropped_depth, depth)


def test_resized_keeps_the_view() -> None:
    camera = orbit([0, 0, 0], 30, 10, 5, width=640, height=480)
    larger = camera.resized(1280, 960)
    assert larger.fov == pytest.approx(camera.fov)
    np.testing.assert_allclose(larger.project(np.ones(3))[0], 2 * camera.project(np.ones(3))[0])


def test_clip_matrix_agrees_with_project() -> None:
    camera = orbit([0, 0, 0], 30, 10, 5, width=640, height=480).crop(33, 55, 150, 100)
    point = np.array([0.3, 0.2, -0.1])
    clip = camera.clip_matrix() @ camera.view @ [*point, 1]
    x, y = (clip[0] / clip[3] + 1) / 2 * camera.width, (1 - clip[1] / clip[3]) / 2 * camera.height
    pixels, depth = camera.project(point)
    np.testing.assert_allclose([x, y], pixels)
    assert clip[3] == pytest.approx(depth)
    assert (camera.clip_matrix(50.0) @ [0, 0, -50.0, 1])[2] == pytest.approx(50)


def test_fov_is_vertical() -> None:
    assert perspective([0, 0, 0], np.eye(3), 33, 500, 100).fov == pytest.approx(33)


@pytest.mark.parametrize(
    "change", [{"width": 0}, {"focal": 0.0}, {"focal": math.nan}, {"near": -1.0}, {"position": np.full(3, np.nan)}]
)
def test_nonsense_is_refused(change: dict[str, object]) -> None:
    good: dict[str, object] = {
        "position": np.zeros(3),
        "rotation": np.eye(3),
        "width": 4,
        "height": 4,
        "focal": 4.0,
        "centre": (2.0, 2.0),
    }
    with pytest.raises(InvalidDataError):
        Camera(**{**good, **change})  # type: ignore[arg-type]


def test_more_nonsense_is_refused() -> None:
    with pytest.raises(InvalidDataError):
        perspective([0, 0, 0], np.eye(3), 180, 4, 4)
    with pytest.raises(InvalidDataError):
        look_at([1, 1, 1], [1, 1, 1])
    with pytest.raises(InvalidDataError):
        fit(np.zeros((1, 3)), fill=0)
    with pytest.raises(InvalidDataError):
        orbit([0, 0, 0], 0, 0, 3).crop(0, 0, 0, 10)


def test_yaw_turns_about_y() -> None:
    np.testing.assert_allclose(orbit_rotation(90, 0)[:, 0], [0, 0, -1], atol=1e-12)
