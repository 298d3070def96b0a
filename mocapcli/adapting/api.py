"""`adapt_rig`: a network that knows the user's rig, from the cache or by learning now."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mocapcli.adapting.adapt import AdaptOptions, Progress, adapt
from mocapcli.adapting.adapter import Adapter, Origin, rig_digest
from mocapcli.adapting.cache import adapter_path
from mocapcli.adapting.scenes import RigScenes
from mocapcli.errors import InvalidDataError, MocapError
from mocapcli.network.model import MotionNetwork, digest_of
from mocapcli.types import Asset

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

    An adapter that is there and has had its time is used; one with less is taken further.
    """
    model, rig = digest_of(network), rig_digest(asset, use_clips)
    path = keep or adapter_path(rig, model)
    before = _known(path, rig, model)
    own = copy.deepcopy(network)
    spent = 0.0
    if before is not None:
        before.apply(own)
        spent = before.origin.seconds
        if spent >= ENOUGH * seconds:
            return Adapted(own.eval(), before, path, True)
    scenes = RigScenes(asset, network.config.side, use_clips=use_clips, seed=round(spent))
    own, reached = adapt(own, scenes, AdaptOptions(seconds - spent, threads), watch)
    samples = reached.samples + (before.origin.samples if before else 0)
    origin = Origin(rig, model, asset.rig.name, spent + reached.seconds, samples, reached.figures)
    adapter = Adapter.between(network, own, origin)
    adapter.save(path)
    return Adapted(own, adapter, path, False)


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


def _known(path: Path, rig: str, model: str) -> Adapter | None:
    """The adapter of a file, if it is there and of this rig and model; a damaged one is made anew."""
    if not path.exists():
        return None
    try:
        adapter = Adapter.load(path)
    except MocapError:
        return None
    return adapter if (adapter.origin.rig, adapter.origin.model) == (rig, model) else None
