"""A contact sheet of creatures, each caught in the middle of its first clip."""

import math
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from mocapcli.errors import WriteError
from mocapcli.render.scene import follow_motion, prepare, render_motion
from mocapcli.types import Asset

TILE = 160
MOST = 1024
BACKGROUND = (226, 230, 234)
SUFFIXES = (".png", ".jpg", ".jpeg")


class Sheet:
    """Tiles gathered one by one, saved as one picture."""

    def __init__(self, path: Path, count: int) -> None:
        if path.suffix.lower() not in SUFFIXES:
            raise WriteError("a contact sheet is a picture", path=path, remedy="name it .png or .jpg")
        if not path.absolute().parent.is_dir():
            raise WriteError(f"there is no folder {path.parent}", path=path)
        self.path = path
        self.columns = max(1, math.ceil(math.sqrt(min(count, MOST))))
        self.tiles: list[UInt8[np.ndarray, "size size 3"]] = []

    def add(self, asset: Asset) -> None:
        """Draw one more; past the first thousand nothing is drawn."""
        if len(self.tiles) < MOST:
            self.tiles.append(portrait(asset))

    def save(self) -> None:
        from PIL import Image

        rows = math.ceil(len(self.tiles) / self.columns)
        page = np.empty((rows * TILE, self.columns * TILE, 3), np.uint8)
        page[:] = BACKGROUND
        for place, tile in enumerate(self.tiles):
            top, left = TILE * (place // self.columns), TILE * (place % self.columns)
            page[top : top + TILE, left : left + TILE] = tile
        Image.fromarray(page).save(self.path, quality=88)


def portrait(asset: Asset, size: int = TILE) -> UInt8[np.ndarray, "{size} {size} 3"]:
    """A three-quarter view of a third of the way into the first clip."""
    model = prepare(asset.rig)
    motion = asset.motions[0] if asset.motions else None
    frame = motion.frames // 3 if motion else 0
    camera = follow_motion(model, motion, yaw=38, pitch=14, width=size, height=size)[frame]
    images = render_motion(model, motion, camera, [frame], background=BACKGROUND, outputs=("colour",), threads=1)
    return np.ascontiguousarray(images.colour[0, ..., :3])
