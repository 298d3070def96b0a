"""Read through usd-core in a child process: its parsers are native code and trust what they read."""

import importlib.util
from pathlib import Path

from mocapcli.errors import UnsupportedError
from mocapcli.isolation import run_isolated
from mocapcli.packing import unpack_asset
from mocapcli.types import Asset


def read_asset(path: Path) -> Asset:
    check_installed()
    return unpack_asset(run_isolated("mocapcli_usd.parser", path))


def check_installed() -> None:
    if importlib.util.find_spec("pxr") is None:
        raise UnsupportedError("USD files need usd-core", remedy="pip install 'mocapcli[usd]'")
