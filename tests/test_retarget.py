"""Retargeting: a twin moves exactly alike whatever its names, axes, facing and size; strangers move sensibly."""

import json
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from cli_helpers import run
from factories import make_asset, make_motion, make_skeleton
from mocapcli import read_asset, write_asset
from mocapcli.errors import InvalidDataError, UsageError
from mocapcli.kinematics import joint_positions, motion_world, rest_world, transform_asset
from mocapcli.retarget.api import RetargetOptions, propose, report_of, retarget
from mocapcli.retarget.body import read_body
from mocapcli.retarget.limbs import match_limbs
from mocapcli.retarget.words import bones_of, is_generic, part_of, side_of, with_sides_apart
from mocapcli.types import Asset, Motion, Rig, Skeleton
from mocapcli.zoo import make_creature

IDENTITY = np.array([0.0, 0, 0, 1.0])


@lru_cache
def creature(kind: str, seed: int = 1, axes: str | None = None) -> Asset:
    asset = make_creature(seed, kind, axes)  # type: ignore[arg-type]
    return asset.with_motions(asset.motions[:1])


def renamed(asset: Asset, pattern: str = "Bone.{:03d}") -> Asset:
    skeleton = asset.rig.skeleton
    names = tuple(pattern.format(joint) for joint in range(skeleton.joints))
    return replace(asset, rig=replace(asset.rig, skeleton=replace(skeleton, names=names)))


def moved(source: Asset, target: Asset, **options) -> tuple[Motion, np.ndarray]:
    result, _ = retarget(source, target, RetargetOptions(**options))
    return result.motions[0], joint_positions(result.rig.skeleton, result.motions[0])


def size(asset: Asset) -> float:
    return float(np.linalg.norm(np.ptp(rest_world(asset.rig.skeleton)[:, :3, 3], axis=0)))


def stick(joints: list[tuple[str, int, tuple[float, float, float]]], detached: tuple[str, ...] = ()) -> Skeleton:
    """A skeleton without rotations from names, parents and world places; `detached` joints become roots."""
    places = np.array([place for _, _, place in joints], dtype=float)
    parents = np.array([-1 if name in detached else parent for name, parent, _ in joints])
    local = places - np.where(parents[:, None] >= 0, places[parents], 0.0)
    return Skeleton(tuple(name for name, _, _ in joints), parents, local, np.tile(IDENTITY, (len(joints), 1)))


def person(arms: float = 0.0, names: str = "{}", scale: float = 1.0) -> Skeleton:
    """A stick figure; its arms hang by so many radians from straight out."""
    out, down = np.cos(arms), -np.sin(arms)
    joints: list[tuple[str, int, tuple[float, float, float]]] = [
        ("Hips", -1, (0, 1.0, 0)),
        ("Spine", 0, (0, 1.2, 0)),
        ("Head", 1, (0, 1.6, 0)),
    ]
    for side, sign in (("Left", 1), ("Right", -1)):
        first = len(joints)
        shoulder = np.array([0.2 * sign, 1.5, 0])
        for number, part in enumerate(("Arm", "ForeArm", "Hand")):
            place = shoulder + 0.3 * number * np.array([sign * out, down, 0])
            joints.append((side + part, 1 if number == 0 else first + number - 1, tuple(place)))
        first = len(joints)
        for number, part in enumerate(("UpLeg", "Leg", "Foot", "Toe")):
            place = (0.1 * sign, (0.95, 0.5, 0.05, 0.0)[number], (0, 0.02, 0, 0.15)[number])
            joints.append((side + part, 0 if number == 0 else first + number - 1, place))
    named = [(names.format(name), parent, tuple(scale * c for c in place)) for name, parent, place in joints]
    return stick(named)


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


# ---------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("name", "side", "part", "bones"),
    [
        ("mixamorig:LeftUpLeg", 1, "leg", {"thigh"}),
        ("thigh_r", -1, "leg", {"thigh"}),
        ("Front_Leg_Upper_L", 1, "leg", {"thigh"}),
        ("upperarm.l", 1, "arm", {"upperarm"}),
        ("RELBOW", -1, "arm", {"forearm"}),
        ("DEF-f_index.01.L", 1, "finger", set()),
        ("Tail_Mid.001", 0, "tail", set()),
        ("左足首", 1, "", set()),
        ("Head", 0, "trunk", {"head"}),
        ("Bone.003", 0, "", set()),
    ],
)
def test_words(name, side, part, bones):
    assert (side_of(name), part_of(name), bones_of(name)) == (side, part, bones)


def test_sides_are_told_apart_by_twins():
    assert with_sides_apart(("lfemur", "rfemur", "root", "lobe")) == ("l_femur", "r_femur", "root", "lobe")


