"""A run's state on disk: enough to go on after a kill at any moment, and weights to use right away.

The state is written whole to a temporary file and then renamed. It is torch's own container, read back with
`weights_only`, so no code can hide in it.
"""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mocapcli.errors import ReadError, UsageError
from mocapcli.network.model import PARTS, NetworkConfig, from_plain, save_network
from mocapcli.training.config import TrainConfig
from mocapcli.whole_file import whole_file

STATE = "state.pt"


@dataclass
class TrainState:
    """What a step changes."""

    step: int
    elapsed: float  # seconds of training so far, over all starts
    best: float  # lowest validation error so far


class MovingAverage:
    """Exponential moving average of the weights: what is evaluated and shipped."""

    def __init__(self, network: torch.nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights = {name: value.detach().clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: torch.nn.Module, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))  # young averages follow closely
        now = network.state_dict()
        blended = [name for name, value in now.items() if value.is_floating_point()]
        torch._foreach_lerp_([self.weights[name] for name in blended], [now[name] for name in blended], 1 - decay)
        for name in now.keys() - blended:
            self.weights[name].copy_(now[name])


def save_state(
    folder: Path,
    config: TrainConfig,
    state: TrainState,
    judges: str,
    network: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    average: MovingAverage,
) -> None:
    content = {
        "config": json.dumps(asdict(config)),
        "progress": asdict(state),
        "judges": judges,
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "average": average.weights,
        "random": torch.get_rng_state(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    with whole_file(folder / STATE) as temporary:
        torch.save(content, temporary)


def taken_up(config: TrainConfig, before: dict[str, Any], folder: Path) -> TrainConfig:
    """The settings of a run that goes on. Weights of another size or stage cannot; rates, data and lengths may change
    on the way. The stages that came along when it began are still there, whatever is given now."""
    network = from_plain(NetworkConfig, before["network"])
    parts = [PARTS[stage].removesuffix(".") for stage in config.trained] + ["side"] * ("pose" in config.trained)
    same = all(getattr(network, part) == getattr(config.network, part) for part in parts)
    if before["stage"] != config.stage or not same:
        raise UsageError(
            f"{folder} holds a run of stage {before['stage']!r} with other settings of the network",
            remedy="name another folder with -o",
        )
    return replace(config, network=network)


def load_state(folder: Path) -> dict[str, Any] | None:
    """The last state, or None where there is none."""
    path = folder / STATE
    if not path.exists():
        return None
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged container
        raise ReadError(
            f"damaged training state ({type(error).__name__})", path=path, remedy="start afresh elsewhere"
        ) from error
    return content


def save_weights(folder: Path, config: TrainConfig, weights: dict[str, Tensor], figures: dict[str, float]) -> None:
    """A model folder anybody can load, with a card to fill in."""
    save_network(folder, config.network, weights)
    rows = "\n".join(f"| {name} | {value:.4g} |" for name, value in sorted(figures.items()))
    card = (
        f"# Model card: {folder.name}\n\nTrained with `mocap train`; the whole configuration is in `train.json`.\n\n"
        f"| validation figure | value |\n|---|---|\n{rows}\n\n## Data\n\n## Intended use\n\n## Limits\n"
    )
    (folder / "MODEL_CARD.md").write_text(card, encoding="utf-8")
    (folder / "train.json").write_text(json.dumps(asdict(config), indent=1) + "\n", encoding="utf-8")
