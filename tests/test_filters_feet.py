"""Feet that stand, the ground they stand on, the way they go."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from filters_helpers import HORIZONTAL, noisy, places, walker
from mocapcli.filters.contact import lock_contacts
from mocapcli.filters.feet import find_feet, find_stands, rig_height
from mocapcli.filters.ground import ground, lowest_height
from mocapcli.filters.loop import make_loop
from mocapcli.filters.smooth import smooth
from mocapcli.filters.travel import carrier, in_place, travellers
from mocapcli.kinematics import crop, joint_positions
from mocapcli.types import Asset, Mesh, Motion, Rig, Skeleton
from mocapcli.zoo import make_creature

# ---------------------------------------------------------------- contact


def standing_speeds(asset: Asset, guide: Motion, motion: Motion) -> np.ndarray:
    """Mean speed of every foot while `guide` has it stand, metres per frame."""
    skeleton = asset.rig.skeleton
    track, moved = places(guide, asset), places(motion, asset)
    speeds = []
    for foot in find_feet(skeleton, track, 0.12):
        stands = find_stands(foot.point(track), guide.fps, 0.06, 0.25, rig_height(skeleton))
        steps = [np.linalg.norm(np.diff(foot.point(moved)[s.first : s.last + 1], axis=0), axis=-1) for s in stands]
        if steps:
            speeds.append(np.concatenate(steps).mean())
    return np.array(speeds)


def limbs(asset: Asset, guide: Motion) -> set[int]:
    """Joints of the feet's limbs and what hangs on them."""
    skeleton = asset.rig.skeleton
    found = {joint for foot in find_feet(skeleton, places(guide, asset), 0.12) for joint in foot.chain}
    for joint, parent in enumerate(skeleton.parents):
        if parent in found:
            found.add(joint)
    return found


@pytest.mark.parametrize(("kind", "feet"), [("biped", 2), ("quadruped", 4), ("spider", 8), ("theropod", 2)])
def test_standing_feet_stand(kind, feet):
    asset = walker(kind)
    rough = smooth(noisy(asset.motions[0], 1.0, 0.003))
    locked = lock_contacts(rough, asset.rig)
    before, after = standing_speeds(asset, rough, rough), standing_speeds(asset, rough, locked)
    assert len(before) == feet
    assert (before / np.maximum(after, 1e-12) > 10).all()
    others = [joint for joint in range(asset.rig.skeleton.joints) if joint not in limbs(asset, rough)]
    away = np.linalg.norm(places(locked, asset) - places(rough, asset), axis=-1) / rig_height(asset.rig.skeleton)
    assert others
    assert away[:, others].max() < 1e-9
    assert away.max() < 0.25
    np.testing.assert_array_equal(locked.translations, rough.translations)


def test_a_control_below_the_floor_does_not_lower_it():
    asset = walker()
    skeleton = asset.rig.skeleton
    track, count = places(asset.motions[0], asset), skeleton.joints
    turns = np.concatenate([skeleton.rest_rotations, [[0.0, 0, 0, 1]]])
    parents, rest = np.append(skeleton.parents, 0), np.concatenate([skeleton.rest_translations, [[0.0, -0.9, 0.0]]])
    more = Skeleton((*skeleton.names, "control"), parents, rest, turns)
    below = np.concatenate([track, np.full((len(track), 1, 3), [0.0, -0.9, 0.0])], axis=1)
    deforms = np.append(np.ones(count, bool), False)
    deforms[0] = False
    found = [foot.chain for foot in find_feet(more, below, 0.12, deforms)]
    assert len(found) == 4 and found == [foot.chain for foot in find_feet(skeleton, track, 0.12, deforms[:-1])]


@pytest.mark.parametrize("kind", ["biped", "quadruped", "insect"])
def test_a_clean_walk_keeps_its_shape_under_contact(kind):
    asset = walker(kind)
    away = places(lock_contacts(asset.motions[0], asset.rig), asset) - places(asset.motions[0], asset)
    assert np.linalg.norm(away, axis=-1).mean() / rig_height(asset.rig.skeleton) < 0.003


def test_contact_eases_in_and_out():
    asset = walker()
    rough = smooth(noisy(asset.motions[0], 1.0, 0.003))
    steps = [
        np.linalg.norm(np.diff(places(motion, asset), 2, axis=0), axis=-1).max()
        for motion in (rough, None or lock_contacts(rough, asset.rig))
    ]
    assert steps[1] < 2.5 * steps[0]


def test_feet_of_a_treadmill_walk_are_left_alone():
    asset = walker("biped")
    spot = in_place(asset.motions[0], asset.rig)
    away = places(lock_contacts(spot, asset.rig), asset) - places(spot, asset)
    assert np.linalg.norm(away, axis=-1).mean() / rig_height(asset.rig.skeleton) < 0.01


@pytest.mark.parametrize("kind", ["fish", "bird"])
def test_who_does_not_walk_is_left_alone(kind):
    asset = make_creature(1, kind)
    clip = next(motion for motion in asset.motions if motion.name in ("swim", "fly"))
    assert lock_contacts(clip, asset.rig) is clip


