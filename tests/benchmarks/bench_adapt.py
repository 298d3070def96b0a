"""What learning rigs is worth: their real clips before, and after each of several budgets of time.

python tests/benchmarks/bench_adapt.py --cache CACHE --rig Stag.glb [--model small] [--seconds 30 90 300] [--threads 2]

`--rig` is part of the name of a file of the cache. None of its clips is learnt from, but with `--clips`, which tells
what poses like the real ones would be worth. Real clips (with `--named "death|lie"` those whose names match) are judged
in 96 single frames from random sides, without a decision along the clip: joints off in % of the rig's size, facing off
(median), and the share of facings within 30°.
`copy` is the reference pose, turned to the true facing. Every budget starts from the model's own weights; what is
learnt is kept in KEEP/SECONDSs (`--keep KEEP`) and found there again. A power law through the means says what more
time may be worth; `--plot FILE` draws them.
"""

import argparse
import math
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from mocapcli.adapting.api import adapt_rig
from mocapcli.adapting.scenes import RigScenes
from mocapcli.capturing.models import load_model
from mocapcli.data.cache import Cache, Entry, open_cache
from mocapcli.data.windows import random_of
from mocapcli.evaluation.canvas import Canvas, new_canvas
from mocapcli.evaluation.plot import COLOURS, COPY_COLOUR, GRID, nice_top
from mocapcli.network.model import MotionNetwork
from mocapcli.network.views import centre_of, turn_matrix
from mocapcli.training.batches import Batch, collate
from mocapcli.training.objectives import pose_figures, upright
from mocapcli.training.samples import SceneRig
from mocapcli.training.tasks import look_at
from mocapcli.types import Asset
from mocapcli.user_cache import FOLDER_VARIABLE

BATCHES, PICTURES = 4, 24
JOINTS, FACING, COPY = "mpjpe_percent", "facing_within_30", "copy_percent"
Figures = dict[str, float]


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


@torch.no_grad()
def judge(network: MotionNetwork, asset: Asset, scenes: RigScenes) -> Figures:
    real, rows = SceneRig.of(asset, invent_only=True), []
    for number in range(BATCHES):
        random = random_of("realjudge", number)
        samples = [real.sample(random, 1, scenes.side, 1.0, 24.0) for _ in range(PICTURES)]
        batch = collate([scenes.reference] * PICTURES, samples)
        figures = pose_figures(look_at(network.eval().video_to_pose, batch, None), batch)
        rows.append(figures | {COPY: copied(batch)})
    return mean(rows)


def copied(batch: Batch) -> float:
    """Joints off where the reference pose is all that is known, and the true facing."""
    rig, targets = batch.rig, batch.targets
    joints = rig.deforms & rig.mask
    local = rig.reference_positions[:, None] - centre_of(rig.reference_positions[:, None], joints)
    turned = local @ turn_matrix(targets.yaw).transpose(-1, -2)
    off = (turned - upright(targets.positions, targets.pitch)).norm(dim=-1)
    shown = joints[:, None].expand_as(off)
    return float(100 * off[shown].mean())


def mean(rows: Sequence[Figures]) -> Figures:
    return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}


def main() -> None:
    wanted = parse()
    torch.set_num_threads(1)
    cache, network = open_cache(wanted.cache), load_model(wanted.model).network
    with tempfile.TemporaryDirectory() as folder:
        keep, rigs = wanted.keep or Path(folder), {}
        for rig in wanted.rig:
            asset = cache.load(named(cache, rig))
            rigs[asset.rig.name] = list(learn(network, asset, wanted, keep))
    means = [mean(rows) for rows in zip(*rigs.values(), strict=True)]
    say("\n".join(table(rigs | {"mean": means}, wanted.seconds)))
    if len(wanted.seconds) > 1:
        say(trend(wanted.seconds, means))
    if wanted.plot:
        draw(wanted.plot, rigs | {"mean": means}, wanted.seconds)


def named(cache: Cache, rig: str) -> Entry:
    found = [entry for entry in cache.entries if rig in entry.source]
    if not found:
        raise SystemExit(f"no file of the cache has {rig!r} in its name")
    return found[0]


def with_clips_named(asset: Asset, pattern: str) -> Asset:
    found = tuple(motion for motion in asset.motions if re.search(pattern, motion.name, re.IGNORECASE))
    if not found:
        raise SystemExit(f"no clip of {asset.rig.name} has {pattern!r} in its name")
    return asset.with_motions(found)


def learn(network: MotionNetwork, asset: Asset, wanted: argparse.Namespace, keep: Path) -> Iterator[Figures]:
    """Figures on real clips before, and after each budget."""
    scenes, shown = RigScenes(asset, network.config.side, use_clips=False), with_clips_named(asset, wanted.named)
    yield judged(f"{asset.rig.name}, before", network, shown, scenes)
    for seconds in wanted.seconds:
        os.environ[FOLDER_VARIABLE] = str(keep / f"{seconds:g}s")
        adapted = adapt_rig(asset, network, seconds, use_clips=wanted.clips, threads=wanted.threads)
        spent = adapted.adapter.origin
        label = f"{asset.rig.name}, {spent.seconds:.0f} s, {spent.samples} pictures"
        yield judged(label, adapted.network, shown, scenes)


