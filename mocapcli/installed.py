"""Heavy libraries are extras: who lacks one reads a line, not a traceback."""

from importlib.util import find_spec

from mocapcli.errors import UnsupportedError

NETWORK = ("torch", "roma", "safetensors")


def need_network(doing: str) -> None:
    """What the extra `network` brings, asked for before a module is imported that imports it."""
    if any(find_spec(library) is None for library in NETWORK):
        raise UnsupportedError(f"{doing} needs torch, roma and safetensors", remedy="pip install 'mocapcli[network]'")
