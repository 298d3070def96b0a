"""Lines and dots on images."""

import numpy as np
import pytest

from mocapcli.errors import InvalidDataError
from mocapcli.render.camera import orbit
from mocapcli.render.draw import draw_dots, draw_lines, draw_skeleton, project_joints

RED = (255, 0, 0)


def blank(frames: int = 1, height: int = 40, width: int = 60, channels: int = 3) -> np.ndarray:
    return np.zeros((frames, height, width, channels), np.uint8)


def at(*points: tuple[float, float]) -> np.ndarray:
    return np.array(points, float)[None]


def test_line_has_its_area_and_place() -> None:
    images = blank()
    draw_lines(images, at((10, 20)), at((50, 20)), RED, 4)
    area = images[..., 0].sum() / 255
    assert area == pytest.approx(40 * 4 + np.pi * 4, rel=0.03)
    assert images[0, 20, 30].tolist() == [255, 0, 0] and images[0, 25, 30].sum() == 0


def test_slanted_line_is_smooth() -> None:
    images = blank()
    draw_lines(images, at((5, 5)), at((50, 30)), RED, 2)
    assert len(np.unique(images[..., 0])) > 10
    assert images[..., 0].sum() / 255 == pytest.approx(np.hypot(45, 25) * 2 + np.pi, rel=0.05)


def test_dots_are_round() -> None:
    images = blank()
    draw_dots(images, at((20, 20)), RED, 16)
    assert images[..., 0].sum() / 255 == pytest.approx(np.pi * 64, rel=0.03)
    np.testing.assert_array_equal(images[0, 10:30, 10:30], images[0, 10:30, 10:30].transpose(1, 0, 2))


def test_odd_places_are_harmless() -> None:
    images = blank()
    places = at((np.nan, 5), (-1e30, 5), (np.inf, 3), (-500, -500), (30, 5))
    draw_lines(images, places, places[:, ::-1].copy(), RED, 3)
    draw_dots(images, at((-2, 20), (61, 20), (30, 41)), RED, 8)
    assert images[0, 20, 0, 0] > 0 and images[0, 20, 59, 0] > 0


def test_no_lines_no_frames() -> None:
    images = blank()
    draw_lines(images, np.zeros((1, 0, 2)), np.zeros((1, 0, 2)))
    draw_skeleton(blank(0), np.zeros((0, 3, 2)), np.array([-1, 0, 1]))
    assert images.sum() == 0


def test_four_channels_become_opaque() -> None:
    images = blank(channels=4)
    draw_dots(images, at((20, 20)), RED, 10)
    assert images[0, 20, 20].tolist() == [255, 0, 0, 255]


def test_skeleton_colours_by_child() -> None:
    images = blank(2)
    pixels = np.array([[[10, 10], [50, 10], [50, 35]]] * 2, float)
    palette = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0]])
    draw_skeleton(images, pixels, np.array([-1, 0, 1]), palette, (255, 255, 255), width=2)
    assert images[1, 10, 30].tolist() == [255, 0, 0] and images[0, 22, 50].tolist() == [0, 255, 0]
    assert images[0, 10, 10].tolist() == [255, 255, 255]


def test_moving_cameras_project_their_own_frame() -> None:
    cameras = [orbit([0, 0, 0], yaw, 0, 4, width=64, height=64) for yaw in (0, 180)]
    pixels = project_joints(cameras, np.array([[[1.0, 0, 0]], [[1.0, 0, 0]]]))
    np.testing.assert_allclose(pixels[0, 0] + pixels[1, 0], [64, 64])
    np.testing.assert_allclose(project_joints(cameras[0], np.ones((1, 1, 3)))[0, 0], cameras[0].project(np.ones(3))[0])


def test_readonly_images_are_refused() -> None:
    with pytest.raises(InvalidDataError):
        draw_dots(blank()[:, ::2], at((1, 1)))
