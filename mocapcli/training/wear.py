"""Crops as videos give them: other light and white balance, blur, greyish pictures, masks that are too wide or too
narrow, things in front of the subject.

What chance decides is drawn with the samples, as numbers from 0 to 1, so that a step stays repeatable however many
processes share it; what is done with them happens on the device that trains.
"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

CHANCES = 16
LASTING = 10  # of those: the same in all frames of a clip
GREY, SOFT, CLEAN = 0.1, 0.5, 0.3  # shares of clips
HIDDEN = 0.2  # share of pictures: what stands in front flits by
GAIN, BALANCE, CONTRAST = 0.45, 0.15, 0.3  # of logarithms of colours
EDGE = 0.35  # how far the level at which a blurred mask is cut strays from a half
LARGEST = 0.4  # side of what stands in front, of the crop's


def draw_wear(random: np.random.Generator, clips: int, frames: int, steady: bool = True) -> np.ndarray:
    """Chances of some clips; single pictures (`steady` false) share none."""
    chances = random.random((clips, frames, CHANCES))
    if steady:
        chances[:, :, :LASTING] = chances[:, :1, :LASTING]
    return chances.astype(np.float32)


def worn(
    crops: Float[Tensor, "batch frames 4 side side"], chances: Float[Tensor, "batch frames chances"]
) -> Float[Tensor, "batch frames 4 side side"]:
    """The same crops, the worse for wear."""
    images, luck = crops.flatten(0, 1), chances.flatten(0, 1)
    luck = luck[..., None, None]
    mask = images[:, 3:]
    colours = _coloured(images[:, :3] / mask.clamp_min(1 / 255), luck)
    colours = torch.lerp(colours, _blurred(colours * mask) / _blurred(mask).clamp_min(1e-3), _often(luck[:, 4], SOFT))
    edge = 0.5 + EDGE * (2 * luck[:, 5:6] - 1)
    cut = ((_blurred(mask) - edge) * 4 + 0.5).clamp(0, 1)
    fringe = luck[:, 6:7].expand_as(colours)  # what a mask that is too wide shows beside the subject
    colours = torch.where(mask > 0.02, colours, fringe)
    mask = torch.where(luck[:, 7:8] < CLEAN, mask, cut) * _uncovered(luck, images.shape[-1])
    result: Tensor = torch.cat([colours.clamp(0, 1) * mask, mask], dim=1).unflatten(0, crops.shape[:2])
    return result


def _coloured(colours: Tensor, luck: Tensor) -> Tensor:
    signed = 2 * luck - 1
    gain = torch.exp(GAIN * signed[:, :1] + BALANCE * signed[:, 1:4])
    power = torch.exp(CONTRAST * signed[:, 8:9])
    grey = colours.mean(1, keepdim=True)
    share = torch.where(luck[:, 9:10] < GREY, 1.0, 0.5 * luck[:, 9:10])
    return (torch.lerp(colours, grey, share) * gain).clamp(1e-4, 1).pow(power)


def _blurred(images: Tensor) -> Tensor:
    """Means of 3 × 3 pixels: one axis after the other takes half the time of `avg_pool2d`."""
    for axis in (2, 3):
        size = images.shape[axis]
        total = images.clone()
        total.narrow(axis, 1, size - 1).add_(images.narrow(axis, 0, size - 1))
        total.narrow(axis, 0, size - 1).add_(images.narrow(axis, 1, size - 1))
        counted = torch.full((size,), 3.0, device=images.device)
        counted[0] = counted[-1] = 2
        images = total.div_(counted.view((size, 1) if axis == 2 else (size,)))
    return images


def _often(chance: Tensor, share: float) -> Tensor:
    """How much, 0 … 1, in that share of cases; else nothing."""
    return (1 - chance / share).clamp_min(0)[:, None]


def _uncovered(luck: Tensor, side: int) -> Tensor:
    """One where nothing stands in front: a rectangle may, in a share of the clips."""
    at = (torch.arange(side, device=luck.device) + 0.5) / side
    chance = luck[..., 0]  # [images, chances, 1]
    half = LARGEST / 2 * (0.25 + 0.75 * chance[:, 12:14])
    across, down = ((chance[:, 10:12] - at).abs() < half).unbind(1)
    covered = across[:, None, :] & down[:, :, None] & (chance[:, 14:15] < HIDDEN)
    return (~covered)[:, None].to(luck)
