"""assimp: files of five formats against what they were made from, structures by version, and life without it."""

import ctypes
import ctypes.util
import importlib.util
import sys
from dataclasses import replace

import numpy as np
import pytest

import assimp_files
from factories import make_asset, make_png, skinned_vertices
from mocapcli.errors import MocapError, ReadError, UnsupportedError
from mocapcli.formats import find_format, read_asset, write_asset
from mocapcli.kinematics import joint_positions, motion_world, rest_world
from mocapcli.sampling import frame_rate
from mocapcli.types import Asset

PYASSIMP = importlib.util.find_spec("pyassimp") is not None
needs_pyassimp = pytest.mark.skipif(not PYASSIMP, reason="pyassimp is not installed")
needs_assimp = pytest.mark.skipif(
    not (PYASSIMP and ctypes.util.find_library("assimp")), reason="libassimp is not on this system"
)
STRAIGHT = np.eye(3)
TO_Y_UP = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]])
MIRROR_Z = np.diag([1, 1, -1])


def parsed(path) -> Asset:
    """Read without a child process, which costs a second each."""
    from mocapcli.packing import unpack_asset
    from mocapcli_assimp.parser import parse

    return unpack_asset(parse(path))


def made(frames=6) -> Asset:
    """Joints in the order of a walk down the tree, as these files list them."""
    return make_asset(4, frames=frames)


def assert_same_clip(asset: Asset, back: Asset, turn=STRAIGHT, scale=1.0, fps=30.0):
    assert back.rig.skeleton.names == asset.rig.skeleton.names
    assert back.rig.skeleton.parents.tolist() == asset.rig.skeleton.parents.tolist()
    assert (back.motions[0].fps, back.motions[0].frames) == (pytest.approx(fps), asset.motions[0].frames)
    expected = joint_positions(asset.rig.skeleton, asset.motions[0]) @ turn.T * scale
    np.testing.assert_allclose(joint_positions(back.rig.skeleton, back.motions[0]), expected, atol=2e-5 * scale)


def assert_same_skin(asset: Asset, back: Asset, turn=STRAIGHT, scale=1.0):
    """Surfaces coincide in an animated frame; the order of vertices is the reader's business."""
    mesh, other = asset.rig.mesh, back.rig.mesh
    expected = skinned_vertices(mesh, motion_world(asset.rig.skeleton, asset.motions[0])[4]) @ turn.T * scale
    found = skinned_vertices(other, motion_world(back.rig.skeleton, back.motions[0])[4])
    distance = np.linalg.norm(expected[:, None] - found[None], axis=2)
    assert distance.min(axis=1).max() < 1e-4 * scale and distance.min(axis=0).max() < 1e-4 * scale
    assert len(other.faces) == len(mesh.faces)


@needs_assimp
@pytest.mark.parametrize(
    ("writer", "name", "turn", "fps", "has_mesh"),
    [
        (assimp_files.write_collada, "rig.dae", STRAIGHT, 30.0, True),
        (assimp_files.write_directx, "rig.x", MIRROR_Z, 30.0, True),
        (assimp_files.write_md5, "rig.md5mesh", TO_Y_UP, 30.0, True),
        (assimp_files.write_valve, "rig.smd", STRAIGHT, 25.0, False),  # .smd does not say its rate
        (assimp_files.write_blitz, "rig.b3d", MIRROR_Z, 30.0, True),
    ],
    ids=["collada", "directx", "md5", "valve", "blitz"],
)
def test_formats(tmp_path, writer, name, turn, fps, has_mesh):
    asset = made()
    writer(tmp_path / name, asset)
    back = parsed(tmp_path / name)
    assert_same_clip(asset, back, turn, fps=fps)
    assert (back.rig.mesh is not None) is has_mesh
    if has_mesh:
        assert_same_skin(asset, back, turn)


@needs_assimp
def test_collada_through_a_child_process(tmp_path):
    asset = made()
    assimp_files.write_collada(tmp_path / "rig.DAE", asset)
    back = read_asset(tmp_path / "rig.DAE")
    assert_same_clip(asset, back)
    material = back.rig.mesh.materials[0]
    assert material.name == "paint"
    assert material.base_colour == pytest.approx((0.2, 0.4, 0.8, 1.0))
    order = [int(np.argmin(np.linalg.norm(asset.rig.mesh.vertices - v, axis=1))) for v in back.rig.mesh.vertices]
    np.testing.assert_allclose(back.rig.mesh.uvs, asset.rig.mesh.uvs[order], atol=1e-5)


@needs_assimp
def test_collada_units_and_axes_are_converted(tmp_path):
    asset = made()
    assimp_files.write_collada(tmp_path / "rig.dae", asset, up="Z_UP", metre=0.01)
    back = parsed(tmp_path / "rig.dae")
    assert_same_clip(asset, back, TO_Y_UP, 0.01)
    assert_same_skin(asset, back, TO_Y_UP, 0.01)
    rest = rest_world(asset.rig.skeleton)[:, :3, 3] @ TO_Y_UP.T * 0.01
    np.testing.assert_allclose(rest_world(back.rig.skeleton)[:, :3, 3], rest, atol=1e-6)


