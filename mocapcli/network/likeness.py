"""How much pictures look like each other, by what an encoder sees in them."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from mocapcli.network.encoder import Features

Either = Float[Tensor, "images 1 side side"]  # where either picture shows anything


def likeness_of(filmed: Sequence[Tensor], drawn: Sequence[Tensor], either: Either) -> Float[Tensor, " images"]:
    """Of pictures and others, by all levels of their features."""
    pairs = zip(filmed, drawn, strict=True)
    return torch.stack([alike(one, other, either) for one, other in pairs]).mean(0)


def alike(one: Features, other: Features, either: Either) -> Float[Tensor, " images"]:
    """Mean cosine of two pictures' features over what either of them shows."""
    return mean_cosine(nearest_cosines(one, other), either)


def mean_cosine(cosines: Float[Tensor, "images 2 rows columns"], either: Either) -> Float[Tensor, " images"]:
    """Of both directions, where either picture shows anything."""
    share = functional.interpolate(either, size=cosines.shape[-2:], mode="area")[:, 0]
    return (cosines.mean(1) * share).sum((-1, -2)) / share.sum((-1, -2)).clamp_min(1e-3)


def nearest_cosines(one: Features, other: Features) -> Float[Tensor, "images 2 rows columns"]:
    """Each cell of one against the best of the other's there and next to it, and the other way round: a pose is never
    seen exactly."""
    units = [functional.normalize(features, dim=1) for features in (one, other)]
    pairs = (units, units[::-1])
    best = [torch.stack([(this * near).sum(1) for near in _around(that)]).amax(0) for this, that in pairs]
    return torch.stack(best, dim=1)


def _around(features: Features) -> list[Features]:
    """Each cell's own and its eight neighbours'."""
    rows, columns = features.shape[-2:]
    padded = functional.pad(features, (1, 1, 1, 1))
    return [padded[..., y : y + rows, x : x + columns] for y in range(3) for x in range(3)]
