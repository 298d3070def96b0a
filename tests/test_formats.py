"""Choosing a format, and writing files whole or not at all."""

import errno
import os
import warnings
from pathlib import Path

import pytest

import toy_format
from factories import make_asset
from mocapcli import Format, hookimpl, read_asset, write_asset
from mocapcli.errors import DroppedWarning, FormatError, PluginError, ReadError, UnsupportedError, WriteError
from mocapcli.extensions import Feature
from mocapcli.formats import dropped, find_format, is_readable
from mocapcli.types import Asset
from toy_format import ToyPlugin


class Registered:
    """A plugin of one format."""

    def __init__(self, record: Format) -> None:
        self.record = record

    @hookimpl
    def register_formats(self, register):
        register(self.record)


@pytest.fixture(autouse=True)
def toy(isolated_plugins):
    isolated_plugins.manager.register(ToyPlugin(), name="toy")
    return isolated_plugins


@pytest.fixture
def writes(toy):
    """Register a writer for `.odd` files: `writes(function)`."""

    def register(write) -> None:
        toy.manager.register(Registered(Format("odd", "an odd file", ("odd",), write=write)), name="odd")

    return register


ASSET = make_asset(3, mesh=False)

# ---------------------------------------------------------------- choosing


@pytest.mark.parametrize("name", ["x.toy", "x.TOY", "x.y.toy", "ä ö/x.toy"])
def test_by_extension(name):
    assert find_format(Path(name)).name == "toy"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("x.abc", r"x\.abc: unknown file type \.abc \(known: \.stick, \.toy\)"),
        ("x", "x: the file name has no extension"),
        (".toy", "the file name has no extension"),
        ("x.toy.", "the file name has no extension"),
    ],
)
def test_unknown_types_name_the_known_ones(name, message):
    with pytest.raises(FormatError, match=message):
        find_format(Path(name))


def test_what_is_readable(toy):
    only_writes = Format("w", "w", ("w",), write=toy_format.write)
    toy.manager.register(Registered(only_writes), name="w")
    names = ("a.toy", "A.TOY", "a.w", "a.abc", "toy")
    assert [is_readable(Path(name)) for name in names] == [True, True, False, False, False]
    assert is_readable(Path("a.toy"), "stick")
    assert not is_readable(Path("a.stick"), "toy")


def test_formats_that_only_read_or_only_write(toy, tmp_path):
    toy.manager.register(Registered(Format("r", "r", ("r",), lambda path: ASSET)), name="r")
    toy.manager.register(Registered(Format("w", "w", ("w",), write=toy_format.write)), name="w")
    with pytest.raises(UnsupportedError, match="the r plugin only reads"):
        write_asset(tmp_path / "x.r", ASSET)
    (tmp_path / "x.w").write_text("w")
    with pytest.raises(UnsupportedError, match="the w plugin only writes"):
        read_asset(tmp_path / "x.w")


# ---------------------------------------------------------------- reading


def test_a_wrong_extension_is_recognised(tmp_path):
    path = tmp_path / "x.stick"
    path.write_bytes(b'{"names": oops')
    with pytest.raises(
        ReadError, match=r"damaged, or not a stick file .* \(it looks like a toy file: rename it to \.toy\)"
    ):
        read_asset(path)


def test_a_damaged_file_keeps_its_cause(tmp_path):
    path = tmp_path / "x.toy"
    path.write_bytes(b"[1, 2")
    with pytest.raises(ReadError, match="damaged, or not a toy file") as caught:
        read_asset(path)
    assert isinstance(caught.value.__cause__, ValueError)


def test_our_own_errors_get_their_path(tmp_path):
    path = tmp_path / "x.toy"
    path.write_text("{}")
    with pytest.raises(ReadError, match="there are no joints") as caught:
        read_asset(path)
    assert caught.value.path == path


def test_a_reader_that_runs_out_of_memory(toy, tmp_path):
    def read(path):
        raise MemoryError

    toy.manager.register(Registered(Format("big", "big", ("big",), read)), name="big")
    path = tmp_path / "x.big"
    path.write_text("x")
    with pytest.raises(ReadError, match="more memory than there is"):
        read_asset(path)


@pytest.mark.parametrize(("make", "problem"), [("mkdir", "a folder, not a file"), ("touch", "empty")])
def test_no_file_to_read(tmp_path, make, problem):
    path = tmp_path / "x.toy"
    getattr(path, make)()
    with pytest.raises(ReadError, match=problem):
        read_asset(path)


@pytest.mark.parametrize("name", ["missing.toy", "missing", "missing.unknown"])
def test_a_missing_file(tmp_path, name):
    with pytest.raises(ReadError, match=rf"{name}: there is no such file"):
        read_asset(tmp_path / name)


@pytest.mark.skipif(os.name == "nt", reason="no named pipes in folders")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "x.toy")
    with pytest.raises(ReadError, match="a pipe or a device"):
        read_asset(tmp_path / "x.toy")


