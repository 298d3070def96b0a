"""What a BVH file says, as data: joints with their channels, and how channel values become transforms."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

from mocapcli.types import Motion, Skeleton
from mocapcli_bvh.euler import euler_to_quat

Channels = tuple[str, ...]  # as "Xposition", "Zrotation", in file order

POSITIONS: Channels = ("Xposition", "Yposition", "Zposition")
ROTATIONS: Channels = ("Zrotation", "Xrotation", "Yrotation")  # the order we write where nothing asks for another
GATHERING_ROOT = "mocapcli_roots"  # the joint the writer puts above several roots
KNOWN = {name.lower(): name for name in POSITIONS + ROTATIONS}


@dataclass(frozen=True, eq=False)
class EndSite:
    """Where the bone of `joint` ends."""

    joint: int
    offset: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """The HIERARCHY section, joints in file order (each followed by its descendants)."""

    names: tuple[str, ...]  # as written in the file, repeats and blanks included
    parents: Int[np.ndarray, " joints"]
    offsets: Float[np.ndarray, "joints 3"]
    channels: tuple[Channels, ...]
    end_sites: tuple[EndSite, ...] = ()

    @property
    def columns(self) -> list[slice]:
        """Which channel values belong to each joint."""
        ends = np.cumsum([len(channels) for channels in self.channels]).tolist()
        return [slice(end - len(channels), end) for end, channels in zip(ends, self.channels, strict=True)]

    @property
    def width(self) -> int:
        """Numbers per frame."""
        return sum(len(channels) for channels in self.channels)


@dataclass(frozen=True, eq=False)
class BvhSource:
    """The file a rig came from: enough to write it back with the same layout and the same numbers."""

    hierarchy: Hierarchy
    skeleton: Skeleton
    encoding: str = "utf-8"
    frame_time: float | None = None
    motion: Motion | None = None
    values: Float[np.ndarray, "frames channels"] | None = field(default=None, repr=False)


def rotation_order(channels: Channels) -> str:
    """Axes of the rotation channels, as "ZXY"."""
    return "".join(channel[0] for channel in channels if channel in ROTATIONS)


def position_axes(channels: Channels) -> list[int]:
    return ["XYZ".index(channel[0]) for channel in channels if channel in POSITIONS]


def values_to_transforms(
    hierarchy: Hierarchy, values: Float[np.ndarray, "frames channels"]
) -> tuple[Float[np.ndarray, "frames joints 4"], Float[np.ndarray, "frames joints 3"]]:
    """Local rotations and translations of every frame."""
    frames, joints, columns = len(values), len(hierarchy.names), hierarchy.columns
    rotations = np.zeros((frames, joints, 4))
    rotations[..., 3] = 1.0
    translations = np.broadcast_to(hierarchy.offsets, (frames, joints, 3)).copy()
    for joint, channels in enumerate(hierarchy.channels):
        own = values[:, columns[joint]]
        turning = [k for k, name in enumerate(channels) if name in ROTATIONS]
        moving = [k for k, name in enumerate(channels) if name in POSITIONS]
        if turning:
            rotations[:, joint] = euler_to_quat(rotation_order(channels), own[:, turning])
        translations[:, joint, position_axes(channels)] = own[:, moving]
    return rotations, translations
