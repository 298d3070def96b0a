"""Limbs of other bones, bodies of other proportions, rigs nobody would build."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from factories import make_asset, make_motion
from mocapcli.errors import InvalidDataError
from mocapcli.kinematics import joint_positions, rest_world
from mocapcli.retarget.api import propose, report_of, retarget
from mocapcli.retarget.body import read_body
from mocapcli.retarget.limbs import match_limbs
from mocapcli.retarget.transfer import _swings
from mocapcli.types import Asset, Motion, Rig, Skeleton
from retarget_helpers import IDENTITY, creature, moved, person, stick


def still(skeleton: Skeleton, frames: int = 5) -> Motion:
    return Motion(
        "still",
        30.0,
        np.tile(skeleton.rest_rotations, (frames, 1, 1)),
        np.tile(skeleton.rest_translations, (frames, 1, 1)),
    )


def direction(places: np.ndarray, one: int, other: int) -> np.ndarray:
    way = places[..., other, :] - places[..., one, :]
    return way / np.linalg.norm(way, axis=-1, keepdims=True)


# ---------------------------------------------------------------- limbs


def tailed(bones: int, name: str = "Tail{}") -> Skeleton:
    """Hips with a spine, two legs, and a tail of one metre in so many bones."""
    joints: list[tuple[str, int, tuple[float, float, float]]] = [
        ("Hips", -1, (0, 1, 0)),
        ("Spine", 0, (0, 1.1, 0.3)),
        ("Head", 1, (0, 1.2, 0.8)),
        ("Leg.L", 0, (0.2, 0.9, 0)),
        ("Foot.L", 3, (0.2, 0, 0)),
        ("Leg.R", 0, (-0.2, 0.9, 0)),
        ("Foot.R", 5, (-0.2, 0, 0)),
    ]
    for number in range(bones + 1):
        joints.append((name.format(number), 0 if number == 0 else 6 + number, (0, 1, -0.1 - number / bones)))
    return stick(joints)


@pytest.mark.parametrize("counts", [(3, 7), (7, 3), (4, 4)])
def test_a_tail_of_other_bones_bends_along_its_length(counts):
    source, target = (tailed(count, name) for count, name in zip(counts, ("Tail{}", "Schwanz_{}"), strict=True))
    motion = still(source)
    rotations = np.array(motion.rotations)
    for joint in range(8, 7 + counts[0] + 1):  # every bone but the first turns against the one before
        rotations[:, joint] = Rotation.from_euler("y", 60 / (counts[0] - 1), degrees=True).as_quat()
    source_asset = Asset(Rig(source), (replace(motion, rotations=rotations),))
    _, places = moved(source_asset, Asset(Rig(target)), names=False)
    tail = list(range(7, 7 + counts[1] + 1))
    ways = direction(places[0], np.array(tail[:-1]), np.array(tail[1:]))
    bends = np.degrees(np.arctan2(-ways[:, 0], -ways[:, 2]))
    assert (np.diff(bends) > -1e-9).all()
    assert bends[0] < 15
    assert bends[-1] == pytest.approx(60, abs=20)
    if counts[0] == counts[1]:
        np.testing.assert_allclose(bends, 60 / 3 * np.arange(4), atol=1e-6)
    lengths = np.linalg.norm(np.diff(places[0, tail], axis=0), axis=-1)
    np.testing.assert_allclose(lengths, 1 / counts[1], atol=1e-12)


@pytest.mark.parametrize("names", ["{}", "X{}"])
@pytest.mark.parametrize(("rest", "apart"), [("align", 0.0), ("keep", 45.0)])
def test_an_arm_that_hangs_hangs_whatever_the_rest_pose(rest, apart, names):
    source, target = person(0.0), person(np.pi / 4, names)
    motion = still(source)
    rotations = np.array(motion.rotations)
    for name, sign in (("LeftArm", -1), ("RightArm", 1)):
        rotations[:, source.index(name)] = Rotation.from_euler("z", 80 * sign, degrees=True).as_quat()
    asset = Asset(Rig(source), (replace(motion, rotations=rotations),))
    _, places = moved(asset, Asset(Rig(target)), rest=rest)
    theirs = joint_positions(source, asset.motions[0])
    for upper, lower in (("LeftArm", "LeftForeArm"), ("RightForeArm", "RightHand")):
        here = direction(places[0], target.index(names.format(upper)), target.index(names.format(lower)))
        there = direction(theirs[0], source.index(upper), source.index(lower))
        assert np.degrees(np.arccos(np.clip(here @ there, -1, 1))) == pytest.approx(apart, abs=1e-4)


def test_a_detached_foot_stays_on_its_leg():
    """Rigs made for inverse kinematics have feet that are roots of their own."""
    source = person()
    joined = person()
    feet = ("LeftFoot", "RightFoot")
    order = sorted(range(joined.joints), key=lambda j: joined.names[j].endswith(("Foot", "Toe")))
    world = rest_world(joined)[:, :3, 3]
    places = {j: n for n, j in enumerate(order)}
    rows = [(joined.names[j], places.get(int(joined.parents[j]), -1), tuple(world[j])) for j in order]
    target = stick(rows, detached=feet)
    motion = make_motion(source, 20, seed=3)
    _, result = moved(Asset(Rig(source), (motion,)), Asset(Rig(target)))
    for side in ("Left", "Right"):
        gaps = np.linalg.norm(result[:, target.index(side + "Foot")] - result[:, target.index(side + "Leg")], axis=-1)
        np.testing.assert_allclose(gaps, gaps[0], atol=1e-9)


def test_ways_scale_with_the_legs_and_feet_stay_on_the_ground():
    source, target = person(), person(names="X{}", scale=3.0)
    motion = still(source, 10)
    translations = np.array(motion.translations)
    translations[:, 0] += np.linspace(0, 1, 10)[:, None] * [0.0, 0.0, 2.0]
    asset = Asset(Rig(source), (replace(motion, translations=translations),))
    result, report = retarget(asset, Asset(Rig(target)))
    assert report.scale == pytest.approx(3.0)
    places = joint_positions(target, result.motions[0])
    np.testing.assert_allclose(places[-1, 0] - places[0, 0], [0, 0, 6.0], atol=1e-9)
    assert places[..., 1].min() == pytest.approx(0, abs=1e-9)


def test_feet_are_as_high_as_in_the_source_though_legs_bend_elsewhere():
    source = person()
    target = person(names="X{}")
    local = np.array(target.rest_translations)
    for side in ("Left", "Right"):  # the same legs with their knees further up
        local[target.index(f"X{side}Leg"), 1] += 0.25
        local[target.index(f"X{side}Foot"), 1] -= 0.25
    target = replace(target, rest_translations=local)
    motion = still(source)
    rotations = np.array(motion.rotations)
    for side in ("Left", "Right"):
        rotations[:, source.index(f"{side}UpLeg")] = Rotation.from_euler("x", -50, degrees=True).as_quat()
        rotations[:, source.index(f"{side}Leg")] = Rotation.from_euler("x", 70, degrees=True).as_quat()
    asset = Asset(Rig(source), (replace(motion, rotations=rotations),))
    _, places = moved(asset, Asset(Rig(target)))
    lowest = joint_positions(source, asset.motions[0])[..., 1].min()
    assert lowest > 0.1
    assert places[..., 1].min() == pytest.approx(lowest, abs=1e-9)


def test_a_file_that_rests_at_the_origin_walks_at_hip_height():
    source, target = person(), person(names="X{}")
    local = np.array(source.rest_translations)
    local[0] = 0
    origin = replace(source, rest_translations=local)
    places = moved(Asset(Rig(origin), (still(source),)), Asset(Rig(target)))[1]
    np.testing.assert_allclose(places[0], rest_world(target)[:, :3, 3], atol=1e-9)


# ---------------------------------------------------------------- odd rigs


@pytest.mark.parametrize("source_joints", [1, 2, 12])
@pytest.mark.parametrize("target_joints", [1, 2, 12])
@pytest.mark.parametrize("mesh", [False, True])
def test_any_rig_goes(source_joints, target_joints, mesh):
    source = make_asset(source_joints, frames=3, mesh=mesh, scaled=True, seed=4)
    target = make_asset(target_joints, clips=2, mesh=mesh, seed=5)
    result, report = retarget(source, target)
    assert len(result.motions) == 1
    assert result.motions[0].joints == target_joints
    assert report.told + report.by_name + report.by_topology >= 1
    assert any("scales are left out" in line for line in report.notes)


def test_several_roots_and_one_frame():
    first = person()
    names = (*first.names, "prop", "handle")
    target = Skeleton(
        names,
        np.r_[first.parents, -1, first.joints],
        np.r_[first.rest_translations, [[5.0, 0, 0], [0, 1, 0]]],
        np.r_[first.rest_rotations, np.tile(IDENTITY, (2, 1))],
    )
    motion, _ = moved(Asset(Rig(first), (still(first, 1),)), Asset(Rig(target)))
    np.testing.assert_allclose(motion.translations[0], target.rest_translations, atol=1e-9)
    assert report_of(propose(Rig(first), Rig(target))).at_rest == ("prop", "handle")


def test_a_very_long_chain_is_no_trouble():
    count = 3000
    chain = Skeleton(
        tuple(f"n{j}" for j in range(count)),
        np.arange(count) - 1,
        np.tile([0.0, 0.01, 0], (count, 1)),
        np.tile(IDENTITY, (count, 1)),
    )
    result, _ = retarget(Asset(Rig(person()), (still(person(), 1),)), Asset(Rig(chain)))
    assert result.motions[0].joints == count


def test_all_joints_in_one_place():
    flat = Skeleton(("a", "b", "c"), np.array([-1, 0, 0]), np.zeros((3, 3)), np.tile(IDENTITY, (3, 1)))
    _, places = moved(Asset(Rig(person()), (still(person()),)), Asset(Rig(flat)))
    assert np.isfinite(places).all()
    _, places = moved(Asset(Rig(flat), (still(flat),)), Asset(Rig(person(names="X{}"))))
    assert np.isfinite(places).all()


def test_without_clips():
    with pytest.raises(InvalidDataError, match="no clips"):
        retarget(Asset(Rig(person())), Asset(Rig(person())))


def test_limbs_of_a_quadruped():
    body = read_body(creature("quadruped").rig)
    legs = [limb for limb in body.limbs if limb.part == "leg"]
    assert sorted(limb.side for limb in legs) == [-1, -1, 1, 1]
    assert all(limb.grounded for limb in legs)
    assert len(match_limbs(body, body)) == len(body.limbs)


def test_an_arm_that_points_the_other_way_is_turned_right_over() -> None:
    ways = np.array([[0.0, 1, 0], [0, -1, 0], [1, 0, 0], [0.6, 0.8, 0], [0, 0, -1]])
    swung = _swings(ways, -ways)
    np.testing.assert_allclose((swung @ ways[..., None])[..., 0], -ways, atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(swung), 1)
