"""Judge the windows of a split one by one."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

from mocapcli.data.cache import Cache
from mocapcli.data.windows import Window
from mocapcli.evaluation.cases import Case, curves_of, measure_case, reliability_of
from mocapcli.evaluation.results import Judged
from mocapcli.extensions import Metric

Job = Callable[[], object]


@runtime_checkable
class Setting(Protocol):
    """What is given and what is asked: p2r, v2p, e2e."""

    @property
    def name(self) -> str: ...

    @property
    def rows(self) -> tuple[str, ...]:
        """Beside the copy, in the order of the table."""
        ...

    @property
    def absent(self) -> Mapping[str, str]:
        """Rows that would stand there too, and why they cannot be filled."""
        ...

    @property
    def remark(self) -> str: ...

    def case(self, cache: Cache, window: Window) -> Case: ...

    def jobs(self, cache: Cache, window: Window) -> dict[str, Job]:
        """What takes time, stage by stage, ready to be run and timed on all of the window's frames."""
        ...


def judge(
    cache: Cache,
    windows: Sequence[Window],
    setting: Setting,
    metrics: Mapping[str, Metric],
) -> Iterator[Judged]:
    """Each window's figures, in order."""
    for window in windows:
        case = setting.case(cache, window)
        rows = measure_case(case, metrics)
        yield Judged(window.label, window.entry.family, rows, curves_of(case), reliability_of(case))
