"""How torch's work is spread over the cores: many small products gain more from several clips or replicas at once, a
thread each, than from threads within a product."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from mocapcli.in_threads import MOST


@contextmanager
def one_thread(wanted: bool = True) -> Iterator[None]:
    """Many small products: a second thread gains little, and where the cores are busy waits longer than it works."""
    before = torch.get_num_threads()
    torch.set_num_threads(1 if wanted else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def at_once(device: torch.device) -> int:
    """Pieces of a clip to work on side by side: several on a processor whose products keep to one thread each."""
    return MOST if device.type == "cpu" and torch.get_num_threads() == 1 else 1
