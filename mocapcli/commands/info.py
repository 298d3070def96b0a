"""`mocap info`: what a file holds."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

DEEPEST = 200  # levels of a tree that are ever shown: lines grow with every one
LONGEST_NAME = 200


def info(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Any file mocap reads.", show_default=False)],
    joints: Annotated[bool, typer.Option("--joints", help="Show every joint, however many.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    plugin: Annotated[str | None, typer.Option(help="Read FILE with this format plugin.", metavar="NAME")] = None,
) -> None:
    """Show skeleton, rest pose, clips, mesh and materials of a file."""
    from mocapcli.console import note, warnings_as_notes
    from mocapcli.describe import describe
    from mocapcli.formats import find_format, read_asset

    with warnings_as_notes() as warned:
        asset = read_asset(file, plugin)
        facts = describe(asset, file, find_format(file, plugin).name)
    for line in warned:
        note(line)
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
    else:
        _print(facts, joints)


def _print(facts: dict[str, Any], every_joint: bool) -> None:
    from mocapcli.console import show

    for part in (_rest(facts), _clips(facts["clips"]), _mesh(facts["mesh"]), _deforms(facts)):
        show(part, "")
    deepest = min(max(joint["depth"] for joint in facts["joints"]), DEEPEST)
    show(_tree(facts, every_joint), width=4 * deepest + LONGEST_NAME)
    for hint in facts["hints"]:
        show("", f"hint: {hint}")


def _rest(facts: dict[str, Any]) -> Any:
    rest = facts["rest"]
    table = _table()
    table.add_row("file", facts["file"])
    table.add_row("format", facts["format"])
    table.add_row("joints", f"{len(facts['joints'])}, {len(facts['roots'])} root{'s' * (len(facts['roots']) != 1)}")
    table.add_row(
        "rest pose", f"{_metres(rest['height'])} tall, box {' × '.join(_metres(size) for size in rest['size'])}"
    )
    table.add_row("lowest point", _metres(rest["low"][1]))
    if rest["up"]:
        table.add_row("up", f"{rest['up']}, judging by its feet and head")
    if facts["beyond"]:
        table.add_row("also in it", _text(", ".join(facts["beyond"])))
    return table


def _clips(clips: list[dict[str, Any]]) -> Any:
    if not clips:
        return "no clips"
    table = _table("#", "clip", "frames", "fps", "seconds", "moving joints", "mean turn", "travel")
    for number, clip in enumerate(clips):
        table.add_row(
            str(number),
            _text(clip["name"]),
            str(clip["frames"]),
            f"{clip['fps']:g}",
            f"{clip['seconds']:.2f}",
            str(clip["moving_joints"]),
            f"{clip['mean_turn_degrees']:.1f}°",
            _metres(clip["travel"]),
        )
    return table


def _mesh(mesh: dict[str, Any] | None) -> Any:
    if mesh is None:
        return "no mesh"
    table = _table()
    table.add_row("vertices", str(mesh["vertices"]))
    table.add_row("triangles", str(mesh["triangles"]))
    table.add_row("influences", f"up to {mesh['influences']} joints a vertex")
    table.add_row("has", ", ".join(mesh["has"]) or "positions only")
    for material in mesh["materials"]:
        texture = material["texture"]
        looks = "plain" if texture is None else f"{texture['mime_type']}, {texture['bytes']} bytes"
        table.add_row("material", _text(f"{material['name']}: {looks}"))
    return table


def _deforms(facts: dict[str, Any]) -> Any:
    idle = facts["deforms_nothing"]
    if facts["mesh"] is None:
        return "no mesh, so every joint counts"
    shown = ", ".join(idle[:20]) + (" …" if len(idle) > 20 else "")
    return _text(f"{len(idle)} joints deform nothing: {shown}" if idle else "every joint deforms the mesh")


def _tree(facts: dict[str, Any], every_joint: bool) -> Any:
    """The joints as a tree; of huge ones only the upper levels."""
    from rich.tree import Tree

    joints = facts["joints"]
    depth = DEEPEST if every_joint else _depth_that_fits(joints, 60)
    top = Tree("skeleton", guide_style="dim")
    branches: list[Any] = []
    for joint in joints:
        parent = joint["parent"]
        above = top if parent < 0 else branches[parent]
        if above is None or joint["depth"] > depth:
            branches.append(None)
            continue
        hidden = joint["below"] if joint["depth"] == depth else 0
        branches.append(above.add(_text(joint["name"] + (f"  (+{hidden} below, see --joints)" if hidden else ""))))
    return top


def _depth_that_fits(joints: list[dict[str, Any]], most: int) -> int:
    """The deepest level at which no more than `most` joints are shown; at least the roots are."""
    from collections import Counter

    counts: Counter[int] = Counter(joint["depth"] for joint in joints)
    shown = 0
    for depth in range(max(counts) + 1):
        shown += counts[depth]
        if shown > most:
            return max(depth - 1, 0)
    return max(counts)


def _table(*columns: str) -> Any:
    from rich.table import Table

    if columns:
        return Table(*columns, box=None, pad_edge=False)
    return Table("", "", box=None, pad_edge=False, show_header=False)


def _text(words: str) -> Any:
    """File-given words as plain text: neither markup nor terminal commands."""
    from rich.text import Text

    from mocapcli.console import printable

    return Text(printable(words))


def _metres(value: float) -> str:
    return f"{value:.3g} m"
