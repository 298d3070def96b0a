"""What was found, to look at: crops and masks as PNG, and one contact sheet."""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from mocapcli.render.movie import write_png
from mocapcli.spread import evenly_spread
from mocapcli.subject.cut import cut_crop
from mocapcli.subject.find import Subject

TILES = 24  # frames, evenly spread
TILE = 192
COLUMNS = 4
CHECKS = (70, 90)  # greys behind a crop


def write_debug(subject: Subject, folder: Path, size: int = 128) -> list[Path]:
    """Write `crop_<frame>.png`, `mask_<frame>.png` for frames from all over the clip, and `sheet.png`."""
    folder.mkdir(parents=True, exist_ok=True)
    chosen = set(evenly_spread(len(subject), TILES))
    cameras, tiles, written, at = subject.cameras(size), [], [], 0
    for frames in subject.video.chunks():
        for frame in frames.pixels:
            if at in chosen:
                mask = subject.mask(at)
                crop = cut_crop(frame, mask, subject.camera, cameras[at])
                for name, picture in (("crop", crop), ("mask", np.repeat(mask[..., None], 3, axis=-1))):
                    written.append(folder / f"{name}_{at:06d}.png")
                    write_png(written[-1], picture)
                tiles.append(_tile(frame, mask, crop, float(subject.confidence[at])))
            at += 1
    written.append(folder / "sheet.png")
    write_png(written[-1], _sheet(tiles))
    return written


def _tile(
    frame: UInt8[np.ndarray, "_ _ 3"], mask: UInt8[np.ndarray, "_ _"], crop: UInt8[np.ndarray, "_ _ 4"], sure: float
) -> UInt8[np.ndarray, "_ _ 3"]:
    """The frame with everything else tinted, beside the crop; a bar below tells the confidence."""
    from PIL import Image

    width = max(1, round(frame.shape[1] * TILE / frame.shape[0]))
    small = np.asarray(Image.fromarray(frame).resize((width, TILE), Image.Resampling.BOX), float)
    share = np.asarray(Image.fromarray(mask).resize((width, TILE), Image.Resampling.BILINEAR), float)[..., None] / 255
    left = small * share + (1 - share) * (0.35 * small + 0.65 * np.array([120, 0, 120]))
    cut = np.asarray(Image.fromarray(crop).resize((TILE, TILE), Image.Resampling.BOX), float)
    checks = np.where((np.indices((TILE, TILE)) // 16).sum(axis=0)[..., None] % 2, *CHECKS)
    right = cut[..., :3] + (1 - cut[..., 3:] / 255) * checks
    tile = np.concatenate([left, right, np.zeros((TILE, 4, 3))], axis=1)
    bar = np.zeros((8, tile.shape[1], 3))
    bar[:6, : round(sure * tile.shape[1])] = (60, 200, 80) if sure > 0.7 else (230, 150, 40)
    return np.asarray(np.clip(np.concatenate([tile, bar]), 0, 255), np.uint8)


def _sheet(tiles: list[np.ndarray]) -> UInt8[np.ndarray, "_ _ 3"]:
    blank = np.zeros_like(tiles[0])
    tiles = tiles + [blank] * (-len(tiles) % min(COLUMNS, len(tiles)))
    columns = min(COLUMNS, len(tiles))
    rows = [np.concatenate(tiles[at : at + columns], axis=1) for at in range(0, len(tiles), columns)]
    return np.concatenate(rows)