def test_a_reader_that_returns_something_else(toy, tmp_path):
    toy.manager.register(Registered(Format("odd", "odd", ("odd",), lambda path: 5)), name="odd")
    (tmp_path / "x.odd").write_text("x")
    with pytest.raises(PluginError, match="the odd plugin returned int, no Asset"):
        read_asset(tmp_path / "x.odd")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission_to_read(tmp_path):
    path = tmp_path / "x.toy"
    path.write_text("{}")
    path.chmod(0)
    with pytest.raises(ReadError, match="no permission"):
        read_asset(path)


# ---------------------------------------------------------------- writing


def full_disk(path: Path, asset: Asset) -> None:
    path.write_text("half")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def bug(path: Path, asset: Asset) -> None:
    path.write_text("half")
    raise ZeroDivisionError


def interrupted(path: Path, asset: Asset) -> None:
    path.write_text("half")
    raise KeyboardInterrupt


def refusing(path: Path, asset: Asset) -> None:
    path.write_text("half")
    raise WriteError("too many joints", path=path, remedy="use fewer")


@pytest.mark.parametrize(
    ("write", "error", "message"),
    [
        (full_disk, WriteError, r"x\.odd: cannot write the file: No space left on device"),
        (bug, ZeroDivisionError, None),
        (interrupted, KeyboardInterrupt, None),
        (refusing, WriteError, r"/x\.odd: too many joints \(use fewer\)"),
    ],
)
@pytest.mark.parametrize("old", [None, "old"])
def test_a_writer_that_fails_leaves_everything_as_it_was(writes, tmp_path, write, error, message, old):
    writes(write)
    path = tmp_path / "x.odd"
    if old is not None:
        path.write_text(old)
    with pytest.raises(error, match=message):
        write_asset(path, ASSET)
    assert [file.name for file in tmp_path.iterdir()] == ([] if old is None else ["x.odd"])
    assert old is None or path.read_text() == old


def test_a_writer_sees_a_temporary_file_of_the_right_kind(writes, tmp_path):
    seen = []

    def write(path: Path, asset: Asset) -> None:
        seen.append(path)
        path.write_text("new")

    writes(write)
    write_asset(tmp_path / ("long" * 60 + ".odd"), ASSET)
    assert seen[0].suffix == ".odd"
    assert seen[0].parent == tmp_path
    assert not seen[0].exists()


def test_a_new_file_has_the_usual_permissions(tmp_path):
    mask = os.umask(0o027)
    try:
        write_asset(tmp_path / "x.toy", ASSET)
    finally:
        os.umask(mask)
    assert (tmp_path / "x.toy").stat().st_mode & 0o777 == 0o640


def test_no_folder_to_write_to(tmp_path):
    with pytest.raises(WriteError, match=r"there is no folder .*/deep .make it first"):
        write_asset(tmp_path / "deep" / "x.toy", ASSET)


def test_a_folder_in_the_way(tmp_path):
    (tmp_path / "x.toy").mkdir()
    with pytest.raises(WriteError, match="this is a folder, not a file"):
        write_asset(tmp_path / "x.toy", ASSET)
    assert [path.name for path in tmp_path.iterdir()] == ["x.toy"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_permission_to_write(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(WriteError, match=r"x\.toy: cannot write the file: Permission denied"):
        write_asset(tmp_path / "x.toy", ASSET)


def test_a_folder_that_cannot_be_written_to(tmp_path, monkeypatch):
    def refuse(**options):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/somewhere/.x-tmp.toy")

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    with pytest.raises(WriteError, match=r"/x\.toy: cannot write the file: Permission denied$"):
        write_asset(tmp_path / "x.toy", ASSET)


# ---------------------------------------------------------------- what is dropped

ALL: frozenset[Feature] = frozenset(Feature.__args__)  # type: ignore[attr-defined]
RICH = make_asset(3, clips=2, translated=True, scaled=True)


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("mesh", "the mesh is left out"),
        ("materials", "materials are left out"),
        ("textures", "textures are left out"),
        ("motions", "only the first of 2 clips is written"),
        ("scales", "animated scale is left out"),
        ("translations", "animated translations of inner joints are left out"),
    ],
)
def test_each_lost_feature_is_named(missing, words):
    assert dropped(Format("f", "f", ("f",), keeps=ALL - {missing}), RICH) == [f"{words} (f cannot hold it)"]


def test_nothing_is_said_where_nothing_is_lost():
    assert dropped(Format("f", "f", ("f",), keeps=ALL), RICH) == []
    assert dropped(Format("f", "f", ("f",)), make_asset(3, mesh=False)) == []
    assert dropped(Format("f", "f", ("f",)), make_asset(1, clips=0, mesh=False)) == []


def test_writing_warns(tmp_path):
    with pytest.warns(DroppedWarning, match=r"x\.stick: only the first of 2 clips"):
        write_asset(tmp_path / "x.stick", make_asset(3, clips=2, mesh=False))


def test_writing_what_fits_does_not_warn(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_asset(tmp_path / "x.toy", make_asset(3, clips=2, mesh=False, scaled=True))
