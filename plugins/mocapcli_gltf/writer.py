"""Write an `Asset` as glTF: into its own document where it came from one, else as a new one."""

from pathlib import Path

from mocapcli.errors import WriteError
from mocapcli.types import Asset
from mocapcli_gltf.write_back import build_from_source, fits_source


def write_gltf(path: Path, asset: Asset) -> None:
    back = fits_source(asset)
    if path.suffix.lower() == ".vrm" and not (back and asset.rig.source.is_vrm):
        raise WriteError("only a rig read from a VRM file can be written as .vrm", remedy="write .glb instead")
    if back:
        builder = build_from_source(asset)
    else:
        from mocapcli_gltf.fresh import build_fresh

        builder = build_fresh(asset)
    builder.save(path)
