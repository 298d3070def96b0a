"""The FBX 7.4 binary container: nested named records with typed properties, and nothing about scenes."""

import struct
import zlib
from dataclasses import dataclass, field

import numpy as np

from mocapcli.errors import WriteError

VERSION = 7400
MAGIC = b"Kaydara FBX Binary  \0\x1a\0"
SENTINEL = b"\0" * 13  # ends a list of children
ALWAYS_NESTED = {"AnimationStack", "AnimationLayer"}  # readers expect a list here even when it is empty
ARRAY_CODES = {"float64": b"d", "float32": b"f", "int64": b"l", "int32": b"i"}
COMPRESS_FROM = 128  # bytes

# The footer's code depends on the file's id and creation time; these three fit together.
FILE_ID = bytes.fromhex("28b32aebb624ccc2bfc8b02aa92bfcf1")
CREATION_TIME = "1970-01-01 10:00:00:000"
FOOTER_CODE = bytes.fromhex("fabcab09d0c8d466b176fb831cf7267e")
FOOTER_END = bytes.fromhex("f85a8c6adef5d97eece90ce3758f290b")


class Long(int):
    """An integer written with 64 bits: object ids and times."""


@dataclass(frozen=True)
class Encoded:
    """A property encoded once and used many times."""

    data: bytes


Property = bool | int | float | str | bytes | np.ndarray | Encoded


@dataclass
class Record:
    """A named node of the file with its properties and children."""

    name: str
    properties: tuple[Property, ...] = ()
    children: list["Record"] = field(default_factory=list)

    def add(self, name: str, *properties: Property) -> "Record":
        child = Record(name, properties)
        self.children.append(child)
        return child


def encode_file(records: list[Record]) -> bytes:
    """A whole file of top-level records."""
    parts = [MAGIC, struct.pack("<I", VERSION)]
    position = sum(map(len, parts))
    for record in records:
        position = _encode_record(record, position, parts)
    parts += [SENTINEL, FOOTER_CODE, b"\0" * 4]
    position += len(SENTINEL) + len(FOOTER_CODE) + 4
    parts += [b"\0" * (16 - position % 16), struct.pack("<I", VERSION), b"\0" * 120, FOOTER_END]
    return b"".join(parts)


def _encode_record(record: Record, start: int, parts: list[bytes]) -> int:
    """Append the record's bytes to `parts`; returns the position after it."""
    name = record.name.encode()
    body = b"".join(encode_property(value) for value in record.properties)
    slot = len(parts)
    parts.append(b"")  # the header needs the end position, known only after the children
    position = start + 13 + len(name) + len(body)
    for child in record.children:
        position = _encode_record(child, position, parts)
    if record.children or not record.properties or record.name in ALWAYS_NESTED:
        parts.append(SENTINEL)
        position += len(SENTINEL)
    if position > 0xFFFFFFFF:
        raise WriteError("FBX 7.4 files end at 4 GiB", remedy="write fewer clips at a time")
    parts[slot] = struct.pack("<IIIB", position, len(record.properties), len(body), len(name)) + name + body
    return position


def encode_property(value: Property) -> bytes:
    if isinstance(value, Encoded):
        return value.data
    if isinstance(value, bool):
        return b"C" + struct.pack("<?", value)
    if isinstance(value, Long):
        return b"L" + struct.pack("<q", value)
    if isinstance(value, int):
        return b"I" + struct.pack("<i", value)
    if isinstance(value, float):
        return b"D" + struct.pack("<d", value)
    if isinstance(value, str):
        data = value.encode("utf-8", "replace")
        return b"S" + struct.pack("<I", len(data)) + data
    if isinstance(value, bytes):
        return b"R" + struct.pack("<I", len(value)) + value
    return _encode_array(value)


def _encode_array(values: np.ndarray) -> bytes:
    code = ARRAY_CODES[values.dtype.name]
    data = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<")).tobytes()
    if len(data) < COMPRESS_FROM:
        return code + struct.pack("<III", values.size, 0, len(data)) + data
    packed = zlib.compress(data, 1)
    return code + struct.pack("<III", values.size, 1, len(packed)) + packed
