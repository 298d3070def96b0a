"""Make the rigs, videos and truth of this folder anew: `python examples/make_examples.py [OUTDIR]`.

Creatures come from the zoo by seed, each video films one clip of one of them, and truth.json says which and how.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from mocapcli.data.videos import View, place_cameras, random_background
from mocapcli.formats import write_asset
from mocapcli.kinematics import crop, motion_world
from mocapcli.render.camera import Camera
from mocapcli.render.movie import write_movie
from mocapcli.render.scene import Model, pose_points, prepare, render
from mocapcli.render.stage import PALETTES, make_stage, paint_stage, studio_lights
from mocapcli.render.viewpoints import extent_of
from mocapcli.types import Asset, Motion
from mocapcli.zoo import make_creature

HERE = Path(__file__).resolve().parent
SIZE, LONGEST_SECONDS, MOST_CLIPS = 320, 2.5, 4
SEEDS = {"dragon": 3, "quadruped": 3, "biped": 2}
World = Float[np.ndarray, "frames joints 4 4"]
Backdrop = UInt8[np.ndarray, "frames height width 3"]


@dataclass(frozen=True)
class Shot:
    """One video: whose clip, from where, before what."""

    rig: str
    clip: str
    yaw: float
    pitch: float
    background: str  # a key of BACKDROPS

    @property
    def name(self) -> str:
        return f"{self.rig}_{self.clip}"


SHOTS = (
    Shot("dragon", "walk", 40.0, 14.0, "studio"),
    Shot("dragon", "fly", -55.0, 8.0, "drifting clouds"),
    Shot("quadruped", "walk", 65.0, 12.0, "plain"),
    Shot("biped", "walk", 30.0, 8.0, "still clouds"),
    Shot("biped", "jump", -35.0, 10.0, "studio"),
)


def studio(model: Model, world: World, cameras: list[Camera], shot: Shot) -> Backdrop:
    """A floor with a shadow."""
    extent = extent_of(model, world)
    points, _ = pose_points(model, world)
    stage = make_stage(PALETTES["studio"], extent.ground, extent.size)
    still = all(camera is cameras[0] for camera in cameras)
    centres = points.mean(axis=(0, 1) if still else 1).astype(np.float64) + np.zeros((len(world), 1))
    return paint_stage(stage, points, model.surface, cameras, centres, shot.yaw)


def plain(model: Model, world: World, cameras: list[Camera], shot: Shot) -> Backdrop:
    """One colour."""
    size = cameras[0].width
    return np.broadcast_to(np.array([196, 204, 190], np.uint8), (len(world), size, size, 3)).copy()


def still_clouds(model: Model, world: World, cameras: list[Camera], shot: Shot) -> Backdrop:
    """Soft blots that stay in place."""
    return np.repeat(clouds(cameras[0].width)[None], len(world), axis=0)


def drifting_clouds(model: Model, world: World, cameras: list[Camera], shot: Shot) -> Backdrop:
    """The same, passing by."""
    image = clouds(cameras[0].width)
    loop = np.concatenate([image, image[:, ::-1]], axis=1)  # mirrored, so that it has no seam
    drift = np.arange(len(world)) * max(1, cameras[0].width // 160)
    return np.stack([np.roll(loop, -step, axis=1)[:, : image.shape[1]] for step in drift])


def clouds(size: int) -> UInt8[np.ndarray, "size size 3"]:
    """Between two shades of blue, paler below."""
    noise = random_background(np.random.default_rng(5), 64).astype(np.float64).mean(axis=2)
    span = max(float(np.ptp(noise)), 1e-9)
    at = np.linspace(0, 63, size)
    rows = np.stack([np.interp(at, np.arange(64), row) for row in (noise - noise.min()) / span])
    smooth = np.stack([np.interp(at, np.arange(64), column) for column in rows.T], axis=1)
    share = 0.7 * smooth + 0.3 * np.linspace(0, 1, size)[:, None]
    low, high = np.array([120.0, 150.0, 185.0]), np.array([214.0, 222.0, 230.0])
    return np.asarray((low + share[..., None] * (high - low)).astype(np.uint8))


BACKDROPS: dict[str, Callable[[Model, World, list[Camera], Shot], Backdrop]] = {
    "studio": studio,
    "plain": plain,
    "still clouds": still_clouds,
    "drifting clouds": drifting_clouds,
}


def make_rig(kind: str) -> Asset:
    """A creature with the clips that are filmed and a few more."""
    asset = make_creature(SEEDS[kind], kind)
    filmed = {shot.clip for shot in SHOTS if shot.rig == kind}
    first = [motion for motion in asset.motions if motion.name in filmed]
    others = [motion for motion in asset.motions if motion.name not in filmed]
    return asset.with_motions((first + others)[:MOST_CLIPS])


def film(asset: Asset, shot: Shot, size: int = SIZE) -> tuple[UInt8[np.ndarray, "frames _ _ 3"], dict[str, Any]]:
    """The frames of a video and its truth."""
    motion = cut(next(motion for motion in asset.motions if motion.name == shot.clip))
    model, world = prepare(asset.rig), motion_world(asset.rig.skeleton, motion)
    lights = studio_lights(shot.yaw)
    view = View(shot.yaw, shot.pitch, 32.0, 0.8, lights, np.zeros((size, size, 3), np.uint8))
    cameras = place_cameras(model, world, view, size)
    backdrop = BACKDROPS[shot.background](model, world, cameras, shot)
    images = render(model, world, cameras, lights=lights, background=backdrop, supersample=3, outputs=("colour",))
    return images.colour[..., :3], truth_of(shot, motion, cameras)


def cut(motion: Motion) -> Motion:
    """Its first seconds, at its own frames."""
    return crop(motion, 0.0, min(motion.duration, LONGEST_SECONDS))


def truth_of(shot: Shot, motion: Motion, cameras: list[Camera]) -> dict[str, Any]:
    """What a capture of the video should find: frame k shows second k / fps of the clip, through camera k."""
    camera = cameras[0]
    return {
        "video": f"{shot.name}.mp4",
        "rig": f"{shot.rig}.glb",
        "clip": shot.clip,
        "frames": motion.frames,
        "fps": motion.fps,
        "background": shot.background,
        "camera": {
            "size": camera.width,
            "focal_px": round(float(camera.focal), 4),
            "centre_px": [float(value) for value in camera.centre],
            "rotation": np.round(camera.rotation, 8).tolist(),
            "positions": [np.round(view.position, 5).tolist() for view in cameras],
        },
    }


def make_all(folder: Path, shots: tuple[Shot, ...] = SHOTS, size: int = SIZE) -> None:
    """Rigs, videos and truth.json."""
    folder.mkdir(parents=True, exist_ok=True)
    rigs = {kind: make_rig(kind) for kind in dict.fromkeys(shot.rig for shot in shots)}
    for kind, asset in rigs.items():
        write_asset(folder / f"{kind}.glb", asset)
    truths = []
    for shot in shots:
        frames, truth = film(rigs[shot.rig], shot, size)
        write_movie(folder / f"{shot.name}.mp4", frames, truth["fps"])
        truths.append(truth)
    lines = ",\n".join(json.dumps(truth) for truth in truths)
    (folder / "truth.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("outdir", nargs="?", type=Path, default=HERE)
    make_all(parser.parse_args().outdir)
