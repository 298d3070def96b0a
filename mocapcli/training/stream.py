"""The endless, repeatable stream of batches: batch k depends on the configuration and k alone.

So a run that was killed goes on where it was, and any number of processes share the same global batches.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from mocapcli.data import compact
from mocapcli.data.cache import Cache, Entry, open_cache
from mocapcli.data.windows import random_of, seed_of, training_part
from mocapcli.errors import InvalidDataError, UsageError
from mocapcli.network.reference import forget_names
from mocapcli.training.batches import Batch, RenderedReference, collate
from mocapcli.training.config import TrainConfig
from mocapcli.training.filming import film, made_noise, render_reference
from mocapcli.training.samples import ClipSample, SceneRig
from mocapcli.training.wear import draw_wear

Made = TypeVar("Made", covariant=True)
HELD_RIGS = 512  # prepared rigs a process keeps
FACING_DOUBT = 0.15  # radians by which the facing told in training is off


@dataclass(frozen=True)
class Families:
    """Rigs by family, divided into those trained on and those that judge."""

    train: dict[str, list[Entry]]
    validation: dict[str, list[Entry]]


def divide_families(cache: Cache, share: float) -> Families:
    """A fixed choice of training families is set aside for validation; unseen ones take no part in either."""
    families = {name: [entry for entry in entries if entry.frames] for name, entries in cache.families("train").items()}
    if len(families) < 2:
        raise InvalidDataError(
            f"{len(families)} families of animated rigs to train on", remedy="two are needed: one judges the other"
        )
    order = sorted(families, key=lambda name: seed_of("validation", name))
    aside = set(order[: min(max(1, round(share * len(order))), len(order) - 1)])
    train = {name: families[name] for name in sorted(families) if name not in aside}
    return Families(train, {name: families[name] for name in sorted(aside)})


@dataclass
class FamilyStream(Dataset[Made]):
    """Batch k of a run, or this process's share of it, made of the families that are trained on, or that judge."""

    cache_folder: Path
    config: TrainConfig
    rank: int = 0
    world: int = 1
    validation: bool = False
    _families: Families | None = field(default=None, repr=False)

    @property
    def families(self) -> Families:
        if self._families is None:
            self._families = divide_families(open_cache(self.cache_folder), self.config.data.validation)
        return self._families

    @property
    def shown(self) -> dict[str, list[Entry]]:
        return self.families.validation if self.validation else self.families.train

    def again(self, batch: Any, number: int, show: int) -> Any:
        """The batch of that number, shown once more."""
        return batch


@dataclass
class BatchStream(FamilyStream[Batch]):
    """Crops with their truth."""

    def __getitem__(self, step: int) -> Batch:
        references, samples = zip(*self.items(step), strict=True)
        batch = collate(references, samples, self.shape(step)[2])
        told = batch.targets.yaw + self._facing_doubt(step)
        joints = [reference.rig.joints for reference in references]
        batch = replace(batch, told=told, chance=self._chance(step), noise=self._noise(step, batch, joints))
        return batch if self.validation or not self.config.data.worn else replace(batch, wear=self._wear(step))

    def again(self, batch: Batch, number: int, show: int) -> Batch:
        """With other wear, and told otherwise which way it faces."""
        device = batch.crops.device
        told = batch.targets.yaw + self._facing_doubt(number, show).to(device)
        wear = None if batch.wear is None else self._wear(number, show).to(device)
        return replace(batch, told=told, wear=wear)

    def items(self, step: int) -> Iterator[tuple[RenderedReference, ClipSample]]:
        """This process's clips of a step, each with its rig."""
        data, side = self.config.data, self.config.network.side
        clips, frames, moving = self.shape(step)
        for slot in self.slots:
            random = random_of(self.config.seed, self.validation, step, slot)
            entry = choose_entry(self.shown, random)
            rig = scene_rig(self.cache_folder / entry.file)
            if not self.validation and random.random() < data.varied:
                rig = rig.varied(random)
            reference = render_reference(rig, random, side)
            if not self.validation:
                reference = replace(reference, rig=forget_names(reference.rig, random))
            for sample in film(rig, data, clips, frames, moving, side, random):
                yield reference, sample

    def shape(self, step: int) -> tuple[int, int, bool]:
        """As `DataConfig.shape`; judges are clips."""
        data = self.config.data
        return data.shape(not self.validation and random_of(self.config.seed, "still", step).random() < data.still)

    def _chance(self, step: int) -> Float[Tensor, " batch"]:
        """What decides whether stage 2 is given a clip's true positions."""
        clips = self.shape(step)[0]
        rows = [random_of(self.config.seed, "given", step, slot).random(clips) for slot in self.slots]
        return torch.from_numpy(np.concatenate(rows).astype(np.float32))

    def _noise(self, step: int, batch: Batch, joints: Sequence[int]) -> Float[Tensor, "batch frames joints 3"]:
        """On those true positions, so that stage 2 does not forget what it knows of noise.

        `joints`: of each clip's rig. What is drawn must not hang on the other rigs that this process happens to have.
        """
        none = torch.zeros_like(batch.targets.positions)
        if self.config.stage != "joint" or self.validation:
            return none
        clips, frames = self.shape(step)[0], none.shape[1]
        for place, slot in enumerate(self.slots):
            rows, own = slice(place * clips, (place + 1) * clips), joints[place * clips]
            random = random_of(self.config.seed, "noise", step, slot)
            none[rows, :, :own] = torch.from_numpy(made_noise(random, clips, frames, own))
        return none

    def _wear(self, step: int, show: int = 0) -> Float[Tensor, "batch frames chances"]:
        clips, frames, moving = self.shape(step)
        rows = [
            draw_wear(random_of(self.config.seed, "wear", step, slot, *_repeat(show)), clips, frames, moving)
            for slot in self.slots
        ]
        return torch.from_numpy(np.concatenate(rows))

    def _facing_doubt(self, step: int, show: int = 0) -> Float[Tensor, "batch frames"]:
        """How far off the facing is that a clip is told; NaN where it is told nothing."""
        rows = []
        for slot in self.slots:
            random = random_of(self.config.seed, "facing", self.validation, step, slot, *_repeat(show))
            clips, frames, moving = self.shape(step)
            doubt = FACING_DOUBT * random.normal(size=(clips, frames))
            untold = random.random((clips, 1 if moving else frames)) >= self.config.told_facing
            rows.append(np.where(untold, np.nan, doubt))
        return torch.from_numpy(np.concatenate(rows).astype(np.float32))

    @property
    def slots(self) -> range:
        """This process's part of the rigs of a batch."""
        return share_out(self.config.data.rigs, self.rank, self.world)


def _repeat(show: int) -> tuple[int, ...]:
    """What tells the random numbers of a batch that is shown again from those of the first time."""
    return (show,) if show else ()


def share_out(slots: int, rank: int, world: int) -> range:
    """Which of a batch's slots a process makes."""
    if slots < world:
        raise UsageError(f"a batch of {slots} cannot be shared by {world} processes", remedy="make the batch larger")
    return range(rank, slots, world)


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
    return SceneRig.of(training_part(compact.load(path)))
