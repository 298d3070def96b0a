"""All crops of a clip, to be looked at more than once: packed in memory, on disk where they are many."""

import tempfile
import zlib
from array import array
from collections.abc import Iterable, Sequence
from threading import Lock
from types import TracebackType
from typing import IO

import numpy as np
from jaxtyping import Bool, Float, UInt8

from mocapcli.render.camera import Camera
from mocapcli.subject.find import Crops

IN_MEMORY = 1 << 26  # bytes of packed crops; what is more lies in a file without a name
SEEN = 0.002  # share of a crop the subject must cover to be seen at all


class CropClip:
    """Append crops in order, then read any of them. Close it, or use it in a `with`."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.cameras: list[Camera] = []
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(IN_MEMORY)
        self._ends = array("q", [0])
        self._facts = array("d")  # by frame: confidence, seconds, covered share
        self._reading = Lock()  # the file is read from one place at a time

    @classmethod
    def of(cls, crops: Iterable[Crops], size: int) -> "CropClip":
        clip = cls(size)
        for each in crops:
            clip.add(each)
        return clip

    def __len__(self) -> int:
        return len(self.cameras)

    @property
    def confidence(self) -> Float[np.ndarray, " frames"]:
        """How plainly the subject is seen, 0 to 1."""
        return self._column(0)

    @property
    def times(self) -> Float[np.ndarray, " frames"]:
        return self._column(1)

    @property
    def fps(self) -> float:
        """Frames per second; nil where there is but one."""
        times = self.times
        span = float(times[-1] - times[0]) if len(times) else 0.0
        return (len(self) - 1) / span if span > 0 else 0.0

    @property
    def seen(self) -> Bool[np.ndarray, " frames"]:
        """Whether there is anything to be seen of the subject."""
        return np.asarray(self._column(2) > SEEN)

    def _column(self, number: int) -> Float[np.ndarray, " frames"]:
        return np.array(self._facts).reshape(-1, 3)[:, number].copy()

    def add(self, crops: Crops) -> None:
        self._file.seek(self._ends[-1])
        for image, sure, time in zip(crops.images, crops.confidence, crops.times, strict=True):
            packed = zlib.compress(np.ascontiguousarray(image).data, 1)
            self._file.write(packed)
            self._ends.append(self._ends[-1] + len(packed))
            self._facts.extend((float(sure), float(time), float(image[..., 3].mean()) / 255))
        self.cameras.extend(crops.cameras)

    def images(self, first: int, last: int) -> UInt8[np.ndarray, "frames size size 4"]:
        """Frames `first` to before `last`."""
        return self.pictures(range(first, last))

    def pictures(self, frames: Iterable[int]) -> UInt8[np.ndarray, "frames size size 4"]:
        """Any of the frames."""
        shape = (self.size, self.size, 4)
        packed = [self._packed(frame) for frame in frames]
        found = [np.frombuffer(zlib.decompress(each), np.uint8).reshape(shape) for each in packed]
        return np.stack(found) if found else np.empty((0, *shape), np.uint8)

    def _packed(self, frame: int) -> bytes:
        with self._reading:
            self._file.seek(self._ends[frame])
            return self._file.read(self._ends[frame + 1] - self._ends[frame])

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> "CropClip":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def crop_tangents(cameras: Sequence[Camera]) -> Float[np.ndarray, " frames"]:
    """Of half the crops' fields of view."""
    return np.array([camera.width / 2 / float(camera.focal) for camera in cameras])


def crop_rays(
    places: Float[np.ndarray, "frames joints 2"], cameras: Sequence[Camera]
) -> Float[np.ndarray, "frames joints 3"]:
    """Directions of places (-1 … 1, y down) in the axes of each frame's crop camera, one deep along its view axis."""
    half, focals = (
        np.array([float(value) for value in values])[:, None, None]
        for values in ((camera.width / 2 for camera in cameras), (camera.focal for camera in cameras))
    )
    centres = np.array([camera.centre for camera in cameras], float)[:, None]
    offset = ((places + 1) * half - centres) / focals
    return np.stack([offset[..., 0], -offset[..., 1], -np.ones(offset.shape[:2])], axis=-1)
