"""Parsing in a child process: it may hang, grow, crash or fail cleanly, and the parent lives to say so."""

import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from mocapcli.errors import ReadError, UnsupportedError
from mocapcli.isolation import run_isolated


@pytest.fixture
def parser(tmp_path, monkeypatch):
    """Make a module with the given body of `parse(path)` and run it on a file."""
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    (tmp_path / "modules").mkdir()
    document = tmp_path / "file.bin"
    document.write_bytes(b"content")

    def run(body: str, **limits):
        code = "import numpy as np\n\ndef parse(path):\n" + textwrap.indent(textwrap.dedent(body), "    ")
        (tmp_path / "modules" / "isolated_parser.py").write_text(code)
        return run_isolated("isolated_parser", document, **limits)

    return run


def test_returns_the_arrays(parser):
    arrays = parser("return {'size': np.array(len(path.read_bytes())), 'grid': np.eye(3, dtype=np.float32)}")
    assert int(arrays["size"]) == 7
    np.testing.assert_array_equal(arrays["grid"], np.eye(3, dtype=np.float32))
    assert arrays["grid"].dtype == np.float32


def test_noise_on_the_streams_does_no_harm(parser):
    arrays = parser("import sys; print('x' * 1000000); sys.stderr.write('y' * 1000000); return {'a': np.ones(1)}")
    assert list(arrays) == ["a"]


def test_a_hang_is_stopped(parser):
    with pytest.raises(ReadError, match=r"file\.bin: reading took longer than"):
        parser("while True: pass", seconds=1.0)


def test_a_child_that_sleeps_is_stopped_by_the_wall_clock(parser):
    with pytest.raises(ReadError, match=r"file\.bin: reading took longer than"):
        parser("import time; time.sleep(60)", seconds=1.0)


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="the system cannot limit memory per process")
def test_a_memory_hog_is_stopped(parser):
    with pytest.raises(ReadError, match="more memory"):
        parser("return {'a': np.ones(1 << 27)}", memory=600 << 20)


def test_a_crash_is_reported(parser):
    with pytest.raises(ReadError, match=r"file\.bin: the parser crashed"):
        parser("import os; os.abort()")


def test_a_clean_error_keeps_its_kind_place_and_remedy(parser):
    body = """
        from mocapcli.errors import UnsupportedError
        raise UnsupportedError('needs Draco', place='mesh 3', remedy='pip install it')
    """
    with pytest.raises(UnsupportedError, match=r"file\.bin: mesh 3: needs Draco \(pip install it\)$"):
        parser(body)


def test_a_surprise_becomes_one_line(parser):
    with pytest.raises(ReadError, match=r"damaged .*IndexError: list index out of range"):
        parser("return [][1]")


def test_pickles_are_refused(parser):
    with pytest.raises(ValueError, match="allow_pickle"):
        parser("return {'a': np.array([print, {}], dtype=object)}")


def test_modules_next_to_the_file_are_not_imported(parser, tmp_path, monkeypatch):
    (tmp_path / "colorsys.py").write_text("raise SystemExit(7)")
    monkeypatch.chdir(tmp_path)
    assert parser("import colorsys; return {'a': np.ones(1)}")["a"].tolist() == [1.0]


def test_a_relative_path_is_found(parser, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "modules" / "reads_it.py").write_text(
        "import numpy as np\ndef parse(path): return {'n': np.array(len(path.read_bytes()))}"
    )
    assert int(run_isolated("reads_it", Path("file.bin"))["n"]) == 7
