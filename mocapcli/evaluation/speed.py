"""How fast each stage is: medians of repeated runs on a few clips, after a warm-up.

Only the stage itself is timed. Drawing, decoding and segmenting the video are not part of it, and what is done once for
a rig (its reference views) happens in the warm-up.
"""

import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mocapcli.data.cache import Cache
from mocapcli.data.windows import Window
from mocapcli.evaluation.run import Job, Setting
from mocapcli.spread import evenly_spread

CLIPS, RUNS = 3, 5


def measure_speed(setting: Setting, cache: Cache, windows: Sequence[Window]) -> dict[str, Any]:
    """Frames per second of each of the setting's stages, and on what they were measured."""
    chosen, facts = chosen_windows(windows), machine()
    seconds: dict[str, list[float]] = {}  # a frame
    for window in chosen:
        for stage, job in setting.jobs(cache, window).items():
            seconds.setdefault(stage, []).extend(taken / window.frames for taken in time_job(job))
    return {
        **facts,
        "clips": len(chosen),
        "runs": RUNS,
        "frames": [window.frames for window in chosen],
        "joints": [window.entry.joints for window in chosen],
        "stages": {stage: _figures(float(np.median(taken))) for stage, taken in seconds.items()},
    }


def chosen_windows(windows: Sequence[Window]) -> list[Window]:
    """Few clips from all over the split: the longest ones of a small, a middling and a large rig."""
    longest = max((window.frames for window in windows), default=0)
    whole = sorted((w for w in windows if w.frames == longest), key=lambda w: (w.entry.joints, w.label))
    return [whole[place] for place in evenly_spread(len(whole), CLIPS)]


def time_job(job: Job, runs: int = RUNS) -> list[float]:
    """Seconds of each run; the first, which warms up, is left out."""
    taken = []
    for _ in range(runs + 1):
        start = time.perf_counter()
        job()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - start)
    return taken[1:]


def machine() -> dict[str, Any]:
    """What the stages ran on, and how busy it was before."""
    facts = {"device": "cpu", "processor": processor(), "cores": os.cpu_count(), "threads": torch.get_num_threads()}
    return facts | {"load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None}


def processor() -> str:
    """The processor's name as its maker gives it, where the system tells."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _figures(seconds: float) -> dict[str, float]:
    return {"frames_per_second": round(1 / seconds, 2), "milliseconds": round(1000 * seconds, 4)}
