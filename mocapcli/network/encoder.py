"""Image encoders: crops to feature maps, by name.

A crop is [N, 4, S, S]: linear-ish RGB in 0 … 1 with the background removed (zero), and the mask. An encoder returns
features [N, channels, S / stride, S / stride]. The small one below is trained with the rest, `medium` is a wider one;
`imagenet`, the one that ships, is that one told what a small network trained on photographs sees; `dinov2` wraps
pretrained weights for those who can download them.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from mocapcli.errors import InvalidDataError

Crops = Float[Tensor, "images 4 side side"]
Features = Float[Tensor, "images channels rows columns"]

TRAINED_HERE = ("small", "medium")
LIGHT = (*TRAINED_HERE, "imagenet")  # one thread of a processor is enough for them
MEAN, SPREAD = 0.4, 0.25  # of the colours of crops; the mask says where they count


def _unit(channels_in: int, channels: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)
    )


class Encoder(nn.Module):
    """What all of them are."""

    def layers(self, crops: Crops) -> list[Features]:
        """What pictures are compared by, the finest first."""
        return [self(crops)]

    def details(self, crops: Crops) -> list[Features]:
        """The first two of them, or what there is: what one picture is laid over another by."""
        return self.layers(crops)[:2]


class SmallEncoder(Encoder):
    """A U-Net of about a million parameters: down to 1/16, back up to 1/4 of the crop.

    Made for processors: batch norm, sums instead of concatenations, channels last in memory.
    """

    stride = 4

    def __init__(self, channels: int = 96, widths: tuple[int, ...] = (16, 32, 64, 128, 160)) -> None:
        super().__init__()
        half, first, second, third, fourth = widths
        self.stem = nn.Sequential(_unit(4, half, 2), _unit(half, first))
        self.down = nn.ModuleList(
            nn.Sequential(_unit(before, after, 2), _unit(after, after))
            for before, after in ((first, second), (second, third), (third, fourth))
        )
        self.middle = _unit(fourth, fourth)
        self.across = nn.ModuleList([nn.Conv2d(fourth, third, 1), nn.Conv2d(third, second, 1)])
        self.up = nn.ModuleList([_unit(third, third), _unit(second, second)])
        self.out = nn.Conv2d(second, channels, 1)

    def forward(self, crops: Crops, told: Sequence[Tensor] = ()) -> Features:
        """`told`: what else is known of each level on the way down, at any resolution."""
        hidden = self.stem(normalised(crops).contiguous(memory_format=torch.channels_last))
        levels = []
        for number, block in enumerate(self.down):
            hidden = block(hidden)
            if told:
                hidden = hidden + resized(told[number], hidden)
            levels.append(hidden)
        hidden = self.middle(hidden)
        for across, block, skip in zip(self.across, self.up, (levels[1], levels[0]), strict=True):
            hidden = block(skip + functional.interpolate(across(hidden), size=skip.shape[-2:]))
        features: Tensor = self.out(hidden)
        return features


def _imagenet(**options: Any) -> Encoder:
    from mocapcli.network.imagenet import ImagenetEncoder

    return ImagenetEncoder(**options)


def _dinov2(**options: Any) -> Encoder:
    from mocapcli.network.dino import DinoEncoder

    return DinoEncoder(**options)


MEDIUM = (24, 48, 96, 160, 224)
ENCODERS: dict[str, Callable[..., Encoder]] = {
    "small": SmallEncoder,
    "medium": partial(SmallEncoder, widths=MEDIUM),
    "imagenet": _imagenet,
    "dinov2": _dinov2,
}
READ_WHEN_BUILT = ("dinov2",)  # its weights are no part of a saved model; those of `imagenet` come with a new run


def build_encoder(name: str, channels: int, source: str = "") -> Encoder:
    """An encoder by name; `source` says where pretrained weights come from, for those that have any."""
    if name not in ENCODERS:
        raise InvalidDataError(f"no image encoder called {name!r}; known: {', '.join(sorted(ENCODERS))}")
    if name in TRAINED_HERE and source:
        raise InvalidDataError(f"the {name} encoder is trained here: it takes no weights from {source!r}")
    return ENCODERS[name](channels=channels, **({"source": source} if source and name in READ_WHEN_BUILT else {}))


def resized(features: Tensor, like: Tensor) -> Tensor:
    """Features at the resolution of others."""
    return features if features.shape[-2:] == like.shape[-2:] else resized_to(features, *like.shape[-2:])


def resized_to(features: Features, rows: int, columns: int | None = None) -> Tensor:
    """Features at that resolution; of one number, square."""
    return functional.interpolate(features, size=(rows, columns or rows), mode="bilinear")


def unit(images: Tensor) -> Tensor:
    """Bytes as numbers 0 … 1; numbers as they are."""
    return images if images.is_floating_point() else images.float() / 255


def normalised(crops: Crops) -> Crops:
    """Pixel values as encoders want them."""
    colours, mask = crops[:, :3], crops[:, 3:]
    return torch.cat([(colours - MEAN) / SPREAD * mask, mask - 0.5], dim=1)


def sample_features(
    features: Features, places: Float[Tensor, "images points 2"]
) -> Float[Tensor, "images points channels"]:
    """Features at points (-1 … 1, origin in the middle, y down), bilinear."""
    sampled = functional.grid_sample(features, places[:, :, None], align_corners=False, padding_mode="border")
    return sampled[..., 0].transpose(1, 2)
