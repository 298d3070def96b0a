"""What `mocap convert` does: read, choose, bend to the user's wishes, write."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mocapcli.console import warnings_as_notes
from mocapcli.errors import InvalidDataError, ReadError, WriteError
from mocapcli.filters.chain import Step, filter_asset
from mocapcli.formats import find_writer, is_readable, read_asset, write_asset
from mocapcli.kinematics import crop, transform_asset
from mocapcli.retarget_names import match_joints, transfer
from mocapcli.types import Asset, Motion
from mocapcli.whole_file import spare_inputs

Z_UP_TO_Y_UP = np.array([-np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5)])


@dataclass(frozen=True)
class Wishes:
    """Everything the command line can ask of a conversion."""

    clips: tuple[str, ...] = ()  # names or numbers; none: all
    fps: float | None = None
    start: float | None = None  # seconds
    end: float | None = None
    z_up: bool = False
    scale: float = 1.0  # metres per unit of the input
    rig: Asset | None = None
    rig_path: Path | None = None
    plugin: str | None = None
    to_plugin: str | None = None
    overwrite: bool | None = None  # None: any file but the ones read
    filters: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Result:
    """One conversion that went well."""

    target: Path
    joints: int
    clips: int
    frames: int
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        counts = [(self.joints, "joint"), (self.clips, "clip"), (self.frames, "frame")]
        return f"{self.target}: " + ", ".join(f"{count} {what}{'s' * (count != 1)}" for count, what in counts)


def convert_file(source: Path, target: Path, wishes: Wishes) -> Result:
    """Convert one file. What the output cannot carry comes back as notes."""
    output = find_writer(target, wishes.to_plugin)
    _check_overwrite(source, target, wishes)
    with warnings_as_notes() as warned:
        read = read_asset(source, wishes.plugin)
        matched = [] if wishes.rig is None else match_notes(read, wishes.rig)
        asset = prepare(read, source, wishes)
        write_asset(target, asset, wishes.to_plugin)
    clips = asset.motions if "motions" in output.keeps else asset.motions[:1]
    frames = sum(clip.frames for clip in clips)
    return Result(target, asset.rig.skeleton.joints, len(clips), frames, (*matched, *warned))


def prepare(asset: Asset, source: Path, wishes: Wishes) -> Asset:
    """The asset as it is to be written."""
    try:
        asset = asset.with_motions(choose_clips(asset.motions, wishes.clips))
        if wishes.z_up or wishes.scale != 1.0:
            asset = transform_asset(asset, wishes.scale, Z_UP_TO_Y_UP if wishes.z_up else None)
        if not (wishes.fps is None and wishes.start is None and wishes.end is None):
            asset = asset.with_motions(crop(clip, wishes.start, wishes.end, wishes.fps) for clip in asset.motions)
        return filter_asset(asset if wishes.rig is None else _onto_rig(asset, wishes.rig), wishes.filters)
    except InvalidDataError as error:
        error.path = error.path or source
        raise


def choose_clips(clips: Sequence[Motion], wanted: Sequence[str]) -> list[Motion]:
    """Clips by name or by number (from 0), in the order asked for; all where nothing is asked."""
    if not wanted:
        return list(clips)
    names = [clip.name for clip in clips]
    chosen = []
    for wish in wanted:
        if wish in names:
            chosen.append(clips[names.index(wish)])
        elif wish.isascii() and wish.isdecimal() and len(wish) < 9 and int(wish) < len(clips):
            chosen.append(clips[int(wish)])
        else:
            known = ", ".join(f"{number} {name!r}" for number, name in enumerate(names[:20]))
            remedy = f"it has {known}{', …' if len(names) > 20 else ''}" if names else "it has no clips at all"
            raise InvalidDataError(f"no clip {wish!r}", remedy=remedy)
    return chosen


def find_inputs(folder: Path, plugin: str | None, leave_out: Path) -> list[Path]:
    """Readable files below a folder in a steady order, without those below `leave_out`."""
    leave_out = leave_out.resolve()
    inside = leave_out != folder.resolve()
    return sorted(
        path
        for path in folder.rglob("*")
        if is_readable(path, plugin) and path.is_file() and not (inside and leave_out in path.resolve().parents)
    )


def plan_folder(folder: Path, target: Path, extension: str, plugin: str | None) -> dict[Path, Path]:
    """Which file becomes which: the same tree under `target` with another extension.

    Where two files would become one (`walk.bvh`, `walk.fbx`), both keep their old extension in the name.
    """
    inputs = find_inputs(folder, plugin, target)
    if not inputs:
        raise ReadError("no file in it can be read", path=folder, remedy="see `mocap plugins` for known types")
    plan = {path: target / path.relative_to(folder).with_suffix(f".{extension}") for path in inputs}
    counts = Counter(plan.values())
    for path, output in plan.items():
        if counts[output] > 1:
            plan[path] = output.with_name(f"{path.name}.{extension}")
    return plan


def _onto_rig(asset: Asset, rig: Asset) -> Asset:
    match = match_joints(asset.rig.skeleton.names, rig.rig.skeleton.names)
    clips = [transfer(asset.rig.skeleton, clip, rig.rig.skeleton, match) for clip in asset.motions]
    return rig.with_motions(clips)


def match_notes(source: Asset, rig: Asset) -> list[str]:
    """How many joints found their namesake, and which did not."""
    names = rig.rig.skeleton.names
    match = match_joints(source.rig.skeleton.names, names)
    lines = [f"{match.matched} of the rig's {len(names)} joints matched by name, {match.exact} of them exactly"]
    still = [names[joint] for joint in np.flatnonzero(match.sources < 0)]
    if still:
        lines.append(f"at rest: {', '.join(still[:12])}{' …' if len(still) > 12 else ''}")
    idle = source.rig.skeleton.joints - match.matched
    if idle:
        lines.append(f"{idle} joint{'s' * (idle != 1)} of the motion drive{'s' * (idle == 1)} nothing")
    return lines


def _check_overwrite(source: Path, target: Path, wishes: Wishes) -> None:
    if not target.exists() or wishes.overwrite:
        return
    if wishes.overwrite is False:
        raise WriteError("the file exists already", path=target, remedy="remove --no-overwrite to replace it")
    spare_inputs(target, [source, *filter(None, [wishes.rig_path])])
