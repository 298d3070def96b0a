"""The subject: found in rendered and drawn videos whose truth is known, and followed."""

import subprocess
import sys
from array import array
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mocapcli.errors import InvalidDataError, PluginError, UsageError
from mocapcli.render.movie import write_mp4
from mocapcli.subject import Options, find_subject, write_debug
from mocapcli.subject.follow import Follower, Track
from mocapcli.subject.survey import look_over
from mocapcli.video import open_video
from subject_helpers import filmed, overlaps, saved, scene, shaking, textured
from video_helpers import encode, moving_square

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


def test_a_box_in_pixels_of_a_file_that_is_read_smaller(tmp_path):
    pixels, (masks,) = scene()
    video = open_video(saved(tmp_path, pixels).path, longest=64)
    with find_subject(video, Options(box=(2, 8, 32, 32))) as subject:
        assert np.mean(overlaps(subject, masks[:, ::2, ::2])) > 0.8
    with pytest.raises(UsageError, match="outside of the picture of 128×96 pixels"):
        find_subject(video, Options(box=(500, 0, 20, 20)))


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


def test_numbered_masks_are_one_a_picture_whatever_the_rate(tmp_path):
    pixels, masks = shaking(12)
    (tmp_path / "masks").mkdir()
    for number, mask in enumerate(masks):
        Image.fromarray(mask.astype(np.uint8) * 255).save(tmp_path / "masks" / f"{number}.png")
    path = saved(tmp_path, pixels).path
    with find_subject(open_video(path, fps=7.5), Options(mask=tmp_path / "masks")) as subject:
        assert min(overlaps(subject, masks[::2])) > 0.9 and len(subject) == 6


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
        (Options(method="static", box=(0, 0, 5, 5)), UsageError, "--box has no part in finding the subject by static"),
        (Options(method="box", box=(0, 0, 5, 5), model="x"), UsageError, "--segment-model has no part"),
        (Options(box=(0, 0, 5, 5), mask=Path("m.mp4")), UsageError, "--box has no part in finding the subject by mask"),
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


def test_who_returns_after_many_passers_by_is_known_again():
    """Hundreds of other subjects flickered by while it was away."""
    follower, blank = Follower(10.0), np.zeros((96, 128, 3), np.uint8)

    def step(left: int, top: int, size: int, colour: tuple[int, int, int]) -> int:
        mask, frame = np.zeros((96, 128), np.uint8), blank.copy()
        place = slice(top, top + size), slice(left, left + size)
        mask[place], frame[place] = 255, colour
        return int(follower.step(mask, frame).max())

    assert {step(10, 10, 40, (230, 40, 30)) for _ in range(5)} == {1}
    for _ in range(25):
        follower.step(np.zeros((96, 128), np.uint8), blank)
    for number in range(2, 400):  # of colours of their own
        colours = np.eye(216)[number % 200]
        follower.tracks.append(Track(number, array("d", [8, 0, 0, 9, 9, 64, 0]), colours, 64.0))
    assert step(60, 20, 40, (230, 40, 30)) == 1


def test_more_subjects_than_can_be_counted_are_nobody(monkeypatch):
    monkeypatch.setattr("mocapcli.subject.follow.MOST_TRACKS", 1)
    follower, masks = Follower(10.0), np.zeros((3, 96, 128), np.uint8)
    masks[:, 10:40, 10:40] = 255
    masks[1:, 60:90, 90:120] = 255
    frame = np.random.default_rng(0).integers(0, 255, (96, 128, 3)).astype(np.uint8)
    frame[60:90, 90:120] = (0, 0, 255)
    assert [int(follower.step(mask, frame).max()) for mask in masks] == [1, 1, 1]
    assert [track.number for track in follower.tracks] == [1]


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
        command = [sys.executable, "-c", PEAK, str(path)]
        found = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
        count, peaks[length] = (int(word) for word in found.stdout.split())
        assert count == length
    assert peaks[1500] - peaks[150] < 30_000, peaks  # kilobytes; the frames alone are 28 MB


def test_the_survey_tells_still_from_moving(tmp_path):
    assert look_over(saved(tmp_path, scene()[0])).camera_still
    assert not look_over(saved(tmp_path, shaking()[0])).camera_still
