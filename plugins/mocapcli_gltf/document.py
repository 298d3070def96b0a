"""The glTF container: JSON kept as plain dicts (so nothing unknown is lost), buffers, external files.

Every index, count and path is checked here, before anything is allocated or opened.
"""

import base64
import binascii
import json
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

from mocapcli.errors import ReadError

Json = dict[str, Any]

MAX_FILE = 512 << 20
MAGIC = b"glTF"
JSON_START = b"\xef\xbb\xbf \t\r\n"  # may stand before the first brace
JSON_CHUNK = 0x4E4F534A
BIN_CHUNK = 0x004E4942


@dataclass
class Document:
    """One glTF document with its buffers, loaded on first use."""

    json: Json
    folder: Path
    binary: bytes | None = None
    unpacked: dict[int, memoryview] = field(default_factory=dict, repr=False)  # decompressed buffer views
    _buffers: dict[int, bytes] = field(default_factory=dict, repr=False)
    _records: dict[str, list[Json]] = field(default_factory=dict, repr=False)

    def records(self, kind: str) -> list[Json]:
        """A top-level array such as "nodes", every entry known to be an object."""
        if kind in self._records:
            return self._records[kind]
        found = self.json.get(kind, [])
        if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
            raise ReadError("must be an array of objects", place=kind)
        self._records[kind] = found
        return found

    def record(self, kind: str, index: Any) -> Json:
        found = self.records(kind)
        return found[check_index(index, len(found), kind)]

    def buffer(self, index: Any) -> bytes:
        """The bytes of a buffer, wherever they live."""
        record = self.record("buffers", index)
        if index not in self._buffers:
            self._buffers[index] = self._load_buffer(index, record)
        data = self._buffers[index]
        length = integer(record, "byteLength", f"buffers[{index}]")
        if length > len(data):
            raise ReadError(f"says {length} bytes but holds {len(data)}", place=f"buffers[{index}]")
        return data

    def _load_buffer(self, index: int, record: Json) -> bytes:
        if "uri" in record:
            return self.resource(record["uri"], f"buffers[{index}]")
        if index == 0 and self.binary is not None:
            return self.binary
        raise ReadError("has no data: neither a uri nor a GLB binary chunk", place=f"buffers[{index}]")

    def resource(self, uri: Any, place: str) -> bytes:
        """The bytes behind a data URI or a file next to the document."""
        if not isinstance(uri, str):
            raise ReadError("uri must be a string", place=place)
        if uri[:5].lower() == "data:":
            return data_uri(uri, place)
        path = inside(self.folder, uri, place)
        try:
            return read_bounded(path)
        except OSError:
            raise ReadError(f"needs the file {uri!r}, which is not there", place=place) from None

    def view(self, index: Any) -> memoryview:
        """The bytes of a buffer view."""
        record = self.record("bufferViews", index)
        return self.slice(record, f"bufferViews[{index}]")

    def slice(self, record: Json, place: str) -> memoryview:
        """The stretch of a buffer that `record` (a view or a compression extension) names."""
        data = self.buffer(record.get("buffer"))
        start, length = integer(record, "byteOffset", place, 0), integer(record, "byteLength", place)
        if start + length > len(data):
            raise ReadError(f"reaches byte {start + length} of a buffer of {len(data)} bytes", place=place)
        return memoryview(data)[start : start + length]


def load(path: Path) -> Document:
    """Open a .glb, .gltf or .vrm; the first bytes decide which container it is."""
    data = read_bounded(path)
    text, binary = split_glb(data) if data[:4] == MAGIC else (data, None)
    if binary is None and not text.lstrip(JSON_START).startswith(b"{"):
        raise ReadError("this is not a glTF file")
    document = Document(parse_json(text), path.parent, binary)
    asset = document.json.get("asset")
    version = asset.get("version") if isinstance(asset, dict) else None
    if not isinstance(version, str) or not version.startswith("2"):
        raise ReadError(f"not glTF 2.0 (asset.version is {str(version)[:20]!r})", remedy="export it as glTF 2.0")
    return document


