"""Pieces of work side by side: the inner loops let go of the interpreter, so threads share the cores."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event, local
from typing import Any, TypeVar

import numpy as np

from mocapcli.cores import cores

Item = TypeVar("Item")
Result = TypeVar("Result")
MOST = 4
_here = local()  # of each thread: what tells that its work is not wanted any more


def in_threads(function: Callable[[Item], Result], items: Iterable[Item], most: int = MOST) -> Iterator[Result]:
    """The results for all items, in order; no more are under way, or wait to be taken, than there are threads."""
    threads, ended = min(most, cores()), Event()
    pool, coming = ThreadPoolExecutor(threads), deque[Future[Result]]()

    def work(item: Item) -> Result:
        _here.ended = ended
        return function(item)

    try:
        for item in items:
            coming.append(pool.submit(work, item))
            if len(coming) > threads:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()
    finally:
        ended.set()
        pool.shutdown(cancel_futures=True)  # who interrupts does not wait for what has not begun


class NotWanted(Exception):
    """Nobody waits for this piece of work any more."""


def while_wanted() -> None:
    """To be called now and then by a long piece of work: ends it where whoever began it was interrupted."""
    ended = getattr(_here, "ended", None)
    if ended is not None and ended.is_set():
        raise NotWanted


def stack_each(function: Callable[[Item], Any], items: Iterable[Item]) -> np.ndarray:
    """The results for all items, in order, as one array."""
    return np.stack(list(in_threads(function, items)))
