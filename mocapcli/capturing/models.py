"""Which network serves a rig: the one named, or the one that comes with mocap."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mocapcli.checkpoints import model_folder, shipped
from mocapcli.errors import MocapError
from mocapcli.network.model import CONFIG, MotionNetwork, choose_device, load_network
from mocapcli.types import Asset

STAGES = {"pose", "rotation"}


@dataclass(frozen=True, eq=False)
class Model:
    """A loaded network, its name, and the SHA-256 of its weights."""

    network: MotionNetwork
    name: str
    digest: str


def load_model(name: str | Path | None = None, device: str | None = None) -> Model:
    """A model with stages 1 and 2, ready to be used."""
    where = choose_device(device)
    folder = shipped_model() if name is None else model_folder(str(name))
    network = load_network(folder, "pose")
    missing = STAGES - set(network.config.stages)
    if missing:
        raise MocapError(
            f"the model holds no weights of stage {missing.pop()!r}",
            path=folder,
            remedy="give one with stages 1 and 2 (pose, rotation)",
        )
    return Model(network.to(where), folder.resolve().name, str(_settings(folder).get("sha256", "")))


def network_for(
    asset: Asset, model: Model, seconds: float | None, progress: Callable[[str, int, int], object]
) -> MotionNetwork:
    """The network that serves this rig: the shared one, or one that has learnt the rig for so many seconds.

    What was learnt of a rig lies in the cache and is found again.
    """
    if seconds is None:
        return model.network
    from mocapcli.adapting.adapt import Progress
    from mocapcli.adapting.api import adapt_rig, is_known

    told = 0

    def watch(reached: Progress) -> None:
        nonlocal told
        done = min(round(reached.seconds), round(seconds)) - told
        told += done
        progress(f"learning the rig, joints {reached.figures['mpjpe_percent']:.0f} % off", done, round(seconds))

    # Learnt by `mocap adapt --no-clips`, it is to be found here as well.
    without = not is_known(asset, model.network, True) and is_known(asset, model.network, False)
    return adapt_rig(asset, model.network, seconds, use_clips=not without, watch=watch).network


def shipped_model() -> Path:
    """The first model of the installation that holds stages 1 and 2."""
    for folder in (model.folder() for model in shipped()):
        if STAGES <= set(_settings(folder).get("network", {}).get("stages", STAGES)):
            return folder
    raise MocapError(
        "no model that turns video into motion is installed", remedy="give one with --model DIR; mocap train makes them"
    )


def _settings(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
