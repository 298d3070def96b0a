"""Fixtures of the tests of training, which name this file in `pytest_plugins`."""

from dataclasses import replace
from pathlib import Path

import pytest

from mocapcli.data.build import build_cache
from mocapcli.training.samples import SceneRig
from mocapcli.types import Rig
from mocapcli.zoo import make_creature


@pytest.fixture(scope="session")
def creatures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of four creatures; nobody writes into it."""
    folder = tmp_path_factory.mktemp("creatures")
    build_cache(None, folder, creatures=range(4), progress_bar=False)
    return folder


@pytest.fixture(scope="session")
def rigs() -> list[SceneRig]:
    """A spider-like one, a four-legged one, and the first without its mesh."""
    first, second = make_creature(1), make_creature(4)
    bare = replace(first, rig=Rig(first.rig.skeleton, None, "bare"))
    return [SceneRig.of(asset) for asset in (first, second, bare)]
