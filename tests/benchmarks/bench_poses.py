"""Are invented poses like those of clips? How far real poses are from the nearest of some invented ones.

python tests/benchmarks/bench_poses.py --cache CACHE [--model models/small] [--split unseen] [--poses 256]
    [--sheet FILE.jpg]

One rig of each family set aside for validation, or of each unseen one. Real poses (64 single frames of its clips, none
of which anything here is told) are compared with so many that are bent limb by limb (`training/poses.py`), that are
imagined (`network/imaginer.py`), and with the reference pose alone: mean distance of joints that deform, around their
centre, in % of the size, each real pose with its nearest. Headings play no part. `spread` is how far two poses of a
kind are apart on the average: invented ones should not be wilder than real ones. `--sheet` draws some of the imagined
ones.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from mocapcli.adapting.imagined import imagined_clips
from mocapcli.data.cache import Cache, Entry, open_cache
from mocapcli.data.videos import film, random_view
from mocapcli.data.windows import random_of
from mocapcli.kinematics import motion_world, polar
from mocapcli.network.imaginer import posed, turns_of
from mocapcli.network.model import load_network
from mocapcli.network.reference import RigBatch, batch_rigs
from mocapcli.network.whole_pose import places_of
from mocapcli.training.config import DataConfig
from mocapcli.training.filming import reference_of
from mocapcli.training.poses import PoseSampler, pose_world
from mocapcli.training.stream import divide_families
from mocapcli.types import Asset, Motion

REAL = 64
DRAWN, TILE = 9, 128
ROWS = ("reference", "limb by limb", "imagined", "both, half and half")


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("models/small"))
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--split", choices=("validation", "unseen"), default="validation")
    parser.add_argument("--poses", type=int, default=256)
    parser.add_argument("--sheet", type=Path, help="a picture of imagined poses, a row for each rig")
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    cache, imaginer = open_cache(wanted.cache), load_network(wanted.model, "imagine").imaginer
    assert imaginer is not None
    say("| rig | " + " | ".join([*ROWS, "spread: real", *ROWS[1:3]]) + " |\n" + "|---" * (len(ROWS) + 4) + "|")
    rows, pictures = [], []
    for name, entry in chosen(cache, wanted.split):
        asset = cache.load(entry)
        clips = imagined_clips(imaginer, reference_of(asset, 16).rig, asset.rig.skeleton, seed=0)
        rows.append(compare(asset, clips, wanted.poses))
        pictures.append(drawn(asset, clips))
        say(f"| {name} | " + " | ".join(f"{value:.1f}" for value in rows[-1]) + " |")
    say("| mean | " + " | ".join(f"{value:.2f}" for value in np.mean(rows, axis=0)) + " |")
    if wanted.sheet:
        Image.fromarray(np.concatenate(pictures)).save(wanted.sheet, quality=88)


def chosen(cache: Cache, split: str) -> list[tuple[str, Entry]]:
    families = cache.families("unseen")
    if split == "validation":
        families = divide_families(cache, DataConfig().validation).validation
    shown = [max(entries, key=lambda entry: entry.frames) for entries in families.values()]
    return [(entry.source, entry) for entry in shown if entry.frames]


def compare(asset: Asset, clips: list[Motion], poses: int) -> list[float]:
    """Distances to the nearest, by kind of pose, then spreads."""
    reference, skeleton = reference_of(asset, 16).rig, asset.rig.skeleton
    rig, random = batch_rigs([reference], torch.float64), random_of("bench poses", asset.rig.name)
    known = asset.motions[0]
    sampler = PoseSampler.of(skeleton, (), known)
    bent = np.stack(
        [pose_world(skeleton, sampler.sample(1, 24.0, random), skeleton.rest_translations)[0] for _ in range(poses)]
    )
    imagined = spread_out(np.concatenate([world_of(asset, clip) for clip in clips]), poses)
    frames = np.concatenate([world_of(asset, motion) for motion in asset.motions])
    real = frames[random.permutation(len(frames))[:REAL]]
    known_pose = reference.reference_rotations[None]
    kinds = [known_pose, bent[..., :3, :3], imagined]
    half = poses // 2
    kinds.append(np.concatenate([kinds[1][:half], spread_out(imagined, half)]))
    found = [standing(kind, rig) for kind in (real, *kinds)]
    deforms = reference.deforms
    nearest = [float(apart(found[0], other, deforms).min(-1).mean()) for other in found[1:]]
    own = [float(apart(kind, kind, deforms).mean()) for kind in (found[0], *found[2:4])]
    return [100 * value for value in (*nearest, *own)]


def drawn(asset: Asset, clips: list[Motion]) -> np.ndarray:
    """The reference pose, then the first pose of some clips, side by side."""
    shown = [asset.motions[0], *clips[:DRAWN]]
    turns, shifts = (
        np.concatenate([getattr(one, name)[:1] for one in shown]) for name in ("rotations", "translations")
    )
    view = random_view(random_of("imagined sheet", asset.rig.name))
    plain = np.full_like(np.array(view.background), 226)
    view = replace(view, yaw=30.0, pitch=14.0, background=plain)
    frames = film(asset, Motion("poses", 1.0, turns, shifts), view).frames[..., :3]
    return np.concatenate([np.asarray(Image.fromarray(frame).resize((TILE, TILE))) for frame in frames], axis=1)


def world_of(asset: Asset, motion: Motion) -> np.ndarray:
    kept = np.unique(np.linspace(0, motion.frames - 1, min(48, motion.frames)).round().astype(int))
    part = replace(motion, rotations=motion.rotations[kept], translations=motion.translations[kept], scales=None)
    return np.asarray(polar(motion_world(asset.rig.skeleton, part)[..., :3, :3])[0])


def spread_out(poses: np.ndarray, count: int) -> np.ndarray:
    return np.asarray(poses[np.linspace(0, len(poses) - 1, count).round().astype(int)])


def standing(world: np.ndarray, rig: RigBatch) -> np.ndarray:
    """Joints around their centre, headings taken out."""
    turned = posed(turns_of(torch.from_numpy(world[None]), rig), rig)
    return places_of(turned, rig.anchors)[0].numpy()


def apart(first: np.ndarray, second: np.ndarray, deforms: np.ndarray) -> np.ndarray:
    one, two = (values[:, deforms] - values[:, deforms].mean(axis=1, keepdims=True) for values in (first, second))
    return np.stack([np.linalg.norm(pose - two, axis=-1).mean(-1) for pose in one])


if __name__ == "__main__":
    main()
