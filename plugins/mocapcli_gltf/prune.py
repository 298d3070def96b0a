"""Give back what removed animations leave behind: their accessors, views and bytes.

Nothing is renumbered, since unknown extensions may name things by index: freed places are used again.
"""

from collections.abc import Iterator
from typing import Any

from mocapcli_gltf.builder import PACKED, Builder
from mocapcli_gltf.decode import DRACO, HARMLESS, KNOWN
from mocapcli_gltf.document import Json, child, children

ALIGNMENT = 8
Range = tuple[int, int]


def prune(builder: Builder, removed: list[Json], kept: list[Json]) -> None:
    """Free what only the removed animations used; with extensions we do not know, leave all as it is."""
    document = builder.json
    if not all(name in KNOWN or name.startswith(HARMLESS) for name in children(document, "extensionsUsed")):
        return
    records = document.get("accessors", [])
    accessors = set(sampler_accessors(removed)) - set(sampler_accessors(kept)) - set(shape_accessors(document))
    views = {records[index].get("bufferView") for index in accessors} - {None}
    views -= set(used_views(document, [record for index, record in enumerate(records) if index not in accessors]))
    cut(builder, views)
    builder.free("accessors", accessors)
    builder.free("bufferViews", views)


def sampler_accessors(animations: list[Json]) -> Iterator[Any]:
    for animation in animations:
        for sampler in children(animation, "samplers"):
            yield sampler.get("input")
            yield sampler.get("output")


def shape_accessors(document: Json) -> Iterator[Any]:
    """Accessors of meshes and skins."""
    for skin in document.get("skins", []):
        yield skin.get("inverseBindMatrices")
    for primitive in primitives(document):
        yield primitive.get("indices")
        for attributes in [child(primitive, "attributes"), *children(primitive, "targets")]:
            yield from attributes.values()


def used_views(document: Json, accessors: list[Json]) -> Iterator[Any]:
    for record in [*accessors, *document.get("images", [])]:
        yield record.get("bufferView")
        for part in ("indices", "values"):
            yield child(child(record, "sparse"), part).get("bufferView")
    for primitive in primitives(document):
        yield child(child(primitive, "extensions"), DRACO).get("bufferView")


def primitives(document: Json) -> list[Json]:
    return [primitive for mesh in document.get("meshes", []) for primitive in children(mesh, "primitives")]


def cut(builder: Builder, views: set[int]) -> None:
    """Drop the bytes that only these views show and move the others up."""
    records = list(enumerate(builder.json.get("bufferViews", [])))
    gone = in_blob([record for index, record in records if index in views])
    staying = in_blob([record for index, record in records if index not in views])
    for start, end in reversed(holes(sorted(map(extent, gone)), sorted(map(extent, staying)))):
        del builder.blob[start:end]
        for record in staying:
            if record.get("byteOffset", 0) >= end:
                record["byteOffset"] -= end - start


def in_blob(views: list[Json]) -> list[Json]:
    """The views, and compressed forms of views, that show bytes of the first buffer."""
    packed = [found for view in views for name in PACKED if (found := child(child(view, "extensions"), name))]
    return [record for record in views + packed if record["buffer"] == 0]


def extent(record: Json) -> Range:
    start = record.get("byteOffset", 0)
    return start, start + record["byteLength"]


def holes(freed: list[Range], keep: list[Range]) -> list[Range]:
    """Aligned stretches of the freed ranges that no kept range touches, in order."""
    found: list[Range] = []
    for start, end in freed:
        start = max(start, found[-1][1] if found else 0)
        for first, last in [kept for kept in keep if kept[0] < end and kept[1] > start] + [(end, end)]:
            low, high = -(-start // ALIGNMENT) * ALIGNMENT, min(first, end) // ALIGNMENT * ALIGNMENT
            if high > low:
                found.append((low, high))
            start = max(start, last)
    return found
