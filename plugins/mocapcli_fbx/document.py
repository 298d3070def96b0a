"""An FBX document under construction: objects with ids, connections between them, and the frame around both."""

from collections import Counter

from mocapcli_fbx import CREATOR
from mocapcli_fbx.encoder import CREATION_TIME, FILE_ID, VERSION, Long, Property, Record, encode_file

CENTIMETRES = 100.0  # per metre; Blender and three assume centimetres
TICKS = 46186158000  # KTime units per second
TIME_MODES = {120: 1, 100: 2, 60: 3, 50: 4, 48: 5, 30: 6, 25: 10, 24: 11, 1000: 12, 96: 15, 72: 16}
CUSTOM_TIME_MODE = 14
FIRST_ID = 1_000_000
SCENE = Long(0)  # the id of the scene's root


class Document:
    """Collects objects and connections, then writes them out in one go."""

    def __init__(self) -> None:
        self.objects = Record("Objects")
        self.connections = Record("Connections")
        self._counts: Counter[str] = Counter()
        self._next_id = FIRST_ID

    def new_id(self) -> Long:
        self._next_id += 1
        return Long(self._next_id)

    def add(self, kind: str, name: str, label: str, subtype: str) -> tuple[Long, Record]:
        """A new object; `label` is the class that FBX writes behind its name."""
        number = self.new_id()
        self._counts[kind] += 1
        return number, self.objects.add(kind, number, f"{name.replace(chr(0), ' ')}\0\1{label}", subtype)

    def connect(self, child: Long, parent: Long) -> None:
        self.connections.add("C", "OO", child, parent)

    def connect_property(self, child: Long, parent: Long, name: str) -> None:
        self.connections.add("C", "OP", child, parent, name)

    def encode(self, fps: float, takes: list[tuple[str, int]]) -> bytes:
        """`takes`: names and last times in ticks."""
        stop = Long(max((last for _, last in takes), default=0))
        return encode_file(
            [
                _header(),
                Record("FileId", (FILE_ID,)),
                Record("CreationTime", (CREATION_TIME,)),
                Record("Creator", (CREATOR,)),
                _settings(fps, stop),
                _documents(self.new_id(), takes),
                Record("References"),
                self._definitions(),
                self.objects,
                self.connections,
                _takes(takes),
            ]
        )

    def _definitions(self) -> Record:
        record = Record("Definitions")
        record.add("Version", 100)
        record.add("Count", sum(self._counts.values()) + 1)
        record.add("ObjectType", "GlobalSettings").add("Count", 1)
        for kind, count in self._counts.items():
            record.add("ObjectType", kind).add("Count", count)
        return record


def add_property(properties: Record, name: str, kind: str, label: str, flags: str, *values: Property) -> None:
    properties.add("P", name, kind, label, flags, *values)


def add_number(properties: Record, name: str, value: float, flags: str = "") -> None:
    add_property(properties, name, "double", "Number", flags, float(value))


def _header() -> Record:
    record = Record("FBXHeaderExtension")
    record.add("FBXHeaderVersion", 1003)
    record.add("FBXVersion", VERSION)
    record.add("EncryptionType", 0)
    stamp = record.add("CreationTimeStamp")
    stamp.add("Version", 1000)
    for name, value in {"Year": 1970, "Month": 1, "Day": 1, "Hour": 10, "Minute": 0, "Second": 0}.items():
        stamp.add(name, value)
    stamp.add("Millisecond", 0)
    record.add("Creator", CREATOR)
    return record


def _settings(fps: float, stop: Long) -> Record:
    record = Record("GlobalSettings")
    record.add("Version", 1000)
    properties = record.add("Properties70")
    axes = {"UpAxis": 1, "FrontAxis": 2, "CoordAxis": 0, "OriginalUpAxis": -1}
    for name, value in axes.items():
        add_property(properties, name, "int", "Integer", "", value)
        add_property(properties, f"{name}Sign", "int", "Integer", "", 1)
    add_number(properties, "UnitScaleFactor", 1.0)
    add_number(properties, "OriginalUnitScaleFactor", 1.0)
    mode = TIME_MODES.get(round(fps), CUSTOM_TIME_MODE) if abs(fps - round(fps)) < 1e-9 else CUSTOM_TIME_MODE
    add_property(properties, "TimeMode", "enum", "", "", mode)
    add_property(properties, "TimeSpanStart", "KTime", "Time", "", Long(0))
    add_property(properties, "TimeSpanStop", "KTime", "Time", "", stop)
    add_number(properties, "CustomFrameRate", fps)
    return record


def _documents(number: Long, takes: list[tuple[str, int]]) -> Record:
    record = Record("Documents")
    record.add("Count", 1)
    scene = record.add("Document", number, "", "Scene")
    properties = scene.add("Properties70")
    add_property(properties, "SourceObject", "object", "", "")
    add_property(properties, "ActiveAnimStackName", "KString", "", "", takes[0][0] if takes else "")
    scene.add("RootNode", SCENE)
    return record


def _takes(takes: list[tuple[str, int]]) -> Record:
    record = Record("Takes")
    record.add("Current", takes[0][0] if takes else "")
    for name, last in takes:
        take = record.add("Take", name)
        take.add("FileName", f"{name}.tak")
        take.add("LocalTime", Long(0), Long(last))
        take.add("ReferenceTime", Long(0), Long(last))
    return record
