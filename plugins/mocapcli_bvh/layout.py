"""Which channels a skeleton gets, and transforms turned into their values."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from mocapcli.types import Skeleton, unique_names
from mocapcli_bvh.euler import quat_to_euler
from mocapcli_bvh.hierarchy import (
    GATHERING_ROOT,
    POSITIONS,
    ROTATIONS,
    Channels,
    EndSite,
    Hierarchy,
    position_axes,
    rotation_order,
)

MOVES = 1e-5  # of the rig's size: a joint that strays less from its offset needs no position channels
TURNS = 1e-5  # degrees: an angle below this needs no rotation channel
END_SITE = 0.3  # of the bone that leads to a leaf


def plain_hierarchy(skeleton: Skeleton, offsets: Float[np.ndarray, "joints 3"]) -> tuple[Hierarchy, list[int]]:
    """A layout that all readers agree on, and which joint of the skeleton stands where (-1: added).

    Roots get positions and no offset, since some readers add the two and others replace. Blender alone reads
    several ROOTs, so those are gathered under one still joint, which our reader takes out again. Blanks in names
    become underscores, as Blender makes them; others would cut the name there.
    """
    joints = _depth_first(skeleton)
    names = unique_names(["_".join(skeleton.names[joint].split()) for joint in joints])
    place = {joint: position for position, joint in enumerate(joints)}
    parents = [place.get(int(skeleton.parents[joint]), -1) for joint in joints]
    steps = np.where(skeleton.parents[joints, None] < 0, 0.0, offsets[joints])
    channels = tuple((*POSITIONS, *ROTATIONS) if parent < 0 else ROTATIONS for parent in parents)
    hierarchy = Hierarchy(names, np.array(parents, dtype=np.int64), steps, channels)
    hierarchy = replace(hierarchy, end_sites=_end_sites(hierarchy, rig_size(skeleton)))
    return (_gather(hierarchy), [-1, *joints]) if len(skeleton.roots) > 1 else (hierarchy, joints)


def _depth_first(skeleton: Skeleton) -> list[int]:
    """Joints so that each is followed by its descendants, as nesting writes them."""
    children = skeleton.children
    pending, order = skeleton.roots[::-1], []
    while pending:
        joint = pending.pop()
        order.append(joint)
        pending.extend(reversed(children[joint]))
    return order


def _gather(hierarchy: Hierarchy) -> Hierarchy:
    """One still root above several."""
    return Hierarchy(
        (GATHERING_ROOT, *hierarchy.names),
        np.concatenate([[-1], hierarchy.parents + 1]),
        np.concatenate([np.zeros((1, 3)), hierarchy.offsets]),
        ((*POSITIONS, *ROTATIONS), *hierarchy.channels),
        tuple(EndSite(site.joint + 1, site.offset) for site in hierarchy.end_sites),
    )


def _end_sites(hierarchy: Hierarchy, size: float) -> tuple[EndSite, ...]:
    """Leaves go on a little in the direction of the bone that leads to them, so that Blender shows a bone."""
    sites = []
    for joint in sorted(set(range(len(hierarchy.names))) - set(hierarchy.parents.tolist())):
        x, y, z = (hierarchy.offsets[joint] * END_SITE).tolist()
        if np.hypot(np.hypot(x, y), z) < 1e-3 * size:
            x, y, z = 0.0, 0.05 * size, 0.0
        sites.append(EndSite(joint, (x, y, z)))
    return tuple(sites)


def rig_size(skeleton: Skeleton) -> float:
    """The sum of the longest offsets along each axis, or 1 for a single point: a length to measure noise against."""
    inner = skeleton.rest_translations[skeleton.parents >= 0]
    size = float(np.abs(inner).max(axis=0).sum()) if len(inner) else 0.0
    return size if size > 1e-12 else 1.0


def fit_channels(
    hierarchy: Hierarchy,
    rotations: Float[np.ndarray, "frames joints 4"],
    translations: Float[np.ndarray, "frames joints 3"],
    size: float,
) -> Hierarchy:
    """The hierarchy with channels added where the motion needs what a joint does not have."""
    strays = np.abs(translations - hierarchy.offsets).max(axis=0) > MOVES * size
    channels = []
    for joint, own in enumerate(hierarchy.channels):
        lacking = set(np.flatnonzero(strays[joint]).tolist()) - set(position_axes(own))
        positions = POSITIONS if lacking else tuple(name for name in own if name in POSITIONS)
        turning = tuple(name for name in own if name in ROTATIONS)
        if not _can_turn(turning, rotations[:, joint]):
            turning = ROTATIONS
        changed = set(positions) | set(turning) != set(own) or len(positions) + len(turning) != len(own)
        channels.append((*positions, *turning) if changed else own)
    return replace(hierarchy, channels=tuple(channels))


def ambiguous_joints(hierarchy: Hierarchy, size: float) -> list[int]:
    """Joints whose position channels stand beside an OFFSET: some readers take its place with them, some add."""
    return [
        joint
        for joint, own in enumerate(hierarchy.channels)
        if (np.abs(hierarchy.offsets[joint, position_axes(own)]) > MOVES * size).any()
    ]


def _can_turn(turning: Channels, rotations: Float[np.ndarray, "frames 4"]) -> bool:
    """Whether these rotation channels can hold the motion; repeated axes are not solved for."""
    order = rotation_order(turning)
    if len(set(order)) != len(order):
        return False
    if len(order) == 3:
        return True
    rest = quat_to_euler(_completed(order), rotations, flat=True)[:, len(order) :]
    return bool(np.abs((rest + 180.0) % 360.0 - 180.0).max() < TURNS)


def _completed(order: str) -> str:
    return order + "".join(axis for axis in "ZXY" if axis not in order)


def transforms_to_values(
    hierarchy: Hierarchy,
    rotations: Float[np.ndarray, "frames joints 4"],
    translations: Float[np.ndarray, "frames joints 3"],
) -> Float[np.ndarray, "frames channels"]:
    """Channel values of every frame; the layout must fit (`fit_channels`)."""
    values = np.empty((len(rotations), hierarchy.width))
    for joint, (channels, columns) in enumerate(zip(hierarchy.channels, hierarchy.columns, strict=True)):
        order = rotation_order(channels)
        own = values[:, columns]
        if order:
            turning = [k for k, name in enumerate(channels) if name in ROTATIONS]
            angles = quat_to_euler(_completed(order), rotations[:, joint], flat=len(order) < 3)
            own[:, turning] = angles[:, : len(order)]
        moving = [k for k, name in enumerate(channels) if name in POSITIONS]
        own[:, moving] = translations[:, joint, position_axes(channels)]
    return values
