"""`adapt_rig`: a network that knows the user's rig, from the cache or by learning now."""

import copy
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from mocapcli.adapting.adapt import AdaptOptions, Progress, adapt
from mocapcli.adapting.adapter import Adapter, Origin, rig_digest
from mocapcli.adapting.cache import adapter_path
from mocapcli.adapting.scenes import RigScenes
from mocapcli.errors import InvalidDataError, MocapError, WriteError
from mocapcli.network.model import MotionNetwork, digest_of
from mocapcli.types import Asset
from mocapcli.whole_file import check_place

ENOUGH = 0.9  # of the time asked for: an adapter with less behind it is taken further


@dataclass(frozen=True, eq=False)
class Adapted:
    """The network for one rig, and how it came about."""

    network: MotionNetwork
    adapter: Adapter
    path: Path | None  # where the adapter lies
    from_cache: bool


def adapt_rig(
    asset: Asset,
    network: MotionNetwork,
    seconds: float,
    *,
    use_clips: bool = True,
    keep: Path | None = None,
    threads: int = 0,
    watch: Callable[[Progress], object] = lambda progress: None,
) -> Adapted:
    """The network adapted to a rig. `keep`: the adapter's file, else one in the cache.

    An adapter that is there and has had its time is used; one with less is taken further. `watch` hears of the time
    spent before as well.
    """
    model, rig = digest_of(network), rig_digest(asset, use_clips)
    path = keep or adapter_path(rig, model)
    before = _known(path, rig, model)
    if keep is not None and before is None:
        _check_place(keep, rig)
    own = copy.deepcopy(network)
    spent = 0.0
    if before is not None:
        before.apply(own)
        spent = before.origin.seconds
        if spent >= ENOUGH * seconds:
            return Adapted(own.eval(), before, path, True)
    side, imaginer = network.config.side, network.imaginer
    scenes = RigScenes(asset, side, use_clips=use_clips, seed=round(spent), imaginer=imaginer)

    def tell(progress: Progress) -> None:
        watch(replace(progress, seconds=spent + progress.seconds))

    own, reached = adapt(own, scenes, AdaptOptions(seconds - spent, threads), tell)
    samples = reached.samples + (before.origin.samples if before else 0)
    origin = Origin(rig, model, asset.rig.name, spent + reached.seconds, samples, reached.figures)
    adapter = Adapter.between(network, own, origin)
    kept = _kept(adapter, path, keep is not None)
    if reached.stopped:  # what was learnt goes on another time; whoever stopped it wants no more now
        raise KeyboardInterrupt
    return Adapted(own, adapter, path if kept else None, False)


def is_known(asset: Asset, network: MotionNetwork, use_clips: bool) -> bool:
    """Whether the cache holds an adapter of this rig and model."""
    model, rig = digest_of(network), rig_digest(asset, use_clips)
    return _known(adapter_path(rig, model), rig, model) is not None


def apply_adapter(path: Path, asset: Asset, network: MotionNetwork) -> MotionNetwork:
    """A network with the adapter of a file, which must belong to this rig and model."""
    adapter = Adapter.load(path)
    if adapter.origin.model != digest_of(network):
        raise InvalidDataError(
            "this adapter was made for another model", path=path, remedy="mocap adapt makes a new one"
        )
    if adapter.origin.rig not in (rig_digest(asset, True), rig_digest(asset, False)):
        raise InvalidDataError(f"this adapter was made for another rig, {adapter.origin.rig_name!r}", path=path)
    own = copy.deepcopy(network)
    adapter.apply(own)
    return own.eval()


def _check_place(path: Path, rig: str) -> None:
    """Minutes of learning must not end in a place that cannot take them, nor in the rig's own file."""
    check_place(path)
    if path.exists():
        try:
            of_this_rig = Adapter.load(path).origin.rig == rig
        except MocapError:
            of_this_rig = False
        if not of_this_rig:
            problem = "this file is there already, and holds nothing learnt of this rig"
            raise WriteError(problem, path=path, remedy="choose another for -o")


def _kept(adapter: Adapter, path: Path, asked: bool) -> bool:
    """The adapter written; a cache that takes none costs the next capture the learning, but not this one its result.

    Another run may have learnt the rig for longer meanwhile: that stays.
    """
    origin = adapter.origin
    there = None if asked else _known(path, origin.rig, origin.model)
    if there is not None and there.origin.seconds > origin.seconds:
        return True
    try:
        if not asked:
            path.parent.mkdir(parents=True, exist_ok=True)
        adapter.save(path)
    except (OSError, WriteError) as error:
        if asked:
            raise
        warnings.warn(f"what was learnt of the rig cannot be kept in {path.parent} ({error})", stacklevel=2)
        return False
    return True


def _known(path: Path, rig: str, model: str) -> Adapter | None:
    """The adapter of a file, if it is there and of this rig and model; a damaged one is made anew."""
    if not path.exists():
        return None
    try:
        adapter = Adapter.load(path)
    except MocapError:
        return None
    return adapter if (adapter.origin.rig, adapter.origin.model) == (rig, model) else None
