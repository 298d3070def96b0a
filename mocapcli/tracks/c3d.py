"""C3D, the marker systems' format, through ezc3d: native code, so it runs in a child process."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from mocapcli.errors import ReadError, UnsupportedError
from mocapcli.isolation import run_isolated
from mocapcli.tracks.arrays import metres_per, up_axis
from mocapcli.tracks.data import Tracks
from mocapcli.tracks.read import told_rate

# Model outputs that lie among the points but are none.
NO_POSITIONS = ("ANGLES", "FORCES", "MOMENTS", "POWERS", "SCALARS")


def read(path: Path, which: str | None = None, fps: float | None = None) -> Tracks:
    if find_spec("ezc3d") is None:
        raise UnsupportedError("reading C3D needs ezc3d", path=path, remedy="pip install 'mocapcli[c3d]'")
    with path.open("rb") as stream:
        if stream.read(2)[1:] != b"\x50":
            raise ReadError("this is no C3D file")
    arrays = run_isolated("mocapcli.tracks.c3d", path)
    names, rate = _own_names(arrays["names"].tolist(), which), float(arrays["rate"])
    unit, up = (str(arrays[key]) for key in ("units", "up"))
    kept = [index for index, name in enumerate(names) if name]
    return Tracks(
        tuple(names[index] for index in kept),
        told_rate(rate if rate > 0 else None, fps),
        arrays["positions"][:, kept],
        None,
        metres_per(unit),
        up_axis(up),
    )


def parse(path: Path) -> dict[str, np.ndarray]:
    """In the child process: points, names and what the header says of them."""
    import ezc3d

    content = ezc3d.c3d(str(path))
    parameters: Any = content["parameters"]["POINT"]
    points = np.asarray(content["data"]["points"], dtype=np.float64)[:3].transpose(2, 1, 0)
    residuals = np.asarray(content["data"]["meta_points"]["residuals"], dtype=np.float64)[0].T
    missing = (residuals < 0) | (points == 0).all(axis=-1)
    labels = [str(label) for key in ("LABELS", "LABELS2", "LABELS3") for label in _values(parameters, key)]
    labels = (labels + [f"point{index}" for index in range(points.shape[1])][len(labels) :])[: points.shape[1]]
    no_positions = {str(label) for kind in NO_POSITIONS for label in _values(parameters, kind)}
    names = ["" if label in no_positions or label.startswith("*") else label for label in labels]
    return {
        "positions": np.where(missing[..., None], np.nan, points),
        "names": np.array(names, dtype=np.str_),
        "rate": np.array(float(next(iter(_values(parameters, "RATE")), 0.0))),
        "units": np.array(str(next(iter(_values(parameters, "UNITS")), ""))),
        "up": np.array(str(next(iter(_values(parameters, "Y_SCREEN")), ""))),
    }


def _values(parameters: Any, key: str) -> list[Any]:
    return list(parameters[key]["value"]) if key in parameters else []


def _own_names(names: list[str], which: str | None) -> list[str]:
    """Labels of one subject (`Anna:LASI`) if asked for; repeated labels get a number."""
    if which is not None:
        names = [name.removeprefix(f"{which}:") if name.startswith(f"{which}:") else "" for name in names]
        if not any(names):
            raise ReadError(f"no subject {which!r}")
    seen: dict[str, int] = {}
    out = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        out.append(name if seen[name] == 1 or not name else f"{name}#{seen[name]}")
    return out
