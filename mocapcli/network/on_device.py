"""Records of tensors that move to another device together."""

from dataclasses import fields
from typing import Any, TypeVar

import torch
from torch import Tensor

Moved = TypeVar("Moved", bound="OnDevice")


class OnDevice:
    """For dataclasses: tensors, such records and tuples of both move; whatever else they hold stays."""

    def to(self: Moved, device: torch.device | str) -> Moved:
        values: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        return type(self)(**{name: _moved(value, device) for name, value in values.items()})


def _moved(value: Any, device: torch.device | str) -> Any:
    if isinstance(value, (Tensor, OnDevice)):
        return value.to(device)
    if isinstance(value, tuple):
        return tuple(_moved(each, device) for each in value)
    return value
