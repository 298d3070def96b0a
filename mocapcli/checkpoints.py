"""Models by name: the ones that come with mocap, and those that plugins bring. Cheap to import."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from mocapcli.errors import MocapError
from mocapcli.extensions import Checkpoint

CONFIG = "config.json"
PACKAGE = Path(__file__).resolve().parent
HOMES = (PACKAGE / "_models", PACKAGE.parent / "models")  # of an installed wheel, and of a checkout


def shipped() -> Iterator[Checkpoint]:
    """Every model of the installation, once."""
    folders: dict[str, Path] = {}
    for home in HOMES:
        for path in sorted(home.glob(f"*/{CONFIG}")):
            folders.setdefault(path.parent.name, path.parent)
    for name, folder in folders.items():
        yield Checkpoint(name, "a model that comes with mocap", partial(Path, folder))


def model_folder(name: str) -> Path:
    """A folder, or where the model of that name lies."""
    from mocapcli.plugins import get_plugins

    if Path(name).is_dir():
        return Path(name)
    known = get_plugins().checkpoints
    if name not in known:
        remedy = f"a folder, or one of: {', '.join(sorted(known)) or 'none is installed'}"
        raise MocapError(f"no model {name!r}", remedy=remedy)
    folder = known[name].folder()
    if not (folder / CONFIG).is_file():
        raise MocapError(f"the model {name!r} is not where its plugin says", path=folder)
    return folder
