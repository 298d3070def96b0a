"""What is evaluated, and on what: assets, caches and zoos to a cache, weights to a digest, code to a commit."""

import hashlib
import subprocess
from collections.abc import Iterable
from pathlib import Path

from tqdm import tqdm

from mocapcli import __version__
from mocapcli.data import compact
from mocapcli.data.build import build_cache
from mocapcli.data.cache import INDEX, Cache, Entry, open_cache, write_index
from mocapcli.data.simplify import simplify_asset
from mocapcli.errors import ReadError
from mocapcli.types import Asset
from mocapcli.user_cache import cache_folder

ZOO_SEED = 1_000_000_000  # far from the seeds anybody trains on
PACKAGE = Path(__file__).resolve().parents[1]


def cache_of_assets(assets: Path) -> Cache:
    """A cache of a folder of assets, kept under the user's cache folder until a file of it changes."""
    if not assets.is_dir():
        raise ReadError("there is no such folder", path=assets)
    files = sorted(path for path in assets.rglob("*") if path.is_file())
    facts = [f"{path}\0{path.stat().st_size}\0{path.stat().st_mtime_ns}" for path in files]
    digest = hashlib.sha256("\n".join([__version__, *facts]).encode()).hexdigest()[:16]
    folder = cache_folder() / "assets" / digest
    return open_cache(folder) if (folder / INDEX).exists() else build_cache(assets, folder)


def cache_of_zoo(count: int, split: str, folder: Path, progress_bar: bool = True) -> Cache:
    """Procedural creatures as a cache in `folder`; each kind is a family of the split asked for."""
    from mocapcli.zoo import make_creature

    seeds = tqdm(range(ZOO_SEED, ZOO_SEED + count), desc="creatures", unit="", disable=None if progress_bar else True)
    assets = ((f"zoo/{seed}", make_creature(seed)) for seed in seeds)
    return cache_in(folder, ((name, asset.rig.name.split("-")[0], asset) for name, asset in assets), split)


def cache_in(folder: Path, assets: Iterable[tuple[str, str, Asset]], split: str = "train") -> Cache:
    """A cache of assets in memory, told as (name, family, asset)."""
    (folder / "rigs").mkdir(parents=True, exist_ok=True)
    entries = []
    for number, (name, family, asset) in enumerate(assets):
        file = f"rigs/{number:05d}.npz"
        kept = simplify_asset(asset)
        compact.save(folder / file, kept)
        mesh = kept.rig.mesh
        entries.append(
            Entry(
                file,
                name,
                "unseen" if split == "unseen" else "train",
                family,
                "other",
                kept.rig.skeleton.joints,
                0 if mesh is None else len(mesh.faces),
                tuple(motion.name for motion in kept.motions),
                tuple(motion.frames for motion in kept.motions),
            )
        )
    cache = Cache(folder, tuple(entries))
    write_index(cache)
    return cache


def weights_digest(folder: Path) -> str:
    """Which weights these are; figures of other weights must not be mixed with theirs."""
    found = hashlib.sha256()
    for path in sorted(folder.glob("*")):
        if path.suffix in (".json", ".safetensors"):
            found.update(path.read_bytes())
    return found.hexdigest()[:16]


def code_digest() -> str:
    """Of this package's sources, whether they are those of a commit, are being changed, or were installed."""
    found = hashlib.sha256(__version__.encode())
    for path in sorted(PACKAGE.rglob("*.py")):
        found.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()[:16]


def code_commit() -> str | None:
    """The commit of this code, with a + where files differ from it; None outside a checkout."""
    if not (PACKAGE.parent / ".git").exists():
        return None
    try:
        commit = _git("rev-parse", "--short=12", "HEAD").strip()
        return commit + "+" * bool(_git("status", "--porcelain", "--untracked-files=no", "--", str(PACKAGE)).strip())
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(PACKAGE.parent), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout
