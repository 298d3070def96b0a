"""What is finished, kept beside the outputs: a line of JSON for each item, written when its output stands.

Each shard appends to a file of its own and reads everybody's, so that jobs on a shared disk need no lock, and a run
with other shards, or with none, takes over what any of them finished.
"""

import json
import os
from pathlib import Path
from types import TracebackType
from typing import IO

from mocapcli.batch.items import Item, digest_of
from mocapcli.batch.shard import Shard

PREFIX, SUFFIX = ".mocap-batch", ".jsonl"


class Journal:
    """The journal of a folder of outputs. An item counts as done while its output, inputs and options stay."""

    def __init__(self, folder: Path, shard: Shard | None = None) -> None:
        label = f".{shard.label}" if shard else ""
        self.path = folder / f"{PREFIX}{label}{SUFFIX}"
        self._stamps: dict[str, set[str]] = {}
        for path in sorted(folder.glob(f"{PREFIX}*{SUFFIX}")):
            self._read(path)
        self._stream: IO[bytes] | None = None

    def holds(self, item: Item) -> bool:
        """Whether the item was finished with these options from these inputs, and its output still stands."""
        return item.output.exists() and stamp_of(item) in self._stamps.get(item.key, ())

    def add(self, item: Item, stamp: str) -> None:
        """Remember an item; `stamp` is from before the work, or inputs that changed meanwhile would go unseen."""
        if self._stream is None:
            self._stream = self.path.open("ab")
            if self._stream.tell():
                self._stream.write(b"\n")  # the last line may have been cut short
        self._stream.write(json.dumps({"item": item.key, "stamp": stamp}).encode() + b"\n")
        self._stream.flush()
        self._stamps.setdefault(item.key, set()).add(stamp)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._stream is not None:
            self._stream.close()

    def _read(self, path: Path) -> None:
        for line in path.read_bytes().splitlines():
            try:
                content = json.loads(line)
                self._stamps.setdefault(content["item"], set()).add(content["stamp"])
            except (ValueError, TypeError, KeyError):
                continue  # empty, cut short, or of another kind


def stamp_of(item: Item) -> str:
    """A fingerprint of the options and of the inputs as they are now."""
    return digest_of(options=item.digest, inputs=[_state(path) for path in item.inputs])


def _state(path: Path) -> list[object]:
    """Cheap to tell, and different after a change. A folder changes with the files in it."""
    try:
        found = path.stat()
        files = sorted(os.listdir(path)) if path.is_dir() else []
    except OSError:
        return [path.name, None]
    return [path.name, 0 if files else found.st_size, found.st_mtime_ns, files]
