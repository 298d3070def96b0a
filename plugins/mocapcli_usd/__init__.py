"""Universal Scene Description (UsdSkel) through usd-core, the extra `mocapcli[usd]`."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mocapcli import hookimpl
from mocapcli.extensions import Feature, Format

if TYPE_CHECKING:
    from mocapcli.types import Asset

KEEPS: frozenset[Feature] = frozenset({"mesh", "materials", "motions", "scales", "translations", "rest_rotations"})


def read(path: Path) -> "Asset":
    from mocapcli_usd.reader import read_asset

    return read_asset(path)


def write(path: Path, asset: "Asset") -> None:
    from mocapcli_usd.reader import check_installed

    check_installed()
    from mocapcli_usd.writer import write_asset  # imports pxr at its top

    write_asset(path, asset)


@hookimpl
def register_formats(register: Callable[[Format], None]) -> None:
    register(
        Format(
            name="usd",
            description="Universal Scene Description",
            extensions=("usda", "usdc", "usd"),
            read=read,
            write=write,
            keeps=KEEPS,
            magic=(b"PXR-USDC", b"#usda "),
        )
    )
    register(
        Format(
            name="usdz",
            description="a USD package",
            extensions=("usdz",),
            read=read,
            write=write,
            keeps=KEEPS | {"textures"},  # images travel inside the package only
        )
    )
