"""Judge every window of a split, keep what is done on disk, and take means: windows, families, all families."""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mocapcli.data.cache import Cache
from mocapcli.data.windows import Window
from mocapcli.evaluation.cases import Case, Rows, measure_case
from mocapcli.extensions import Metric


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
            rows = measure_case(setting.case(cache, window), metrics)
            found = Judged(window.label, window.entry.family, rows)
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
        if lines and lines[0] == header:
            for line in lines[1:]:
                rows = {row: _figures(figures) for row, figures in line["rows"].items()}
                self.done[line["window"]] = Judged(line["window"], line["family"], rows)
        path.parent.mkdir(parents=True, exist_ok=True)
        self.stream = path.open("w", encoding="utf-8")
        self._write(header)
        for judged in self.done.values():
            self.add(judged)

    def add(self, judged: Judged) -> None:
        self._write({"window": judged.label, "family": judged.family, "rows": _plain(judged.rows)})

    def close(self, remove: bool) -> None:
        self.stream.close()
        if remove:
            self.path.unlink(missing_ok=True)

    def _write(self, content: dict[str, Any]) -> None:
        self.stream.write(json.dumps(content) + "\n")
        self.stream.flush()

    def _lines(self) -> list[dict[str, Any]]:
        lines: list[dict[str, Any]] = []
        try:
            for line in self.path.read_text(encoding="utf-8").splitlines():
                lines.append(json.loads(line))
        except (OSError, ValueError):
            pass  # none there, or killed in the middle of a line: what came before it counts
        return lines


def _figures(figures: Mapping[str, float | None]) -> dict[str, float]:
    return {name: float("nan") if value is None else value for name, value in figures.items()}
