"""Tracks made from a known animation come back as that animation, on that rig or another."""

import csv
import json
import subprocess
import sys
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

import mocapcli
from factories import make_asset
from mocapcli import read_asset, write_asset
from mocapcli.cli import main
from mocapcli.errors import InvalidDataError, MocapError, ReadError, UnsupportedError, UsageError
from mocapcli.kinematics import crop, joint_positions, matrix_to_quat, motion_world, polar
from mocapcli.metrics import rotation_errors
from mocapcli.network.model import MotionNetwork, NetworkConfig, save_network
from mocapcli.network.reference import reference_of_asset
from mocapcli.network.rotation_head import RotationConfig, RotationHead
from mocapcli.solving import api, pose
from mocapcli.solving.api import Solution, SolveOptions, solve_tracks
from mocapcli.solving.axes import TURNS
from mocapcli.solving.carriers import to_local
from mocapcli.solving.chains import (
    bridge_gaps,
    find_chains,
    place_missing,
    proportions,
    resize_pose,
    uniform_scale,
)
from mocapcli.solving.mapping import map_joints
from mocapcli.solving.pose import guess_places, solve_pose, windows
from mocapcli.tracks.data import UPS, Tracks, Up
from mocapcli.types import Asset, Rig, Skeleton
from mocapcli.zoo import make_creature

CLOSE = 3.0  # degrees of the closed form on true positions, where doing nothing is off by more than ten


@cache
def creature() -> Asset:
    """A quadruped with one short clip."""
    asset = make_creature(3, "quadruped")
    walk = next(clip for clip in asset.motions if clip.name == "walk")
    return asset.with_motions([crop(walk, 0.0, 0.4)])


def truth() -> np.ndarray:
    asset = creature()
    return joint_positions(asset.rig.skeleton, asset.motions[0])


def tracks_of(positions: np.ndarray, **changes) -> Tracks:
    asset = creature()
    return replace(Tracks(asset.rig.skeleton.names, asset.motions[0].fps, positions), **changes)


def solved(tracks: Tracks, **options) -> Solution:
    return solve_tracks(tracks, creature(), SolveOptions(**options))


def world_error(solution: Solution) -> float:
    """Degrees, weighted by bone length."""
    skeleton, clip = creature().rig.skeleton, creature().motions[0]
    first, second = (polar(motion_world(skeleton, it)[..., :3, :3])[0] for it in (solution.motion, clip))
    errors = rotation_errors(first, second, skeleton.parents, creature().rig.deforms, truth()[0])
    return errors["weighted_world"]


def place_error(solution: Solution) -> float:
    """Mean distance of the joints to where they truly are, as a share of the rig's size."""
    places = joint_positions(creature().rig.skeleton, solution.motion)
    size = reference_of_asset(creature()).size
    return float(np.linalg.norm(places - truth(), axis=-1).mean() / size)


def keep(joints: list[int]) -> np.ndarray:
    values = np.full_like(truth(), np.nan)
    values[:, joints] = truth()[:, joints]
    return values


def limb_ends() -> list[int]:
    children = creature().rig.skeleton.children
    return [joint for joint, below in enumerate(children) if not below or joint == 0]


# ---------------------------------------------------------------- the solution


def test_true_positions_give_the_true_animation():
    solution = solved(tracks_of(truth()))
    motion, skeleton = solution.motion, creature().rig.skeleton
    assert world_error(solution) < CLOSE
    assert solution.report.residual is not None and solution.report.residual < 0.002
    assert (motion.frames, motion.fps) == (creature().motions[0].frames, creature().motions[0].fps)
    inner = skeleton.parents >= 0
    np.testing.assert_array_equal(
        motion.translations[:, inner], np.tile(skeleton.rest_translations[inner], (motion.frames, 1, 1))
    )
    assert np.sum(motion.rotations[1:] * motion.rotations[:-1], axis=-1).min() > 0


def test_doing_nothing_is_far_off():
    still = creature().motions[0]
    still = replace(still, rotations=np.repeat(still.rotations[:1], still.frames, axis=0))
    report = solved(tracks_of(truth())).report
    assert world_error(Solution(still, report)) > 2 * CLOSE


