"""From log odds to a mask: specks go, pinholes close, edges are soft."""
# mypy: allow-untyped-calls

import numpy as np
from jaxtyping import Bool, Float, UInt8
from scipy import ndimage

from mocapcli.subject.kernels import grow

SPECK = 0.0002  # of the picture
PINHOLE = 0.0003
HOLE = 0.006  # of the subject


def clean(odds: Float[np.ndarray, "height width"]) -> UInt8[np.ndarray, "height width"]:
    """A mask of 0 to 255."""
    solid = grow(shrink(odds > 0, 1), 1)
    solid = drop_small(solid, SPECK * solid.size)
    solid = ~drop_small(~solid, max(PINHOLE * solid.size, HOLE * solid.sum()))
    if not solid.any():
        return np.zeros(odds.shape, np.uint8)
    near = grow(solid, 1)
    soft = np.where(near, np.clip(0.5 + odds / 6, 0, 1), 0)
    inner = shrink(solid, 1)
    return np.asarray(np.rint(np.where(inner, 1, soft) * 255), np.uint8)


def shrink(mask: Bool[np.ndarray, "height width"], steps: int) -> Bool[np.ndarray, "height width"]:
    """The opposite of `grow`; the picture's rim is no edge."""
    return np.asarray(~grow(~mask, steps))


def drop_small(mask: Bool[np.ndarray, "height width"], least: float) -> Bool[np.ndarray, "height width"]:
    """Without connected parts of fewer pixels."""
    labels, count = ndimage.label(mask)
    if not count:
        return mask
    sizes = np.bincount(labels.ravel())
    keep = sizes >= least
    keep[0] = False
    return np.asarray(keep[labels])
