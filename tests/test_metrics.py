"""Figures by hand: cases whose value is known in closed form, and what must not change them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mocapcli import hookimpl
from mocapcli.evaluation.cases import Case, copy_pose, measure_case, pose_from_rotations, skill
from mocapcli.evaluation.records import METRICS
from mocapcli.extensions import Metric
from mocapcli.metrics import Comparison, Pose, Subject
from mocapcli.plugins import get_plugins

BY_NAME = {metric.name: metric for metric in METRICS}
FPS = 30.0


def chain_subject(joints: int = 4, deforms: list[bool] | None = None) -> Subject:
    """A chain along +X with bones of 1, 2, 3, …, its size told to be 10."""
    lengths = np.arange(joints, dtype=float)
    positions = np.zeros((joints, 3))
    positions[:, 0] = np.cumsum(lengths)
    frames = Rotation.random(joints, random_state=3).as_matrix()
    shown = np.ones(joints, bool) if deforms is None else np.array(deforms)
    return Subject(np.arange(joints) - 1, shown, positions, frames, 10.0)


def tree_subject(seed: int = 0, joints: int = 9) -> Subject:
    rng = np.random.default_rng(seed)
    parents = np.array([-1] + [int(rng.integers(0, j)) for j in range(1, joints)])
    deforms = rng.random(joints) < 0.8
    deforms[:2] = False, True
    return Subject(
        parents, deforms, rng.normal(size=(joints, 3)), Rotation.random(joints, random_state=1).as_matrix(), 4.0
    )


def random_pose(subject: Subject, seed: int, frames: int = 12, spread: float = 0.4) -> Pose:
    """Smooth swings of every joint and a wandering root."""
    rng = np.random.default_rng(seed)
    joints = len(subject.parents)
    waves = np.sin(np.arange(frames)[:, None, None] * 0.4 + rng.uniform(0, 6, (joints, 3))) * spread
    turns = Rotation.from_rotvec(waves.reshape(-1, 3)).as_matrix().reshape(frames, joints, 3, 3)
    roots = np.zeros((frames, joints, 3)) + np.cumsum(rng.normal(size=(frames, 1, 3)), axis=0) * 0.3
    return pose_from_rotations(subject, turns @ subject.reference_rotations, roots)


def figures(subject: Subject, predicted: Pose, truth: Pose, fps: float = FPS) -> dict[str, float]:
    comparison = Comparison(subject, predicted, truth, fps)
    return {m.name: m.measure(comparison) for m in METRICS if m.needs <= comparison.has}


def still(subject: Subject, frames: int = 6) -> Pose:
    roots = np.tile(subject.reference_positions, (frames, 1, 1))
    return pose_from_rotations(subject, np.tile(subject.reference_rotations, (frames, 1, 1, 1)), roots)


def turned(subject: Subject, pose: Pose, joint: int, turn: np.ndarray) -> Pose:
    """`joint`, and everything that hangs on it, turned in the world about the joint."""
    carried = np.zeros(len(subject.parents), bool)
    for j, parent in enumerate(subject.parents):
        carried[j] = j == joint or (parent >= 0 and carried[parent])
    rotations = pose.rotations.copy()
    rotations[:, carried] = turn @ rotations[:, carried]
    return pose_from_rotations(subject, rotations, pose.positions)


def test_truth_against_itself_is_ideal() -> None:
    subject = tree_subject()
    truth = random_pose(subject, 1)
    found = figures(subject, truth, truth)
    assert set(found) == set(BY_NAME) - {"places_percent"}
    for name, value in found.items():
        assert value == pytest.approx(BY_NAME[name].ideal, abs=1e-6), name


def test_a_quarter_twist_of_one_joint() -> None:
    """About its own bone: nothing moves, and only local rotations from there on tell."""
    subject = chain_subject(4)
    truth = still(subject)
    twist = Rotation.from_euler("x", 90, degrees=True).as_matrix()
    found = figures(subject, turned(subject, truth, 1, twist), truth)
    assert found["rotation_local_deg"] == pytest.approx(90 / 4)
    assert found["rotation_local_deg_all"] == pytest.approx(90 / 4)
    assert found["rotation_local_inner_deg"] == pytest.approx(90 / 3)
    # Bones to children are 1, 2, 3; the joints that turned in the world hold 2 and 3.
    assert found["rotation_world_deg"] == pytest.approx(90 * 5 / 6)
    for name in ("mpjpe_percent", "mpjpe_world_percent", "velocity_percent", "facing_deg", "root_path_percent"):
        assert found[name] == pytest.approx(0, abs=1e-9)


def test_joints_that_deform_nothing_count_only_in_all() -> None:
    subject = chain_subject(4, deforms=[True, True, True, False])
    truth = still(subject)
    twist = Rotation.from_euler("x", 90, degrees=True).as_matrix()
    found = figures(subject, turned(subject, truth, 3, twist), truth)
    assert found["rotation_local_deg"] == found["rotation_local_inner_deg"] == pytest.approx(0, abs=1e-9)
    assert found["rotation_world_deg"] == pytest.approx(0, abs=1e-9)
    assert found["rotation_local_deg_all"] == pytest.approx(90 / 4)


def test_world_angles_leave_out_joints_that_deform_nothing() -> None:
    """A helper within the chain, its bone of 2 not among the weights."""
    subject = chain_subject(4, deforms=[True, False, True, True])
    truth = still(subject)
    twist = Rotation.from_euler("x", 90, degrees=True).as_matrix()
    found = figures(subject, turned(subject, truth, 1, twist), truth)
    assert found["rotation_world_deg"] == pytest.approx(90 * 3 / (1 + 3))
    assert found["rotation_local_deg"] == pytest.approx(0, abs=1e-9)


def test_a_bent_joint_moves_what_hangs_on_it() -> None:
    """The last bone of 3 swings by 60°: its end is a chord of 3 away."""
    subject = chain_subject(4)
    truth = still(subject)
    bend = Rotation.from_euler("y", 60, degrees=True).as_matrix()
    found = figures(subject, turned(subject, truth, 2, bend), truth)
    assert found["mpjpe_percent"] == pytest.approx(100 * 3 / 4 / 10)


def test_a_shifted_root_shows_in_the_world_alone() -> None:
    subject = tree_subject()
    truth = random_pose(subject, 2)
    found = figures(subject, replace(truth, positions=truth.positions + np.array([0.3, 0, 0.4])), truth)
    assert found["mpjpe_world_percent"] == pytest.approx(100 * 0.5 / 4)
    for name in ("mpjpe_percent", "velocity_percent", "facing_deg", "root_path_percent", "rotation_world_deg"):
        assert found[name] == pytest.approx(0, abs=1e-9), name
    assert found["jerk_ratio"] == pytest.approx(1)


def test_a_root_that_walks_off_shows_in_its_path() -> None:
    """A steady walk of 0.1 a frame against standing still: mean distance from the middle of five frames is 0.12."""
    subject = chain_subject(4)
    truth = still(subject, frames=5)
    away = 0.1 * np.arange(5)[:, None, None] * [0.0, 0, 1]
    found = figures(subject, replace(truth, positions=truth.positions + away), truth)
    assert found["root_path_percent"] == pytest.approx(100 * 0.12 / 10)
    assert found["mpjpe_percent"] == pytest.approx(0, abs=1e-9)


def test_a_doubled_amplitude() -> None:
    """A joint that bobs by A sin ωt, told as 2 A sin ωt: errors are the motion itself, jerk is twice as much."""
    subject = chain_subject(2)
    wave = np.sin(2 * np.pi * np.arange(31) / 30)
    positions = np.tile(subject.reference_positions, (31, 1, 1))
    truth, predicted = positions.copy(), positions.copy()
    truth[:, 1, 1] += wave
    predicted[:, 1, 1] += 2 * wave
    found = figures(subject, Pose(predicted), Pose(truth))
    assert found["jerk_ratio"] == pytest.approx(2)
    assert found["mpjpe_percent"] == pytest.approx(100 * np.abs(wave).mean() / 2 / 10)
    assert found["velocity_percent"] == pytest.approx(100 * FPS * np.abs(np.diff(wave)).mean() / 2 / 10)
    half = figures(subject, Pose(predicted[::2]), Pose(truth[::2]), FPS / 2)
    assert half["velocity_percent"] == pytest.approx(found["velocity_percent"], rel=0.05)  # seconds, not frames


def test_facings_are_counted_frame_by_frame() -> None:
    subject = tree_subject()
    truth = random_pose(subject, 4, frames=5)
    turns = Rotation.from_euler("y", [[0.0], [29.0], [-29.0], [31.0], [-170.0]], degrees=True).as_matrix()
    predicted = Pose(np.einsum("fab,fjb->fja", turns, truth.positions), turns[:, None] @ truth.rotations)
    assert figures(subject, predicted, truth)["facing_within_30"] == 60


@pytest.mark.parametrize("angle", [-170.0, -40.0, 0.0, 15.0, 90.0, 179.0])
def test_facing_is_the_turn_about_the_vertical(angle: float) -> None:
    subject = tree_subject()
    truth = random_pose(subject, 4)
    turn = Rotation.from_euler("y", angle, degrees=True).as_matrix()
    predicted = Pose(truth.positions @ turn.T + [5, 1, -2], turn @ truth.rotations)
    found = figures(subject, predicted, truth)
    assert found["facing_deg"] == pytest.approx(abs(angle), abs=1e-6)
    assert found["facing_within_30"] == (100 if abs(angle) < 30 else 0)
    assert found["rotation_world_deg"] == pytest.approx(abs(angle), abs=1e-6)
    # Only a root's local rotation knows where the body faces.
    roots = (subject.parents < 0)[subject.shown].sum()
    assert found["rotation_local_deg"] == pytest.approx(abs(angle) * roots / subject.shown.sum(), abs=1e-6)


def test_places_are_shares_of_the_crop() -> None:
    subject = chain_subject(4)
    truth = still(subject)
    places = np.random.default_rng(0).random((6, 4, 2))
    found = figures(subject, replace(truth, places=places + np.array([0.03, 0.04])), replace(truth, places=places))
    assert found["places_percent"] == pytest.approx(5)


def test_joint_order_does_not_matter() -> None:
    """Any order in which parents still come first."""
    subject = tree_subject(3)
    truth, predicted = random_pose(subject, 1), random_pose(subject, 2)
    order = _other_order(subject.parents)
    assert not np.array_equal(order, np.arange(len(order)))
    place = np.argsort(order)
    parents = np.where(subject.parents[order] < 0, -1, place[subject.parents[order]])
    shuffled = Subject(
        parents, subject.deforms[order], subject.reference_positions[order], subject.reference_rotations[order], 4.0
    )
    first = figures(subject, predicted, truth)
    second = figures(shuffled, *(Pose(p.positions[:, order], p.rotations[:, order]) for p in (predicted, truth)))
    assert second == pytest.approx(first)


def _other_order(parents: np.ndarray) -> np.ndarray:
    """Always the last joint whose parent is placed already."""
    placed: list[int] = []
    while len(placed) < len(parents):
        free = [j for j in range(len(parents)) if j not in placed and (parents[j] < 0 or parents[j] in placed)]
        placed.append(max(free))
    return np.array(placed)


@pytest.mark.parametrize("factor", [0.01, 100.0])
def test_scaling_the_rig_changes_nothing(factor: float) -> None:
    subject = tree_subject(2)
    truth, predicted = random_pose(subject, 1), random_pose(subject, 2)
    large = replace(subject, reference_positions=subject.reference_positions * factor, size=subject.size * factor)
    scaled = [replace(pose, positions=pose.positions * factor) for pose in (predicted, truth)]
    assert figures(large, *scaled) == pytest.approx(figures(subject, predicted, truth))


def test_the_root_is_the_hips_and_no_handle() -> None:
    """A handle that deforms nothing > hips > (leg > foot, spine); an IK target beside the hips."""
    parents = np.array([-1, 0, 1, 2, 1, 0])
    deforms = np.array([False, True, True, True, True, False])
    assert Subject(parents, deforms, np.zeros((6, 3)), np.tile(np.eye(3), (6, 1, 1)), 1.0).root == 1
    nobody = Subject(parents, deforms & False, np.zeros((6, 3)), np.tile(np.eye(3), (6, 1, 1)), 1.0)
    assert nobody.shown.all()
    assert nobody.root == 0


def test_one_frame_leaves_velocity_and_jerk_undefined() -> None:
    subject = tree_subject()
    truth = random_pose(subject, 1, frames=1)
    found = figures(subject, truth, truth)
    assert np.isnan(found["velocity_percent"])
    assert np.isnan(found["jerk_ratio"])
    assert found["mpjpe_percent"] == 0


def test_jerk_of_a_still_truth_is_undefined() -> None:
    subject = chain_subject(3)
    assert np.isnan(figures(subject, random_pose(subject, 1), still(subject, 12))["jerk_ratio"])


def test_figures_without_their_evidence_are_left_out() -> None:
    subject = chain_subject(3)
    truth = random_pose(subject, 1)
    bare = Pose(truth.positions, travels=False, stands=False)
    assert set(figures(subject, bare, truth)) == {
        "mpjpe_percent",
        "velocity_percent",
        "facing_deg",
        "facing_within_30",
        "jerk_ratio",
    }


# ---------------------------------------------------------------- the copy and the skill


def test_the_copy_is_given_the_true_facing_but_not_for_facing_itself() -> None:
    subject = tree_subject()
    turn = Rotation.from_euler("y", 70, degrees=True).as_matrix()
    frames = 6
    truth = Pose(
        np.tile(subject.reference_positions @ turn.T, (frames, 1, 1)) + np.array([0, 0, 3.0]),
        np.tile(turn @ subject.reference_rotations, (frames, 1, 1, 1)),
    )
    copy = copy_pose(subject, truth)
    np.testing.assert_allclose(copy.positions, truth.positions, atol=1e-9)
    np.testing.assert_allclose(copy.rotations, truth.rotations, atol=1e-9)
    rows = measure_case(Case(subject, truth, FPS), BY_NAME)
    assert rows["copy"]["rotation_world_deg"] == pytest.approx(0, abs=1e-6)
    assert rows["copy"]["facing_deg"] == pytest.approx(70)


def test_the_copy_stands_still() -> None:
    subject = tree_subject()
    truth = random_pose(subject, 5)
    found = figures(subject, copy_pose(subject, truth), truth)
    path = truth.positions[:, subject.root]
    expected = 100 * np.linalg.norm(path - path.mean(axis=0), axis=-1).mean() / subject.size
    assert found["root_path_percent"] == pytest.approx(expected)


def test_skill() -> None:
    assert skill(0.0, 8.0) == 1
    assert skill(8.0, 8.0) == 0
    assert skill(2.0, 8.0) == 0.75
    assert skill(16.0, 8.0) == -1
    assert skill(1.5, 0.0, ideal=1.0) == 0.5
    assert np.isnan(skill(3.0, 0.0))


# ---------------------------------------------------------------- plugins


def test_register_metrics(isolated_plugins) -> None:
    class Third:
        @hookimpl
        def register_metrics(self, register):
            register(Metric("frames", "frames", lambda comparison: float(len(comparison.truth.positions))))

    isolated_plugins.manager.register(Third(), name="third")
    assert list(get_plugins().metrics)[:1] in (["frames"], ["rotation_local_deg"])
    assert set(get_plugins().metrics) == {"frames", *BY_NAME}
    subject = tree_subject()
    rows = measure_case(Case(subject, random_pose(subject, 1, frames=7), FPS), get_plugins().metrics)
    assert rows["copy"]["frames"] == 7


def test_a_metrics_field_is_documented() -> None:
    readme = (Path(__file__).resolve().parents[1] / "plugins" / "README.md").read_text(encoding="utf-8")
    for field in Metric.__dataclass_fields__:
        assert f"\n| `{field}` |" in readme


def test_every_figure_has_its_formula() -> None:
    import mocapcli.evaluation

    text = (Path(mocapcli.evaluation.__file__).parent / "METRICS.md").read_text(encoding="utf-8")
    for name in BY_NAME:
        assert f"\n| `{name}` |" in text
