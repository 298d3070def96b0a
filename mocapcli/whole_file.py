"""Files that appear whole or not at all, whatever writes them."""

import hashlib
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mocapcli.errors import WriteError


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary path of the same suffix beside `path`, renamed to it when the block ends well, else removed."""
    _check_folder(path)
    try:
        handle, name = tempfile.mkstemp(prefix=_prefix(path), suffix=path.suffix, dir=path.parent)
        os.close(handle)
        try:
            yield Path(name)
            os.chmod(name, 0o666 & ~_umask())
            os.replace(name, path)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise WriteError(f"cannot write the file: {error.strerror or error}", path=path) from error


def check_place(path: Path) -> None:
    """Say before the work, and not after it, that a file cannot be written there."""
    _check_folder(path)
    try:
        with tempfile.TemporaryFile(prefix=_prefix(path), dir=path.parent):
            pass
    except OSError as error:
        raise WriteError(f"nothing can be written into {path.parent}: {error.strerror or error}", path=path) from None


def _check_folder(path: Path) -> None:
    if path.is_dir():
        raise WriteError("this is a folder, not a file", path=path)
    if not path.parent.is_dir():
        raise WriteError(f"there is no folder {path.parent}", path=path, remedy="make it first")


def _prefix(path: Path) -> str:
    """Of temporary files: no other file's, however long and alike their names are."""
    return f".{path.stem[:40]}-{hashlib.sha256(path.name.encode(errors='surrogateescape')).hexdigest()[:8]}-"


def spare_inputs(path: Path, read: Iterable[Path]) -> None:
    """Any older result may be replaced, but never by accident a file that is being read."""
    for source in read:
        if path.exists() and source.exists() and path.samefile(source):
            remedy = "--overwrite replaces it all the same"
            raise WriteError(f"this is the file {source} itself", path=path, remedy=remedy)


def remove_leftovers(path: Path) -> None:
    """Remove the temporary files of a process that was killed while it wrote `path`."""
    name = re.compile(rf"{re.escape(_prefix(path))}\w{{8}}{re.escape(path.suffix)}")
    for found in path.parent.iterdir():
        if name.fullmatch(found.name):
            found.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
