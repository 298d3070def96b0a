"""How much pictures look like each other, by what an encoder sees in them."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from mocapcli.network.encoder import Crops, Encoder, Features

Either = Float[Tensor, "images 1 side side"]  # where either picture shows anything


@dataclass(frozen=True, eq=False)
class Pictures:
    """Crops, and what an encoder sees in them."""

    crops: Crops
    layers: tuple[Tensor, ...]  # features, each at a resolution of its own, the finest first

    @classmethod
    def of(cls, crops: Crops, encoder: Encoder) -> "Pictures":
        return cls(crops, tuple(encoder.layers(crops)))

    @property
    def masks(self) -> Float[Tensor, "images 1 side side"]:
        return self.crops[:, 3:]

    @property
    def details(self) -> tuple[Tensor, ...]:
        """As `Encoder.details` has them."""
        return self.layers[:2]

    def at(self, rows: Tensor) -> "Pictures":
        return Pictures(self.crops[rows], tuple(layer[rows] for layer in self.layers))


def likeness_of(filmed: Pictures, drawn: Pictures) -> Float[Tensor, " images"]:
    """Of pictures and others, by what is more than edges: the last two of their layers."""
    either = torch.maximum(filmed.masks, drawn.masks)
    pairs = zip(filmed.layers[-2:], drawn.layers[-2:], strict=True)
    return torch.stack([alike(one, other, either) for one, other in pairs]).mean(0)


def alike(one: Features, other: Features, either: Either) -> Float[Tensor, " images"]:
    """Mean cosine of two pictures' features over what either of them shows.

    Each cell of one is held against the best of the other's there and next to it, and the other way round: a pose is
    never seen exactly.
    """
    units = [functional.normalize(features, dim=1) for features in (one, other)]
    pairs = (units, units[::-1])
    best = [torch.stack([(this * near).sum(1) for near in _around(that)]).amax(0) for this, that in pairs]
    share = functional.interpolate(either, size=one.shape[-2:], mode="area")[:, 0]
    return (torch.stack(best, dim=1).mean(1) * share).sum((-1, -2)) / share.sum((-1, -2)).clamp_min(1e-3)


def _around(features: Features) -> list[Features]:
    """Each cell's own and its eight neighbours'."""
    rows, columns = features.shape[-2:]
    padded = functional.pad(features, (1, 1, 1, 1))
    return [padded[..., y : y + rows, x : x + columns] for y in range(3) for x in range(3)]