def test_stands_bridge_gaps_and_ignore_blinks():
    place = np.zeros((60, 3))
    place[20:30, 1] = np.sin(np.pi * np.arange(10) / 10)
    place[20:30, 0] = np.arange(10) * 0.2
    place[30:, 0] = 1.8
    stands = find_stands(place, 30.0, 0.06, 0.25, 1.0)
    assert len(stands) == 2
    assert (stands[0].first, stands[1].last) == (0, 59)
    assert 15 < stands[0].last < 25 < stands[1].first < 35
    assert find_stands(place[:2], 30.0, 0.06, 0.25, 1.0) == []


# ---------------------------------------------------------------- in-place and ground


def test_in_place_takes_the_way_and_nothing_else():
    asset = walker()
    walk = asset.motions[0]
    spot = in_place(walk, asset.rig)
    body = carrier(asset.rig.skeleton, asset.motions[0])
    before, after = places(walk, asset), places(spot, asset)
    assert np.ptp(before[:, body, [0, 2]], axis=0).max() > 0.5
    assert np.ptp(after[:, body, [0, 2]], axis=0).max() < 1e-9
    np.testing.assert_allclose(after[..., 1], before[..., 1], atol=1e-12)
    np.testing.assert_allclose(after - after[:, body : body + 1], before - before[:, body : body + 1], atol=1e-9)
    np.testing.assert_array_equal(spot.rotations, walk.rotations)
    swaying = places(in_place(walk, asset.rig, sway=True), asset)[:, body, [0, 2]]
    assert 0 < np.ptp(swaying, axis=0).max() < 0.2


def test_in_place_when_hips_travel_under_a_turned_static_root():
    asset = walker("biped")
    skeleton, walk = asset.rig.skeleton, asset.motions[0]
    turn = Rotation.from_euler("xyz", [0.3, 1.0, -0.2])
    rest = Rotation.from_quat(skeleton.rest_rotations[0])
    roots = (turn.inv() * Rotation.from_quat(walk.rotations[:, 0])).as_quat()
    under = Skeleton(
        ("root", *skeleton.names),
        np.r_[-1, skeleton.parents + 1],
        np.r_[np.zeros((1, 3)), skeleton.rest_translations],
        np.r_[turn.as_quat()[None], (turn.inv() * rest).as_quat()[None], skeleton.rest_rotations[1:]],
    )
    rotations = np.concatenate([np.tile(turn.as_quat(), (walk.frames, 1, 1)), roots[:, None], walk.rotations[:, 1:]], 1)
    translations = np.concatenate([np.zeros((walk.frames, 1, 3)), walk.translations], axis=1)
    translations[:, 1] = turn.inv().apply(np.array(walk.translations[:, 0]))
    motion = Motion("walk", walk.fps, rotations, translations)
    assert travellers(under, motion) == [1]
    spot = joint_positions(under, in_place(motion, Rig(under)))[:, 1:]
    np.testing.assert_allclose(spot, places(in_place(walk, asset.rig), asset), atol=1e-9)
    loop = make_loop(crop(motion, 0.1, 1.7), Rig(under))
    ends = joint_positions(under, loop)[[0, -1], 1:]
    way = ends[1, 0] - ends[0, 0]
    assert np.linalg.norm(way) > 0.1
    np.testing.assert_allclose(ends[1], ends[0] + way * HORIZONTAL, atol=1e-9)


def test_ground_puts_the_lowest_point_at_zero():
    asset = walker()
    high = replace(
        asset.motions[0],
        translations=asset.motions[0].translations + [0, 0.7, 0] * (np.arange(asset.rig.skeleton.joints) == 0)[:, None],
    )
    down = ground(high, asset.rig)
    assert lowest_height(down, asset.rig) == pytest.approx(0, abs=1e-5)
    assert lowest_height(ground(high, asset.rig, by="joints"), asset.rig, of_mesh=False) == pytest.approx(0, abs=1e-12)
    bare = Rig(asset.rig.skeleton)
    assert lowest_height(ground(high, bare), bare) == pytest.approx(0, abs=1e-12)
    moved = places(down, asset) - places(high, asset)
    np.testing.assert_allclose(moved, np.broadcast_to(moved[0, 0], moved.shape), atol=1e-9)


def test_a_floor_that_comes_with_the_rig_is_no_part_of_the_body() -> None:
    """What follows no joint, and what no face uses, is not what stands on the ground."""
    asset = walker()
    mesh, plain = asset.rig.mesh, lowest_height(asset.motions[0], asset.rig)
    assert mesh is not None
    floor = np.array([[-1, -3, -1], [1, -3, -1], [0, -3, 1], [0, -9, 0]], float)
    count, corners = len(mesh.vertices), mesh.skin_indices.shape[1]
    indices = np.vstack([mesh.skin_indices, np.full((4, corners), len(mesh.bind_joints))])
    weights = np.vstack([mesh.skin_weights, np.eye(1, corners).repeat(4, 0)])
    weights[-1], indices[-1] = mesh.skin_weights[0], mesh.skin_indices[0]
    more = Mesh(
        np.vstack([mesh.vertices, floor]),
        np.vstack([mesh.faces, [[count, count + 1, count + 2]]]),
        indices,
        weights,
        np.append(mesh.bind_joints, -1),
        np.concatenate([mesh.inverse_binds, np.eye(4)[None]]),
    )
    assert lowest_height(asset.motions[0], replace(asset.rig, mesh=more)) == pytest.approx(plain, abs=1e-5)
