"""Which files of a folder belong together: one group shares a rig, or lends motions from file to file.

Known layouts, in order:
- a `manifest.csv` (file, split, family, category): files of a family form a group;
- Objaverse downloads (`glbs/000-023/<uid>.glb`): every file for itself;
- anything else, such as Truebones Zoo (a folder per species with FBX and BVH clips on one rig) and Mixamo packs (a
  character and its animations "without skin"): the files of a folder form a group.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from mocapcli.data.splits import Listing, read_manifest
from mocapcli.errors import ReadError
from mocapcli.formats import is_readable

MANIFEST = "manifest.csv"
OBJAVERSE = re.compile(r"(^|/)glbs/\d{3}-\d{3}/[0-9a-f]{8,}\.glb$")
NOT_RIGS = {".npz", ".csv", ".x"}  # extensions too common for other things to be tried blindly


@dataclass(frozen=True)
class Group:
    """Files that may share a rig. `listings` is filled where a manifest names them."""

    name: str
    files: tuple[Path, ...]
    listings: dict[Path, Listing]


def find_groups(folder: Path) -> list[Group]:
    """All groups under a folder, in a stable order."""
    if not folder.is_dir():
        raise ReadError("there is no such folder", path=folder)
    manifest = folder / MANIFEST
    if manifest.is_file():
        return _listed_groups(folder, read_manifest(manifest))
    groups: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in NOT_RIGS or not path.is_file() or not is_readable(path):
            continue
        relative = path.relative_to(folder).as_posix()
        alone = OBJAVERSE.search(path.as_posix()) or "/" not in relative
        key = relative if alone else path.parent.relative_to(folder).as_posix()
        groups.setdefault(key, []).append(path)
    return [Group(name, tuple(files), {}) for name, files in groups.items()]


def _listed_groups(folder: Path, listings: dict[str, Listing]) -> list[Group]:
    families: dict[str, list[Listing]] = {}
    for listing in listings.values():
        families.setdefault(listing.family, []).append(listing)
    groups = []
    for family, members in families.items():
        by_path = {folder / listing.file: listing for listing in members}
        groups.append(Group(family, tuple(by_path), by_path))
    return groups


def objaverse_groups(uids: list[str] | None = None, count: int = 100) -> list[Group]:
    """Objaverse objects through the `objaverse` package (extra `[objaverse]`), which downloads what is missing."""
    try:
        import objaverse
    except ImportError:
        raise ReadError("the objaverse package is not installed", remedy="pip install 'mocapcli[objaverse]'") from None
    chosen = uids if uids is not None else _animated_uids(objaverse, count)
    files = objaverse.load_objects(uids=chosen)
    return [Group(uid, (Path(path),), {}) for uid, path in sorted(files.items())]


def _animated_uids(objaverse: object, count: int) -> list[str]:
    """The first objects whose annotation says that they carry animations."""
    annotations = objaverse.load_annotations()  # type: ignore[attr-defined]
    found = (uid for uid, facts in annotations.items() if facts.get("animationCount", 0) > 0)
    return [uid for uid, _ in zip(found, range(count), strict=False)]
