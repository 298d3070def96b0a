"""What learning one rig is worth: its real clips before and after, and the error on invented poses meanwhile.

python tests/benchmarks/bench_adapt.py --cache CACHE --rig Stag.glb [--model small] [--seconds 75] [--threads 1]

`--rig` is part of the name of a file of the cache. None of its clips is learnt from. Real clips are judged in 96 single
frames from random sides, without a decision along the clip; MPJPE in % of the rig's size.
"""

import argparse
import sys
from pathlib import Path

import torch

from mocapcli.adapting.adapt import AdaptOptions, Progress, adapt
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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--rig", required=True)
    parser.add_argument("--model")
    parser.add_argument("--seconds", type=float, default=75.0)
    parser.add_argument("--threads", type=int, default=1)
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    cache, network = open_cache(wanted.cache), load_model(wanted.model).network
    asset = cache.load(next(entry for entry in cache.entries if wanted.rig in entry.source))
    scenes = RigScenes(asset, network.config.side, use_clips=False)
    say("real clips before", judge(network, asset, scenes))
    shown = -20.0

    def watch(progress: Progress) -> None:
        nonlocal shown
        if progress.seconds >= shown + 20:
            shown = progress.seconds
            say(f"{progress.seconds:.0f} s, {progress.samples} pictures, invented poses", progress.figures)

    adapted, reached = adapt(network, scenes, AdaptOptions(wanted.seconds, wanted.threads), watch)
    say(f"{reached.seconds:.0f} s, {reached.samples} pictures, invented poses", reached.figures)
    say("real clips after", judge(adapted, asset, scenes))


if __name__ == "__main__":
    main()
