"""The user's rig, and the pose it is known in."""

from dataclasses import replace
from pathlib import Path

from mocapcli.data.windows import cut_motion
from mocapcli.errors import InvalidDataError, UsageError
from mocapcli.formats import read_asset
from mocapcli.retarget_names import match_joints, transfer
from mocapcli.types import Asset, Rig


def read_rig(rig: Asset | Rig | str | Path) -> Asset:
    """A rig that can be animated."""
    path = Path(rig) if isinstance(rig, str | Path) else None
    if path is not None:
        asset = read_asset(path)
    else:
        asset = rig if isinstance(rig, Asset) else Asset(rig)  # type: ignore[arg-type]
    if asset.rig.skeleton.joints < 2:
        raise InvalidDataError("this rig has one joint, there is nothing to bend", path=path)
    return asset


def with_reference(asset: Asset, reference: str | Path | None) -> Asset:
    """The asset with one frame of a file as its first clip, the pose that it is known in.

    A pose is turns: what the clip does to the sizes of joints is left out, for captured clips will not do it.
    """
    if reference is None:
        scaled = any(motion.scales is not None for motion in asset.motions)
        return asset.with_motions(replace(motion, scales=None) for motion in asset.motions) if scaled else asset
    path, frame = split_reference(str(reference))
    other = read_asset(path)
    if not other.motions:
        raise InvalidDataError("this file holds no clip whose frame could be the reference", path=path)
    motion = other.motions[0]
    if not 0 <= frame < motion.frames:
        raise UsageError(f"--reference: {path} has {motion.frames} frames, counted from 0: there is no frame {frame}")
    skeleton, target = other.rig.skeleton, asset.rig.skeleton
    try:
        pose = transfer(skeleton, cut_motion(motion, frame, 1), target, match_joints(skeleton.names, target.names))
    except InvalidDataError as error:
        error.path = error.path or path
        raise
    return asset.with_motions([pose])


def split_reference(text: str) -> tuple[Path, int]:
    """`FILE` or `FILE:FRAME`."""
    head, colon, frame = text.rpartition(":")
    if Path(text).exists() or not (colon and frame.isdecimal()):
        return Path(text), 0
    return Path(head), int(frame)
