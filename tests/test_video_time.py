"""Frames at an even rate from pictures at any time."""

from dataclasses import replace

import numpy as np
import pytest

from mocapcli.errors import UsageError
from mocapcli.video import open_video
from mocapcli.video.frames import Notes, Picture
from mocapcli.video.steady import Clock, steady
from video_helpers import all_frames, encode, numbered, shown


def test_variable_rate_shows_the_nearest_picture(tmp_path):
    times = [0, 100, 130, 400, 900, 1000]
    path = encode(tmp_path / "x.mp4", numbered(6), times=times)
    expected = [int(np.argmin(np.abs(np.array(times) - at))) for at in range(0, 1001, 100)]
    video = open_video(path, fps=10)
    assert shown(video) == expected
    _, at, held = all_frames(video)
    np.testing.assert_allclose(at, np.arange(11) / 10, atol=1e-9)
    away = [min(abs(at - time) for time in times) for at in range(0, 1001, 100)]
    assert held.tolist() == [far > 75 for far in away]  # three quarters of a frame


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


def test_a_sparse_look_ends_with_the_part_and_finds_nothing_broken(tmp_path, monkeypatch):
    """Of key frames alone the last is not the film's."""
    path = encode(tmp_path / "x.mp4", numbered(20), g=4, keyint_min=4, sc_threshold=0)
    video, decoded = open_video(path, end=0.9), list[float]()
    pictures = video.footage.pictures
    watched = replace(video.footage, pictures=lambda wish: (decoded.append(p.time) or p for p in pictures(wish)))
    seen = [time for chunk in replace(video, footage=watched).chunks(sparse=True) for time in chunk.times]
    assert seen == pytest.approx([0.0, 0.4, 0.8]) and max(decoded) < 1.3
    long = open_video(encode(tmp_path / "long.mp4", numbered(20), g=19, keyint_min=19, sc_threshold=0))
    assert len(list(long.chunks(sparse=True))) == 1 and not list(long.notes)


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
