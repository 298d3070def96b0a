"""Plugins: every hook documented and tested, and no plugin, however broken, in the way of the others."""

import inspect
import json
import re
import sys
import types
from importlib import metadata
from pathlib import Path

import pytest
import typer

from factories import make_asset
from mocapcli import hookimpl, hookspecs, read_asset, write_asset
from mocapcli.cli import build_app, main
from mocapcli.errors import FormatError, PluginError
from mocapcli.extensions import Feature, Format
from mocapcli.plugins import Plugins, get_plugins, load_plugins
from toy_format import ToyPlugin

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "plugins" / "README.md").read_text(encoding="utf-8")
HOOKS = {name: function for name, function in vars(hookspecs).items() if name.startswith("register_")}


@pytest.fixture
def third_party(monkeypatch):
    """Make a module from source text and an entry point to it: `third_party("csv", "import nothing")`."""

    def make(name: str, source: str, module: str | None = None) -> metadata.EntryPoint:
        module_name = module or f"third_party_{name}"
        created = types.ModuleType(module_name)
        finder = _SourceFinder(module_name, source)
        monkeypatch.setattr(sys, "meta_path", [finder, *sys.meta_path])
        monkeypatch.delitem(sys.modules, created.__name__, raising=False)
        return metadata.EntryPoint(name, module_name, "mocapcli")

    yield make
    for name in [name for name in sys.modules if name.startswith("third_party_")]:
        del sys.modules[name]


class _SourceFinder:
    """Imports one module from a string."""

    def __init__(self, name: str, source: str) -> None:
        self.name, self.source = name, source

    def find_spec(self, name, path=None, target=None):
        from importlib.machinery import ModuleSpec

        return ModuleSpec(name, self) if name == self.name else None  # type: ignore[arg-type]

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        exec(self.source, module.__dict__)


BUILTIN = metadata.EntryPoint("builtin", "mocapcli.builtin", "mocapcli")
GOOD = """
from mocapcli import Format, hookimpl
@hookimpl
def register_formats(register):
    register(Format("good", "a good file", ("good",)))
"""


def status(plugins: Plugins, name: str) -> str | None:
    (plugin,) = [plugin for plugin in plugins.found if plugin.name == name]
    return plugin.error


# ---------------------------------------------------------------- documentation


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_has_a_heading_with_its_arguments(name):
    arguments = ", ".join(inspect.signature(HOOKS[name]).parameters)
    assert f"\n## {name}({arguments})\n" in README


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_has_its_exact_signature_and_its_sentence_documented(name):
    source = inspect.getsource(HOOKS[name]).split("\n", 1)[1]
    signature = source[: source.index(":\n")]
    assert f"```python\n{signature}: ...\n```" in README
    words = " ".join(README.split())
    assert " ".join((HOOKS[name].__doc__ or "").rstrip(".").split(":")[0].split()) in words


def test_the_readme_documents_no_hook_that_is_not_there():
    assert set(re.findall(r"^## (register_\w+)", README, re.MULTILINE)) == set(HOOKS)


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_has_a_built_in_user(name):
    ours = [plugin for plugin in load_plugins().found if plugin.package == "mocapcli"]
    assert any(name in plugin.hooks for plugin in ours)


def test_every_field_of_a_format_and_every_feature_is_documented():
    for field in Format.__dataclass_fields__:
        assert f"\n| `{field}` |" in README
    for feature in Feature.__args__:  # type: ignore[attr-defined]
        assert f'`"{feature}"`' in README


def test_the_readme_example_works(isolated_plugins, tmp_path):
    (source,) = [
        block for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "# mocapcli_joints.py" in block
    ]
    module = types.ModuleType("mocapcli_joints")
    exec(source, module.__dict__)
    isolated_plugins.manager.register(module, name="joints")
    write_asset(tmp_path / "x.joints", make_asset(3, clips=0, mesh=False))
    assert (tmp_path / "x.joints").read_text().splitlines()[0] == "joint0 -1"


# ---------------------------------------------------------------- the hooks


def test_register_formats(isolated_plugins):
    isolated_plugins.manager.register(ToyPlugin(), name="toy")
    assert set(isolated_plugins.formats) == {"toy", "stick"}
    assert [owner for owner, _ in isolated_plugins.registered("register_formats")] == ["toy", "toy"]


def test_register_sources(isolated_plugins, tmp_path):
    """A source of three grey pictures, chosen by its extension, gives three frames."""
    import numpy as np

    from mocapcli.extensions import Source
    from mocapcli.video import open_video
    from mocapcli.video.frames import Footage, Picture

    def pictures(request):
        return (Picture(n / 10, np.full((request.height, request.width, 3), n, np.uint8)) for n in range(3))

    class Grey:
        @hookimpl
        def register_sources(self, register):
            register(Source("grey", "a grey film", ("grey",), lambda path: Footage(4, 2, 10.0, False, 0.3, pictures)))

    isolated_plugins.manager.register(Grey(), name="grey")
    path = tmp_path / "x.grey"
    path.write_text("grey")
    (frames,) = open_video(path).chunks()
    assert frames.pixels[:, 0, 0, 0].tolist() == [0, 1, 2]