def judged(label: str, network: MotionNetwork, asset: Asset, scenes: RigScenes) -> Figures:
    figures = judge(network, asset, scenes)
    say(f"{label}, real clips: " + ", ".join(f"{name} {value:.2f}" for name, value in figures.items()))
    return figures


def table(rigs: dict[str, list[Figures]], budgets: Sequence[float]) -> Iterator[str]:
    head = ["copy", "before", *(f"{seconds:g} s" for seconds in budgets)]
    yield f"| rig | {' | '.join(head)} |"
    yield "|---" * (1 + len(head)) + "|"
    for name, rows in rigs.items():
        yield f"| {name} | {rows[0][COPY]:.1f} % | {' | '.join(cell(row) for row in rows)} |"


def cell(figures: Figures) -> str:
    return f"{figures[JOINTS]:.1f} %, {figures['facing_degrees']:.0f}°, {100 * figures[FACING]:.0f} %"


def trend(budgets: Sequence[float], means: Sequence[Figures]) -> str:
    """Power laws of the time through the means: joints off, and facings that are not within 30°."""
    off = power_law(budgets, [row[JOINTS] for row in means[1:]])
    wrong = power_law(budgets, [100 * (1 - row[FACING]) for row in means[1:]])
    longer = 10 * budgets[-1]
    said = [
        f"{factor:.2f} t^{power:.3f}, at {longer:g} s {factor * longer**power:.1f} %" for factor, power in (off, wrong)
    ]
    return f"t in seconds; joints off: {said[0]}; facings off by more than 30°: {said[1]}"


def power_law(times: Sequence[float], errors: Sequence[float]) -> tuple[float, float]:
    power, constant = np.polyfit(np.log(times), np.log(np.maximum(errors, 0.1)), 1)
    return math.exp(constant), float(power)


def draw(path: Path, rigs: dict[str, list[Figures]], budgets: Sequence[float]) -> None:
    """Joints off and facings found by time; the mean is thick, the copy dashed by its colour."""
    canvas = new_canvas(path, 720, 330)
    places = [80 + 220 * k / max(1, len(budgets)) for k in range(len(budgets) + 1)]
    panels = ((0.0, JOINTS, 1.0, "joints off, % of size"), (330.0, FACING, 100.0, "facings within 30°, %"))
    for shift, figure, factor, title in panels:
        most = 100.0 if figure == FACING else nice_top([factor * row[figure] for rows in rigs.values() for row in rows])
        _grid(canvas, [shift + place for place in places], budgets, most, title)
        for colour, (name, rows) in zip((*COLOURS, *COLOURS, "#222222"), rigs.items(), strict=False):
            ink, thick = ("#222222", 3.0) if name == "mean" else (colour, 1.2)
            heights = [260 - 200 * factor * row[figure] / most for row in rows]
            canvas.line([(shift + x, y) for x, y in zip(places, heights, strict=True)], ink, thick)
    copy = 260 - 200 * rigs["mean"][0][COPY] / nice_top([row[JOINTS] for rows in rigs.values() for row in rows])
    canvas.line([(places[0], copy), (places[-1], copy)], COPY_COLOUR, 1.5)
    left = 20.0
    for colour, name in zip((*COLOURS, *COLOURS), (n for n in rigs if n != "mean"), strict=False):
        canvas.rectangle(left, 305, 10, 10, colour)
        canvas.words((left + 14, 314), name[:18], 10)
        left += 30 + 6.5 * len(name[:18])
    canvas.words((left, 314), "thick: mean; red: copy, mean", 10)
    canvas.save(path)


def _grid(canvas: Canvas, places: Sequence[float], budgets: Sequence[float], most: float, title: str) -> None:
    canvas.words((places[0], 40), title, 12)
    for part in range(5):
        y = 260 - 200 * part / 4
        canvas.line([(places[0], y), (places[-1], y)], GRID)
        canvas.words((places[0] - 6, y + 4), f"{most * part / 4:g}", 9, "end")
    for x, text in zip(places, ["before", *(f"{seconds:g} s" for seconds in budgets)], strict=True):
        canvas.line([(x, 60), (x, 260)], GRID)
        canvas.words((x, 275), text, 9, "middle")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--rig", required=True, action="append", help="may be repeated")
    parser.add_argument("--model")
    parser.add_argument("--seconds", type=float, nargs="+", default=[75.0], help="budgets, each from nothing")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="folder of what is learnt (default: a temporary one)")
    parser.add_argument("--clips", action="store_true", help="learn from the rig's own clips too")
    parser.add_argument("--named", default="", help="judge clips alone whose names match this (a regular expression)")
    parser.add_argument("--plot", type=Path, help="a picture of it, .png or .svg")
    return parser.parse_args()


if __name__ == "__main__":
    main()
