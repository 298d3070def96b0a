"""Retargeting: a twin moves exactly alike whatever its names, axes, facing and size; strangers move sensibly."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from cli_helpers import run
from factories import make_motion, make_skeleton
from mocapcli import read_asset, write_asset
from mocapcli.errors import InvalidDataError, UsageError
from mocapcli.kinematics import joint_positions, motion_world, rest_world, transform_asset
from mocapcli.retarget.api import RetargetOptions, propose, report_of, retarget
from mocapcli.retarget.body import read_body
from mocapcli.retarget.words import bones_of, is_generic, part_of, side_of, with_sides_apart
from mocapcli.types import Asset, Rig, Skeleton
from retarget_helpers import creature, moved, person


def renamed(asset: Asset, pattern: str = "Bone.{:03d}") -> Asset:
    skeleton = asset.rig.skeleton
    names = tuple(pattern.format(joint) for joint in range(skeleton.joints))
    return replace(asset, rig=replace(asset.rig, skeleton=replace(skeleton, names=names)))


def size(asset: Asset) -> float:
    return float(np.linalg.norm(np.ptp(rest_world(asset.rig.skeleton)[:, :3, 3], axis=0)))


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
