"""A folder of compact rigs with an index: what `mocap data build` makes and training reads."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from mocapcli.data import compact
from mocapcli.data.splits import RARE_FRAMES, SHORT_CLIP, Split, training_frames
from mocapcli.errors import ReadError
from mocapcli.types import Asset
from mocapcli.whole_file import whole_file

INDEX, PARTS = "index.json", "parts"
VERSION = 1


@dataclass(frozen=True)
class Entry:
    """One rig of a cache, and what is known of it without opening it."""

    file: str  # inside the cache
    source: str  # where it came from, relative to the assets' folder
    split: str
    family: str
    category: str
    joints: int
    triangles: int
    motion_names: tuple[str, ...]
    motion_frames: tuple[int, ...]

    @property
    def frames(self) -> int:
        return sum(self.motion_frames)

    @property
    def training_frames(self) -> int:
        return sum(training_frames(frames) for frames in self.motion_frames)

    @property
    def held_back(self) -> bool:
        """Whether some clip is long enough to have a part that training never sees."""
        return any(frames > SHORT_CLIP for frames in self.motion_frames)


@dataclass(frozen=True)
class Cache:
    """All entries, in the index's order."""

    folder: Path
    entries: tuple[Entry, ...]
    skipped: dict[str, str] = field(default_factory=dict)  # source file: reason

    def load(self, entry: Entry) -> Asset:
        return _load(self.folder / entry.file)

    def rare_families(self) -> set[str]:
        frames: dict[str, int] = {}
        for entry in self.entries:
            if entry.split == "train":
                frames[entry.family] = frames.get(entry.family, 0) + entry.training_frames
        return {family for family, count in frames.items() if count < RARE_FRAMES}

    def entries_of(self, split: Split) -> list[Entry]:
        """Rigs with clips that take part in a split; training includes the rare families' first parts."""
        if split in ("train", "unseen"):
            return [entry for entry in self.entries if entry.split == split and entry.frames]
        rare = self.rare_families()
        return [
            entry
            for entry in self.entries
            if entry.split == "train" and entry.held_back and (entry.family in rare) == (split == "rare")
        ]

    def families(self, split: Split) -> dict[str, list[Entry]]:
        found: dict[str, list[Entry]] = {}
        for entry in self.entries_of(split):
            found.setdefault(entry.family, []).append(entry)
        return found

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)


@lru_cache(maxsize=32)
def _load(path: Path) -> Asset:
    return compact.load(path)


def write_index(cache: Cache, name: str = INDEX) -> None:
    """Entries and skipped files as the cache's index, or as another file in it that has the index's form."""
    content = {
        "version": VERSION,
        "entries": [asdict(entry) for entry in cache.entries],
        "skipped": cache.skipped,
    }
    with whole_file(cache.folder / name) as temporary:
        temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")


def file_digest(path: Path) -> str:
    """Of a cache's index, or of a rig's file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def open_cache(folder: Path, name: str = INDEX) -> Cache:
    path = folder / name
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        version = content["version"]
        if version == VERSION:
            return Cache(folder, tuple(_entry(row) for row in content["entries"]), content["skipped"])
    except FileNotFoundError:
        if (folder / PARTS).is_dir():
            remedy = "run the same mocap data build again, every shard of it"
            raise ReadError("this cache is not finished", path=folder, remedy=remedy) from None
        raise ReadError("this is no cache", path=folder, remedy="make one: mocap data build ASSETS -o CACHE") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ReadError(f"damaged index ({error!r})", path=path) from None
    raise ReadError(f"made by another version ({version})", path=path, remedy="build it again")


def _entry(row: dict[str, Any]) -> Entry:
    """JSON knows no tuples."""
    fields: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
    return Entry(**fields)
