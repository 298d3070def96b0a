"""How the package's inner loops are compiled: cached where a cache can be kept, never failing because it cannot."""

import hashlib
import inspect
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba.np.ufunc import parallel

from mocapcli.cores import cores

Function = TypeVar("Function", bound=Callable[..., Any])
RELAXED = {"contract", "nsz", "arcp"}  # NaN and infinity keep their meaning: the guards depend on it
KERNELS = ("kernels.py", "coverage.py", "shading.py", "draw.py", "compiled.py")


def compiled(function: Function) -> Function:
    """`numba.njit` without the GIL and without division errors.

    Numba keeps its cache beside the source, else in the user's cache folder (or in NUMBA_CACHE_DIR); where
    neither can be written it refuses at import, so then the function is compiled anew in each process.
    """
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": RELAXED}
    function = inspect.unwrap(function)  # run-time type checkers wrap; numba wants the bare function
    function.__qualname__ = f"{function.__qualname__}-{kernel_digest()}"
    try:
        return numba.njit(cache=True, **options)(function)  # type: ignore[no-any-return]
    except RuntimeError:
        return numba.njit(**options)(function)  # type: ignore[no-any-return]


def inlined(function: Function) -> Function:
    """For helpers of `compiled` functions: merged into their callers, so that arguments cost nothing."""
    options: dict[str, Any] = {"error_model": "numpy", "fastmath": RELAXED, "inline": "always"}
    return numba.njit(**options)(inspect.unwrap(function))  # type: ignore[no-any-return]


@lru_cache(maxsize=1)
def kernel_digest() -> str:
    """Of all kernel sources. Numba's cache only notices changes in a function's own file, not in what it calls."""
    digest = hashlib.sha256()
    for name in KERNELS:
        try:
            digest.update(Path(__file__).with_name(name).read_bytes())
        except OSError:  # a frozen application has no sources, and nothing to go stale
            digest.update(name.encode())
    return digest.hexdigest()[:12]


def thread_count() -> int:
    """How many threads to draw with: what `numba.set_num_threads` says, else NUMBA_NUM_THREADS, else the cores.

    Asking numba itself would start its thread pool, which disturbs torch's, so it is asked only once it runs.
    """
    if getattr(parallel, "_is_initialized", False):
        return int(numba.get_num_threads())
    return max(1, min(int(numba.config.NUMBA_NUM_THREADS), cores()))
