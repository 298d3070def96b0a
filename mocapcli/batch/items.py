"""A piece of work, what its worker says of it, and what became of all of them."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from mocapcli.console import warnings_as_notes
from mocapcli.errors import MocapError

Status = Literal["done", "skipped", "failed", "left"]


@dataclass(frozen=True)
class Item:
    """One piece of work: its name, what it reads, the file that stands once it is done.

    `task` is what the worker needs to know and must travel between processes; `digest` stands for every option that
    shapes the output (see `digest_of`). Paths are absolute: workers may have another working directory.
    """

    key: str
    output: Path
    inputs: tuple[Path, ...] = ()
    task: Any = None
    digest: str = ""


Work = Callable[[Item], Mapping[str, Any] | None]  # does an item; what it returns goes into the report
Factory = Callable[[], Work]  # called once in each worker: loads the model, returns the work


@dataclass(frozen=True)
class Report:
    """What came back for an item: done, failed for a reason of its own, or its worker died over it."""

    key: str
    status: Literal["done", "failed", "died"]
    reason: str | None = None
    notes: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """What became of an item: done, skipped as it was finished before, failed, or left when the run was stopped."""

    item: Item
    status: Status
    reason: str | None = None
    notes: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    attempts: int = 0

    def as_dict(self) -> dict[str, Any]:
        return {
            "item": self.item.key,
            "output": str(self.item.output),
            "result": self.status,
            "reason": self.reason,
            "seconds": round(self.seconds, 3),
            "attempts": self.attempts,
            "notes": list(self.notes),
            "details": dict(self.details),
        }


@dataclass(frozen=True)
class Summary:
    """All outcomes, in the order of the items."""

    outcomes: tuple[Outcome, ...]
    seconds: float = 0.0
    interrupted: bool = False

    def of(self, status: Status) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.status == status]

    @property
    def exit_code(self) -> int:
        """What the program should end with: 130 interrupted, 1 something failed, 0 well."""
        return 130 if self.interrupted else int(bool(self.of("failed")))

    def as_dict(self) -> dict[str, Any]:
        counts = {status: len(self.of(status)) for status in ("done", "skipped", "failed", "left")}
        rest = {"interrupted": self.interrupted, "seconds": round(self.seconds, 3)}
        return counts | rest | {"items": [outcome.as_dict() for outcome in self.outcomes]}


def digest_of(**options: Any) -> str:
    """A short fingerprint of options, the same in every process and on every machine."""
    text = json.dumps(options, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def perform(work: Work, item: Item) -> Report:
    """Do one item; whatever goes wrong with it is its own affair."""
    began = time.monotonic()
    details: Mapping[str, Any] | None = None
    reason: str | None = None
    with warnings_as_notes() as notes:
        try:
            details = work(item)
        except MemoryError:
            reason = "not enough memory"
        except Exception as error:
            reason = reason_of(error)
    status: Literal["done", "failed"] = "done" if reason is None else "failed"
    return Report(item.key, status, reason, tuple(notes), details or {}, time.monotonic() - began)


def reason_of(error: BaseException) -> str:
    """An error in one line, for people where it is meant for them."""
    if isinstance(error, MocapError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return " ".join(f"{type(error).__name__}: {error}".split())
