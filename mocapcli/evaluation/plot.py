"""Results as a picture: each family's error beside the copy's, each clip's error against what it moves, the error over
time, and, of rows that say how sure they are, whether they are right about it."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from mocapcli.console import printable
from mocapcli.evaluation.canvas import Canvas, Place, new_canvas
from mocapcli.evaluation.cases import COPY
from mocapcli.evaluation.results import Results, headline, merged_rows
from mocapcli.extensions import Metric

COLOURS = ("#2f6fb3", "#e08a2c", "#4a9d5b", "#a45bb0", "#7a7a7a")
COPY_COLOUR, GRID, INK = "#c8392b", "#e2e2e2", "#222222"
LABEL, PANEL, GAP, TOP, ROW = 150.0, 250.0, 36.0, 58.0, 15.0
SCATTER = 220.0
LONGEST_NAME = 22  # characters


@dataclass(frozen=True)
class Axis:
    """Values to places on the sheet."""

    low: float  # place of nil
    high: float  # place of `most`
    most: float

    def at(self, value: float) -> float:
        return self.low + (self.high - self.low) * min(max(value / self.most, 0.0), 1.0)


def draw_results(path: Path, results: Results, metrics: Mapping[str, Metric]) -> None:
    """Bars by family above, clips below; one column for each headline figure."""
    columns = headline(results, metrics)
    kept = [row for row in merged_rows(results) if row != COPY and row not in results.absent]
    rows = [row for row in kept if "_noise_" not in row][: len(COLOURS)]
    families = list(results.families)
    bars = max(1, len(families)) * (ROW * max(1, len(rows)) * 0.6 + 6)
    width = LABEL + max(2, len(columns)) * (PANEL + GAP) + 10
    canvas = new_canvas(path, width, TOP + bars + 2 * (70 + SCATTER) + 40)
    _heading(canvas, results, rows)
    for number, name in enumerate(columns):
        left = LABEL + number * (PANEL + GAP)
        _bars(canvas, results, metrics[name], rows, (left, TOP, bars), labels=number == 0)
        _clips(canvas, results, metrics[name], rows, (left, TOP + bars + 70))
    lower = TOP + bars + 2 * 70 + SCATTER
    draw_curves(canvas, results, rows, (LABEL, lower))
    if any(window.reliability for window in results.windows):
        draw_reliability(canvas, results, rows, (LABEL + PANEL + GAP, lower))
    canvas.save(path)


def _heading(canvas: Canvas, results: Results, rows: Sequence[str]) -> None:
    facts = [results.setting, results.split, results.model, results.commit]
    canvas.words((10, 18), "mocap eval: " + ", ".join(printable(fact) for fact in facts if fact), 13)
    left = 10.0
    for row, colour in [*zip(rows, COLOURS, strict=False), (COPY, COPY_COLOUR)]:
        canvas.rectangle(left, 27, 10, 10, colour)
        canvas.words((left + 14, 36), row, 10)
        left += 26 + 6.5 * len(row)


def _bars(
    canvas: Canvas,
    results: Results,
    metric: Metric,
    rows: Sequence[str],
    place: tuple[float, float, float],
    labels: bool,
) -> None:
    left, top, height = place
    values = [_value(found, row, metric.name) for found in results.families.values() for row in (*rows, COPY)]
    axis = Axis(left, left + PANEL, nice_top(values))
    _ticks(canvas, axis, lambda x: [(x, top), (x, top + height)], lambda x: (x, top + height + 12))
    canvas.words((left, top - 6), printable(metric.description), 11)
    band = height / max(1, len(results.families))
    thick = (band - 6) / max(1, len(rows))
    for number, (family, found) in enumerate(results.families.items()):
        upper = top + number * band + 3
        if labels:
            canvas.words((left - 6, upper + (band - 6) / 2 + 4), shorten(family), 10, "end")
        for k, row in enumerate(rows):
            value = _value(found, row, metric.name)
            if math.isfinite(value):
                canvas.rectangle(left, upper + k * thick, axis.at(value) - left, thick, COLOURS[k])
        copy = _value(found, COPY, metric.name)
        if math.isfinite(copy):
            canvas.line([(axis.at(copy), upper - 2), (axis.at(copy), upper + band - 4)], COPY_COLOUR, 2)


def _clips(canvas: Canvas, results: Results, metric: Metric, rows: Sequence[str], place: tuple[float, float]) -> None:
    """Each clip a dot: what it moves (the copy's error) to the right, the row's upwards; on the line, no skill."""
    left, top = place
    everything = [_value(window.rows, row, metric.name) for window in results.windows for row in (*rows, COPY)]
    most = nice_top(everything)
    right, up = Axis(left, left + PANEL, most), Axis(top + SCATTER, top, most)
    _ticks(canvas, right, lambda x: [(x, top), (x, top + SCATTER)], lambda x: (x, top + SCATTER + 12))
    _ticks(canvas, up, lambda y: [(left, y), (left + PANEL, y)], lambda y: (left - 4, y + 4), "end")
    canvas.words((left, top - 6), f"clips: {printable(metric.description)}, against the copy's", 10)
    canvas.line([(right.at(0.0), up.at(0.0)), (right.at(most), up.at(most))], COPY_COLOUR, 1)
    for row, colour in zip(rows, COLOURS, strict=False):
        for window in results.windows:
            x, y = (_value(window.rows, name, metric.name) for name in (COPY, row))
            if math.isfinite(x) and math.isfinite(y):
                canvas.dot((right.at(x), up.at(y)), 1.8, colour)


def draw_curves(canvas: Canvas, results: Results, rows: Sequence[str], place: tuple[float, float]) -> None:
    """Mean error of the clips' first frame, second frame, …"""
    left, top = place
    lines = {row: _mean_curve([w.curves[row] for w in results.windows if row in w.curves]) for row in (*rows, COPY)}
    longest = max((len(line) for line in lines.values()), default=0)
    across = Axis(left, left + PANEL, float(4 * max(1, math.ceil((longest - 1) / 4))))
    up = Axis(top + SCATTER, top, nice_top([value for line in lines.values() for value in line]))
    _ticks(canvas, across, lambda x: [(x, top), (x, top + SCATTER)], lambda x: (x, top + SCATTER + 12))
    _ticks(canvas, up, lambda y: [(left, y), (left + PANEL, y)], lambda y: (left - 4, y + 4), "end")
    unit = "MPJPE %" if results.setting == "v2p" else "local rotation °"
    canvas.words((left, top - 6), f"over time: {unit}, by frame of the clip", 10)
    for line, colour in zip(lines.values(), (*COLOURS[: len(rows)], COPY_COLOUR), strict=True):
        if len(line) > 1:
            canvas.line([(across.at(float(k)), up.at(value)) for k, value in enumerate(line)], colour, 1.5)


def draw_reliability(canvas: Canvas, results: Results, rows: Sequence[str], place: tuple[float, float]) -> None:
    """Distance found against distance expected, by tenths; on the line, a row knows what it does not know."""
    left, top = place
    points = {row: _tenths([p for w in results.windows for p in w.reliability.get(row, [])]) for row in rows}
    most = nice_top([value for pairs in points.values() for pair in pairs for value in pair])
    right, up = Axis(left, left + PANEL, most), Axis(top + SCATTER, top, most)
    _ticks(canvas, right, lambda x: [(x, top), (x, top + SCATTER)], lambda x: (x, top + SCATTER + 12))
    _ticks(canvas, up, lambda y: [(left, y), (left + PANEL, y)], lambda y: (left - 4, y + 4), "end")
    canvas.words((left, top - 6), "confidence: distance % found, against expected", 10)
    canvas.line([(right.at(0.0), up.at(0.0)), (right.at(most), up.at(most))], GRID, 1.5)
    for pairs, colour in zip(points.values(), COLOURS, strict=False):
        for said, true in pairs:
            canvas.dot((right.at(said), up.at(true)), 3, colour)


def _mean_curve(curves: Sequence[Sequence[float]]) -> list[float]:
    """Mean of each frame over the clips that last so long."""
    longest = max((len(curve) for curve in curves), default=0)
    columns = [[curve[k] for curve in curves if len(curve) > k] for k in range(longest)]
    return [sum(column) / len(column) for column in columns]


def _tenths(pairs: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Ten groups of like expectation."""
    ordered = sorted(pairs)
    cuts = [round(len(ordered) * k / 10) for k in range(11)]
    groups = [ordered[low:high] for low, high in pairwise(cuts) if high > low]
    return [(sum(said for said, _ in g) / len(g), sum(true for _, true in g) / len(g)) for g in groups]


def _ticks(
    canvas: Canvas,
    axis: Axis,
    line: Callable[[float], list[Place]],
    label: Callable[[float], Place],
    anchor: str = "middle",
) -> None:
    for part in range(5):
        value = axis.most * part / 4
        canvas.line(line(axis.at(value)), GRID)
        canvas.words(label(axis.at(value)), f"{value:g}", 9, "end" if anchor == "end" else "middle", "#666666")


def nice_top(values: Sequence[float]) -> float:
    """The end of an axis: a round number not below any value."""
    most = max((value for value in values if math.isfinite(value)), default=1.0)
    if most <= 0:
        return 1.0
    step = 10.0 ** math.floor(math.log10(most))
    return next(step * factor for factor in (1.0, 2.0, 4.0, 6.0, 8.0, 10.0) if step * factor >= most * (1 - 1e-9))


def shorten(name: str) -> str:
    clean = printable(name)
    return clean if len(clean) <= LONGEST_NAME else clean[: LONGEST_NAME - 1] + "…"


def _value(rows: Mapping[str, Mapping[str, float]], row: str, figure: str) -> float:
    return rows.get(row, {}).get(figure, math.nan)
