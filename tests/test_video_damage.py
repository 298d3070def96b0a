"""Videos that are broken, hostile or none; and memory that does not grow."""

import subprocess
import sys

import av
import numpy as np
import pytest

from mocapcli.errors import PluginError, ReadError, UnsupportedError, UsageError
from mocapcli.video import open_video
from video_helpers import all_frames, encode, numbered

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
    random, refused = np.random.default_rng(7), 0
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
            refused += 1
    assert refused


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
        command = [sys.executable, "-c", PEAK, str(path)]
        found = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
        count, peaks[length] = (int(word) for word in found.stdout.split())
        assert count == length
    assert peaks[9000] - peaks[300] < 40_000, peaks  # kilobytes
