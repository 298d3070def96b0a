"""Fixtures of the tests of `mocap eval`, which name this file in `pytest_plugins`."""

from dataclasses import replace
from pathlib import Path

import pytest

from eval_helpers import TINY, long_asset, save_model
from mocapcli.data.cache import Cache
from mocapcli.evaluation.sources import cache_in, cache_of_zoo


@pytest.fixture(scope="session")
def unseen(tmp_path_factory) -> Cache:
    """Two families; the first has two rigs."""
    folder = tmp_path_factory.mktemp("unseen")
    made = [("a", "first", long_asset(1)), ("b", "first", long_asset(2, frames=20)), ("c", "second", long_asset(3))]
    return cache_in(folder, made, "unseen")


@pytest.fixture(scope="session")
def zoo(tmp_path_factory) -> Cache:
    return cache_of_zoo(2, "unseen", tmp_path_factory.mktemp("zoo"), progress_bar=False)


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Path:
    return save_model(tmp_path_factory.mktemp("models") / "tiny", TINY)


@pytest.fixture(scope="session")
def direct(tmp_path_factory) -> Path:
    """A direct rotation head by itself."""
    config = replace(TINY, rotation=replace(TINY.rotation, rotation_head="direct"), stages=("rotation",))
    return save_model(tmp_path_factory.mktemp("models") / "direct", config)
