"""What given models bring into a run: weights to start from for stages it trains, their other stages as they are."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mocapcli.errors import ReadError
from mocapcli.network.model import PARTS, MotionNetwork, Stage, load_network
from mocapcli.training.config import TrainConfig

Given = Mapping[Stage, tuple[Path, MotionNetwork]]


def load_given(folders: Sequence[Path]) -> Given:
    """By stage, the last of the models that hold it."""
    models = [(folder, load_network(folder)) for folder in folders]
    return {stage: (folder, model) for folder, model in models for stage in model.config.stages}


def with_given_stages(config: TrainConfig, given: Given) -> TrainConfig:
    """The run's settings, for a network that holds given stages, which keep their shape, beside those trained."""
    network = config.network
    for stage, (_, model) in given.items():
        if stage not in config.trained:
            network = replace(network, **{_part(stage): getattr(model.config, _part(stage))})
            network = replace(network, side=model.config.side) if stage == "pose" else network
    stages = tuple(stage for stage in PARTS if stage in (*config.trained, *given))
    return replace(config, network=replace(network, stages=stages))


def copy_weights(given: Given, network: MotionNetwork) -> None:
    for stage, (folder, model) in given.items():
        try:
            getattr(network, _part(stage)).load_state_dict(getattr(model, _part(stage)).state_dict())
        except RuntimeError as error:
            reason = str(error).splitlines()[-1].strip()
            raise ReadError(f"its shape is not that of this run ({reason})", path=folder) from None


def _part(stage: Stage) -> str:
    return PARTS[stage].removesuffix(".")
