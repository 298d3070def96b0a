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
    tracks = read_tracks(write_rows(tmp_path / "a.csv", [header, *rows]))
    assert tracks.fps == pytest.approx(FPS)
    expected = points()
    expected[4] = np.nan
    assert tracks.names == NAMES
    np.testing.assert_allclose(tracks.positions, expected)
    assert tracks.confidence is not None and tracks.confidence[0, 0] == 0.5


@pytest.mark.parametrize("frame", [True, False])
def test_gaps_of_a_long_table_that_has_a_clock_alone_stay_open(tmp_path, frame: bool) -> None:
    kept = [at for at in range(30) if not 9 <= at < 15]
    rows = [[*([at] if frame else []), at / 30, name, at, 2, 3] for at in kept for name in ("hip", "knee")]
    header = [*(["frame"] if frame else []), "time", "joint", "x", "y", "z"]
    tracks = read_tracks(write_rows(tmp_path / "a.csv", [header, *rows]))
    assert tracks.frames == 30 and tracks.fps == pytest.approx(30)
    assert np.isnan(tracks.positions[9:15]).all() and tracks.positions[20, 0, 0] == 20


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


RATES = [(60.0, 3, 40), (120.0, 3, 200), (30.0, 2, 40), (60.0, 3, 4), (59.94005994, 6, 600), (29.97002997, 3, 900)]


@pytest.mark.parametrize(("fps", "decimals", "frames"), [*RATES, (12.5, 3, 9)])
def test_the_rate_of_a_clock_that_is_rounded(tmp_path, fps: float, decimals: int, frames: int) -> None:
    rows = [[f"{frame / fps:.{decimals}f}", 1, 2, 3] for frame in range(frames)]
    tracks = read_tracks(write_rows(tmp_path / "a.csv", [["time", "hip_x", "hip_y", "hip_z"], *rows]))
    assert tracks.fps == pytest.approx(fps, rel=1e-6) and tracks.frames == frames


@pytest.mark.parametrize("clock", [("frame",), ("time",), ("frame", "time")])
def test_frames_whose_rows_are_left_out_keep_their_place(tmp_path, clock: tuple[str, ...]) -> None:
    kept = [0, 1, 2, 5, 6, 9]
    told = {"frame": lambda frame: 100 + 2 * frame, "time": lambda frame: round(frame / 60, 3)}
    rows = [[*(told[name](frame) for name in clock), frame, 2, 3] for frame in kept]
    path = write_rows(tmp_path / "a.csv", [[*clock, "hip_x", "hip_y", "hip_z"], *rows])
    tracks = read_tracks(path, fps=None if "time" in clock else 60.0)
    assert tracks.frames == 10 and tracks.fps == 60
    np.testing.assert_array_equal(tracks.positions[kept, 0, 0], kept)
    assert np.isnan(np.delete(tracks.positions, kept, axis=0)).all()


def test_people_in_a_long_table_are_told_apart(tmp_path) -> None:
    rows = [[frame, who, "hip", frame, 10 * who, 0] for frame in range(3) for who in (1, 2)]
    header = ["frame", "person", "joint", "x", "y", "z"]
    path = write_rows(tmp_path / "a.csv", [header, *rows])
    with pytest.warns(UserWarning, match="several persons"):
        first = read_tracks(path, fps=30.0)
    second = read_tracks(path, "2", fps=30.0)
    assert (first.positions[:, 0, 1] == 10).all() and (second.positions[:, 0, 1] == 20).all()
    nameless = write_rows(tmp_path / "b.csv", [["frame", "joint", *"xyz"], *([row[0], *row[2:]] for row in rows)])
    with pytest.raises(ReadError, match=r"several rows tell of one point in one frame \(a column 'person'"):
        read_tracks(nameless, fps=30.0)


def test_tables_of_excel(tmp_path) -> None:
    """Decimal commas between tabs, and a first line that tells the separator."""
    text = wide(tmp_path / "a.csv", pattern="{}_{}", delimiter="\t").read_text("utf-8").replace("tail.1", "tail")
    (tmp_path / "b.csv").write_text(text.replace(".", ","), "utf-8")
    (tmp_path / "c.csv").write_text("sep=;\n" + text.replace(".", ",").replace("\t", ";"), "utf-8")
    for name in ("b.csv", "c.csv"):
        tracks = read_tracks(tmp_path / name)
        assert tracks.fps == FPS
        np.testing.assert_allclose(tracks.positions, points(), atol=1e-6)


def test_a_rate_that_is_given_is_not_assumed(tmp_path) -> None:
    path = write_rows(tmp_path / "a.csv", [["hip_x", "hip_y", "hip_z"], [1, 2, 3], [1, 2, 3]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_tracks(path, fps=24.0).fps == 24
    np.savez(tmp_path / "a.npz", names=["hip"], fps=0.0, positions=np.zeros((3, 1, 3)))
    assert read_tracks(tmp_path / "a.npz", fps=24.0).fps == 24
