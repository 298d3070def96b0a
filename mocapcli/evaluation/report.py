"""Results for people: a table with the copy and the skill beside every figure, and CSV for spreadsheets."""

import csv
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mocapcli.console import printable
from mocapcli.evaluation.cases import COPY, Rows, skill
from mocapcli.evaluation.results import Results, headline, merged_rows
from mocapcli.extensions import Metric

if TYPE_CHECKING:
    from rich.table import Table


def figure_table(results: Results, metrics: Mapping[str, Metric]) -> "Table":
    """One line a figure and row: value, the copy's, skill. Rows that are the same throughout share a line."""
    from rich.table import Table

    table = Table("figure", "row", box=None, pad_edge=False)
    for column in ("value", "copy", "skill"):
        table.add_column(column, justify="right")
    names = merged_rows(results)
    for name, metric in metrics.items():
        label = metric.description
        for row, value, copy in _lines(results.rows, name):
            if row not in names:
                continue
            worth = skill(value, copy, metric.ideal)
            told = results.absent[row].partition(":")[0] if row in results.absent else _number(value)
            table.add_row(label, names[row], told, _number(copy), _number(worth, sign=True))
            label = ""
    return table


def family_tables(results: Results, metrics: Mapping[str, Metric]) -> "list[Table]":
    """One for each headline figure: families by rows, the copy first."""
    from rich.table import Table

    rows = [row for row in merged_rows(results) if "_noise_" not in row and row not in results.absent]
    tables = []
    for name in headline(results, metrics):
        table = Table(metrics[name].description, box=None, pad_edge=False)
        for row in rows:
            table.add_column(row, justify="right")
        for family, found in results.families.items():
            values = [found.get(row, {}).get(name, math.nan) for row in rows]
            table.add_row(printable(family), *(_number(value) for value in values))
        tables.append(table)
    return tables


def speed_table(speed: Mapping[str, Any]) -> "Table":
    """Frames per second by stage; `speed_words` says on what."""
    from rich.table import Table

    table = Table("speed", box=None, pad_edge=False)
    for column in ("frames/s", "ms a frame"):
        table.add_column(column, justify="right")
    for stage, figures in speed["stages"].items():
        table.add_row(stage, f"{figures['frames_per_second']:.1f}", f"{figures['milliseconds']:.2f}")
    return table


def speed_words(speed: Mapping[str, Any]) -> str:
    """How the speed was measured."""
    joints = ", ".join(str(count) for count in speed["joints"])
    threads = f"{speed['threads']} thread" + "s" * (speed["threads"] != 1)
    load, cores = speed["load"], speed["cores"]
    busy = "" if load is None or load < cores else f", others at work (load {load:g} on {cores} cores): too low"
    return (
        f"on {speed['device']} ({speed['processor']}, {threads}{busy}); median of {speed['runs']} runs of each of"
        f" {speed['clips']} clips (rigs of {joints} joints) after a warm-up; drawing, decoding and segmenting the video"
        " is left out"
    )


def write_csv(path: Path, results: Results, metrics: Mapping[str, Metric]) -> None:
    """family, row, figure, value, copy, skill; the means over families come first, as family `*`."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["split", "setting", "family", "row", "figure", "value", "copy", "skill"])
        for family, rows in {"*": results.rows, **results.families}.items():
            for name, metric in metrics.items():
                for row, value, copy in _lines(rows, name):
                    numbers = (value, copy, skill(value, copy, metric.ideal))
                    cells = [f"{number:.6g}" if math.isfinite(number) else "" for number in numbers]
                    writer.writerow([results.split or "", results.setting, family, row, name, *cells])


def _lines(rows: Rows, name: str) -> Iterator[tuple[str, float, float]]:
    copy = rows.get(COPY, {}).get(name, math.nan)
    for row, figures in rows.items():
        if row != COPY and name in figures:
            yield row, figures[name], copy


def _number(value: float, sign: bool = False) -> str:
    if not math.isfinite(value):
        return "–"
    return f"{value:+.2f}" if sign else f"{value:.2f}"
