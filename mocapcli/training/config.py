"""What a training run is: presets, files, overrides."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal

from mocapcli.errors import ReadError, UsageError
from mocapcli.network.model import NetworkConfig, Stage, from_plain
from mocapcli.network.rotation_head import RotationConfig
from mocapcli.network.video_to_pose import VideoToPoseConfig
from mocapcli.toml_text import parse_toml
from mocapcli.training.objectives import PoseWeights

LEAST_0 = ("steps", "warmup", "workers", "refine.ramp", "refine.flow_first")
LEAST_1 = (
    *("evaluate_every", "data.rigs", "data.clips", "data.frames", "data.shows", "network.side"),
    *("rotation.clips", "rotation.frames", "refine.rounds", "imagine.rigs", "imagine.poses"),
)
WORDS = dict.fromkeys(("1", "true", "yes", "on"), True) | dict.fromkeys(("0", "false", "no", "off"), False)


@dataclass(frozen=True)
class DataConfig:
    """Which rigs, and how clips are made of them."""

    rigs: int = 4  # a batch shows this many rigs …
    clips: int = 2  # … each in this many clips …
    frames: int = 4  # … of this many frames
    still: float = 0.7  # of the batches show single frames instead, as many
    fps: float = 12.0
    real_share: float = 0.5  # clips from real motions, where a rig has any
    falls: float = 0.15  # of those: the whole body tips over
    varied: float = 0.5  # of the rigs shown have other proportions than their files', here as the user's rig too
    recoloured: float = 0.3
    other_body: float = 0.3
    worn: bool = True  # crops as films give them: other light, blur, ragged masks, things in front
    shows: int = 1  # of each batch: more where a GPU is faster than the processors that draw
    validation: float = 0.1  # of the training families, never trained on, judge the weights

    def shape(self, still: bool) -> tuple[int, int, bool]:
        """Clips of a rig, their frames, and whether these follow each other: single pictures tell more for the same
        work."""
        return (1, self.clips * self.frames, False) if still else (self.clips, self.frames, True)


@dataclass(frozen=True)
class RotationTaskConfig:
    """Batches of stage 2."""

    clips: int = 8
    frames: int = 16
    noise: float = 0.02  # the strongest, in sizes


@dataclass(frozen=True)
class RotationWeights:
    """How much each part of stage 2's loss counts."""

    local: float = 1.0
    world: float = 0.7
    turning: float = 0.3  # from frame to frame
    fk: float = 0.5  # where joints stand by forward kinematics …
    fk_speed: float = 0.25  # … and move


@dataclass(frozen=True)
class RefineTaskConfig:
    """Starts and iterations of stage 3; clips are those of the data."""

    rounds: int = 2  # iterations of a step at the most, each from where the last one ended
    ramp: int = 1000  # steps until starts are at their worst
    seer: str = ""  # a model whose stages 1 and 2 give half of the starts, as they would in use; else all are made up
    flow_first: int = 0  # steps in which only the flow is learnt: half the cost, and turns follow from it


@dataclass(frozen=True)
class ImagineTaskConfig:
    """Batches of the imaginer."""

    rigs: int = 16
    poses: int = 8  # of each


@dataclass(frozen=True)
class TrainConfig:
    """One run. Saved with every checkpoint."""

    network: NetworkConfig = field(default_factory=NetworkConfig)
    data: DataConfig = field(default_factory=DataConfig)
    weights: PoseWeights = field(default_factory=PoseWeights)
    rotation: RotationTaskConfig = field(default_factory=RotationTaskConfig)
    refine: RefineTaskConfig = field(default_factory=RefineTaskConfig)
    imagine: ImagineTaskConfig = field(default_factory=ImagineTaskConfig)
    rotation_weights: RotationWeights = field(default_factory=RotationWeights)
    steps: int = 20_000
    lr: float = 1e-3
    warmup: int = 200
    weight_decay: float = 0.01
    clip: float = 5.0  # of the gradient's norm
    told_facing: float = 0.5  # share of clips whose true facing later rounds are told
    true_positions: float = 0.2  # least share of clips whose true positions stage 2 is given in joint training
    ema: float = 0.999
    seed: int = 0
    evaluate_every: int = 500  # steps
    save_every: float = 120.0  # seconds
    workers: int = 0  # rendering processes
    half: bool = False  # bf16 on the processor too: about twice as fast on those that know it
    stage: Stage | Literal["joint"] = "pose"  # joint: pose and rotation at once

    def __post_init__(self) -> None:
        for name in LEAST_0 + LEAST_1:
            value, least = attrgetter(name)(self), int(name in LEAST_1)
            if value < least:
                raise UsageError(f"--set {name}={value}: {least} is the least")

    @property
    def trained(self) -> tuple[Stage, ...]:
        return ("pose", "rotation") if self.stage == "joint" else (self.stage,)


