"""Find plugins, load them one by one, and keep what they register by name.

A plugin is a module behind an entry point of the group `mocapcli`. Ours come through the same door. One that
cannot be imported, or that misspells a hook, is set aside with its reason and the others go on.
`MOCAP_PLUGINS=bvh,gltf` limits what loads (`builtin`, which holds our commands, always does); an empty value
loads nothing else.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import metadata
from typing import Any, Protocol, TypeVar

import pluggy

from mocapcli import hookspecs
from mocapcli.errors import MocapError, PluginError
from mocapcli.extensions import Format

GROUP = "mocapcli"
LIMIT_VARIABLE = "MOCAP_PLUGINS"
ALWAYS = "builtin"


class Named(Protocol):
    @property
    def name(self) -> str: ...


Record = TypeVar("Record", bound=Named)


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

    @property
    def formats(self) -> dict[str, Format]:
        return self._collect("register_formats")

    def _collect(self, hook: str) -> dict[str, Any]:
        """Call a `register_x` hook on each plugin; two claims on one name are an error that names both."""
        records: dict[str, Any] = {}
        owners: dict[str, str] = {}
        for plugin_name, plugin in self.manager.list_name_plugin():
            function = getattr(plugin, hook, None)
            if function is None:
                continue

            def register(record: Any, owner: str = plugin_name) -> None:
                if record.name in records:
                    first = owners[record.name]
                    raise PluginError(
                        f"plugins {first!r} and {owner!r} both register {record.name!r}",
                        remedy=f"uninstall one, or choose with {LIMIT_VARIABLE}",
                    )
                records[record.name], owners[record.name] = record, owner

            self._guarded(plugin_name, function, register)
        return records

    def register_commands(self, app: Any) -> None:
        for plugin_name, plugin in self.manager.list_name_plugin():
            function = getattr(plugin, "register_commands", None)
            if function is not None:
                self._guarded(plugin_name, function, app)

    def _guarded(self, plugin_name: str, function: Callable[[Any], None], argument: Any) -> None:
        """A hook that raises marks its plugin as broken instead of stopping everything."""
        try:
            function(argument)
        except MocapError:
            raise
        except Exception as error:
            self._mark_broken(plugin_name, error)

    def _mark_broken(self, plugin_name: str, error: BaseException) -> None:
        for position, plugin in enumerate(self.found):
            if plugin.name == plugin_name:
                self.found[position] = Plugin(
                    plugin.name, plugin.module, plugin.package, plugin.version, plugin.hooks, _reason(error)
                )


def load_plugins(entry_points: Iterable[metadata.EntryPoint] | None = None, limit: str | None = None) -> Plugins:
    """Load every entry point by itself; failures are recorded, never raised."""
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    plugins = Plugins(manager)
    limit = os.environ.get(LIMIT_VARIABLE) if limit is None else limit
    wanted = None if limit is None else {part.strip() for part in limit.split(",")} | {ALWAYS}
    points = metadata.entry_points(group=GROUP) if entry_points is None else entry_points
    for point in sorted(points, key=lambda p: (p.name != ALWAYS, p.name)):
        plugins.found.append(_load_one(manager, point, wanted))
    return plugins


def _load_one(manager: pluggy.PluginManager, point: metadata.EntryPoint, wanted: set[str] | None) -> Plugin:
    distribution = point.dist
    package = distribution.name if distribution else "?"
    version = distribution.version if distribution else "?"
    if wanted is not None and point.name not in wanted:
        return Plugin(point.name, point.value, package, version, skipped=True)
    try:
        module = point.load()
        manager.register(module, name=point.name)
        manager.check_pending()  # catches misspelt hook names
    except (Exception, SystemExit) as error:  # a third party's import may do anything
        if manager.has_plugin(point.name):
            manager.unregister(name=point.name)
        return Plugin(point.name, point.value, package, version, error=_reason(error))
    hooks = tuple(caller.name for caller in manager.get_hookcallers(module) or [])
    return Plugin(point.name, point.value, package, version, hooks)


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split()) or "no message"
    return f"{type(error).__name__}: {text}"


@lru_cache(maxsize=1)
def get_plugins() -> Plugins:
    """The process's plugins, loaded on first use."""
    return load_plugins()
