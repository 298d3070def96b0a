"""NPZ: `names` str[K], `fps` float, `positions` float[T,K,3], and where known `confidence` float[T,K], `units`, `up`.

The project's own exchange files serve as well: the world positions of a clip's joints.
"""

import zipfile
from pathlib import Path

import numpy as np

from mocapcli.errors import ReadError
from mocapcli.tracks.data import UNITS, UPS, Tracks, Up
from mocapcli.tracks.read import choose, told_rate
from mocapcli_npz.reader import DAMAGE, Arrays


def read(path: Path, which: str | None = None, fps: float | None = None) -> Tracks:
    try:
        with zipfile.ZipFile(path) as archive:
            arrays = Arrays(archive, path.stat().st_size)
            return _exchange(arrays, which, fps) if "joint_names" in arrays else _plain(arrays, fps)
    except DAMAGE as error:
        raise ReadError(f"not an NPZ archive, or a damaged one ({error})") from None


def _plain(arrays: Arrays, fps: float | None) -> Tracks:
    positions = arrays.get("positions", 3).astype(np.float64)
    rate = told_rate(float(arrays.get("fps", 0)) if "fps" in arrays else None, fps)
    confidence = arrays.get("confidence", 2).astype(np.float64) if "confidence" in arrays else None
    unit, up = _word(arrays, "units"), _word(arrays, "up")
    return Tracks(tuple(arrays.text("names")), rate, positions, confidence, metres_per(unit), up_axis(up))


def _exchange(arrays: Arrays, which: str | None, fps: float | None) -> Tracks:
    clips, rates = arrays.text("clip_names"), arrays.get("clip_fps", 1)
    number = choose("clip", clips, which)
    if number >= min(len(clips), len(rates)):
        raise ReadError("there is no clip in it")
    positions = arrays.get(f"clip{number}_positions", 3).astype(np.float64)
    rate = told_rate(float(rates[number]), fps)
    return Tracks(tuple(arrays.text("joint_names")), rate, positions, None, 1.0, "y")


def metres_per(unit: str | None) -> float | None:
    """Metres in a unit by name; None if unknown."""
    return None if unit is None else UNITS.get(unit.strip().casefold())


def up_axis(word: str | None) -> Up | None:
    """The axis by name (`z`, `+Z`, `-y`); None if unknown."""
    plain = (word or "").strip().casefold().lstrip("+")
    return next((axis for axis in UPS if axis == plain), None)


def _word(arrays: Arrays, name: str) -> str | None:
    return str(arrays.get(name, 0, "U")) if name in arrays else None
