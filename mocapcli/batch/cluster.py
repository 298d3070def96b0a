"""Workers as ray actors, on this machine or on all of a cluster: each holds its GPU, or its group of cores.

The cluster is the one `RAY_ADDRESS` names or the program has connected to, else one is started here for the run.
All machines must see the inputs and outputs under the same paths.
"""

import contextlib
import os
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from mocapcli.batch.items import Factory, Item, Report, Work, perform, reason_of
from mocapcli.errors import MocapError, UnsupportedError

CORES = 4  # of an actor, where neither GPUs nor the user say how many actors there are to be
FAILED_STARTS = 3  # in a row, until nobody believes in the next


def open_ray(factory: Factory, workers: int | None, items: int) -> "RayCrew":
    """An actor for each GPU; without any, one for every few cores."""
    try:
        import ray  # noqa: F401
    except ImportError:
        raise UnsupportedError("ray is not installed", remedy="pip install 'mocapcli[ray]'") from None
    return RayCrew(factory, workers, items)


@dataclass
class _Actor:
    handle: Any
    ready: bool = False
    item: Item | None = None
    since: float = 0.0


class RayCrew:
    """Actors, each with one call under way at most."""

    def __init__(self, factory: Factory, workers: int | None, items: int) -> None:
        self._factory = factory
        self._wanted = workers
        self._items = items
        self._resources: dict[str, float] = {}
        self._idle: list[_Actor] = []
        self._busy: dict[Any, _Actor] = {}  # by the reference to what it will answer
        self._failed_starts = 0
        self._own_cluster = False

    def __enter__(self) -> "RayCrew":
        import ray

        if not ray.is_initialized():
            self._own_cluster = True
            _connect()
        count, self._resources = _share(ray.cluster_resources(), self._wanted)
        for _ in range(min(count, self._items)):
            self._start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        import ray

        for actor in [*self._idle, *self._busy.values()]:
            with contextlib.suppress(Exception):
                ray.kill(actor.handle)
        if self._own_cluster:
            ray.shutdown()

    @property
    def idle(self) -> int:
        return len(self._idle)

    def give(self, item: Item) -> None:
        actor = self._idle.pop(0)
        actor.item, actor.since = item, time.monotonic()
        self._busy[actor.handle.work.remote(item)] = actor

    def wait(self) -> list[Report]:
        import ray

        settled, _ = ray.wait(list(self._busy), num_returns=1)
        reports = []
        for reference in settled:
            actor = self._busy.pop(reference)
            try:
                reports += self._hear(actor, ray.get(reference))
            except ray.exceptions.RayTaskError as error:  # alive, but what it was sent or sent back cannot travel
                reports += self._hear(actor, _not_understood(actor, error.cause))
            except ray.exceptions.RayError as error:
                reports += self._replace(actor, error)
        return reports

    def _hear(self, actor: _Actor, message: Report | MocapError | None) -> list[Report]:
        if isinstance(message, MocapError):
            raise message
        actor.ready, actor.item, self._failed_starts = True, None, 0
        self._idle.append(actor)
        return [] if message is None else [message]

    def _replace(self, actor: _Actor, error: Exception) -> list[Report]:
        import ray

        with contextlib.suppress(Exception):
            ray.kill(actor.handle)  # one that is only out of reach must not finish what another begins anew
        reason = _last_words(error)
        if not actor.ready:
            self._failed_starts += 1
        if self._failed_starts >= FAILED_STARTS:
            raise MocapError(f"workers die as soon as they start ({reason})", remedy="see `ray status`")
        self._start()
        item = actor.item
        return [] if item is None else [Report(item.key, "died", reason, seconds=time.monotonic() - actor.since)]

    def _start(self) -> None:
        import ray

        options = {"max_restarts": 0, "scheduling_strategy": "SPREAD", **self._resources}
        handle = ray.remote(_Holder).options(**options).remote()
        self._busy[handle.start.remote(self._factory)] = _Actor(handle)


class _Holder:
    """What runs over there: makes the work once and keeps it."""

    def __init__(self) -> None:
        self._work: Work | None = None

    def start(self, factory: Factory) -> MocapError | None:
        try:
            self._work = factory()
        except Exception as error:
            return error if isinstance(error, MocapError) else MocapError(f"no worker starts: {reason_of(error)}")
        return None

    def work(self, item: Item) -> Report:
        if self._work is None:
            raise RuntimeError("asked to work before being started")
        return perform(self._work, item)


def _connect() -> None:
    """The user's cluster, or a small one here that tells nobody and shows nothing."""
    import ray

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # as ray will do it; unset, it warns
    own = {} if os.environ.get("RAY_ADDRESS") else {"include_dashboard": False}
    try:
        ray.init(log_to_driver=False, logging_level="ERROR", **own)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise MocapError(f"no ray cluster: {reason_of(error)}", remedy="see RAY_ADDRESS and `ray status`") from None


def _share(resources: dict[str, float], wanted: int | None) -> tuple[int, dict[str, float]]:
    """How many actors, and what each may keep for itself."""
    graphics, cores = int(resources.get("GPU", 0)), max(1.0, resources.get("CPU", 1.0))
    count = wanted or graphics or max(1, int(cores) // CORES)
    share = cores / count
    needs = {"num_cpus": float(int(share)) if share >= 1 else share}  # ray knows no odd parts of more than one
    if graphics:
        needs["num_gpus"] = 1.0 if count <= graphics else graphics / count
        needs["num_cpus"] = min(needs["num_cpus"], 1.0)
    return count, needs


def _not_understood(actor: _Actor, cause: Exception) -> Report | MocapError:
    reason = " ".join(str(cause).split()[:40])
    if actor.item is None:
        return MocapError(f"no worker starts: {reason}", remedy="what it needs must be installed on every machine")
    return Report(actor.item.key, "failed", reason)


def _last_words(error: Exception) -> str:
    """Ray explains at length; the first sentence that says something is enough for a table."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else 'no reason given'}"
