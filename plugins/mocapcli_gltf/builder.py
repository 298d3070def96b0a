"""A document being written: JSON plus one growing binary buffer."""

import base64
import copy
import json
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mocapcli.errors import ReadError, WriteError
from mocapcli_gltf.document import BIN_CHUNK, JSON_CHUNK, MAGIC, Document, Json, child, integer
from mocapcli_gltf.materials import image_file, mime_type

TYPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}
CODES = {"u1": 5121, "u2": 5123, "u4": 5125, "f4": 5126}
ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER = 34962, 34963
STUBS: dict[str, Json] = {
    "accessors": {"componentType": 5126, "count": 1, "type": "SCALAR"},
    "bufferViews": {"buffer": 0, "byteLength": 1},
}
PACKED = ("EXT_meshopt_compression", "KHR_meshopt_compression")  # extensions that name a buffer of their own


@dataclass
class Builder:
    """Appends buffer views and accessors to a document."""

    json: Json
    blob: bytearray = field(default_factory=bytearray)
    _free: dict[str, list[int]] = field(default_factory=dict)

    @classmethod
    def fresh(cls) -> "Builder":
        return cls({"asset": {"version": "2.0", "generator": "mocapcli"}})

    @classmethod
    def from_document(cls, document: Document) -> "Builder":
        """A copy of a document with its buffers and images gathered into one buffer."""
        builder = cls(copy.deepcopy(document.json))
        builder._gather_buffers(document)
        builder._gather_images(document)
        return builder

    def free(self, kind: str, indices: set[int]) -> None:
        """Places in an array that nothing refers to any more: the next records go there."""
        self._free[kind] = sorted(indices, reverse=True)

    def append(self, kind: str, record: Json) -> int:
        if self._free.get(kind):
            index = self._free[kind].pop()
            self.json[kind][index] = record
            return index
        records: list[Json] = self.json.setdefault(kind, [])
        records.append(record)
        return len(records) - 1

    def view(self, data: bytes, target: int | None = None) -> int:
        """A new buffer view, aligned to four bytes."""
        record: Json = {"buffer": 0, "byteOffset": self._append_bytes(data), "byteLength": len(data)}
        if target is not None:
            record["target"] = target
        return self.append("bufferViews", record)

    def accessor(self, values: np.ndarray, target: int | None = None, bounds: bool = False) -> int:
        """A new accessor of [count] or [count, width] values with a view of its own."""
        values = np.ascontiguousarray(values)
        return self.shared_accessor(values, self.view(values.tobytes(), target), 0, bounds)

    def shared_accessor(self, values: np.ndarray, view: int, offset: int, bounds: bool = False) -> int:
        """A new accessor whose bytes already stand at `offset` of a view."""
        flat = values.reshape(len(values), -1)
        record: Json = {"bufferView": view, "componentType": CODES[values.dtype.str[1:]]}
        record |= {"count": len(flat), "type": TYPES[flat.shape[1]]}
        if offset:
            record["byteOffset"] = offset
        if bounds:
            record |= {"min": flat.min(axis=0).tolist(), "max": flat.max(axis=0).tolist()}
        return self.append("accessors", record)

    def _append_bytes(self, data: bytes | memoryview, alignment: int = 4) -> int:
        self.blob += b"\0" * (-len(self.blob) % alignment)
        start = len(self.blob)
        self.blob += data
        return start

    def _records(self, document: Document, kind: str) -> list[Json]:
        document.records(kind)  # raises where they are no objects
        found: list[Json] = self.json.get(kind, [])
        return found

    def _gather_buffers(self, document: Document) -> None:
        """Concatenate all buffers that have bytes; those without (meshopt fallbacks) move behind the first."""
        places: dict[int, tuple[int, int]] = {}
        kept: list[Json] = []
        for index, record in enumerate(self._records(document, "buffers")):
            try:
                data = document.buffer(index)
            except ReadError:
                if "uri" in record:
                    raise WriteError(
                        f"buffer {index} of the source document is gone: {str(record['uri'])[:60]!r}"
                    ) from None
                kept.append(record)
                places[index] = (len(kept), 0)
                continue
            data = data[: record["byteLength"]]  # a GLB chunk may be padded
            places[index] = (0, self._append_bytes(data, 8))
        if not self.blob:
            return
        first: Json = self.json["buffers"][next(index for index, (target, _) in places.items() if target == 0)]
        first.pop("uri", None)
        self.json["buffers"] = [first, *kept]
        for view in self._records(document, "bufferViews"):
            relocate(view, places)
            for name in PACKED:
                packed = child(view, "extensions").get(name)
                if isinstance(packed, dict):
                    relocate(packed, places)

    def _gather_images(self, document: Document) -> None:
        """Images in files of their own are embedded; one whose file is missing keeps its uri."""
        for index, record in enumerate(self._records(document, "images")):
            uri = record.get("uri")
            if not isinstance(uri, str) or uri[:5].lower() == "data:":
                continue
            data = image_file(document, record, f"images[{index}]")
            if data is None:
                continue
            del record["uri"]
            record |= {"bufferView": self.view(data), "mimeType": mime_type(record, data)}

    def save(self, path: Path) -> None:
        """A GLB, or a .gltf with its buffer as a data URI, by the path's extension."""
        self._close_gaps()
        if self.blob:
            buffers = self.json.setdefault("buffers", [{}])
            buffers[0]["byteLength"] = len(self.blob)
        if path.suffix.lower() == ".gltf":
            path.write_bytes(self._to_gltf())
        else:
            path.write_bytes(self._to_glb())

    def _close_gaps(self) -> None:
        """Freed places at the end go; the others stay as the least that is valid."""
        for kind, stub in STUBS.items():
            free = set(self._free.get(kind, []))
            records = self.json.get(kind, [])
            while records and len(records) - 1 in free:
                free.remove(len(records) - 1)
                records.pop()
            for index in free:
                records[index] = dict(stub)

    def _to_gltf(self) -> bytes:
        if self.blob:
            data = base64.b64encode(self.blob).decode()
            self.json["buffers"][0]["uri"] = f"data:application/octet-stream;base64,{data}"
        return encode(self.json, indent=1)

    def _to_glb(self) -> bytes:
        chunks = chunk(JSON_CHUNK, encode(self.json), b" ")
        if self.blob:
            chunks += chunk(BIN_CHUNK, bytes(self.blob), b"\0")
        return MAGIC + struct.pack("<II", 2, 12 + len(chunks)) + chunks


def relocate(record: Json, places: dict[int, tuple[int, int]]) -> None:
    """Point a view at where its buffer's bytes have gone; what has not moved stays as it was written."""
    if not isinstance(record.get("buffer"), int) or record["buffer"] not in places:
        return  # nonsense that nothing uses
    buffer, start = places[record["buffer"]]
    if buffer != record["buffer"]:
        record["buffer"] = buffer
    if start:
        record["byteOffset"] = integer(record, "byteOffset", "bufferViews", 0) + start


def encode(document: Any, indent: int | None = None) -> bytes:
    separators = (",", ":") if indent is None else None
    try:
        text = json.dumps(document, ensure_ascii=False, indent=indent, separators=separators, allow_nan=False)
        return text.encode()
    except ValueError as error:  # numbers such as 1e999 and lone surrogates in a source document
        raise WriteError(f"the document holds what JSON cannot: {error}") from None


def chunk(kind: int, data: bytes, padding: bytes) -> bytes:
    data += padding * (-len(data) % 4)
    return struct.pack("<II", len(data), kind) + data
