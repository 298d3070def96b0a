"""What stage 3 corrects, by iteration: poses that start off the truth, on families it was not trained on.

`python tests/benchmarks/bench_refiner.py --cache CACHE [--model models/small] [--split unseen] [--log RUN/log.csv
--curves OUT.png]`

Starts are those of training (`training.refine_starts`) at fixed strengths; clips, cameras and starts depend on the seed
alone. Degrees: local rotations of deforming joints, of the leaves among them, world rotations weighted by bone length.
% of the size: surface points around their middle, and as they stand (wrong distance included).

`drawn` looks at nothing: every joint but the roots is drawn towards the reference pose, by the share that suits local
rotations best on these very clips. What a correction is worth begins where that ends.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import roma
import torch

from mocapcli.data.cache import Entry, open_cache
from mocapcli.data.windows import random_of
from mocapcli.network.kinematics import local_to_world_rotations, rotation_between, world_to_local_rotations
from mocapcli.network.model import load_network
from mocapcli.network.refiner import Refiner
from mocapcli.network.refiner_body import look_at
from mocapcli.network.refiner_pose import World, apply_turns, turns_between
from mocapcli.training.config import DataConfig
from mocapcli.training.curves import draw_curves
from mocapcli.training.refine import RefineBatch, body_of, collate_clips, make_clip, pose_errors, settled
from mocapcli.training.stream import divide_families, scene_rig
from mocapcli.training.tasks import refiner_of

LOOKS = {"own": DataConfig(recoloured=0.0, other_body=0.0), "other-body": DataConfig(recoloured=0.0, other_body=1.0)}
FIGURES = ("local", "leaves", "world", "surface", "stand")
SHARES = tuple(np.linspace(0.1, 0.9, 9).tolist())  # of the way to the reference pose


def main() -> None:
    options = parse()
    torch.set_num_threads(1)
    refiner = refiner_of(load_network(options.model, "refine"))
    families = families_of(options.cache, options.split)
    print(f"{len(families)} families of {options.split}, {options.clips} clips of {options.frames} frames each")  # noqa: T201
    for look in options.looks:
        for strength in options.strengths:
            rows = {
                name: np.mean([measure(refiner, batch, options.iterations) for batch in batches], axis=0)
                for name, batches in (
                    (name, list(clips_of(name, entries, look, strength, options, refiner.config.side)))
                    for name, entries in families.items()
                )
            }
            report(f"{look}, strength {strength:g}", rows, options.by_family)
    if options.log is not None:
        draw_curves(options.log, options.curves)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("models/small"))
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--split", choices=("unseen", "validation", "train"), default="unseen")
    parser.add_argument("--iterations", type=int, default=4)
    parser.add_argument("--clips", type=int, default=2, help="of each family")
    parser.add_argument("--frames", type=int, default=6)
    parser.add_argument("--strengths", type=float, nargs="+", default=[0.5, 1.0])
    parser.add_argument("--looks", nargs="+", choices=LOOKS, default=list(LOOKS))
    parser.add_argument("--by-family", action="store_true")
    parser.add_argument("--log", type=Path, help="log.csv of the run, to be drawn as learning curves")
    parser.add_argument("--curves", type=Path, default=Path("refiner.png"))
    return parser.parse_args()


def families_of(cache: Path, split: str) -> dict[str, list[Entry]]:
    opened = open_cache(cache)
    if split == "unseen":
        return opened.families("unseen")
    divided = divide_families(opened, DataConfig().validation)
    return divided.validation if split == "validation" else divided.train


def clips_of(
    family: str, entries: list[Entry], look: str, strength: float, options: argparse.Namespace, side: int
) -> Iterator[RefineBatch]:
    """One batch for each clip."""
    for number in range(options.clips):
        random = random_of("bench", family, number)
        path = options.cache / entries[int(random.integers(len(entries)))].file
        data = DataConfig(frames=options.frames, recoloured=LOOKS[look].recoloured, other_body=LOOKS[look].other_body)
        yield collate_clips([make_clip(scene_rig(path), body_of(path), data, side, strength, random)])


@torch.inference_mode()
def measure(refiner: Refiner, batch: RefineBatch, iterations: int) -> np.ndarray:
    """Figures at the start, after each iteration, and drawn by each share: [iterations + 1 + shares, figures]."""
    batch = replace(batch, start=settled(batch))  # as in training, and in use
    world, rows = batch.start, []
    for iteration in range(iterations + 1):
        rows.append(figures_of(world, batch))
        if iteration < iterations:
            look = look_at(batch.bodies, world, batch.scene.view, batch.scene.crops.shape[-1])
            world = refiner(batch.scene, world, look).world
    return np.array(rows + [figures_of(drawn(batch, share), batch) for share in SHARES])


def figures_of(world: World, batch: RefineBatch) -> list[float]:
    look = look_at(batch.bodies, world, batch.scene.view, batch.scene.crops.shape[-1])
    errors = pose_errors(world, look, batch)
    return [errors[name] for name in FIGURES]


def drawn(batch: RefineBatch, share: float) -> World:
    """The start, each joint but the roots turned this share of its way to the reference pose, without a look."""
    rig, start = batch.scene.rig, batch.start
    reference = world_to_local_rotations(rig.reference_rotations[:, None], rig.parents)
    local = world_to_local_rotations(start[..., :3, :3], rig.parents)
    there = share * rotation_between(local, reference.expand_as(local))
    turned = local @ roma.rotvec_to_rotmat(there.masked_fill((rig.parents < 0)[:, None, :, None], 0.0))
    goal = start.clone()
    goal[..., :3, :3] = local_to_world_rotations(turned, rig.levels)
    still = start.new_zeros(*start.shape[:2], 3)
    return apply_turns(start, turns_between(start, goal, rig.parents), still, rig.parents, rig.levels)


def report(title: str, rows: dict[str, np.ndarray], by_family: bool) -> None:
    print(f"\n{title}\niteration  " + "".join(f"{name:>9s}" for name in FIGURES))  # noqa: T201
    means = np.mean(list(rows.values()), axis=0)
    seen, by_share = means[: -len(SHARES)], means[-len(SHARES) :]
    best = int(by_share[:, 0].argmin())
    names = [*map(str, range(len(seen))), f"drawn {SHARES[best]:.1f}"]
    for name, figures in zip(names, [*seen, by_share[best]], strict=True):
        print(f"{name:>9s}  " + "".join(f"{value:9.2f}" for value in figures))  # noqa: T201
    for name, figures in rows.items() if by_family else ():
        words = (
            f"{figure} {first:.1f} → {last:.1f}"
            for figure, (first, last) in zip(FIGURES, figures[[0, len(seen) - 1]].T, strict=True)
        )
        print(f"  {name[:28]:28s} " + ", ".join(words))  # noqa: T201


if __name__ == "__main__":
    main()