@pytest.mark.parametrize("up", UPS)
def test_millimetres_and_any_up_axis_are_found_out(up: Up):
    solution = solved(tracks_of(truth() @ TURNS[up] * 1000))
    assert solution.report.up == up
    assert solution.report.scale == pytest.approx(0.001, rel=1e-3)
    assert any("up axis" in line for line in solution.report.notes)
    assert world_error(solution) < CLOSE
    assert place_error(solution) < 0.005


def test_what_is_told_of_the_axes_is_believed():
    turned = tracks_of(truth() @ TURNS["z"])
    for solution in (solved(replace(turned, up="z")), solved(turned, up="z"), solved(replace(turned, up="x"), up="z")):
        assert solution.report.up == "z" and not solution.report.notes
        assert place_error(solution) < 0.005


def test_left_handed_tracks_are_suspected():
    mirrored = truth() * np.array([1.0, 1.0, -1.0])
    assert any("mirrored" in line for line in solved(tracks_of(mirrored, up="y")).report.notes)
    assert not solved(tracks_of(truth(), up="y")).report.notes


def test_a_subject_of_another_size_is_fitted_unless_told_otherwise():
    small = tracks_of(truth() / 4, up="y", metres_per_unit=1.0)
    assert place_error(solved(small)) < 0.005
    kept = solved(small, keep_scale=True)
    assert kept.report.scale == 1.0
    travelled = joint_positions(creature().rig.skeleton, kept.motion)[:, 0]
    np.testing.assert_allclose(np.ptp(travelled, axis=0)[[0, 2]], np.ptp(truth()[:, 0] / 4, axis=0)[[0, 2]], atol=1e-6)
    assert world_error(kept) < 2 * CLOSE


def test_the_unit_of_tracks_that_keep_their_scale_is_guessed_or_told():
    in_cm = tracks_of(truth() * 100, up="y")
    solution = solved(in_cm, keep_scale=True)
    assert solution.report.scale == 0.01
    assert any("centimetres" in line for line in solution.report.notes)
    assert solved(in_cm, keep_scale=True, scale=0.0099).report.scale == 0.0099


def test_other_proportions_give_the_same_rotations_and_feet_as_low():
    skeleton, clip = creature().rig.skeleton, creature().motions[0]
    factors = np.random.default_rng(2).uniform(0.7, 1.4, skeleton.joints)
    factors[skeleton.parents < 0] = 1.0
    stretched = replace(skeleton, rest_translations=skeleton.rest_translations * factors[:, None])
    moved = replace(clip, translations=clip.translations * factors[:, None])
    positions = joint_positions(stretched, moved)
    solution = solved(tracks_of(positions, up="y"))
    assert world_error(solution) < CLOSE
    assert solution.report.proportions > 1.05
    lowest = joint_positions(skeleton, solution.motion)[..., 1].min(axis=1)
    assert np.percentile(lowest, 5) == pytest.approx(
        np.percentile(positions[..., 1].min(axis=1) * solution.report.scale, 5)
    )


def test_proportions_are_measured_bone_by_bone():
    parents = np.array([-1, 0, 1, 2, 3, 0])
    pose = np.array([[0.0, 0, 0], [0, 1, 0], [0, 2, 0], [0.3, 3, 0], [0, 4, 0], [1, 0, 0]])
    points = np.tile(2.0 * pose, (20, 1, 1))
    points[:, 5, 0] = 3.0  # half as long again as the others
    points[:, 3] = np.nan  # a joint that bends: the limb beyond may just not be stretched
    points[:, 4, 1] = np.linspace(5.0, 6.5, 20)
    chains = find_chains(points, parents, pose)
    assert [(chain.above, chain.below, chain.rigid) for chain in chains] == [
        (0, 1, True),
        (1, 2, True),
        (2, 4, False),
        (0, 5, True),
    ]
    scale = uniform_scale(chains, points, pose)
    assert scale == pytest.approx(0.5)
    np.testing.assert_allclose(proportions(chains, scale, 6), [1, 1, 1, 1, 1, 1.5])
    np.testing.assert_allclose(
        resize_pose(pose, parents, np.array([1, 1, 1, 2, 1, 1.5]))[3:], [[0.6, 4, 0], [0.3, 5, 0], [1.5, 0, 0]]
    )


