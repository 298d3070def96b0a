"""The subject: found in rendered and drawn videos whose truth is known, followed, and cut out as steady crops."""

import subprocess
import sys
import types
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from mocapcli.data.videos import film, random_view
from mocapcli.data.windows import cut_motion
from mocapcli.errors import InvalidDataError, PluginError, UnsupportedError, UsageError
from mocapcli.kinematics import motion_world
from mocapcli.render.camera import Camera
from mocapcli.render.movie import write_mp4
from mocapcli.render.scene import pose_points, prepare
from mocapcli.subject import Options, find_subject, write_debug
from mocapcli.subject import path as crop_path
from mocapcli.subject.cut import between, cut_crop
from mocapcli.subject.find import full_camera
from mocapcli.subject.matting import load_matte
from mocapcli.subject.survey import look_over
from mocapcli.video import open_video
from mocapcli.zoo import make_creature
from video_helpers import encode, iou, moving_square


def filmed(seed, background=None, frames=24, size=256):
    """A zoo creature before one of the data module's random backgrounds."""
    random = np.random.default_rng(seed)
    creature = make_creature(seed)
    motion = cut_motion(creature.motions[seed % len(creature.motions)], 0, 2 * frames)
    motion = replace(motion, rotations=motion.rotations[::2], translations=motion.translations[::2], scales=None)
    view = random_view(random, size)
    if background is not None:
        view = replace(view, background=np.broadcast_to(np.array(background, np.uint8), (size, size, 3)).copy())
    return film(creature, motion, view, size)


def saved(tmp_path, frames, fps=15.0, name="x.mp4"):
    path = tmp_path / name
    write_mp4(path, iter(frames), fps)
    return open_video(path)


def overlaps(subject, truth):
    return [iou(subject.mask(at), mask) for at, mask in enumerate(truth)]


