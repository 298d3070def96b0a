"""What matching is worth: clips captured as stage 2 leaves them, after stage 3, and with limbs swung onto the film.

python tests/benchmarks/bench_match.py --cache CACHE [--model small] [--appearance own other-body] [--per-family 4]
    [--adapt 90s] [--split unseen] [--steps 60] [--each]

Clips of the families set aside for validation (or of the unseen ones) are filmed and captured. Facing off in degrees,
joints off in % of the size, weighted world and local rotations in degrees; means over clips. With `--adapt` each of
two rigs a family is learnt first (what is learnt lies in MOCAP_CACHE).
"""

import argparse
from pathlib import Path

import torch
from bench_facing import compare_rows, say

from mocapcli.adapting.budget import parse_budget
from mocapcli.capturing.matching import STEPS
from mocapcli.capturing.models import load_model
from mocapcli.capturing.refine import iterations_of
from mocapcli.data.cache import open_cache
from mocapcli.evaluation.predictors import NetworkPredictor

FIGURES = ("facing_deg", "mpjpe_percent", "rotation_world_deg", "rotation_local_deg_all")
HEAD = "| film | captured | facing ° | joints % | world ° | local ° | s a clip |\n" + "|---" * 7 + "|"


def main() -> None:
    wanted = parse()
    torch.set_num_threads(1)
    cache, network = open_cache(wanted.cache), load_model(wanted.model).network
    rounds, seconds = iterations_of(network, None), parse_budget(wanted.adapt)
    ways = {"as stage 2 leaves it": (0, 0), "and stage 3": (rounds, 0), "and matched": (rounds, wanted.steps)}
    rows = {
        name: NetworkPredictor(network, True, seconds, refined, 1, match_steps=steps)
        for name, (refined, steps) in ways.items()
    }
    say(HEAD)
    compare_rows(rows, cache, wanted, FIGURES)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--model")
    parser.add_argument("--appearance", nargs="+", default=["own", "other-body"])
    parser.add_argument("--per-family", type=int, default=4)
    parser.add_argument("--adapt", default="off", help="time to learn each rig, e.g. 90s")
    parser.add_argument("--split", choices=("validation", "unseen"), default="validation")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--each", action="store_true", help="every clip's figures too")
    return parser.parse_args()


if __name__ == "__main__":
    main()
