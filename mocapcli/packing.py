"""An Asset as a flat dictionary of arrays and back: how a child process hands over what it parsed."""

import json
from dataclasses import fields
from typing import Any

import numpy as np

from mocapcli.types import Asset, LeftAside, Material, Mesh, Motion, Rig, Skeleton, Texture

HEADER = "header"
Arrays = dict[str, np.ndarray]


def pack_asset(asset: Asset) -> Arrays:
    """All of the asset but a document in `rig.source`; no pickles: numbers as they are, the rest as JSON in bytes."""
    arrays: Arrays = {}
    header: dict[str, Any] = {"rig": asset.rig.name, "skeleton": _take(asset.rig.skeleton, "skeleton", arrays)}
    if asset.rig.mesh is not None:
        header["mesh"] = _take(asset.rig.mesh, "mesh", arrays)
        header["materials"] = [_pack_material(material, arrays) for material in asset.rig.mesh.materials]
    if isinstance(asset.rig.source, LeftAside):
        header["beyond"] = asset.rig.source.beyond
    header["motions"] = [_take(motion, f"motion{index}", arrays) for index, motion in enumerate(asset.motions)]
    arrays[HEADER] = _bytes_to_array(json.dumps(header).encode("ascii"))
    return arrays


def unpack_asset(arrays: Arrays) -> Asset:
    header = json.loads(arrays[HEADER].tobytes())
    names = tuple(header["skeleton"]["names"])
    skeleton = Skeleton(**_put({"names": names}, "skeleton", arrays))
    mesh = None
    if "mesh" in header:
        materials = tuple(_unpack_material(told, arrays) for told in header["materials"])
        mesh = Mesh(**_put(header["mesh"], "mesh", arrays), materials=materials)
    motions = [Motion(**_put(told, f"motion{index}", arrays)) for index, told in enumerate(header["motions"])]
    source = LeftAside(tuple(header["beyond"])) if "beyond" in header else None
    return Asset(Rig(skeleton, mesh, header["rig"], source), tuple(motions))


def _take(record: Any, prefix: str, arrays: Arrays) -> dict[str, Any]:
    """Arrays of a dataclass into `arrays`; its plain values are returned."""
    plain = {}
    for field in fields(record):
        value = getattr(record, field.name)
        if isinstance(value, np.ndarray):
            arrays[f"{prefix}.{field.name}"] = value
        elif value is not None and field.name != "materials":
            plain[field.name] = value
    return plain


def _put(plain: dict[str, Any], prefix: str, arrays: Arrays) -> dict[str, Any]:
    start = prefix + "."
    return {**plain, **{name[len(start) :]: array for name, array in arrays.items() if name.startswith(start)}}


def _pack_material(material: Material, arrays: Arrays) -> dict[str, Any]:
    told = {field.name: getattr(material, field.name) for field in fields(material)}
    if material.texture is not None:
        place = f"texture{len(arrays)}"
        arrays[place] = _bytes_to_array(material.texture.data)
        told["texture"] = {"name": material.texture.name, "data": place, "mime_type": material.texture.mime_type}
    return told


def _unpack_material(told: dict[str, Any], arrays: Arrays) -> Material:
    texture = told["texture"]
    if texture is not None:
        texture = Texture(texture["name"], arrays[texture["data"]].tobytes(), texture["mime_type"])
    return Material(**{**told, "texture": texture, "base_colour": tuple(told["base_colour"])})


def _bytes_to_array(data: bytes) -> np.ndarray:
    return np.frombuffer(data, dtype=np.uint8)
