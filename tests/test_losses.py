"""Losses on torch against the metrics on numpy, by hand-made values, and with safe derivatives."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from mocapcli import losses, metrics
from mocapcli.network.rotation_head import RotationOutput
from mocapcli.network.whole_pose import places_of
from mocapcli.training.config import RotationWeights
from mocapcli.training.rotation import RotationBatch, rotation_loss
from network_helpers import BODY, as_batch, make_rig, random_turns


@pytest.mark.parametrize("angle", [0.0, 1e-7, 1e-3, 0.5, 2.0, np.pi - 1e-4, np.pi])
def test_angle_is_exact_everywhere(angle: float):
    first = Rotation.random(random_state=0)
    second = first * Rotation.from_rotvec(np.array([0.6, -0.8, 0.0]) * angle)
    matrices = first.as_matrix()[None], second.as_matrix()[None]
    np.testing.assert_allclose(metrics.rotation_angles(*matrices), angle, atol=1e-9)
    found = losses.rotation_angles(*(torch.from_numpy(m) for m in matrices))
    np.testing.assert_allclose(found.numpy(), angle, atol=1e-9)


def test_numpy_and_torch_agree():
    rng = np.random.default_rng(0)
    first, second = (random_turns(rng, (5, 7), 120) for _ in range(2))
    found = losses.rotation_angles(torch.from_numpy(first), torch.from_numpy(second))
    np.testing.assert_allclose(found.numpy(), metrics.rotation_angles(first, second), atol=1e-12)
    item = make_rig(rng)
    rig, _, _ = as_batch(item)
    expected = metrics.bone_weights(item[0].reference_positions, item[0].parents)
    np.testing.assert_allclose(losses.bone_weights(rig.reference_positions, rig.parents)[0].numpy(), expected)


@pytest.mark.parametrize("smooth", [0.0, 1e-2])
@pytest.mark.parametrize("angle", [0.0, 1.0, np.pi])
def test_angle_has_finite_derivatives(angle: float, smooth: float):
    turn = torch.from_numpy(Rotation.from_rotvec([angle, 0, 0]).as_matrix()).requires_grad_()
    losses.rotation_angles(turn, torch.eye(3).double(), smooth).backward()
    assert torch.isfinite(turn.grad).all()


def test_angle_gradient():
    turns = torch.from_numpy(Rotation.random(4, random_state=1).as_matrix()).requires_grad_()
    others = torch.from_numpy(Rotation.random(4, random_state=2).as_matrix())
    assert torch.autograd.gradcheck(lambda a: losses.rotation_angles(a, others), (turns,))


def test_bone_weights_by_hand():
    positions = np.array([[0.0, 0, 0], [0, 2, 0], [0, 3, 0], [5, 0, 0]])
    parents = np.array([-1, 0, 1, 0])
    np.testing.assert_allclose(metrics.bone_weights(positions, parents), [5, 1, 0, 0])


def test_metrics_by_hand():
    parents, deforms = np.array([-1, 0, 1, 0]), np.array([True, True, True, False])
    positions = np.array([[0.0, 0, 0], [0, 2, 0], [0, 3, 0], [5, 0, 0]])
    truth = np.tile(np.eye(3), (2, 4, 1, 1))
    predicted = truth.copy()
    predicted[:, 1] = predicted[:, 2] = Rotation.from_euler("x", 30, degrees=True).as_matrix()
    found = metrics.rotation_errors(predicted, truth, parents, deforms, positions)
    expected = {"local": 10.0, "local_inner": 15.0, "local_all_joints": 7.5, "weighted_world": 5.0}
    assert found == pytest.approx(expected)


def test_rotation_losses_are_the_metrics():
    rng = np.random.default_rng(3)
    item = make_rig(rng)
    rig, _, truth = as_batch(item)
    predicted = truth @ torch.from_numpy(random_turns(rng, truth.shape[:3], 20))
    found = metrics.rotation_errors(
        predicted[0].numpy(), truth[0].numpy(), item[0].parents, item[0].deforms, item[0].reference_positions
    )
    even = torch.ones(truth.shape[:3]).double()
    bones = losses.bone_weights(rig.reference_positions, rig.parents)[:, None].expand_as(even)
    local = losses.local_rotation_loss(predicted, truth, rig.parents, even, smooth=0.0)
    world = losses.world_rotation_loss(predicted, truth, bones, smooth=0.0)
    assert np.degrees(local.item()) == pytest.approx(found["local"])
    assert np.degrees(world.item()) == pytest.approx(found["weighted_world"])


def test_masked_values_count_for_nothing_and_give_no_nan():
    rig, positions, truth = as_batch(make_rig(np.random.default_rng(4)), make_rig(np.random.default_rng(5), BODY[:4]))
    weights = rig.mask[:, None].expand(positions.shape[:3]).double()
    predicted = truth.clone()
    predicted[1, :, 4:] = -torch.eye(3).double()  # padding
    predicted.requires_grad_()
    loss = losses.local_rotation_loss(predicted, truth, rig.parents, weights, smooth=0.0)
    loss.backward()
    assert loss.item() < 1e-6
    assert torch.isfinite(predicted.grad).all()
    assert losses.masked_mean(weights, weights * 0) == 0


def test_position_losses_by_hand():
    truth = torch.zeros(1, 3, 2, 3)
    predicted = truth.clone()
    predicted[0, 1, 0, 0] = 3.0
    weights, frames = torch.ones(1, 3, 2), torch.tensor([[True, True, True]])
    assert losses.position_loss(predicted, truth, weights, 0.0).item() == pytest.approx(0.5)
    assert losses.velocity_loss(predicted, truth, weights, frames).item() == pytest.approx(1.5, abs=2e-3)
    frames[0, 2] = False
    assert losses.velocity_loss(predicted, truth, weights, frames).item() == pytest.approx(1.5, abs=2e-3)
    frames[0, 1] = False
    assert losses.velocity_loss(predicted, truth, weights, frames).item() == pytest.approx(0.0, abs=2e-3)


def test_angular_velocity_loss_ignores_a_constant_offset():
    rng = np.random.default_rng(7)
    _, _, truth = as_batch(make_rig(rng))
    weights = torch.ones(truth.shape[:3]).double()
    frames = torch.ones(truth.shape[:2], dtype=torch.bool)
    turn = torch.from_numpy(Rotation.from_euler("y", 50, degrees=True).as_matrix())
    still = losses.angular_velocity_loss(turn @ truth, truth, weights, frames)
    jitter = truth @ torch.from_numpy(random_turns(rng, truth.shape[:3], 10))
    assert still < 0.02 < losses.angular_velocity_loss(jitter, truth, weights, frames)


def test_training_counts_where_joints_end_up():
    """The same turn costs more at a hip than at a hand, for the leg goes along; the truth costs next to nothing."""
    rig, positions, truth = as_batch(make_rig(np.random.default_rng(8)))
    batch = RotationBatch(rig, positions, torch.zeros(positions.shape[:3]).double(), truth)
    stands = places_of(truth, rig.anchors)
    torch.testing.assert_close(stands - stands[:, :, :1], positions - positions[:, :, :1], atol=1e-6, rtol=0)

    def parts(world: torch.Tensor) -> dict[str, float]:
        found = rotation_loss(RotationOutput(world, world, positions[:, :, 0], None), batch, RotationWeights())[1]
        return {name: float(value) for name, value in found.items()}

    turn = torch.from_numpy(Rotation.from_euler("x", 40, degrees=True).as_matrix())

    def turned(joints: list[int], frames: slice = slice(None)) -> dict[str, float]:
        world = truth.clone()
        world[:, frames, joints] = turn @ world[:, frames, joints]
        return parts(world)

    assert parts(truth)["fk"] < 2e-3 and parts(truth)["fk_speed"] < 2e-3
    leg, hand = turned([10, 11, 12]), turned([12])
    assert leg["fk"] > hand["fk"] + 0.005
    assert turned([10], slice(2, 3))["fk_speed"] > 2 * turned([10])["fk_speed"]
