"""`mocap train`: train the network on a cache of rigs."""

from pathlib import Path
from typing import Annotated

import typer

from mocapcli.errors import UnsupportedError


def train(
    cache: Annotated[Path, typer.Option(help="Folder made by `mocap data build`.")] = Path("cache"),
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the run.")] = Path("runs/train"),
    preset: Annotated[
        str, typer.Option(help="tiny (minutes on a CPU), small (the shipped size), base (a GPU).")
    ] = "small",
    config: Annotated[Path | None, typer.Option(help="TOML file with settings that differ from the preset.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="One setting, such as lr=1e-4 or data.frames=8; repeatable."),
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Stop after this time, with weights ready to use.", min=0.0)
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda. Default: a GPU if there is one.")] = None,
    threads: Annotated[int, typer.Option(help="Threads of torch; one is fastest on small machines.", min=1)] = 1,
) -> None:
    """Train stage 1 (video to joint positions). A run that was stopped, however hard, goes on where it was."""
    try:
        import torch
    except ImportError:
        raise UnsupportedError("training needs torch", remedy="pip install 'mocapcli[network]'") from None
    from mocapcli.network.model import choose_device, parameter_count
    from mocapcli.training.config import load_config
    from mocapcli.training.loop import Trainer

    torch.set_num_threads(threads)
    trainer = Trainer(
        load_config(preset, config, settings or []), cache, output, choose_device(device), minutes=minutes
    )
    typer.echo(f"{parameter_count(trainer.network):,} parameters on {trainer.device}, from step {trainer.state.step}")
    figures = trainer.run()
    rows = ", ".join(f"{name} {value:.3g}" for name, value in figures.items())
    typer.echo(f"{output}: step {trainer.state.step}, validation {rows}")