def test_register_segmenters(isolated_plugins):
    """What a plugin registers is found by name, and asked in its order."""
    from mocapcli.extensions import Segmenter

    class Everything:
        @hookimpl
        def register_segmenters(self, register):
            register(Segmenter("everything", "all of the picture", lambda survey, wishes: None))

    isolated_plugins.manager.register(Everything(), name="everything")
    assert {"everything", "alpha", "static", "box", "mask", "rembg"} == set(isolated_plugins.segmenters)


class CommandPlugin:
    def __init__(self, *names: str, then: BaseException | None = None) -> None:
        self.names, self.then = names, then

    @hookimpl
    def register_commands(self, app: typer.Typer) -> None:
        for name in self.names:
            app.command(name)(lambda: typer.echo("hello"))
        group = typer.Typer()
        group.command("inner")(lambda: typer.echo("inside"))
        app.add_typer(group, name=f"{self.names[0]}-group")
        if self.then is not None:
            raise self.then


def test_register_commands(isolated_plugins, capsys):
    isolated_plugins.manager.register(CommandPlugin("greet"), name="greeter")
    assert main(["greet"]) == 0
    assert main(["greet-group", "inner"]) == 0
    assert capsys.readouterr().out == "hello\ninside\n"


def test_a_command_cannot_be_taken_over(isolated_plugins, capsys):
    plugin = CommandPlugin("mine", "convert")
    isolated_plugins.manager.register(plugin, name="thief")
    isolated_plugins.found.append(_listed("thief"))
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert "mine" not in out
    assert "Convert a rig" in out
    assert status(isolated_plugins, "thief") == "PluginError: there is already a command called 'convert'"


@pytest.mark.parametrize("error", [ValueError("oops"), SystemExit(3), PluginError("oops")])
def test_a_commands_hook_that_raises_adds_nothing(isolated_plugins, capsys, error):
    isolated_plugins.manager.register(CommandPlugin("mine", then=error), name="faulty")
    isolated_plugins.found.append(_listed("faulty"))
    assert main(["--help"]) == 0
    assert "mine" not in capsys.readouterr().out
    assert (status(isolated_plugins, "faulty") or "").startswith(type(error).__name__)
    assert main(["plugins"]) == 0


def _listed(name: str):
    from mocapcli.plugins import Plugin

    return Plugin(name, "m", "p", "1")


# ---------------------------------------------------------------- broken ones


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import nothing_like_this", "ModuleNotFoundError: No module named 'nothing_like_this'"),
        ("raise SystemExit(1)", "SystemExit: 1"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("x = (", "SyntaxError"),
        ("", "implements no hook"),
        ("def register_formats(register): pass", "implements no hook"),
        (GOOD.replace("register_formats", "register_format"), "PluginValidationError"),
        (GOOD.replace("(register)", "(register, more)"), "PluginValidationError"),
        ("raise ValueError('two\\nlines')", "ValueError: two lines"),
        ("raise ValueError", "ValueError: no message"),
        ("class Panic(BaseException): pass\nraise Panic('no')", "Panic: no"),
    ],
)
def test_a_plugin_that_does_not_load_is_set_aside(third_party, source, reason):
    points = [BUILTIN, third_party("bad", source), third_party("good", GOOD)]
    plugins = load_plugins(points)
    assert (status(plugins, "bad") or "").startswith(reason)
    assert status(plugins, "good") is None
    assert set(plugins.formats) == {"good"}
    assert {command.name for command in build_app(plugins).registered_commands} >= {"convert", "info", "plugins"}


@pytest.mark.parametrize(
    "fault",
    [
        "raise OSError('disk')",
        "raise SystemExit",
        "raise BaseException('panic')",
        "register('no record')",
        "register(1, 2)",
        "register(type('Alike', (), {'name': 'alike'}))",
        "register(Format('listed', 'a list', ['l']))",
        "register(Format('text', 'a text', 'txt'))",
        "register(Format(5, 'a number', ('n',)))",
    ],
)
def test_a_formats_hook_that_fails_registers_nothing(third_party, fault):
    plugins = load_plugins([third_party("bad", GOOD + f"    {fault}\n"), third_party("fine", GOOD)])
    assert [owner for owner, _ in plugins.registered("register_formats")] == ["fine"]
    assert status(plugins, "bad") is not None
    assert plugins.formats  # again: still no error


def test_two_plugins_of_one_name(third_party):
    first, second = third_party("twin", GOOD), third_party("twin", GOOD, module="third_party_other")
    plugins = load_plugins([first, second])
    assert [plugin.error for plugin in plugins.found] == [None, "another plugin is called 'twin'"]
    assert set(plugins.formats) == {"good"}


