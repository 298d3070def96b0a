"""The closed form: nearest rotations, and deltas from an anchor pose against hand-made and exact cases."""

from dataclasses import replace

import numpy as np
import pytest
import roma
import torch
from scipy.spatial.transform import Rotation

from mocapcli.network.anchored import (
    Settings,
    deltas_to_local,
    estimate_deltas,
    estimate_noise,
    smooth_bones,
    world_to_deltas,
)
from mocapcli.network.anchors import estimate_heading, expected_turn
from mocapcli.network.attachments import find_attachments
from mocapcli.network.kinematics import (
    forward_kinematics,
    local_to_world_rotations,
    matrix_to_quaternion,
    matrix_to_rotation_vector,
    world_to_local_rotations,
)
from mocapcli.network.procrustes import information, inverse_symmetric, nearest_rotation
from mocapcli.network.reference import RigReference, hash_name
from mocapcli.network.whole_pose import BONES_ALONE
from network_helpers import BODY, as_batch, make_rig, pose, random_turns

PLAIN = Settings(sweeps=0, rest_share=0.0, floor=1e-3, speed=1e3, whole=BONES_ALONE)


def degrees_between(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    return torch.rad2deg(matrix_to_rotation_vector(first.transpose(-1, -2) @ second).norm(dim=-1))


def still(positions: torch.Tensor, level: float = 0.0) -> torch.Tensor:
    return torch.full(positions.shape[:3], level, dtype=positions.dtype)


def straight_rig(parents: list[int], positions: list[list[float]]) -> RigReference:
    """Rest and reference alike, axes along the world's."""
    points, eyes = np.array(positions, dtype=float), np.tile(np.eye(3), (len(parents), 1, 1))
    names = np.stack([hash_name("bone")] * len(parents))
    deforms = np.ones(len(parents), dtype=bool)
    return RigReference(np.array(parents), deforms, points, eyes, points, eyes, 1.0, names)


# Nearest rotation


def test_nearest_rotation_is_that_of_the_svd():
    matrices = torch.randn(500, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(nearest_rotation(matrices), roma.special_procrustes(matrices), atol=1e-9, rtol=0)


@pytest.mark.parametrize("weight", [1e-2, 1e-4, 1e-6])
def test_nearest_rotation_of_one_pair_and_a_faint_prior_is_the_shortest_arc(weight: float):
    generator = torch.Generator().manual_seed(1)
    first, second = torch.nn.functional.normalize(
        torch.randn(2, 200, 3, dtype=torch.float64, generator=generator), dim=-1
    )
    found = nearest_rotation(second[:, :, None] * first[:, None] + weight * torch.eye(3).double())
    axis = torch.linalg.cross(first, second)
    angle = torch.atan2(axis.norm(dim=-1), (first * second).sum(-1))
    arc = roma.rotvec_to_rotmat(axis / axis.norm(dim=-1, keepdim=True) * angle[:, None])
    bent_back = angle > 3.0  # where the prior pulls hardest
    assert degrees_between(found, arc)[~bent_back].max() < 60 * weight / (1 + np.cos(3.0)) + 1e-4


@pytest.mark.parametrize("matrix", [np.zeros((3, 3)), -np.eye(3), np.diag([1.0, 0, 0]), np.diag([1.0, 1, -3])])
def test_nearest_rotation_is_one_where_it_is_not_unique(matrix: np.ndarray):
    tensor = torch.from_numpy(matrix).requires_grad_()
    found = nearest_rotation(tensor)
    found.sum().backward()
    torch.testing.assert_close(found @ found.T, torch.eye(3).double(), atol=1e-6, rtol=0)
    assert torch.linalg.det(found) > 0.99
    assert torch.isfinite(tensor.grad).all()
    best = Rotation.random(2000, random_state=0).as_matrix()
    assert (found.detach().numpy() * matrix).sum() >= (best * matrix).sum((1, 2)).max() - 1e-9


def test_nearest_rotation_gradient():
    matrices = torch.randn(4, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2)).requires_grad_()
    assert torch.autograd.gradcheck(nearest_rotation, (matrices,))


def test_information_is_the_curvature():
    matrix = torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    optimum = nearest_rotation(matrix)

    def score(turn: torch.Tensor) -> torch.Tensor:
        return -((optimum @ torch.linalg.matrix_exp(_hat(turn))) * matrix).sum()

    hessian = torch.autograd.functional.hessian(score, torch.zeros(3, dtype=torch.float64))
    torch.testing.assert_close(information(optimum, matrix), hessian, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(inverse_symmetric(hessian), torch.linalg.inv(hessian))


def _hat(v: torch.Tensor) -> torch.Tensor:
    nil = torch.zeros_like(v[0])
    return torch.stack([nil, -v[2], v[1], v[2], nil, -v[0], -v[1], v[0], nil]).view(3, 3)


# Kinematics on torch


def test_quaternion_and_rotation_vector_agree_with_scipy():
    vectors = np.random.default_rng(0).normal(size=(200, 3))
    vectors[:4] = [[0, 0, 0], [1e-9, 0, 0], [0, np.pi - 1e-6, 0], [1e-5, 0, 0]]
    turns = Rotation.from_rotvec(vectors)
    matrices = torch.from_numpy(turns.as_matrix())
    torch.testing.assert_close(matrix_to_rotation_vector(matrices).numpy(), turns.as_rotvec(), atol=1e-9, rtol=0)
    torch.testing.assert_close(matrix_to_quaternion(matrices).numpy(), turns.as_quat(canonical=True), atol=1e-9, rtol=0)


def test_rotation_vector_gradient_at_identity_and_half_a_turn():
    turns = torch.from_numpy(Rotation.from_rotvec([[0, 0, 0], [np.pi, 0, 0], [0, 1, 0]]).as_matrix()).requires_grad_()
    matrix_to_rotation_vector(turns).sum().backward()
    assert torch.isfinite(turns.grad).all()


def test_forward_kinematics_is_that_of_numpy():
    rng = np.random.default_rng(0)
    items = [make_rig(rng), make_rig(rng, BODY[:5])]
    rig, positions, world = as_batch(*items)
    local = world_to_local_rotations(world, rig.parents)
    torch.testing.assert_close(local_to_world_rotations(local, rig.levels), world)
    offsets = torch.zeros_like(positions)
    for index, (one, points, turns) in enumerate(items):
        for joint, parent in enumerate(one.parents):
            offset = points[:, joint]
            if parent >= 0:
                offset = np.einsum("tji,tj->ti", turns[:, parent], points[:, joint] - points[:, parent])
            offsets[index, :, joint] = torch.from_numpy(offset)
    turns, points = forward_kinematics(local, offsets, rig.levels)
    torch.testing.assert_close(turns, world)
    torch.testing.assert_close(points, positions)


def test_deltas_give_back_the_local_rotations():
    rig, _, world = as_batch(make_rig(np.random.default_rng(1)))
    local = deltas_to_local(world_to_deltas(world, rig.reference_rotations), rig.parents, rig.reference_rotations)
    torch.testing.assert_close(local, world_to_local_rotations(world, rig.parents))


# The estimate


def test_several_children_give_the_whole_rotation():
    rig = straight_rig([-1, 0, 0, 0], [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    turn = Rotation.from_rotvec([0.4, -1.1, 0.3]).as_matrix()
    batch, positions, _ = as_batch((rig, rig.rest_positions[None] @ turn.T, np.tile(np.eye(3), (1, 4, 1, 1))))
    found = estimate_deltas(positions, batch.anchors, still(positions), replace(PLAIN, root_bend=1e2))
    assert degrees_between(found.deltas[0, 0], torch.from_numpy(turn)).max() < 1e-2  # leaves inherit it
    assert found.doubt[0, 0, 0].abs().max() < 1e-3
    torch.testing.assert_close(found.doubt[0, 0, 1], torch.eye(3).double(), atol=1e-4, rtol=0)


def test_one_child_gives_the_shortest_arc_on_its_parents_rotation():
    rig = straight_rig([-1, 0, 0, 0, 1], [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [2, 0, 0]])
    trunk, bend = Rotation.from_rotvec([0, 0.6, 0]), Rotation.from_rotvec([0, 0, 0.9])
    points = rig.rest_positions @ trunk.as_matrix().T
    points[4] = points[1] + (trunk * bend).apply([1, 0, 0])
    batch, positions, _ = as_batch((rig, points[None], np.tile(np.eye(3), (1, 5, 1, 1))))
    found = estimate_deltas(positions, batch.anchors, still(positions), PLAIN)
    assert degrees_between(found.deltas[0, 0, 1], torch.from_numpy((trunk * bend).as_matrix())) < 1e-2
    doubt = found.doubt[0, 0, 1]
    along = torch.tensor([1.0, 0, 0]).double()
    assert along @ doubt @ along > 0.4  # the twist about the bone is not seen
    assert doubt.diagonal().sum() - along @ doubt @ along < 1e-3


def test_a_bent_knee_gives_the_twist_of_the_thigh():
    rig = straight_rig([-1, 0, 0, 0, 1, 4], [[0, 0, 0], [0, -1, 0], [1, 0, 0], [0, 0, 1], [0, -2, 0], [0, -2.6, 0.8]])
    twist = Rotation.from_rotvec([0, 0.8, 0])
    points = rig.rest_positions.copy()
    points[5] = points[4] + twist.apply([0, -0.6, 0.8])  # thigh, shin and foot turn together about the thigh's axis
    batch, positions, _ = as_batch((rig, points[None], np.tile(np.eye(3), (1, 6, 1, 1))))
    angles = [
        degrees_between(
            estimate_deltas(positions, batch.anchors, still(positions), replace(PLAIN, sweeps=sweeps)).deltas[0, 0, 1],
            torch.eye(3).double(),
        )
        for sweeps in (0, 40)
    ]
    assert angles[0] < 0.1  # from the root alone nothing is seen of it
    assert 10 < angles[1] < 46


def test_a_rig_at_its_reference_stays_and_noise_shrinks_towards_it():
    rng = np.random.default_rng(2)
    item = make_rig(rng, frames=24, bend=3.0, rest_bend=0.0)
    rig, positions, _ = as_batch(item)
    exact = rig.reference_positions[:, None].expand_as(positions)
    found = estimate_deltas(exact, rig.anchors, still(positions))
    assert degrees_between(found.deltas, torch.eye(3).double()).max() < 1e-4
    noisy = exact + torch.from_numpy(rng.normal(size=positions.shape)) * 0.03

    def off(level: float, settings: Settings) -> torch.Tensor:
        deltas = estimate_deltas(noisy, rig.anchors, still(noisy, level), settings).deltas
        return degrees_between(deltas, torch.eye(3).double()).mean()

    by_bones = Settings(sweeps=8, whole=BONES_ALONE)
    assert off(0.03, by_bones) < 0.5 * off(0.0, by_bones)
    assert off(0.03, Settings()) < 3.1 and off(0.03, Settings()) < off(0.0, Settings())


def test_the_rest_pose_says_what_the_reference_alone_does_not():
    rng = np.random.default_rng(3)
    item = make_rig(rng, rest_bend=40.0, frames=1, bend=0.0)  # the clip stands in the rest pose
    rig, positions, world = as_batch(item)
    truth = world_to_deltas(world, rig.reference_rotations)
    errors = [
        degrees_between(
            estimate_deltas(
                positions, rig.anchors, still(positions), Settings(rest_share=share, attachments=False)
            ).deltas,
            truth,
        ).mean()
        for share in (0.0, 1.0)
    ]
    assert errors[1] < 0.1 < 2.0 < errors[0]
    torch.testing.assert_close(gather_own(truth, rig.parents), expected_turn(rig.anchors)[:, 0, 1:], atol=1e-9, rtol=0)


def gather_own(deltas: torch.Tensor, parents: torch.Tensor) -> torch.Tensor:
    return deltas[:, 0, parents[0, 1:]].transpose(-1, -2) @ deltas[:, 0, 1:]


def test_turning_subject_and_anchor_together_changes_nothing():
    rig_item, points, world = make_rig(np.random.default_rng(4))
    turn = Rotation.from_euler("y", 130, degrees=True).as_matrix()
    plain, positions, _ = as_batch((rig_item, points, world))
    turned = estimate_deltas(torch.from_numpy(points @ turn.T)[None] + 5.0, plain.anchors, still(positions))
    before = estimate_deltas(positions, plain.anchors, still(positions))
    # The heading is found from the body, so a subject that faces elsewhere is the same problem.
    assert degrees_between(turned.deltas, torch.from_numpy(turn) @ before.deltas).max() < 1e-4


def test_padding_and_batch_do_not_change_the_estimate():
    rng = np.random.default_rng(5)
    small, large = make_rig(rng, BODY[:7]), make_rig(rng)
    alone, points, _ = as_batch(small)
    both, positions, _ = as_batch(small, large)
    first = estimate_deltas(points, alone.anchors, still(points)).deltas
    second = estimate_deltas(positions, both.anchors, still(positions)).deltas[:1, :, :7]
    torch.testing.assert_close(first, second, atol=1e-9, rtol=0)


def test_better_than_copying_on_random_poses():
    rng = np.random.default_rng(6)
    rig, positions, world = as_batch(*(make_rig(rng, rest_bend=10.0) for _ in range(4)))
    truth = world_to_deltas(world, rig.reference_rotations)
    found = estimate_deltas(positions, rig.anchors, still(positions)).deltas
    inner = torch.isin(torch.arange(len(BODY)), torch.from_numpy(BODY))
    error = degrees_between(found, truth)[:, :, inner].mean()
    assert error < 0.5 * degrees_between(torch.eye(3).double().expand_as(truth), truth)[:, :, inner].mean()


def test_gradient_of_the_estimate():
    rig, positions, _ = as_batch(make_rig(np.random.default_rng(7), BODY[:6], frames=2))
    noise = still(positions, 0.05)

    def deltas(points: torch.Tensor) -> torch.Tensor:
        return estimate_deltas(points, rig.anchors, noise, Settings(sweeps=2)).deltas

    assert torch.autograd.gradcheck(deltas, (positions.requires_grad_(),), atol=1e-5)


def test_degenerate_positions_are_no_accident():
    rig, positions, _ = as_batch(make_rig(np.random.default_rng(8)))
    collapsed = torch.zeros_like(positions).requires_grad_()  # every joint in one place
    found = estimate_deltas(collapsed, rig.anchors, still(positions))
    found.deltas.sum().backward()
    assert torch.isfinite(found.deltas).all() and torch.isfinite(found.doubt).all()
    assert torch.isfinite(collapsed.grad).all()


def test_noise_is_read_off_the_bone_lengths():
    rng = np.random.default_rng(9)
    rig, positions, _ = as_batch(*(make_rig(rng, frames=40) for _ in range(2)))
    level = torch.tensor([0.004, 0.012]).view(2, 1, 1, 1)
    noisy = positions + torch.from_numpy(rng.normal(size=positions.shape)) * level
    torch.testing.assert_close(estimate_noise(noisy, rig.anchors).float(), level.flatten(), rtol=0.2, atol=0)
    assert estimate_noise(positions, rig.anchors).max() < 1e-9


def test_smoothing_averages_noise_and_leaves_clean_bones_alone():
    rng = np.random.default_rng(10)
    anchor = torch.tensor([0.1, 0.0, 0.0]).double().expand(1, 60, 1, 3)
    noisy = anchor + torch.from_numpy(rng.normal(size=(1, 60, 1, 3))) * 0.02
    variance = torch.full((1, 60, 1), 0.02**2, dtype=torch.float64)
    smooth, left = smooth_bones(noisy, anchor, variance, Settings())
    assert (smooth - anchor).std() < 0.5 * 0.02
    assert (left < variance).all()
    same, _ = smooth_bones(noisy, anchor, variance * 0, Settings())
    torch.testing.assert_close(same, noisy)


@pytest.mark.parametrize("angle", [-170.0, -60.0, 0.0, 95.0])
def test_heading_is_the_turn_about_the_vertical(angle: float):
    rig, _, _ = as_batch(make_rig(np.random.default_rng(11)))
    turn = torch.from_numpy(Rotation.from_euler("y", angle, degrees=True).as_matrix())
    points = (rig.reference_positions @ turn.T)[:, None].expand(-1, 4, -1, -1) + 3.0
    assert degrees_between(estimate_heading(points, rig.anchors, 2), turn).max() < 1e-4


def test_local_axes_do_not_enter():
    rng = np.random.default_rng(12)
    item = make_rig(rng)
    axes = random_turns(rng, (len(BODY),), 90)
    other = replace(
        item[0],
        rest_rotations=item[0].rest_rotations @ axes,
        reference_rotations=item[0].reference_rotations @ axes,
    )
    errors = []
    for rig, world in ((item[0], item[2]), (other, item[2] @ axes)):
        batch, positions, truth = as_batch((rig, item[1], world))
        found = estimate_deltas(positions, batch.anchors, still(positions)).deltas
        local = deltas_to_local(found, batch.parents, batch.reference_rotations)
        errors.append(degrees_between(local, world_to_local_rotations(truth, batch.parents)))
    assert errors[0].mean() > 1.0  # there is something to compare
    torch.testing.assert_close(errors[0], errors[1], atol=1e-4, rtol=0)


def test_the_helper_poses_by_forward_kinematics():
    positions, _ = pose(
        np.array([-1, 0]), np.array([Rotation.from_euler("z", 90, degrees=True).as_matrix()] * 2), np.eye(3)[:2]
    )
    np.testing.assert_allclose(positions, [[1, 0, 0], [0, 0, 0]], atol=1e-12)


def test_a_foot_that_hangs_at_the_root_shows_how_the_shin_turns():
    # root, hips, thigh, shin (a leaf), and the foot: a child of the root that stays at the shin's end.
    rest = [[0, 0, 0], [0, 1, 0], [0.1, 0.9, 0], [0.1, 0.5, 0.05], [0.1, 0.1, 0], [0.3, 1, 0], [0, 1.4, 0.1]]
    rig = straight_rig([-1, 0, 1, 2, 0, 1, 1], rest)
    angles = np.linspace(0, 1.2, 8)
    turns = Rotation.from_rotvec(angles[:, None] * [1.0, 0, 0])
    points = np.tile(rig.rest_positions, (8, 1, 1))
    points[:, 4] = points[:, 3] + turns.apply(rig.rest_positions[4] - rig.rest_positions[3])
    world = np.tile(np.eye(3), (8, 7, 1, 1))
    batch, positions, _ = as_batch((rig, points, world))
    truth = torch.from_numpy(turns.as_matrix())
    found, blind = (
        estimate_deltas(positions, batch.anchors, still(positions), Settings(attachments=switch)).deltas[0, :, 3]
        for switch in (True, False)
    )
    assert degrees_between(found, truth).mean() < 3 < 20 < degrees_between(blind, truth).mean()
    # The thigh does not turn: neither pair with a fixed tip nor the foot itself may say otherwise.
    thigh = estimate_deltas(positions, batch.anchors, still(positions)).deltas[0, :, 2]
    assert degrees_between(thigh, torch.eye(3).double()).mean() < 5


def test_what_is_rigid_with_the_parent_too_is_no_attachment():
    rig, positions, _ = as_batch(make_rig(np.random.default_rng(13)))
    noise, anchors = still(positions), rig.anchors
    exact = anchors.positions[:, None].expand_as(positions)
    pairs = find_attachments(exact, noise, anchors.parents, anchors.depth, anchors.positions, anchors.positions)
    assert len(pairs.leaf) and pairs.trust.max() < 1e-6
