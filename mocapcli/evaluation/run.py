"""Judge every window of a split, keep what is done on disk, and take means: windows, families, all families."""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from mocapcli.data.cache import Cache
from mocapcli.data.windows import Window
from mocapcli.evaluation.cases import Case, Curves, Reliability, Rows, curves_of, measure_case, reliability_of
from mocapcli.extensions import Metric


@runtime_checkable
class Setting(Protocol):
    """What is given and what is asked: p2r, v2p, e2e."""

    @property
    def name(self) -> str: ...

    @property
    def rows(self) -> tuple[str, ...]:
        """Beside the copy, in the order of the table."""
        ...

    def case(self, cache: Cache, window: Window) -> Case: ...


@dataclass(frozen=True)
class Judged:
    """The figures of one window."""

    label: str
    family: str
    rows: Rows
    curves: Curves = field(default_factory=dict)
    reliability: Reliability = field(default_factory=dict)


@dataclass(frozen=True)
class Results:
    """Means over families, and each family's means over its windows."""

    split: str | None
    setting: str
    model: str | None
    commit: str | None
    rows: Rows
    families: dict[str, Rows]
    windows: tuple[Judged, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """What `--json` prints: undefined figures are null."""
        return {
            "split": self.split,
            "setting": self.setting,
            "model": self.model,
            "commit": self.commit,
            "rows": _plain(self.rows),
            "families": {name: _plain(rows) for name, rows in self.families.items()},
        }


def judge(
    cache: Cache,
    windows: list[Window],
    setting: Setting,
    metrics: Mapping[str, Metric],
    partial: "Partial | None" = None,
    progress: Callable[[int], object] = lambda done: None,
) -> Iterator[Judged]:
    """Each window's figures, in order; those that an earlier, killed run left are taken as they are."""
    for window in windows:
        found = partial.done.get(window.label) if partial else None
        if found is None:
            case = setting.case(cache, window)
            rows = measure_case(case, metrics)
            found = Judged(window.label, window.entry.family, rows, curves_of(case), reliability_of(case))
            if partial:
                partial.add(found)
        yield found
        progress(1)


def summarise(
    judged: list[Judged], split: str | None, setting: str, model: str | None = None, commit: str | None = None
) -> Results:
    families: dict[str, list[Rows]] = {}
    for window in judged:
        families.setdefault(window.family, []).append(window.rows)
    means = {name: mean_rows(families[name]) for name in sorted(families)}
    rows = mean_rows(list(means.values()))
    return Results(split, setting, model, commit, rows, means, tuple(judged))


def mean_rows(many: list[Rows]) -> Rows:
    """Mean of each figure of each row over those who have it defined; NaN where nobody has."""
    gathered: dict[str, dict[str, list[float]]] = {}
    for rows in many:
        for row, figures in rows.items():
            for name, value in figures.items():
                gathered.setdefault(row, {}).setdefault(name, []).append(value)
    return {row: {name: _mean(values) for name, values in figures.items()} for row, figures in gathered.items()}


def _mean(values: list[float]) -> float:
    defined = [value for value in values if math.isfinite(value)]
    return float(np.mean(defined)) if defined else float("nan")


def _plain(rows: Rows) -> dict[str, dict[str, float | None]]:
    return {
        row: {name: value if math.isfinite(value) else None for name, value in figures.items()}
        for row, figures in rows.items()
    }


class Partial:
    """JSON lines beside the output: a header that says what is being run, then a line for every window judged.

    A file of another run (other settings, weights, code) is written anew; so is the rest of a line cut short.
    """

    def __init__(self, path: Path, header: dict[str, Any]) -> None:
        self.path = path
        self.done: dict[str, Judged] = {}
        lines = self._lines()
        if next(lines, None) == header:
            self.done = {line["window"]: _judged(line) for line in lines if "rows" in line}
        path.parent.mkdir(parents=True, exist_ok=True)
        self.stream = path.open("w", encoding="utf-8")
        self._write(header)
        for judged in self.done.values():
            self.add(judged)

    def add(self, judged: Judged) -> None:
        content = {"window": judged.label, "family": judged.family, "rows": _plain(judged.rows)}
        self._write(content | {"curves": judged.curves, "reliability": judged.reliability})

    def close(self, remove: bool) -> None:
        self.stream.close()
        if remove:
            self.path.unlink(missing_ok=True)

    def _write(self, content: dict[str, Any]) -> None:
        self.stream.write(json.dumps(content) + "\n")
        self.stream.flush()

    def _lines(self) -> Iterator[dict[str, Any]]:
        """What is whole of the file: the last line may have been cut."""
        if not self.path.exists():
            return
        with self.path.open(encoding="utf-8", errors="replace") as stream:
            for text in stream:
                try:
                    line = json.loads(text)
                except ValueError:
                    return
                if isinstance(line, dict):
                    yield line


def _judged(line: dict[str, Any]) -> Judged:
    rows = {row: _figures(found) for row, found in line["rows"].items()}
    reliability = {row: [(said, true) for said, true in pairs] for row, pairs in line["reliability"].items()}
    return Judged(line["window"], line["family"], rows, line["curves"], reliability)


def _figures(figures: Mapping[str, float | None]) -> dict[str, float]:
    return {name: float("nan") if value is None else value for name, value in figures.items()}
