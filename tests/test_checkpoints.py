"""Models by name: those that come along, and those that plugins bring."""

from pathlib import Path

import pytest

from mocapcli import checkpoints, hookimpl
from mocapcli.checkpoints import model_folder
from mocapcli.errors import MocapError
from mocapcli.extensions import Checkpoint

README = Path(__file__).resolve().parents[1] / "plugins" / "README.md"


def test_register_checkpoints(isolated_plugins, tmp_path):
    """A plugin's model is found by name; where it lies is asked for only then."""

    class Models:
        @hookimpl
        def register_checkpoints(self, register):
            register(Checkpoint("mine", "a model of mine", lambda: tmp_path))

    isolated_plugins.manager.register(Models(), name="models")
    with pytest.raises(MocapError, match="'mine' is not where its plugin says"):
        model_folder("mine")
    (tmp_path / "config.json").write_text("{}")
    assert model_folder("mine") == tmp_path
    with pytest.raises(MocapError, match=r"no model 'gpt' \(a folder, or one of: .*mine"):
        model_folder("gpt")


def test_models_that_come_along_are_found_once(monkeypatch, tmp_path):
    homes = tmp_path / "wheel", tmp_path / "checkout"
    for home, name in zip((*homes, homes[1]), ("small", "small", "large"), strict=True):
        (home / name).mkdir(parents=True)
        (home / name / "config.json").touch()
    monkeypatch.setattr(checkpoints, "HOMES", homes)
    assert {record.name: record.folder() for record in checkpoints.shipped()} == {
        "small": homes[0] / "small",
        "large": homes[1] / "large",
    }


def test_every_field_is_documented():
    section = README.read_text(encoding="utf-8").split("## register_checkpoints")[1].split("\n## ")[0]
    for field in Checkpoint.__dataclass_fields__:
        assert f"\n| `{field}` |" in section
