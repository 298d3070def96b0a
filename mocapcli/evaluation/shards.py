"""A split judged in parts on several machines, and the parts put together: figures equal those of one long run."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mocapcli.batch.shard import Shard
from mocapcli.errors import InvalidDataError, ReadError, UsageError
from mocapcli.evaluation.results import Judged, Results, judged_from_plain, plain_judged, summarise

LARGEST = 1 << 30  # bytes of one part


def part_of(results: Results, shard: Shard, run: dict[str, Any], labels: Sequence[str]) -> dict[str, Any]:
    """The results of a shard with all that merging needs: the run, all its windows' names, and those judged here."""
    facts = {"model": results.model, "absent": dict(results.absent), "remark": results.remark}
    part = {"shard": str(shard), "run": run, **facts, "labels": list(labels)}
    return results.as_dict() | {"part": part | {"windows": [plain_judged(window) for window in results.windows]}}


def merge_parts(paths: Sequence[Path]) -> Results:
    """All windows of a run from the files of its shards."""
    if not paths:
        raise UsageError("nothing to merge", remedy="mocap eval --merge PART1.json PART2.json …")
    parts = [read_part(path) for path in paths]
    first = parts[0]
    for path, part in zip(paths, parts, strict=True):
        if (part["run"], part["labels"]) != (first["run"], first["labels"]):
            raise InvalidDataError(
                f"this is a part of another run than {paths[0]}", path=path, remedy=_difference(first, part)
            )
    judged: dict[str, Judged] = {}
    for path, part in zip(paths, parts, strict=True):
        for line in part["windows"]:
            window = judged_from_plain(line)
            if window.label in judged:
                raise InvalidDataError(f"window {window.label!r} is in another part too", path=path)
            judged[window.label] = window
    missing = [label for label in first["labels"] if label not in judged]
    if missing:
        told = ", ".join(sorted(part["shard"] for part in parts))
        raise UsageError(
            f"{len(missing)} of {len(first['labels'])} windows are missing", remedy=f"here are only {told}"
        )
    run = first["run"]
    return summarise(
        [judged[label] for label in first["labels"]],
        run["split"],
        run["setting"],
        first["model"],
        run["commit"],
        first["absent"],
        first["remark"],
    )


def read_part(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > LARGEST:
            raise ReadError("this is too large for a part of a run", path=path)
        content = json.loads(path.read_text(encoding="utf-8"))
        part: dict[str, Any] = content["part"]
        run, labels = part["run"], part["labels"]
        known = {run[name] for name in ("split", "setting")} | set(labels) | {part["shard"], part["remark"]}
        if not all(isinstance(word, str) for word in known):
            raise TypeError
        for line in part["windows"]:
            judged_from_plain(line)
        dict(part["absent"])
        return part | {"model": part["model"], "run": run | {"commit": run["commit"]}}
    except OSError as error:
        raise ReadError(f"cannot read it: {error.strerror or error}", path=path) from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ReadError(
            "this is no part of a run", path=path, remedy="parts come from mocap eval --shard 1/2 -o FILE"
        ) from None


def _difference(first: dict[str, Any], other: dict[str, Any]) -> str:
    names = [name for name in first["run"] if first["run"].get(name) != other["run"].get(name)]
    return "they differ in " + ", ".join(names or ["windows"])
