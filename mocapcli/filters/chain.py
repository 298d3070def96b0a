"""`smooth:strength=0.5,method=one-euro`: filters as people ask for them, and their use one after the other."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import isfinite

from mocapcli.errors import InvalidDataError, MocapError, PluginError, UsageError
from mocapcli.extensions import Filter, Option
from mocapcli.plugins import get_plugins
from mocapcli.types import Asset, Motion, Rig

Value = float | int | bool | str
YES_OR_NO = {"yes": True, "true": True, "on": True, "1": True, "no": False, "false": False, "off": False, "0": False}


@dataclass(frozen=True)
class Step:
    """One filter with every option it takes."""

    filter: Filter
    options: Mapping[str, Value] = field(default_factory=dict)


def parse_filters(texts: Iterable[str]) -> tuple[Step, ...]:
    """What `--filter` says, each NAME or NAME:OPTION=VALUE,…"""
    known = get_plugins().filters
    return tuple(_parse(text, known) for text in texts)


def apply_filters(motion: Motion, rig: Rig, steps: Iterable[Step]) -> Motion:
    """The motion after every filter in turn; without any, the very same object."""
    for step in steps:
        try:
            changed = step.filter.apply(motion, rig, **step.options)
        except MocapError as error:
            error.place = error.place or f"filter {step.filter.name!r}, clip {motion.name!r}"
            raise
        if not isinstance(changed, Motion) or changed.joints != motion.joints:
            raise PluginError(f"filter {step.filter.name!r} gives no clip of {motion.joints} joints")
        motion = changed
    return motion


def filter_asset(asset: Asset, steps: Iterable[Step]) -> Asset:
    """Every clip of an asset filtered; the very same asset where there is nothing to do."""
    chosen = tuple(steps)
    if not chosen:
        return asset
    return asset.with_motions(apply_filters(motion, asset.rig, chosen) for motion in asset.motions)


def _parse(text: str, known: Mapping[str, Filter]) -> Step:
    name, _, rest = text.strip().partition(":")
    if name not in known:
        raise UsageError(f"no filter called {name!r}", remedy=f"known: {', '.join(sorted(known)) or 'none'}")
    record = known[name]
    options = {option.name: option for option in record.options}
    values: dict[str, Value] = {option.name: option.default for option in record.options}
    told: set[str] = set()
    for part in filter(None, (part.strip() for part in rest.split(","))):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if key not in options:
            raise UsageError(f"filter {name!r} has no option {key!r}", remedy=f"it has {_known(record)}")
        if not equals or key in told:
            problem = "is told twice" if key in told else "needs a value"
            raise UsageError(f"filter {name!r}: {key} {problem}", remedy=f"as in {name}:{key}={options[key].default}")
        told.add(key)
        values[key] = _value(name, options[key], value)
    return Step(record, values)


def _value(name: str, option: Option, text: str) -> Value:
    """The text as the type of the option's default."""
    if isinstance(option.default, bool):
        if text.lower() not in YES_OR_NO:
            raise _wrong(name, option, text, "yes or no")
        return YES_OR_NO[text.lower()]
    if isinstance(option.default, str):
        if option.choices and text not in option.choices:
            raise _wrong(name, option, text, " or ".join(option.choices))
        return text
    kind = int if isinstance(option.default, int) else float
    try:
        number = kind(text)
    except ValueError:
        raise _wrong(name, option, text, "a whole number" if kind is int else "a number") from None
    low, high = (bound if bound is not None else number for bound in (option.low, option.high))
    if not isfinite(number) or not low <= number <= high:
        raise _wrong(name, option, text, f"{low:g} to {high:g}" if isfinite(number) else "a number")
    return number


def _wrong(name: str, option: Option, text: str, wanted: str) -> MocapError:
    return UsageError(f"filter {name!r}: {option.name} must be {wanted}, not {text!r}", remedy=option.description)


def _known(record: Filter) -> str:
    return ", ".join(f"{option.name}={option.default}" for option in record.options) or "no options"


def check_rig(motion: Motion, rig: Rig) -> None:
    """Say so where a clip belongs to another rig."""
    if motion.joints != rig.skeleton.joints:
        raise InvalidDataError(f"the clip drives {motion.joints} joints, the rig has {rig.skeleton.joints}")
