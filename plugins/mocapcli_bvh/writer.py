"""An Asset to BVH text."""

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float

from mocapcli.errors import DroppedWarning
from mocapcli.types import Asset, Motion, Skeleton
from mocapcli_bvh.hierarchy import BvhSource, Channels, EndSite, Hierarchy
from mocapcli_bvh.layout import ambiguous_joints, fit_channels, plain_hierarchy, rig_size, transforms_to_values
from mocapcli_bvh.rebase import rebase

REST_FPS = 30.0
DIFFER = (
    "BVH programs differ on position channels beside an OFFSET (Blender takes the channels alone, three.js the sum)"
)
DEEPEST_INDENT = 40  # tabs; a chain of ten thousand joints must not fill the disk with them

NumberText = Callable[[float], str]


def write_bvh(path: Path, asset: Asset) -> None:
    """Write the rig and its first clip.

    A rig that came from a BVH file keeps its channels, orders and End Sites; its own untouched clip keeps its
    very numbers. A rig from elsewhere that has no clip gets one frame of its rest pose, since Blender refuses a
    file without frames.
    """
    source = _matching_source(asset)
    motion = asset.motions[0] if asset.motions else None
    if source is not None and (motion is None or _is_original(motion, source)):
        values = source.values if motion is not None else None
        if motion is not None:
            _tell_of_ambiguous_joints(source.hierarchy, rig_size(source.skeleton))
        _write(path, source.hierarchy, source.encoding, _frame_time(motion, source), values, None)
        return
    skeleton = asset.rig.skeleton
    played = _rest_motion(skeleton) if motion is None else motion
    rotations, translations, offsets = rebase(skeleton, played)
    size = rig_size(skeleton)
    if source is None:
        hierarchy, joints = plain_hierarchy(skeleton, offsets)
        _tell_of_new_names(
            [(skeleton.names[j], name) for j, name in zip(joints, hierarchy.names, strict=True) if j >= 0]
        )
        rotations, translations = _pick(rotations, joints, [0, 0, 0, 1]), _pick(translations, joints, [0, 0, 0])
    else:
        hierarchy = source.hierarchy
    hierarchy = fit_channels(hierarchy, rotations, translations, size)
    _tell_of_ambiguous_joints(hierarchy, size)
    values = transforms_to_values(hierarchy, rotations, translations)
    encoding = "utf-8" if source is None else source.encoding
    _write(path, hierarchy, encoding, _frame_time(played, source), values, size)


def _tell_of_new_names(pairs: list[tuple[str, str]]) -> None:
    changed = [(old, new) for old, new in pairs if old != new]
    if changed:
        old, new = (name[:40] for name in changed[0])
        count = f"{len(changed)} joint name{'s' * (len(changed) != 1)}"
        message = f"blanks, which BVH programs cannot read, leave {count}: {old!r} becomes {new!r}"
        warnings.warn(message, DroppedWarning, stacklevel=3)


def _tell_of_ambiguous_joints(hierarchy: Hierarchy, size: float) -> None:
    """Warn where programs differ on the place of a joint, so that nobody has to find out by looking."""
    names = [hierarchy.names[joint][:40] for joint in ambiguous_joints(hierarchy, size)]
    if names:
        rest = f" and {len(names) - 3} more" * (len(names) > 3)
        warnings.warn(f"{DIFFER}: {', '.join(names[:3])}{rest}", DroppedWarning, stacklevel=2)


def _matching_source(asset: Asset) -> BvhSource | None:
    """The file the rig came from, if the skeleton is still that of the file."""
    source, skeleton = asset.rig.source, asset.rig.skeleton
    if not isinstance(source, BvhSource):
        return None
    if source.skeleton is skeleton:
        return source
    same = (
        source.skeleton.names == skeleton.names
        and np.array_equal(source.skeleton.parents, skeleton.parents)
        and np.array_equal(source.skeleton.rest_translations, skeleton.rest_translations)
        and np.array_equal(source.skeleton.rest_rotations, skeleton.rest_rotations)
    )
    return source if same else None


def _is_original(motion: Motion, source: BvhSource) -> bool:
    read = source.motion
    if read is None or motion is read:
        return motion is read
    return (
        motion.scales is None
        and np.array_equal(motion.rotations, read.rotations)
        and np.array_equal(motion.translations, read.translations)
    )


