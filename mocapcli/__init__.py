"""mocapcli: one video plus any rigged 3D asset in; an animation that drives exactly that asset out."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from mocapcli.capturing import capture
    from mocapcli.errors import DroppedWarning, MocapError
    from mocapcli.extensions import Checkpoint, Filter, Format, Metric, Option, Segmenter, Source
    from mocapcli.formats import read_asset, write_asset
    from mocapcli.solving.api import solve
    from mocapcli.types import Asset, Material, Mesh, Motion, Rig, Skeleton, Texture

__version__ = "0.1.0"

hookimpl = pluggy.HookimplMarker("mocapcli")

__all__ = [
    "Asset",
    "Checkpoint",
    "DroppedWarning",
    "Filter",
    "Format",
    "Material",
    "Mesh",
    "Metric",
    "MocapError",
    "Motion",
    "Option",
    "Rig",
    "Segmenter",
    "Skeleton",
    "Source",
    "Texture",
    "capture",
    "hookimpl",
    "read_asset",
    "solve",
    "write_asset",
]

_HOMES = {
    "capture": "capturing",
    "DroppedWarning": "errors",
    "MocapError": "errors",
    "Checkpoint": "extensions",
    "Filter": "extensions",
    "Format": "extensions",
    "Metric": "extensions",
    "Option": "extensions",
    "Segmenter": "extensions",
    "Source": "extensions",
    "read_asset": "formats",
    "write_asset": "formats",
    "solve": "solving.api",
    "Asset": "types",
    "Material": "types",
    "Mesh": "types",
    "Motion": "types",
    "Rig": "types",
    "Skeleton": "types",
    "Texture": "types",
}


def __getattr__(name: str) -> Any:
    """Public names load on first use, so that `mocap --help` pays for none of them."""
    if name not in _HOMES:
        raise AttributeError(f"module 'mocapcli' has no attribute {name!r}")
    return getattr(import_module(f"mocapcli.{_HOMES[name]}"), name)
