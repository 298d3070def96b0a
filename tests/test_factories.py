"""The factories make what they promise."""

import numpy as np
from hypothesis import given

from factories import OCTAHEDRON, make_asset, make_mesh, make_png, make_skeleton, skinned_vertices
from mocapcli.kinematics import rest_world
from mocapcli.types import Asset
from strategies import assets


def test_mesh_is_closed_and_at_rest_where_it_was_modelled():
    skeleton = make_skeleton(4)
    mesh = make_mesh(skeleton)
    edges = np.sort(mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()
    assert np.allclose(skinned_vertices(mesh, rest_world(skeleton)), mesh.vertices, atol=1e-6)


def test_mesh_faces_look_outwards():
    mesh = make_mesh(make_skeleton(1))
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    centre = mesh.vertices.mean(axis=0)
    assert (np.sum(np.cross(b - a, c - a) * ((a + b + c) / 3 - centre), axis=1) > 0).all()
    assert len(mesh.vertices) == len(OCTAHEDRON)


def test_png_has_its_signature():
    assert make_png().startswith(b"\x89PNG\r\n\x1a\n")


def test_asset_is_fresh_and_repeatable():
    one, two = make_asset(clips=2), make_asset(clips=2)
    assert one is not two
    assert [clip.name for clip in one.motions] == ["clip0", "clip1"]
    assert np.array_equal(one.motions[1].rotations, two.motions[1].rotations)


@given(assets())
def test_random_assets_are_valid(asset: Asset):
    assert all(clip.joints == asset.rig.skeleton.joints for clip in asset.motions)