def _frame_time(motion: Motion | None, source: BvhSource | None) -> str | None:
    """Seconds per frame as text; the file's own where the rate is still the file's."""
    if motion is None:
        return None if source is None or source.frame_time is None else repr(source.frame_time)
    if source is not None and source.frame_time and source.motion and source.motion.fps == motion.fps:
        return repr(source.frame_time)
    return f"{1.0 / motion.fps:.12g}"


def _rest_motion(skeleton: Skeleton) -> Motion:
    return Motion("rest", REST_FPS, skeleton.rest_rotations[None], skeleton.rest_translations[None])


def _pick(
    values: Float[np.ndarray, "frames joints axes"], joints: list[int], still: list[float]
) -> Float[np.ndarray, "frames places axes"]:
    """Values in file order; joint -1 (the one added above several roots) stands still."""
    picked: np.ndarray = values[:, np.maximum(joints, 0)]
    picked[:, np.array(joints) < 0] = still
    return picked


def _write(
    path: Path,
    hierarchy: Hierarchy,
    encoding: str,
    frame_time: str | None,
    values: Float[np.ndarray, "frames channels"] | None,
    size: float | None,
) -> None:
    """`size` of the rig decides how many decimals lengths get; None: every digit, for numbers that came from a file."""
    decimals = None if size is None else int(np.clip(7 - np.floor(np.log10(size)), 4, 12))
    number: NumberText = repr if decimals is None else f"{{:.{decimals}f}}".format
    with path.open("w", encoding=encoding, newline="\n") as stream:
        stream.writelines(f"{line}\n" for line in _hierarchy_lines(hierarchy, number))
        if frame_time is None and values is None:
            return
        rows = np.zeros((0, hierarchy.width)) if values is None else values
        stream.write(f"MOTION\nFrames: {len(rows)}\nFrame Time: {frame_time or repr(1.0 / REST_FPS)}\n")
        stream.writelines(_rows(hierarchy.channels, rows, decimals))


def _hierarchy_lines(hierarchy: Hierarchy, number: NumberText) -> Iterator[str]:
    """The HIERARCHY section; joints stand in file order, so a joint closes whatever is not its ancestor."""
    sites: dict[int, list[EndSite]] = {}
    for site in hierarchy.end_sites:
        sites.setdefault(site.joint, []).append(site)
    yield "HIERARCHY"
    open_joints: list[int] = []
    for joint, (name, parent) in enumerate(zip(hierarchy.names, hierarchy.parents.tolist(), strict=True)):
        while open_joints and open_joints[-1] != parent:
            open_joints.pop()
            yield _indent(len(open_joints)) + "}"
        depth = len(open_joints)
        yield _indent(depth) + f"{'JOINT' if open_joints else 'ROOT'} {name}".rstrip()
        yield _indent(depth) + "{"
        yield _indent(depth + 1) + "OFFSET " + " ".join(map(number, hierarchy.offsets[joint].tolist()))
        channels = hierarchy.channels[joint]
        yield _indent(depth + 1) + " ".join(["CHANNELS", str(len(channels)), *channels])
        for site in sites.get(joint, ()):
            yield from _end_site_lines(site, depth + 1, number)
        open_joints.append(joint)
    while open_joints:
        open_joints.pop()
        yield _indent(len(open_joints)) + "}"


def _end_site_lines(site: EndSite, depth: int, number: NumberText) -> Iterator[str]:
    yield _indent(depth) + "End Site"
    yield _indent(depth) + "{"
    yield _indent(depth + 1) + "OFFSET " + " ".join(map(number, site.offset))
    yield _indent(depth) + "}"


def _indent(depth: int) -> str:
    return "\t" * min(depth, DEEPEST_INDENT)


def _rows(
    channels: tuple[Channels, ...], values: Float[np.ndarray, "frames channels"], decimals: int | None
) -> Iterator[str]:
    """One line per frame. Converted angles get six decimals: 1e-8 radians, and no exponents to trip other readers."""
    if decimals is None:
        for row in values:
            yield " ".join(map(repr, row.tolist())) + "\n"
        return
    names = [name for joint in channels for name in joint]
    template = " ".join("%.6f" if name.endswith("rotation") else f"%.{decimals}f" for name in names) + "\n"
    for row in values:
        yield template % tuple(row.tolist())
