"""Work that can be watched: every item leaves a line in a log when it is finished, and misbehaves as it is told."""

import json
import os
import sys
import time
import warnings
from functools import partial
from pathlib import Path

from mocapcli.batch import Item, digest_of, run_batch
from mocapcli.batch.items import Work
from mocapcli.errors import MocapError, ReadError
from mocapcli.whole_file import whole_file

PATIENCE_SECONDS = 60.0


def make_items(folder: Path, tasks: dict[str, str], **options: object) -> list[Item]:
    """An item for every name, reading `NAME.in` (made where missing) and writing `NAME.out`."""
    items = []
    for name, task in tasks.items():
        source = folder / f"{name}.in"
        if not source.exists():
            source.write_text(name)
        items.append(Item(name, folder / f"{name}.out", (source,), task, digest_of(**options)))
    return items


def factory(folder: Path):
    return partial(make_work, folder)


def make_work(folder: Path) -> Work:
    """What a worker holds; the log shows how often it was made."""
    _append(folder / "made.log", str(os.getpid()))
    return partial(_work, folder)


def broken_factory() -> Work:
    raise ReadError("no such model", path="model", remedy="train one")


def clumsy_factory() -> Work:
    raise ZeroDivisionError("oh")


def deadly_factory() -> Work:
    os.kill(os.getpid(), 9)
    raise AssertionError


def _work(folder: Path, item: Item) -> dict[str, object]:
    task = item.task or "write"
    started = folder / f"{item.key}.started"
    first = not started.exists()
    _append(started, str(os.getpid()))
    if task == "fail":
        raise ReadError("two heads", path=item.key)
    if task == "trip":
        raise ZeroDivisionError("division\nby zero")
    if task == "greedy":
        raise MemoryError
    if task == "hang" or (task == "hang-once" and first):
        time.sleep(PATIENCE_SECONDS)
        raise MocapError("nobody came")
    if task == "die":
        with whole_file(item.output):
            os.kill(os.getpid(), 9)
    if task == "warn":
        warnings.warn("no legs", stacklevel=1)
        warnings.warn("of no use to people", DeprecationWarning, stacklevel=1)
    if task != "lazy":
        item.output.write_text(item.inputs[0].read_text().upper())
    _append(folder / "finished.log", item.key)
    return {"pid": os.getpid()}


def lines(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


def wait_for(path: Path, count: int = 1) -> list[str]:
    """Lines of a file as soon as there are so many."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(lines(path)) < count:
        if time.monotonic() > deadline:
            raise TimeoutError(path)
        time.sleep(0.02)
    return lines(path)


def wait_until_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while any(_alive(pid) for pid in pids):
        if time.monotonic() > deadline:
            raise TimeoutError(pids)
        time.sleep(0.02)


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state != "Z"  # killed, only not yet buried
    except OSError:
        return False


def _append(path: Path, line: str) -> None:
    with path.open("a") as stream:
        stream.write(line + "\n")


def main(folder: str, tasks: str, workers: str) -> None:
    """A batch as a program of its own, to be interrupted or killed; prints the summary."""
    items = make_items(Path(folder), json.loads(tasks))
    summary = run_batch(items, factory(Path(folder)), Path(folder), workers=int(workers))
    sys.stdout.write(json.dumps(summary.as_dict()))
    raise SystemExit(summary.exit_code)


if __name__ == "__main__":
    main(*sys.argv[1:])
