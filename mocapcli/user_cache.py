"""Where mocap keeps what took long to make and can be made again: learnt rigs, prepared assets."""

import os
import sys
from pathlib import Path

FOLDER_VARIABLE = "MOCAP_CACHE"


def cache_folder() -> Path:
    """`$MOCAP_CACHE`, else the system's place for caches."""
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        return Path(named)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or "~/AppData/Local").expanduser() / "mocapcli" / "cache"
    if sys.platform == "darwin":
        return Path("~/Library/Caches/mocapcli").expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "mocapcli"
