"""`mocap train`: train the network on a cache of rigs."""

from pathlib import Path
from typing import Annotated

import typer

from mocapcli.commands.shared import DeviceOption
from mocapcli.installed import need_network

SettingsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="One setting, such as lr=1e-4; may be repeated. --list-settings shows all.",
    ),
]
ThreadsOption = Annotated[
    int,
    typer.Option(
        help="Torch's threads, each process. More than one rarely helps: start more processes instead.", min=1
    ),
]
ListOption = Annotated[
    bool, typer.Option("--list-settings", help="Print every setting of this run, as a file for --config.")
]


def train(
    cache: Annotated[Path | None, typer.Option(help="Folder made by `mocap data build`.", show_default="cache")] = None,
    assets: Annotated[
        Path | None, typer.Option(help="Folder of assets to train on; read once into the run's folder.")
    ] = None,
    zoo: Annotated[int, typer.Option(help="Train on this many procedural creatures.", min=0)] = 0,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the run.")] = Path("runs/train"),
    preset: Annotated[
        str, typer.Option(help="tiny (minutes on a CPU), small (the shipped size), base (a GPU).")
    ] = "small",
    config: Annotated[Path | None, typer.Option(help="TOML file with settings that differ from the preset.")] = None,
    settings: SettingsOption = None,
    init: Annotated[
        list[Path] | None, typer.Option(help="Model to start from, whose other stages come along; may be repeated.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Stop after this time, with weights ready to use.", min=0.0)
    ] = None,
    device: DeviceOption = None,
    threads: ThreadsOption = 1,
    list_settings: ListOption = False,
) -> None:
    """Train one stage, or two at once. A run that was stopped, however hard, goes on where it was.

    --set stage=pose (video to joint positions), rotation (positions to rotations), joint (both), refine (stage 3),
    imagine (poses that rigs are learnt in), judge (how far off drawn poses are).

    Several processes or machines share each batch when torchrun starts them, and take the same steps as one would:
    torchrun --nproc_per_node 4 -m mocapcli train ... (the run's folder and the cache must be seen by all).

    The folder holds the state, the weights (`best` and `last`), log.csv, curves.png and TensorBoard's files.
    """
    need_network("training")
    import torch

    from mocapcli.training import config as configs

    settled = configs.load_config(preset, config, settings or [])
    if list_settings:
        typer.echo(configs.list_settings(settled))
        return
    from mocapcli.network.model import choose_device, parameter_count
    from mocapcli.training.data import prepare_cache
    from mocapcli.training.loop import Trainer
    from mocapcli.training.team import join_team

    torch.set_num_threads(threads)
    where = choose_device(device)
    with join_team(where) as team:
        data = team.agree(prepare_cache(cache, assets, zoo, output / "data") if team.leads else Path())
        trainer = Trainer(settled, data, output, where, minutes, True, tuple(init or ()), team)
        if team.leads:
            size = f"{parameter_count(trainer.part):,} parameters on {where}"
            together = f", {team.world} processes" if team.world > 1 else ""
            typer.echo(f"{size}{together}, from step {trainer.state.step}")
        figures = trainer.run()
    if team.leads:
        rows = ", ".join(f"{name} {value:.3g}" for name, value in figures.items())
        typer.echo(f"{output}: step {trainer.state.step}, validation {rows}")
