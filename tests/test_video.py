"""Video in: every container and folder, rotation, depth and alpha."""

from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from mocapcli.render.movie import write_gif
from mocapcli.video import open_video
from mocapcli.video.tones import HLG, PQ, light_of, tone_map
from video_helpers import all_frames, encode, moving_square, numbered, shown, turn_mp4

# ---------------------------------------------------------------- containers


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("x.mp4", "libx264", "yuv420p"),
        ("x.mov", "libx264", "yuv420p"),
        ("x.webm", "libvpx-vp9", "yuv420p"),
        ("x.avi", "mpeg4", "yuv420p"),
        ("x.mkv", "ffv1", "yuv444p"),
    ],
)
def test_films(tmp_path, name, codec, pix_fmt):
    video = open_video(encode(tmp_path / name, numbered(12), codec=codec, pix_fmt=pix_fmt))
    assert (video.width, video.height, video.source) == (48, 32, "movie")
    assert video.fps == pytest.approx(10, rel=0.01)
    pixels, times, held = all_frames(video)
    assert len(pixels) == 12
    np.testing.assert_allclose(times, np.arange(12) / 10, atol=1e-3)
    assert not held.any()
    slack = 6
    assert np.abs(pixels[:, 16, 24].astype(int) - numbered(12)[:, 16, 24]).max() <= slack
    assert video.notes == []


def test_gifs(tmp_path):
    pixels, _ = moving_square()
    write_gif(tmp_path / "x.gif", pixels, 10.0)
    video = open_video(tmp_path / "x.gif")
    found, times, _ = all_frames(video)
    assert video.fps == pytest.approx(10)
    np.testing.assert_allclose(times, np.arange(12) / 10, atol=1e-6)
    assert np.abs(found.astype(int) - pixels).max() <= 8


def test_colours_arrive(tmp_path):
    pixels, _ = moving_square()
    found, _, _ = all_frames(open_video(encode(tmp_path / "x.mp4", pixels, crf=4)))
    assert np.abs(found[:, 20, 2].astype(int) - (30, 60, 90)).max() <= 6
    assert np.abs(found[0, 20, 12].astype(int) - (220, 120, 40)).max() <= 12


def test_odd_sizes(tmp_path):
    pixels = numbered(3, 33, 47)
    video = open_video(encode(tmp_path / "x.mkv", pixels, codec="ffv1", pix_fmt="bgr0", source="rgb24"))
    assert (video.width, video.height) == (47, 33)
    assert all_frames(video)[0].shape == (3, 33, 47, 3)


def test_large_frames_are_made_smaller(tmp_path):
    path = encode(tmp_path / "x.mp4", numbered(2, 64, 128))
    video = open_video(path, longest=64)
    assert all_frames(video)[0].shape == (2, 32, 64, 3)
    assert (open_video(path).width, open_video(path).height) == (128, 64)


# ---------------------------------------------------------------- folders


def write_folder(folder, pixels, name="frame{}.png"):
    folder.mkdir()
    for number, picture in enumerate(pixels):
        Image.fromarray(picture).save(folder / name.format(number))
    return folder


def test_a_folder_is_ordered_by_number(tmp_path):
    video = open_video(write_folder(tmp_path / "f", numbered(12)))
    assert video.fps == 30
    assert shown(video) == list(range(12))
    assert shown(open_video(tmp_path / "f", fps=5, start=1, end=2)) == list(range(5, 10))


def test_a_damaged_picture_leaves_a_gap_that_is_told(tmp_path):
    folder = write_folder(tmp_path / "f", numbered(9))
    for number in (3, 4, 5):
        (folder / f"frame{number}.png").write_bytes(b"\x89PNG no")
    video = open_video(folder)
    pixels, _, held = all_frames(video)
    assert len(pixels) == 9
    assert held.tolist() == [number in (3, 4, 5) for number in range(9)]
    assert any("frame3.png" in note for note in video.notes)


def test_pictures_of_all_kinds(tmp_path):
    folder = tmp_path / "f"
    folder.mkdir()
    Image.fromarray(np.full((8, 12), 40_000, np.uint16)).save(folder / "0.png")
    Image.fromarray(np.full((8, 12), 100, np.uint8)).convert("P").save(folder / "1.png")
    Image.fromarray(np.full((16, 24, 3), 50, np.uint8)).save(folder / "2.jpg")
    (folder / "notes.txt").write_text("no picture")
    pixels, _, _ = all_frames(open_video(folder))
    assert np.abs(pixels[:, 4, 6, 0].astype(int) - (156, 100, 50)).max() <= 2


