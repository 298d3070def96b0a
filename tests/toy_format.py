"""Two tiny formats for tests: `.toy` holds everything but looks (as JSON), `.stick` little more than joints."""

import json
from pathlib import Path

import numpy as np

from mocapcli import hookimpl
from mocapcli.errors import ReadError
from mocapcli.extensions import Format
from mocapcli.types import Asset, Motion, Rig, Skeleton


def read(path: Path) -> Asset:
    values = json.loads(path.read_bytes())
    if "names" not in values:
        raise ReadError("there are no joints", place="key 'names'")
    skeleton = Skeleton(
        tuple(values["names"]),
        np.array(values["parents"]),
        np.array(values["translations"]),
        np.array(values["rotations"]),
    )
    clips = [
        Motion(
            clip["name"],
            float(clip["fps"]),
            np.array(clip["rotations"]),
            np.array(clip["translations"]),
            None if clip["scales"] is None else np.array(clip["scales"]),
        )
        for clip in values["clips"]
    ]
    return Asset(Rig(skeleton), tuple(clips))


def write(path: Path, asset: Asset) -> None:
    skeleton = asset.rig.skeleton
    clips = [
        {
            "name": clip.name,
            "fps": clip.fps,
            "rotations": clip.rotations.tolist(),
            "translations": clip.translations.tolist(),
            "scales": None if clip.scales is None else clip.scales.tolist(),
        }
        for clip in asset.motions
    ]
    values = {
        "names": skeleton.names,
        "parents": skeleton.parents.tolist(),
        "translations": skeleton.rest_translations.tolist(),
        "rotations": skeleton.rest_rotations.tolist(),
        "clips": clips,
    }
    path.write_text(json.dumps(values))


def write_first(path: Path, asset: Asset) -> None:
    write(path, asset.with_motions(asset.motions[:1]))


class ToyPlugin:
    """Registered with `plugins.manager.register(ToyPlugin(), name="toy")`."""

    @hookimpl
    def register_formats(self, register):
        keeps = frozenset({"motions", "scales", "translations", "rest_rotations"})
        register(Format("toy", "a toy file", ("toy",), read, write, keeps, magic=(b'{"names"',)))
        register(Format("stick", "a stick file", ("stick",), read, write_first, also=("toy",)))
