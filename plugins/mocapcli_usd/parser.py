"""What the child process does: file -> stage -> Asset -> arrays."""

from collections import Counter
from pathlib import Path
from typing import Any

from mocapcli.errors import ReadError
from mocapcli.packing import Arrays, pack_asset
from mocapcli.types import Asset, LeftAside, Rig, left_aside
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
    rig = Rig(source.skeleton, mesh, name or path.stem, _beyond(stage))
    return Asset(rig, read_clips(stage, source))


def _beyond(stage: Any) -> LeftAside | None:
    """What an Asset has no place for."""
    kinds = Counter(prim.GetTypeName() for prim in stage.Traverse())
    lights = sum(count for kind, count in kinds.items() if kind.endswith("Light"))
    return left_aside((kinds["BlendShape"], "shape key"), (kinds["Camera"], "camera"), (lights, "light"))
