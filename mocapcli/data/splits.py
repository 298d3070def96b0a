"""Who is seen, rare and unseen: by family of skeletons, never by file.

A manifest (`manifest.csv` with file, split, family, category) decides where there is one. Otherwise rigs with the same
joints form a family and all of them are for training. Of every training clip longer than 20 frames the last fifth is
held back: on families with at least 60 training frames it forms *seen*, on the others *rare*.
"""

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mocapcli.errors import ReadError
from mocapcli.types import Skeleton

Split = Literal["train", "seen", "rare", "unseen"]

SHORT_CLIP = 20  # frames; shorter ones are not divided
HELD_BACK = 0.2
RARE_FRAMES = 60


@dataclass(frozen=True)
class Listing:
    """What a manifest says of one file."""

    file: str
    split: Literal["train", "unseen"]
    family: str
    category: str


def read_manifest(path: Path) -> dict[str, Listing]:
    """Listings by file, relative to the manifest's folder."""
    listings = {}
    with path.open(newline="", encoding="utf-8-sig") as stream:
        for number, row in enumerate(csv.DictReader(stream), 2):
            missing = [name for name in ("file", "split", "family") if not row.get(name)]
            if missing:
                raise ReadError(f"no {' or '.join(missing)}", path=path, place=f"line {number}")
            if row["split"] not in ("train", "unseen"):
                raise ReadError(
                    f"split must be train or unseen, not {row['split']!r}", path=path, place=f"line {number}"
                )
            split: Literal["train", "unseen"] = "unseen" if row["split"] == "unseen" else "train"
            listings[row["file"]] = Listing(row["file"], split, row["family"], row.get("category") or "other")
    return listings


def topology_family(skeleton: Skeleton) -> str:
    """A name for all skeletons with these joints: same names, same parents."""
    text = "\n".join(f"{name}\t{parent}" for name, parent in zip(skeleton.names, skeleton.parents, strict=True))
    return "rig-" + hashlib.sha256(text.encode()).hexdigest()[:8]


def training_frames(frames: int) -> int:
    """How many of a training clip's first frames are trained on; the rest are held back."""
    return frames if frames <= SHORT_CLIP else frames - int(frames * HELD_BACK)
