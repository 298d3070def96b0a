"""How far off is a pose? A small network that sees film and drawing side by side.

How much the two look like each other (`network.likeness`) was taught by photographs alone. Rigs can be drawn in wrong
poses without end, so what to look at in drawings can be learnt: which way a body faces that looks alike from both
sides, and small things such as limbs. The picture encoder's own layers are what is looked at; they stay as they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from mocapcli.network.likeness import Pictures, mean_cosine, nearest_cosines
from mocapcli.network.refiner import ConvBlock

PIXELS = 5  # channels beside the encoder's: both masks, and colours' difference where both show something
SAID = 4  # numbers about a picture as a whole
USUAL = 1.8  # what one that has learnt nothing says


@dataclass(frozen=True)
class JudgeConfig:
    """Sizes; saved with the weights."""

    channels: int = 64
    shown: int = 24  # channels that each of the encoder's layers is brought to


class Judge(nn.Module):
    """`judge(film, drawing)`: log(1 + how far joints are off, in % of the size), for each pair."""

    def __init__(self, config: JudgeConfig, widths: Sequence[int]) -> None:
        super().__init__()
        channels, shown = config.channels, config.shown
        self.show = nn.ModuleList(nn.Conv2d(width, shown, 1) for width in widths)
        self.pair = nn.ModuleList(nn.Conv2d(3 * shown + 2, channels, 1) for _ in widths)
        self.pixels = nn.Conv2d(PIXELS, channels, 3, padding=1)
        strides = (1, 1, 2, 1, 1)
        self.blocks = nn.Sequential(*(ConvBlock(channels, channels, stride) for stride in strides))
        last = nn.Linear(channels, 1)
        nn.init.zeros_(last.weight)
        nn.init.constant_(last.bias, USUAL)
        self.read_out = nn.Sequential(nn.Linear(2 * channels + SAID, channels), nn.SiLU(), last)

    def forward(self, film: Pictures, drawn: Pictures) -> Float[Tensor, " pairs"]:
        grid = film.layers[len(film.layers) // 2].shape[-2:]
        masks = film.masks, drawn.masks
        both, either = torch.minimum(*masks), torch.maximum(*masks)
        colours = (film.crops[:, :3] - drawn.crops[:, :3]).abs() * both
        seen = self.pixels(functional.interpolate(torch.cat([*masks, colours], dim=1), size=grid, mode="area"))
        likeness = []
        for show, pair, one, other in zip(self.show, self.pair, film.layers, drawn.layers, strict=True):
            here, there, cosines = show(one), show(other), nearest_cosines(one, other)
            likeness.append(mean_cosine(cosines, either))
            beside = torch.cat([here, there, here * there, cosines], dim=1)
            finer = beside.shape[-1] > grid[-1]
            seen = seen + pair(functional.interpolate(beside, size=grid, mode="area" if finer else "bilinear"))
        seen = self.blocks(functional.silu(seen))
        share = functional.interpolate(either, size=seen.shape[-2:], mode="area")
        mean = (seen * share).sum((-1, -2)) / share.sum((-1, -2)).clamp_min(1e-3)
        area = [mask.mean((-1, -2)) for mask in (both, either)]
        overlap = area[0] / area[1].clamp_min(1e-3)
        alike = torch.stack(likeness[-2:]).mean(0)[:, None]  # as `likeness_of` has it
        told = torch.cat([mean, seen.amax((-1, -2)), *area, overlap, alike], dim=1)
        off: Tensor = self.read_out(told)[:, 0]
        return off
