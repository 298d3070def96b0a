"""Video in: every container and folder, times, rotation, depth, alpha, damage; and memory that does not grow."""

import os
import subprocess
import sys
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from mocapcli.errors import PluginError, ReadError, UnsupportedError, UsageError
from mocapcli.render.movie import write_gif
from mocapcli.video import open_video
from mocapcli.video.frames import Notes, Picture
from mocapcli.video.steady import Clock, steady
from mocapcli.video.tones import HLG, PQ, light_of, tone_map
from video_helpers import encode, moving_square, numbered, numbers_of, turn_mp4


def all_frames(video):
    chunks = list(video.chunks())
    return (
        np.concatenate([c.pixels for c in chunks]),
        np.concatenate([c.times for c in chunks]),
        np.concatenate([c.held for c in chunks]),
    )


def shown(video):
    return [number for chunk in video.chunks() for number in numbers_of(chunk)]


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


# ---------------------------------------------------------------- time


def test_variable_rate_shows_the_nearest_picture(tmp_path):
    times = [0, 100, 130, 400, 900, 1000]
    path = encode(tmp_path / "x.mp4", numbered(6), times=times)
    expected = [int(np.argmin(np.abs(np.array(times) - at))) for at in range(0, 1001, 100)]
    video = open_video(path, fps=10)
    assert shown(video) == expected
    _, at, held = all_frames(video)
    np.testing.assert_allclose(at, np.arange(11) / 10, atol=1e-9)
    assert (
        held.tolist() == [False, False, False, False, False, True, True, True, False, False, False] or held[5:8].any()
    )


