"""Figures of windows, and their means: over a family's windows, then over the families."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mocapcli.evaluation.cases import COPY, Curves, Reliability, Rows
from mocapcli.extensions import Metric

HEADLINE = ("rotation_local_deg", "rotation_world_deg", "mpjpe_percent")  # where few figures are shown
Plain = dict[str, dict[str, float | None]]


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
    """Means over families, and each family's means over its windows.

    `absent`: rows that nobody could fill, and why; they are there all the same, undefined.
    """

    split: str | None
    setting: str
    model: str | None
    commit: str | None
    rows: Rows
    families: dict[str, Rows]
    windows: tuple[Judged, ...] = ()
    absent: Mapping[str, str] = field(default_factory=dict)
    remark: str = ""
    speed: dict[str, Any] | None = None

    @property
    def notes(self) -> list[str]:
        """What a reader of the figures has to know."""
        return [*(f"{row}: {why}" for row, why in self.absent.items()), *([self.remark] if self.remark else [])]

    def as_dict(self) -> dict[str, Any]:
        """What `--json` prints: undefined figures are null."""
        content: dict[str, Any] = {
            "split": self.split,
            "setting": self.setting,
            "model": self.model,
            "commit": self.commit,
            "rows": plain_rows(self.rows),
            "families": {name: plain_rows(rows) for name, rows in self.families.items()},
            "notes": self.notes,
        }
        return content if self.speed is None else content | {"speed": self.speed}


def summarise(
    judged: list[Judged],
    split: str | None,
    setting: str,
    model: str | None = None,
    commit: str | None = None,
    absent: Mapping[str, str] | None = None,
    remark: str = "",
) -> Results:
    families: dict[str, list[Rows]] = {}
    for window in judged:
        families.setdefault(window.family, []).append(window.rows)
    missing = absent or {}
    means = {name: _with_absent(mean_rows(families[name]), missing) for name in sorted(families)}
    rows = mean_rows(list(means.values()))
    return Results(split, setting, model, commit, rows, means, tuple(judged), missing, remark)


def _with_absent(rows: Rows, absent: Mapping[str, str]) -> Rows:
    return rows | {row: dict.fromkeys(rows.get(COPY, {}), math.nan) for row in absent}


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


def plain_rows(rows: Rows) -> Plain:
    """For JSON, which knows no NaN: undefined figures are null."""
    return {
        row: {name: value if math.isfinite(value) else None for name, value in figures.items()}
        for row, figures in rows.items()
    }


def rows_from_plain(rows: Plain) -> Rows:
    return {
        row: {name: math.nan if value is None else float(value) for name, value in figures.items()}
        for row, figures in rows.items()
    }


def plain_judged(judged: Judged) -> dict[str, Any]:
    content = {"window": judged.label, "family": judged.family, "rows": plain_rows(judged.rows)}
    return content | {"curves": judged.curves, "reliability": judged.reliability}


def judged_from_plain(line: dict[str, Any]) -> Judged:
    """TypeError, ValueError or KeyError where it is something else."""
    if not (isinstance(line["window"], str) and isinstance(line["family"], str)):
        raise TypeError("windows and families have names")
    curves = {row: [float(value) for value in curve] for row, curve in line["curves"].items()}
    reliability = {
        row: [(float(said), float(true)) for said, true in pairs] for row, pairs in line["reliability"].items()
    }
    return Judged(line["window"], line["family"], rows_from_plain(line["rows"]), curves, reliability)


def merged_rows(results: Results) -> dict[str, str]:
    """The first of each set of rows whose figures are all the same, with the names of all of them."""
    merged: dict[str, str] = {}
    first: dict[str, str] = {}
    for row, figures in results.rows.items():
        key = row if row in results.absent or row == COPY else repr(sorted(figures.items()))
        if key in first:
            merged[first[key]] += f" = {row}"
        else:
            first[key] = merged[row] = row
    return merged


def headline(results: Results, metrics: Mapping[str, Metric]) -> list[str]:
    return [name for name in HEADLINE if name in metrics and name in results.rows.get(COPY, {})]
