"""What people see of a batch: a bar while it runs, a table when it is over, JSON for programs."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mocapcli.batch.items import Summary
from mocapcli.batch.run import Progress
from mocapcli.console import complain, note, printable, show
from mocapcli.whole_file import whole_file

NAMED = 3  # of several items


@contextmanager
def progress_bar(total: int, what: str, unit: str = "item", wanted: bool = True) -> Iterator[Progress]:
    """One bar over all items on stderr, where somebody looks; it names those under way."""
    from tqdm import tqdm

    with tqdm(total=total, desc=what, unit=unit, file=sys.stderr, disable=None if wanted else True) as bar:

        def show_progress(running: Sequence[str], settled: int) -> None:
            more = f", … ({len(running)})" if len(running) > NAMED else ""
            bar.set_postfix_str(printable(", ".join(running[:NAMED])) + more, refresh=False)
            bar.update(settled)
            bar.refresh()

        yield show_progress


def show_summary(summary: Summary, what: str = "item") -> None:
    """Counts as a table on stdout; what was worth noting, and what failed and why, on stderr."""
    from rich.table import Table

    keys: dict[str, list[str]] = {}
    for outcome in summary.outcomes:
        for line in outcome.notes:
            keys.setdefault(line, []).append(outcome.item.key)
    for line, concerned in keys.items():
        more = f" and {len(concerned) - NAMED} more" if len(concerned) > NAMED else ""
        note(f"{', '.join(concerned[:NAMED])}{more}: {line}")
    failed, left = summary.of("failed"), summary.of("left")
    rows = [
        ("done", len(summary.of("done")), f"in {summary.seconds:.0f} s"),
        ("skipped", len(summary.of("skipped")), "finished by an earlier run"),
        ("failed", len(failed), ""),
        ("left", len(left), "the run was stopped; the same command goes on with them"),
    ]
    table = Table("result", f"{what}s", "", box=None, pad_edge=False)
    for status, count, remark in rows:
        if count:
            table.add_row(status, str(count), remark)
    show(table)
    if failed:
        complain(f"{len(failed)} of {len(summary.outcomes)} {what}s failed:")
    for outcome in failed:
        complain(f"{outcome.item.key}: {outcome.reason}")


def write_summary(path: Path, summary: Summary) -> None:
    """The whole story as JSON."""
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(summary.as_dict(), indent=2, default=str) + "\n", encoding="utf-8")
