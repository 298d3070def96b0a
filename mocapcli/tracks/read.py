"""`read_tracks`: a file of 3D tracks, by its extension."""

import warnings
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from mocapcli.errors import FormatError, MocapError, ReadError
from mocapcli.formats import is_readable, read_asset
from mocapcli.tracks.data import Tracks

READERS = {".npz": "arrays", ".csv": "tables", ".tsv": "tables", ".trc": "trc", ".c3d": "c3d", ".json": "documents"}
LARGEST_FILE = 1 << 28  # bytes: hours of a hundred points, and still in memory comfortably
LARGEST_TREE = 1 << 25  # of JSON, which takes twenty times its size


def read_tracks(path: str | Path, which: str | None = None, fps: float | None = None) -> Tracks:
    """Tracks from a file; `which` of several clips, individuals or persons, `fps` where the file does not say.

    An animation in any format mocapcli reads gives the tracks of its joints.
    """
    path = Path(path)
    try:
        return _read(path, which, fps)
    except MocapError as error:
        error.path = error.path or path
        raise
    except MemoryError:
        raise ReadError("the file asks for more memory than there is", path=path) from None
    except (OSError, KeyboardInterrupt):
        raise
    except Exception as error:  # hostile bytes can trip a parser anywhere; the cause is kept for --debug
        raise ReadError(f"damaged, or not what its name says ({type(error).__name__}: {error})", path=path) from error


def told_rate(told: float | None, asked: float | None) -> float:
    """The rate that is asked for, else what a file tells, or a usual one and a warning."""
    if asked is None and told is None:
        warnings.warn("no frame rate in the file: 30 frames per second assumed (--rate)", stacklevel=2)
        return 30.0
    return float(told if asked is None else asked)  # type: ignore[arg-type]


def choose(kind: str, known: list[str], which: str | None) -> int:
    """Which of several the user means; the first, and a warning, where nothing is said."""
    if which is None:
        if len(known) > 1:
            shown = ", ".join(repr(name) for name in known[:8]) + (", …" if len(known) > 8 else "")
            warnings.warn(f"the file holds several {kind}s ({shown}): the first is taken (--which)", stacklevel=2)
        return 0
    if which in known:
        return known.index(which)
    if which.isascii() and which.isdecimal() and int(which[:9]) < len(known):
        return int(which)
    raise ReadError(f"no {kind} {which!r}", remedy=f"it has {', '.join(known[:20]) or 'none'}")


def _read(path: Path, which: str | None, fps: float | None) -> Tracks:
    extension = path.suffix.lower()
    if extension not in READERS:
        if is_readable(path):
            tracks = _of_animation(path, which)
            return tracks if fps is None else replace(tracks, fps=fps)
        raise FormatError(
            f"unknown kind of tracks {extension or 'without an extension'}",
            remedy=f"known: {', '.join(READERS)}, and any animation mocap reads",
        )
    if path.is_dir():
        raise ReadError("this is a folder, not a file")
    if not path.exists():
        raise ReadError("there is no such file")
    size, limit = path.stat().st_size, LARGEST_TREE if extension == ".json" else LARGEST_FILE
    if size == 0:
        raise ReadError("the file is empty")
    if size > limit:
        raise ReadError(
            f"the file has {size >> 20} MiB, more than {limit >> 20}", remedy="cut it into pieces, or save it as .npz"
        )
    read: Callable[..., Tracks] = import_module(f"mocapcli.tracks.{READERS[extension]}").read
    return replace(read(path, which, fps), name=path.stem or "solved")


def _of_animation(path: Path, which: str | None) -> Tracks:
    from mocapcli.kinematics import joint_positions

    asset = read_asset(path)
    if not asset.motions:
        raise ReadError("there is no clip in it")
    motion = asset.motions[choose("clip", [motion.name for motion in asset.motions], which)]
    positions = joint_positions(asset.rig.skeleton, motion)
    return Tracks(asset.rig.skeleton.names, motion.fps, positions, None, 1.0, "y", path.stem)
