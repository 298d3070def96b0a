"""Where adapters are kept: one for each rig and model, found again by their digests."""

from pathlib import Path

from mocapcli.user_cache import cache_folder

SUFFIX = ".mocap"


def adapter_path(rig: str, model: str) -> Path:
    return cache_folder() / "adapters" / f"{rig[:20]}-{model[:12]}{SUFFIX}"
