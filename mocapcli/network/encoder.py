"""Image encoders: crops to feature maps, by name.

A crop is [N, 4, S, S]: linear-ish RGB in 0 … 1 with the background removed (zero), and the mask. An encoder returns
features [N, channels, S / stride, S / stride]. The small one below is trained with the rest; `dinov2` wraps pretrained
weights for those who can download them.
"""

import itertools
import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from mocapcli.errors import InvalidDataError, UnsupportedError

Crops = Float[Tensor, "images 4 side side"]
Features = Float[Tensor, "images channels rows columns"]

MEAN, SPREAD = 0.4, 0.25  # of the colours of crops; the mask says where they count


class ConvBlock(nn.Module):
    """Two 3×3 convolutions with a residual; group norm, because batches mix rigs."""

    def __init__(self, channels_in: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        groups = math.gcd(channels, 8)
        self.first = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.first_norm = nn.GroupNorm(groups, channels)
        self.second = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.second_norm = nn.GroupNorm(groups, channels)
        plain = stride == 1 and channels_in == channels
        self.shortcut = nn.Identity() if plain else nn.Conv2d(channels_in, channels, 1, stride)

    def forward(self, images: Tensor) -> Tensor:
        hidden = functional.silu(self.first_norm(self.first(images)))
        hidden = self.second_norm(self.second(hidden))
        return functional.silu(hidden + self.shortcut(images))


class SmallEncoder(nn.Module):
    """A U-Net of about a million parameters: down to 1/16, back up to 1/4 of the crop."""

    stride = 4

    def __init__(self, channels: int = 96, width: int = 24) -> None:
        super().__init__()
        widths = [width, 2 * width, 4 * width, 5 * width]
        self.stem = nn.Sequential(nn.Conv2d(4, widths[0], 5, 2, 2), nn.SiLU())
        self.down = nn.ModuleList(ConvBlock(a, b, 2) for a, b in itertools.pairwise(widths))
        self.middle = ConvBlock(widths[-1], widths[-1])
        self.up = nn.ModuleList(
            ConvBlock(above + here, here) for above, here in ((widths[3], widths[2]), (widths[2], widths[1]))
        )
        self.out = nn.Conv2d(widths[1], channels, 1)

    def forward(self, crops: Crops) -> Features:
        hidden = self.stem(_normalised(crops))
        levels = []
        for block in self.down:
            hidden = block(hidden)
            levels.append(hidden)
        hidden = self.middle(hidden)
        for block, skip in zip(self.up, (levels[1], levels[0]), strict=True):
            hidden = block(torch.cat([functional.interpolate(hidden, size=skip.shape[-2:]), skip], dim=1))
        features: Tensor = self.out(hidden)
        return features


class DinoEncoder(nn.Module):
    """DINOv2 through `transformers` (extra `[dino]`), frozen but for a projection; patches of 14 pixels."""

    stride = 14

    def __init__(
        self, channels: int = 96, name: str = "facebook/dinov2-small", backbone: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.backbone = backbone if backbone is not None else _load_dino(name)
        self.backbone.requires_grad_(False)
        hidden = int(self.backbone.config.hidden_size)  # type: ignore[union-attr, arg-type]
        self.patch = int(self.backbone.config.patch_size)  # type: ignore[union-attr, arg-type]
        self.out = nn.Linear(hidden, channels)

    def forward(self, crops: Crops) -> Features:
        rows = max(1, crops.shape[-1] // self.patch)
        colours = functional.interpolate(crops[:, :3], size=(rows * self.patch,) * 2, mode="bilinear", antialias=True)
        with torch.no_grad():
            tokens = self.backbone(pixel_values=(colours - MEAN) / SPREAD).last_hidden_state
        patches = tokens[:, -rows * rows :]  # class and register tokens come first
        features: Tensor = self.out(patches).transpose(1, 2).unflatten(2, (rows, rows))
        return features


def _load_dino(name: str) -> nn.Module:
    try:
        from transformers import AutoModel
    except ImportError:
        raise UnsupportedError("the dinov2 encoder needs transformers", remedy="pip install 'mocapcli[dino]'") from None
    try:
        model: nn.Module = AutoModel.from_pretrained(name)
    except OSError as error:
        raise UnsupportedError(f"cannot load {name!r} ({str(error).splitlines()[0]})") from error
    return model


ENCODERS: dict[str, Callable[..., nn.Module]] = {"small": SmallEncoder, "dinov2": DinoEncoder}


def build_encoder(name: str, channels: int, **options: object) -> nn.Module:
    if name not in ENCODERS:
        raise InvalidDataError(f"no image encoder called {name!r}; known: {', '.join(sorted(ENCODERS))}")
    return ENCODERS[name](channels=channels, **options)


def _normalised(crops: Crops) -> Crops:
    colours, mask = crops[:, :3], crops[:, 3:]
    return torch.cat([(colours - MEAN) / SPREAD * mask, mask - 0.5], dim=1)


def sample_features(
    features: Features, places: Float[Tensor, "images points 2"]
) -> Float[Tensor, "images points channels"]:
    """Features at points (-1 … 1, origin in the middle, y down), bilinear."""
    sampled = functional.grid_sample(features, places[:, :, None], align_corners=False, padding_mode="border")
    return sampled[..., 0].transpose(1, 2)
