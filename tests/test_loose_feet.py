"""Feet that hang on the root: found by their flesh, and taken along by their legs wherever a pose is made of turns."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mocapcli.adapting.adapter import rig_digest
from mocapcli.adapting.imagined import imagined_clips
from mocapcli.capturing.inference import PoseTrack
from mocapcli.capturing.motion import to_motion
from mocapcli.capturing.turning import feet_along, stand
from mocapcli.data.appearance import other_body
from mocapcli.evaluation.cases import pose_from_rotations, subject_of
from mocapcli.formats import read_asset
from mocapcli.kinematics import (
    depth_levels,
    joint_positions,
    local_to_world,
    matrix_to_quat,
    motion_world,
    quat_to_matrix,
    rest_world,
)
from mocapcli.loose_feet import _without_circles, feet_on_legs, legs_of_feet, motion_on_legs
from mocapcli.network.imaginer import Imaginer, ImaginerConfig
from mocapcli.network.reference import reference_of_asset, reference_of_rig
from mocapcli.render.camera import Camera
from mocapcli.retarget.api import retarget
from mocapcli.solving.api import SolveOptions, solve_tracks
from mocapcli.tracks.data import Tracks
from mocapcli.training.samples import SceneRig
from mocapcli.types import Asset, Mesh, Motion, Rig, Skeleton

NAMES = ("foot1", "toe1", "root", "hips", "thigh1", "shin1", "thigh-1", "shin-1", "foot-1")
PLACES = {"root": (0, 0, 0), "hips": (0, 1, 0), "thigh": (0.1, 0.9, 0), "shin": (0.1, 0.5, 0.05)}
PLACES |= {"foot": (0.1, 0.1, 0), "toe": (0.1, 0.02, 0.1)}
FRONT_BACK = ("Front", "Back")
LOOSE = {"foot1": "root", "foot-1": None}  # one below the root and before its leg in the file, one a root of its own


def two_legged(hung: dict[str, str | None], meshed: bool = True, doubled: bool = False) -> Rig:
    """Hips on two legs; `hung`: whom feet are children of, where that is not the shin."""
    above = {"root": None, "hips": "root", "toe1": "foot1"}
    for side in ("1", "-1"):
        above |= {f"thigh{side}": "hips", f"shin{side}": f"thigh{side}", f"foot{side}": f"shin{side}"}
    above |= hung
    names = tuple(sorted(NAMES, key=lambda name: _depth(above, name)))
    parents = np.array([-1 if above[name] is None else names.index(above[name]) for name in names])
    world = np.array([_place(name) for name in names])
    translations = np.where(parents[:, None] < 0, world, world - world[parents])
    skeleton = Skeleton(names, parents, translations, np.tile([0.0, 0, 0, 1], (len(names), 1)))
    return Rig(skeleton, _body(skeleton, doubled) if meshed else None, "two-legged")


def _depth(above: dict[str, str | None], name: str) -> int:
    parent = above[name]
    return 0 if parent is None else 1 + _depth(above, parent)


def _place(name: str) -> np.ndarray:
    place = np.array(PLACES[name.rstrip("-1")], float)
    return place * ((-1, 1, 1) if "-" in name else (1, 1, 1))


def _body(skeleton: Skeleton, doubled: bool) -> Mesh:
    """A ring of four vertices about each joint, each ring sewn to those of the joint it grows from."""
    joints = [skeleton.names.index(name) for name in NAMES if name != "root"]
    square = 0.03 * np.array([(1, 0, 1), (-1, 0, 1), (-1, 0, -1), (1, 0, -1)])
    world = rest_world(skeleton)[:, :3, 3]
    vertices, owners, faces = [], [], []
    first = {}
    for joint in joints:
        first[skeleton.names[joint]] = len(vertices)
        vertices += list(world[joint] + square)
        owners += [joint] * 4
    grows = {"thigh1": "hips", "shin1": "thigh1", "foot1": "shin1", "toe1": "foot1"}
    grows |= {"thigh-1": "hips", "shin-1": "thigh-1", "foot-1": "shin-1"}
    for name, origin in grows.items():
        a, b = first[origin], first[name]
        if doubled and name.startswith("foot"):  # a seam: the shin's lowest ring is there twice, once as the foot's
            b = len(vertices)
            vertices += [vertices[a + k] for k in range(4)]
            owners += [skeleton.names.index(name)] * 4
            a = first[name]
        for k in range(4):
            n = (k + 1) % 4
            faces += [(a + k, a + n, b + k), (a + n, b + n, b + k)]
    inverse = np.linalg.inv(rest_world(skeleton))
    weights, count = np.ones((len(vertices), 1)), len(skeleton.names)
    return Mesh(np.array(vertices), np.array(faces), np.array(owners)[:, None], weights, np.arange(count), inverse)


def found(rig: Rig) -> dict[str, str]:
    legs, names = legs_of_feet(rig), rig.skeleton.names
    return {names[foot]: names[legs[foot]] for foot in np.flatnonzero(legs >= 0)}


def kicking(skeleton: Skeleton, frames: int = 5) -> Motion:
    """Both legs swing forward, the more the later; feet turn too."""
    turns = np.tile(skeleton.rest_rotations, (frames, 1, 1))
    for name, share in (("thigh1", 1.0), ("thigh-1", -0.6), ("shin1", 0.4), ("foot-1", 0.5)):
        half = 0.5 * share * np.linspace(0, 1.2, frames)
        turns[:, skeleton.names.index(name)] = np.stack([np.sin(half), 0 * half, 0 * half, np.cos(half)], axis=-1)
    return Motion("kick", 30.0, turns, np.tile(skeleton.rest_translations, (frames, 1, 1)))


def on_legs(world: np.ndarray, rig: Rig) -> np.ndarray:
    return feet_on_legs(world, rest_world(rig.skeleton), rig.skeleton.parents, legs_of_feet(rig))


def torn(world: np.ndarray, skeleton: Skeleton) -> float:
    """How far feet (and a toe) are from where their legs hold them, at the most."""
    rest, off = rest_world(skeleton), []
    for leg, foot in (("shin1", "foot1"), ("shin-1", "foot-1"), ("foot1", "toe1")):
        one, other = skeleton.names.index(leg), skeleton.names.index(foot)
        held = world[:, one] @ np.linalg.solve(rest[one], rest[other])[:, 3]
        off.append(np.linalg.norm(held[:, :3] - world[:, other, :3, 3], axis=-1).max())
    return float(max(off))


@pytest.mark.parametrize("doubled", [False, True])
def test_feet_are_known_by_their_flesh(doubled: bool) -> None:
    assert found(two_legged(LOOSE, doubled=doubled)) == {"foot1": "shin1", "foot-1": "shin-1"}
    assert found(two_legged({"foot1": "root"}, doubled=doubled)) == {"foot1": "shin1"}


def test_feet_that_hang_on_their_legs_are_left_alone() -> None:
    assert not found(two_legged({}))


def test_bones_without_flesh_tell_nothing() -> None:
    assert not found(two_legged(LOOSE, meshed=False))
    empty = two_legged(LOOSE)
    assert empty.mesh is not None
    assert not found(replace(empty, mesh=replace(empty.mesh, faces=np.zeros((0, 3), int))))


def test_what_is_one_with_two_limbs_is_nobodys_foot() -> None:
    """A belly between two legs."""
    rig = two_legged(LOOSE)
    assert rig.mesh is not None
    ring = {name: 4 * [one for one in NAMES if one != "root"].index(name) for name in ("foot1", "shin-1")}
    belly = [(ring["foot1"] + k, ring["foot1"] + (k + 1) % 4, ring["shin-1"] + k) for k in range(4)]
    sewn = replace(rig.mesh, faces=np.concatenate([rig.mesh.faces, belly]))
    assert "foot1" not in found(replace(rig, mesh=sewn))


def test_feet_go_with_their_legs_and_turn_as_they_did() -> None:
    rig = two_legged(LOOSE)
    motion = kicking(rig.skeleton)
    world = motion_world(rig.skeleton, motion)
    assert torn(world, rig.skeleton) > 0.2
    legs = legs_of_feet(rig)
    hung = on_legs(world, rig)
    assert torn(hung, rig.skeleton) < 1e-12
    np.testing.assert_array_equal(hung[..., :3, :3], world[..., :3, :3])
    clip = motion_on_legs(motion, rig.skeleton, legs)
    np.testing.assert_allclose(motion_world(rig.skeleton, clip), hung, atol=1e-12)
    np.testing.assert_array_equal(clip.rotations, motion.rotations)


def test_a_rig_of_whole_legs_is_not_touched() -> None:
    rig = two_legged({})
    motion, legs = kicking(rig.skeleton), legs_of_feet(rig)
    assert motion_on_legs(motion, rig.skeleton, legs) is motion
    world = motion_world(rig.skeleton, motion)
    assert on_legs(world, rig) is world


def test_invented_and_imagined_poses_tear_no_foot_off() -> None:
    asset = Asset(two_legged(LOOSE))
    scene, random = SceneRig.of(asset), np.random.default_rng(3)
    worlds = np.concatenate([scene.pose(random, 4) for _ in range(20)])
    skeleton = asset.rig.skeleton
    assert torn(worlds, skeleton) < 1e-6
    imaginer = Imaginer(ImaginerConfig(channels=16, heads=2, blocks=1, steps=2))
    clips = imagined_clips(imaginer, reference_of_asset(asset), skeleton, 0)
    moved = [torn(motion_world(skeleton, clip), skeleton) for clip in clips]
    swung = [np.ptp(joint_positions(skeleton, clip)[:, skeleton.names.index("foot1")], axis=0).max() for clip in clips]
    assert max(moved) < 1e-6 and max(swung) > 0.05


def test_captured_feet_travel_with_their_legs() -> None:
    rig = two_legged(LOOSE)
    skeleton, motion = rig.skeleton, kicking(rig.skeleton)
    truth = on_legs(motion_world(skeleton, motion), rig)
    reference = reference_of_rig(rig)
    points, turns = truth[..., :3, 3], matrix_to_quat(truth[..., :3, :3])
    weights = np.ones(points.shape[:2])
    placed = stand(reference, turns, points, weights)
    np.testing.assert_allclose(placed, points, atol=1e-9)
    frames, seen = len(points), np.ones(len(points), bool)
    pose = PoseTrack(points, turns, placed, points[..., :2], weights, np.zeros(frames), seen, 0.0, reference.size)
    camera = Camera(np.zeros(3), np.eye(3), 64, 64, 80.0, (32.0, 32.0))
    clip = to_motion(pose, reference, rig, camera, "kick", 30.0)
    assert torn(motion_world(skeleton, clip.motion), skeleton) < 1e-9


@pytest.mark.parametrize("hung", [LOOSE, {"foot1": "root", "foot-1": "root"}])
def test_feet_that_were_not_tracked_travel_with_legs_that_were(hung: dict[str, str | None]) -> None:
    """Nobody tracks controls: whoever walks off must not leave the feet behind."""
    rig = two_legged(hung)
    skeleton, motion = rig.skeleton, kicking(rig.skeleton)
    points = joint_positions(skeleton, motion) + np.linspace(0, 2, motion.frames)[:, None, None] * np.array([0, 0, 1])
    legs = [joint for joint, name in enumerate(skeleton.names) if name.startswith(("hips", "thigh", "shin"))]
    tracks = Tracks(tuple(skeleton.names[joint] for joint in legs), motion.fps, points[:, legs], up="y")
    options = SolveOptions(model="closed-form", keep_scale=True, scale=1.0)
    solution = solve_tracks(tracks, Asset(rig, (motion,)), options)
    world = motion_world(skeleton, solution.motion)
    assert torn(world, skeleton) < 1e-6
    shin, foot = (skeleton.names.index(name) for name in ("shin1", "foot1"))
    np.testing.assert_allclose(world[:, foot, :3, :3], world[:, shin, :3, :3], atol=1e-6)
    assert np.ptp(world[:, foot, 2, 3]) > 1.0 and "foot1" not in solution.report.at_rest


def test_feet_are_not_torn_off_by_a_root_that_is_held() -> None:
    """`--root none` keeps the body where it rests, not each of its roots."""
    rig = two_legged(LOOSE)
    skeleton, reference = rig.skeleton, reference_of_rig(rig)
    truth = on_legs(motion_world(skeleton, kicking(skeleton)), rig)
    points, turns = truth[..., :3, 3] + [0, 0, 1.0], matrix_to_quat(truth[..., :3, :3])
    frames, weights = len(points), np.ones(points.shape[:2])
    pose = PoseTrack(
        points, turns, points, points[..., :2], weights, np.zeros(frames), np.ones(frames, bool), 0.0, reference.size
    )
    camera = Camera(np.zeros(3), np.eye(3), 64, 64, 80.0, (32.0, 32.0))
    held = motion_world(skeleton, to_motion(pose, reference, rig, camera, "kick", 30.0, "none").motion)
    root = skeleton.names.index("root")
    assert torn(held, skeleton) < 1e-9 and np.abs(held[:, root, :3, 3] - PLACES["root"]).max() < 1e-9


def test_feet_follow_legs_that_were_turned_since() -> None:
    rig = two_legged(LOOSE)
    skeleton = rig.skeleton
    world = motion_world(skeleton, kicking(skeleton))
    placed = feet_along(reference_of_rig(rig), matrix_to_quat(world[..., :3, :3]), world[..., :3, 3])
    np.testing.assert_allclose(placed, on_legs(world, rig)[..., :3, 3], atol=1e-9)
    whole = two_legged({})
    kept = world[..., :3, 3]
    assert feet_along(reference_of_rig(whole), matrix_to_quat(world[..., :3, :3]), kept) is kept


def test_figures_hang_feet_on_legs_too() -> None:
    rig = two_legged(LOOSE)
    skeleton, motion = rig.skeleton, kicking(rig.skeleton)
    truth = on_legs(motion_world(skeleton, motion), rig)
    subject = subject_of(reference_of_rig(rig))
    pose = pose_from_rotations(subject, truth[..., :3, :3], truth[..., :3, 3])
    np.testing.assert_allclose(pose.positions, truth[..., :3, 3], atol=1e-9)
    np.testing.assert_array_equal(subject.parents, skeleton.parents)  # local rotations are the file's


def test_what_was_learnt_of_torn_feet_is_not_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    loose, whole = Asset(two_legged(LOOSE)), Asset(two_legged({}))
    digests = [rig_digest(asset, False) for asset in (loose, whole)]
    monkeypatch.setattr("mocapcli.adapting.adapter.legs_of_feet", lambda rig: np.full(rig.skeleton.joints, -1))
    assert rig_digest(loose, False) != digests[0] and rig_digest(whole, False) == digests[1]


def test_limbs_that_end_in_each_other_are_nobodys_feet() -> None:
    """An arch of two chains, rigged from both ends."""
    parents = np.array([-1, 0, 1, -1, 3, 4])
    at = np.array([(0, 0, 0), (0, 1, 0), (0.4, 1.4, 0), (1, 0, 0), (1, 1, 0), (0.6, 1.4, 0)], float)
    moved = np.where(parents[:, None] < 0, at, at - at[parents])
    skeleton = Skeleton(tuple("abcdef"), parents, moved, np.tile([0.0, 0, 0, 1], (6, 1)))
    rings, order = [], [0, 1, 2, 5, 4, 3]
    square = 0.03 * np.array([(1, 0, 1), (-1, 0, 1), (-1, 0, -1), (1, 0, -1)])
    vertices = np.concatenate([at[joint] + square for joint in order])
    for ring in range(5):
        for k in range(4):
            a, b, n = 4 * ring + k, 4 * ring + (k + 1) % 4, 4 * (ring + 1)
            rings += [(a, b, n + k), (b, n + (k + 1) % 4, n + k)]
    owners, inverse = np.repeat(order, 4)[:, None], np.linalg.inv(rest_world(skeleton))
    mesh = Mesh(vertices, np.array(rings), owners, np.ones((24, 1)), np.arange(6), inverse)
    assert (legs_of_feet(Rig(skeleton, mesh, "arch")) == -1).all()


def test_a_circle_of_feet_is_broken_and_others_stay() -> None:
    parents = np.array([-1, 0, 1, -1, 3, -1])
    legs = np.array([4, -1, -1, 2, -1, 1])  # the first stands on the fifth's chain, which stands on the first's
    assert _without_circles(legs, parents).tolist() == [-1, -1, -1, -1, -1, 1]


def swinging(rig: Rig, frames: int = 7) -> Motion:
    """Thighs swing, and loose feet go with them."""
    skeleton = rig.skeleton
    turns = np.tile([0.0, 0, 0, 1], (frames, skeleton.joints, 1))
    for side, sign in (("1", 1), ("-1", -1)):
        swing = sign * 0.6 * np.sin(np.linspace(0, 3, frames)) / 2
        thigh, nil = skeleton.names.index(f"thigh{side}"), np.zeros(frames)
        turns[:, thigh] = np.stack([np.sin(swing), nil, nil, np.cos(swing)], axis=-1)
    flat = Motion("walk", 30.0, turns, np.tile(skeleton.rest_translations, (frames, 1, 1)))
    return motion_on_legs(flat, skeleton, legs_of_feet(rig))


def test_another_bodys_feet_stay_on_their_legs() -> None:
    """As far from the shin as that has grown, at rest and in every frame."""
    rig = two_legged(LOOSE)
    names, legs = rig.skeleton.names, legs_of_feet(rig)
    factors = np.random.default_rng(2).uniform(0.7, 1.4, len(names))
    before = Asset(rig, (swinging(rig),))
    after = other_body(before, factors)
    for foot in ("foot1", "foot-1"):
        joint, shin = names.index(foot), names.index(foot.replace("foot", "shin"))
        assert legs[joint] == shin
        for each in ("rest", "clip"):
            apart = []
            for asset in (before, after):
                rest = rest_world(asset.rig.skeleton)[None, :, :3, 3]
                places = rest if each == "rest" else joint_positions(asset.rig.skeleton, asset.motions[0])
                apart.append(np.linalg.norm(places[:, joint] - places[:, shin], axis=-1))
            np.testing.assert_allclose(apart[1], factors[shin] * apart[0], rtol=1e-6)


def test_retargeted_feet_go_with_their_legs() -> None:
    """Onto the very rig: where the clip has them."""
    rig = two_legged(LOOSE)
    skeleton, clip = rig.skeleton, swinging(rig)
    moved, _ = retarget(Asset(rig, (clip,)), Asset(rig))
    np.testing.assert_allclose(joint_positions(skeleton, moved.motions[0]), joint_positions(skeleton, clip), atol=1e-6)


def test_joints_by_depth_wherever_parents_stand() -> None:
    random = np.random.default_rng(5)
    parents = np.array([-1, *(int(random.integers(0, joint)) for joint in range(1, 40))])
    local = np.tile(np.eye(4), (40, 1, 1))
    local[:, :3, 3] = random.normal(size=(40, 3))
    local[:, :3, :3] = quat_to_matrix(random.normal(size=(40, 4)) / 2)
    order = random.permutation(40)
    place = np.argsort(order)
    shuffled = np.where(parents[order] < 0, -1, place[parents[order]])
    np.testing.assert_allclose(local_to_world(shuffled, local[order]), local_to_world(parents, local)[order])
    assert [len(level) for level in depth_levels(shuffled)] == [len(level) for level in depth_levels(parents)]
    assert [len(level) for level in depth_levels(np.arange(300) - 1)] == [1] * 300


@pytest.mark.parametrize(
    ("file", "feet"),
    [
        ("quaternius_fbx/Cow.fbx", {f"{end}Foot.{side}": f"{end}LowLeg.{side}" for end in FRONT_BACK for side in "LR"}),
        (
            "quaternius_showcase/animals_Wolf.glb",
            {f"IK{end}Leg.{side}": f"{end}LowerLeg.{side}" for end in FRONT_BACK for side in "LR"},
        ),
        ("mesh2motion/fox-animations.glb", {}),
    ],
)
def test_feet_of_real_rigs(shared_assets: Path, file: str, feet: dict[str, str]) -> None:
    assert found(read_asset(shared_assets / "train" / file).rig) == feet
