"""How the package's inner loops are compiled: cached where a cache can be kept, never failing because it cannot."""

import os
from collections.abc import Callable
from typing import Any, TypeVar

import numba
from numba.np.ufunc import parallel

Function = TypeVar("Function", bound=Callable[..., Any])
RELAXED = {"contract", "nsz", "arcp"}  # NaN and infinity keep their meaning: the guards depend on it


def compiled(function: Function) -> Function:
    """`numba.njit` without the GIL and without division errors.

    Numba keeps its cache beside the source, else in the user's cache folder (or in NUMBA_CACHE_DIR); where
    neither can be written it refuses at import, so then the function is compiled anew in each process.
    """
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": RELAXED}
    try:
        return numba.njit(cache=True, **options)(function)  # type: ignore[no-any-return]
    except RuntimeError:
        return numba.njit(**options)(function)  # type: ignore[no-any-return]


def thread_count() -> int:
    """How many threads to draw with: what `numba.set_num_threads` says, else NUMBA_NUM_THREADS, else the cores.

    Asking numba itself would start its thread pool, which disturbs torch's, so it is asked only once it runs.
    """
    if getattr(parallel, "_is_initialized", False):
        return int(numba.get_num_threads())
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(int(numba.config.NUMBA_NUM_THREADS), allowed))


def inlined(function: Function) -> Function:
    """For helpers of `compiled` functions in the same file: merged into their callers, so arguments cost nothing."""
    options: dict[str, Any] = {"error_model": "numpy", "fastmath": RELAXED, "inline": "always"}
    return numba.njit(**options)(function)  # type: ignore[no-any-return]
