"""Lines for people on stderr; the only place that writes there."""

import sys


def complain(line: str) -> None:
    """Say what went wrong."""
    _write(f"mocap: {line}")


def note(line: str) -> None:
    """Say what is worth knowing though all went well."""
    _write(f"mocap: note: {line}")


def printable(text: str) -> str:
    """Text from a file made harmless: no line breaks, no terminal commands."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def _write(line: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(printable(line) + "\n")
