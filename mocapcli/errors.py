"""Everything that can go wrong for a user, one tree.

MocapError              one line for people: file, place, problem, remedy
├── UsageError          the command line asks for something that makes no sense (exit 2)
├── InvalidDataError    arrays that do not form a skeleton, mesh or motion
├── PluginError         a plugin is missing, broken or clashes with another
└── FormatError         a file and its format
    ├── ReadError       the file is damaged, hostile, or not of that format
    ├── WriteError      the asset cannot be written in that format
    └── UnsupportedError  the file needs a feature or library that is not here

DroppedWarning is no error: a writer names what the format cannot carry.
"""

from pathlib import Path


class MocapError(Exception):
    """A mistake the user can understand and mend; `main()` prints it as one line."""

    def __init__(
        self,
        problem: str,
        *,
        path: str | Path | None = None,
        place: str | None = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.path = path
        self.place = place
        self.remedy = remedy

    def __str__(self) -> str:
        where = "".join(f"{part}: " for part in (self.path, self.place) if part is not None)
        remedy = f" ({self.remedy})" if self.remedy else ""
        return " ".join(f"{where}{self.problem}{remedy}".split())


class UsageError(MocapError):
    """The command line is contradictory or incomplete."""


class InvalidDataError(MocapError):
    """Arrays that cannot be a skeleton, mesh, rig or motion."""


class PluginError(MocapError):
    """A plugin is missing, broken, or clashes with another one."""


class FormatError(MocapError):
    """A file and its format."""


class ReadError(FormatError):
    """The file is damaged, hostile, or not of the format it claims."""


class WriteError(FormatError):
    """The asset cannot be written in this format."""


class UnsupportedError(FormatError):
    """The file needs a feature, or an optional library, that is not available."""


class DroppedWarning(UserWarning):
    """What a writer leaves out because the format cannot carry it."""
