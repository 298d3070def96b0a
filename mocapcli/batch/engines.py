"""Who does the work, by name. Every engine gives a crew with the same few moves, and `run` needs no others."""

from importlib import import_module
from types import TracebackType
from typing import Protocol, runtime_checkable

from mocapcli.batch.items import Factory, Item, Report
from mocapcli.errors import UsageError

ENGINES = {
    "local": "mocapcli.batch.local.open_local",
    "ray": "mocapcli.batch.cluster.open_ray",
}


@runtime_checkable
class Crew(Protocol):
    """Workers that each hold what the factory made. Leaving the context stops them, at work or not."""

    def __enter__(self) -> "Crew": ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None: ...

    @property
    def idle(self) -> int:
        """How many workers wait for an item."""
        ...

    def give(self, item: Item) -> None:
        """Hand an item to an idle worker."""
        ...

    def wait(self) -> list[Report]:
        """Wait until something happens, and tell; a dead worker has been replaced by then.

        Raises what the factory raised, and MocapError where workers cannot be started at all.
        """
        ...


def open_crew(engine: str, factory: Factory, workers: int | None, items: int) -> Crew:
    """A crew of so many workers (None: as the engine sees fit), though not more than there are items."""
    if engine not in ENGINES:
        raise UsageError(f"no engine called {engine!r}", remedy=f"known: {', '.join(ENGINES)}")
    if workers is not None and workers < 1:
        raise UsageError(f"{workers} workers cannot work", remedy="at least 1")
    module, _, function = ENGINES[engine].rpartition(".")
    crew: Crew = getattr(import_module(module), function)(factory, workers, items)
    return crew
