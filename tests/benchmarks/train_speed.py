"""Frames a second of training, by preset and number of torch's threads; and on a GPU how busy it is.

`python tests/benchmarks/train_speed.py [--cache CACHE] --presets tiny small --threads 1 2 --stage pose`

Without a cache four creatures are made. Frames are pictures of stage 1, poses of stage 2. On a machine with other work
to do only the last column tells much: it divides by the processor seconds that were used, not by the clock.
"""

import argparse
import tempfile
import time
from pathlib import Path

import torch

from mocapcli.data.build import build_cache
from mocapcli.network.model import choose_device, parameter_count
from mocapcli.training import loop
from mocapcli.training.config import load_config
from mocapcli.training.log import gpu_figures
from mocapcli.training.loop import Trainer

COLUMNS = ("preset", "stage", "weights", "threads", "frames", "data ms", "step ms", "frames/s", "frames/CPU s")


def main() -> None:
    options = parse()
    loop.VALIDATION_BATCHES = 1
    print("| " + " | ".join(COLUMNS) + " |\n" + "|---" * len(COLUMNS) + "|")  # noqa: T201
    with tempfile.TemporaryDirectory() as folder:
        cache = options.cache or Path(folder) / "cache"
        if options.cache is None:
            build_cache(None, cache, creatures=range(4), progress_bar=False)
        for preset in options.presets:
            for threads in options.threads:
                row = measure(preset, threads, cache, Path(folder) / f"{preset}-{threads}", options)
                print("| " + " | ".join(row) + " |", flush=True)  # noqa: T201


def measure(preset: str, threads: int, cache: Path, folder: Path, options: argparse.Namespace) -> list[str]:
    """Means over the steps after the first few, which compile and fill caches."""
    torch.set_num_threads(threads)
    settings = [f"stage={options.stage}", *options.settings]
    device = choose_device(options.device)
    trainer = Trainer(load_config(preset, None, settings), cache, folder, device, progress_bar=False)
    batches = trainer._batches()
    made = taken = 0.0
    frames = trainer.slots * trainer.slot_frames
    for step in range(options.warmup + options.steps):
        if step == options.warmup:
            made = taken = 0.0
            used, started = time.process_time(), time.perf_counter()
        before = time.perf_counter()
        batch = next(batches)
        ready = time.perf_counter()
        trainer.step(batch.to(device))
        if device.type == "cuda":
            torch.cuda.synchronize()
        made, taken = made + ready - before, taken + time.perf_counter() - ready
    rates = [
        options.steps * frames / (now - then)
        for now, then in ((time.perf_counter(), started), (time.process_time(), used))
    ]
    busy = [f"{name} {value:.3g}" for name, value in (gpu_figures(device) if device.type == "cuda" else {}).items()]
    figures = [
        f"{1000 * made / options.steps:.0f}",
        f"{1000 * taken / options.steps:.0f}",
        *(f"{rate:.1f}" for rate in rates),
    ]
    return [preset, options.stage, f"{parameter_count(trainer.part):,}", str(threads), str(frames), *figures, *busy]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--presets", nargs="+", default=["tiny", "small"])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--stage", default="pose")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--warmup", type=int, default=3)
    parser.add_argument("--device")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="NAME=VALUE")
    return parser.parse_args()


if __name__ == "__main__":
    main()
