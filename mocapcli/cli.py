"""The `mocap` command: build the app from plugins, and turn mistakes into one line and an exit code."""

import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from mocapcli import __version__
from mocapcli.console import complain, note
from mocapcli.errors import MocapError, UsageError
from mocapcli.plugins import LIMIT_VARIABLE, Plugins, get_plugins

INTERRUPTED, TERMINATED = 130, 143


class _Group(TyperGroup):
    """Commands; what typer itself would answer differently from one version to the next is settled here."""

    def invoke(self, ctx: Any) -> Any:
        try:
            result = super().invoke(ctx)
            if sys.stdout is not None:
                sys.stdout.flush()  # a closed pipe shows here, not at exit where nobody could catch it
            return result
        except KeyboardInterrupt:
            complain("interrupted")
            raise SystemExit(INTERRUPTED) from None
        except BrokenPipeError:
            # The reader of our output has gone (`mocap info x | head`): not our mistake.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise SystemExit(0) from None


def build_app(plugins: Plugins) -> typer.Typer:
    """The whole command line, plugin commands included."""
    app = typer.Typer(
        name="mocap",
        cls=_Group,
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
        for name in plugins.unknown:
            note(f"{LIMIT_VARIABLE} names {name!r}, which is not installed")

    plugins.register_commands(app)
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 well, 1 error, 2 usage, 130 interrupted."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments
    # `mocap convert … --debug` is what people type; typer only takes it before the command.
    arguments = ["--debug"] * debug + [argument for argument in arguments if argument != "--debug"]
    _survive_odd_characters()
    with contextlib.suppress(ValueError):  # only the main thread of a program may choose
        signal.signal(signal.SIGTERM, _tidy_up_and_leave)
    try:
        code = build_app(get_plugins())(arguments, prog_name="mocap", standalone_mode=True)
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except KeyboardInterrupt:
        complain("interrupted")
        return INTERRUPTED
    except (MocapError, OSError, MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "CUDA" not in str(error):
            raise
        if debug:
            traceback.print_exc()
        complain(_line(error))
        return 2 if isinstance(error, UsageError) else 1
    return int(code or 0)


def _survive_odd_characters() -> None:
    """File and joint names hold any character; a terminal that cannot show one gets an escape, not a crash."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _tidy_up_and_leave(*_: object) -> NoReturn:
    """Temporary files are removed on the way out, which the default way of being terminated skips."""
    raise SystemExit(TERMINATED)


def _line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, RuntimeError):
        return f"the GPU cannot do it: {str(error).splitlines()[0]} (--device cpu does without)"
    return str(error) or type(error).__name__


def _show_version(wanted: bool) -> bool:
    if wanted:
        typer.echo(f"mocap {__version__}")
        raise typer.Exit
    return wanted
