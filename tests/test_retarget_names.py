"""Motion from rig to rig: which joints belong together, and what arrives."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from factories import make_motion, make_skeleton, random_quaternions
from mocapcli.errors import InvalidDataError
from mocapcli.kinematics import joint_positions, motion_from_world, motion_world, rest_world, skeleton_from_world
from mocapcli.retarget_names import match_joints, transfer
from mocapcli.types import Motion, Skeleton
from strategies import motions, skeletons


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        (["a", "b"], ["b", "a"], [1, 0]),
        (["mixamorig:LeftArm"], ["LeftArm"], [0]),
        (["mixamorig1:LeftArm"], ["mixamorigLeftArm"], [0]),
        (["Armature|Hips"], ["HIPS"], [0]),
        (["left_arm"], ["Left Arm"], [0]),
        (["Bone.001", "Bone001"], ["bone.001"], [0]),  # the closer one
        (["Bone.001", "Bone_001"], ["bone 001"], [-1]),  # either could be meant
        (["x:Hips", "y:Hips"], ["Hips"], [-1]),
        (["Hips", "x:Hips"], ["Hips", "y:Hips"], [0, 1]),
        (["Hips"], ["Hips", "x:Hips"], [0, -1]),  # one source drives one joint
        (["Größe"], ["GRÖSSE"], [0]),
        (["腕"], ["腕"], [0]),
        (["-"], ["_"], [-1]),  # nothing is left of either
        (["mixamorig"], ["mixamorig1"], [-1]),
    ],
)
def test_names_that_belong_together(source, target, expected):
    assert match_joints(source, target).sources.tolist() == expected


def test_exact_matches_are_counted():
    match = match_joints(["a", "B", "c"], ["a", "b", "x"])
    assert (match.matched, match.exact) == (2, 1)


@given(st.data())
def test_on_the_same_rig_nothing_changes(data):
    skeleton = data.draw(skeletons())
    motion = data.draw(motions(skeleton))
    same = transfer(skeleton, motion, skeleton, match_joints(skeleton.names, skeleton.names))
    # Scale on an ancestor moves what hangs below; the joints' own values are what must arrive.
    assert np.allclose(abs(np.sum(same.rotations * motion.rotations, axis=-1)), 1)
    if motion.scales is None:
        assert np.allclose(
            joint_positions(skeleton, same), joint_positions(skeleton, motion), atol=1e-7 * size(skeleton)
        )
    else:
        assert np.allclose(same.scales, motion.scales)


def size(skeleton: Skeleton) -> float:
    return float(abs(skeleton.rest_translations).max()) * skeleton.joints


def with_other_axes(skeleton: Skeleton, seed: int) -> Skeleton:
    """The same joints at the same places, every local frame turned at random."""
    world = rest_world(skeleton)
    turns = Rotation.from_quat(random_quaternions(np.random.default_rng(seed), skeleton.joints)).as_matrix()
    world[:, :3, :3] = world[:, :3, :3] @ turns
    return skeleton_from_world(skeleton.names, skeleton.parents, world)[0]


@given(st.data(), st.integers(0, 99))
def test_local_axes_do_not_matter(data, seed):
    source = data.draw(skeletons())
    motion = data.draw(motions(source, scaled=False))
    target = with_other_axes(source, seed)
    moved = transfer(source, motion, target, match_joints(source.names, target.names))
    assert np.allclose(joint_positions(target, moved), joint_positions(source, motion), atol=1e-7 * size(source))


def test_a_bigger_rig_takes_bigger_steps():
    source = make_skeleton(6)
    motion = make_motion(source, translated=True)
    target = dataclasses.replace(source, rest_translations=source.rest_translations * 100)
    moved = transfer(source, motion, target, match_joints(source.names, target.names))
    assert np.allclose(joint_positions(target, moved), joint_positions(source, motion) * 100)


def test_an_extra_root_above_stays_and_the_motion_arrives():
    """The usual case: a BVH starts at the hips, the model at an armature that is turned."""
    source = make_skeleton(4)
    motion = make_motion(source)
    armature = Rotation.from_euler("x", -90, degrees=True)
    world = np.concatenate([np.eye(4)[None], rest_world(source)])
    world[0, :3, :3] = armature.as_matrix()
    target, _ = skeleton_from_world(("Armature", *source.names), np.array([-1, *(source.parents + 1)]), world)
    moved = transfer(source, motion, target, match_joints(source.names, target.names))
    assert np.allclose(moved.rotations[:, 0], target.rest_rotations[0])
    assert np.allclose(joint_positions(target, moved)[:, 1:], joint_positions(source, motion))


def test_a_bvh_that_rests_at_the_origin_and_walks_at_hip_height():
    target = make_skeleton(4)
    motion = make_motion(target)
    offsets = np.array(target.rest_translations)
    offsets[0] = 0
    source = dataclasses.replace(target, rest_translations=offsets)
    far = dataclasses.replace(motion, translations=motion.translations + np.where(np.arange(4)[:, None] == 0, 2.0, 0.0))
    moved = transfer(source, far, target, match_joints(source.names, target.names))
    assert np.allclose(joint_positions(target, moved), joint_positions(source, far))


def test_a_motion_about_the_origin_is_a_way_from_rest():
    """The root wanders around zero: the target keeps its own height."""
    target = make_skeleton(4)
    motion = make_motion(target)
    offsets, moves = np.array(target.rest_translations), np.array(motion.translations)
    offsets[0], moves[:, 0] = 0, 0.001
    source = dataclasses.replace(target, rest_translations=offsets)
    near = dataclasses.replace(motion, translations=moves)
    moved = transfer(source, near, target, match_joints(source.names, target.names))
    assert np.allclose(moved.translations[:, 0], target.rest_translations[0] + 0.001)


def test_an_extra_joint_between_keeps_its_rest_and_carries_on():
    source = Skeleton(
        ("a", "c"), np.array([-1, 0]), np.array([[0, 0, 0], [0, 2.0, 0]]), np.tile([0.0, 0, 0, 1], (2, 1))
    )
    target = Skeleton(
        ("a", "b", "c"),
        np.array([-1, 0, 1]),
        np.array([[0, 0, 0], [0, 1.0, 0], [0, 1.0, 0]]),
        np.tile([0.0, 0, 0, 1], (3, 1)),
    )
    motion = make_motion(source)
    moved = transfer(source, motion, target, match_joints(source.names, target.names))
    ours, theirs = motion_world(target, moved), motion_world(source, motion)
    assert np.allclose(ours[:, [0, 2], :3, :3], theirs[..., :3, :3])
    assert np.allclose(ours[:, 2, :3, 3], theirs[:, 1, :3, 3])
    assert np.allclose(moved.rotations[:, 1], target.rest_rotations[1])


def test_even_scale_survives_other_axes():
    source = make_skeleton(3)
    still = make_motion(source)
    motion = dataclasses.replace(still, scales=np.full((still.frames, 3, 3), 1.5))
    target = with_other_axes(source, 4)
    moved = transfer(source, motion, target, match_joints(source.names, target.names))
    assert np.allclose(moved.scales, 1.5)


def test_a_single_joint_in_common():
    source, target = make_skeleton(3, names=("a", "b", "c")), make_skeleton(3, seed=5, names=("x", "b", "z"))
    moved = transfer(source, make_motion(source), target, match_joints(source.names, target.names))
    assert np.isfinite(joint_positions(target, moved)).all()


def test_nothing_in_common():
    source, target = make_skeleton(1, names=("a",)), make_skeleton(1, names=("b",))
    with pytest.raises(InvalidDataError, match="no joint names in common: 'a' here, 'b' in the rig"):
        transfer(source, make_motion(source), target, match_joints(source.names, target.names))


def test_turning_the_whole_source_turns_the_target():
    """A world turn of the source's root is a world turn of the target, whatever its axes are."""
    source = make_skeleton(4)
    target = with_other_axes(source, 1)
    turn = Rotation.from_euler("y", 90, degrees=True).as_matrix()
    world = np.tile(rest_world(source), (1, 1, 1, 1))
    world[:, :, :3, :] = turn @ world[:, :, :3, :]
    motion: Motion = motion_from_world("turn", 30.0, source, world)
    moved = transfer(source, motion, target, match_joints(source.names, target.names))
    assert np.allclose(joint_positions(target, moved)[0], rest_world(source)[:, :3, 3] @ turn.T)