def split_glb(data: bytes) -> tuple[bytes, bytes | None]:
    """The JSON and the binary chunk of a GLB; unknown chunks are skipped, as the specification asks."""
    if len(data) < 20:
        raise ReadError("the GLB header is cut short")
    version, total = struct.unpack_from("<II", data, 4)
    if version != 2:
        raise ReadError(f"GLB version {version}, not 2", remedy="export it as glTF 2.0")
    if total > len(data):
        raise ReadError(f"cut short: the header says {total} bytes, the file has {len(data)}")
    chunks: dict[int, bytes] = {}
    position = 12
    while position + 8 <= total:
        length, kind = struct.unpack_from("<II", data, position)
        position += 8
        if position + length > total:
            raise ReadError(f"a chunk of {length} bytes reaches past the end of the file")
        chunks.setdefault(kind, data[position : position + length])
        position += length + (-length % 4)
    if JSON_CHUNK not in chunks:
        raise ReadError("the GLB has no JSON chunk")
    return chunks[JSON_CHUNK], chunks.get(BIN_CHUNK)


def parse_json(text: bytes) -> Json:
    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON number")

    try:
        parsed = json.loads(text.decode("utf-8-sig"), parse_constant=refuse)
    except UnicodeDecodeError:
        raise ReadError("the JSON is not UTF-8") from None
    except RecursionError:
        raise ReadError("the JSON is nested too deeply") from None
    except ValueError as error:
        raise ReadError(f"the JSON is damaged: {error}") from None
    if not isinstance(parsed, dict):
        raise ReadError("the JSON is not an object")
    return parsed


def read_bounded(path: Path) -> bytes:
    if not path.is_file():  # a pipe may never end
        raise FileNotFoundError(path)
    if path.stat().st_size > MAX_FILE:
        raise ReadError(f"{path.name} is larger than {MAX_FILE >> 20} MiB")
    with path.open("rb") as stream:
        return stream.read(MAX_FILE)


def data_uri(uri: str, place: str) -> bytes:
    header, comma, payload = uri.partition(",")
    if not comma:
        raise ReadError("the data URI has no comma", place=place)
    if not header.lower().endswith(";base64"):
        return unquote_to_bytes(payload)
    try:
        return base64.b64decode(unquote_to_bytes(payload), validate=False)
    except binascii.Error as error:
        raise ReadError(f"the data URI is damaged: {error}", place=place) from None


def inside(folder: Path, uri: str, place: str) -> Path:
    """The file a relative URI names, which must lie in the asset's folder even after following links."""
    if "://" in uri or uri.startswith("//"):
        raise ReadError(f"refers to the network ({uri[:80]!r})", place=place, remedy="put the file beside the asset")
    name = unquote_to_bytes(uri).decode("utf-8", "replace")
    if not name or "\0" in name:
        raise ReadError("the uri names no file", place=place)
    root = folder.resolve()
    target = (root / name.replace("\\", "/")).resolve()
    if not target.is_relative_to(root) or target == root:
        raise ReadError(f"{uri[:80]!r} points outside the asset's folder", place=place)
    return target


def integer(record: Json, key: str, place: str, default: int | None = None) -> int:
    """A non-negative integer of a JSON object."""
    value = record.get(key, default)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 40:
        raise ReadError(f"{key} must be a whole number, not {str(value)[:40]!r}", place=place)
    return value


def check_index(index: Any, count: int, place: str) -> int:
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < count:
        raise ReadError(f"there is no {place}[{str(index)[:40]}] (the file has {count})")
    return index


def child(record: Json, key: str) -> Json:
    """A nested object, empty where it is absent."""
    value = record.get(key, {})
    if not isinstance(value, dict):
        raise ReadError(f"{key} must be an object")
    return value


def children(record: Json, key: str) -> list[Any]:
    """A nested array, empty where it is absent."""
    value = record.get(key, [])
    if not isinstance(value, list):
        raise ReadError(f"{key} must be an array")
    return value


def objects(record: Json, key: str, place: str) -> list[Json]:
    """A nested array of objects, empty where it is absent."""
    value = children(record, key)
    if not all(isinstance(entry, dict) for entry in value):
        raise ReadError(f"{key} must be an array of objects", place=place)
    return value


def label(record: Json, fallback: str = "") -> str:
    name = record.get("name", fallback)
    return name if isinstance(name, str) else fallback
