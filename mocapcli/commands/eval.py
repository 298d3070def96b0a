"""`mocap eval`: how good is it? Models on held-back clips, or one animation file against another."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from mocapcli.installed import need_network

Files = Annotated[
    list[Path] | None,
    typer.Argument(
        help="Two animation files, the one to judge and the true one; with --merge, files of shards.",
        metavar="PREDICTED TRUTH",
        show_default=False,
    ),
]
RigOption = Annotated[Path | None, typer.Option(help="With two files: the rig both are put on.", show_default=False)]
MergeOption = Annotated[bool, typer.Option("--merge", help="Put the files of all shards of a run together.")]
SplitOption = Annotated[
    Literal["seen", "rare", "unseen"] | None,
    typer.Option(
        help="seen: clips held back, of rigs that were trained on. rare: the same, of families with little data. "
        "unseen: rigs never trained on."
    ),
]
SettingOption = Annotated[
    Literal["p2r", "v2p", "e2e"],
    typer.Option(help="True positions to rotations, video to positions, or video to rotations."),
]
ModelOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME|DIR|none",
        help="A trained model; may be repeated to compare. none: only the baselines are judged.",
        show_default="the one that comes along",
    ),
]
DirectOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|DIR",
        help="A baseline to compare with: a model trained with network.rotation.rotation_head=direct; without a stage "
        "1 of its own, that of --model.",
        show_default=False,
    ),
]
AssetsOption = Annotated[
    Path | None, typer.Option(help="Folder of assets, with a manifest.csv or without.", show_default=False)
]
CacheOption = Annotated[Path | None, typer.Option(help="Folder made by `mocap data build`.", show_default=False)]
ZooOption = Annotated[int | None, typer.Option(help="So many procedural creatures.", min=1, show_default=False)]
AppearanceOption = Annotated[
    Literal["own", "recoloured", "other-body"], typer.Option(help="What the video shows of the rig.")
]
AdaptOption = Annotated[
    str,
    typer.Option(metavar="TIME|off", help="Learn each rig first for this long, from its renders and never its clips."),
]
RefineOption = Annotated[
    int | None,
    typer.Option(
        "--refine-iterations",
        help="Rounds of drawing the rig and comparing (stage 3), in e2e; at most 16.",
        min=0,
        show_default="as capture",
    ),
]
MatchOption = Annotated[
    int | None,
    typer.Option(
        "--match", help="Steps of fitting the drawn rig to the film, in e2e.", min=0, show_default="as capture"
    ),
]
FamilyOption = Annotated[
    int | None, typer.Option(help="At most so many windows of a family.", min=1, show_default="all")
]
SeedOption = Annotated[int, typer.Option(help="Of videos, noise and the choice of windows.")]
ShardOption = Annotated[
    str | None,
    typer.Option(metavar="I/N", help="Only part I of N, to be put together with --merge.", show_default=False),
]
WorkersOption = Annotated[int | None, typer.Option(help="Judge in so many processes at once.", min=1, show_default="1")]
EngineOption = Annotated[
    Literal["local", "ray"], typer.Option(help="Processes of this machine, or a ray cluster (extra [ray]).")
]
SpeedOption = Annotated[bool, typer.Option("--speed", help="Measure frames per second of each stage too.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
OutputOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="JSON", help="Write the JSON to a file too.", show_default=False),
]
CsvOption = Annotated[Path | None, typer.Option(metavar="FILE", help="Write a CSV.", show_default=False)]
PlotOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Draw the results (.png or .svg).", show_default=False)
]
VideoOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Film the worst, median and best case beside the truth (.mp4 or .gif).", show_default=False
    ),
]


def evaluate(
    files: Files = None,
    rig: RigOption = None,
    split: SplitOption = None,
    setting: SettingOption = "p2r",
    model: ModelOption = None,
    direct_model: DirectOption = None,
    assets: AssetsOption = None,
    cache: CacheOption = None,
    zoo: ZooOption = None,
    appearance: AppearanceOption = "own",
    adapt: AdaptOption = "off",
    refine: RefineOption = None,
    match: MatchOption = None,
    per_family: FamilyOption = None,
    seed: SeedOption = 0,
    speed: SpeedOption = False,
    as_json: JsonOption = False,
    output: OutputOption = None,
    csv: CsvOption = None,
    plot: PlotOption = None,
    video: VideoOption = None,
    shard: ShardOption = None,
    workers: WorkersOption = None,
    engine: EngineOption = "local",
    merge: MergeOption = False,
) -> None:
    """Measure a model on a split, or PREDICTED against TRUTH on a rig.

    Beside every figure stands what copying the reference pose scores, and the skill, 1 - error/copy. With a file
    to write, what is done so far is kept beside it: the same command goes on after a kill.
    """
    given: dict[str, Any] = dict(locals())
    need_network("mocap eval")
    from mocapcli.evaluation import command
    from mocapcli.evaluation.request import Request
    from mocapcli.evaluation.settings import Models
    from mocapcli.evaluation.work import Hands
    from mocapcli.plugins import get_plugins

    compared = tuple(given.pop("files") or ())
    named, direct = given.pop("model"), given.pop("direct_model")
    models = Models.of(named, direct) if split else Models()
    hands = Hands(given.pop("engine"), given.pop("workers"))
    request = Request(files=compared, models=models, hands=hands, refine_iterations=given.pop("refine"), **given)
    command.evaluate(request, get_plugins().metrics)
