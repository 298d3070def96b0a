"""Every mistake in the data is caught at the door, by name."""

import dataclasses

import jaxtyping
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factories import make_asset, make_mesh, make_motion, make_skeleton
from mocapcli.errors import InvalidDataError
from mocapcli.types import Asset, Material, Mesh, Motion, Rig, Skeleton, sanitise_weights, unique_names


@pytest.fixture(autouse=True)
def unchecked():
    """Without the annotations' checks of the test run: a user's program has only our own."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


IDENTITY = np.array([0.0, 0, 0, 1])


def skeleton_with(**changes) -> Skeleton:
    return dataclasses.replace(make_skeleton(3), **changes)


def mesh_with(**changes) -> Mesh:
    return dataclasses.replace(make_mesh(make_skeleton(3)), **changes)


def motion_with(**changes) -> Motion:
    return dataclasses.replace(make_motion(make_skeleton(3)), **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"names": ()}, "at least one joint"),
        ({"names": ("a", "b", "a")}, "two joints are named 'a'"),
        ({"names": ("a", "", "c")}, "every joint needs a name"),
        ({"parents": np.array([0, 0, 1])}, "must be a root"),
        ({"parents": np.array([-1, 2, 0])}, "'joint1': its parent 2 does not come before it"),
        ({"parents": np.array([-1, 1, 0])}, "'joint1': its parent 1 does not come before it"),
        ({"parents": np.array([-1, -2, 0])}, "'joint1': its parent -2"),
        ({"parents": np.array([-1, 0])}, r"parents: expected shape \[3\], got \[2\]"),
        ({"parents": np.array([-1, 0.5, 1])}, "not whole"),
        ({"parents": np.array([-1, 2**70, 1], dtype=object)}, "not an array of numbers"),
        ({"rest_translations": np.zeros((3, 2))}, r"rest_translations: expected shape \[3, 3\]"),
        ({"rest_translations": np.full((3, 3), np.nan)}, "rest_translations: contains NaN"),
        ({"rest_translations": [["x"] * 3] * 3}, "rest_translations: not an array of numbers"),
        ({"rest_translations": [[1.0], [1.0, 2.0], [3.0]]}, "rest_translations: not an array of numbers"),
        ({"rest_rotations": np.zeros((3, 4))}, "length is zero"),
        ({"rest_rotations": np.full((3, 4), 1e200)}, "beyond all numbers"),
        ({"rest_rotations": np.full((3, 4), np.inf)}, "rest_rotations: contains NaN or infinite"),
    ],
)
def test_skeleton_refuses(changes, message):
    with pytest.raises(InvalidDataError, match=message):
        skeleton_with(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"faces": np.full((24, 3), 99)}, r"faces: values must lie in 0 … 17"),
        ({"faces": np.full((24, 3), -1)}, "faces: values must lie in"),
        ({"faces": np.full((24, 3), 2**32 + 1)}, "faces: .*too large"),
        ({"faces": np.full((24, 3), 2**32 - 1, dtype=np.uint32)}, "faces: .*too large"),
        ({"skin_indices": np.full((18, 2), 3)}, "skin_indices: values must lie in 0 … 2"),
        ({"skin_weights": np.full((18, 2), 0.6)}, "sum to one"),
        ({"skin_weights": np.tile([1.5, -0.5], (18, 1))}, "non-negative"),
        ({"skin_weights": np.ones((18, 3)) / 3}, "skin_weights: expected shape"),
        ({"inverse_binds": np.zeros((3, 3, 4))}, "inverse_binds: expected shape"),
        ({"vertices": np.full((18, 3), 1e300)}, "vertices: contains NaN or infinite"),
        ({"uvs": np.zeros((18, 3))}, "uvs: expected shape"),
        ({"normals": np.zeros((17, 3))}, "normals: expected shape"),
        ({"colours": np.zeros((18, 3))}, "colours: expected shape"),
        ({"face_materials": np.full(24, 2)}, "face_materials: values must lie in -1 … 1"),
        ({"face_materials": np.zeros(23, int)}, "face_materials: expected shape"),
    ],
)
def test_mesh_refuses(changes, message):
    with pytest.raises(InvalidDataError, match=message):
        mesh_with(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fps": 0.0}, "fps must be positive, not 0"),
        ({"fps": -30.0}, "fps must be positive"),
        ({"fps": float("nan")}, "fps must be positive"),
        ({"fps": float("inf")}, "fps must be positive"),
        ({"rotations": np.zeros((0, 3, 4))}, r"must be \[frames, joints, 4\], not \(0, 3, 4\)"),
        ({"rotations": np.zeros((7, 4))}, r"must be \[frames, joints, 4\]"),
        ({"rotations": np.zeros((7, 3, 4))}, "motion 'clip': rotations: .*length is zero"),
        ({"translations": np.zeros((6, 3, 3))}, r"translations: expected shape \[7, 3, 3\], got \[6, 3, 3\]"),
        ({"translations": np.full((7, 3, 3), np.inf)}, "motion 'clip': translations: contains NaN"),
        ({"scales": np.ones((7, 2, 3))}, "scales: expected shape"),
        ({"scales": np.full((7, 3, 3), np.nan)}, "motion 'clip': scales: contains NaN"),
    ],
)
def test_motion_refuses(changes, message):
    with pytest.raises(InvalidDataError, match=message):
        motion_with(**changes)


def test_motion_must_fit_the_rig():
    with pytest.raises(InvalidDataError, match="'clip' drives 4 joints, the rig has 3"):
        Asset(Rig(make_skeleton(3)), (make_motion(make_skeleton(4)),))


def test_binds_must_name_joints():
    with pytest.raises(InvalidDataError, match="bind_joints: values must lie in -1 … 1"):
        Rig(make_skeleton(2), make_mesh(make_skeleton(3)))


@pytest.mark.parametrize("colour", [(1.0, 1.0, 1.0), (1.0, 1.0, 1.0, float("nan"))])
def test_material_colours_are_four_finite_numbers(colour):
    with pytest.raises(InvalidDataError, match="four finite numbers"):
        Material("paint", colour)


def test_unknown_joint_name():
    with pytest.raises(InvalidDataError, match="no joint named 'tail'"):
        make_skeleton().index("tail")
    assert make_skeleton().index("joint2") == 2


def test_arrays_cannot_be_written_to():
    skeleton = make_skeleton()
    with pytest.raises(ValueError, match="read-only"):
        skeleton.rest_translations[0] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        skeleton.names = ()  # type: ignore[misc]


def test_the_arrays_handed_in_stay_writable():
    translations = np.zeros((3, 3))
    skeleton_with(rest_translations=translations)
    translations[0] = 1


def test_unit_quaternions_stay_as_they_are_and_others_are_normalised():
    skeleton = make_skeleton(3)
    assert np.array_equal(skeleton_with().rest_rotations, skeleton.rest_rotations)
    doubled = skeleton_with(rest_rotations=skeleton.rest_rotations * 2)
    assert np.allclose(doubled.rest_rotations, skeleton.rest_rotations, atol=1e-15)


def test_children_and_roots():
    skeleton = Skeleton(("a", "b", "c", "d"), np.array([-1, 0, -1, 0]), np.zeros((4, 3)), np.tile(IDENTITY, (4, 1)))
    assert skeleton.roots == [0, 2]
    assert skeleton.children == [[1, 3], [], [], []]


def test_deforming_joints_are_those_with_weight():
    skeleton = make_skeleton(3)
    mesh = make_mesh(skeleton, influences=1)
    only = dataclasses.replace(mesh, skin_indices=np.full_like(mesh.skin_indices, 1))
    assert Rig(skeleton, only).deforms.tolist() == [False, True, False]
    assert Rig(skeleton).deforms.all()
    nailed = dataclasses.replace(only, bind_joints=np.full(3, -1))
    assert not Rig(skeleton, nailed).deforms.any()


def test_a_mesh_may_be_empty():
    empty = Mesh(
        np.zeros((0, 3)),
        np.zeros((0, 3), int),
        np.zeros((0, 4), int),
        np.zeros((0, 4)),
        np.zeros(0, int),
        np.zeros((0, 4, 4)),
    )
    assert not Rig(make_skeleton(2), empty).deforms.any()


def test_duration_runs_from_first_to_last_frame():
    assert make_motion(make_skeleton(), frames=31, fps=30.0).duration == 1.0


def test_with_motions_keeps_the_rig():
    asset = make_asset(clips=2)
    assert asset.with_motions(asset.motions[:1]).rig is asset.rig


@given(st.lists(st.sampled_from(["", "a", "a.001", "b", "joint1", "A"]), max_size=9))
def test_unique_names(names):
    out = unique_names(names)
    assert len(set(out)) == len(out) == len(names)
    assert all(out)
    assert unique_names(out) == out
    for position, name in enumerate(names):
        if name and name not in names[:position]:
            assert out[position] == name  # the first of a name keeps it


def test_unique_names_of_very_many_twins_is_quick():
    assert unique_names(["bone"] * 100_000)[-1] == "bone.99999"


ODD_WEIGHTS = st.floats(allow_nan=True, allow_infinity=True, width=64)


@given(st.lists(st.lists(ODD_WEIGHTS, min_size=3, max_size=3), min_size=1, max_size=6), st.integers(0, 2**31))
def test_any_weights_can_be_sanitised(rows, seed):
    weights = np.array(rows)
    indices = np.random.default_rng(seed).integers(1, 9, weights.shape)
    clean_indices, clean = sanitise_weights(indices, weights)
    assert (clean >= 0).all()
    assert np.allclose(clean.sum(axis=1), 1, atol=1e-6)
    assert (clean_indices[clean > 0] == indices[clean > 0]).all()


def test_sanitised_weights_keep_their_proportions():
    _, clean = sanitise_weights(np.array([[1, 2, 3]]), np.array([[3.0, 1.0, np.nan]]))
    assert np.allclose(clean, [[0.75, 0.25, 0]])


def test_a_vertex_without_weights_follows_the_first_it_lists():
    indices, clean = sanitise_weights(np.array([[7, 2]]), np.array([[0.0, -1.0]]))
    assert (indices[0, 0], clean[0, 0]) == (7, 1.0)