def _tiny() -> TrainConfig:
    stage1 = VideoToPoseConfig(channels=48, rounds=2, blocks=1, query_blocks=2)
    network = NetworkConfig(stage1, RotationConfig(channels=48, blocks=2), side=64)
    return TrainConfig(network, DataConfig(rigs=2, clips=2, frames=2), steps=500, warmup=20, evaluate_every=100)


def _small() -> TrainConfig:
    """What ships: sized for adaptation on a laptop, trained in minutes on a GPU that many processors draw for."""
    stage1 = VideoToPoseConfig(encoder="imagenet", channels=128, blocks=3)
    return TrainConfig(
        NetworkConfig(stage1, RotationConfig(channels=96, blocks=6), side=96),
        DataConfig(rigs=32, clips=4, frames=8, shows=2),
        PoseWeights(facing=0.25),
        RotationTaskConfig(clips=64, frames=32),
        steps=40_000,
        lr=1.5e-3,
        half=True,
    )


def _base() -> TrainConfig:
    network = NetworkConfig(VideoToPoseConfig(channels=192, heads=8, blocks=3), RotationConfig(channels=192), side=128)
    return TrainConfig(network, DataConfig(rigs=32, clips=4, frames=8), steps=200_000, workers=14)


PRESETS = {"tiny": _tiny, "small": _small, "base": _base}


def load_config(preset: str, file: Path | None, overrides: list[str]) -> TrainConfig:
    """A preset, bent by a TOML file, bent by `name.name=value` overrides."""
    if preset not in PRESETS:
        raise UsageError(f"no preset called {preset!r}", remedy=f"known: {', '.join(PRESETS)}")
    plain = asdict(PRESETS[preset]())
    if file is not None:
        _merge(plain, _read_toml(file))
    for override in overrides:
        name, equals, value = override.partition("=")
        if not equals:
            raise UsageError(f"--set {override}: write name=value")
        _set(plain, name.strip().split("."), value.strip())
    try:
        return from_plain(TrainConfig, plain)
    except ReadError as error:
        raise UsageError(f"settings: {error.problem}", remedy=error.remedy) from None


def list_settings(config: TrainConfig) -> str:
    """Every setting with its value, a line each, as a TOML file for `load_config`."""
    return "\n".join(f"{name} = {json.dumps(value)}" for name, value in _flat(asdict(config)))


def _flat(plain: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in plain.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield above + name, value


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return parse_toml(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ReadError(f"cannot read the configuration ({error})", path=file) from None


def _merge(into: dict[str, Any], values: dict[str, Any]) -> None:
    for name, value in values.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = value


def _set(plain: dict[str, Any], path: list[str], text: str) -> None:
    """One override; the value is read as the present one's type."""
    for name in path[:-1]:
        if not isinstance(plain.get(name), dict):
            raise UsageError(f"--set: no section {name!r}", remedy=f"known: {', '.join(sorted(plain))}")
        plain = plain[name]
    if path[-1] not in plain:
        raise UsageError(f"--set: no setting {path[-1]!r}", remedy=f"known: {', '.join(sorted(plain))}")
    present = plain[path[-1]]
    try:
        plain[path[-1]] = WORDS[text.lower()] if isinstance(present, bool) else type(present)(text)
    except (KeyError, TypeError, ValueError):
        raise UsageError(f"--set {'.'.join(path)}: {text!r} is no {type(present).__name__}") from None
