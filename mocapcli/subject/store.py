"""Masks of a whole video, packed on disk: memory does not grow with its length."""

import tempfile
import zlib
from array import array
from types import TracebackType

import numpy as np
from jaxtyping import Int, UInt8


class MaskStore:
    """Append frame by frame, then read by number. The file has no name and goes when closed."""

    def __init__(self, height: int, width: int) -> None:
        self.shape = height, width
        self._file = tempfile.TemporaryFile()
        self._ends = array("q", [0])

    def __len__(self) -> int:
        return len(self._ends) - 1

    def append(self, mask: UInt8[np.ndarray, "height width"], owners: Int[np.ndarray, "height width"]) -> None:
        packed = zlib.compress(mask.tobytes() + owners.astype(np.uint16).tobytes(), 1)
        self._file.write(packed)
        self._ends.append(self._ends[-1] + len(packed))

    def read(self, number: int, owner: int) -> UInt8[np.ndarray, "height width"]:
        """The mask of one subject in one frame."""
        self._file.seek(self._ends[number])
        raw = zlib.decompress(self._file.read(self._ends[number + 1] - self._ends[number]))
        count = self.shape[0] * self.shape[1]
        mask = np.frombuffer(raw, np.uint8, count).reshape(self.shape)
        owners = np.frombuffer(raw, np.uint16, count, offset=count).reshape(self.shape)
        return np.where(owners == owner, mask, 0).astype(np.uint8)

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> "MaskStore":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