@pytest.mark.parametrize(("name", "generic"), [("Bone.003", True), ("joint7", True), ("7", True), ("Tail1", False)])
def test_generic_names(name, generic):
    assert is_generic(name) is generic


# ---------------------------------------------------------------- twins


@pytest.mark.parametrize("kind", ["biped", "quadruped", "bird", "dragon", "theropod", "insect", "centaur", "snake"])
def test_a_twin_without_names_moves_exactly_alike(kind):
    source, target = renamed(creature(kind), "Bone.{:03d}"), renamed(creature(kind), "joint_{}")
    motion, places = moved(source, target)
    away = np.linalg.norm(places - joint_positions(source.rig.skeleton, source.motions[0]), axis=-1) / size(source)
    active = read_body(target.rig).active
    assert away[:, active].max() < 1e-4  # controls that move no vertex are nobody's
    np.testing.assert_allclose(np.linalg.norm(motion.rotations, axis=-1), 1, atol=1e-12)
    assert (np.sum(motion.rotations[1:] * motion.rotations[:-1], axis=-1) > 0).all()


@pytest.mark.parametrize("kind", ["biped", "quadruped"])
def test_a_twin_that_is_larger_and_faces_elsewhere(kind):
    """Where it goes is turned and scaled as it is."""
    source = creature(kind)
    turn = Rotation.from_euler("y", 90, degrees=True)
    target = transform_asset(source, 2.5, turn.as_quat())
    _, places = moved(source, target)
    wanted = joint_positions(target.rig.skeleton, target.motions[0])
    start = places[0, 0] - wanted[0, 0]
    assert np.linalg.norm(places - wanted - start, axis=-1).max() / size(target) < 1e-6


def test_another_individual_of_the_same_kind_is_matched_whole():
    source, target = creature("quadruped", 1), renamed(creature("quadruped", 5))
    report = report_of(propose(source.rig, target.rig))
    body = read_body(target.rig)
    assert report.by_name == 0
    assert report.by_topology > 0.8 * body.active.sum()
    _, places = moved(source, target)
    assert np.isfinite(places).all()


@pytest.mark.parametrize(
    "kinds", [("quadruped", "dragon"), ("biped", "theropod"), ("dragon", "bird"), ("spider", "biped")]
)
def test_across_species_sides_are_kept_and_feet_stand(kinds):
    source, target = (creature(kind) for kind in kinds)
    plan = propose(source.rig, target.rig)
    for joint, driver in enumerate(plan.drivers):
        sides = [side_of(plan.target.labels[joint]), side_of(plan.source.labels[driver.first]) if driver else 0]
        assert sides[0] * sides[1] >= 0
    _, places = moved(source, target)
    ground = rest_world(target.rig.skeleton)[:, 1, 3].min()
    legs = [j for n in plan.limbs if plan.target.limbs[n].grounded for j in plan.target.limbs[n].joints]
    if legs and any(plan.source.limbs[n].grounded for n in plan.limbs.values()):
        lowest = np.percentile(places[:, legs, 1].min(axis=1), 5)
        assert abs(lowest - ground) < 0.15 * size(target)


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


# ---------------------------------------------------------------- names


def test_names_come_before_topology_and_numbers_mean_nothing():
    source, target = make_skeleton(9, seed=1), make_skeleton(12, seed=2)
    plan = propose(Rig(source), Rig(target))
    assert plan.by("name") == []
    same = propose(Rig(source), Rig(source))
    assert len(same.by("name")) == source.joints


def test_namesakes_on_the_other_side_are_not_believed():
    source = person()
    swapped = replace(
        source,
        names=tuple(name.replace("Left", "?").replace("Right", "Left").replace("?", "Right") for name in source.names),
    )
    plan = propose(Rig(source), Rig(Skeleton(swapped.names, *_but_names(source))))
    sides = {side_of(plan.target.labels[j]) for j in plan.by("name")}
    assert np.sign(plan.target.places[source.index("LeftArm"), 0]) == -1  # left is where names say
    assert sides == {0, 1, -1}


def _but_names(skeleton: Skeleton) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return skeleton.parents, skeleton.rest_translations, skeleton.rest_rotations


def test_pairs_told_come_first():
    source, target = person(), person(names="X{}")
    told = ("XHead=LeftHand", "XLeftHand=")
    plan = propose(Rig(source), Rig(target), RetargetOptions(told))
    assert plan.names_of(target.index("XHead")) == "LeftHand"
    assert plan.drivers[target.index("XLeftHand")] is None
    with pytest.raises(InvalidDataError, match="can follow one joint only, not 2"):
        propose(Rig(source), Rig(target), RetargetOptions(("XHead=LeftHand+RightHand",)))
    with pytest.raises((UsageError, InvalidDataError), match="Nobody"):
        propose(Rig(source), Rig(target), RetargetOptions(("Nobody=LeftHand",)))


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


