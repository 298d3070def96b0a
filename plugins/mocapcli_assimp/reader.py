"""Read through assimp in a child process: native parsers of sixty formats, fed with whatever there is."""

import importlib.util
import sys
from pathlib import Path

from mocapcli.errors import UnsupportedError
from mocapcli.isolation import run_isolated
from mocapcli.packing import unpack_asset
from mocapcli.types import Asset


def read_asset(path: Path) -> Asset:
    if importlib.util.find_spec("pyassimp") is None:
        raise UnsupportedError(
            f"reading .{path.suffix.lstrip('.')} here needs pyassimp", remedy="pip install 'mocapcli[assimp]'"
        )
    return unpack_asset(run_isolated("mocapcli_assimp.parser", path))


def how_to_get_it() -> str:
    """What to type on this system to have libassimp."""
    if sys.platform == "darwin":
        return "brew install assimp"
    if sys.platform == "win32":
        return "choco install assimp, or put assimp.dll on the PATH"
    return "apt install libassimp5, or your distribution's assimp package"
