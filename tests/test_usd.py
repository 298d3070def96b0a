"""USD: round trips, foreign ways of saying things, damaged and hostile files, and life without usd-core."""

import importlib.util
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from factories import make_asset, make_mesh, make_png, make_skeleton, skinned_vertices
from mocapcli.errors import DroppedWarning, MocapError, ReadError, UnsupportedError
from mocapcli.formats import find_format, read_asset, write_asset
from mocapcli.kinematics import joint_positions, motion_world, rest_world
from mocapcli.types import Asset, Mesh, Motion, Rig
from strategies import assets

needs_usd = pytest.mark.skipif(importlib.util.find_spec("pxr") is None, reason="usd-core is not installed")
pytestmark = needs_usd


def through(asset, path):
    """Written and read again."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write_asset(path, asset)
    return read_asset(path)


def parsed(path):
    """Read without a child process, which costs a second each."""
    from mocapcli.packing import unpack_asset
    from mocapcli_usd.parser import parse

    return unpack_asset(parse(path))


def in_process(asset, path):
    from mocapcli_usd.writer import write_asset as write

    write(path, asset)
    return parsed(path)


def size_of(asset):
    points = [rest_world(asset.rig.skeleton)[:, :3, 3]]
    points += [joint_positions(asset.rig.skeleton, motion).reshape(-1, 3) for motion in asset.motions]
    return max(np.ptp(np.concatenate(points), axis=0).max(), 1e-3)


def assert_same_motion(left: Asset, right: Asset, tolerance=2e-6):
    assert right.rig.skeleton.names == left.rig.skeleton.names
    assert right.rig.skeleton.parents.tolist() == left.rig.skeleton.parents.tolist()
    limit = tolerance * size_of(left)
    np.testing.assert_allclose(rest_world(right.rig.skeleton), rest_world(left.rig.skeleton), atol=max(limit, 1e-6))
    assert [m.name for m in right.motions] == [m.name for m in left.motions]
    for mine, theirs in zip(left.motions, right.motions, strict=True):
        assert (theirs.frames, theirs.fps) == (mine.frames, pytest.approx(mine.fps, rel=1e-9))
        expected = joint_positions(left.rig.skeleton, mine)
        np.testing.assert_allclose(joint_positions(right.rig.skeleton, theirs), expected, atol=limit)


@pytest.mark.parametrize("suffix", ["usda", "usdc", "usd", "usdz"])
def test_round_trip(tmp_path, suffix):
    asset = make_asset(clips=3, translated=True)
    back = through(asset, tmp_path / f"rig.{suffix}")
    assert_same_motion(asset, back)
    mesh, other = asset.rig.mesh, back.rig.mesh
    assert len(other.vertices) == len(mesh.vertices) and len(other.faces) == len(mesh.faces)
    np.testing.assert_allclose(other.uvs, mesh.uvs, atol=1e-6)
    np.testing.assert_allclose(other.normals, mesh.normals, atol=1e-5)
    world = motion_world(asset.rig.skeleton, asset.motions[1])[3]
    world_back = motion_world(back.rig.skeleton, back.motions[1])[3]
    np.testing.assert_allclose(skinned_vertices(other, world_back), skinned_vertices(mesh, world), atol=1e-5)
    assert [m.name for m in other.materials] == ["skin", "glass"]
    assert other.face_materials.tolist() == mesh.face_materials.tolist()
    assert other.materials[1].alpha_mode == "blend" and other.materials[1].base_colour[3] == pytest.approx(0.5)
    texture = other.materials[0].texture
    assert (texture is not None and texture.data == make_png()) is (suffix == "usdz")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=40)
@given(asset=assets(scaled=False))
def test_any_skeleton_survives(tmp_path, asset):
    assert_same_motion(asset, in_process(asset, tmp_path / "any.usda"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=25)
@given(asset=assets(scaled=True, max_joints=5, mesh=False))
def test_scale_keeps_joints_in_place_although_halves_hold_it(tmp_path, asset):
    back = in_process(asset, tmp_path / "any.usdc")
    for mine, theirs in zip(asset.motions, back.motions, strict=True):
        expected = joint_positions(asset.rig.skeleton, mine)
        found = joint_positions(back.rig.skeleton, theirs)
        np.testing.assert_allclose(found, expected, atol=2e-5 * max(np.abs(expected).max(), 1e-3))
        np.testing.assert_allclose(theirs.scales, mine.scales, rtol=2e-3)


def test_odd_names_survive(tmp_path):
    names = ("mixamorig:Hips", "腰 ボーン", "left arm", "1st/toe", "a.b", "腰_ボーン")
    skeleton = make_skeleton(6, names=names)
    motion = replace(make_asset(6).motions[0], name="走る | Run.001")
    asset = Asset(Rig(skeleton, make_mesh(skeleton), "Żółw: 2"), (motion,))
    back = in_process(asset, tmp_path / "names.usda")
    assert back.rig.skeleton.names == names
    assert (back.rig.name, back.motions[0].name) == ("Żółw: 2", "走る | Run.001")


def test_clips_of_different_rates_keep_them(tmp_path):
    skeleton = make_skeleton(3)
    rates = (30.0, 24.0, 23.976, 1000.0)
    clips = [replace(make_asset(3, frames=9).motions[0], name=f"at {fps}", fps=fps) for fps in rates]
    back = in_process(Asset(Rig(skeleton), tuple(clips)), tmp_path / "rates.usdc")
    assert [m.fps for m in back.motions] == pytest.approx(rates)
    assert [m.frames for m in back.motions] == [9] * 4


def test_a_still_clip_keeps_its_length(tmp_path):
    skeleton = make_skeleton(3)
    still = Motion(
        "still", 30.0, np.tile(skeleton.rest_rotations, (12, 1, 1)), np.tile(skeleton.rest_translations, (12, 1, 1))
    )
    assert in_process(Asset(Rig(skeleton), (still,)), tmp_path / "still.usda").motions[0].frames == 12


def test_two_skins_on_one_joint_and_fixed_surfaces(tmp_path):
    """Binds that place their vertices by different matrices, and vertices that no joint moves."""
    skeleton = make_skeleton(4)
    mesh = make_mesh(skeleton, plain=True)
    count, binds = len(mesh.vertices), len(mesh.bind_joints)
    shift = np.eye(4)
    shift[:3, :3] *= 0.01
    shift[:3, 3] = [1, 2, 3]
    doubled = Mesh(
        np.concatenate([mesh.vertices, (mesh.vertices - shift[:3, 3]) * 100, mesh.vertices + 5]),
        np.concatenate([mesh.faces + k * count for k in range(3)]),
        np.concatenate([mesh.skin_indices, mesh.skin_indices + binds, np.full_like(mesh.skin_indices, 2 * binds)]),
        np.tile(mesh.skin_weights, (3, 1)),
        np.concatenate([mesh.bind_joints, mesh.bind_joints, [-1]]),
        np.concatenate([mesh.inverse_binds, mesh.inverse_binds @ shift, np.eye(4)[None]]),
    )
    asset = Asset(Rig(skeleton, doubled), make_asset(4).motions)
    back = in_process(asset, tmp_path / "skins.usda")
    expected = skinned_vertices(doubled, motion_world(skeleton, asset.motions[0])[4])[doubled.faces]
    found = skinned_vertices(back.rig.mesh, motion_world(back.rig.skeleton, back.motions[0])[4])[back.rig.mesh.faces]
    np.testing.assert_allclose(found, expected, atol=1e-4)


FOREIGN = """#usda 1.0
(
    defaultPrim = "Model"
    metersPerUnit = 0.01
    timeCodesPerSecond = 48
    upAxis = "Z"
)
def SkelRoot "Model"
{
    double3 xformOp:translate.timeSamples = { 0: (0, 0, 100), 48: (0, 200, 100) }
    uniform token[] xformOpOrder = ["xformOp:translate"]
    def Skeleton "Rig" (prepend apiSchemas = ["SkelBindingAPI"])
    {
        uniform token[] joints = ["Hip", "Hip/Knee"]
        uniform matrix4d[] bindTransforms = [
            ((1,0,0,0),(0,1,0,0),(0,0,1,0),(0,0,0,1)), ((1,0,0,0),(0,1,0,0),(0,0,1,0),(0,0,50,1))]
        uniform matrix4d[] restTransforms = [
            ((1,0,0,0),(0,1,0,0),(0,0,1,0),(0,0,0,1)), ((1,0,0,0),(0,1,0,0),(0,0,1,0),(0,0,50,1))]
        rel skel:animationSource = </Model/Bound>
    }
    def SkelAnimation "Aside"
    {
        uniform token[] joints = ["Hip/Knee"]
        quatf[] rotations = [(1, 0, 0, 0)]
        half3[] scales = [(1, 1, 1)]
        float3[] translations = [(0, 0, 60)]
    }
    def SkelAnimation "Bound"
    {
        uniform token[] joints = ["Hip/Knee", "Hip"]
        quatf[] rotations.timeSamples = { 0: [(1,0,0,0),(1,0,0,0)], 48: [(1,0,0,0),(0.70710678,0.70710678,0,0)] }
        half3[] scales = [(1, 1, 1), (1, 1, 1)]
        float3[] translations = [(0, 0, 50), (0, 0, 0)]
    }
    def Mesh "Quad" (prepend apiSchemas = ["SkelBindingAPI"])
    {
        int[] faceVertexCounts = [4, 5]
        int[] faceVertexIndices = [0, 1, 2, 3, 0, 1, 2, 3, 4]
        point3f[] points = [(0,0,0), (10,0,0), (10,0,10), (0,0,10), (0,5,5)]
        color3f[] primvars:displayColor = [(0.25, 0.5, 1)]
        texCoord2f[] primvars:st = [(0,0),(1,0),(1,1),(0,1),(0,0),(1,0),(1,1),(0,1),(0.5,0.5)] (
            interpolation = "faceVarying")
        uniform token[] skel:joints = ["Hip/Knee"]
        matrix4d primvars:skel:geomBindTransform = ((1,0,0,0),(0,1,0,0),(0,0,1,0),(0,0,50,1))
        int[] primvars:skel:jointIndices = [0] (
            elementSize = 1
            interpolation = "constant")
        float[] primvars:skel:jointWeights = [1] (
            elementSize = 1
            interpolation = "constant")
        rel skel:skeleton = </Model/Rig>
    }
    def Mesh "Floor"
    {
        uniform token orientation = "leftHanded"
        int[] faceVertexCounts = [3]
        int[] faceVertexIndices = [0, 1, 2]
        point3f[] points = [(0,0,0), (100,0,0), (0,100,0)]
    }
    def Mesh "Hidden"
    {
        token visibility = "invisible"
        int[] faceVertexCounts = [3]
        int[] faceVertexIndices = [0, 1, 2]
        point3f[] points = [(0,0,0), (100,0,0), (0,100,0)]
    }
}
"""


@pytest.fixture
def foreign(tmp_path):
    (tmp_path / "foreign.usda").write_text(FOREIGN)
    return parsed(tmp_path / "foreign.usda")


def test_units_axes_and_moving_ancestors(foreign):
    motion = foreign.motions[0]
    assert [m.name for m in foreign.motions] == ["Bound", "Aside"]
    assert (motion.fps, motion.frames) == (48.0, 49)
    positions = joint_positions(foreign.rig.skeleton, motion)
    np.testing.assert_allclose(positions[0], [[0, 1, 0], [0, 1.5, 0]], atol=1e-6)  # Z up, centimetres
    np.testing.assert_allclose(positions[-1], [[0, 1, -2], [0, 1, -1.5]], atol=1e-6)  # turned about X by 90°
    middle = np.sqrt(0.5) / 2
    np.testing.assert_allclose(positions[24, 1], [0, 1 + middle, -1 + middle], atol=1e-5)


def test_joints_without_values_rest(foreign):
    aside = foreign.motions[1]
    np.testing.assert_allclose(joint_positions(foreign.rig.skeleton, aside)[0], [[0, 1, 0], [0, 1.6, 0]], atol=1e-6)


def test_foreign_mesh(foreign):
    mesh = foreign.rig.mesh
    assert len(mesh.faces) == 2 + 3 + 1
    assert len(mesh.vertices) == 5 + 3  # the corners of a point agree here, so nothing is split
    rest = skinned_vertices(mesh, rest_world(foreign.rig.skeleton))
    np.testing.assert_allclose(rest[:2], [[0, 1.5, 0], [0.1, 1.5, 0]], atol=1e-6)
    end = skinned_vertices(mesh, motion_world(foreign.rig.skeleton, foreign.motions[0])[-1])
    np.testing.assert_allclose(end[2], [0.1, 1.0, -1.4], atol=1e-6)
    np.testing.assert_allclose(end[5:], rest[5:])  # the floor stands still
    assert mesh.materials[mesh.face_materials[0]].base_colour == pytest.approx((0.25, 0.5, 1, 1))
    a, b, c = mesh.vertices[mesh.faces[-1]]
    assert np.cross(b - a, c - a)[1] < 0  # a left-handed triangle faces down
    np.testing.assert_allclose(mesh.uvs[0], [0, 1])  # origin top left


def test_seams_split_vertices(tmp_path):
    text = FOREIGN.replace("(0,0),(1,0),(1,1),(0,1),(0.5,0.5)]", "(0.9,0),(1,0),(1,1),(0,1),(0.5,0.5)]")
    (tmp_path / "seam.usda").write_text(text)
    mesh = parsed(tmp_path / "seam.usda").rig.mesh
    assert len(mesh.vertices) == 6 + 3
    assert len(np.unique(mesh.vertices[:6], axis=0)) == 5


def test_joints_listed_out_of_order(tmp_path):
    text = FOREIGN.replace('joints = ["Hip", "Hip/Knee"]', 'joints = ["Hip/Knee", "Hip"]')
    (tmp_path / "order.usda").write_text(text)
    assert parsed(tmp_path / "order.usda").rig.skeleton.names == ("Hip", "Knee")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('def Skeleton "Rig"', 'def Xform "Rig"', "no skeleton"),
        ("faceVertexCounts = [4, 5]", "faceVertexCounts = [4, 6]", "disagree"),
        ("faceVertexIndices = [0, 1, 2, 3, 0", "faceVertexIndices = [0, 1, 2, 99, 0", "point that does not exist"),
        ("(0,0,50,1))]\n        rel", "(0,0,nan,1))]\n        rel", "NaN|damaged"),
        ("48: (0, 200, 100)", "1e300: (0, 200, 100)", "more than can be held"),
        ("timeCodesPerSecond = 48", "timeCodesPerSecond = 0", "timeCodesPerSecond"),
        ("metersPerUnit = 0.01", "metersPerUnit = 0", "metersPerUnit"),
        ('joints = ["Hip", "Hip/Knee"]', 'joints = ["Hip", "Hip"]', "one twice"),
        ("#usda 1.0", "#usdx 1.0", "damaged"),
        ("metersPerUnit = 0.01", "metersPerUnit 0.01", r"damaged, .* \(line \d+: (?!.*::)"),
    ],
)
def test_nonsense_is_refused_in_one_line(tmp_path, old, new, message):
    assert old in FOREIGN
    (tmp_path / "bad.usda").write_text(FOREIGN.replace(old, new))
    with pytest.raises(ReadError, match=message) as caught:
        parsed(tmp_path / "bad.usda")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["references", "payload", "subLayers"])
def test_files_outside_the_folder_are_not_opened(tmp_path, kind):
    outside = tmp_path / "outside.usda"
    outside.write_text(FOREIGN)
    folder = tmp_path / "asset"
    folder.mkdir()
    if kind == "subLayers":
        text = "#usda 1.0\n( subLayers = [@../outside.usda@] )\n"
    else:
        text = f'#usda 1.0\ndef Xform "A" ( prepend {kind} = @../outside.usda@ )\n{{\n}}\n'
    (folder / "main.usda").write_text(text)
    with pytest.raises(ReadError, match="outside its folder"):
        parsed(folder / "main.usda")
    outside.rename(folder / "outside.usda")
    (folder / "main.usda").write_text(text.replace("../", "./"))
    assert parsed(folder / "main.usda").rig.skeleton.names == ("Hip", "Knee")


def test_what_is_left_aside_is_named(tmp_path):
    (tmp_path / "a.usda").write_text(FOREIGN + 'def Camera "C"\n{\n}\ndef SphereLight "L"\n{\n}\n')
    asset = parsed(tmp_path / "a.usda")
    assert asset.rig.source.beyond == ("1 camera", "1 light")
    with pytest.warns(DroppedWarning, match="does not come along: 1 camera, 1 light"):
        write_asset(tmp_path / "b.npz", asset)


def test_textures_outside_the_folder_are_not_read(tmp_path):
    (tmp_path / "secret.png").write_bytes(make_png())
    folder = tmp_path / "asset"
    folder.mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write_asset(folder / "rig.usda", make_asset())
    text = (folder / "rig.usda").read_text()
    image = """def Shader "Image"
    {
        uniform token info:id = "UsdUVTexture"
        asset inputs:file = @PLACE@
        float3 outputs:rgb
    }
    """
    text = text.replace('def Shader "Surface"', image + 'def Shader "Surface"', 1)
    line = next(line for line in text.splitlines() if "color3f inputs:diffuseColor" in line)
    text = text.replace(line, "color3f inputs:diffuseColor.connect = </rig/Materials/skin/Image.outputs:rgb>", 1)
    for place, found in (("../secret.png", False), ("./inside.png", True)):
        (folder / "inside.png").write_bytes(make_png())
        (folder / "rig.usda").write_text(text.replace("PLACE", place))
        texture = parsed(folder / "rig.usda").rig.mesh.materials[0].texture
        assert (texture is not None) is found


@pytest.mark.parametrize("suffix", ["usda", "usdc", "usdz"])
def test_damaged_files_are_refused_or_read_but_never_crash_us(tmp_path, suffix):
    """A slice of the fuzzer: truncations and flipped bits."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write_asset(tmp_path / f"good.{suffix}", make_asset(3, frames=3))
    good = (tmp_path / f"good.{suffix}").read_bytes()
    rng, refused = np.random.default_rng(0), 0
    for number in range(4):
        data = bytearray(good[: int(rng.integers(9, len(good)))] if number % 2 else good)
        for place in rng.integers(0, len(data), 8):
            data[place] ^= 1 << int(rng.integers(8))
        path = tmp_path / f"bad{number}.{suffix}"
        path.write_bytes(data)
        try:
            read_asset(path)
        except MocapError as error:
            assert "\n" not in str(error)
            refused += 1
    assert refused >= 2  # what is cut off at least


def test_without_usd_core_one_line_says_what_to_install(tmp_path, monkeypatch):
    write_asset(tmp_path / "a.usda", make_asset(mesh=False))
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "pxr" else find(name, *rest))
    monkeypatch.setitem(sys.modules, "pxr", None)
    for module in [name for name in sys.modules if name.startswith("mocapcli_usd.w")]:
        monkeypatch.delitem(sys.modules, module)
    with pytest.raises(UnsupportedError, match=r"pip install 'mocapcli\[usd\]'"):
        read_asset(tmp_path / "a.usda")
    with pytest.raises(UnsupportedError, match=r"pip install 'mocapcli\[usd\]'"):
        write_asset(tmp_path / "b.usda", make_asset(mesh=False))


def test_registering_imports_nothing_heavy(tmp_path):
    import subprocess

    code = "import sys, mocapcli_usd, mocapcli_assimp; sys.exit(bool({'numpy', 'pxr', 'pyassimp'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path).returncode == 0
    assert find_format(tmp_path / "a.USDZ").name == "usdz"