# ---------------------------------------------------------------- the command


@pytest.fixture
def files(toy, tmp_path):
    source, rig = person(), person(np.pi / 4, "X{}")
    write_asset(tmp_path / "in.toy", Asset(Rig(source), (make_motion(source, 8), make_motion(source, 4, name="b"))))
    write_asset(tmp_path / "rig.toy", Asset(Rig(rig)))
    return tmp_path


def test_the_command(files, capsys):
    out = files / "out.toy"
    code, text, err = run(capsys, "retarget", files / "in.toy", "--rig", files / "rig.toy", "-o", out, "--clip", "b")
    assert code == 0, err
    assert "0 joints matched by name, 17 by topology, 0 at rest" in text
    result = read_asset(out)
    assert [motion.name for motion in result.motions] == ["b"]
    assert result.rig.skeleton.names[0] == "XHips"


def test_list_writes_nothing(files, capsys):
    before = sorted(files.iterdir())
    code, text, _ = run(capsys, "retarget", files / "in.toy", "--rig", files / "rig.toy", "--list", "--map", "XHead=")
    assert code == 0
    rows = [line.split() for line in text.splitlines()]
    assert ["XLeftArm", "LeftArm", "topology"] in rows
    assert ["XHead", "-", "at", "rest"] in rows
    assert sorted(files.iterdir()) == before
    code, text, _ = run(capsys, "retarget", files / "in.toy", "--rig", files / "rig.toy", "--list", "--json")
    assert json.loads(text)["map"][0] == {"joint": "XHips", "source": "Hips", "by": "topology"}


def test_json_report_filters_and_maps_from_a_file(files, capsys):
    (files / "map.json").write_text('{"XHead": "LeftHand"}')
    arguments = ("--map", files / "map.json", "--filter", "ground:by=joints", "--rest", "keep", "--json")
    out = files / "out.toy"
    code, text, err = run(capsys, "retarget", files / "in.toy", "--rig", files / "rig.toy", "-o", out, *arguments)
    assert code == 0, err
    assert json.loads(text)["told"] == 1
    result = read_asset(out)
    lows = [joint_positions(result.rig.skeleton, motion)[..., 1].min() for motion in result.motions]
    assert lows == pytest.approx([0, 0], abs=1e-6)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "nothing to do"),
        (("-o", "{}/rig.toy"), 1, "this is the file"),
        (("-o", "{}/x.nonsense"), 1, "nonsense"),
        (("-o", "{}/x.toy", "--filter", "blur"), 2, "no filter called"),
        (("-o", "{}/x.toy", "--clip", "c"), 1, "no clip 'c'"),
        (("-o", "{}/x.toy", "--map", "Nobody=Hips"), (1, 2), "Nobody"),
    ],
)
def test_the_command_says_what_is_wrong(files, capsys, arguments, code, message):
    told = [argument.format(files) for argument in arguments]
    result, _, err = run(capsys, "retarget", files / "in.toy", "--rig", files / "rig.toy", *told)
    assert result in (code if isinstance(code, tuple) else (code,))
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert not (files / "x.toy").exists()


# ---------------------------------------------------------------- real files


def test_fox_to_horse(shared_assets):
    fox = read_asset(shared_assets / "train/mesh2motion/fox-animations.glb")
    horse = read_asset(shared_assets / "train/quaternius_showcase/animals_Horse.glb")
    plan = propose(fox.rig, horse.rig)
    pairs = {name: plan.names_of(joint) for joint, name in enumerate(plan.target.skeleton.names)}
    wanted = {
        "Back": "Hips",
        "BackLeg.L": "Back_Leg_Upper_L",
        "BackUpperLeg.R": "Back_Leg_Lower_R",
        "BackLowerLeg.L": "Back_Leg_Ankle_L",
        "IKBackLeg.R": "Back_Leg_Foot_R",
        "FrontUpperLeg.L": "Front_Leg_Upper_L",
        "FrontLowerLeg.R": "Front_Leg_Lower_R",
        "Head": "Head",
        "Ear1.L": "Ear_L",
    }
    assert {name: pairs[name] for name in wanted} == wanted
    walk = next(motion for motion in fox.motions if motion.name == "Walk")
    result, report = retarget(fox.with_motions([walk]), horse)
    assert len(report.at_rest) <= 1
    world = motion_world(horse.rig.skeleton, result.motions[0])
    foot, leg = (horse.rig.skeleton.index(name) for name in ("IKBackLeg.L", "BackLowerLeg.L"))
    gaps = np.linalg.norm(world[:, foot, :3, 3] - world[:, leg, :3, 3], axis=-1)
    np.testing.assert_allclose(gaps, gaps[0], rtol=1e-6)
