"""The endless, repeatable stream of batches: batch k depends on the configuration and k alone.

So a run that was killed goes on where it was, and any number of processes share the same global batches.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from mocapcli.data import compact
from mocapcli.data.appearance import Appearance
from mocapcli.data.cache import Cache, Entry, open_cache
from mocapcli.data.windows import random_of, seed_of
from mocapcli.network.reference import reference_of_rig
from mocapcli.training.batches import Batch, RenderedReference, collate
from mocapcli.training.config import DataConfig, TrainConfig
from mocapcli.training.samples import ClipSample, SceneRig

HELD_RIGS = 256  # prepared rigs a process keeps


@dataclass(frozen=True)
class Families:
    """Rigs by family, divided into those trained on and those that judge."""

    train: dict[str, list[Entry]]
    validation: dict[str, list[Entry]]


def divide_families(cache: Cache, share: float) -> Families:
    """A fixed choice of training families is set aside for validation; unseen ones take no part in either."""
    families = {name: [entry for entry in entries if entry.frames] for name, entries in cache.families("train").items()}
    order = sorted(families, key=lambda name: seed_of("validation", name))
    aside = set(order[: round(share * len(order))])
    train = {name: families[name] for name in sorted(families) if name not in aside}
    return Families(train, {name: families[name] for name in sorted(aside)})


@dataclass
class BatchStream(Dataset[Batch]):
    """Batch k of the run, or this process's share of it."""

    cache_folder: Path
    config: TrainConfig
    rank: int = 0
    world: int = 1
    validation: bool = False
    _families: Families | None = field(default=None, repr=False)

    def __getitem__(self, step: int) -> Batch:
        references, samples = [], []
        for reference, sample in self.items(step):
            references.append(reference)
            samples.append(sample)
        return collate(references, samples)

    def items(self, step: int) -> Iterator[tuple[RenderedReference, ClipSample]]:
        """This process's clips of a step, each with its rig."""
        data, side = self.config.data, self.config.network.side
        families = self.families.validation if self.validation else self.families.train
        for slot in range(self.rank, data.rigs, self.world):
            random = random_of(self.config.seed, self.validation, step, slot)
            entry = choose_entry(families, random)
            rig = scene_rig(self.cache_folder / entry.file)
            reference = render_reference(rig, random, side)
            for _ in range(data.clips):
                shown = rig.dressed(choose_appearance(data, random), random)
                yield reference, shown.sample(random, data.frames, side, data.real_share, data.fps)

    @property
    def families(self) -> Families:
        if self._families is None:
            self._families = divide_families(open_cache(self.cache_folder), self.config.data.validation)
        return self._families


def load_batches(stream: Dataset[Any], start: int, stop: int, workers: int) -> DataLoader[Any]:
    """Batches start … stop in order, made by worker processes if there are any."""
    return DataLoader(
        stream,
        batch_size=None,
        sampler=range(start, stop),
        num_workers=workers,
        generator=torch.Generator(),  # its own, or starting it would change the run's random numbers
        prefetch_factor=4 if workers else None,
        persistent_workers=bool(workers),
    )


def choose_entry(families: dict[str, list[Entry]], random: np.random.Generator) -> Entry:
    """A family, then one of its rigs."""
    name = sorted(families)[int(random.integers(len(families)))]
    return families[name][int(random.integers(len(families[name])))]


@lru_cache(maxsize=HELD_RIGS)
def scene_rig(path: Path) -> SceneRig:
    return SceneRig.of(compact.load(path))


def render_reference(rig: SceneRig, random: np.random.Generator | None, side: int) -> RenderedReference:
    """The rig in its reference pose: in training now the rest pose, now any frame of its clips."""
    asset = rig.asset
    motion = asset.motions[0] if asset.motions else None
    frame = 0
    if random is not None and asset.motions:
        motion = asset.motions[int(random.integers(len(asset.motions)))] if random.random() < 0.7 else None
        frame = int(random.integers(motion.frames)) if motion is not None and random.random() < 0.5 else 0
    reference = reference_of_rig(asset.rig, motion, frame)
    world = np.tile(np.eye(4), (reference.joints, 1, 1))
    world[:, :3, :3], world[:, :3, 3] = reference.reference_rotations, reference.reference_positions
    crops, cameras = rig.reference_views(world, side)
    return RenderedReference(reference, crops, tuple(cameras))


def choose_appearance(data: DataConfig, random: np.random.Generator) -> Appearance:
    draw = random.random()
    if draw < data.other_body:
        return "other-body"
    return "recoloured" if draw < data.other_body + data.recoloured else "own"