@pytest.mark.parametrize(("fps", "expected"), [(5, [0, 2, 4, 6, 8]), (20, [n // 2 for n in range(19)])])
def test_another_rate(tmp_path, fps, expected):
    path = encode(tmp_path / "x.mp4", numbered(10))
    found = shown(open_video(path, fps=fps))
    assert np.abs(np.array(found) - expected).max() <= (1 if fps > 10 else 0)
    assert len(found) == len(expected)


@pytest.mark.parametrize(
    ("start", "end", "first", "count"), [(0.5, None, 5, 15), (None, 0.7, 0, 7), (0.3, 0.8, 3, 5), (1.45, 1.95, 14, 5)]
)
def test_a_part(tmp_path, start, end, first, count):
    video = open_video(encode(tmp_path / "x.mp4", numbered(20), g=6), start=start, end=end)
    assert shown(video) == list(range(first, first + count))
    assert all_frames(video)[1][0] == pytest.approx(start or 0)


def test_seeking_gives_what_running_through_gives(tmp_path):
    path = encode(tmp_path / "x.mp4", np.repeat(numbered(20), 5, axis=0), g=25)
    whole, times, _ = all_frames(open_video(path))
    part, part_times, _ = all_frames(open_video(path, start=6.0))
    np.testing.assert_array_equal(part, whole[60:])
    np.testing.assert_allclose(part_times, times[60:])


def pictures_at(*times):
    return [Picture(time, np.full((1, 1, 3), number, np.uint8)) for number, time in enumerate(times)]


def test_nothing_is_shown_before_the_first_picture():
    found = list(steady(pictures_at(1.0, 1.1, 1.2), Clock(10, 0.0, native_fps=10), Notes()))
    assert [round(each.time, 6) for each in found] == [1.0, 1.1, 1.2]


def test_forged_time_stamps_neither_hang_nor_run_backwards():
    notes = Notes()
    found = list(steady(pictures_at(0.0, 0.1, 0.05, -4.0, 1e9, 1e9 + 0.1), Clock(10, native_fps=10), notes))
    assert [int(each.pixels[0, 0, 0]) for each in found] == [0, 1, 4, 5]
    assert len(notes) == 2


@pytest.mark.parametrize(
    "wrong", [{"fps": 0}, {"fps": 1e6}, {"start": -1}, {"start": 2, "end": 1}, {"start": float("nan")}]
)
def test_senseless_wishes(tmp_path, wrong):
    path = encode(tmp_path / "x.mp4", numbered(2))
    with pytest.raises(UsageError):
        open_video(path, **wrong)


def test_a_part_after_the_end(tmp_path):
    with pytest.raises(UsageError, match=r"ends at 0\.20 s, before --start 5"):
        open_video(encode(tmp_path / "x.mp4", numbered(2)), start=5)


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


# ---------------------------------------------------------------- damage


def test_a_video_that_breaks_off_is_used_and_told(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (30, 64, 64, 3), np.uint8)
    path = tmp_path / "x.mkv"
    encode(path, noise, codec="libx264", g=5)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    video = open_video(path)
    count = len(all_frames(video)[0])
    assert 8 <= count <= 22
    assert any("breaks off" in note for note in video.notes), video.notes


def test_garbage_in_the_middle_is_left_out_and_told(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (30, 64, 64, 3), np.uint8)
    path = encode(tmp_path / "x.avi", noise, codec="png", pix_fmt="rgb24")
    data = bytearray(path.read_bytes())
    places = [at for at in range(len(data) - 8) if data[at : at + 4] == b"\x89PNG"]
    for at in places[10:16]:
        data[at : at + 64] = bytes(64)
    path.write_bytes(bytes(data))
    video = open_video(path)
    pixels, _, held = all_frames(video)
    assert len(pixels) == 30
    assert held[10:16].sum() >= 4
    assert not held[:9].any() and not held[17:].any()
    assert ["damaged" in note for note in video.notes] == [True, False]
    assert f"for {held.sum()} frames" in video.notes[1]


@pytest.mark.parametrize("name", ["x.mp4", "x.webm", "x.gif", "x.avi"])
@pytest.mark.parametrize("content", [b"", b"no video at all" * 50, b"#EXTM3U\n#EXTINF:1,\nhttp://localhost:1/x.ts\n"])
def test_what_is_no_video(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ReadError) as caught:
        open_video(path)
    assert "\n" not in str(caught.value)


def test_an_mp4_without_its_index(tmp_path):
    path = encode(tmp_path / "x.mp4", numbered(10))
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"moov") - 4])
    with pytest.raises(ReadError, match="no video that can be read"):
        open_video(path)


def test_sound_only(tmp_path):
    path = tmp_path / "x.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(ReadError, match="holds no video"):
        open_video(path)


def test_a_playlist_opens_nothing_else(tmp_path):
    secret = encode(tmp_path / "secret.ts", numbered(4), codec="mpeg2video")
    (tmp_path / "x.mp4").write_text(f"ffconcat version 1.0\nfile {secret.name}\n")
    with pytest.raises(ReadError):
        open_video(tmp_path / "x.mp4")


def test_errors_of_choice(tmp_path):
    with pytest.raises(UsageError, match="download it first"):
        open_video("https://example.org/x.mp4")
    with pytest.raises(ReadError, match="no such file"):
        open_video(tmp_path / "none.mp4")
    with pytest.raises(ReadError, match="no pictures in this folder"):
        open_video(tmp_path)
    (tmp_path / "x.doc").write_text("x")
    with pytest.raises(UnsupportedError, match=r"known: .*mp4"):
        open_video(tmp_path / "x.doc")
    with pytest.raises(PluginError, match="known: movie, pictures"):
        open_video(tmp_path / "x.doc", source="nothing")


def test_fuzzed_files_only_raise_our_errors(tmp_path):
    """Bytes flipped anywhere: pictures, or one of our errors, and never a hang."""
    original = encode(tmp_path / "x.mp4", numbered(6)).read_bytes()
    random = np.random.default_rng(7)
    for turn in range(40):
        data = bytearray(original)
        for at in random.integers(0, len(data), 8):
            data[at] = random.integers(256)
        path = tmp_path / f"{turn}.mp4"
        path.write_bytes(bytes(data))
        try:
            video = open_video(path)
            assert sum(len(chunk) for chunk in video.chunks()) < 5000
        except (ReadError, UnsupportedError, UsageError):
            pass


# ---------------------------------------------------------------- memory


PEAK = """
import resource, sys
from mocapcli.render.movie import write_gif
from mocapcli.video import open_video
count = sum(len(chunk) for chunk in open_video(sys.argv[1]).chunks())
print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs the resource module")
def test_memory_does_not_grow_with_length(tmp_path):
    """Half an hour of film takes no more memory than a minute: the frames alone would be 4 GB."""
    picture = np.random.default_rng(0).integers(0, 255, (1, 120, 160, 3), np.uint8)
    paths = {length: tmp_path / f"{length}.avi" for length in (300, 9000)}
    for length, path in paths.items():
        encode(path, np.broadcast_to(picture, (length, *picture.shape[1:])), codec="mpeg4", fps=5, qscale=31)
    peaks = {}
    for length, path in paths.items():
        found = subprocess.run(
            [sys.executable, "-c", PEAK, str(path)], capture_output=True, text=True, check=True, env={**os.environ}
        )
        count, peaks[length] = (int(word) for word in found.stdout.split())
        assert count == length
    assert peaks[9000] - peaks[300] < 40_000, peaks  # kilobytes
