"""Find plugins, load them one by one, and keep what they register by name.

A plugin is a module behind an entry point of the group `mocapcli`. Ours come through the same door. One that
cannot be imported, or that misspells a hook, is set aside with its reason and the others go on.
`MOCAP_PLUGINS=bvh,gltf` limits what loads (`builtin`, which holds our commands, always does); an empty value
loads nothing else.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib import metadata
from typing import Any

import pluggy
import typer

from mocapcli import hookspecs
from mocapcli.errors import PluginError
from mocapcli.extensions import Checkpoint, Filter, Format, Metric, Segmenter, Source

GROUP = "mocapcli"
LIMIT_VARIABLE = "MOCAP_PLUGINS"
ALWAYS = "builtin"
RECORDS: dict[str, type] = {
    "register_formats": Format,
    "register_filters": Filter,
    "register_metrics": Metric,
    "register_checkpoints": Checkpoint,
    "register_sources": Source,
    "register_segmenters": Segmenter,
}


@dataclass(frozen=True)
class Plugin:
    """What `mocap plugins` shows of one plugin."""

    name: str
    module: str
    package: str
    version: str
    hooks: tuple[str, ...] = ()
    error: str | None = None  # None: loaded
    skipped: bool = False  # left out by MOCAP_PLUGINS


@dataclass
class Plugins:
    """All loaded plugins and the registries they fill."""

    manager: pluggy.PluginManager
    found: list[Plugin] = field(default_factory=list)
    unknown: tuple[str, ...] = ()  # what MOCAP_PLUGINS names and nobody provides

    @property
    def formats(self) -> dict[str, Format]:
        """Formats by name; two claims on one name are an error that names both plugins."""
        return self._by_name("register_formats")

    @property
    def filters(self) -> dict[str, Filter]:
        """Filters by name, likewise."""
        return self._by_name("register_filters")

    @property
    def metrics(self) -> dict[str, Metric]:
        """Figures of `mocap eval` by name, in the order of registration."""
        return self._by_name("register_metrics")

    @property
    def checkpoints(self) -> dict[str, Checkpoint]:
        """Trained models by name, likewise."""
        return self._by_name("register_checkpoints")

    @property
    def sources(self) -> dict[str, Source]:
        """Kinds of video by name, likewise."""
        return self._by_name("register_sources")

    @property
    def segmenters(self) -> dict[str, Segmenter]:
        """Ways to find the subject by name, likewise."""
        return self._by_name("register_segmenters")

    def _by_name(self, hook: str) -> dict[str, Any]:
        records: dict[str, Any] = {}
        owners: dict[str, str] = {}
        for owner, record in self.registered(hook):
            if record.name in records:
                raise PluginError(
                    f"plugins {owners[record.name]!r} and {owner!r} both register {record.name!r}",
                    remedy=f"uninstall one, or choose with {LIMIT_VARIABLE}",
                )
            records[record.name], owners[record.name] = record, owner
        return records

    def registered(self, hook: str) -> list[tuple[str, Any]]:
        """What a `register_x` hook brings, as (plugin name, record); nothing of a plugin whose hook fails."""
        records: list[tuple[str, Any]] = []
        for implementation in self._implementations(hook):
            own: list[Any] = []

            def register(record: Any, own: list[Any] = own) -> None:
                _check_record(record, RECORDS[hook])
                own.append(record)

            if self._call(implementation, {"register": register}):
                records += [(implementation.plugin_name, record) for record in own]
        return records

    def register_commands(self, app: typer.Typer) -> None:
        """Add every plugin's commands; a plugin may not take over a command that is there already."""
        for implementation in self._implementations("register_commands"):
            own = typer.Typer()
            if not self._call(implementation, {"app": own}):
                continue
            clash = sorted(_command_names(app) & _command_names(own))
            if clash:
                problem = PluginError(f"there is already a command called {clash[0]!r}")
                self._mark_broken(implementation.plugin_name, problem)
                continue
            app.registered_commands += own.registered_commands
            app.registered_groups += own.registered_groups

    def _implementations(self, hook: str) -> list[pluggy.HookImpl]:
        caller: pluggy.HookCaller = getattr(self.manager.hook, hook)
        return list(caller.get_hookimpls())

    def _call(self, implementation: pluggy.HookImpl, arguments: dict[str, Any]) -> bool:
        """Whether the hook ran through; one that raises marks its plugin as broken instead of stopping everything."""
        try:
            implementation.function(*(arguments[name] for name in implementation.argnames))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # as in _load_one
            self._mark_broken(implementation.plugin_name, error)
            return False
        return True

    def _mark_broken(self, plugin_name: str, error: BaseException) -> None:
        for position, plugin in enumerate(self.found):
            if plugin.name == plugin_name and not plugin.error:
                self.found[position] = replace(plugin, error=_reason(error))
                return


