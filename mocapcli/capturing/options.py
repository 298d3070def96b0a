"""Everything that can be asked of a capture; names are those of the command line."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from mocapcli.adapting.budget import parse_budget
from mocapcli.capturing.rigs import split_reference
from mocapcli.errors import UsageError

RootMotion = Literal["full", "in-place", "none"]
Box = tuple[float | int, float | int, float | int, float | int]

PATHS = ("adapter", "mask", "confidence", "report", "preview", "view", "debug_dir")
MOST_ROUNDS = 16  # of stage 3
STEADY_HERTZ = 5.0  # wings that beat thrice a second keep nine tenths of their way, four times a second seven


@dataclass(frozen=True)
class Options:
    """How to capture, and what to write beside the animation. Seconds, degrees, pixels of the video."""

    output: tuple[Path, ...] = ()
    model: str | Path | None = None  # name or folder; None: the one that comes with mocap
    device: str | None = None  # cpu or cuda; None: a GPU if there is one
    adapt: str = "3m"  # time to learn the rig first, unless that was done before; or "off"
    adapter: Path | None = None  # of `mocap adapt RIG -o FILE`, instead of learning
    reference: str | Path | None = None  # FILE or FILE:FRAME whose pose is the known one; None: the rig's own
    start: float | int | None = None
    end: float | int | None = None
    fps: float | int | None = None
    segment: str | None = None  # way to find the subject; None: the first that fits
    box: Box | None = None  # x, y, width, height in the first frame
    mask: Path | None = None
    segment_model: str | Path | None = None
    subject: int = 1
    fov: float | int | None = None  # vertical; None: a phone's
    root: RootMotion = "full"
    polish: int = 0  # iterations
    refine_iterations: int | None = None  # None: one, where the model holds stage 3
    match: int | None = None  # steps of swinging limbs onto the film; None: the usual, where the model can compare
    steady: float | int = STEADY_HERTZ  # what is faster is taken for jitter; 0: nothing is
    filter: tuple[str, ...] = ()  # as `mocap convert --filter`
    confidence: Path | None = None
    report: Path | None = None
    preview: Path | None = None
    view: Path | None = None
    debug_dir: Path | None = None
    keep_clips: bool = False  # write the rig's own clips too, behind the captured one
    overwrite: bool = False  # let an output be the video or the rig itself

    @classmethod
    def given(cls, **values: Any) -> "Options":
        """As people write them in Python: paths as strings, a single output or filter by itself."""
        for name in PATHS:
            if isinstance(values.get(name), str):
                values[name] = Path(values[name])
        for name, kind in (("output", Path), ("filter", str)):
            if name in values:
                one = isinstance(values[name], (str, Path))
                values[name] = tuple(kind(each) for each in ([values[name]] if one else values[name]))
        return cls(**values)

    def __post_init__(self) -> None:
        self.adapt_seconds  # noqa: B018 - a wrong time is told at once
        for name in ("polish", "refine_iterations", "match", "steady"):
            if (getattr(self, name) or 0) < 0:
                raise UsageError(f"--{name.replace('_', '-')} must not be negative")
        if (self.refine_iterations or 0) > MOST_ROUNDS:
            raise UsageError(f"--refine-iterations {self.refine_iterations} is more than {MOST_ROUNDS}")
        if self.root not in ("full", "in-place", "none"):
            raise UsageError(f"--root must be full, in-place or none, not {self.root!r}")
        if self.start is not None and self.end is not None and self.start >= self.end:
            problem = f"the part from {self.start:g} s to {self.end:g} s is empty"
            raise UsageError(problem, remedy="check --start and --end")

    def plain(self) -> dict[str, Any]:
        """As JSON has them."""
        found: dict[str, Any] = json.loads(json.dumps(asdict(self), default=str))
        return found

    @property
    def read(self) -> tuple[Path, ...]:
        """Files that are read beside the video and the rig."""
        pose = [] if self.reference is None else [split_reference(str(self.reference))[0]]
        network = [Path(self.segment_model)] if self.segment_model and Path(self.segment_model).is_file() else []
        return (*pose, *network, *(path for path in (self.mask, self.adapter) if path is not None))

    @property
    def adapt_seconds(self) -> float | None:
        return parse_budget(self.adapt)
