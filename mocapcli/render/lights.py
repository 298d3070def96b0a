"""Directional lights and ambient light, in linear units: a white surface that faces a light of one is white."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from mocapcli.errors import InvalidDataError
from mocapcli.render.camera import Number, Vector


@dataclass(frozen=True, eq=False)
class Lights:
    """`directions` point from the surface towards the light (world); colours are linear RGB times brightness."""

    directions: Float[np.ndarray, "lights 3"]
    colours: Float[np.ndarray, "lights 3"]
    ambient: tuple[float, float, float] = (0.35, 0.35, 0.35)

    def __post_init__(self) -> None:
        if not all(np.isfinite(part).all() for part in (self.directions, self.colours, np.array(self.ambient))):
            raise InvalidDataError("light directions and colours must be finite")

    def packed(self) -> Float[np.ndarray, "rows 6"]:
        """What the rasteriser reads: unit direction and colour, ambient light last."""
        lengths = np.linalg.norm(self.directions, axis=1, keepdims=True)
        rows = np.concatenate([self.directions / np.maximum(lengths, 1e-12), self.colours], axis=1)
        return np.concatenate([rows, [[0.0, 0.0, 0.0, *self.ambient]]]).astype(np.float32)


def lights(directions: Sequence[Vector] | np.ndarray, brightness: Vector, ambient: Number = 0.35) -> Lights:
    """White lights."""
    strength = np.asarray(brightness, float)[:, None] * np.ones(3)
    return Lights(np.asarray(directions, float).reshape(-1, 3), strength, (ambient, ambient, ambient))


STUDIO = lights([[0.5, 0.9, 0.7], [-0.8, 0.2, 0.4], [0.1, 0.3, -1.0]], [0.6, 0.25, 0.2], 0.3)
UNLIT = lights([], [], 1.0)
