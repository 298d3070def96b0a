"""Tables of points as people write them: wide, long, Anipose's, DeepLabCut's."""

import warnings

import numpy as np
import pytest

from mocapcli.errors import ReadError
from mocapcli.tracks.read import read_tracks
from tracks_helpers import FPS, NAMES, _quietly, cells, check, points, wide, write_rows


@pytest.mark.parametrize("pattern", ["{}_{}", "{}.{}", "{} {}", "{}:{}", "{}-{}"])
def test_csv_with_a_column_a_coordinate(tmp_path, pattern):
    check(read_tracks(wide(tmp_path / "a.csv", pattern)))


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_csv_with_other_delimiters(tmp_path, delimiter):
    check(read_tracks(wide(tmp_path / "a.csv", delimiter=delimiter)))


def test_csv_with_decimal_commas_a_byte_order_mark_and_blank_lines(tmp_path):
    text = wide(tmp_path / "a.csv", delimiter=";").read_text("utf-8")
    head, _, rest = text.partition("\n")
    (tmp_path / "b.csv").write_text(head + "\n\n" + rest.replace(".", ","), "utf-8-sig")
    check(read_tracks(tmp_path / "b.csv"))


def test_csv_of_anipose(tmp_path):
    header = [f"{name}_{what}" for name in NAMES for what in ("x", "y", "z", "error", "ncams", "score")]
    rows = [[cell for place in frame for cell in (*cells(place), 1.5, 3, 0.75)] for frame in points()]
    extra = ["M_00", "M_01", "center_0", "fnum"]
    path = write_rows(tmp_path / "a.csv", [[*header, *extra], *([*row, 1, 0, 0, n] for n, row in enumerate(rows))])
    tracks = _quietly(path)
    assert tracks.names == NAMES
    np.testing.assert_allclose(tracks.positions, points())
    np.testing.assert_array_equal(tracks.confidence, 0.75)


@pytest.mark.parametrize("individuals", [(), ("one",), ("one", "two")])
def test_csv_of_deeplabcut(tmp_path, individuals):
    who = individuals or ("",)
    columns = [(person, name, axis) for person in who for name in NAMES for axis in "xyz"]
    rows: list[list[object]] = [["scorer", *("DLC_3D" for _ in columns)]]
    if individuals:
        rows.append(["individuals", *(person for person, _, _ in columns)])
    rows += [["bodyparts", *(name for _, name, _ in columns)], ["coords", *(axis for _, _, axis in columns)]]
    for number, frame in enumerate(points()):
        rows.append([number, *(cell for index in range(len(who)) for cell in cells(frame + index))])
    path = write_rows(tmp_path / "a.csv", rows)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tracks = read_tracks(path, "two" if len(who) == 2 else None)
    assert ["no frame rate" in str(warning.message) for warning in caught] == [True]
    assert tracks.names == NAMES
    np.testing.assert_allclose(tracks.positions, points() + (len(who) == 2))


def test_csv_of_2d_tracks_says_so(tmp_path):
    rows = [["scorer", *"aaa"], ["bodyparts", *["hip"] * 3], ["coords", "x", "y", "likelihood"], [0, 1, 2, 1]]
    with pytest.raises(ReadError, match=r"these tracks are 2D \(triangulate them first\)"):
        read_tracks(write_rows(tmp_path / "a.csv", rows))


def test_csv_in_long_form_in_any_order_with_frames_left_out(tmp_path):
    rows = [
        [frame, frame / FPS, name, *points()[frame, point], 0.5]
        for frame in range(6)
        for point, name in enumerate(NAMES)
        if np.isfinite(points()[frame, point, 0]) and frame != 4
    ]
    order = np.random.default_rng(1).permutation(len(rows) - 3) + 3  # names as they come
    rows = rows[:3] + [rows[index] for index in order]
    header = ["Frame", "time", "joint", "x", "y", "z", "confidence"]
    with pytest.warns(UserWarning, match="no frame rate"):  # the missing frame leaves the clock without a reading
        tracks = read_tracks(write_rows(tmp_path / "a.csv", [header, *rows]))
    expected = points()
    expected[4] = np.nan
    assert tracks.names == NAMES
    np.testing.assert_allclose(tracks.positions, expected)
    assert tracks.confidence is not None and tracks.confidence[0, 0] == 0.5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\n\n", "there is no header line"),
        ("a,b,c\n1,2,3\n", "no columns of 3D points"),
        ("hip_x,hip_y,hip_z\n", "there are no frames in it"),
        ("joint,x,y,z\nhip,1,2,3\n", "no column says the frame"),
        ("frame,joint,x,y,z\nx,hip,1,2,3\n", "there are no frames in it"),
        ("scorer,a\nbodyparts,hip\n", "header lacks bodyparts or coords"),
        ('time,hip_x,hip_y,hip_z\n0,"' + "9" * 200_000 + '",2,3\n', "damaged CSV"),
        ("," * 200_000, "more than 100000 columns"),
    ],
)
def test_csv_that_is_none(tmp_path, text, message):
    (tmp_path / "a.csv").write_text(text, "utf-8")
    with pytest.raises(ReadError, match=message):
        read_tracks(tmp_path / "a.csv")


def test_csv_rows_that_are_short_or_no_numbers_are_unseen(tmp_path):
    (tmp_path / "a.csv").write_text("time,hip_x,hip_y,hip_z\n0,1,2,3\n0.1,1\n0.2,nan,oops,3\n", "utf-8")
    tracks = read_tracks(tmp_path / "a.csv")
    np.testing.assert_array_equal(np.isnan(tracks.positions[:, 0, 0]), [False, True, True])
    assert tracks.fps == 10


def test_a_long_table_of_scattered_frames_is_refused(tmp_path):
    rows = [[frame * 1e3, f"p{frame}", 1, 2, 3] for frame in range(2000)]
    with pytest.raises(ReadError, match="hardly any are there"):
        read_tracks(write_rows(tmp_path / "a.csv", [["frame", "joint", "x", "y", "z"], *rows]))