def load_plugins(entry_points: Iterable[metadata.EntryPoint] | None = None, limit: str | None = None) -> Plugins:
    """Load every entry point by itself; failures are recorded, never raised."""
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    plugins = Plugins(manager)
    limit = os.environ.get(LIMIT_VARIABLE) if limit is None else limit
    wanted = None if limit is None else {part.strip() for part in limit.split(",")} | {ALWAYS}
    points = metadata.entry_points(group=GROUP) if entry_points is None else entry_points
    for point in sorted(points, key=_load_order):
        plugins.found.append(_load_one(manager, point, wanted))
    plugins.unknown = tuple(sorted((wanted or set()) - {ALWAYS, ""} - {plugin.name for plugin in plugins.found}))
    return plugins


def _load_order(point: metadata.EntryPoint) -> tuple[bool, bool, str]:
    """Ours before those that borrow our name."""
    ours = point.dist is not None and point.dist.name == GROUP
    return point.name != ALWAYS, not ours, point.name


def _command_names(app: typer.Typer) -> set[str]:
    commands = [command.name or getattr(command.callback, "__name__", "") for command in app.registered_commands]
    return {name.replace("_", "-") for name in [*commands, *(str(group.name) for group in app.registered_groups)]}


def _load_one(manager: pluggy.PluginManager, point: metadata.EntryPoint, wanted: set[str] | None) -> Plugin:
    distribution = point.dist
    package = distribution.name if distribution else "?"
    version = distribution.version if distribution else "?"
    if wanted is not None and point.name not in wanted:
        return Plugin(point.name, point.value, package, version, skipped=True)
    if manager.has_plugin(point.name):
        return Plugin(point.name, point.value, package, version, error=f"another plugin is called {point.name!r}")
    try:
        module = point.load()
        manager.register(module, name=point.name)
        manager.check_pending()  # catches misspelt hook names
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a third party may do anything: leave, or raise what is no Exception (pyassimp)
        if manager.has_plugin(point.name):
            manager.unregister(name=point.name)
        return Plugin(point.name, point.value, package, version, error=_reason(error))
    hooks = tuple(caller.name for caller in manager.get_hookcallers(module) or [])
    if not hooks:
        problem = "implements no hook (decorate its functions with mocapcli.hookimpl)"
        return Plugin(point.name, point.value, package, version, error=problem)
    return Plugin(point.name, point.value, package, version, hooks)


def _check_record(record: Any, kind: type) -> None:
    """One record that is something else would trip every command that looks through them, and so hide all others."""
    name = getattr(record, "name", None)
    if not isinstance(record, kind) or not isinstance(name, str):
        raise PluginError(f"registers {str(record)[:60]!r}, which is no {kind.__name__} with a name")
    for field_name in ("extensions", "also", "magic"):
        if not isinstance(getattr(record, field_name, ()), tuple):
            raise PluginError(f"{kind.__name__} {name!r}: {field_name} must be a tuple, as in ('bvh',)")


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split()) or "no message"
    return f"{type(error).__name__}: {text}"


@lru_cache(maxsize=1)
def get_plugins() -> Plugins:
    """The process's plugins, loaded on first use."""
    return load_plugins()
