"""Which cache a run reads: a given one, or one made of assets and creatures in the run's own folder."""

import json
import shutil
from pathlib import Path

from mocapcli.data.build import build_cache
from mocapcli.data.cache import INDEX
from mocapcli.errors import ReadError, UsageError, WriteError

ORIGIN = "origin.json"  # what a run's own cache was made of


def prepare_cache(cache: Path | None, assets: Path | None, zoo: int, own: Path, progress_bar: bool = True) -> Path:
    """The cache to read; `own` is made, or used again where it was made of the same files."""
    if assets is None and not zoo:
        return cache or Path("cache")
    if cache is not None:
        raise UsageError("--cache is a finished choice of data", remedy="leave it out, or --assets and --zoo")
    if assets is not None and not assets.is_dir():
        raise ReadError("no such folder of assets", path=assets)
    origin = {"assets": _listing(assets), "zoo": zoo}
    if (own / INDEX).is_file() and _read(own / ORIGIN) == origin:
        return own
    if own.exists() and not (own / ORIGIN).is_file():
        raise WriteError("this is not of this run's making", path=own, remedy="name another folder for the run")
    part, begun = own.with_name(own.name + ".part"), own.with_name(own.name + ".part.json")
    if _read(begun) != origin:  # else the build that was stopped goes on
        shutil.rmtree(part, ignore_errors=True)
    shutil.rmtree(own, ignore_errors=True)
    own.parent.mkdir(parents=True, exist_ok=True)
    begun.write_text(json.dumps(origin), encoding="utf-8")
    build_cache(assets, part, creatures=range(zoo), progress_bar=progress_bar)
    begun.replace(part / ORIGIN)
    part.rename(own)
    return own


def _listing(assets: Path | None) -> list[list[str | int]]:
    """Names, sizes and times of the files, so that changed assets are read again."""
    if assets is None:
        return []
    files = sorted(path for path in assets.rglob("*") if path.is_file())
    return [[path.relative_to(assets).as_posix(), path.stat().st_size, path.stat().st_mtime_ns] for path in files]


def _read(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
