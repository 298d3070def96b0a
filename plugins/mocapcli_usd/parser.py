"""What the child process does: file -> stage -> Asset -> arrays."""

from pathlib import Path

from mocapcli.errors import ReadError
from mocapcli.packing import Arrays, pack_asset
from mocapcli.types import Asset, Rig
from mocapcli_usd.clips import read_clips
from mocapcli_usd.skeletons import find_skeleton
from mocapcli_usd.stage import display_name, open_stage, reason
from mocapcli_usd.surfaces import read_mesh


def parse(path: Path) -> Arrays:
    try:
        return pack_asset(build_asset(path))
    except RuntimeError as error:  # Tf.ErrorException: damage may show only when a value is asked for
        raise ReadError(f"damaged, or not Universal Scene Description ({reason(error)})") from None


def build_asset(path: Path) -> Asset:
    stage = open_stage(path)
    source = find_skeleton(stage)
    mesh = read_mesh(stage, source, path)
    root = stage.GetDefaultPrim()
    name = display_name(root) if root else path.stem
    rig = Rig(source.skeleton, mesh, name or path.stem)
    return Asset(rig, read_clips(stage, source))
