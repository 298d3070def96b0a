"""The whole network as one thing to build, save and load: its stages, and the configuration they came from."""

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import Tensor, nn

from mocapcli.errors import ReadError, UsageError
from mocapcli.network.imaginer import Imaginer, ImaginerConfig
from mocapcli.network.refiner import Refiner, RefinerConfig
from mocapcli.network.rotation_head import RotationConfig, RotationHead
from mocapcli.network.video_to_pose import VideoToPose, VideoToPoseConfig
from mocapcli.whole_file import whole_file

WEIGHTS, CONFIG = "model.safetensors", "config.json"
PARTS: dict["Stage", str] = {
    "pose": "video_to_pose.",
    "rotation": "rotation.",
    "refine": "refiner.",
    "imagine": "imaginer.",
}
# Video to positions, positions to rotations, render and compare, and poses out of nothing, for learning a rig.
Stage = Literal["pose", "rotation", "refine", "imagine"]
LEARNT_FROM: tuple[Stage, ...] = ("pose", "imagine")  # what learning a rig starts from
Config = TypeVar("Config")


@dataclass(frozen=True)
class NetworkConfig:
    """Everything that decides the shape of the weights."""

    video_to_pose: VideoToPoseConfig = field(default_factory=VideoToPoseConfig)
    rotation: RotationConfig = field(default_factory=RotationConfig)
    refiner: RefinerConfig = field(default_factory=RefinerConfig)
    imaginer: ImaginerConfig = field(default_factory=ImaginerConfig)
    side: int = 96  # pixels of a crop
    stages: tuple[Stage, ...] = ("pose", "rotation")  # those the saved weights hold


class MotionNetwork(nn.Module):
    """Video to joint positions (`video_to_pose`), positions to rotations (`rotation`), and, if they are among the
    configuration's stages, rotations to better ones (`refiner`) and poses a rig may take (`imaginer`)."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.video_to_pose = VideoToPose(config.video_to_pose)
        self.rotation = RotationHead(config.rotation)
        self.refiner = Refiner(config.refiner) if "refine" in config.stages else None
        self.imaginer = Imaginer(config.imaginer) if "imagine" in config.stages else None


def save_network(folder: Path, config: NetworkConfig, weights: dict[str, Tensor]) -> str:
    """Weights of the configuration's stages beside it; returns their SHA-256, which the configuration keeps too.

    Matrices and kernels are written in half precision: half the size, for an error of a part in two thousand of each.
    """
    folder.mkdir(parents=True, exist_ok=True)
    held = tuple(PARTS[stage] for stage in config.stages)
    weights = {name: value for name, value in weights.items() if name.startswith(held)}
    with whole_file(folder / WEIGHTS) as temporary:
        save_file({name: _written(value) for name, value in weights.items()}, temporary)
        digest = hashlib.sha256(temporary.read_bytes()).hexdigest()
    text = json.dumps({"network": asdict(config), "sha256": digest}, indent=1)
    with whole_file(folder / CONFIG) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
    return digest


def _written(value: Tensor) -> Tensor:
    value = value.detach().cpu().contiguous()
    halved = value.half() if value.ndim > 1 and value.dtype == torch.float32 else value
    return halved if torch.isfinite(halved).all() else value


def load_network(folder: Path, stage: Stage | None = None) -> MotionNetwork:
    """A network in evaluation mode; weights that do not belong to the configuration are refused.

    `stage`: one that it must hold (`config.stages` says which it does).
    """
    try:
        content = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        data, saved, plain = (folder / WEIGHTS).read_bytes(), content["sha256"], content["network"]
    except FileNotFoundError as error:
        raise ReadError("this is no model", path=folder, remedy=f"{Path(error.filename).name} is missing") from None
    except (ValueError, KeyError, TypeError) as error:
        raise ReadError(f"damaged configuration ({error!r})", path=folder / CONFIG) from None
    if hashlib.sha256(data).hexdigest() != saved:
        raise ReadError("the weights are not those the configuration was saved with", path=folder / WEIGHTS)
    config = from_plain(NetworkConfig, plain)
    if stage is not None and stage not in config.stages:
        raise ReadError(f"the model holds no weights of stage {stage!r}", path=folder)
    network = MotionNetwork(config)
    try:
        absent, unknown = network.load_state_dict(load(data), strict=False)
    except (SafetensorError, RuntimeError) as error:
        raise ReadError(f"damaged weights ({error})", path=folder / WEIGHTS) from None
    absent = [name for name in absent if name.startswith(tuple(PARTS[held] for held in config.stages))]
    if absent or unknown:
        raise ReadError(f"weights and configuration differ at {[*absent, *unknown][0]!r}", path=folder / WEIGHTS)
    return network.eval()


def digest_of(network: nn.Module, stages: tuple[Stage, ...] = LEARNT_FROM) -> str:
    """Of the weights of these stages: the same whatever file they came in, and whatever stands beside them."""
    digest, parts = hashlib.sha256(), tuple(PARTS[stage] for stage in stages)
    for name, value in sorted(network.state_dict().items()):
        if not name.startswith(parts):
            continue
        digest.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def from_plain(kind: type[Config], values: dict[str, Any]) -> Config:
    """A configuration from JSON or TOML values; unknown names are an error that lists the known ones."""
    known = {entry.name: entry for entry in fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(values.keys() - known.keys())
    if unknown:
        raise ReadError(
            f"unknown setting {unknown[0]!r} in {kind.__name__}", remedy=f"known: {', '.join(sorted(known))}"
        )
    default, choices = kind(), {name: _choices(hint) for name, hint in get_type_hints(kind).items()}
    built: dict[str, Any] = {}
    for name, value in values.items():
        present = getattr(default, name)
        if is_dataclass(present) and isinstance(value, dict):
            built[name] = from_plain(type(present), value)
        else:
            built[name] = _checked(name, value, present, choices.get(name, ()))
    return kind(**built)


def _checked(name: str, value: Any, present: Any, choices: tuple[Any, ...]) -> Any:
    """A setting's value, of the kind that is there by default."""
    if is_dataclass(present):
        raise ReadError(f"{name} is a section, not {value!r}")
    if isinstance(present, tuple) and isinstance(value, list | tuple):
        return tuple(value)
    wanted = (int, float) if isinstance(present, float) else type(present)
    if not isinstance(value, wanted) or isinstance(value, bool) != isinstance(present, bool):
        raise ReadError(f"{name}: {value!r} is no {type(present).__name__}")
    if choices and value not in choices:
        raise ReadError(f"{name}: {value!r} is not known", remedy=f"known: {', '.join(choices)}")
    return value


def _choices(hint: Any) -> tuple[Any, ...]:
    """What a setting may be, where its type lists that."""
    if get_origin(hint) is Literal:
        return get_args(hint)
    return () if get_origin(hint) is tuple else tuple(choice for part in get_args(hint) for choice in _choices(part))


def parameter_count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def choose_device(name: str | None = None) -> torch.device:
    """The named device, else the GPU if there is one."""
    gpus = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    there = ["cpu", *(gpu for gpu, usable in gpus.items() if usable)]
    if name is not None and name.partition(":")[0] not in there:
        raise UsageError(f"there is no device {name!r} here", remedy=f"known: {', '.join(there)}")
    try:
        return torch.device(name or ("cuda" if gpus["cuda"] else "cpu"))
    except RuntimeError:
        raise UsageError(f"{name!r} is no device", remedy="as in cuda:1") from None
