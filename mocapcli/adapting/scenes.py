"""Endless labelled renders of one rig: the rig itself is the data generator.

Poses are invented limb by limb, or taken from the rig's own clips; looks, bodies, cameras and lights vary.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch

from mocapcli.data.simplify import simplify_asset
from mocapcli.data.windows import random_of
from mocapcli.training.batches import Batch, RenderedReference, collate
from mocapcli.training.config import DataConfig
from mocapcli.training.samples import SceneRig
from mocapcli.training.stream import choose_appearance, render_reference
from mocapcli.types import Asset

DATA = DataConfig(rigs=1, clips=8, frames=4, still=0.75, real_share=0.4)
CLIPS_PER_LOOK = 4
TRUE_POSITIONS = 0.25  # share of clips whose true positions stage 2 learns from


@dataclass(eq=False)
class RigScenes:
    """Batch k depends on the rig, the seed and k alone, whichever thread makes it."""

    asset: Asset
    side: int
    data: DataConfig = DATA
    use_clips: bool = True  # poses of the rig's own clips too
    seed: int = 0

    @cached_property
    def light(self) -> Asset:
        return simplify_asset(self.asset)

    @cached_property
    def rig(self) -> SceneRig:
        rig = SceneRig.of(self.light, invent_only=not self.use_clips)
        return rig if self.use_clips else replace(rig, asset=self.light.with_motions([]))

    @cached_property
    def reference(self) -> RenderedReference:
        """The one that capture will use: a rig's default reference pose is known even where its clips are not used."""
        return render_reference(SceneRig.of(self.light, invent_only=True), None, self.side)

    def batch(self, number: int, kind: str = "train") -> Batch:
        random = random_of("adapt", self.seed, kind, number)
        clips, frames = self.data.clips, self.data.frames
        if random.random() < self.data.still:
            clips, frames = clips * frames, 1
        samples = []
        for clip in range(clips):
            if clip % CLIPS_PER_LOOK == 0:
                shown = self.rig.dressed(choose_appearance(self.data, random), random)
            samples.append(shown.sample(random, frames, self.side, self.data.real_share, self._pace(random)))
        given = torch.from_numpy(random.random(clips) < TRUE_POSITIONS)
        return replace(collate([self.reference] * clips, samples), given=given)

    def _pace(self, random: np.random.Generator) -> float:
        """Frames per second of a clip: what videos have, or less."""
        return float(random.choice([self.data.fps, 24.0, 30.0]))
