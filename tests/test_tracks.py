"""Track files: every form gives the same points, and damaged ones one clear line."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from factories import make_asset
from mocapcli.errors import FormatError, InvalidDataError, MocapError, ReadError, UnsupportedError
from mocapcli.formats import write_asset
from mocapcli.kinematics import joint_positions
from mocapcli.tracks.data import Tracks, crop_tracks
from mocapcli.tracks.read import read_tracks
from tracks_helpers import FPS, NAMES, _quietly, cells, check, points, wide

# ---------------------------------------------------------------- tracks themselves


def test_a_point_that_is_not_finite_everywhere_or_beyond_measure_is_unseen():
    values = np.zeros((2, 2, 3))
    values[0, 0, 1], values[1, 1, 2] = np.inf, 1e30
    unseen = np.isnan(Tracks(("a", "b"), 30.0, values).positions).all(-1)
    np.testing.assert_array_equal(unseen, [[True, False], [False, True]])


@pytest.mark.parametrize(
    ("names", "fps", "shape", "message"),
    [
        (("a", "a"), 30.0, (2, 2, 3), "two tracks are named 'a'"),
        (("a",), 0.0, (2, 1, 3), "frame rate must be positive"),
        (("a",), float("nan"), (2, 1, 3), "frame rate must be positive"),
        (("a",), 30.0, (2, 2, 3), "1 names, but positions of shape"),
        ((), 30.0, (2, 0, 3), "these tracks are empty"),
        (("a",), 30.0, (0, 1, 3), "these tracks are empty"),
    ],
)
def test_what_cannot_be_tracks(names, fps, shape, message):
    with pytest.raises(InvalidDataError, match=message):
        Tracks(names, fps, np.zeros(shape))


def test_crop_keeps_both_ends():
    tracks = Tracks(NAMES, 10.0, points(30), np.ones((30, 3)))
    part = crop_tracks(tracks, 0.5, 1.0)
    np.testing.assert_array_equal(part.positions, tracks.positions[5:11])
    assert part.confidence is not None and len(part.confidence) == 6
    assert crop_tracks(tracks, None, 99.0).frames == 30
    with pytest.raises(InvalidDataError, match=r"time range 5-6 s is empty \(the tracks last 2.9 s\)"):
        crop_tracks(tracks, 5.0, 6.0)


# ---------------------------------------------------------------- NPZ


def test_npz(tmp_path):
    path = tmp_path / "clip.npz"
    extra = {"units": "mm", "up": "z", "confidence": np.full((6, 3), 0.5)}
    np.savez(path, names=np.array(NAMES), fps=FPS, positions=points(), **extra)
    tracks = read_tracks(path)
    check(tracks, unit=0.001, up="z")
    assert tracks.name == "clip"
    np.testing.assert_array_equal(tracks.confidence, 0.5)


def test_npz_in_single_precision_without_a_rate(tmp_path):
    path = tmp_path / "clip.npz"
    np.savez(path, names=np.array(NAMES), positions=points().astype(np.float32))
    with pytest.warns(UserWarning, match="no frame rate"):
        check(read_tracks(path), fps=30)


@pytest.mark.parametrize("extension", ["npz", "bvh", "glb"])
def test_any_animation_gives_its_joints(tmp_path, extension):
    asset = make_asset(clips=2, mesh=False, rotated=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write_asset(tmp_path / f"a.{extension}", asset)
        tracks = read_tracks(tmp_path / f"a.{extension}")
    truth = joint_positions(asset.rig.skeleton, asset.motions[0])
    order = [tracks.names.index(name) for name in asset.rig.skeleton.names]  # a BVH goes limb by limb
    np.testing.assert_allclose(tracks.positions[:, order], truth, atol=1e-4)
    assert (tracks.metres_per_unit, tracks.up, tracks.fps) == (1.0, "y", pytest.approx(30, abs=1e-3))


def test_one_of_several_clips(tmp_path):
    path = tmp_path / "a.npz"
    write_asset(path, make_asset(clips=2))
    assert read_tracks(path, "clip1").frames == read_tracks(path, "1").frames == 8
    with pytest.warns(UserWarning, match="several clips"):
        assert read_tracks(path).frames == 7
    with pytest.raises(ReadError, match=r"no clip 'jump' \(it has clip0, clip1\)"):
        read_tracks(path, "jump")


# ---------------------------------------------------------------- TRC


def trc(path: Path, units: str = "mm", rate: str = "50.00") -> Path:
    lines = [
        f"PathFileType\t4\t(X/Y/Z)\t{path.name}",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames",
        f"{rate}\t50.00\t6\t3\t{units}\t50.00\t1\t6",
        "Frame#\tTime\t" + "".join(f"{name}\t\t\t" for name in NAMES),
        "\t\t" + "\t".join(f"{axis}{point + 1}" for point in range(3) for axis in "XYZ"),
        "",
    ]
    for number, frame in enumerate(points()):
        lines.append("\t".join(str(cell) for cell in [number + 1, number / FPS, *cells(frame)]))
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


@pytest.mark.parametrize(("units", "unit"), [("mm", 0.001), ("m", 1.0), ("cm", 0.01), ("parsec", None)])
def test_trc(tmp_path, units, unit):
    check(read_tracks(trc(tmp_path / "a.trc", units)), unit=unit)


def test_trc_without_a_rate_has_that_of_its_clock(tmp_path):
    check(read_tracks(trc(tmp_path / "a.trc", rate="?")), unit=0.001)


@pytest.mark.parametrize(
    ("lines", "message"),
    [(0, "this is no TRC file"), (3, "no marker names"), (5, "there are no frames in it")],
)
def test_trc_cut_off(tmp_path, lines, message):
    kept = trc(tmp_path / "a.trc").read_text("utf-8").split("\n")[:lines]
    (tmp_path / "a.trc").write_text("\n".join(kept) + "\n", "utf-8")
    with pytest.raises(ReadError, match=message):
        read_tracks(tmp_path / "a.trc")


# ---------------------------------------------------------------- JSON


def as_lists(values: np.ndarray) -> list:
    return [[None if np.isnan(place[0]) else place.tolist() for place in frame] for frame in values]


def test_trc_whose_rows_are_left_out(tmp_path):
    lines = trc(tmp_path / "a.trc").read_text("utf-8").splitlines(keepends=True)
    (tmp_path / "b.trc").write_text("".join([*lines[:-3], *lines[-2:]]), "utf-8")
    whole, part = read_tracks(tmp_path / "a.trc"), read_tracks(tmp_path / "b.trc")
    assert (part.frames, part.fps) == (whole.frames, whole.fps)
    assert np.isnan(part.positions[-3]).all()
    np.testing.assert_array_equal(np.delete(part.positions, -3, axis=0), np.delete(whole.positions, -3, axis=0))


def test_json_as_a_table(tmp_path):
    content = {"names": NAMES, "fps": FPS, "units": "cm", "up": "-y", "positions": as_lists(points())}
    (tmp_path / "a.json").write_text(json.dumps(content))
    check(read_tracks(tmp_path / "a.json"), unit=0.01, up="-y")


def test_json_as_named_frames(tmp_path):
    frames = [dict(zip(NAMES, frame, strict=True)) for frame in as_lists(points())]
    del frames[2]["left knee"]
    (tmp_path / "a.json").write_text(json.dumps({"fps": FPS, "frames": frames}))
    check(read_tracks(tmp_path / "a.json"))


def test_json_of_openpose(tmp_path):
    flat = np.random.default_rng(0).uniform(0.1, 1, (4, 2, 25, 4)).round(3)
    flat[1, 0, 3] = 0
    frames = [{"people": [{"pose_keypoints_3d": person.ravel().tolist()} for person in frame]} for frame in flat]
    frames[3] = {"people": []}
    (tmp_path / "a.json").write_text(json.dumps(frames))
    tracks = _quietly(tmp_path / "a.json", "0")
    assert tracks.names[:3] == ("Nose", "Neck", "RShoulder")
    expected = flat[:, 0, :, :3].copy()
    expected[3], expected[1, 3] = np.nan, np.nan
    np.testing.assert_array_equal(tracks.positions, expected)
    assert tracks.confidence is not None
    np.testing.assert_array_equal(tracks.confidence[0], flat[0, 0, :, 3])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "damaged JSON"),
        ("[" * 100_000, "damaged JSON"),
        ("3", "this JSON holds no tracks"),
        ('{"frames": [1, 2]}', "this JSON holds no tracks"),
        ('{"names": ["a"], "fps": 30, "positions": [[[1, 2]]]}', "a point must be"),
        ('{"names": ["a"], "fps": 30, "positions": [[[1, 2, 3]], []]}', "frames differ"),
        ('{"names": ["a"], "fps": 30, "positions": [[[1, 2, "x"]]]}', "damaged, or not what its name says"),
        ('{"people": [{"pose_keypoints_3d": [1, 2, 3, 4]}]}', "4 numbers for a person"),
        ('{"people": [{"pose_keypoints_2d": [1, 2, 3]}]}', "triangulate 2D keypoints first"),
        ('{"names": ["a"], "fps": 1e999, "positions": [[[1, 2, 3]]]}', "frame rate must be positive"),
    ],
)
def test_json_that_is_none(tmp_path, text, message):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(MocapError, match=message) as caught:
        read_tracks(tmp_path / "a.json")
    assert "\n" not in str(caught.value)


# ---------------------------------------------------------------- C3D


def c3d(path: Path, labels: tuple[str, ...] = NAMES, units: str = "mm") -> Path:
    ezc3d = pytest.importorskip("ezc3d", reason="ezc3d is not installed")
    content = ezc3d.c3d()
    content["parameters"]["POINT"]["RATE"]["value"] = [FPS]
    content["parameters"]["POINT"]["LABELS"]["value"] = list(labels)
    content["parameters"]["POINT"]["UNITS"]["value"] = [units]
    content.add_parameter("POINT", "Y_SCREEN", "+Z")
    values = points(names=labels)
    data = np.ones((4, len(labels), len(values)))
    data[:3] = values.transpose(2, 1, 0)
    content["data"]["points"] = data
    content.write(str(path))
    return path


def test_c3d(tmp_path):
    tracks = read_tracks(c3d(tmp_path / "a.c3d"))
    check(tracks, unit=0.001, up="z")


def test_c3d_of_one_subject(tmp_path):
    path = c3d(tmp_path / "a.c3d", ("Ann:hip", "Ann:knee", "Bob:hip"))
    assert read_tracks(path, "Ann").names == ("hip", "knee")
    assert read_tracks(path).names == ("Ann:hip", "Ann:knee", "Bob:hip")
    with pytest.raises(ReadError, match="no subject 'Eve'"):
        read_tracks(path, "Eve")


def test_c3d_without_its_library(tmp_path, monkeypatch):
    (tmp_path / "a.c3d").write_bytes(b"\x02\x50" + bytes(600))
    monkeypatch.setattr("mocapcli.tracks.c3d.find_spec", lambda name: None)
    with pytest.raises(UnsupportedError, match=r"reading C3D needs ezc3d \(pip install 'mocapcli\[c3d\]'\)"):
        read_tracks(tmp_path / "a.c3d")


def test_c3d_damaged(tmp_path):
    good = c3d(tmp_path / "a.c3d").read_bytes()
    for bad in (b"\x02\x51" + good[2:], good[:300], good[:512] + b"\xff" * (len(good) - 512)):
        (tmp_path / "b.c3d").write_bytes(bad)
        with pytest.raises(ReadError) as caught:
            read_tracks(tmp_path / "b.c3d")
        assert "\n" not in str(caught.value)


# ---------------------------------------------------------------- any file


@pytest.mark.parametrize("extension", ["csv", "trc", "c3d", "json", "npz"])
def test_files_that_are_not_there_or_empty(tmp_path, extension):
    with pytest.raises(FormatError, match="there is no such file"):
        read_tracks(tmp_path / f"no.{extension}")
    (tmp_path / f"a.{extension}").touch()
    with pytest.raises(FormatError, match="the file is empty"):
        read_tracks(tmp_path / f"a.{extension}")


def test_an_unknown_extension_names_the_known_ones(tmp_path):
    with pytest.raises(FormatError, match=r"unknown kind of tracks .xyz \(known: .npz, .csv"):
        read_tracks(tmp_path / "a.xyz")


def test_a_file_too_large_is_not_read(tmp_path):
    with (tmp_path / "a.json").open("wb") as stream:
        stream.truncate(1 << 27)
    with pytest.raises(ReadError, match="more than 32"):
        read_tracks(tmp_path / "a.json")


def test_a_few_bytes_cannot_claim_much_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("mocapcli.tracks.numbers.MOST_NUMBERS", 10_000)
    header = ",".join(f"p{index}_{axis}" for index in range(100) for axis in "xyz")
    (tmp_path / "a.csv").write_text(header + "\n" + "1\n" * 60)
    names = ",".join(f'"p{index}": null' for index in range(100))
    (tmp_path / "a.json").write_text('{"frames": [{' + names + "}" + ",{}" * 60 + "]}")
    (tmp_path / "b.json").write_text("[" + '{"people":[]},' * 200 + '{"people":[]}]')
    for name in ("a.csv", "a.json", "b.json"):
        with pytest.raises(ReadError, match="more than 10000 numbers"):
            read_tracks(tmp_path / name)


@given(extension=some.sampled_from(["csv", "trc", "json", "npz"]), seed=some.integers(0, 2**32), data=some.data())
def test_damaged_files_are_refused_in_one_line_or_read(tmp_path_factory, extension, seed, data):
    path = tmp_path_factory.getbasetemp() / f"damaged.{extension}"
    if extension == "npz":
        np.savez(path, names=np.array(NAMES), fps=FPS, positions=points())
    elif extension == "json":
        path.write_text(json.dumps({"names": NAMES, "fps": FPS, "positions": as_lists(points())}))
    else:
        {"csv": wide, "trc": trc}[extension](path)
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(seed)
    for place in rng.integers(0, len(content), data.draw(some.integers(1, 8))):
        content[place] = rng.integers(0, 256)
    path.write_bytes(content[: data.draw(some.integers(1, len(content)))])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            read_tracks(path)
        except MocapError as error:
            assert "\n" not in str(error) and str(path) in str(error)
