"""Where adapters are kept: one for each rig and model, found again by their digests."""

import os
import sys
from pathlib import Path

SUFFIX = ".mocap"
FOLDER_VARIABLE = "MOCAP_CACHE"


def cache_folder() -> Path:
    """`$MOCAP_CACHE`, else the system's place for caches."""
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        return Path(named)
    home = Path.home()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local")) / "mocapcli" / "cache"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "mocapcli"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "mocapcli"


def adapter_path(rig: str, model: str) -> Path:
    return cache_folder() / "adapters" / f"{rig[:20]}-{model[:12]}{SUFFIX}"
