"""BVH text to an Asset."""

import codecs
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from mocapcli.errors import ReadError
from mocapcli.kinematics import continuous
from mocapcli.types import Asset, Motion, Rig, Skeleton, unique_names
from mocapcli_bvh.hierarchy import (
    GATHERING_ROOT,
    KNOWN,
    POSITIONS,
    BvhSource,
    Channels,
    EndSite,
    Hierarchy,
    values_to_transforms,
)
from mocapcli_bvh.motion import MotionSection, read_motion

MOST_JOINTS = 100_000
LARGEST = 1e15  # beyond this a length is damage, and squares of it overflow

_MOTION_LINE = re.compile(rb"^[ \t]*MOTION[ \t]*$", re.IGNORECASE | re.MULTILINE)


def read_bvh(path: Path) -> Asset:
    """Read a rig and, where the file has frames, its one clip."""
    data = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    found = _MOTION_LINE.search(data)
    end = found.end() if found else len(data)
    text, encoding = _decode(data[: found.start() if found else end])
    hierarchy, column_order = _HierarchyParser(text).parse()
    section = read_motion(data, end, hierarchy, 1 + data.count(b"\n", 0, end))
    del data
    for note in section.notes:
        warnings.warn(note, UserWarning, stacklevel=2)
    if column_order is not None:
        section = replace(section, values=section.values[:, column_order])
    return _asset(path.stem, hierarchy, section, encoding)


def _asset(name: str, hierarchy: Hierarchy, section: MotionSection, encoding: str) -> Asset:
    gathered = _is_gathered(hierarchy, section.values)
    if gathered:
        hierarchy, section = _without_gathering_root(hierarchy, section)
    names = unique_names(hierarchy.names)
    still = np.tile([0.0, 0.0, 0.0, 1.0], (len(names), 1))
    skeleton = Skeleton(names, hierarchy.parents, hierarchy.offsets, still)
    motion = None
    if len(section.values):
        rotations, translations = values_to_transforms(hierarchy, section.values)
        motion = Motion(name, section.fps, continuous(rotations), translations)
    source = BvhSource(hierarchy, skeleton, encoding, section.frame_time, motion, section.values)
    rig = Rig(skeleton, name=name, source=None if gathered else source)
    return Asset(rig, () if motion is None else (motion,))


def _decode(data: bytes) -> tuple[str, str]:
    """Text and its encoding: UTF-8, or Latin-1, which any bytes survive."""
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        return data.decode("latin-1"), "latin-1"


def _is_gathered(hierarchy: Hierarchy, values: Float[np.ndarray, "frames channels"]) -> bool:
    """Whether the first joint is the one our writer adds above several roots."""
    return (
        hierarchy.names[0] == GATHERING_ROOT
        and bool((hierarchy.parents[1:] >= 0).all())
        and len(hierarchy.names) > 1
        and not hierarchy.offsets[0].any()
        and not values[:, hierarchy.columns[0]].any()
    )


def _without_gathering_root(hierarchy: Hierarchy, section: MotionSection) -> tuple[Hierarchy, MotionSection]:
    sites = tuple(replace(site, joint=site.joint - 1) for site in hierarchy.end_sites if site.joint > 0)
    inner = Hierarchy(
        hierarchy.names[1:], hierarchy.parents[1:] - 1, hierarchy.offsets[1:], hierarchy.channels[1:], sites
    )
    inner = replace(inner, parents=np.maximum(inner.parents, -1))
    return inner, replace(section, values=section.values[:, hierarchy.columns[0].stop :])


@dataclass
class _Block:
    """An open `{`: a joint, or an End Site (`joint` is then the one it belongs to)."""

    joint: int
    is_end: bool
    opened: bool = False
    seen: set[str] = field(default_factory=set)


