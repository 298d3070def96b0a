"""What the command line tests share."""

from mocapcli.cli import main


def run(capsys, *arguments) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `mocap ARGUMENTS`."""
    code = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err
