"""What comparing is worth: clips captured with facings chosen by the network alone, and by what the rig looks like.

python tests/benchmarks/bench_facing.py --cache CACHE [--model small] [--appearance own other-body] [--per-family 8]
    [--adapt 90s] [--split unseen] [--no-mesh] [--each]

Clips of the families set aside for validation (or of the unseen ones) are filmed and captured twice. Facing off in
degrees, share of frames within 30°, joints off in % of the size, weighted world and local rotations in degrees; means
over clips. With `--adapt` each of two rigs a family is learnt first (what is learnt lies in MOCAP_CACHE). With
`--no-mesh` the user's rig has no body, only bones: the film does not.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from mocapcli.adapting.budget import parse_budget
from mocapcli.capturing.models import load_model
from mocapcli.data.cache import Cache, open_cache
from mocapcli.data.windows import Window, evaluation_windows, random_of, windows_of
from mocapcli.evaluation.cases import COPY, measure_case
from mocapcli.evaluation.predictors import Footage, NetworkPredictor, Prediction, Predictor
from mocapcli.evaluation.records import METRICS
from mocapcli.evaluation.videos import VideoToRotations
from mocapcli.training.config import DataConfig
from mocapcli.training.stream import divide_families
from mocapcli.types import Asset

FIGURES = ("facing_deg", "facing_within_30", "mpjpe_percent", "rotation_world_deg", "rotation_local_deg_all")
LEARNT_RIGS, SHORTEST = 2, 16  # of a family; frames


class Bare(NetworkPredictor):
    """Knows the bones of a rig alone."""

    def predict(self, asset: Asset, footage: Footage) -> Prediction:
        return super().predict(without_mesh(asset), footage)


@lru_cache(maxsize=16)
def without_mesh(asset: Asset) -> Asset:
    return replace(asset, rig=replace(asset.rig, mesh=None))


def main() -> None:
    wanted = parse()
    torch.set_num_threads(1)
    cache, network = open_cache(wanted.cache), load_model(wanted.model).network
    seconds = parse_budget(wanted.adapt)
    kind = Bare if wanted.no_mesh else NetworkPredictor
    rows = {
        name: kind(network, True, seconds, wanted.refine, 1, compare)
        for name, compare in (("network alone", False), ("compared", True))
    }
    say("| film | facings | facing ° | within 30°, % | joints % | world ° | local ° | s a clip |\n" + "|---" * 8 + "|")
    compare_rows(rows, cache, wanted, FIGURES)


def compare_rows(
    rows: Mapping[str, Predictor], cache: Cache, wanted: argparse.Namespace, figures: Sequence[str]
) -> None:
    """Every way of capturing on the same clips, a line each."""
    windows = list(chosen(cache, wanted))
    metrics = {metric.name: metric for metric in METRICS if metric.name in figures}
    for look in wanted.appearance:
        for name, predictor in rows.items():
            setting, found, began = VideoToRotations({"ours": predictor}, look, 0), [], time.perf_counter()
            for window in tqdm(windows, leave=False):
                measured = measure_case(setting.case(cache, window), metrics)
                found.append([[measured[row][figure] for figure in figures] for row in (COPY, "ours")])
                if wanted.each:
                    say(f"{name}, {look}, {title(cache, window)}: {' '.join(f'{value:.1f}' for value in found[-1][1])}")
            took = (time.perf_counter() - began) / len(windows)
            copy, ours = np.mean(found, axis=0)
            say(f"| {look} | {name} | {' | '.join(f'{value:.1f}' for value in ours)} | {took:.1f} |")
        say(f"| {look} | copy | {' | '.join(f'{value:.1f}' for value in copy)} | |")
    say(f"\n{len(windows)} clips")


def chosen(cache: Cache, wanted: argparse.Namespace) -> Iterator[Window]:
    """So many clips of each family, by chance."""
    if wanted.split == "unseen":
        yield from evaluation_windows(cache, "unseen", wanted.per_family, 0)
        return
    for family, entries in sorted(divide_families(cache, DataConfig().validation).validation.items()):
        rigs = [entry for entry in entries if entry.frames][: LEARNT_RIGS if wanted.adapt != "off" else None]
        windows = [window for entry in rigs for window in windows_of(entry, "train") if window.frames >= SHORTEST]
        picked = random_of("facing", family).permutation(len(windows))[: wanted.per_family]
        yield from (windows[number] for number in sorted(picked))


def title(cache: Cache, window: Window) -> str:
    return f"{window.entry.source}, {cache.load(window.entry).motions[window.motion].name}"


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--model")
    parser.add_argument("--appearance", nargs="+", default=["own", "other-body"])
    parser.add_argument("--per-family", type=int, default=8)
    parser.add_argument("--adapt", default="off", help="time to learn each rig, e.g. 90s")
    parser.add_argument("--refine", type=int, default=0, help="rounds of stage 3")
    parser.add_argument("--split", choices=("validation", "unseen"), default="validation")
    parser.add_argument("--each", action="store_true", help="every clip's figures too")
    parser.add_argument("--no-mesh", action="store_true", help="the user's rig has no body")
    return parser.parse_args()


if __name__ == "__main__":
    main()
