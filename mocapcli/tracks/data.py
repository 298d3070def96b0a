"""Named points over time: what triangulation, marker systems and pose estimators leave behind."""

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float

from mocapcli.errors import InvalidDataError

Up = Literal["x", "y", "z", "-x", "-y", "-z"]
UPS: tuple[Up, ...] = get_args(Up)
LARGEST = 1e9  # of a coordinate: beyond it, squares are no longer exact and nobody measures
UNITS = {"m": 1.0, "dm": 0.1, "cm": 0.01, "mm": 0.001, "in": 0.0254, "ft": 0.3048}
UNITS |= {"meter": 1.0, "meters": 1.0, "metre": 1.0, "metres": 1.0, "inch": 0.0254, "inches": 0.0254, "feet": 0.3048}
UNITS |= {
    f"{part}{name}": UNITS[f"{part[0]}m"]
    for part in ("centi", "milli")
    for name in ("meter", "meters", "metre", "metres")
}


@dataclass(frozen=True, eq=False)
class Tracks:
    """Points by name at evenly spaced frames; NaN where a point was not seen.

    Coordinates are those of the file: `metres_per_unit` and `up` are what it says of them, None where it is silent.
    """

    names: tuple[str, ...]
    fps: float
    positions: Float[np.ndarray, "frames points 3"]
    confidence: Float[np.ndarray, "frames points"] | None = None  # 0 … 1
    metres_per_unit: float | None = None
    up: Up | None = None
    name: str = "solved"

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(self.names))
        positions = np.array(self.positions, dtype=np.float64)
        if not self.names or positions.ndim != 3 or len(positions) == 0:
            raise InvalidDataError("these tracks are empty: there is no point or no frame")
        if positions.shape[1:] != (len(self.names), 3):
            raise InvalidDataError(f"{len(self.names)} names, but positions of shape {list(positions.shape)}")
        repeated = (
            {name for name in self.names if self.names.count(name) > 1}
            if len(set(self.names)) < len(self.names)
            else ()
        )
        if repeated:
            raise InvalidDataError(f"two tracks are named {min(repeated)!r}")
        if not (np.isfinite(self.fps) and 0 < self.fps <= 1e6):
            raise InvalidDataError(f"frame rate must be positive, not {self.fps}")
        with np.errstate(invalid="ignore"):
            unusable = ~(np.abs(positions) < LARGEST).all(axis=-1)
        positions[unusable] = np.nan
        object.__setattr__(self, "positions", positions)
        object.__setattr__(self, "fps", float(self.fps))
        self._check_confidence()

    def _check_confidence(self) -> None:
        if self.confidence is None:
            return
        confidence = np.array(self.confidence, dtype=np.float64)
        if confidence.shape != self.positions.shape[:2]:
            raise InvalidDataError(
                f"confidence has shape {list(confidence.shape)}, positions {list(self.positions.shape)}"
            )
        object.__setattr__(self, "confidence", np.clip(np.nan_to_num(confidence, nan=0.0), 0.0, 1.0))

    @property
    def frames(self) -> int:
        return len(self.positions)

    @property
    def duration(self) -> float:
        """Seconds from the first frame to the last."""
        return (self.frames - 1) / self.fps


def crop_tracks(tracks: Tracks, start: float | None = None, end: float | None = None) -> Tracks:
    """Frames from second `start` to second `end`, both included."""
    first = 0 if start is None else int(np.ceil(start * tracks.fps - 1e-6))
    last = tracks.frames - 1 if end is None else int(np.floor(end * tracks.fps + 1e-6))
    if not 0 <= first <= min(last, tracks.frames - 1):
        shown = f"{0 if start is None else start:g}-{tracks.duration if end is None else end:g} s"
        raise InvalidDataError(f"time range {shown} is empty (the tracks last {tracks.duration:g} s)")
    kept = slice(first, last + 1)
    confidence = None if tracks.confidence is None else tracks.confidence[kept]
    return replace(tracks, positions=tracks.positions[kept], confidence=confidence)
