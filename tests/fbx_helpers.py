"""FBX files made by hand, and a fast way to read trusted ones: `from fbx_helpers import parse_here`."""

import ctypes
from pathlib import Path

import numpy as np
import pytest

from factories import skinned_vertices
from mocapcli.kinematics import motion_world, rest_world
from mocapcli.types import Asset, Mesh, Motion, Skeleton
from mocapcli_fbx import reader
from mocapcli_fbx.document import SCENE, TICKS, Document, add_property
from mocapcli_fbx.encoder import Long
from mocapcli_fbx.models import add_model

LINEAR, CUBIC_FLAT = 0x4, 0x8 | 0x400  # key flags


def parse_here(data: bytes, folder: Path) -> Asset:
    """Parse trusted bytes in this process, much faster than in a child; what the binding holds outlives the exit."""
    from mocapcli_fbx import binding
    from mocapcli_fbx.parse import parse

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(binding._held))
    path = folder / "rig.fbx"
    path.write_bytes(data)
    return reader.build_asset(parse(path), path)


def assert_same_skeleton(first: Skeleton, second: Skeleton) -> None:
    assert first.names == second.names
    np.testing.assert_array_equal(first.parents, second.parents)
    size = max(1.0, abs(rest_world(first)).max())
    np.testing.assert_allclose(rest_world(first), rest_world(second), atol=1e-9 * size)


def assert_same_motion(skeleton: Skeleton, first: Motion, second: Motion) -> None:
    """Curves hold 32 bit numbers, so all is relative to the size of what moves."""
    assert (first.name, first.frames) == (second.name, second.frames)
    assert first.fps == pytest.approx(second.fps, rel=1e-9)
    one, two = motion_world(skeleton, first), motion_world(skeleton, second)
    np.testing.assert_allclose(one, two, atol=3e-6 * max(1.0, abs(one).max()))


def assert_same_mesh(first: Mesh, second: Mesh, world: np.ndarray) -> None:
    """Vertices may be numbered anew; faces keep their order, and every corner its looks and its movement."""
    assert first.faces.shape == second.faces.shape
    for name, atol in {"vertices": 1e-6, "normals": 1e-6, "uvs": 1e-6, "colours": 1e-5}.items():
        one, two = getattr(first, name), getattr(second, name)
        assert (one is None) == (two is None), name
        if one is not None:
            np.testing.assert_allclose(one[first.faces], two[second.faces], atol=atol, err_msg=name)
    moved = [skinned_vertices(mesh, world)[mesh.faces] for mesh in (first, second)]
    np.testing.assert_allclose(*moved, atol=1e-5 * max(1.0, abs(moved[0]).max()))
    assert [m.name for m in first.materials] == [m.name for m in second.materials]
    for one, two in zip(first.materials, second.materials, strict=True):
        assert one.texture == two.texture
        np.testing.assert_allclose(one.base_colour, two.base_colour, atol=1e-9)
        assert (one.alpha_mode, one.double_sided) == (two.alpha_mode, two.double_sided)
        assert one.alpha_cutoff == pytest.approx(two.alpha_cutoff)
    if first.materials:
        np.testing.assert_array_equal(first.face_materials, second.face_materials)


def assert_same_asset(first: Asset, second: Asset) -> None:
    assert_same_skeleton(first.rig.skeleton, second.rig.skeleton)
    assert len(first.motions) == len(second.motions)
    for one, two in zip(first.motions, second.motions, strict=True):
        assert_same_motion(first.rig.skeleton, one, two)
    assert (first.rig.mesh is None) == (second.rig.mesh is None)
    if first.rig.mesh is not None:
        skeleton = first.rig.skeleton
        world = motion_world(skeleton, first.motions[0])[-1] if first.motions else rest_world(skeleton)
        assert_same_mesh(first.rig.mesh, second.rig.mesh, world)


def joint(document: Document, name: str, parent: Long = SCENE, kind: str = "LimbNode", **properties) -> Long:
    number, record = add_model(document, name, kind, parent)
    for key, values in properties.items():
        label = key.replace("_", " ") if key.startswith("Lcl") else key
        if isinstance(values, int):
            add_property(record, label, "enum", "", "", values)
        else:
            add_property(record, label, "Vector3D", "Vector", "A", *map(float, values))
    return number


def animate(
    document: Document, take: Long, model: Long, target: str, times: list[float], values: list[float], flags: int
) -> None:
    """One curve on the x axis, the other two at rest."""
    node, record = document.add("AnimationCurveNode", target[4], "AnimCurveNode", "")
    properties = record.add("Properties70")
    for letter in "XYZ":
        add_property(properties, f"d|{letter}", "Number", "", "A", 0.0)
    document.connect(node, take)
    document.connect_property(node, model, target)
    curve, record = document.add("AnimationCurve", "", "AnimCurve", "")
    record.add("Default", values[0])
    record.add("KeyVer", 4008)
    record.add("KeyTime", np.round(np.array(times) * TICKS).astype(np.int64))
    record.add("KeyValueFloat", np.array(values, np.float32))
    record.add("KeyAttrFlags", np.array([flags], np.int32))
    record.add("KeyAttrDataFloat", np.zeros(4, np.float32))
    record.add("KeyAttrRefCount", np.array([len(times)], np.int32))
    document.connect_property(curve, node, "d|X")


def take(document: Document, name: str, start: float, stop: float) -> Long:
    stack, record = document.add("AnimationStack", name, "AnimStack", "")
    properties = record.add("Properties70")
    add_property(properties, "LocalStart", "KTime", "Time", "", Long(round(start * TICKS)))
    add_property(properties, "LocalStop", "KTime", "Time", "", Long(round(stop * TICKS)))
    layer, _ = document.add("AnimationLayer", "layer", "AnimLayer", "")
    document.connect(layer, stack)
    return layer


def number_at(data: bytes, name: str, old: bytes, new: bytes) -> bytes:
    """Overwrite the value of a property in an encoded file."""
    start = data.index(old, data.index(name.encode() + b"S"))
    return data[:start] + new + data[start + len(old) :]


def add_quad(document: Document, parent: Long, name: str = "quad", **properties) -> Long:
    """A mesh node with one unit square (in metres) and nothing else."""
    model = joint(document, name, parent, kind="Mesh", **properties)
    geometry, record = document.add("Geometry", name, "Geometry", "Mesh")
    record.add("Vertices", np.array([0, 0, 0, 100, 0, 0, 100, 100, 0, 0, 100, 0], np.float64))
    record.add("PolygonVertexIndex", np.array([0, 1, 2, -4], np.int32))
    record.add("GeometryVersion", 124)
    document.connect(geometry, model)
    return model
