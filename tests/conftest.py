"""Fixtures for every test file. Factories are plain functions in `factories.py`, strategies in `strategies.py`."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import factories
import toy_format
from mocapcli import plugins as plugin_module
from mocapcli.plugins import Plugins, load_plugins

# The longest first, for where several processes share files out (`-n 2 --dist loadfile --no-loadscope-reorder`).
SLOW_FIRST = (
    "training_team training adapting zoo_formats zoo view refiner_learning imaginer examples eval_videos eval_film"
    " eval_results subject capture_mistakes capture_options capture_rigs clients fbx"
).split()
SHARED_ASSETS = Path(__file__).resolve().parents[2] / "shared" / "assets"

settings.register_profile("local", deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("local"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


@pytest.fixture(scope="session")
def make_skeleton():
    return factories.make_skeleton


@pytest.fixture(scope="session")
def make_motion():
    return factories.make_motion


@pytest.fixture(scope="session")
def make_mesh():
    return factories.make_mesh


@pytest.fixture(scope="session")
def make_asset():
    return factories.make_asset


@pytest.fixture
def isolated_plugins(monkeypatch: pytest.MonkeyPatch) -> Iterator[Plugins]:
    """A plugin manager with our commands only, which the whole program uses for the length of one test."""
    plugins = load_plugins(limit="")
    monkeypatch.setattr(plugin_module, "load_plugins", lambda: plugins)
    plugin_module.get_plugins.cache_clear()
    yield plugins
    plugin_module.get_plugins.cache_clear()


@pytest.fixture
def toy(isolated_plugins: Plugins) -> Plugins:
    """Isolated plugins that also know the toy format."""
    isolated_plugins.manager.register(toy_format.ToyPlugin(), name="toy")
    return isolated_plugins


@pytest.fixture
def walk(tmp_path: Path) -> Path:
    """A toy file with two clips, `clip0` of 7 frames and `clip1` of 8."""
    path = tmp_path / "walk.toy"
    toy_format.write(path, factories.make_asset(clips=2, mesh=False))
    return path


@pytest.fixture(scope="session")
def shared_assets() -> Path:
    """The folder of real assets beside the repository; tests that need it are skipped elsewhere."""
    if not SHARED_ASSETS.is_dir():
        pytest.skip("no ../shared/assets beside the repository")
    return SHARED_ASSETS


@pytest.fixture(autouse=True)
def one_chance() -> None:
    """Networks are the same whatever ran before."""
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {f"test_{name}": place for place, name in enumerate(SLOW_FIRST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


def pytest_configure(config: pytest.Config) -> None:
    if getattr(config.option, "numprocesses", None):  # each has a core, and its children inherit that
        for library in ("OMP", "OPENBLAS", "NUMBA"):
            os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    worker, cache = os.environ.get("PYTEST_XDIST_WORKER"), getattr(config, "cache", None)
    if worker and cache is not None:  # two processes that fill one cache of numba's may mix up its files
        os.environ.setdefault("NUMBA_CACHE_DIR", str(cache.mkdir(f"numba-{worker}")))
    # beartype looks at random items of tuples, which hypothesis takes for our strategies being random.
    config.addinivalue_line("filterwarnings", "ignore:Do not use the `random` module inside strategies")


@pytest.fixture(scope="module")
def ray_cluster() -> Iterator[None]:
    """Two cores, started once: it takes seconds."""
    ray = pytest.importorskip("ray", reason="the extra [ray] is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        patch.setenv("RAY_AUTH_MODE", "disabled")  # it would leave a token in the home folder
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))  # so that workers find our helpers
        ray.init(num_cpus=2, include_dashboard=False, object_store_memory=100 << 20, log_to_driver=False)
        yield
        ray.shutdown()
