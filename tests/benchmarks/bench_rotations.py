"""Stage 2 on positions with noise that is new in every frame, as the trial was judged, and that lasts.

python tests/benchmarks/bench_rotations.py [--model models/small] --cache CACHE [--split unseen | validation | train]

The trial (0.6 million parameters, 25 minutes of a processor core) looked at every file of the unseen split, the first
48 frames of each of its first eight clips, with noise that is new in every frame; means over files, all joints that
deform. `mocap eval --setting p2r` asks for more: noise that lasts for 0.15 s, as a network's errors do, and no family
counts twice. Degrees: local rotations, and world rotations weighted by the bones' lengths. `bone by bone` is the closed
form without its last step, the pose as a whole.
"""

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from tqdm import tqdm

from mocapcli.data.cache import Cache, Entry, open_cache
from mocapcli.data.windows import WINDOW_FRAMES, cut_motion, random_of
from mocapcli.evaluation.cases import Case, measure_case, pose_from_rotations, pose_of, subject_of
from mocapcli.evaluation.positions import closed_form, correlated_noise, run_head
from mocapcli.evaluation.records import METRICS
from mocapcli.network.anchored import Settings
from mocapcli.network.model import load_network
from mocapcli.network.reference import RigReference, reference_of_asset
from mocapcli.network.whole_pose import BONES_ALONE
from mocapcli.training.config import DataConfig
from mocapcli.training.stream import divide_families

CLIPS = 8
LEVELS = (0.0, 0.0025, 0.005, 0.01, 0.02)
FIGURES = ("rotation_local_deg", "rotation_world_deg")
KINDS = ("new in every frame", "lasts for 0.15 s")
Method = Callable[[np.ndarray, RigReference], Any]  # positions of a rig to its rotations


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("models/small"))
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--split", choices=("train", "validation", "unseen"), default="unseen")
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    cache, head = open_cache(wanted.cache), load_network(wanted.model, "rotation").rotation
    bones = partial(closed_form, noise=None, settings=Settings(sweeps=8, whole=BONES_ALONE))
    methods: dict[str, Method] = {"bone by bone": bones, "closed form": closed_form, "ours": partial(run_head, head)}
    rows = ("copy", *methods)
    entries = entries_of(cache, wanted.split)
    table = np.array([judged(cache, entry, methods) for entry in tqdm(entries)]).mean(axis=0)
    say(f"{len(entries)} files\n| noise | " + " | ".join(rows) + " |\n" + "|---" * (1 + len(rows)) + "|")
    for kind, levels in zip(KINDS, table, strict=True):
        for level, cells in zip(LEVELS, levels, strict=True):
            text = " | ".join(" / ".join(f"{value:.2f}" for value in cell) for cell in cells)
            say(f"| {100 * level:g} %, {kind} | {text} |")


def entries_of(cache: Cache, split: Literal["train", "validation", "unseen"]) -> list[Entry]:
    """Files with clips; of `validation`, those of the families set aside in training."""
    if split == "validation":
        families = divide_families(cache, DataConfig().validation).validation
        return [entry for _, entries in sorted(families.items()) for entry in entries if entry.frames]
    return [entry for entry in cache.entries_of(split) if entry.frames]


def judged(cache: Cache, entry: Entry, methods: dict[str, Method]) -> np.ndarray:
    """Means over the clips of one file: [kind of noise, level, row, figure]."""
    asset = cache.load(entry)
    reference = reference_of_asset(asset)
    subject, clips = subject_of(reference), []
    metrics = {metric.name: metric for metric in METRICS if metric.name in FIGURES}
    for number, clip in enumerate(asset.motions[:CLIPS]):
        motion = cut_motion(clip, 0, min(WINDOW_FRAMES, clip.frames))
        truth, label = pose_of(asset.rig.skeleton, motion), f"{entry.file}#{number}"
        shape = truth.positions.shape
        fresh = random_of("white noise", label).standard_normal(shape)
        lasting = correlated_noise(0, label, shape[:2], motion.fps)
        predictions = {}
        for kind, noise in enumerate((fresh, lasting)):
            for level in LEVELS:
                points = truth.positions + level * subject.size * noise
                for row, method in methods.items():
                    predictions[f"{kind} {level} {row}"] = pose_from_rotations(
                        subject, method(points, reference), points
                    )
        found = measure_case(Case(subject, truth, motion.fps, predictions), metrics)
        keys = [[["copy", *(f"{kind} {level} {row}" for row in methods)] for level in LEVELS] for kind in (0, 1)]
        clips.append([[[[found[key][name] for name in FIGURES] for key in row] for row in rows] for rows in keys])
    return np.asarray(np.mean(clips, axis=0))


def say(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
