"""Crops are steady, centred, and their cameras are right."""

from dataclasses import replace

import numpy as np
import pytest

from mocapcli.kinematics import motion_world
from mocapcli.render.camera import Camera
from mocapcli.render.scene import pose_points, prepare
from mocapcli.subject import Options, find_subject
from mocapcli.subject import path as crop_path
from mocapcli.subject.cut import between, cut_crop
from mocapcli.subject.find import full_camera
from subject_helpers import filmed, saved, scene


def test_crops_follow_the_subject(tmp_path):
    pixels, _ = scene()
    with find_subject(saved(tmp_path, pixels), Options(fov=30)) as subject:
        chunks = list(subject.crops(64, chunk=7))
        assert [len(chunk) for chunk in chunks] == [7, 7, 7, 3]
        images = np.concatenate([chunk.images for chunk in chunks])
        cameras = [camera for chunk in chunks for camera in chunk.cameras]
        np.testing.assert_allclose(np.concatenate([chunk.times for chunk in chunks]), np.arange(24) / 15, atol=1e-6)
    assert images.shape == (24, 64, 64, 4)
    alpha = images[..., 3] / 255
    weight = alpha.sum(axis=(1, 2))
    for axis in (1, 2):
        centre = (alpha.sum(axis=3 - axis) * (np.arange(64) + 0.5)).sum(axis=1) / weight
        assert np.abs(centre - 32).max() < 2
    wide = np.sqrt(weight)
    assert np.ptp(wide) < 3.5  # what is drawn flat is nearer in the middle
    assert 1.1 < 64 / wide.mean() < 1.6
    assert np.ptp([camera.focal for camera in cameras]) < 1e-6
    assert np.ptp(images[alpha == 0]) == 0
    red = images[alpha > 0.99]
    assert np.abs(red[:, :3].astype(int) - (230, 40, 30)).mean() < 25


def test_crop_cameras_see_the_posed_creature_where_the_crop_shows_it(tmp_path):
    """Vertices of the true pose, seen by the crop's camera put in the world, lie on the crop's mask."""
    clip = filmed(3)
    if any(camera is not clip.cameras[0] for camera in clip.cameras):
        pytest.skip("this clip has a travelling camera")
    world = motion_world(clip.asset.rig.skeleton, clip.motion)
    model = prepare(clip.asset.rig)
    points = pose_points(model, world)[0][:, np.unique(model.mesh.faces)]
    eye = clip.cameras[0]
    with find_subject(saved(tmp_path, clip.frames), Options(fov=eye.fov)) as subject:
        at = 0
        for crops in subject.crops(128):
            for image, camera in zip(crops.images, crops.cameras, strict=True):
                there = replace(camera, position=eye.position, rotation=eye.rotation @ camera.rotation)
                pixels, _ = there.project(points[at])
                inside = np.clip(pixels.astype(int), 0, 127)
                assert ((pixels > 0) & (pixels < 128)).mean() > 0.99
                assert (image[inside[:, 1], inside[:, 0], 3] > 60).mean() > 0.85
                at += 1


def seen(camera, direction):
    """What a camera sees of a pattern painted on a sphere around it, centred on a direction (radians right, up)."""
    rows, columns = np.indices((camera.height, camera.width))
    rays = np.stack(
        [columns + 0.5 - camera.centre[0], camera.centre[1] - rows - 0.5, np.full(rows.shape, -camera.focal)]
    )
    rays = (camera.rotation @ rays.reshape(3, -1)) / np.linalg.norm(rays.reshape(3, -1), axis=0)
    turn = crop_path.look_at((0, 0, 0), (np.tan(direction[0]), np.tan(direction[1]), -1)).rotation
    right, up, back = (turn.T @ rays).reshape(3, camera.height, camera.width)
    shade = 127 + 60 * np.sin(60 * right) + 60 * np.cos(45 * up + 20 * right)
    mask = (right**2 + (up * 1.5) ** 2 < 0.15**2) & (back < 0)
    return np.repeat(shade[..., None], 3, axis=-1).astype(np.uint8), np.where(mask, 255, 0).astype(np.uint8)


