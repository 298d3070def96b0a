"""A time to learn for, as people write it."""

import re

from mocapcli.errors import UsageError

UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}
LEAST = 1.0  # seconds


def parse_budget(text: str) -> float | None:
    """`90s`, `3m`, `1m30s` or plain minutes (`2.5`) in seconds; `off` is None."""
    wanted = text.strip().lower()
    if wanted in ("off", "none", "0"):
        return None
    parts = re.fullmatch(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?", wanted)
    if parts is not None and wanted:
        seconds = sum(float(part or 0) * unit for part, unit in zip(parts.groups(), UNITS.values(), strict=True))
    elif re.fullmatch(r"\d+(?:\.\d+)?", wanted):
        seconds = 60 * float(wanted)
    else:
        raise UsageError(f"--adapt {text!r} is no time", remedy="as in 3m, 90s or off")
    if seconds < LEAST:
        raise UsageError(
            f"--adapt {text}: nothing is learnt in so short a time", remedy="say off, or a minute at least"
        )
    return seconds
