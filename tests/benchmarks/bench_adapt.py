"""What learning rigs is worth: their real clips before and after.

python tests/benchmarks/bench_adapt.py --cache CACHE --rig Stag.glb [--model small] [--seconds 60 180 600] [--threads 2]

`--rig` is part of the name of a file of the cache. None of its clips is learnt from. Real clips are judged in 96 single
frames from random sides, without a decision along the clip: joints off in % of the rig's size, facing off (median), and
the share of facings within 30°. What is learnt lies in the cache of `mocap adapt` (MOCAP_CACHE names another): with an
empty one the first figures are those of learning from nothing.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from mocapcli.adapting.api import adapt_rig
from mocapcli.adapting.scenes import RigScenes
from mocapcli.capturing.models import load_model
from mocapcli.data.cache import open_cache
from mocapcli.data.windows import random_of
from mocapcli.network.model import MotionNetwork
from mocapcli.training.batches import collate
from mocapcli.training.objectives import pose_figures
from mocapcli.training.samples import SceneRig
from mocapcli.training.tasks import look_at
from mocapcli.types import Asset

BATCHES, PICTURES = 4, 24


def say(label: str, figures: dict[str, float]) -> None:
    sys.stdout.write(f"{label}: " + ", ".join(f"{name} {value:.2f}" for name, value in figures.items()) + "\n")
    sys.stdout.flush()


@torch.no_grad()
def judge(network: MotionNetwork, asset: Asset, scenes: RigScenes) -> dict[str, float]:
    real, rows = SceneRig.of(asset, invent_only=True), []
    for number in range(BATCHES):
        random = random_of("realjudge", number)
        samples = [real.sample(random, 1, scenes.side, 1.0, 24.0) for _ in range(PICTURES)]
        batch = collate([scenes.reference] * PICTURES, samples)
        rows.append(pose_figures(look_at(network.eval().video_to_pose, batch, None), batch))
    return {name: sum(row[name] for row in rows) / BATCHES for name in rows[0]}


def main() -> None:
    wanted = parse()
    torch.set_num_threads(1)
    cache, network = open_cache(wanted.cache), load_model(wanted.model).network
    head = ["before", *(f"{seconds:g} s" for seconds in wanted.seconds)]
    lines = [f"| rig | {' | '.join(head)} |", "|---" * (1 + len(head)) + "|"]
    for rig in wanted.rig:
        asset = cache.load(next(entry for entry in cache.entries if rig in entry.source))
        cells = [cell(figures) for figures in learn(network, asset, wanted.seconds, wanted.threads)]
        lines.append(f"| {asset.rig.name} | {' | '.join(cells)} |")
    sys.stdout.write("\n".join(lines) + "\n")


def learn(network: MotionNetwork, asset: Asset, budgets: Sequence[float], threads: int) -> Iterator[dict[str, float]]:
    """Figures on real clips before and after each budget, each taken on from the one before it."""
    scenes = RigScenes(asset, network.config.side, use_clips=False)
    yield judged(f"{asset.rig.name}, before", network, asset, scenes)
    for seconds in budgets:
        adapted = adapt_rig(asset, network, seconds, use_clips=False, threads=threads)
        spent = adapted.adapter.origin
        label = f"{asset.rig.name}, {spent.seconds:.0f} s, {spent.samples} pictures"
        yield judged(label, adapted.network, asset, scenes)


def judged(label: str, network: MotionNetwork, asset: Asset, scenes: RigScenes) -> dict[str, float]:
    figures = judge(network, asset, scenes)
    say(f"{label}, real clips", figures)
    return figures


def cell(figures: dict[str, float]) -> str:
    return (
        f"{figures['mpjpe_percent']:.1f}, {figures['facing_degrees']:.0f}°, {100 * figures['facing_within_30']:.0f} %"
    )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--rig", required=True, action="append", help="may be repeated")
    parser.add_argument("--model")
    parser.add_argument(
        "--seconds", type=float, nargs="+", default=[75.0], help="budgets, each taken on from the one before it"
    )
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
