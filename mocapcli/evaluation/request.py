"""The command line of `mocap eval`, and what is wrong with it."""

from dataclasses import dataclass, field
from pathlib import Path

from mocapcli.adapting.budget import parse_budget
from mocapcli.errors import UsageError
from mocapcli.evaluation.settings import Models
from mocapcli.evaluation.work import Hands


@dataclass(frozen=True)
class Request:
    """The command line as given."""

    files: tuple[Path, ...] = ()
    rig: Path | None = None
    merge: bool = False
    split: str | None = None
    setting: str = "p2r"
    models: Models = field(default_factory=Models)
    assets: Path | None = None
    cache: Path | None = None
    zoo: int | None = None
    appearance: str = "own"
    adapt: str = "off"
    refine_iterations: int | None = None
    match: int | None = None
    per_family: int | None = None
    seed: int = 0
    shard: str | None = None
    hands: Hands = field(default_factory=Hands)
    speed: bool = False
    as_json: bool = False
    output: Path | None = None
    csv: Path | None = None
    plot: Path | None = None
    video: Path | None = None

    @property
    def outputs(self) -> list[Path]:
        return [path for path in (self.output, self.csv, self.plot, self.video) if path is not None]


def check(request: Request) -> None:
    """Mistakes that would else show after hours of work."""
    usage = "mocap eval PREDICTED TRUTH --rig RIG"
    if request.merge and (request.split or request.rig):
        raise UsageError("--merge takes the files of shards alone", remedy="mocap eval --merge PART1.json PART2.json")
    if not request.merge:
        if request.files and (len(request.files) != 2 or request.rig is None):
            raise UsageError("to compare files, three are needed", remedy=usage)
        if not request.files and request.rig is not None:
            raise UsageError("--rig is for comparing two files", remedy=usage)
        if request.files and request.split is not None:
            raise UsageError("either two files are compared or a split is evaluated")
        if not request.files and request.split is None:
            raise UsageError("nothing to do", remedy="--split seen, rare or unseen, or two files and --rig")
    alone = request.video or request.speed or request.shard or request.hands != Hands()
    if request.split is None and alone:
        raise UsageError("--video, --speed, --shard, --workers and --engine go with --split")
    if parse_budget(request.adapt) is not None and (request.split is None or request.setting == "p2r"):
        raise UsageError("--adapt is for settings that start from videos", remedy="--setting v2p or e2e")
    if request.refine_iterations and (request.split is None or request.setting != "e2e"):
        raise UsageError("--refine-iterations is for the setting that ends in rotations", remedy="--setting e2e")
    if request.match and (request.split is None or request.setting != "e2e"):
        raise UsageError("--match is for the setting that ends in rotations", remedy="--setting e2e")
    check_outputs(request)


def check_outputs(request: Request) -> None:
    for name, path, suffixes in (("plot", request.plot, (".png", ".svg")), ("video", request.video, (".mp4", ".gif"))):
        if path is not None and path.suffix.lower() not in suffixes:
            raise UsageError(f"--{name} {path}: must end in {' or '.join(suffixes)}")
    for path in request.outputs:
        if not path.parent.is_dir():
            raise UsageError(f"there is no folder {path.parent}", remedy="make it first")
        if path.is_dir():
            raise UsageError(f"{path} is a folder", remedy="name a file")
        if request.outputs.count(path) > 1 or path in (*request.files, request.rig):
            raise UsageError(f"{path} cannot be two files at once", remedy="name another")
    if request.shard is not None and (request.output is None or len(request.outputs) > 1):
        raise UsageError("a shard is written with --output alone", remedy="--merge draws charts and tables of all")
