"""Tracks made from a known animation come back as that animation, on that rig or another."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from mocapcli import installed
from mocapcli.errors import InvalidDataError, ReadError, UnsupportedError
from mocapcli.kinematics import joint_positions, resize_pose
from mocapcli.network.model import MotionNetwork, NetworkConfig, save_network
from mocapcli.network.reference import reference_of_asset
from mocapcli.network.rotation_head import RotationConfig, RotationHead
from mocapcli.solving import pose
from mocapcli.solving.api import Solution
from mocapcli.solving.axes import TURNS
from mocapcli.solving.chains import (
    find_chains,
    proportions,
    uniform_scale,
)
from mocapcli.solving.pose import solve_pose, windows
from mocapcli.tracks.data import UPS, Up
from solve_helpers import CLOSE, creature, place_error, solved, tracks_of, truth, world_error

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


def test_the_shipped_model_solves_what_is_noisy_and_the_closed_form_what_is_clean():
    clean = tracks_of(truth(), up="y")
    noise = np.random.default_rng(0).normal(scale=0.03, size=clean.positions.shape)
    noisy = replace(clean, positions=clean.positions + noise)
    assert solved(clean).report.model == "closed-form" and solved(noisy).report.model == "small"
    assert solved(noisy, model="closed-form").report.model == "closed-form"
    assert solved(clean, model="small").report.model == "small"


def test_a_model_that_is_none_is_refused(tmp_path):
    with pytest.raises(ReadError, match="this is no model"):
        solved(tracks_of(truth(), up="y"), model=tmp_path)


def test_without_torch_one_line_names_the_extra(monkeypatch):
    monkeypatch.setattr(installed, "find_spec", lambda name: None if name == "torch" else object())
    with pytest.raises(UnsupportedError, match=r"pip install 'mocapcli\[network\]'"):
        solved(tracks_of(truth()))
