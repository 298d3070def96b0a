"""Accessors to arrays: strides, normalised integers, sparse values, compressed views."""

from typing import Any

import numpy as np

from mocapcli.errors import ReadError
from mocapcli_gltf.decode import MESHOPT, is_available, is_required, meshopt_view
from mocapcli_gltf.document import Document, Json, child, integer

COMPONENTS: dict[int, np.dtype[Any]] = {
    5120: np.dtype("<i1"),
    5121: np.dtype("<u1"),
    5122: np.dtype("<i2"),
    5123: np.dtype("<u2"),
    5125: np.dtype("<u4"),
    5126: np.dtype("<f4"),
}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
MAX_VALUES = 1 << 25  # numbers in one accessor
MAX_ZEROS = 1 << 22  # numbers of an accessor that has no bytes behind it


def read_accessor(document: Document, index: Any, width: int | None = None) -> np.ndarray:
    """An accessor's values as stored, [count, width]; `width` says what the caller needs."""
    record = document.record("accessors", index)
    place = f"accessors[{index}]"
    dtype, columns, count = layout(record, place)
    if width is not None and columns != width:
        raise ReadError(f"holds {columns} numbers each where {width} are needed", place=place)
    if count * columns > MAX_VALUES:
        raise ReadError(f"has {count} elements, too many to hold", place=place)
    if "bufferView" in record:
        offset = integer(record, "byteOffset", place, 0)
        values = read_strided(document, record["bufferView"], offset, dtype, columns, count, place)
    elif count * columns > MAX_ZEROS:
        raise ReadError(f"asks for {count} zeros", place=place)
    else:
        values = np.zeros((count, columns), dtype)
    if "sparse" in record:
        values = apply_sparse(document, child(record, "sparse"), values, place)
    return values


def read_floats(document: Document, index: Any, width: int | None = None) -> np.ndarray:
    """An accessor as float64, normalised integers brought to -1 … 1."""
    values = read_accessor(document, index, width)
    return to_floats(values, bool(document.record("accessors", index).get("normalized")))


def to_floats(values: np.ndarray, normalised: bool) -> np.ndarray:
    if values.dtype.kind == "f" or not normalised:
        return values.astype(np.float64)
    return np.maximum(values / float(np.iinfo(values.dtype).max), -1.0)


def layout(record: Json, place: str) -> tuple[np.dtype[Any], int, int]:
    """Component type, numbers per element, element count."""
    component, shape = record.get("componentType"), record.get("type")
    if not isinstance(component, int) or component not in COMPONENTS:
        raise ReadError(f"unknown componentType {str(component)[:20]}", place=place)
    if not isinstance(shape, str) or shape not in WIDTHS:
        raise ReadError(f"unsupported type {str(shape)[:20]!r}", place=place)
    return COMPONENTS[component], WIDTHS[shape], integer(record, "count", place)


def read_strided(
    document: Document, view: Any, offset: int, dtype: np.dtype[Any], columns: int, count: int, place: str
) -> np.ndarray:
    """`count` elements from a buffer view, checked to lie inside it."""
    record = document.record("bufferViews", view)
    size = dtype.itemsize * columns
    stride = integer(record, "byteStride", place, 0) or size
    data = view_bytes(document, view)
    needed = offset + (count - 1) * stride + size if count else 0
    if stride < size or needed > len(data):
        raise ReadError(f"{count} elements need {needed} bytes, its buffer view has {len(data)}", place=place)
    if count == 0:
        return np.zeros((0, columns), dtype)
    return np.ndarray((count, columns), dtype, data, offset, (stride, dtype.itemsize))


def view_bytes(document: Document, view: Any) -> memoryview:
    """The bytes of a buffer view, decompressed where they are packed with meshopt."""
    record = document.record("bufferViews", view)
    extension = child(record, "extensions").get("EXT_meshopt_compression")
    if extension is None or (not is_available(MESHOPT) and not is_required(document, MESHOPT)):
        return document.view(view)  # an optional extension comes with plain data
    if view not in document.unpacked:
        document.unpacked[view] = meshopt_view(document, extension, f"bufferViews[{view}]")
    return document.unpacked[view]


def apply_sparse(document: Document, sparse: Json, values: np.ndarray, place: str) -> np.ndarray:
    """A copy of `values` with the listed elements replaced."""
    count = integer(sparse, "count", place)
    where, what = child(sparse, "indices"), child(sparse, "values")
    component = where.get("componentType")
    if component not in (5121, 5123, 5125):
        raise ReadError("sparse indices must be unsigned integers", place=place)
    start = integer(where, "byteOffset", place, 0)
    rows = read_strided(document, where.get("bufferView"), start, COMPONENTS[component], 1, count, place)[:, 0]
    start = integer(what, "byteOffset", place, 0)
    new = read_strided(document, what.get("bufferView"), start, values.dtype, values.shape[1], count, place)
    if count and int(rows.max()) >= len(values):
        raise ReadError(f"sparse index {int(rows.max())} in an accessor of {len(values)} elements", place=place)
    out = values.copy()
    out[rows] = new
    return out
