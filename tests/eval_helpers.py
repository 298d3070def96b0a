"""What the tests of `mocap eval` share."""

import json
from pathlib import Path

import torch

from cli_helpers import run
from factories import make_asset, make_motion
from mocapcli.data.cache import Cache
from mocapcli.evaluation.records import METRICS
from mocapcli.network.model import MotionNetwork, NetworkConfig, save_network
from mocapcli.network.rotation_head import RotationConfig
from mocapcli.network.video_to_pose import VideoToPoseConfig
from mocapcli.types import Asset

torch.set_num_threads(1)
BY_NAME = {metric.name: metric for metric in METRICS}
TINY = NetworkConfig(
    VideoToPoseConfig(channels=16, heads=2, rounds=2, blocks=1, query_blocks=1),
    RotationConfig(channels=16, heads=2, blocks=1),
    side=32,
)


def long_asset(seed: int, frames: int = 60, joints: int = 6) -> Asset:
    asset = make_asset(joints=joints, seed=seed)
    return asset.with_motions([make_motion(asset.rig.skeleton, frames=frames, seed=seed)])


def save_model(folder: Path, config: NetworkConfig) -> Path:
    torch.manual_seed(0)
    save_network(folder, config, MotionNetwork(config).state_dict())
    return folder


def evaluated(capsys, cache: Cache, *arguments) -> dict:
    """The JSON of `mocap eval` on the unseen split of a cache; of no model where none is named."""
    nobody = () if "--model" in arguments else ("--model", "none")
    code, out, err = run(capsys, "eval", "--split", "unseen", "--cache", cache.folder, "--json", *nobody, *arguments)
    assert code == 0, err
    return json.loads(out)
