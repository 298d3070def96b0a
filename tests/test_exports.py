"""The public names: sorted, importable, loaded on first use."""

import subprocess
import sys

import pytest

import mocapcli


def test_names_are_sorted_and_known():
    assert mocapcli.__all__ == sorted(mocapcli.__all__)
    assert set(mocapcli._HOMES) | {"hookimpl"} == set(mocapcli.__all__)


@pytest.mark.parametrize("name", mocapcli.__all__)
def test_every_name_can_be_imported_and_says_where_it_lives(name):
    value = getattr(mocapcli, name)
    assert value is not None
    if name in mocapcli._HOMES:
        assert value.__module__ == f"mocapcli.{mocapcli._HOMES[name]}"


def test_star_import():
    names: dict[str, object] = {}
    exec("from mocapcli import *", names)
    assert set(mocapcli.__all__) <= set(names)


def test_an_unknown_name():
    with pytest.raises(AttributeError, match="module 'mocapcli' has no attribute 'nonsense'"):
        mocapcli.nonsense  # noqa: B018


def test_importing_the_package_loads_nothing_heavy():
    code = (
        "import sys, mocapcli; print([m for m in ('numpy', 'scipy', 'torch', 'rich', 'typer') if m in sys.modules]);"
        "mocapcli.Skeleton; print('numpy' in sys.modules, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "True False"]
