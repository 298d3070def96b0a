"""Pieces of work side by side: the inner loops let go of the interpreter, so threads share the cores."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

from mocapcli.cores import cores

Item = TypeVar("Item")
Result = TypeVar("Result")
MOST = 4


def in_threads(function: Callable[[Item], Result], items: Iterable[Item], most: int = MOST) -> Iterator[Result]:
    """The results for all items, in order; no more are under way, or wait to be taken, than there are threads."""
    threads = min(most, cores())
    pool, coming = ThreadPoolExecutor(threads), deque[Future[Result]]()
    try:
        for item in items:
            coming.append(pool.submit(function, item))
            if len(coming) > threads:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)  # who interrupts does not wait for what has not begun


def stack_each(function: Callable[[Item], Any], items: Iterable[Item]) -> np.ndarray:
    """The results for all items, in order, as one array."""
    return np.stack(list(in_threads(function, items)))
