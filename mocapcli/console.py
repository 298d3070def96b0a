"""What people read: results on stdout, complaints and notes on stderr."""

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

PLAIN_WIDTH = 120  # of tables that go into a file or a pipe


def complain(line: str) -> None:
    """Say what went wrong."""
    _write(f"mocap: {line}")


def note(line: str) -> None:
    """Say what is worth knowing though all went well."""
    _write(f"mocap: note: {line}")


def printable(text: str) -> str:
    """Text from a file made harmless: no line breaks, no terminal commands."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


@contextmanager
def warnings_as_notes() -> Iterator[list[str]]:
    """Readers and writers warn; what they said is in the list afterwards, each sentence once.

    Warnings meant for programmers (overflow, deprecation) are of no use to people and are dropped.
    """
    notes: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield notes
    notes += _said(caught)


@contextmanager
def warnings_heard() -> Iterator[Callable[[], list[str]]]:
    """Call what it gives for what was said so far. Whoever listens outside hears all of it in the end."""
    heard: list[warnings.WarningMessage] = []
    try:
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            yield lambda: _said(heard)
    finally:
        for one in heard:
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno, source=one.source)


def _said(caught: list[warnings.WarningMessage]) -> list[str]:
    """Each sentence once."""
    said = [str(warning.message) for warning in caught if issubclass(warning.category, UserWarning)]
    return list(dict.fromkeys(said))


def show(*parts: Any, width: int | None = None) -> None:
    """Print rich tables and trees, at least `width` columns wide however narrow the terminal."""
    import typer
    from rich.console import Console

    console = Console(highlight=False, markup=False)
    if width is not None or not console.is_terminal:
        console = Console(highlight=False, markup=False, width=max(width or 0, console.width, PLAIN_WIDTH))
    with console.capture() as captured:  # rich has its own answer to a closed pipe: let it not see one
        for part in parts:
            console.print(part)
    for line in captured.get().splitlines():
        typer.echo(line.rstrip())


def _write(line: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(printable(line) + "\n")
