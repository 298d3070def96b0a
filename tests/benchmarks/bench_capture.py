"""How fast `mocap capture` is: processor milliseconds a frame by stage, over joints, frames and size.

`python tests/benchmarks/bench_capture.py [--model DIR] [--quick] [--memory] [--clock]`. Without a model: random
weights of the default size, which neither compare facings nor fit limbs; `--model small` is the one that ships. Rigs
and videos are zoo creatures; one thread; processor time, because machines are shared. A capture runs once before it is
measured. The last lines compare with the image encoder of the published system, ViT-L/14 at 224 pixels with random
weights, in the same run. `--memory` prints the largest memory of a short and a long video instead, `--clock` frames a
second by the clock on all cores, with so many rounds of stage 3.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import numpy as np
import torch
from torch import nn

import mocapcli.capturing.report as report
from mocapcli.capturing.api import READING, Captured, capture_video
from mocapcli.capturing.models import Model, load_model
from mocapcli.capturing.options import Options
from mocapcli.data.videos import place_cameras, random_view
from mocapcli.kinematics import motion_world
from mocapcli.network.model import MotionNetwork, NetworkConfig
from mocapcli.render.movie import write_mp4
from mocapcli.render.scene import prepare, render_chunks
from mocapcli.types import Asset, Motion
from mocapcli.zoo import make_creature

SEEDS = {11: 8, 49: 5, 59: 3}  # a creature with so many joints
STAGES = ("subject", "crops", *READING, "motion", "writing")


class Encoder(nn.Module):
    """ViT-L/14's shape: 24 layers of 1024 channels over 16 × 16 patches and one more token."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 1024, 14, 14)
        layer = nn.TransformerEncoderLayer(1024, 16, 4096, 0.0, "gelu", batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, 24, enable_nested_tensor=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        tokens = self.patches(images).flatten(2).transpose(1, 2)
        seen: torch.Tensor = self.layers(torch.cat([tokens.mean(1, keepdim=True), tokens], dim=1))
        return seen


def walking(asset: Asset, frames: int) -> Motion:
    """The longest clip to and fro, for so many frames."""
    motion = max(asset.motions, key=lambda each: each.frames)
    there = np.r_[0 : motion.frames, motion.frames - 2 : 0 : -1]
    place = there[np.arange(frames) % len(there)]
    return Motion("walk", 30.0, motion.rotations[place], motion.translations[place])


def film(path: Path, asset: Asset, motion: Motion, size: int) -> Path:
    view = random_view(np.random.default_rng(0), size)
    model, world = prepare(asset.rig), motion_world(asset.rig.skeleton, motion)
    cameras = place_cameras(model, world[: min(len(world), 90)], view, size)[:1] * len(world)
    parts = render_chunks(model, world, cameras, background=view.background, outputs=("colour",), chunk=64)
    write_mp4(path, (picture for part in parts for picture in part.colour[..., :3]), 30.0)
    return path


def measure(model: Model, seed: int, frames: int, size: int, folder: Path, rounds: int | None = None) -> Captured:
    asset = make_creature(seed)
    video = film(folder / f"{seed}-{frames}-{size}.mp4", asset, walking(asset, frames), size)
    options = Options(output=(folder / "out.bvh",), adapt="off", refine_iterations=rounds, overwrite=True)
    capture_video(video, asset, Options(output=(folder / "out.bvh",), adapt="off", end=0.5), model)
    return capture_video(video, asset, options, model)


def row(captured: Captured, size: int) -> str:
    found = captured.report
    each = {stage: 1000 * found.seconds.get(stage, 0.0) / found.frames for stage in STAGES}
    total = 1000 / found.frames_per_second
    columns = " ".join(f"{each[stage]:14.2f}" for stage in STAGES)
    return f"{found.joints:6d} {found.frames:7d} {size:5d} {columns} {total:9.2f} {1000 / total:9.1f}"


def published_encoder(frames: int = 2) -> float:
    """Milliseconds a frame."""
    network, images = Encoder().eval(), torch.rand(1, 3, 224, 224)
    with torch.inference_mode():
        network(images)
        started = time.process_time()
        for _ in range(frames):
            network(images)
    return 1000 * (time.process_time() - started) / frames


def memory(frames: int) -> None:
    """Print the largest memory of this process after a capture of so many frames with a small network."""
    from mocapcli.network.rotation_head import RotationConfig
    from mocapcli.network.video_to_pose import VideoToPoseConfig

    config = NetworkConfig(
        VideoToPoseConfig(channels=16, heads=2, rounds=2, blocks=1, query_blocks=1),
        RotationConfig(channels=16, heads=2, blocks=1),
        side=64,
    )
    model = Model(MotionNetwork(config).eval(), "random", "")
    with tempfile.TemporaryDirectory() as name:
        measure(model, SEEDS[11], frames, 96, Path(name))
    print(f"{frames:7d} frames: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")  # noqa: T201


def by_clock(model: Model, folder: Path) -> None:
    print("joints  frames  size  rounds  frames/s")  # noqa: T201
    for joints, frames, size in ((59, 300, 256), (59, 300, 448), (11, 300, 256)):
        for rounds in (0, 1, 2):
            runs = [measure(model, SEEDS[joints], frames, size, folder, rounds).report for _ in range(3)]
            speed = float(np.median([run.frames_per_second for run in runs]))
            print(f"{joints:6d}  {frames:6d}  {size:4d}  {rounds:6d}  {speed:8.1f}", flush=True)  # noqa: T201


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--clock", action="store_true")
    parser.add_argument("--memory", nargs="?", const=0, type=int)
    wishes = parser.parse_args()
    torch.set_num_threads(1)
    if wishes.memory is not None:
        if wishes.memory:
            memory(wishes.memory)
            return
        for frames in (300, 3000):
            subprocess.run([sys.executable, __file__, "--memory", str(frames)], check=True)
        return
    if wishes.clock:
        with tempfile.TemporaryDirectory() as name:
            by_clock(load_model(wishes.model), Path(name))
        return
    mock.patch.object(report, "time", SimpleNamespace(perf_counter=time.process_time)).start()  # machines are shared
    torch.manual_seed(0)
    model = load_model(wishes.model) if wishes.model else Model(MotionNetwork(NetworkConfig()).eval(), "random", "")
    print("joints  frames  size " + " ".join(f"{stage:>14s}" for stage in STAGES) + "       all  frames/s")  # noqa: T201
    cases = [(59, 300, 256), (11, 300, 256), (49, 300, 256), (59, 90, 256), (59, 300, 448), (59, 300, 1080)]
    stage_one, everything = [], []
    with tempfile.TemporaryDirectory() as name:
        for joints, frames, size in cases[:1] if wishes.quick else cases:
            captured = measure(model, SEEDS[joints], frames, size, Path(name))
            print(row(captured, size), flush=True)  # noqa: T201
            stage_one.append(1000 * captured.report.seconds["pose"] / captured.report.frames)
            everything.append(1000 / captured.report.frames_per_second)
    published = published_encoder()
    print(f"ViT-L/14 at 224 pixels, one image: {published:.0f} ms")  # noqa: T201
    shares = f"{published / everything[0]:.0f} × all of the first line, {published / stage_one[0]:.0f} × its stage 1"
    print(f"that is {shares}")  # noqa: T201


if __name__ == "__main__":
    main()