def textured(height=96, width=128, seed=0):
    """A background with plenty of detail at all scales."""
    random = np.random.default_rng(seed)
    coarse = np.kron(random.integers(40, 200, (height // 8, width // 8, 3)), np.ones((8, 8, 1)))
    return np.clip(coarse + random.integers(-15, 15, (height, width, 1)), 0, 255).astype(np.uint8)


def scene(frames=24, height=96, width=128, squares=((28, 3, 30, (230, 40, 30)),), seed=0):
    """Squares (side, speed, top, colour) that cross a textured background from left to right; frames and masks."""
    pixels = np.repeat(textured(height, width, seed)[None], frames, axis=0)
    masks = np.zeros((len(squares), frames, height, width), bool)
    for number, (side, speed, top, colour) in enumerate(squares):
        for t in range(frames):
            left = round(4 + speed * t) if speed >= 0 else round(width - 4 - side + speed * t)
            masks[number, t, top : top + side, max(left, 0) : max(left + side, 0)] = True
        pixels[masks[number]] = colour
    return pixels, masks


# ---------------------------------------------------------------- segmenters on what has a truth


@pytest.mark.parametrize("seed", [3, 8, 9])
def test_static_finds_rendered_creatures(tmp_path, seed):
    clip = filmed(seed)
    with find_subject(saved(tmp_path, clip.frames), Options(method="static")) as subject:
        assert len(subject) == len(clip.frames)
        assert np.mean(overlaps(subject, clip.masks > 0.5)) >= 0.9


@pytest.mark.parametrize("seed", [5, 7])
def test_alpha_finds_creatures_before_a_plain_colour(tmp_path, seed):
    clip = filmed(seed, background=(40, 180, 90))
    with find_subject(saved(tmp_path, clip.frames)) as subject:
        assert subject.reason.startswith("alpha: the background is of one plain colour (#")
        assert np.mean(overlaps(subject, clip.masks > 0.5)) >= 0.9


def test_static_is_chosen_and_says_why(tmp_path):
    pixels, (masks,) = scene()
    with find_subject(saved(tmp_path, pixels)) as subject:
        assert subject.reason.startswith("static: the camera is still and ")
        assert subject.reason.endswith("% of the picture moves")
        assert subject.found == 1
        assert min(overlaps(subject, masks)) > 0.85
        assert np.mean(overlaps(subject, masks)) > 0.93


def test_static_forgives_shadows_and_changing_light(tmp_path):
    pixels, (masks,) = scene()
    shadow = np.roll(masks, 20, axis=1) & ~masks
    pixels = np.where(shadow[..., None], pixels * 0.7, pixels)
    pixels = pixels * np.linspace(1.0, 0.85, len(pixels))[:, None, None, None]
    with find_subject(saved(tmp_path, pixels.astype(np.uint8))) as subject:
        assert np.mean(overlaps(subject, masks)) > 0.85


@pytest.mark.parametrize("kind", ["webm", "png"])
def test_the_alpha_channel(tmp_path, kind):
    pixels, (masks,) = scene(12)
    pixels = np.concatenate([pixels, np.where(masks, 255, 0)[..., None].astype(np.uint8)], axis=-1)
    if kind == "webm":
        path = encode(tmp_path / "x.webm", pixels, codec="libvpx-vp9", pix_fmt="yuva420p", crf=10)
    else:
        path = tmp_path / "folder"
        path.mkdir()
        for number, picture in enumerate(pixels):
            Image.fromarray(picture).save(path / f"{number}.png")
    with find_subject(open_video(path)) as subject:
        assert subject.reason == "alpha: the video has an alpha channel"
        assert np.mean(overlaps(subject, masks)) > 0.97


def test_a_transparent_gif(tmp_path):
    pixels, masks = moving_square(8)
    images = [
        Image.fromarray(np.concatenate([p, np.where(m, 255, 0)[..., None].astype(np.uint8)], axis=-1))
        for p, m in zip(pixels, masks, strict=True)
    ]
    images[0].save(tmp_path / "x.gif", save_all=True, append_images=images[1:], duration=100, disposal=2)
    with find_subject(open_video(tmp_path / "x.gif")) as subject:
        assert subject.reason == "alpha: the video has an alpha channel"
        assert np.mean(overlaps(subject, masks)) > 0.95


def shaking(frames=20, seed=4):
    """The scene of a moving camera: a window that wanders over a larger one."""
    random = np.random.default_rng(seed)
    wide = textured(160, 240, seed)
    steps = np.cumsum(random.integers(-3, 4, (frames, 2)), axis=0) + np.array([30, 40])
    pixels = np.stack([wide[y : y + 96, x : x + 128] for y, x in np.clip(steps, 0, (60, 100))])
    masks = np.zeros(pixels.shape[:3], bool)
    for t in range(frames):
        masks[t, 30:70, 20 + 2 * t : 50 + 2 * t] = True
    pixels[masks] = (240, 30, 200)
    return pixels, masks


def test_a_moving_camera_needs_help(tmp_path):
    pixels, _ = shaking()
    with pytest.raises(InvalidDataError, match=r"the camera moves.*--segment box --box x,y,width,height") as caught:
        find_subject(saved(tmp_path, pixels))
    assert "\n" not in str(caught.value)


def test_box_follows_where_the_camera_moves(tmp_path):
    pixels, masks = shaking()
    with find_subject(saved(tmp_path, pixels), Options(box=(16, 26, 38, 48))) as subject:
        assert subject.reason == "box: as asked for"
        assert np.mean(overlaps(subject, masks)) > 0.9
        assert subject.confidence.min() > 0.7


def test_box_and_a_still_camera(tmp_path):
    pixels, (first, _) = scene(squares=((28, 3, 10, (230, 40, 30)), (28, -3, 60, (30, 60, 240))))
    with find_subject(saved(tmp_path, pixels), Options(box=(2, 8, 32, 32))) as subject:
        assert np.mean(overlaps(subject, first)) > 0.9


@pytest.mark.parametrize("box", [(500, 0, 20, 20), (0, 0, 1, 1), (10, 10, -5, 5)])
def test_a_box_outside(tmp_path, box):
    with pytest.raises(UsageError, match="outside of the picture of 128×96 pixels"):
        find_subject(saved(tmp_path, scene(4)[0]), Options(box=box))


def test_a_given_mask(tmp_path):
    """A folder of ones and zeros, then a video; a moving camera does not matter."""
    pixels, masks = shaking(10)
    folder = tmp_path / "masks"
    folder.mkdir()
    for number, mask in enumerate(masks):
        Image.fromarray(mask.astype(np.uint8)).save(folder / f"{number}.png")
    video = saved(tmp_path, pixels)
    film_of_masks = tmp_path / "masks.mp4"
    write_mp4(film_of_masks, (np.repeat(mask[..., None] * np.uint8(255), 3, axis=-1) for mask in masks), 15.0)
    for mask in (folder, film_of_masks):
        with find_subject(video, Options(mask=mask)) as subject:
            assert subject.reason == "mask: as asked for"
            assert min(overlaps(subject, masks)) > 0.9


def test_a_mask_that_does_not_fit(tmp_path):
    pixels, masks = shaking(10)
    video = saved(tmp_path, pixels)
    path = tmp_path / "short.mp4"
    write_mp4(path, (np.repeat(mask[..., None] * np.uint8(255), 3, axis=-1) for mask in masks[:6]), 15.0)
    with find_subject(video, Options(mask=path)) as subject:
        assert any("shorter than the video" in note for note in subject.notes)
        assert (subject.confidence[7:] < 0.6).all()
    write_mp4(path, iter(np.full((10, 96, 64, 3), 255, np.uint8)), 15.0)
    with pytest.raises(InvalidDataError, match="another shape"):
        find_subject(video, Options(mask=path))
    write_mp4(path, iter(np.zeros((10, 96, 128, 3), np.uint8)), 15.0)
    with pytest.raises(InvalidDataError, match="black all through"):
        find_subject(video, Options(mask=path))


# ---------------------------------------------------------------- what cannot be done


def test_videos_without_a_subject(tmp_path):
    with pytest.raises(InvalidDataError, match="black all through"):
        find_subject(saved(tmp_path, np.zeros((5, 48, 64, 3), np.uint8)))
    still = np.repeat(textured()[None], 6, axis=0)
    with pytest.raises(InvalidDataError, match="next to nothing moves"):
        find_subject(saved(tmp_path, still))
    with pytest.raises(InvalidDataError, match="too few frames"):
        find_subject(saved(tmp_path, still[:1]))
    plain = np.full((6, 48, 64, 3), 120, np.uint8)
    with pytest.raises(InvalidDataError, match="nothing in front of it"):
        find_subject(saved(tmp_path, plain))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (Options(method="box"), UsageError, "needs --box"),
        (Options(method="mask"), UsageError, "needs --mask"),
        (Options(method="magic"), PluginError, "known: alpha, box, mask, rembg, static"),
        (Options(subject=0), UsageError, "counts from 1"),
        (Options(fov=200), UsageError, "--fov"),
        (Options(method="alpha"), InvalidDataError, "no alpha channel and no plain background"),
    ],
)
def test_senseless_wishes(tmp_path, options, error, message):
    with pytest.raises(error, match=message):
        find_subject(saved(tmp_path, scene(6)[0]), options)


# ---------------------------------------------------------------- several subjects, gaps


def test_several_subjects(tmp_path):
    pixels, (large, small) = scene(squares=((34, 2, 4, (230, 40, 30)), (22, -3, 60, (30, 60, 240))))
    video = saved(tmp_path, pixels)
    for number, truth in ((1, large), (2, small)):
        with find_subject(video, Options(subject=number)) as subject:
            assert subject.found == 2
            assert np.mean(overlaps(subject, truth)) > 0.9
            assert any(f"2 subjects were found; this is number {number}" in note for note in subject.notes)
    with pytest.raises(UsageError, match="there is no subject 3: the video shows 2 subjects"):
        find_subject(video, Options(subject=3))


def test_subjects_that_meet_stay_who_they_are(tmp_path):
    """Two squares touch in the middle of the clip, then part again."""
    frames = 30
    pixels = np.repeat(textured(96, 160)[None], frames, axis=0)
    masks = np.zeros((2, frames, 96, 160), bool)
    for t in range(frames):
        apart = round(abs(t - 14.5) * 3)
        masks[0, t, 30:62, 75 - 30 - apart : 75 - apart] = True
        masks[1, t, 34:58, 75 + apart : 75 + 24 + apart] = True
    pixels[masks[0]], pixels[masks[1]] = (230, 40, 30), (30, 60, 240)
    with find_subject(saved(tmp_path, pixels)) as subject:
        assert subject.found == 2
        found = overlaps(subject, masks[0])
        assert np.mean(found) > 0.85
        assert min(found) > 0.6
        assert subject.confidence[14:16].max() < 0.8
        assert subject.confidence[2:8].min() > 0.9


def test_gaps_are_bridged_with_less_confidence(tmp_path):
    pixels, _ = scene()
    pixels[10:14] = textured()
    with find_subject(saved(tmp_path, pixels)) as subject:
        sure = subject.confidence
        assert (sure[10:14] < 0.6).all() and (sure[10:14] > 0).all()
        assert sure[2:9].min() > 0.9
        assert not subject.path.seen[10:14].any()
        middle = subject.path.boxes[:, [0, 2]].mean(axis=1)
        np.testing.assert_allclose(np.diff(middle)[3:20], 3, atol=1.6)
        assert any("not to be seen in 4 of 24 frames" in note for note in subject.notes)
        images = np.concatenate([crops.images for crops in subject.crops(32)])
        assert images[10:14].max() == 0
        assert images[8, ..., 3].max() > 250


# ---------------------------------------------------------------- crops


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


# ---------------------------------------------------------------- networks


def test_rembg_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rembg", None)
    with pytest.raises(UnsupportedError, match=r"rembg is not installed \(pip install 'mocapcli\[rembg\]'\)"):
        find_subject(saved(tmp_path, scene(4)[0]), Options(method="rembg"))


def test_rembg_is_used_as_it_documents(tmp_path, monkeypatch):
    """A stand-in with rembg's interface: sessions by name, `predict` from a picture to masks."""
    asked = []

    class Session:
        def predict(self, image):
            red = np.asarray(image)[..., 0] > 200
            return [Image.fromarray(np.where(red, 255, 0).astype(np.uint8))]

    module = types.ModuleType("rembg")
    module.new_session = lambda name: asked.append(name) or Session()
    monkeypatch.setitem(sys.modules, "rembg", module)
    pixels, masks = shaking(8)
    with find_subject(saved(tmp_path, pixels), Options(method="rembg", model="u2netp")) as subject:
        assert np.mean(overlaps(subject, masks)) > 0.85
    assert asked == ["u2netp"]
    module.new_session = lambda name: 1 / 0
    with pytest.raises(UnsupportedError, match="rembg cannot load the model 'isnet-general-use'"):
        load_matte()


def test_an_onnx_file(tmp_path):
    """A network of one layer that lights up where it is red."""
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    weight = helper.make_tensor("w", floats, [1, 3, 1, 1], [1.0, -0.5, -0.5])
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"])],
        "red",
        [helper.make_tensor_value_info("x", floats, [1, 3, 64, 64])],
        [helper.make_tensor_value_info("y", floats, [1, 1, 64, 64])],
        [weight],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    path = tmp_path / "red.onnx"
    path.write_bytes(model.SerializeToString())
    picture = np.zeros((40, 60, 3), np.uint8)
    picture[10:30, 20:40, 0] = 255
    mask = load_matte(path)(picture)
    assert mask.shape == (40, 60)
    assert mask[20, 30] > 240 and mask[2, 2] < 10
    path.write_bytes(b"no network")
    with pytest.raises(UnsupportedError, match="no network that can be loaded"):
        load_matte(path)


# ---------------------------------------------------------------- debugging, memory


def test_debug_pictures(tmp_path):
    pixels, _ = scene(6)
    with find_subject(saved(tmp_path, pixels)) as subject:
        written = write_debug(subject, tmp_path / "debug", 32)
    assert {path.name for path in written} >= {"sheet.png", "crop_000000.png", "mask_000005.png"}
    assert np.asarray(Image.open(tmp_path / "debug" / "crop_000003.png")).shape == (32, 32, 4)
    assert np.asarray(Image.open(tmp_path / "debug" / "sheet.png")).std() > 10


PEAK = """
import resource, sys
from mocapcli.subject import Options, find_subject
from mocapcli.video import open_video
with find_subject(open_video(sys.argv[1])) as subject:
    count = sum(len(crops) for crops in subject.crops(16))
print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs the resource module")
def test_memory_does_not_grow_with_length(tmp_path):
    peaks = {}
    for length in (150, 1500):
        pixels, _ = moving_square(12, 64, 96)
        path = encode(tmp_path / f"{length}.avi", np.tile(pixels, (length // 12 + 1, 1, 1, 1))[:length], codec="mpeg4")
        found = subprocess.run([sys.executable, "-c", PEAK, str(path)], capture_output=True, text=True, check=True)
        count, peaks[length] = (int(word) for word in found.stdout.split())
        assert count == length
    assert peaks[1500] - peaks[150] < 30_000, peaks  # kilobytes; the frames alone are 28 MB


def test_the_survey_tells_still_from_moving(tmp_path):
    assert look_over(saved(tmp_path, scene()[0])).camera_still
    assert not look_over(saved(tmp_path, shaking()[0])).camera_still
