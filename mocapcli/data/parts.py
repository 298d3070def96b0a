"""Files that belong together become rigs of a cache: broken ones are reported and skipped, never fatal."""

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path

from mocapcli.data import compact
from mocapcli.data.cache import Cache, Entry
from mocapcli.data.layouts import Group
from mocapcli.data.repair import repair_bvh
from mocapcli.data.simplify import simplify_asset
from mocapcli.data.splits import Listing, topology_family
from mocapcli.errors import MocapError
from mocapcli.formats import read_asset
from mocapcli.retarget_names import match_joints, transfer
from mocapcli.types import Asset, Motion
from mocapcli.whole_file import whole_file
from mocapcli.zoo import make_creature

SAME_RIG = 0.8  # of a body's joints must be named in a motion before it may borrow it
MOST_CLIP_FRAMES = 20_000


@dataclass
class _Member:
    """One file of a group while it is being worked on."""

    path: Path
    asset: Asset
    lends_only: bool = False  # its motions went to a body; it is no entry of its own


@dataclass
class _Part:
    """What a group, or a creature, gives the cache."""

    folder: Path
    root: Path
    entries: list[Entry] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)


def build_part(task: Group | int, folder: Path, root: Path) -> Cache:
    """Store the rigs of one group of files, or the creature of a seed, in the cache's folder."""
    part = _Part(folder, root)
    if isinstance(task, int):
        part.entries.append(_store_creature(task, part))
    else:
        _build_group(task, part)
    return Cache(folder, tuple(part.entries), part.skipped)


def _store_creature(seed: int, part: _Part) -> Entry:
    """A procedural creature; those of one kind count as a family, or hundreds of them would outweigh the real rigs."""
    asset = simplify_asset(make_creature(seed))
    kind = asset.rig.name.rpartition("-")[0]
    path = part.root / f"zoo/{asset.rig.name}"
    return _store(_Member(path, asset), Listing(path.name, "train", f"zoo-{kind}", "zoo"), part)


def _build_group(group: Group, part: _Part) -> None:
    members = []
    for path in group.files:
        try:
            members.append(_Member(path, simplify_asset(_bounded(_read(path)))))
        except (MocapError, OSError) as error:
            part.skipped[_label(path, part.root)] = getattr(error, "problem", str(error))
    _share_motions(members, listed=bool(group.listings))
    for member in members:
        if member.lends_only:
            continue
        if not member.asset.motions and member.asset.rig.mesh is None:
            part.skipped[_label(member.path, part.root)] = "neither a mesh nor a clip"
            continue
        part.entries.append(_store(member, group.listings.get(member.path), part))


def _read(path: Path) -> Asset:
    asset = read_asset(path)
    return repair_bvh(asset) if path.suffix.lower() == ".bvh" else asset


def _bounded(asset: Asset) -> Asset:
    """Clips of absurd length would fill the memory of everybody who opens the cache."""
    return asset.with_motions(motion for motion in asset.motions if motion.frames <= MOST_CLIP_FRAMES)


def _share_motions(members: list[_Member], listed: bool) -> None:
    """A rig in one file, its motions in others: bodies get the motions of files that name their joints.

    Files a manifest lists stay entries of their own, and only bodies without any clip borrow.
    """
    bodies = [member for member in members if member.asset.rig.mesh is not None]
    for body in bodies:
        if listed and body.asset.motions:
            continue
        has_none = not body.asset.motions
        for other in members:
            motion_only = other.asset.rig.mesh is None
            if other is body or not other.asset.motions or not (motion_only or has_none):
                continue
            borrowed = _borrow(body.asset, other)
            if borrowed:
                body.asset = body.asset.with_motions([*body.asset.motions, *borrowed])
                other.lends_only |= motion_only and not listed


def _borrow(body: Asset, other: _Member) -> list[Motion]:
    source, target = other.asset.rig.skeleton, body.rig.skeleton
    match = match_joints(source.names, target.names)
    if match.matched < SAME_RIG * target.joints:
        return []
    motions = []
    for motion in other.asset.motions:
        moved = transfer(source, motion, target, match)
        unnamed = len(other.asset.motions) == 1 or not motion.name
        name = other.path.stem if unnamed else motion.name
        motions.append(Motion(name, moved.fps, moved.rotations, moved.translations))
    return motions


def _store(member: _Member, listing: Listing | None, part: _Part) -> Entry:
    asset, source = member.asset, _label(member.path, part.root)
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", member.path.stem)[:40]
    file = f"rigs/{stem}-{hashlib.sha256(source.encode()).hexdigest()[:8]}.npz"
    with whole_file(part.folder / file) as temporary:
        compact.save(temporary, asset)
    mesh = asset.rig.mesh
    return Entry(
        file=file,
        source=source,
        split=listing.split if listing else "train",
        family=listing.family if listing else topology_family(asset.rig.skeleton),
        category=listing.category if listing else "other",
        joints=asset.rig.skeleton.joints,
        triangles=0 if mesh is None else len(mesh.faces),
        motion_names=tuple(motion.name for motion in asset.motions),
        motion_frames=tuple(motion.frames for motion in asset.motions),
    )


def _label(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
