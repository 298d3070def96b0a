"""Endless labelled renders of one rig: the rig itself is the data generator.

Poses are invented limb by limb, imagined, or taken from the rig's own clips; looks, bodies, cameras and lights vary.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import torch

from mocapcli.adapting.imagined import imagined_clips
from mocapcli.data.simplify import simplify_asset
from mocapcli.data.windows import random_of
from mocapcli.loose_feet import legs_of_feet
from mocapcli.network.imaginer import Imaginer
from mocapcli.render.scene import prepare
from mocapcli.training.batches import Batch, RenderedReference, collate
from mocapcli.training.config import DataConfig
from mocapcli.training.filming import film, reference_of
from mocapcli.training.poses import PoseSampler
from mocapcli.training.samples import SceneRig
from mocapcli.training.wear import draw_wear
from mocapcli.types import Asset, Motion

DATA = DataConfig(rigs=1, clips=4, frames=8, still=0.75, real_share=0.4)
WORN = 0.5  # share of batches that show what films do to pictures


@dataclass(eq=False)
class RigScenes:
    """Batch k depends on the rig, the seed and k alone, whichever thread makes it."""

    asset: Asset
    side: int
    data: DataConfig = DATA
    use_clips: bool = True  # poses of the rig's own clips too
    seed: int = 0
    imaginer: Imaginer | None = None  # poses that it imagines too

    @cached_property
    def light(self) -> Asset:
        return simplify_asset(self.asset)

    @cached_property
    def rig(self) -> SceneRig:
        own = self.light.motions
        shown, known = (*(own if self.use_clips else ()), *self._imagined()), own[0] if own else None
        sampler = PoseSampler.of(self.light.rig.skeleton, shown, known)
        legs = legs_of_feet(self.light.rig)
        return SceneRig(self.light.with_motions(shown), prepare(self.light.rig), sampler, legs)

    def _imagined(self) -> list[Motion]:
        if self.imaginer is None:
            return []
        return imagined_clips(self.imaginer, self.reference.rig, self.light.rig.skeleton, self.seed)

    @cached_property
    def reference(self) -> RenderedReference:
        """The one that capture will use: a rig's default reference pose is known even where its clips are not used."""
        return reference_of(self.light, self.side)

    def batch(self, number: int, kind: str = "train") -> Batch:
        random, data = random_of("adapt", self.seed, kind, number), self.data
        clips, frames, moving = data.shape(bool(random.random() < data.still))
        samples = film(self.rig, data, clips, frames, moving, self.side, random)
        batch = collate([self.reference] * clips, samples, moving)
        wears = kind == "train" and data.worn and random.random() < WORN
        wear = torch.from_numpy(draw_wear(random, clips, frames, moving)) if wears else None
        return replace(batch, wear=wear)
