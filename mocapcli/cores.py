"""How many processor cores this process may really use."""

import os
from pathlib import Path

QUOTA = Path("/sys/fs/cgroup/cpu.max")  # a container's: microseconds of work in a period, and the period


def cores() -> int:
    """Those it is bound to, and no more than a container's share of time amounts to."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(bound, _share() or bound))


def _share() -> int | None:
    try:
        work, period = QUOTA.read_text(encoding="ascii").split()
        return None if work == "max" else -(-int(work) // int(period))
    except (OSError, ValueError, ZeroDivisionError):
        return None
