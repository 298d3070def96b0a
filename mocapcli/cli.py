"""The `mocap` command: build the app from plugins, and turn mistakes into one line and an exit code."""

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from mocapcli import __version__
from mocapcli.errors import MocapError, UsageError
from mocapcli.plugins import Plugins, get_plugins

INTERRUPTED = 130


def build_app(plugins: Plugins) -> typer.Typer:
    """The whole command line, plugin commands included."""
    app = typer.Typer(
        name="mocap",
        help="One video plus any rigged 3D asset in; an animation that drives exactly that asset out.",
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )

    @app.callback()
    def options(
        version: Annotated[
            bool,
            typer.Option("--version", help="Show the version and stop.", callback=_show_version, is_eager=True),
        ] = False,
        debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    ) -> None:
        pass

    plugins.register_commands(app)
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 well, 1 error, 2 usage, 130 interrupted."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments
    # `mocap convert … --debug` is what people type; typer only takes it before the command.
    arguments = ["--debug"] * debug + [argument for argument in arguments if argument != "--debug"]
    try:
        code = build_app(get_plugins())(arguments, standalone_mode=True)
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except KeyboardInterrupt:
        _complain("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone (`mocap info x | head`): not our mistake.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (MocapError, OSError, MemoryError) as error:
        if debug:
            traceback.print_exc()
        _complain(_line(error))
        return 2 if isinstance(error, UsageError) else 1
    return int(code or 0)


def _line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error) or type(error).__name__


def _complain(line: str) -> None:
    sys.stderr.write(f"mocap: {line}\n")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mocap {__version__}")
        raise typer.Exit
