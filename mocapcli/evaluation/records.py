"""The figures that come with mocap; their formulas are in METRICS.md. Cheap to import: the maths loads on first use."""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from mocapcli.extensions import Evidence, Metric

if TYPE_CHECKING:
    from mocapcli.metrics import Comparison


def _later(function: str) -> "Callable[[Comparison], float]":
    def measure(comparison: "Comparison") -> float:
        return float(getattr(import_module("mocapcli.metrics"), function)(comparison))

    return measure


TURNS: frozenset[Evidence] = frozenset({"rotations"})
PATH: frozenset[Evidence] = frozenset({"path"})
STAND: frozenset[Evidence] = frozenset({"stand"})
PLACES: frozenset[Evidence] = frozenset({"places"})

METRICS = (
    Metric("rotation_local_deg", "local rotation °", _later("rotation_local"), needs=TURNS),
    Metric("rotation_local_inner_deg", "local, non-leaf °", _later("rotation_local_inner"), needs=TURNS),
    Metric("rotation_local_deg_all", "local, all joints °", _later("rotation_local_all"), needs=TURNS),
    Metric("rotation_world_deg", "weighted world °", _later("rotation_world"), needs=TURNS),
    Metric("mpjpe_percent", "MPJPE %", _later("mpjpe")),
    Metric("mpjpe_world_percent", "MPJPE in the world %", _later("mpjpe_world"), needs=STAND),
    Metric("velocity_percent", "velocity %/s", _later("velocity")),
    Metric("facing_deg", "facing °", _later("facing"), given_facing=False),
    Metric("facing_within_30", "facing within 30°, %", _later("facing_within_30"), ideal=100.0, given_facing=False),
    Metric("root_path_percent", "root path %", _later("root_path"), needs=PATH),
    Metric("jerk_ratio", "jerk ratio", _later("jerk_ratio"), ideal=1.0),
    Metric("places_percent", "2D % of crop", _later("places"), needs=PLACES),
)
