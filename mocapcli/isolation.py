"""Parse a hostile file with native code in a child process that may hang, crash or run out of memory.

The child calls `parse(path)` of a named module and leaves its arrays as an uncompressed .npz (no pickles), or
the reason of its failure as JSON, in a temporary folder. Time and memory are limited by the operating system
where it can (`resource`), the wall clock everywhere.
"""

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

try:
    import resource
except ImportError:  # Windows: the parent's wall clock remains
    resource = None  # type: ignore[assignment]

from mocapcli import errors
from mocapcli.errors import MocapError, ReadError

SECONDS, BYTES_PER_SECOND = 9.0, 2e6
MEMORY, MEMORY_PER_BYTE = 1 << 30, 8  # address space beyond what the interpreter and the libraries take
PATIENCE = 4  # wall clock over processor time: a busy machine must not condemn a sound file
FREE_BYTES = 32 << 20  # size from which files get more memory
# Each thread's stack and heap count as memory.
ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "PXR_WORK_THREAD_LIMIT", "MALLOC_ARENA_MAX")


def run_isolated(
    module: str, path: Path, *, seconds: float | None = None, memory: int | None = None
) -> dict[str, np.ndarray]:
    """The arrays that `module.parse(path: Path) -> dict[str, np.ndarray]` returns, computed in a child process.

    A MocapError raised over there is raised here; any other failure is a ReadError that says what happened.
    Without limits given, they grow with the file. `seconds` are of the processor where the system counts them.
    """
    size = path.stat().st_size
    seconds = SECONDS + size / BYTES_PER_SECOND if seconds is None else seconds
    memory = MEMORY + MEMORY_PER_BYTE * max(0, size - FREE_BYTES) if memory is None else memory
    with tempfile.TemporaryDirectory(prefix="mocap-") as name:
        folder = Path(name)
        arguments = [module, str(path.absolute()), str(folder), str(seconds), str(memory)]
        # The temporary folder as working directory, or `-m` would import modules lying next to the file.
        command = [sys.executable, "-m", "mocapcli.isolation", *arguments]
        with (folder / "log").open("wb") as log:
            try:
                status = subprocess.run(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=folder,
                    env=_environment(),
                    timeout=seconds * (PATIENCE if resource else 1),
                ).returncode
            except subprocess.TimeoutExpired:
                raise _too_slow(path, seconds * (PATIENCE if resource else 1)) from None
        if status != 0:
            raise _failure(folder, path, status, seconds, memory)
        with np.load(folder / "result.npz", allow_pickle=False) as arrays:
            return dict(arrays)


def _environment() -> dict[str, str]:
    """The parent's import path, and single-threaded libraries."""
    path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)
    return {**os.environ, **dict.fromkeys(ONE_THREAD, "1"), "PYTHONPATH": path, "PYTHONSAFEPATH": "1"}


def _too_slow(path: Path, seconds: float) -> ReadError:
    return ReadError(f"reading took longer than {seconds:g} s and was stopped", path=path)


def _failure(folder: Path, path: Path, status: int, seconds: float, memory: int) -> MocapError:
    """Why the child failed, as an error to raise."""
    reason = folder / "reason.json"
    if reason.exists():
        told = json.loads(reason.read_text("utf-8"))
        kind: type[MocapError] = getattr(errors, told.pop("kind"))
        return kind(told.pop("problem"), path=path, **told)
    if status == -getattr(signal, "SIGXCPU", 0) and status:
        return _too_slow(path, seconds)
    name = signal.Signals(-status).name if status < 0 and -status in list(signal.Signals) else f"exit {status}"
    limit = f"{memory / (1 << 20):.0f} MiB"
    return ReadError(
        f"the parser crashed ({name}): the file is damaged, or needs more than {limit} of memory", path=path
    )


def _limit(seconds: float, memory: int) -> None:
    """Ask the operating system to enforce the limits, as far as it knows them."""
    if resource is None:
        return
    cpu = max(1, int(seconds))
    wanted = {"RLIMIT_AS": _address_space() + memory, "RLIMIT_FSIZE": memory, "RLIMIT_CPU": cpu, "RLIMIT_CORE": 0}
    for name, limit in wanted.items():
        with contextlib.suppress(AttributeError, ValueError, OSError):  # macOS refuses some
            kind = getattr(resource, name)
            hard = resource.getrlimit(kind)[1]
            limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
            resource.setrlimit(kind, (limit, hard))


def _address_space() -> int:
    """Bytes this process has mapped by now: libraries reserve far more than they use."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    except OSError:
        return 1 << 30
    return pages * os.sysconf("SC_PAGE_SIZE")


def _reason(error: BaseException) -> dict[str, str | None]:
    if isinstance(error, MocapError):
        kind = type(error).__name__ if hasattr(errors, type(error).__name__) else "ReadError"
        return {"kind": kind, "problem": error.problem, "place": error.place, "remedy": error.remedy}
    if isinstance(error, MemoryError):
        return {"kind": "ReadError", "problem": "the file asks for more memory than it may have"}
    return {"kind": "ReadError", "problem": f"damaged or not of this format ({type(error).__name__}: {error})"}


def main(arguments: list[str]) -> int:
    """The child's side."""
    module, path, folder, seconds, memory = arguments
    try:
        parser = importlib.import_module(module)
        _limit(float(seconds), int(memory))
        arrays = parser.parse(Path(path))
        np.savez(Path(folder) / "result.npz", **arrays)
    except Exception as error:
        (Path(folder) / "reason.json").write_text(json.dumps(_reason(error)), "utf-8")
        return 1
    return 0


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(status)  # skip the destructors of native libraries: they too can crash on what they parsed