def box_of(mask):
    rows, columns = np.nonzero(mask)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


@pytest.mark.parametrize("direction", [(0.42, 0.0), (-0.4, 0.2), (0.0, -0.25)])
def test_camera_correction(direction):
    """Off axis, seen obliquely, gives the same crop as on axis; a plain crop does not."""
    full = full_camera(480, 320, 50.0)
    crops = {}
    for correct in (True, False):
        for name, where in (("middle", (0.0, 0.0)), ("aside", direction)):
            picture, mask = seen(full, where)
            path = crop_path.Path(np.array([box_of(mask)], float), np.ones(1), np.ones(1, bool))
            (camera,) = crop_path.crop_cameras(path, full, 48, 15.0, correct)
            crops[name, correct] = cut_crop(picture, mask, full, camera).astype(int), camera
    (there, camera), (here, straight) = crops["aside", True], crops["middle", True]
    assert np.abs(there - here).mean() < 9
    assert ((there[..., 3] > 127) != (here[..., 3] > 127)).mean() < 0.03
    assert camera.focal == pytest.approx(straight.focal, rel=0.03)
    looks = -camera.rotation[:, 2]
    aim = np.array([np.tan(direction[0]), np.tan(direction[1]), -1])
    assert np.degrees(np.arccos(looks @ aim / np.linalg.norm(aim))) < 1.5
    assert camera.centre == (24, 24)
    plain = np.abs(crops["aside", False][0] - crops["middle", False][0]).mean()
    assert plain > 1.6 * np.abs(there - here).mean()


def test_the_homography_agrees_with_both_cameras():
    full = full_camera(640, 480, 40.0)
    path = crop_path.Path(np.array([[400.0, 80.0, 600.0, 300.0]]), np.ones(1), np.ones(1, bool))
    for correct in (True, False):
        (crop,) = crop_path.crop_cameras(path, full, 96, 30.0, correct)
        points = crop.unproject(np.random.default_rng(0).uniform(0, 96, (50, 2)), np.linspace(1, 9, 50))
        small, large = crop.project(points)[0], full.project(points)[0]
        mapped = np.concatenate([small, np.ones((50, 1))], axis=1) @ between(full, crop).T
        np.testing.assert_allclose(mapped[:, :2] / mapped[:, 2:], large, atol=1e-6)


def test_a_plain_crop_is_the_cameras_own_crop():
    full = full_camera(640, 480, 40.0)
    path = crop_path.Path(np.array([[400.0, 80.0, 600.0, 180.0]]), np.ones(1), np.ones(1, bool))
    (crop,) = crop_path.crop_cameras(path, full, 96, 30.0, correct=False)
    expected = full.crop(500 - 120, 130 - 120, 240, 96)
    assert crop.focal == pytest.approx(expected.focal)
    assert crop.centre == pytest.approx(expected.centre)


def test_small_crops_are_averaged_not_picked():
    """A fine chequerboard becomes grey."""
    full = full_camera(400, 400, 40.0)
    picture = np.repeat((np.indices((400, 400)).sum(axis=0) % 2 * 255)[..., None], 3, axis=-1).astype(np.uint8)
    crop = cut_crop(picture, np.full((400, 400), 255, np.uint8), full, full.crop(0, 0, 400, 50))
    assert np.abs(crop[..., :3].astype(int) - 127).max() < 30
    assert crop[..., 3].min() == 255


def test_the_size_is_steady():
    needed = np.full(100, 1.0)
    needed[40:60] = 2.0
    needed[80] = 50.0  # one odd frame
    size = crop_path.steady_size(needed, np.ones(100, bool), 10.0)
    assert (size >= np.where(np.arange(100) == 80, 1.0, needed) - 1e-9).all()
    assert size.max() < 2.01
    assert np.abs(np.diff(size)).max() < 0.1


def test_a_camera_of_unknown_field_of_view_is_a_phones():
    assert full_camera(1920, 1080).focal == full_camera(1080, 1920).focal
    assert isinstance(full_camera(10, 10, 35), Camera)
    assert full_camera(640, 480, 35.0).fov == pytest.approx(35)
