"""Stage 3 learnt for one rig alone, from invented motions of it, judged on its own clips: error by iteration over time.

`python tests/benchmarks/bench_refiner_rig.py RIG.glb --minutes 3` (of processor time; a cache has its rigs as .npz).
Each line: step, processor seconds, error of the flow (half sides), and, before → after each iteration, world rotations
weighted by bone length (degrees) and surface points around their middle (% of the size).
"""

import argparse
import math
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from mocapcli.data import compact
from mocapcli.formats import read_asset
from mocapcli.network.refiner import Refiner, RefinerConfig
from mocapcli.network.refiner_body import Body
from mocapcli.training.config import DataConfig
from mocapcli.training.refine import RefineBatch, collate_clips, make_clip, refine_figures, refine_loss
from mocapcli.training.samples import SceneRig

SIDE, CLIPS, ITERATIONS = 48, 8, 2
RATE, FLOW_FIRST = 2e-3, 0.25  # share of the time in which only the flow is learnt
OWN = DataConfig(frames=2, recoloured=0.0, other_body=0.0, real_share=0.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rig", type=Path)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--every", type=int, default=200, help="steps between two lines")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    asset = compact.load(options.rig) if options.rig.suffix == ".npz" else read_asset(options.rig)
    rig = SceneRig.of(asset)
    body, clipless = Body.of(rig.model), SceneRig.of(replace(asset, motions=()))
    judges = [batch_of(rig, body, replace(OWN, real_share=1.0, frames=4), seed) for seed in range(2)]
    refiner = Refiner(RefinerConfig(side=SIDE, width=16, channels=48, blocks=2))
    learn(refiner, clipless, body, judges, 60 * options.minutes, options.every)


def learn(refiner: Refiner, rig: SceneRig, body: Body, judges: list[RefineBatch], seconds: float, every: int) -> None:
    optimizer = torch.optim.AdamW(refiner.parameters(), RATE)
    step, started, spent = 0, time.process_time(), 0.0
    report(refiner, judges, step, spent)
    while spent < seconds:
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, (step + 1) / 30) * 0.5 * (1 + math.cos(math.pi * spent / seconds))
        batch = batch_of(rig, body, OWN, 1000 + step)
        loss, _ = refine_loss(refiner, replace(batch, flow_only=spent < FLOW_FIRST * seconds), 1)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(refiner.parameters(), 2.0)
        optimizer.step()
        step, spent = step + 1, time.process_time() - started
        if step % every == 0 or spent >= seconds:
            report(refiner, judges, step, spent)


def batch_of(rig: SceneRig, body: Body, data: DataConfig, seed: int) -> RefineBatch:
    random = np.random.default_rng(seed)
    clips = [make_clip(rig, body, data, SIDE, float(random.uniform(0.15, 1.0)), random) for _ in range(CLIPS)]
    return collate_clips(clips)


def report(refiner: Refiner, judges: list[RefineBatch], step: int, spent: float) -> None:
    refiner.eval()
    rows = [refine_figures(refiner, batch, ITERATIONS) for batch in judges]
    refiner.train()
    means = {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}
    errors = [
        " → ".join(f"{means[f'{name}_{number}']:.1f}" for number in range(ITERATIONS + 1))
        for name in ("world", "surface")
    ]
    print(f"{step:6d} {spent:6.0f} s  flow {means['flow']:.3f}  world {errors[0]}  surface {errors[1]}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
