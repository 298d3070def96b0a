"""Workers on this machine: processes of their own, or, where one is enough, this very process."""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from types import TracebackType
from typing import Any, NoReturn

from mocapcli.batch.items import Factory, Item, Report, Work, perform, reason_of
from mocapcli.cores import cores
from mocapcli.errors import MocapError

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
FAILED_STARTS = 3  # in a row, until nobody believes in the next
GRACE_SECONDS = 5.0  # for a worker that is told to leave, to remove its temporary files


def open_local(factory: Factory, workers: int | None, items: int) -> "Solo | Processes":
    """One worker, unless told otherwise: the libraries inside use several cores by themselves."""
    count = min(workers or 1, items)
    return Solo(factory) if count == 1 else Processes(factory, count)


class Solo:
    """This process as a crew of one."""

    def __init__(self, factory: Factory) -> None:
        self._factory = factory
        self._work: Work | None = None
        self._item: Item | None = None

    def __enter__(self) -> "Solo":
        self._work = self._factory()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._work = None

    @property
    def idle(self) -> int:
        return int(self._item is None)

    def give(self, item: Item) -> None:
        self._item = item

    def wait(self) -> list[Report]:
        item, self._item = self._item, None
        return [perform(self._work, item)] if self._work and item else []


@dataclass
class _Worker:
    """A child process as the parent sees it."""

    process: SpawnProcess
    pipe: "Connection[Any, Any]"
    ready: bool = False
    item: Item | None = None
    since: float = 0.0


class Processes:
    """Children that are fed through pipes; one that dies is replaced, and what it was at is told."""

    def __init__(self, factory: Factory, count: int) -> None:
        self._factory = factory
        self._count = count
        self._workers: list[_Worker] = []
        self._failed_starts = 0

    def __enter__(self) -> "Processes":
        try:
            for _ in range(self._count):
                self._workers.append(self._start())
        except BaseException:
            self._stop(at_once=True)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop(at_once=kind is not None)

    @property
    def idle(self) -> int:
        return sum(worker.ready and worker.item is None for worker in self._workers)

    def give(self, item: Item) -> None:
        worker = next(worker for worker in self._workers if worker.ready and worker.item is None)
        worker.item, worker.since = item, time.monotonic()
        with contextlib.suppress(OSError):  # it has just died: `wait` will find out
            worker.pipe.send(item)

    def wait(self) -> list[Report]:
        pipes = [worker.pipe for worker in self._workers]
        connection.wait([*pipes, *(worker.process.sentinel for worker in self._workers)])
        reports = []
        for place, worker in enumerate(self._workers):
            try:
                if worker.pipe.poll():
                    reports += self._hear(worker, worker.pipe.recv())
                    continue
            except (EOFError, OSError):
                worker.process.join(GRACE_SECONDS)
            if not worker.process.is_alive():
                self._workers[place], lost = self._replace(worker)
                reports += lost
        return reports

    def _hear(self, worker: _Worker, message: Report | MocapError | None) -> list[Report]:
        if isinstance(message, MocapError):
            raise message
        if message is None:
            worker.ready, self._failed_starts = True, 0
            return []
        worker.item = None
        return [message]

    def _replace(self, worker: _Worker) -> tuple[_Worker, list[Report]]:
        reason = _last_words(worker.process.exitcode)
        worker.pipe.close()
        if not worker.ready:
            self._failed_starts += 1
        if self._failed_starts >= FAILED_STARTS:
            raise MocapError(f"workers die as soon as they start ({reason})", remedy="fewer workers need less memory")
        item = worker.item
        lost = [] if item is None else [Report(item.key, "died", reason, seconds=time.monotonic() - worker.since)]
        return self._start(), lost

    def _start(self) -> _Worker:
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        process = context.Process(target=_serve, args=(there, self._count), daemon=False)
        with _unheard_interrupts():
            process.start()
        there.close()
        with contextlib.suppress(OSError):
            here.send(self._factory)
        return _Worker(process, here)

    def _stop(self, at_once: bool) -> None:
        for worker in self._workers:
            if at_once:
                worker.process.terminate()
            else:
                with contextlib.suppress(OSError):
                    worker.pipe.send(None)
        deadline = time.monotonic() + GRACE_SECONDS
        for worker in self._workers:
            worker.process.join(max(0.0, deadline - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            worker.pipe.close()


@contextlib.contextmanager
def _unheard_interrupts() -> Iterator[None]:
    """Children started in here never hear Ctrl-C: the parent tells them what to do, as soon as it has heard itself."""
    try:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    except ValueError:  # not in the main thread of the program: `_serve` shuts its ears a little later
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _last_words(status: int | None) -> str:
    if status is None or status >= 0:
        return f"exit {status}"
    name = signal.Signals(-status).name if -status in list(signal.Signals) else f"signal {-status}"
    return f"{name}: killed, perhaps for want of memory" if name == "SIGKILL" else name


class _Told(BaseException):
    """The parent wants this worker to leave, at once but tidily; no error that work could catch by mistake."""


def _serve(pipe: "Connection[Any, Any]", count: int) -> None:
    """The child's life: make the work once, then do items until told to stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    share = str(max(1, cores() // count))
    for name in THREADS:
        os.environ.setdefault(name, share)  # before the factory arrives and brings in the libraries
    with contextlib.suppress(_Told, EOFError, OSError):
        try:
            work = pipe.recv()()
        except Exception as error:
            pipe.send(error if isinstance(error, MocapError) else MocapError(f"no worker starts: {reason_of(error)}"))
            return
        pipe.send(None)
        while (item := pipe.recv()) is not None:
            pipe.send(perform(work, item))


def _leave(*_: object) -> NoReturn:
    raise _Told


def _leave_with_parent() -> None:
    """A parent that was killed can tell nobody; its workers must not go on behind the back of the next run."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os._exit(1)
