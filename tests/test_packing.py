"""Assets cross the border between processes unchanged."""

from dataclasses import replace

import numpy as np
from hypothesis import given

from factories import make_asset
from mocapcli.packing import pack_asset, unpack_asset
from mocapcli.types import Asset, LeftAside, left_aside
from strategies import assets


def assert_equal(left: Asset, right: Asset) -> None:
    assert left.rig.skeleton.names == right.rig.skeleton.names
    assert [(m.name, m.fps) for m in left.motions] == [(m.name, m.fps) for m in right.motions]
    first, second = pack_asset(left), pack_asset(right)
    assert first.keys() == second.keys()
    for name, array in first.items():
        np.testing.assert_array_equal(second[name], array)
        assert second[name].dtype == array.dtype != object


@given(asset=assets())
def test_everything_but_the_source_comes_back(asset):
    assert_equal(asset, unpack_asset(pack_asset(asset)))


def test_the_names_of_what_was_left_aside_come_back():
    asset = make_asset(3)
    asset = replace(asset, rig=replace(asset.rig, source=left_aside((2, "camera"), (0, "light"))))
    assert unpack_asset(pack_asset(asset)).rig.source == LeftAside(("2 cameras",))


def test_materials_and_textures_come_back(tmp_path):
    asset = make_asset()
    np.savez(tmp_path / "asset.npz", **pack_asset(asset))
    with np.load(tmp_path / "asset.npz", allow_pickle=False) as arrays:
        back = unpack_asset(dict(arrays))
    assert back.rig.mesh.materials == asset.rig.mesh.materials
    assert_equal(asset, back)
