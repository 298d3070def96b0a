"""Read and write any registered format, chosen by extension or by name."""

import stat
import warnings
from collections.abc import Callable
from pathlib import Path

from mocapcli.errors import (
    DroppedWarning,
    FormatError,
    MocapError,
    PluginError,
    ReadError,
    UnsupportedError,
)
from mocapcli.extensions import Format
from mocapcli.plugins import get_plugins
from mocapcli.types import Asset, Motion
from mocapcli.whole_file import whole_file


def find_format(path: Path, name: str | None = None) -> Format:
    """The format called `name`, or the one that claims the path's extension."""
    extension = path.suffix.lower().lstrip(".")
    if name is not None:
        chosen = find_plugin(name)
        if extension not in chosen.extensions + chosen.also:
            known = ", ".join(f".{e}" for e in chosen.extensions + chosen.also)
            raise FormatError(
                f"plugin {name!r} does not handle .{extension} files", path=path, remedy=f"it knows {known}"
            )
        return chosen
    formats = get_plugins().formats
    claims = [record for record in formats.values() if extension in record.extensions]
    if len(claims) > 1:
        names = " and ".join(repr(record.name) for record in claims)
        raise PluginError(f"{names} both claim .{extension}", path=path, remedy="choose one with --plugin NAME")
    if not claims:
        known = ", ".join(sorted({f".{e}" for record in formats.values() for e in record.extensions}))
        problem = f"unknown file type .{extension}" if extension else "the file name has no extension"
        raise FormatError(problem, path=path, remedy=f"known: {known or 'none is loaded'}")
    return claims[0]


def find_writer(path: Path, name: str | None = None) -> Format:
    """The same among those that can write."""
    record = find_format(path, name)
    _write_of(record, path)
    return record


def is_readable(path: Path, plugin: str | None = None) -> bool:
    """Whether some plugin (or this one) reads files called like this."""
    extension = path.suffix.lower().lstrip(".")
    if plugin is None:
        return any(record.read and extension in record.extensions for record in get_plugins().formats.values())
    record = find_plugin(plugin)
    return record.read is not None and extension in record.extensions + record.also


def find_plugin(name: str) -> Format:
    """The format registered under this name."""
    formats = get_plugins().formats
    if name not in formats:
        raise PluginError(f"no format plugin called {name!r}", remedy=f"known: {', '.join(sorted(formats))}")
    return formats[name]


def read_asset(path: str | Path, plugin: str | None = None) -> Asset:
    """Read a rig with its clips from any file a plugin knows."""
    path = Path(path)
    head = _head(path)
    record = find_format(path, plugin)
    if record.read is None:
        raise UnsupportedError(f"the {record.name} plugin only writes", path=path)
    try:
        asset = record.read(path)
    except MocapError as error:
        error.path = error.path or path
        if isinstance(error, ReadError) and error.remedy is None:
            error.remedy = _wrong_extension(head, record)
        raise
    except MemoryError:
        raise ReadError("the file asks for more memory than there is", path=path) from None
    except (OSError, KeyboardInterrupt):
        raise
    except Exception as error:  # hostile bytes can trip a parser anywhere; the cause is kept for --debug
        raise ReadError(
            f"damaged, or not {record.description} ({type(error).__name__}: {error})",
            path=path,
            remedy=_wrong_extension(head, record),
        ) from error
    if not isinstance(asset, Asset):  # a plugin's mistake would else show far from it
        raise PluginError(f"the {record.name} plugin returned {type(asset).__name__}, no Asset", path=path)
    return asset


def write_asset(path: str | Path, asset: Asset, plugin: str | None = None) -> None:
    """Write an asset; the file appears whole or not at all. Warns (`DroppedWarning`) about what is lost."""
    path = Path(path)
    record = find_format(path, plugin)
    write = _write_of(record, path)
    for message in dropped(record, asset):
        warnings.warn(f"{path.name}: {message}", DroppedWarning, stacklevel=2)
    with whole_file(path) as temporary:
        try:
            write(temporary, asset)
        except MocapError as error:
            if error.path in (None, temporary):
                error.path = path
            raise


def _write_of(record: Format, path: Path) -> Callable[[Path, Asset], None]:
    if record.write is None:
        raise UnsupportedError(f"the {record.name} plugin only reads", path=path, remedy="choose another output format")
    return record.write


def dropped(record: Format, asset: Asset) -> list[str]:
    """What this format cannot carry of this asset, in words."""
    mesh = asset.rig.mesh
    lost = []
    if mesh is not None and "mesh" not in record.keeps:
        lost.append("the mesh is left out")
    elif mesh is not None:
        textured = any(material.texture for material in mesh.materials)
        if mesh.materials and "materials" not in record.keeps:
            lost.append("materials are left out")
        elif textured and "textures" not in record.keeps:
            lost.append("textures are left out")
    if len(asset.motions) > 1 and "motions" not in record.keeps:
        lost.append(f"only the first of {len(asset.motions)} clips is written")
    if any(motion.scales is not None for motion in asset.motions) and "scales" not in record.keeps:
        lost.append("animated scale is left out")
    if "translations" not in record.keeps and any(_moves_inner_joints(asset, motion) for motion in asset.motions):
        lost.append("animated translations of inner joints are left out")
    return [f"{what} ({record.name} cannot hold it)" for what in lost] + _not_taken_along(record, asset)


def _not_taken_along(record: Format, asset: Asset) -> list[str]:
    """What the file read holds beside the asset; a format that leaves the mesh out has said more than that."""
    source = asset.rig.source
    beyond = getattr(source, "beyond", ())
    if not beyond or "mesh" not in record.keeps or getattr(source, "format", None) == record.name:
        return []
    return [f"what else was in the file does not come along: {', '.join(beyond)}"]


def _moves_inner_joints(asset: Asset, motion: Motion) -> bool:
    skeleton = asset.rig.skeleton
    offset = motion.translations - skeleton.rest_translations
    inner = skeleton.parents >= 0
    return bool(inner.any() and abs(offset[:, inner]).max() > 1e-6)


def _head(path: Path) -> bytes:
    """First bytes of the file; raises clearly where there is none."""
    if path.is_dir():
        raise ReadError("this is a folder, not a file", path=path)
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe may never end, a device neither
            raise ReadError("this is a pipe or a device, not a file", path=path, remedy="copy its content into a file")
        with path.open("rb") as stream:
            head = stream.read(64)
    except FileNotFoundError:
        raise ReadError("there is no such file", path=path) from None
    except PermissionError:
        raise ReadError("no permission to read the file", path=path) from None
    if not head:
        raise ReadError("the file is empty", path=path)
    return head


def _wrong_extension(head: bytes, record: Format) -> str | None:
    """A hint where the first bytes belong to another format."""
    for other in get_plugins().formats.values():
        if other.name != record.name and any(head.startswith(magic) for magic in other.magic):
            return f"it looks like {other.description}: rename it to .{other.extensions[0]}"
    return None