@needs_assimp
@pytest.mark.parametrize(
    ("place", "found"),
    [
        ("paint.png", True),
        ("./maps/inner.png", True),
        ("C:/elsewhere/paint.png", True),  # an artist's own drive: the file beside the asset is meant
        ("../secret.png", False),
        ("maps/../../secret.png", False),
        ("../asset_evil/secret.png", False),
        ("missing.png", False),
        ("notes.txt", False),
    ],
)
def test_textures_come_from_the_folder_alone(tmp_path, place, found):
    folder = tmp_path / "asset"
    (folder / "maps").mkdir(parents=True)
    (tmp_path / "asset_evil").mkdir()
    images = ["secret.png", "asset/paint.png", "asset/maps/inner.png", "asset_evil/secret.png"]
    for image in images:
        (tmp_path / image).write_bytes(make_png())
    (folder / "notes.txt").write_text("no picture")
    assimp_files.write_collada(folder / "rig.dae", made(2), image=place)
    texture = parsed(folder / "rig.dae").rig.mesh.materials[0].texture
    assert (texture is not None and texture.data == make_png()) is found


@needs_assimp
def test_fbx_by_name_agrees_with_what_was_written(tmp_path):
    asset = made()
    write_asset(tmp_path / "rig.fbx", asset)
    back = read_asset(tmp_path / "rig.fbx", plugin="assimp")
    expected = joint_positions(asset.rig.skeleton, asset.motions[0])
    chosen = [back.rig.skeleton.index(name) for name in asset.rig.skeleton.names]
    found = joint_positions(back.rig.skeleton, back.motions[0])[:, chosen]
    assert len(found) == len(expected)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert_same_skin(asset, back)


@needs_assimp
def test_several_roots_and_clips(tmp_path):
    """An unweighted node above several roots is a joint unless it is the scene's own root."""
    asset = made()
    skeleton = replace(asset.rig.skeleton, parents=np.array([-1, 0, -1, 2]))
    rig = replace(asset.rig, skeleton=skeleton)
    assimp_files.write_collada(tmp_path / "rig.dae", replace(asset, rig=rig))
    back = parsed(tmp_path / "rig.dae")
    assert back.rig.skeleton.parents.tolist() == [-1, 0, -1, 2]


