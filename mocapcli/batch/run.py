"""Hand out items, one to a worker at a time, until all are done: the parent alone decides who does what."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from mocapcli.batch.engines import Crew, open_crew
from mocapcli.batch.items import Factory, Item, Outcome, Report, Status, Summary
from mocapcli.batch.journal import Journal, stamp_of
from mocapcli.batch.shard import Shard
from mocapcli.errors import InvalidDataError, WriteError
from mocapcli.whole_file import remove_leftovers

ATTEMPTS = 2  # of an item whose worker dies: the second may be luckier with memory
Progress = Callable[[Sequence[str], int], object]  # items being worked on, and how many more are settled


def run_batch(
    items: Sequence[Item],
    factory: Factory,
    folder: Path,
    *,
    engine: str = "local",
    workers: int | None = None,
    shard: Shard | None = None,
    redo: bool = False,
    progress: Progress = lambda running, settled: None,
) -> Summary:
    """Do all items that `folder`'s journal does not hold as finished, and say what became of each.

    `factory` is called once in every worker and gives the function that does an item. Items that fail do not stop the
    others; Ctrl-C does, and what is done stays done. `redo` does finished items again.
    """
    began = time.monotonic()
    _check(items, folder)
    chosen = shard.select(items, key=lambda item: item.key) if shard else list(items)
    with Journal(folder, shard) as journal:
        waiting = chosen if redo else [item for item in chosen if not journal.holds(item)]
        run = _Run(waiting, journal, progress)
        progress((), len(chosen) - len(waiting))
        interrupted = False
        try:
            if waiting:
                with open_crew(engine, factory, workers, len(waiting)) as crew:
                    run.work(crew)
        except KeyboardInterrupt:
            interrupted = True
    given = {item.key for item in waiting}
    outcomes = [
        run.outcomes.get(item.key, Outcome(item, "left")) if item.key in given else Outcome(item, "skipped")
        for item in chosen
    ]
    return Summary(tuple(outcomes), time.monotonic() - began, interrupted)


def unfinished(items: Sequence[Item], folder: Path, *, shard: Shard | None = None, redo: bool = False) -> list[Item]:
    """What `run_batch` would do, for those who must prepare it."""
    journal = Journal(folder)
    chosen = shard.select(items, key=lambda item: item.key) if shard else list(items)
    return chosen if redo else [item for item in chosen if not journal.holds(item)]


class _Run:
    """Who waits, who is at it, and what has become of the rest."""

    def __init__(self, items: Sequence[Item], journal: Journal, progress: Progress) -> None:
        self.waiting = deque(items)
        self.journal = journal
        self.progress = progress
        self.running: dict[str, Item] = {}
        self.stamps: dict[str, str] = {}
        self.attempts: dict[str, int] = {}
        self.outcomes: dict[str, Outcome] = {}

    def work(self, crew: Crew) -> None:
        while self.waiting or self.running:
            while self.waiting and crew.idle:
                self._give(crew, self.waiting.popleft())
            for report in crew.wait():
                self._settle(report)

    def _give(self, crew: Crew, item: Item) -> None:
        self.running[item.key] = item
        self.stamps[item.key] = stamp_of(item)
        self.journal.begin(item)
        self.attempts[item.key] = self.attempts.get(item.key, 0) + 1
        self.progress(tuple(self.running), 0)
        crew.give(item)

    def _settle(self, report: Report) -> None:
        item = self.running.pop(report.key)
        attempts = self.attempts[report.key]
        if report.status == "died":
            remove_leftovers(item.output)
        if report.status == "died" and attempts < ATTEMPTS:
            self.waiting.append(item)  # behind the others: where memory was short, there may be more by then
            self.progress(tuple(self.running), 0)
            return
        reason = report.reason
        if report.status == "died":
            reason = f"its worker died {attempts} times ({reason})"
        elif report.status == "done" and not item.output.exists():
            reason = f"{item.output} was not written, or not where it can be seen from here"
        if reason is None:
            self.journal.add(item, self.stamps[item.key])
        status: Status = "done" if reason is None else "failed"
        self.outcomes[item.key] = Outcome(item, status, reason, report.notes, report.details, report.seconds, attempts)
        self.progress(tuple(self.running), 1)


def _check(items: Sequence[Item], folder: Path) -> None:
    """Two items that share a name or an output would undo each other."""
    if not folder.is_dir():
        raise WriteError("there is no such folder", path=folder, remedy="make it first")
    keys, outputs = set[str](), set[Path]()
    for item in items:
        if item.key in keys or item.output in outputs:
            raise InvalidDataError(f"two items are called {item.key!r} or write {item.output}")
        keys.add(item.key)
        outputs.add(item.output)
