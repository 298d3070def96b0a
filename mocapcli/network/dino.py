"""DINOv2 as the image encoder, through `transformers` (extra `[dino]`), for those who can download its weights.

The backbone is frozen. It is no part of our weights, averages or optimisers: a saved model names it and keeps a
checksum of it, and loading refuses another one. Its patches are coarse, so a crop is enlarged before and a few trained
convolutions over the crop itself, mask included, add the detail that joints are placed by.
"""

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from mocapcli.errors import MocapError, ReadError, UnsupportedError
from mocapcli.network.encoder import Crops, Encoder, Features

DEFAULT = "facebook/dinov2-small"
KINDS = ("dinov2", "dinov2_with_registers")
MEAN, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, as DINOv2 was trained
ENLARGED = 2  # a patch of 14 pixels covers 7 of a crop


class DinoEncoder(Encoder):
    """Features at 1/4 of the crop, as the small encoder's: what DINOv2 sees there, and fine detail beside it."""

    stride = 4

    def __init__(self, channels: int = 96, source: str = "", backbone: nn.Module | None = None) -> None:
        super().__init__()
        backbone = (backbone if backbone is not None else load_backbone(source or DEFAULT)).float().eval()
        self._frozen = (backbone.requires_grad_(False),)  # a tuple hides it from state_dict() and parameters()
        settings: Any = backbone.config
        self.patch = int(settings.patch_size)
        self.mean: Tensor
        self.spread: Tensor
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None], persistent=False)
        self.register_buffer("spread", torch.tensor(SPREAD)[:, None, None], persistent=False)
        self.register_buffer("checksum", torch.tensor(_checksum(backbone)))
        self.semantic = nn.Linear(int(settings.hidden_size), channels)
        self.detail = nn.Sequential(nn.Conv2d(4, channels, 5, 2, 2), nn.SiLU(), nn.Conv2d(channels, channels, 3, 2, 1))
        self.out = nn.Conv2d(channels, channels, 3, 1, 1)

    @property
    def backbone(self) -> nn.Module:
        return self._frozen[0]

    def forward(self, crops: Crops) -> Features:
        detail = self.detail(torch.cat([crops[:, :3], crops[:, 3:] - 0.5], dim=1))
        semantic = functional.interpolate(self._patches(crops), size=detail.shape[-2:], mode="bilinear")
        features: Tensor = self.out(functional.silu(detail + semantic))
        return features

    def _patches(self, crops: Crops) -> Features:
        """What DINOv2 says of each patch of the subject, before a background of ImageNet's mean colour."""
        rows = max(1, ENLARGED * crops.shape[-1] // self.patch)
        colours, mask = crops[:, :3], crops[:, 3:]
        pictures = (colours - self.mean * mask) / self.spread  # crops are premultiplied: black where the mask is 0
        pictures = functional.interpolate(pictures, size=(rows * self.patch,) * 2, mode="bilinear", antialias=True)
        with torch.no_grad():
            tokens = self.backbone(pixel_values=pictures).last_hidden_state
        patches: Tensor = self.semantic(tokens[:, -rows * rows :])  # class and register tokens come first
        places: Tensor = patches.transpose(1, 2).unflatten(2, (rows, rows))
        return places

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "DinoEncoder":
        self.backbone._apply(fn, recurse)
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        saved = state_dict.get(prefix + "checksum")
        if saved is not None and int(saved) != int(self.get_buffer("checksum")):
            rest[-1].append(f"{prefix}: trained on another DINOv2 than the one loaded here")
        super()._load_from_state_dict(state_dict, prefix, *rest)


def load_backbone(source: str) -> nn.Module:
    """DINOv2 from a local folder (config.json, model.safetensors) or by its name on the Hugging Face hub."""
    try:
        from transformers import AutoConfig, AutoModel
    except ImportError:
        raise UnsupportedError("the dinov2 encoder needs transformers", remedy="pip install 'mocapcli[dino]'") from None
    folder = Path(source).expanduser()
    local = folder.is_dir()
    if not local and (folder.is_absolute() or source.startswith((".", "~")) or len(folder.parts) != 2):
        raise ReadError("no such folder with DINOv2 weights", path=folder, remedy=f"or a name such as {DEFAULT}")
    name = str(folder) if local else source
    try:
        kind = AutoConfig.from_pretrained(name, local_files_only=local).model_type
        if kind not in KINDS:
            raise UnsupportedError(f"{source!r} is a {kind!r} network, not DINOv2")
        model: nn.Module = AutoModel.from_pretrained(name, local_files_only=local, use_safetensors=True)
    except MocapError:
        raise
    except Exception as error:  # whatever the hub, the network or the file says
        reason = str(error).strip().partition("\n")[0]
        remedy = "name a folder that holds config.json and model.safetensors"
        raise UnsupportedError(f"cannot load DINOv2 from {source!r} ({reason})", remedy=remedy) from error
    return model


def _checksum(backbone: nn.Module) -> int:
    total = 0
    for _, weight in sorted(backbone.state_dict().items()):
        total = zlib.crc32(weight.detach().cpu().contiguous().numpy().tobytes(), total)
    return total
