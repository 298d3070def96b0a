"""What a run says of itself: figures by step in a CSV, in TensorBoard, in a picture; and how fast it goes."""

import time
from pathlib import Path
from typing import Any

import torch

from mocapcli.training.curves import draw_curves
from mocapcli.whole_file import whole_file


class Log:
    """Lines `step,kind,name,value` of `log.csv`, and TensorBoard's files where that is installed."""

    def __init__(self, folder: Path, step: int) -> None:
        """`step`: where the run goes on; what a killed run wrote beyond it is dropped, for it will come again."""
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "log.csv"
        self.board: Any = None
        _keep_until(self.path, step)
        try:
            from torch.utils.tensorboard import SummaryWriter

            self.board = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)
        except ImportError:
            pass

    def __enter__(self) -> "Log":
        self.stream = self.path.open("a", encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        self.stream.close()
        if self.board is not None:
            self.board.close()

    def write(self, kind: str, step: int, figures: dict[str, float]) -> None:
        for name, value in figures.items():
            self.stream.write(f"{step},{kind},{name},{value:.6g}\n")
            if self.board is not None:
                self.board.add_scalar(f"{kind}/{name}", value, step)
        self.stream.flush()

    def draw(self) -> None:
        draw_curves(self.path, self.path.with_name("curves.png"))


class Silence:
    """The log of processes that write nothing."""

    def __enter__(self) -> "Silence":
        return self

    def __exit__(self, *_: object) -> None: ...

    def write(self, kind: str, step: int, figures: dict[str, float]) -> None: ...

    def draw(self) -> None: ...


class Pace:
    """Frames a second since the last look, the share of time spent waiting for data, and how busy the GPU is."""

    def __init__(self, device: torch.device, frames: int) -> None:
        """`frames`: of a whole batch, whatever number of processes share it."""
        self.device, self.frames = device, frames
        self.steps, self.waited, self.since = 0, 0.0, time.monotonic()

    def step(self, waited: float) -> None:
        self.steps += 1
        self.waited += waited

    def look(self) -> dict[str, float]:
        seconds = max(time.monotonic() - self.since, 1e-9)
        figures = {
            "frames_per_second": self.steps * self.frames / seconds,
            "waiting_percent": 100 * self.waited / seconds,
        }
        self.steps, self.waited, self.since = 0, 0.0, time.monotonic()
        return figures | (gpu_figures(self.device) if self.device.type == "cuda" else {})


def gpu_figures(device: torch.device) -> dict[str, float]:
    """Gigabytes at the most so far; and utilisation, where pynvml is installed."""
    figures = {"gpu_gigabytes": torch.cuda.max_memory_allocated(device) / 1e9}
    try:
        figures["gpu_percent"] = float(torch.cuda.utilization(device))
    except Exception:  # without pynvml or its driver the run goes on all the same
        pass
    return figures


def _keep_until(path: Path, step: int) -> None:
    """A line cut by a kill goes too."""
    if not path.exists():
        return
    lines = path.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if line.count(",") == 3 and int(line.partition(",")[0]) <= step]
    with whole_file(path) as temporary:
        temporary.write_text("".join(line + "\n" for line in kept), encoding="utf-8")