def test_one_module_under_two_names(third_party):
    point = third_party("one", GOOD)
    plugins = load_plugins([point, metadata.EntryPoint("two", point.value, "mocapcli")])
    assert status(plugins, "one") is None
    assert "already registered" in (status(plugins, "two") or "")
    assert set(plugins.formats) == {"good"}


def test_two_formats_of_one_name_are_named(third_party):
    plugins = load_plugins([third_party("a", GOOD), third_party("b", GOOD)])
    with pytest.raises(PluginError, match="plugins 'a' and 'b' both register 'good'"):
        _ = plugins.formats


def test_two_formats_with_one_extension_must_be_chosen_from(isolated_plugins, tmp_path):
    class Rival:
        @hookimpl
        def register_formats(self, register):
            register(Format("rival", "a rival", ("toy",), lambda path: make_asset()))

    isolated_plugins.manager.register(ToyPlugin(), name="toy")
    isolated_plugins.manager.register(Rival(), name="rival")
    path = tmp_path / "x.toy"
    path.write_text("x")
    with pytest.raises(PluginError, match=r"'toy' and 'rival' both claim \.toy.*--plugin NAME"):
        read_asset(path)
    assert read_asset(path, plugin="rival").rig.skeleton.joints == 5


def test_broken_plugins_are_listed_with_their_reason(third_party, monkeypatch, capsys):
    points = [BUILTIN, third_party("bad", "import nothing_like_this")]
    plugins = load_plugins(points)
    monkeypatch.setattr("mocapcli.plugins.load_plugins", lambda: plugins)
    get_plugins.cache_clear()
    try:
        assert main(["--help"]) == 0
        assert main(["plugins", "--json"]) == 0
        rows = json.loads("[" + capsys.readouterr().out.split("\n[", 1)[1])
        assert [(row["name"], row["status"]) for row in rows] == [("builtin", "ok"), ("bad", "broken")]
        assert "nothing_like_this" in rows[1]["error"]
    finally:
        get_plugins.cache_clear()


# ---------------------------------------------------------------- MOCAP_PLUGINS


@pytest.mark.parametrize(
    ("limit", "formats"), [("", set()), ("good", {"good"}), (" good , x", {"good"}), ("builtin", set())]
)
def test_the_variable_limits_what_loads(third_party, monkeypatch, limit, formats):
    monkeypatch.setenv("MOCAP_PLUGINS", limit)
    plugins = load_plugins([BUILTIN, third_party("good", GOOD)])
    assert set(plugins.formats) == formats
    assert build_app(plugins).registered_commands
    skipped = {plugin.name for plugin in plugins.found if plugin.skipped}
    assert skipped == {"good"} - formats
    assert plugins.unknown == (("x",) if "x" in limit else ())


def test_a_skipped_plugin_is_not_even_imported(third_party):
    load_plugins([third_party("bad", "raise KeyboardInterrupt")], limit="")


def test_without_the_variable_everything_loads(third_party, monkeypatch):
    monkeypatch.delenv("MOCAP_PLUGINS", raising=False)
    plugins = load_plugins([third_party("good", GOOD)])
    assert not plugins.found[0].skipped
    assert plugins.unknown == ()


def test_our_own_plugins_load():
    ours = [plugin for plugin in load_plugins().found if plugin.package == "mocapcli"]
    assert {plugin.name for plugin in ours} >= {"builtin", "assimp", "bvh", "fbx", "gltf", "npz", "usd"}
    assert [plugin.error for plugin in ours if plugin.error] == []


# ---------------------------------------------------------------- the example


@pytest.fixture
def csv_plugin(isolated_plugins, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "examples" / "mocapcli-csv"))
    import mocapcli_csv

    isolated_plugins.manager.register(mocapcli_csv, name="csv")
    return isolated_plugins


def test_the_csv_example_works(csv_plugin, tmp_path, capsys):
    source, target = tmp_path / "x.csv", tmp_path / "y.csv"
    write_asset(source, make_asset(4, clips=2, mesh=False, translated=True))
    assert main(["convert", str(source), str(target)]) == 0
    # Up to rounding: a second pass through the quaternions changes the last digits.
    before, after = ([line.split(",") for line in path.read_text().splitlines()] for path in (source, target))
    for old, new in zip(before, after, strict=True):
        assert old[0] == new[0]
        if old[0] == "frame":
            assert [float(value) for value in old[1:]] == pytest.approx([float(value) for value in new[1:]], abs=1e-9)
    assert main(["trace", str(target), "joint2"]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("clip0,0,")


def test_the_csv_example_imports_nothing_heavy():
    source = (ROOT / "examples" / "mocapcli-csv" / "mocapcli_csv" / "__init__.py").read_text()
    assert "import numpy" not in source


def test_an_unknown_format_names_what_is_known(isolated_plugins, tmp_path):
    isolated_plugins.manager.register(ToyPlugin(), name="toy")
    path = tmp_path / "x.bvh"
    path.write_text("HIERARCHY")
    with pytest.raises(FormatError, match=r"plugin 'toy' does not handle \.bvh files \(it knows \.toy\)"):
        read_asset(path, plugin="toy")
