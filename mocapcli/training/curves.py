"""Learning curves: every figure of a run's `log.csv` in a panel of its own, training and validation together."""

import math
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from mocapcli.evaluation.canvas import Canvas, Place, new_canvas

COLOURS = {"train": "#9db8d6", "validation": "#c8392b"}
GRID, INK = "#e2e2e2", "#222222"
WIDTH, HEIGHT, LEFT, TOP, GAP = 240.0, 130.0, 56.0, 40.0, 46.0
COLUMNS = 4
SMOOTHED = 60  # points of a training curve at the most: each is the mean of its neighbours

Curve = list[tuple[float, float]]  # step, value


def read_curves(path: Path) -> dict[str, dict[str, Curve]]:
    """Curves by figure and kind; of a step that was run twice the later value counts."""
    points: dict[str, dict[str, dict[float, float]]] = defaultdict(lambda: defaultdict(dict))
    for line in path.read_text(encoding="utf-8").splitlines():
        step, kind, name, value = line.split(",")
        if math.isfinite(float(value)):
            points[name][kind][float(step)] = float(value)
    return {name: {kind: sorted(curve.items()) for kind, curve in kinds.items()} for name, kinds in points.items()}


def draw_curves(log: Path, picture: Path) -> None:
    """A panel for each figure, in the order in which they were first written; PNG or SVG by the extension."""
    curves = read_curves(log)
    columns, rows = min(COLUMNS, max(1, len(curves))), max(1, math.ceil(len(curves) / COLUMNS))
    canvas = new_canvas(picture, LEFT + columns * (WIDTH + GAP + 10), TOP + rows * (HEIGHT + GAP))
    for place, (kind, colour) in enumerate(COLOURS.items()):
        canvas.rectangle(10 + 90 * place, 8, 10, 10, colour)
        canvas.words((24 + 90 * place, 17), kind, 10, colour=INK)
    for number, (name, kinds) in enumerate(curves.items()):
        left = LEFT + (number % COLUMNS) * (WIDTH + GAP + 10)
        _panel(canvas, name, kinds, (left, TOP + (number // COLUMNS) * (HEIGHT + GAP) + 12))
    canvas.save(picture)


def smoothed(curve: Curve) -> Curve:
    """Means of equal stretches, so that a long run's curve stays legible."""
    if len(curve) <= SMOOTHED:
        return curve
    cuts = [round(k * len(curve) / SMOOTHED) for k in range(SMOOTHED + 1)]
    groups = [curve[low:high] for low, high in pairwise(cuts)]
    return [(sum(x for x, _ in g) / len(g), sum(y for _, y in g) / len(g)) for g in groups]


def _panel(canvas: Canvas, name: str, kinds: dict[str, Curve], corner: Place) -> None:
    left, top = corner
    drawn = {kind: smoothed(curve) for kind, curve in kinds.items()}
    across = _range([step for curve in kinds.values() for step, _ in curve])
    up = _range([value for curve in drawn.values() for _, value in curve])
    canvas.words((left, top - 5), name.replace("_", " "), 11, colour=INK)
    for part in range(5):
        y = top + HEIGHT * (1 - part / 4)
        canvas.line([(left, y), (left + WIDTH, y)], GRID)
        canvas.words((left - 4, y + 3), f"{up[0] + (up[1] - up[0]) * part / 4:.3g}", 8, "end", "#666666")
    for step, anchor in zip(across, ("start", "end"), strict=True):
        x = left if anchor == "start" else left + WIDTH
        canvas.words((x, top + HEIGHT + 12), f"step {step:,.0f}", 8, "start" if anchor == "start" else "end", "#666666")
    for kind, curve in drawn.items():
        places = [
            (left + WIDTH * _share(step, across), top + HEIGHT * (1 - _share(value, up))) for step, value in curve
        ]
        colour = COLOURS.get(kind, INK)
        if len(places) > 1:
            canvas.line(places, colour, 1.6)
        for place in places if len(places) < 25 else ():
            canvas.dot(place, 1.8, colour)


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _share(value: float, ends: tuple[float, float]) -> float:
    return (value - ends[0]) / (ends[1] - ends[0])
