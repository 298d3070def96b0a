"""What steadying is worth: errors and jerk of captured clips by the frequency above which all is taken for jitter.

python tests/benchmarks/bench_steady.py --cache CACHE [--model small] [--per-family 2] [--hertz 0 3 4 5 6 8]

Clips of the families set aside for validation are filmed, own look, and captured by all three stages, no rig learnt.
Degrees, % of the size, % of the size a second, and jerk as a multiple of the truth's; means over clips.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from bench_facing import chosen
from tqdm import tqdm

from mocapcli.capturing.models import load_model
from mocapcli.capturing.refine import iterations_of
from mocapcli.data.cache import open_cache
from mocapcli.evaluation.cases import COPY, measure_case
from mocapcli.evaluation.predictors import NetworkPredictor
from mocapcli.evaluation.records import METRICS
from mocapcli.evaluation.videos import VideoToRotations

FIGURES = ("rotation_local_deg_all", "rotation_world_deg", "mpjpe_percent", "velocity_percent", "jerk_ratio")


def main() -> None:
    wanted = parse()
    torch.set_num_threads(1)
    cache, network = open_cache(wanted.cache), load_model(wanted.model).network
    rounds = iterations_of(network, None)
    rows = {f"{hertz:g} Hz": NetworkPredictor(network, refine_iterations=rounds, hertz=hertz) for hertz in wanted.hertz}
    setting = VideoToRotations(rows, "own", 0)
    metrics = {metric.name: metric for metric in METRICS if metric.name in FIGURES}
    found = []
    for window in tqdm(list(chosen(cache, wanted))):
        measured = measure_case(setting.case(cache, window), metrics)
        found.append([[measured[row].get(name, np.nan) for name in FIGURES] for row in (COPY, *rows)])
    lines = [["taken out above", *(metrics[name].description for name in FIGURES)], ["---"] * (1 + len(FIGURES))]
    table = np.nanmean(np.array(found, dtype=float), axis=0)
    for row, figures in zip((COPY, *rows), table, strict=True):
        lines.append(["nothing" if row == "0 Hz" else row, *(f"{value:.2f}" for value in figures)])
    sys.stdout.write("".join(f"| {' | '.join(line)} |\n" for line in lines) + f"\n{len(found)} clips\n")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--model")
    parser.add_argument("--per-family", type=int, default=2)
    parser.add_argument("--hertz", type=float, nargs="+", default=[0.0, 3.0, 4.0, 5.0, 6.0, 8.0])
    parser.set_defaults(split="validation", adapt="off")
    return parser.parse_args()


if __name__ == "__main__":
    main()
