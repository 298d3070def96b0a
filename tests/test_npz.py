"""NPZ: the same asset back to the last bit, and archives that lie."""

import dataclasses
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given

from factories import make_asset
from mocapcli import read_asset, write_asset
from mocapcli.errors import MocapError, ReadError, UnsupportedError, WriteError
from mocapcli.kinematics import joint_positions
from mocapcli.types import Asset, Material, Rig, Texture
from strategies import assets


def assert_same(first: object, second: object, place: str = "asset") -> None:
    """Every field equal bit for bit, `source` apart."""
    assert type(first) is type(second), place
    if isinstance(first, np.ndarray):
        assert first.dtype == second.dtype, place
        np.testing.assert_array_equal(first, second, place)
    elif isinstance(first, tuple):
        assert len(first) == len(second), place
        for number, pair in enumerate(zip(first, second, strict=True)):
            assert_same(*pair, f"{place}[{number}]")
    elif hasattr(first, "__dataclass_fields__"):
        for name in first.__dataclass_fields__:
            if name != "source":
                assert_same(getattr(first, name), getattr(second, name), f"{place}.{name}")
    else:
        assert first == second, place


def rewritten(folder: Path, asset: Asset) -> Asset:
    write_asset(folder / "asset.npz", asset)
    return read_asset(folder / "asset.npz")


def arrays_of(folder: Path, **options) -> dict[str, np.ndarray]:
    write_asset(folder / "asset.npz", make_asset(**options))
    with np.load(folder / "asset.npz") as archive:
        return dict(archive)


def read_arrays(folder: Path, arrays: dict[str, np.ndarray]) -> Asset:
    np.savez_compressed(folder / "made.npz", **arrays)
    return read_asset(folder / "made.npz")


@given(asset=assets())
def test_any_asset_comes_back_the_same(asset: Asset, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert_same(rewritten(tmp_path_factory.getbasetemp(), asset), asset)


def test_everything_at_once(tmp_path: Path) -> None:
    asset = make_asset(joints=8, clips=3, translated=True, scaled=True)
    assert_same(rewritten(tmp_path, asset), asset)


def test_materials_may_share_or_lack_textures(tmp_path: Path) -> None:
    asset = make_asset()
    mesh = asset.rig.mesh
    shared, empty = Texture("Größe", b"\x89PNG\0\0", "image/png"), Texture("", b"", "image/jpeg")
    materials = (Material("a", texture=shared), Material("", texture=empty, alpha_mode="mask", alpha_cutoff=0.25),
                 Material("c"), Material("d", (0.1, 0.2, 0.3, 0.4), shared, "blend", double_sided=True))  # fmt: skip
    changed = dataclasses.replace(mesh, normals=None, uvs=None, colours=None, face_materials=None, materials=materials)
    again = rewritten(tmp_path, Asset(Rig(asset.rig.skeleton, changed)))
    assert_same(again.rig.mesh, changed)
    with np.load(tmp_path / "asset.npz") as archive:
        assert archive["texture_names"].tolist() == ["Größe", ""]


def test_numpy_alone_reads_it(tmp_path: Path) -> None:
    asset = make_asset(clips=2, mesh=False)
    write_asset(tmp_path / "asset.npz", asset)
    with np.load(tmp_path / "asset.npz", allow_pickle=False) as archive:
        assert archive["joint_names"].tolist() == list(asset.rig.skeleton.names)
        assert archive["clip_fps"].tolist() == [30.0, 30.0]
        expected = joint_positions(asset.rig.skeleton, asset.motions[1])
        np.testing.assert_array_equal(archive["clip1_positions"], expected)
        assert "vertices" not in archive
        assert "clip0_scales" not in archive


def test_docstring_names_every_array(tmp_path: Path) -> None:
    import mocapcli_npz

    documented = {line.split()[0] for line in mocapcli_npz.__doc__.splitlines() if line.startswith("    ")}
    written = {
        name.replace("clip0", "clipN").replace("texture0", "textureN") for name in arrays_of(tmp_path, scaled=True)
    }
    assert written <= documented
    assert documented - written <= {"import", "clip", "positions,"}


def test_arrays_made_elsewhere(tmp_path: Path) -> None:
    arrays = arrays_of(tmp_path, mesh=False)
    del arrays["clip0_positions"], arrays["rig_name"]
    arrays |= {name: arrays[name].astype(np.float32) for name in ("clip0_rotations", "rest_translations")}
    arrays |= {"parents": arrays["parents"].astype(np.int8), "clip_fps": np.array([25]), "notes": np.arange(3)}
    arrays["clip0_translations"] = np.asfortranarray(arrays["clip0_translations"])
    asset = read_arrays(tmp_path, arrays)
    assert asset.motions[0].fps == 25.0
    np.testing.assert_array_equal(asset.motions[0].translations, make_asset().motions[0].translations)


def test_name_that_numpy_would_shorten_is_refused(tmp_path: Path) -> None:
    skeleton = make_asset().rig.skeleton
    with pytest.raises(WriteError, match="NUL"):
        write_asset(tmp_path / "asset.npz", Asset(Rig(skeleton, name="x\0")))
    assert list(tmp_path.iterdir()) == []


MANGLED = {
    "no names": ({"joint_names": None}, "no array 'joint_names'"),
    "no rotations": ({"clip0_rotations": None}, "no array 'clip0_rotations'"),
    "names of bytes": ({"joint_names": np.array([b"a"] * 5)}, "'joint_names'"),
    "too few names": ({"joint_names": np.array(["a"])}, "expected shape"),
    "same names": ({"joint_names": np.array(["a"] * 5)}, "two joints are named 'a'"),
    "cycle": ({"parents": np.array([-1, 2, 1, 0, 0])}, "does not come before it"),
    "parents of text": ({"parents": np.array(["a"] * 5)}, "'parents'"),
    "nan": ({"clip0_rotations": np.full((7, 5, 4), np.nan)}, "NaN"),
    "complex": ({"rest_translations": np.zeros((5, 3), complex)}, "'rest_translations'"),
    "rank": ({"rest_translations": np.zeros(15)}, "'rest_translations'"),
    "more rates": ({"clip_fps": np.array([30.0, 30.0])}, "clip_names"),
    "rate": ({"clip_fps": np.array([-1.0])}, "fps must be positive"),
    "no frames": ({"clip0_rotations": np.zeros((0, 5, 4)), "clip0_translations": np.zeros((0, 5, 3))}, "frames"),
    "version": ({"format_version": np.array(99)}, "format_version is 99"),
    "faces": ({"faces": np.array([[0, 1, 10_000]]), "face_materials": None}, "faces"),
    "huge index": ({"faces": np.array([[0, 1, 2**40]])}, "faces"),
    "weights": ({"skin_weights": np.zeros((30, 2))}, "sum to one"),
    "alpha": ({"material_alpha": np.array(["odd", "mask"])}, "alpha 'odd'"),
    "texture": ({"material_textures": np.array([7, -1])}, "texture 7"),
    "texture bytes": ({"texture0": None}, "no array 'texture0'"),
    "materials": ({"material_colours": np.zeros((1, 4))}, "1 entries for 2 materials"),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "message"), MANGLED.values(), ids=MANGLED.keys())
