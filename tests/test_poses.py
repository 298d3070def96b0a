"""Invented poses: where they start, which limbs hang, what counts as a limb."""

from dataclasses import replace

import numpy as np
import pytest

from mocapcli.kinematics import rest_world
from mocapcli.training.poses import PoseSampler, find_chains, first_frame, pose_world, turns_from_rest
from mocapcli.types import Motion, Skeleton

UP, OUT = [0.0, 0.4, 0.0], 0.3
FINGERS = 3


@pytest.fixture
def person() -> Skeleton:
    """Hips, spine and head; two level arms with fingers; two legs."""
    names, parents, places = ["hips", "spine", "head"], [-1, 0, 1], [[0, 1, 0], UP, UP]
    for side in (1, -1):
        for name in ("shoulder", "upper", "lower", "hand"):
            parents.append(1 if name == "shoulder" else len(names) - 1)
            names.append(f"{name}{side}")
            far = {"shoulder": 0.05, "upper": 0.12}.get(name, OUT)
            places.append([side * far, 0.35 if name == "shoulder" else 0.0, 0.0])
        hand = len(names) - 1
        for finger in range(FINGERS):
            names.append(f"finger{side}{finger}")
            parents.append(hand)
            places.append([side * 0.08, 0.0, 0.03 * (finger - 1)])
        for name in ("thigh", "shin", "foot"):
            parents.append(0 if name == "thigh" else len(names) - 1)
            names.append(f"{name}{side}")
            places.append([side * 0.1, 0.0, 0.0] if name == "thigh" else [0.0, -0.45, 0.0])
    turns = np.tile([0.0, 0.0, 0.0, 1.0], (len(names), 1))
    return Skeleton(tuple(names), np.array(parents), np.array(places, dtype=float), turns)


def heights(skeleton: Skeleton, sampler: PoseSampler, name: str, count: int = 400) -> np.ndarray:
    """Of a joint against its shoulder, over as many poses."""
    random, joint = np.random.default_rng(4), skeleton.names.index(name)
    above = skeleton.names.index("shoulder1")
    worlds = [pose_world(skeleton, sampler.sample(1, 30.0, random), skeleton.rest_translations) for _ in range(count)]
    return np.array([world[0, joint, 1, 3] - world[0, above, 1, 3] for world in worlds])


def test_an_arm_with_fingers_is_a_limb_and_a_spine_with_arms_is_trunk(person: Skeleton):
    trunk = {person.names[chain.joints[-1]]: chain.trunk for chain in find_chains(person, rest_world(person))}
    assert not trunk["hand1"] and not trunk["hand-1"] and not trunk["foot1"] and not trunk["head"]
    assert trunk["hips"] and trunk["spine"]


def test_level_arms_hang_in_many_poses_and_legs_stay_legs(person: Skeleton):
    arm, leg = (heights(person, PoseSampler.of(person), name) for name in ("hand1", "foot1"))
    assert 0.2 < (arm < -0.4).mean() < 0.9  # a T pose's hand is as high as its shoulder
    assert np.median(leg) < -1.0


def test_both_arms_hang_alike(person: Skeleton):
    turns = PoseSampler.of(person)._hanging(np.random.default_rng(2))
    moved = np.flatnonzero(np.abs(turns).sum(axis=1))
    assert {person.names[joint] for joint in moved} == {"upper1", "upper-1"}
    assert np.allclose(turns[moved[0]], -turns[moved[1]])


def test_joints_in_one_place_hang_nowhere(person: Skeleton):
    heap = replace(person, rest_translations=np.zeros_like(person.rest_translations))
    random = np.random.default_rng(0)
    poses = [PoseSampler.of(heap).sample(2, 30.0, random) for _ in range(8)]
    assert np.isfinite(poses).all() and not PoseSampler.of(heap)._hanging(random).any()


def test_the_reference_is_a_start_where_clips_are_not_known(person: Skeleton):
    bent = np.tile(person.rest_rotations, (2, 1, 1))
    joint = person.names.index("spine")
    bent[0, joint] = [np.sin(0.5), 0.0, 0.0, np.cos(0.5)]
    motion = Motion("bow", 30.0, bent, np.tile(person.rest_translations, (2, 1, 1)))
    known = PoseSampler.of(person, (), motion)
    assert not known.clips and np.allclose(known.known, turns_from_rest(person, known.rest, first_frame(motion))[0])
    random, still = np.random.default_rng(1), replace(known, chains=(), bones=np.zeros_like(known.bones))
    poses = [still.sample(1, 30.0, random)[0, joint] for _ in range(40)]
    shares = np.mean([np.allclose(pose, known.known[joint], atol=1e-9) for pose in poses])
    assert 0.3 < shares < 0.9  # in others the spine is at rest


def test_now_and_then_a_body_lies(person: Skeleton):
    sampler, random = PoseSampler.of(person), np.random.default_rng(5)
    upright = [sampler.sample(1, 30.0, random)[0, 0, 1, 1] for _ in range(200)]
    assert 0.02 < np.mean(np.array(upright) < 0.5) < 0.3


def test_no_joint_leaps(person: Skeleton) -> None:
    """Twins that move in turns do so half an oscillation apart, not by a leap in the middle."""
    sampler, random = PoseSampler.of(person), np.random.default_rng(3)
    for _ in range(60):
        steps = np.linalg.norm(np.diff(sampler.sample(40, 1000.0, random), axis=0), axis=(-1, -2))
        assert steps.max() < 0.2
