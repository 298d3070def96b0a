"""TOML on every Python we support."""

import sys
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def parse_toml(text: str) -> dict[str, Any]:
    """A document's tables; damaged ones raise ValueError."""
    return tomllib.loads(text)