class _HierarchyParser:
    """The HIERARCHY section, line by line with its own stack: nesting is as deep as the file likes."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.line = 0
        self.stack: list[_Block] = []
        self.names: list[str] = []
        self.parents: list[int] = []
        self.offsets: list[tuple[float, float, float]] = []
        self.channels: list[Channels] = []
        self.sites: list[EndSite] = []
        self.declared: list[int] = []  # joints in the order their CHANNELS lines appear: that of the columns

    def parse(self) -> tuple[Hierarchy, list[int] | None]:
        """The hierarchy, and how to reorder the columns of the file where they are not in joint order."""
        statements = self._statements()
        first = next(statements, ("", ""))
        if first[0] != "hierarchy":
            raise ReadError("does not begin with HIERARCHY, so it is not a BVH file")
        for keyword, rest in statements:
            self._statement(keyword, rest)
        if self.stack:
            raise self._error("the hierarchy ends inside an open '{'", "the file may be cut off")
        if not self.names:
            raise self._error("the hierarchy has no joints")
        hierarchy = Hierarchy(
            tuple(self.names),
            np.array(self.parents, dtype=np.int64),
            np.array(self.offsets),
            tuple(self.channels),
            tuple(self.sites),
        )
        return hierarchy, self._column_order(hierarchy)

    def _column_order(self, hierarchy: Hierarchy) -> list[int] | None:
        if self.declared == sorted(self.declared):
            return None
        starts, start = {}, 0
        for joint in self.declared:
            starts[joint] = start
            start += len(self.channels[joint])
        return [starts[j] + k for j in sorted(starts) for k in range(len(hierarchy.channels[j]))]

    def _statements(self) -> Iterator[tuple[str, str]]:
        """Keyword in lower case, and the rest of its line; braces stand alone wherever they are written."""
        for line in self.text.split("\n"):
            self.line += 1
            keyword, _, rest = line.strip().replace("\t", " ").partition(" ")
            if keyword.lower() in ("root", "joint", "end"):
                name, opens = re.subn(r"(^|\s)\{$", "", rest.strip())
                yield keyword.lower(), name.strip()
                if opens:
                    yield "{", ""
                continue
            for part in re.split(r"([{}])", line):
                keyword, _, rest = part.strip().replace("\t", " ").partition(" ")
                if keyword:
                    yield keyword.lower(), rest.strip()

    def _statement(self, keyword: str, rest: str) -> None:
        if keyword in ("root", "joint", "end"):
            self._open(keyword, rest)
        elif not self.stack:
            raise self._error(f"{keyword[:40]!r} outside of any joint")
        elif keyword == "{":
            if self.stack[-1].opened:
                raise self._error("'{' without a joint")
            self.stack[-1].opened = True
        elif not self.stack[-1].opened:
            raise self._error(f"expected '{{', found {keyword[:40]!r}")
        elif keyword == "}":
            self.stack.pop()
        elif keyword == "offset":
            self._offset(rest)
        elif keyword == "channels":
            self._channels(rest)
        else:
            raise self._error(f"unknown keyword {keyword[:40]!r}")

    def _open(self, keyword: str, name: str) -> None:
        if self.stack and (self.stack[-1].is_end or not self.stack[-1].opened):
            raise self._error(f"{keyword.upper()} inside an End Site or before '{{'")
        if (keyword == "root") == bool(self.stack):
            raise self._error("ROOT inside a joint" if self.stack else f"{keyword.upper()} outside of any ROOT")
        if keyword == "end":
            self.stack.append(_Block(self.stack[-1].joint, is_end=True))
            self.sites.append(EndSite(self.stack[-1].joint, (0.0, 0.0, 0.0)))
            return
        if len(self.names) == MOST_JOINTS:
            raise self._error(f"more than {MOST_JOINTS} joints")
        self.parents.append(self.stack[-1].joint if self.stack else -1)
        self.stack.append(_Block(len(self.names), is_end=False))
        self.names.append(name)
        self.offsets.append((0.0, 0.0, 0.0))  # for a joint without OFFSET
        self.channels.append(())

    def _offset(self, rest: str) -> None:
        block = self._once("offset")
        words = rest.split()
        if len(words) != 3:
            raise self._error(f"OFFSET needs three numbers, not {len(words)}")
        x, y, z = (self._number(word) for word in words)
        if block.is_end:
            self.sites[-1] = EndSite(block.joint, (x, y, z))
        else:
            self.offsets[block.joint] = (x, y, z)

    def _channels(self, rest: str) -> None:
        block = self._once("channels")
        count, *words = rest.split() or [""]
        if not count.isdecimal() or int(count[:9]) != len(words):
            raise self._error(f"CHANNELS announces {count[:20]!r} and lists {len(words)}")
        names = tuple(KNOWN.get(word.lower(), "") for word in words)
        if "" in names:
            raise self._error(f"unknown channel {words[names.index('')][:40]!r}", f"known: {', '.join(KNOWN.values())}")
        if any(names.count(name) > 1 for name in POSITIONS):
            raise self._error("a position channel is listed twice")
        if block.is_end and names:
            raise self._error("an End Site cannot have channels")
        if not block.is_end:
            self.channels[block.joint] = names
            self.declared.append(block.joint)

    def _once(self, keyword: str) -> _Block:
        block = self.stack[-1]
        if keyword in block.seen:
            raise self._error(f"a second {keyword.upper()} in one joint")
        block.seen.add(keyword)
        return block

    def _number(self, word: str) -> float:
        try:
            value = float(word)
        except ValueError:
            remedy = "write decimals with a point" if "," in word else None
            raise self._error(f"{word[:40]!r} is not a number", remedy) from None
        if not abs(value) <= LARGEST:
            raise self._error(f"{word[:40]!r} is not a usable length")
        return value

    def _error(self, problem: str, remedy: str | None = None) -> ReadError:
        return ReadError(problem, place=f"line {self.line}", remedy=remedy)
