"""Open a stage without leaving the asset's folder; units, axes and names."""

import os
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from pxr import Sdf, Usd, UsdGeom, UsdUtils

from mocapcli.errors import ReadError

MOST_LAYERS = 100
MOST_PRIMS = 1_000_000
LARGEST_PART = 64 << 20

# "Error in 'pxr::F' at line 9 in file /x.h : 'WHAT'" and "Failed verification: ' p ' -- WHAT"
_SAID = re.compile(r"^.*?(?: -- | : )")
_PLACE = re.compile(r"^/.*?:(\d+):\d+: ")  # of the file that is read: its name is told already
_NAMESPACE = re.compile(r"\w+::")


def open_stage(path: Path) -> Any:
    """The composed stage; one that refers to files outside its folder is refused before they are opened."""
    _silence()
    layer = Sdf.Layer.FindOrOpen(str(path))
    if layer is None:
        raise ReadError("damaged, or not Universal Scene Description")
    _check_dependencies(layer, path)
    stage = Usd.Stage.Open(layer)
    for count, _ in enumerate(stage.TraverseAll()):
        if count > MOST_PRIMS:
            raise ReadError(f"more than {MOST_PRIMS} prims")
    return stage


def _silence() -> None:
    """Warnings go to a delegate that keeps them, instead of stderr."""
    UsdUtils.CoalescingDiagnosticDelegate()


def _check_dependencies(root: Any, path: Path) -> None:
    """Every layer that composition would open lies in the asset's folder (or package)."""
    folder, seen, waiting = path.parent.resolve(), {root.identifier}, [root]
    while waiting:
        layer = waiting.pop()
        for asset in layer.GetCompositionAssetDependencies():
            place = str(layer.ComputeAbsolutePath(asset))
            if place in seen or not asset:
                continue
            seen.add(place)
            if len(seen) > MOST_LAYERS:
                raise ReadError(f"composed of more than {MOST_LAYERS} files")
            if not is_inside(place, folder):
                raise ReadError(f"refers to {asset}, outside its folder", remedy="flatten the stage first")
            found = Sdf.Layer.FindOrOpen(place)
            if found is not None:
                waiting.append(found)


def is_inside(place: str, folder: Path) -> bool:
    """Whether a resolved asset path (`/a/b.usd`, `/a/b.usdz[c.usd]`) lies in a folder."""
    outer = place.split("[", 1)[0]
    return "://" not in outer and Path(os.path.realpath(outer)).is_relative_to(folder)


def read_bytes(place: str, folder: Path) -> bytes | None:
    """A file beside the asset or inside a package beside it; None for anything else."""
    if not is_inside(place, folder.resolve()):
        return None
    outer, _, inner = place.rstrip("]").partition("[")
    try:
        if not inner:
            sound = os.path.isfile(outer) and os.path.getsize(outer) <= LARGEST_PART
            return Path(outer).read_bytes() if sound else None
        with zipfile.ZipFile(outer) as package:
            if package.getinfo(inner).file_size > LARGEST_PART:
                return None
            return package.read(inner)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile, NotImplementedError):
        return None


def to_metres_y_up(stage: Any) -> Float[np.ndarray, "4 4"]:
    """What takes stage coordinates to ours."""
    unit = float(UsdGeom.GetStageMetersPerUnit(stage))
    if not 1e-6 < unit < 1e6:
        raise ReadError(f"metersPerUnit is {unit:g}")
    turn = np.eye(4)
    if UsdGeom.GetStageUpAxis(stage) == UsdGeom.Tokens.z:
        turn[:3, :3] = [[1, 0, 0], [0, 0, 1], [0, -1, 0]]
    turn[:3, :3] *= unit
    return turn


def columns(matrices: Any) -> Float[np.ndarray, "*batch 4 4"]:
    """USD's row-vector matrices as ours, which act on columns."""
    out = np.swapaxes(np.array(matrices, dtype=np.float64), -1, -2)
    if not np.isfinite(out).all():
        raise ReadError("a transform contains NaN or infinite numbers")
    return out


def display_name(prim: Any) -> str:
    return str(prim.GetDisplayName() or prim.GetName())


def reason(error: BaseException) -> str:
    """What a Tf error says, without the place in USD's own source that it comes from and the name of our file."""
    try:
        lines = [line.strip() for line in str(error).splitlines()]
    except UnicodeDecodeError:  # it quotes the file
        return "not UTF-8"
    told = [_SAID.sub("", line).strip("'\" ") for line in lines if _SAID.search(line)]
    text = (told or lines or [type(error).__name__])[0]
    return _NAMESPACE.sub("", _PLACE.sub(r"line \1: ", text))[:200]
