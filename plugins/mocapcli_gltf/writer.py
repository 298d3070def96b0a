"""Write an `Asset` as glTF: into its own document where it came from one, else as a new one."""

import warnings
from pathlib import Path

from mocapcli.errors import DroppedWarning, WriteError
from mocapcli.types import Asset
from mocapcli_gltf.source import GltfSource
from mocapcli_gltf.write_back import build_from_source, fits_source


def write_gltf(path: Path, asset: Asset) -> None:
    back = fits_source(asset)
    if path.suffix.lower() == ".vrm" and not (back and asset.rig.source.is_vrm):
        raise WriteError("only a rig read from a VRM file can be written as .vrm", remedy="write .glb instead")
    if back:
        builder = build_from_source(asset)
    else:
        from mocapcli_gltf.fresh import build_fresh

        _tell_what_is_lost(asset)
        builder = build_fresh(asset)
    builder.save(path)


def _tell_what_is_lost(asset: Asset) -> None:
    """Of a rig that has changed since it was read, only the rig is written."""
    source = asset.rig.source
    if isinstance(source, GltfSource) and source.beyond:
        lost = ", ".join(source.beyond)
        message = f"the rig is no longer that of its file, whose other content does not come along: {lost}"
        warnings.warn(message, DroppedWarning, stacklevel=3)
