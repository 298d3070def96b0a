"""What is finished, kept beside the outputs: a line of JSON for every item begun, and one when its output stands.

Each shard appends to a file of its own and reads everybody's, so that jobs on a shared disk need no lock, and a run
with other shards, or with none, takes over what any of them finished. Of an item the latest line counts: what was made
with other options since is not what an earlier run finished.
"""

import json
import os
import time
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
        self._latest: dict[str, tuple[float, str | None]] = {}  # when, and the stamp of what was finished
        for path in sorted(folder.glob(f"{PREFIX}*{SUFFIX}")):
            self._read(path)
        self._stream: IO[bytes] | None = None

    def holds(self, item: Item) -> bool:
        """Whether the item was finished with these options from these inputs, and its output still stands."""
        if not item.output.exists() or item.key not in self._latest:
            return False
        return self._latest[item.key][1] == stamp_of(item)

    def begin(self, item: Item) -> None:
        """Until it is finished, nobody knows what its output is: another may stand there, or half of this one."""
        self._write(item, None)

    def add(self, item: Item, stamp: str) -> None:
        """Remember an item; `stamp` is from before the work, or inputs that changed meanwhile would go unseen."""
        self._write(item, stamp)

    def _write(self, item: Item, stamp: str | None) -> None:
        if self._stream is None:
            self._stream = self.path.open("ab")
            if self._stream.tell():
                self._stream.write(b"\n")  # the last line may have been cut short
        now = time.time()
        self._stream.write(json.dumps({"item": item.key, "stamp": stamp, "at": now}).encode() + b"\n")
        self._stream.flush()
        self._latest[item.key] = (now, stamp)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._stream is not None:
            self._stream.close()

    def _read(self, path: Path) -> None:
        for line in path.read_bytes().splitlines():
            try:
                content = json.loads(line)
                key, stamp, at = content["item"], content["stamp"], float(content.get("at", 0.0))
            except (ValueError, TypeError, KeyError, AttributeError):
                continue  # empty, cut short, or of another kind
            if isinstance(key, str) and at >= self._latest.get(key, (0.0, None))[0]:
                self._latest[key] = (at, stamp)


def stamp_of(item: Item) -> str:
    """A fingerprint of the options and of the inputs as they are now."""
    return digest_of(options=item.digest, inputs=[_state(path) for path in item.inputs])


def _state(path: Path) -> list[object]:
    """Cheap to tell, and different after a change; a folder's is that of the files in it."""
    try:
        if path.is_dir():
            with os.scandir(path) as entries:
                files = [entry for entry in entries if entry.is_file()]
            return [path.name, sorted(_state_of(file.name, file.stat()) for file in files)]
        return _state_of(path.name, path.stat())
    except OSError:
        return [path.name, None]


def _state_of(name: str, found: os.stat_result) -> list[object]:
    return [name, found.st_size, found.st_mtime_ns]
