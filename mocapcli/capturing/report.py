"""What a capture tells of itself: how it went as JSON, how sure it is as CSV or NumPy arrays."""

import csv
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from mocapcli import __version__
from mocapcli.errors import UnsupportedError
from mocapcli.whole_file import whole_file

DOUBT = 0.1  # of the rig's size: an expected error as large lowers the confidence to a third
NOTED_TURN = 5.0  # degrees


@dataclass(frozen=True)
class Report:
    """How it went. `facing` holds (seconds, yaw in degrees) where it has turned by five degrees since."""

    video: str
    rig: str
    frames: int
    fps: float
    joints: int
    model: dict[str, str]
    segmenter: str
    subject: int
    subjects_found: int
    camera: dict[str, float]  # degrees
    facing: tuple[tuple[float, float], ...]
    confidence: float
    settings: dict[str, Any]  # what was asked for, as the command line names it
    seconds: dict[str, float]  # by stage
    frames_per_second: float
    warnings: tuple[str, ...] = ()
    version: str = __version__

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class Stopwatch:
    """Seconds by stage."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


@dataclass(frozen=True, eq=False)
class Confidence:
    """How sure each joint is in each frame, 0 to 1, and the error it expects of itself (metres)."""

    times: Float[np.ndarray, " frames"]
    joints: tuple[str, ...]  # those that deform, and what is between
    parents: Int[np.ndarray, " joints"]
    values: Float[np.ndarray, "frames joints"]
    expected_error: Float[np.ndarray, "frames joints"]
    places: Float[np.ndarray, "frames joints 2"]  # pixels of the video
    subject: Float[np.ndarray, " frames"]  # how plainly it is seen


def confidence_of(
    noise: Float[np.ndarray, "frames joints"], size: float, subject: Float[np.ndarray, " frames"]
) -> Float[np.ndarray, "frames joints"]:
    """Falls with the error expected of a joint, and with how little is seen of the subject."""
    return np.asarray(subject[:, None] * np.exp(-noise / size / DOUBT))


def facing_changes(
    facing: Float[np.ndarray, " frames"], times: Float[np.ndarray, " frames"]
) -> tuple[tuple[float, float], ...]:
    noted: list[tuple[float, float]] = []
    for moment, degrees in zip(times.tolist(), np.degrees(facing).tolist(), strict=True):
        if not noted or abs((degrees - noted[-1][1] + 180) % 360 - 180) >= NOTED_TURN:
            noted.append((round(moment, 4), round(degrees, 1)))
    return tuple(noted)


def write_report(path: Path, report: Report) -> None:
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(report.as_dict(), indent=2) + "\n", encoding="utf-8")


def write_confidence(path: Path, confidence: Confidence) -> None:
    """`.csv`: a row a frame, a column a joint. `.npz`: everything, under the names of the record."""
    writers = {".csv": _write_csv, ".npz": _write_npz}
    check_confidence(path)
    with whole_file(path) as temporary:
        writers[path.suffix.lower()](temporary, confidence)


def check_confidence(path: Path) -> None:
    if path.suffix.lower() not in (".csv", ".npz"):
        raise UnsupportedError("confidence is written as .csv or .npz", path=path)


def _write_csv(path: Path, confidence: Confidence) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["seconds", *confidence.joints])
        for time_, values in zip(confidence.times, confidence.values, strict=True):
            rows.writerow([f"{time_:.4f}", *(f"{value:.3f}" for value in values)])


def _write_npz(path: Path, confidence: Confidence) -> None:
    with path.open("wb") as stream:
        np.savez_compressed(
            stream,
            times=confidence.times,
            joints=np.array(confidence.joints),
            values=confidence.values.astype(np.float32),
            expected_error=confidence.expected_error.astype(np.float32),
            places=confidence.places.astype(np.float32),
            subject=confidence.subject.astype(np.float32),
        )