DAMAGE = {
    "truncated": lambda data: data[: len(data) // 2],
    "nan": lambda data: data.replace(b"<matrix sid='transform'>", b"<matrix sid='transform'>nan ", 1),
    "empty mesh": lambda data: data.replace(b"<p>0 0", b"<p>9999999 0", 1),
    "huge count": lambda data: data.replace(b"count='5'", b"count='4000000000'"),
    "no skeleton": lambda data: data.replace(b"instance_controller", b"instance_nothing").replace(
        b"<animation ", b"<a "
    ),
    "not xml": lambda data: b"\0\xff" * 100,
    "cyclic": lambda data: data.replace(
        b"<node id='body'", b"<node id='x'><instance_node url='#x'/></node><node id='body'"
    ),
}


@needs_assimp
@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_collada_is_refused_in_one_line_or_read(tmp_path, damage):
    assimp_files.write_collada(tmp_path / "rig.dae", made())
    (tmp_path / "rig.dae").write_bytes(DAMAGE[damage]((tmp_path / "rig.dae").read_bytes()))
    try:
        read_asset(tmp_path / "rig.dae")
    except MocapError as error:
        assert "\n" not in str(error) and "rig.dae" in str(error)
    else:
        assert damage not in ("truncated", "not xml", "no skeleton")


@needs_assimp
def test_a_file_without_joints_says_so(tmp_path):
    assimp_files.write_collada(tmp_path / "rig.dae", made())
    text = (tmp_path / "rig.dae").read_text()
    text = text.replace('<instance_controller url="#skin"><skeleton>#j0</skeleton>', '<instance_geometry url="#shape">')
    text = text.replace("instance_controller", "instance_geometry")
    (tmp_path / "rig.dae").write_text(text[: text.index("<library_an")] + text[text.index("<library_vis") :])
    with pytest.raises(ReadError, match="no skeleton"):
        parsed(tmp_path / "rig.dae")


# What needs no library --------------------------------------------------------------------------------------


@needs_pyassimp
@pytest.mark.parametrize(
    ("version", "bone", "key"),
    [
        ((5, 0, 1), 1104, 24),
        ((5, 1, 0), 1120, 24),
        ((5, 2, 4), 1120, 24),
        ((5, 4, 0), 1120, 24),
        ((5, 4, 1), 1120, 32),
        ((6, 0, 2), 1120, 32),
    ],
)
def test_structures_have_the_sizes_of_c_on_64_bits(version, bone, key):
    """Sizes by the headers: aiString is 4 + 1024 bytes, a matrix 64, a pointer 8."""
    from mocapcli_assimp.library import bone_structure, quaternion_key_size

    structs = load_structs()
    found = bone_structure(structs, version)
    assert ctypes.sizeof(found) == bone
    assert found.mNumWeights.offset == 1028
    assert found.mWeights.offset == (1048 if bone == 1120 else 1032)
    assert found.mOffsetMatrix.offset == found.mWeights.offset + 8
    assert quaternion_key_size(version) == key
    assert ctypes.sizeof(structs.VectorKey) == 24  # its enumeration falls into padding


def load_structs():
    """pyassimp's structures alone; its package looks for the library when imported."""
    spec = importlib.util.find_spec("pyassimp")
    place = spec.submodule_search_locations[0] + "/structs.py"
    module = importlib.util.module_from_spec(importlib.util.spec_from_file_location("structs", place))
    module.__spec__.loader.exec_module(module)
    return module


@pytest.mark.parametrize("size", [24, 32])
def test_quaternion_keys_are_read_with_their_stride(size):
    from mocapcli_assimp.scene import _keys

    layout = np.dtype({"names": ["time", "value"], "formats": ["f8", "4f4"], "offsets": [0, 8], "itemsize": size})
    memory = np.frombuffer(bytearray(b"\x01" * 3 * size), layout)
    memory["time"], memory["value"] = [0, 1, 2], [[1, 2, 3, 4]] * 3
    keys = _keys(ctypes.c_void_p(memory.ctypes.data), 3, 4, size)
    np.testing.assert_array_equal(keys.times, [0, 1, 2])
    np.testing.assert_array_equal(keys.values, [[2, 3, 4, 1]] * 3)  # wxyz there, xyzw here


def test_keys_out_of_order_are_refused():
    from mocapcli_assimp.scene import _keys

    memory = np.zeros(3, np.dtype([("time", "f8"), ("value", "4f4")]))
    memory["time"] = [0, 2, 1]
    with pytest.raises(ReadError, match="out of order"):
        _keys(ctypes.c_void_p(memory.ctypes.data), 3, 4, 24)


@pytest.mark.parametrize(
    ("times", "told", "expected"),
    [
        (np.arange(10) / 24, 24.0, 24.0),
        (np.arange(10) / 24, 1000.0, 24.0),
        (np.array([0.0, 0.5, 2.0]), 25.0, 24.0),
        (np.arange(40) / 29.97, 1000.0, 29.97),
        (np.array([0.0]), 0.0, 30.0),
        (np.cumsum([0.0, 0.0123, 0.031, 0.0277]), 48.0, 240.0),
        (np.array([0.0, 1e-9, 1e9]), 30.0, 30.0),
    ],
)
def test_frame_rate_puts_keys_on_frames(times, told, expected):
    found = frame_rate(times, told)
    assert 1.0 <= found <= 240.0
    if len(times) != 4:
        assert found == pytest.approx(expected, rel=1e-4)


def test_without_pyassimp_one_line_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "rig.dae").write_text("<COLLADA/>")
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "pyassimp" else find(name, *a))
    with pytest.raises(UnsupportedError, match=r"rig\.dae: .*pip install 'mocapcli\[assimp\]'"):
        read_asset(tmp_path / "rig.dae")


def test_without_the_library_one_line_says_how_to_get_it(tmp_path, monkeypatch):
    """pyassimp raises at import, and an error that is no Exception at that."""
    fake = tmp_path / "modules" / "pyassimp"
    fake.mkdir(parents=True)
    (fake / "__init__.py").write_text("class AssimpError(BaseException): pass\nraise AssimpError('library not found')")
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    (tmp_path / "rig.dae").write_text("<COLLADA/>")
    with pytest.raises(UnsupportedError, match=r"library not found\) \((apt|brew|choco) install") as caught:
        read_asset(tmp_path / "rig.dae")
    assert "\n" not in str(caught.value)


def test_python_without_distutils_is_helped(monkeypatch):
    from mocapcli_assimp import library

    for name in [name for name in sys.modules if name.split(".")[0] == "distutils"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(library.sys, "version_info", (3, 13, 0))
    library._stand_in_for_distutils()
    from distutils.sysconfig import get_python_lib

    assert get_python_lib().endswith("site-packages")
    for name in ("distutils", "distutils.sysconfig"):
        monkeypatch.delitem(sys.modules, name)


def test_fbx_stays_with_its_own_plugin(tmp_path):
    assert find_format(tmp_path / "a.fbx").name == "fbx"
    assert find_format(tmp_path / "a.fbx", "assimp").name == "assimp"
    with pytest.raises(UnsupportedError, match="only reads"):
        write_asset(tmp_path / "a.dae", made())