def test_wrong_arrays_are_named(tmp_path: Path, changes: dict[str, np.ndarray | None], message: str) -> None:
    arrays = arrays_of(tmp_path) | changes
    with pytest.raises(MocapError) as caught:
        read_arrays(tmp_path, {name: array for name, array in arrays.items() if array is not None})
    assert message in str(caught.value)
    assert "damaged, or not" not in str(caught.value)


def test_pickles_are_never_opened(tmp_path: Path) -> None:
    arrays = arrays_of(tmp_path, mesh=False)
    with pytest.raises(ReadError, match="joint_names"):
        read_arrays(tmp_path, arrays | {"joint_names": np.array([print] * 5, dtype=object)})


def npy_bytes(header: str) -> bytes:
    text = header.encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize(
    "content",
    [
        npy_bytes("{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999, 3)}"),
        npy_bytes("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, 3)}"),
        npy_bytes("{'descr': '<f8', 'fortran_order': False, 'shape': (5, 3)}") + bytes(8),
        npy_bytes("{'descr': '<U0', 'fortran_order': False, 'shape': (5, 3)}"),
        npy_bytes("{'descr': '|V99', 'fortran_order': False, 'shape': (5, 3)}"),
        npy_bytes("{'descr': '<f8'}"),
        npy_bytes("__import__('os')"),
        npy_bytes("(" * 5000),
        b"\x93NUMPY\x09\x00",
        b"",
    ],
    ids=["gigantic", "negative", "short", "no width", "void", "no shape", "code", "nested", "version", "empty"],
)
def test_headers_are_held_against_the_file(tmp_path: Path, content: bytes) -> None:
    arrays = arrays_of(tmp_path, mesh=False)
    del arrays["rest_translations"]
    np.savez(tmp_path / "made.npz", **arrays)
    with zipfile.ZipFile(tmp_path / "made.npz", "a") as archive:
        archive.writestr("rest_translations.npy", content)
    with pytest.raises(ReadError, match="rest_translations"):
        read_asset(tmp_path / "made.npz")


def test_zip_bombs_are_refused_before_unpacking(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(600):
            archive.writestr(f"a{number}.npy", bytes(1 << 20))
    with pytest.raises(ReadError, match="claim to unpack to 629145600"):
        read_asset(tmp_path / "bomb.npz")


def test_cut_off_and_flipped_files(tmp_path: Path) -> None:
    path = tmp_path / "asset.npz"
    write_asset(path, make_asset(joints=3, frames=2))
    whole = path.read_bytes()
    rng, refused = np.random.default_rng(0), 0
    for trial in range(300):
        raw = bytearray(whole[: rng.integers(1, len(whole))] if trial % 3 == 0 else whole)
        for place in rng.integers(0, len(raw), rng.integers(1, 9)):
            raw[place : place + rng.integers(0, 6)] = rng.bytes(rng.integers(0, 6))  # lengths change: offsets lie
        path.write_bytes(raw)
        try:
            read_asset(path)
        except MocapError as error:
            assert "damaged, or not an NPZ" not in str(error), "an exception nobody foresaw"
            refused += 1
    assert refused >= 100  # what is cut off at least


def test_other_zip_and_other_bytes(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("readme.txt", "hello")
    for content, kind in (
        (buffer.getvalue(), "format_version"),
        (b"\x93NUMPY", "not an NPZ"),
        (b"PK\3\4", "not an NPZ"),
    ):
        (tmp_path / "other.npz").write_bytes(content)
        with pytest.raises(ReadError, match=kind):
            read_asset(tmp_path / "other.npz")


def test_newer_version_is_unsupported_rather_than_damaged(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError):
        read_arrays(tmp_path, arrays_of(tmp_path, mesh=False) | {"format_version": np.array(2)})