# ---------------------------------------------------------------- what was not seen


def test_short_gaps_close():
    values = truth()
    values[np.random.default_rng(0).random(values.shape[:2]) < 0.15] = np.nan
    solution = solved(tracks_of(values, up="y"))
    assert world_error(solution) < 1.5 * CLOSE
    assert place_error(solution) < 0.01


def test_a_third_of_the_joints_never_seen():
    values = truth()
    joints = values.shape[1]
    values[:, np.random.default_rng(0).choice(joints, joints // 3, replace=False)] = np.nan
    solution = solved(tracks_of(values, up="y"))
    assert world_error(solution) < 2 * CLOSE
    assert solution.report.residual is not None and solution.report.residual < 0.01


def test_ends_of_limbs_alone_bend_the_limbs():
    solution = solved(tracks_of(keep(limb_ends()), up="y"))
    assert solution.report.matched == creature().rig.skeleton.joints
    assert place_error(solution) < 0.03
    assert solution.report.residual is not None and solution.report.residual < 0.02


def test_frames_in_which_nothing_was_seen_are_passed_over_smoothly():
    values = truth()
    values[3:9], values[-2:] = np.nan, np.nan
    solution = solved(tracks_of(values, up="y"))
    assert place_error(solution) < 0.03


def test_joints_that_nothing_tells_of_stay_at_rest():
    skeleton = creature().rig.skeleton
    ends = [joint for joint in limb_ends() if joint]
    values = truth()
    values[:, ends] = np.nan
    names = tuple(f"nobody{joint}" if joint in ends else name for joint, name in enumerate(skeleton.names))
    solution = solved(tracks_of(values, names=names, up="y"))
    assert set(solution.report.at_rest) == {skeleton.names[joint] for joint in ends}
    assert set(solution.report.idle_tracks) == {name for name in names if name.startswith("nobody")}
    np.testing.assert_allclose(
        solution.motion.rotations[:, ends],
        np.tile(skeleton.rest_rotations[ends], (solution.motion.frames, 1, 1)),
        atol=1e-12,
    )


def test_points_of_little_confidence_count_as_unseen():
    values, confidence = truth(), np.ones(truth().shape[:2])
    values[4:9, 10:20] += np.random.default_rng(0).normal(size=(10, 3)) * 0.3
    confidence[4:9, 10:20] = 0.05
    wild = tracks_of(values, up="y")
    assert place_error(solved(replace(wild, confidence=confidence))) < 0.005
    assert place_error(solved(wild)) > 0.01


def test_place_missing_is_least_squares():
    parents = np.array([-1, 0, 1, 1, 3])
    rng = np.random.default_rng(0)
    points, bones, guess = rng.normal(size=(3, 4, 5, 3))
    points[:, [0, 1, 3]] = np.nan
    points[0, 0] = 0.0
    found = place_missing(points, parents, bones, guess)
    np.testing.assert_array_equal(found[np.isfinite(points)], points[np.isfinite(points)])
    for frame in range(4):
        free = [joint for joint in range(5) if np.isnan(points[frame, joint, 0])]
        pull = np.zeros((5, 3))
        for joint in range(1, 5):
            off = found[frame, joint] - found[frame, parents[joint]] - bones[frame, joint]
            pull[joint] -= off
            pull[parents[joint]] += off
        np.testing.assert_allclose(pull[free], 0, atol=1e-5)


def test_only_short_gaps_are_bridged():
    values = np.arange(10.0)[:, None, None].repeat(3, axis=2)
    values[[0, 2, 5, 6, 7]] = np.nan
    bridged = bridge_gaps(values, 2)[:, 0, 0]
    np.testing.assert_array_equal(np.isnan(bridged), np.isin(np.arange(10), [0, 5, 6, 7]))
    assert bridged[2] == 2.0


# ---------------------------------------------------------------- time


def test_windows_cover_every_frame_with_overlap():
    for frames in (1, 95, 96, 97, 1000):
        stretches = list(windows(frames, 300))
        assert stretches[0][0] == 0 and stretches[-1][1] == frames
        assert all(last - first <= 256 for first, last in stretches)
        assert all(before[1] - after[0] == pose.OVERLAP for before, after in pairwise(stretches))


def test_a_long_clip_in_windows_is_as_one_in_one_go(monkeypatch):
    asset = creature()
    reference = reference_of_asset(asset)
    values = truth()[np.abs((np.arange(120) + 12) % 24 - 12)] / reference.size  # to and fro
    values[20:30, 5] = np.nan
    trust = np.isfinite(values[..., 0]).astype(float)
    whole = solve_pose(values, trust, reference)
    seen: list[int] = []
    monkeypatch.setattr(pose, "windows", lambda frames, joints: iter([(0, 70), (38, 120)]))
    parted = solve_pose(values, trust, reference, progress=seen.append)
    assert seen == [70, 50]
    dots = np.abs((whole.rotations * parted.rotations).sum(-1)).clip(max=1)
    assert np.degrees(2 * np.arccos(dots)).max() < 0.5
    np.testing.assert_allclose(whole.positions, parted.positions, atol=1e-3)


def test_start_end_and_fps():
    solution = solved(tracks_of(truth(), up="y"), start=0.1, end=0.3, fps=60.0)
    assert (solution.motion.fps, solution.motion.frames) == (60.0, 13)
    assert solution.motion.duration == pytest.approx(0.2)
    with pytest.raises(InvalidDataError, match="is empty"):
        solved(tracks_of(truth()), start=5.0)


def test_one_frame_is_enough():
    solution = solved(tracks_of(truth()[:1], up="y"))
    assert solution.motion.frames == 1
    assert place_error(replace(solution, motion=replace(solution.motion))) < 0.2


# ---------------------------------------------------------------- heads


def test_an_untrained_head_gives_the_closed_form():
    reference = reference_of_asset(creature())
    values = truth() / reference.size
    trust = np.ones(values.shape[:2])
    head = RotationHead(RotationConfig(channels=16, heads=2, blocks=1)).eval()
    closed, learned = solve_pose(values, trust, reference), solve_pose(values, trust, reference, head)
    dots = np.abs((closed.rotations * learned.rotations).sum(-1)).clip(max=1)
    assert np.median(np.degrees(2 * np.arccos(dots))) < 1.0


def test_a_saved_model_is_used(tmp_path):
    config = NetworkConfig(rotation=RotationConfig(channels=16, heads=2, blocks=1))
    network = MotionNetwork(config)
    torch.nn.init.normal_(network.rotation.read_out[-1].bias, std=0.3, generator=torch.Generator().manual_seed(0))
    save_network(tmp_path, config, network.state_dict())
    closed, learned = (solved(tracks_of(truth(), up="y"), model=model) for model in ("closed-form", tmp_path))
    assert learned.report.model == str(tmp_path)
    assert world_error(learned) > world_error(closed) + 1  # nobody taught it


def test_a_model_that_is_none_is_refused(tmp_path):
    with pytest.raises(ReadError, match="this is no model"):
        solved(tracks_of(truth(), up="y"), model=tmp_path)


def test_without_torch_one_line_names_the_extra(monkeypatch):
    monkeypatch.setattr(api, "find_spec", lambda name: None if name == "torch" else object())
    with pytest.raises(UnsupportedError, match=r"pip install 'mocapcli\[network\]'"):
        solved(tracks_of(truth()))


# ---------------------------------------------------------------- names


def test_told_pairs_come_before_names():
    joints, tracks = ["Hips", "Spine", "Neck"], ["hips", "spine", "RASI", "LASI", "a+b"]
    found = map_joints(joints, tracks, ["Hips=RASI+LASI", "Neck = a+b", "Spine="])
    assert found.sources == ((2, 3), (), (4,))
    assert found.reasons == ("told", "told", "told")
    assert found.idle == ["hips", "spine"]
    assert found.track_names(0) == "RASI + LASI"


@pytest.mark.parametrize("extension", ["json", "toml", "csv"])
def test_pairs_from_a_file(tmp_path, extension):
    if extension == "toml" and sys.version_info < (3, 11):
        pytest.skip("TOML needs Python 3.11")
    texts = {
        "json": '{"Hips": ["RASI", "LASI"], "Neck": "C7"}',
        "toml": 'Hips = "RASI+LASI"\nNeck = "C7"\n',
        "csv": "Hips,RASI,LASI\nNeck,C7\n",
    }
    path = tmp_path / f"names.{extension}"
    path.write_text(texts[extension])
    assert map_joints(["Hips", "Neck"], ["C7", "RASI", "LASI"], [str(path)]).sources == ((1, 2), (0,))


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.json", "[1]"), ("a.json", "{"), ("a.json", '{"Hips": 3}'), ("a.json", "[" * 99_999), ("a.csv", "\0")],
)
def test_a_damaged_file_of_pairs(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    with pytest.raises(MocapError) as caught:
        map_joints(["Hips"], ["C7"], [str(tmp_path / name)])
    assert "\n" not in str(caught.value)


def test_a_name_that_is_not_there_suggests_others():
    with pytest.raises(InvalidDataError, match=r"no track is called 'RASJ' \(did you mean RASI"):
        map_joints(["Hips"], ["RASI"], ["Hips=RASJ"])
    with pytest.raises(InvalidDataError, match=r"no joint of the rig is called 'Hip' \(did you mean Hips"):
        map_joints(["Hips"], ["RASI"], ["Hip=RASI"])
    with pytest.raises(UsageError, match="neither JOINT=TRACK nor a file"):
        map_joints(["Hips"], ["RASI"], ["Hips"])


HALF = {"Shoulder": "Arm", "Elbow": "ForeArm", "Wrist": "Hand", "Hip": "UpLeg", "Knee": "Leg", "Ankle": "Foot"}
STYLES = {"RElbow": "R{}", "right_elbow": "right_{}", "elbow_r": "{}_r", "ELBOW.R": "{}.R"}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("rig", ["mixamorig:Right{}", "{}_R", "right{}"])
def test_landmarks_find_the_joints_they_stand_for(style, rig):
    write = {"RElbow": str, "right_elbow": str.lower, "elbow_r": str.lower, "ELBOW.R": str.upper}[style]
    tracks = [STYLES[style].format(write(name)) for name in HALF]
    joints = [rig.format(name) for name in (*HALF.values(), "Shoulder")]
    found = map_joints(joints, tracks)
    assert [found.track_names(joint) for joint in range(6)] == tracks
    assert not found.sources[6]  # a collar bone begins at no shoulder


def test_joints_of_the_same_rig_are_no_landmarks():
    joints = ["LeftShoulder", "LeftArm", "LeftForeArm", "LeftHand", "LeftAnkle"]
    assert map_joints(joints, joints).sources == tuple((joint,) for joint in range(5))


def test_markers_about_a_joint_are_averaged():
    skeleton = creature().rig.skeleton
    around = np.array([0.1, 0.0, 0.0])
    values = np.concatenate([truth(), truth()[:, :1] + around], axis=1)
    values[:, 0] -= around
    tracks = tracks_of(truth(), names=(*skeleton.names, "extra")[: len(skeleton.names)], up="y")
    tracks = Tracks(("left", *skeleton.names[1:], "right"), tracks.fps, values, up="y")
    solution = solved(tracks, mapping=(f"{skeleton.names[0]}=left+right",))
    assert place_error(solution) < 0.005


def test_too_few_joints_say_what_to_do():
    with pytest.raises(InvalidDataError, match=r"0 of the rig's joints .* --map JOINT=TRACK"):
        solved(Tracks(("a", "b"), 30.0, np.zeros((2, 2, 3))))
    values = np.full_like(truth(), np.nan)
    values[0, 3], values[1, 4] = 1.0, 2.0
    with pytest.raises(InvalidDataError, match="no two are seen at once"):
        solved(tracks_of(values, up="y"))


def test_all_points_in_one_place_are_no_subject():
    with pytest.raises(InvalidDataError, match="no size"):
        solved(tracks_of(np.ones_like(truth()), up="y"))


# ---------------------------------------------------------------- odd rigs


def test_several_roots_and_joints_in_one_place():
    names = ("body", "twin", "hand", "prop", "handle")
    places = np.array([[0.0, 1, 0], [0, 0, 0], [0.5, 0, 0], [2, 0, 0], [0, 0, 1]])
    skeleton = Skeleton(names, np.array([-1, 0, 1, -1, 3]), places, np.tile([0.0, 0, 0, 1], (5, 1)))
    asset = Asset(Rig(skeleton))
    world = motion_world(
        skeleton, mocapcli.Motion("m", 30.0, np.tile([0.0, 0, 0, 1], (4, 5, 1)), np.tile(places, (4, 1, 1)))
    )
    positions = world[..., :3, 3] + np.arange(4)[:, None, None] * np.array([0.1, 0, 0])
    motion = mocapcli.solve(Tracks(names, 30.0, positions, up="y"), asset)
    np.testing.assert_allclose(joint_positions(skeleton, motion), positions, atol=1e-3)


def hips_on_a_root() -> Asset:
    """Three joints in a row under a root that stays where it is while the first of them bobs and travels."""
    names = ("root", "hips", "chest", "head")
    offsets = np.array([[0.0, 0, 0], [0, 1, 0], [0, 0.5, 0.1], [0, 0.4, 0]])
    skeleton = Skeleton(names, np.array([-1, 0, 1, 2]), offsets, np.tile([0.0, 0, 0, 1], (4, 1)))
    time = np.arange(12)[:, None] / 12
    translations = np.tile(offsets, (12, 1, 1))
    translations[:, 1] += np.concatenate([time, 0.2 * np.sin(6 * time), 0 * time], axis=1)
    rotations = np.tile([0.0, 0, 0, 1], (12, 4, 1))
    rotations[:, 2] = np.concatenate([np.sin(0.3 * time), 0 * time, 0 * time, np.cos(0.3 * time)], axis=1)
    return Asset(Rig(skeleton), (mocapcli.Motion("bob", 30.0, rotations, translations),))


def test_joints_that_the_rigs_own_clips_slide_may_slide():
    asset = hips_on_a_root()
    positions = joint_positions(asset.rig.skeleton, asset.motions[0])
    motion = mocapcli.solve(Tracks(("hips", "chest", "head"), 30.0, positions[:, 1:], up="y"), asset)
    np.testing.assert_allclose(joint_positions(asset.rig.skeleton, motion)[:, 1:], positions[:, 1:], atol=0.01)
    np.testing.assert_array_equal(motion.translations[:, 0], 0)
    np.testing.assert_array_equal(motion.rotations[:, 0], np.tile([0.0, 0, 0, 1], (12, 1)))


def test_without_such_clips_the_root_carries_the_body():
    asset = hips_on_a_root()
    positions = joint_positions(asset.rig.skeleton, asset.motions[0])
    motion = mocapcli.solve(Tracks(("hips", "chest", "head"), 30.0, positions[:, 1:], up="y"), asset.rig)
    np.testing.assert_allclose(joint_positions(asset.rig.skeleton, motion)[:, 1:], positions[:, 1:], atol=0.02)
    np.testing.assert_allclose(
        motion.translations[:, 1:], np.tile(asset.rig.skeleton.rest_translations[1:], (12, 1, 1))
    )


def test_world_poses_go_back_under_their_parents():
    skeleton, clip = (
        make_asset(joints=9, translated=True).rig.skeleton,
        make_asset(joints=9, translated=True).motions[0],
    )
    world = motion_world(skeleton, clip)
    every = np.ones(9, dtype=bool)
    rotations, translations = to_local(skeleton, matrix_to_quat(world[..., :3, :3]), world[..., :3, 3], every, every)
    np.testing.assert_allclose(translations, clip.translations, atol=1e-9)
    np.testing.assert_allclose(np.abs((rotations * clip.rotations).sum(-1)), 1.0, atol=1e-9)


# ---------------------------------------------------------------- from the command line


@pytest.fixture
def files(tmp_path) -> tuple[Path, Path]:
    """Tracks of the creature in a CSV, and its rig."""
    write_asset(tmp_path / "rig.glb", creature())
    names = creature().rig.skeleton.names
    with (tmp_path / "walk.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["time", *(f"{name}_{axis}" for name in names for axis in "xyz")])
        writer.writerows([[n / creature().motions[0].fps, *frame.ravel()] for n, frame in enumerate(truth())])
    return tmp_path / "walk.csv", tmp_path / "rig.glb"


def run(capsys, *arguments) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_solve_writes_every_output_and_says_how_well(capsys, files, tmp_path):
    tracks, rig = files
    code, out, err = run(capsys, "solve", tracks, "--rig", rig, "-o", tmp_path / "a.glb", "-o", tmp_path / "a.bvh")
    assert code == 0
    lines = out.splitlines()
    assert (
        lines[0]
        == f"{tmp_path / 'a.glb'}: {len(truth())} frames, {truth().shape[1]} of {truth().shape[1]} joints tracked"
    )
    assert lines[2].startswith("mean distance to the tracks: 0.")
    assert "up axis of the tracks: y, judging by the rig" in err
    back = read_asset(tmp_path / "a.glb")
    assert [clip.name for clip in back.motions] == ["walk"]
    assert place_error(Solution(back.motions[0], solved(tracks_of(truth())).report)) < 0.005


def test_solve_lists_names_without_solving(capsys, files, tmp_path):
    tracks, rig = files
    first, last = (creature().rig.skeleton.names[place] for place in (0, -1))
    code, out, _ = run(capsys, "solve", tracks, "--rig", rig, "--list", "--map", f"{last}=", "--up", "y")
    assert code == 0
    assert f"{truth().shape[1] - 1} of {truth().shape[1]} joints matched" in out
    assert f"tracks that drive nothing: {last}" in out
    code, out, _ = run(capsys, "solve", tracks, "--rig", rig, "--list", "--json")
    assert json.loads(out)["map"][first] == [first]


def test_solve_reports_as_json(capsys, files, tmp_path):
    tracks, rig = files
    code, out, _ = run(capsys, "solve", tracks, "--rig", rig, "-o", tmp_path / "a.npz", "--json")
    report = json.loads(out)
    assert code == 0
    assert report["residual"] < 0.002 and report["matched"] == truth().shape[1]
    assert report["output"] == [str(tmp_path / "a.npz")]
    assert report["per_joint"][0]["found_by"] == "name"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "nothing to do"),
        (["-o", "a.glb", "--scale", "0"], 2, "--scale must be positive"),
        (["-o", "a.glb", "--start", "2", "--end", "1"], 2, "later than"),
        (["-o", "a.xyz"], 1, "unknown file type"),
        (["-o", "a.glb", "--map", "x=y"], 1, "no joint of the rig is called 'x'"),
    ],
)
def test_solve_refuses_what_makes_no_sense(capsys, files, tmp_path, monkeypatch, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    tracks, rig = files
    found, _, err = run(capsys, "solve", tracks, "--rig", rig, *arguments)
    assert (found, len(err.splitlines())) == (code, 1)
    assert message in err


def test_help_and_list_do_not_load_torch(files):
    code = (
        "import sys; from mocapcli.cli import main; assert main(['solve', '--help']) == 0;"
        "assert main(['solve', sys.argv[1], '--rig', sys.argv[2], '--list']) == 0; print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, *map(str, files)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


def test_the_public_function_takes_paths(files):
    motion = mocapcli.solve(*files, up="y", end=0.1)
    assert motion.name == "walk" and motion.joints == truth().shape[1]


def test_guess_follows_the_heading():
    anchor = np.array([[0.0, 1, 0], [0, 1, 1], [1.0, 0, 0]])
    angle = 2.0
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    points = (anchor @ turn.T + 5.0)[None].repeat(3, axis=0)
    points[1], points[0, 2] = np.nan, np.nan
    np.testing.assert_allclose(guess_places(points, anchor), (anchor @ turn.T + 5.0)[None].repeat(3, axis=0), atol=1e-9)