def test_one_picture_is_a_video_of_one_frame(tmp_path):
    Image.fromarray(numbered(1)[0]).save(tmp_path / "x.png")
    assert all_frames(open_video(tmp_path / "x.png"))[0].shape == (1, 32, 48, 3)


# ---------------------------------------------------------------- how the phone was held

CORNERS = {  # display matrix (a, b, c, d) -> where the bright top left corner is seen
    "upright": ((1, 0, 0, 1), (0, 0)),
    "quarter": ((0, 1, -1, 0), (0, 1)),
    "half": ((-1, 0, 0, -1), (1, 1)),
    "three quarters": ((0, -1, 1, 0), (1, 0)),
    "mirrored": ((-1, 0, 0, 1), (0, 1)),
}


@pytest.mark.parametrize("held", CORNERS)
def test_rotation(tmp_path, held):
    matrix, corner = CORNERS[held]
    pixels = np.zeros((3, 32, 64, 3), np.uint8)
    pixels[:, :16, :32] = 250
    path = encode(tmp_path / "x.mp4", pixels)
    turn_mp4(path, matrix)
    video = open_video(path)
    upright = matrix[0] != 0
    assert (video.width, video.height) == ((64, 32) if upright else (32, 64))
    found = all_frames(video)[0][0, ..., 0]
    height, width = found.shape
    quarters = found.reshape(2, height // 2, 2, width // 2).mean(axis=(1, 3))
    assert np.unravel_index(quarters.argmax(), (2, 2)) == corner
    assert quarters.max() > 230
    assert np.sort(quarters.ravel())[2] < 20


def test_square_pixels(tmp_path):
    path = tmp_path / "x.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 40, 32, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(2, 1)
        for picture in numbered(2, 32, 40):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    video = open_video(path)
    assert (video.width, video.height) == (80, 32)


# ---------------------------------------------------------------- depth and alpha


def test_ten_bits(tmp_path):
    path = encode(tmp_path / "x.mp4", numbered(6), pix_fmt="yuv420p10le")
    pixels, _, _ = all_frames(open_video(path))
    assert np.abs(pixels[:, 16, 24].astype(int) - numbered(6)[:, 16, 24]).max() <= 3


@pytest.mark.parametrize("curve", [PQ, HLG])
def test_high_dynamic_range(tmp_path, curve):
    """Signals for black, paper white and the brightest light become dark, nearly white and white."""
    signals = np.interp([0.0, 1.0, 4.9], light_of(curve), np.linspace(0, 1, len(light_of(curve))))
    pixels = np.zeros((3, 32, 48, 3), np.uint16)
    pixels[:] = (signals * 65535)[:, None, None, None].astype(np.uint16)
    direct = [tone_map(picture, curve)[0, 0] for picture in pixels]
    assert (direct[0] < 12).all()
    assert (direct[1] > 225).all() and (direct[1] < 250).all()
    assert (direct[2] > 245).all()
    path = encode(tmp_path / "x.mkv", pixels, codec="ffv1", pix_fmt="yuv420p10le", source="rgb48le", color_trc=curve)
    found = all_frames(open_video(path))[0][:, 16, 24].astype(int)
    assert np.abs(found - np.array(direct, int)).max() <= 6


def with_alpha(frames=6):
    pixels, masks = moving_square(frames)
    return np.concatenate([pixels, np.where(masks, 255, 0)[..., None].astype(np.uint8)], axis=-1), masks


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("x.webm", "libvpx-vp9", "yuva420p"),
        ("x.mov", "prores_ks", "yuva444p10le"),
        ("x.mov", "qtrle", "argb"),
        ("x.webm", "libvpx", "yuva420p"),
    ],
)
def test_alpha_is_kept(tmp_path, name, codec, pix_fmt):
    pixels, masks = with_alpha()
    more = {"auto-alt-ref": 0} if codec == "libvpx" else {}
    video = open_video(encode(tmp_path / name, pixels, codec=codec, pix_fmt=pix_fmt, **more))
    assert video.alpha
    alpha = np.concatenate([chunk.alpha for chunk in video.chunks()])
    assert ((alpha > 127) == masks).mean() > 0.99


def test_alpha_of_pictures(tmp_path):
    pixels, masks = with_alpha()
    video = open_video(write_folder(tmp_path / "f", pixels))
    (chunk,) = video.chunks()
    np.testing.assert_array_equal(chunk.alpha > 127, masks)
    np.testing.assert_array_equal(chunk.pixels, pixels[..., :3])


def test_no_alpha_where_there_is_none(tmp_path):
    video = open_video(encode(tmp_path / "x.mp4", numbered(2)))
    assert not video.alpha
    assert next(video.chunks()).alpha is None
