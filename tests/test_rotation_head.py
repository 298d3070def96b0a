"""Stage 2 as a whole: references of rigs, tokens, the correction, both heads, one batch learnt by heart."""

from dataclasses import replace

import numpy as np
import pytest
import roma
import torch
from scipy.spatial.transform import Rotation

from mocapcli import losses
from mocapcli.errors import InvalidDataError
from mocapcli.kinematics import motion_world
from mocapcli.network.anchored import Settings, estimate_deltas
from mocapcli.network.anchors import bone_vectors
from mocapcli.network.kinematics import matrix_to_rotation_vector, world_to_local_rotations
from mocapcli.network.reference import (
    NameEmbedding,
    batch_rigs,
    forget_names,
    hash_name,
    reference_of_asset,
    reference_of_rig,
    rig_size,
    skinned_vertices,
)
from mocapcli.network.rotation_features import (
    DIRECT_FEATURES,
    MOVING_FEATURES,
    STATIC_FEATURES,
    anchored_features,
    direct_features,
    static_features,
)
from mocapcli.network.rotation_head import RotationConfig, RotationHead, correct_deltas, settle
from mocapcli.network.whole_pose import place_joints
from mocapcli.types import Rig
from network_helpers import BODY, as_batch, make_rig, random_turns

SMALL = RotationConfig(channels=16, heads=2, blocks=2, window=2)


def random_head(config: RotationConfig = SMALL) -> RotationHead:
    """Untrained, but with a say of its own."""
    torch.manual_seed(0)
    head = RotationHead(config).double().eval()
    with torch.no_grad():
        head.read_out[-1].weight.normal_(std=0.3)
        head.read_out[-1].bias.normal_(std=0.3)
    return head


def level(positions: torch.Tensor, value: float = 0.005) -> torch.Tensor:
    return torch.full(positions.shape[:3], value, dtype=positions.dtype)


# Reference


def test_reference_is_the_first_frame_or_the_rest_pose(make_asset):
    asset = make_asset()
    world = motion_world(asset.rig.skeleton, asset.motions[0])
    found = reference_of_asset(asset)
    np.testing.assert_allclose(found.reference_positions, world[0, :, :3, 3], atol=1e-9)
    later = reference_of_rig(asset.rig, asset.motions[0], 1)
    np.testing.assert_allclose(later.reference_positions, world[1, :, :3, 3], atol=1e-9)
    rest = reference_of_asset(asset.with_motions(()))
    np.testing.assert_array_equal(rest.reference_positions, rest.rest_positions)
    np.testing.assert_allclose(
        found.rest_rotations @ np.swapaxes(found.rest_rotations, 1, 2), [np.eye(3)] * found.joints, atol=1e-9
    )
    with pytest.raises(InvalidDataError, match="there is no frame 999"):
        reference_of_rig(asset.rig, asset.motions[0], 999)


def test_size_is_the_vertex_box_and_outliers_do_not_count(make_asset):
    rig = make_asset().rig
    pose = motion_world(rig.skeleton, make_asset().motions[0])[0]
    vertices = skinned_vertices(rig.mesh, pose, 10**6)
    low, high = np.percentile(vertices, (2, 98), axis=0)
    assert rig_size(rig, pose) == pytest.approx(np.linalg.norm(high - low))
    bare = Rig(rig.skeleton)
    assert rig_size(bare, pose) == pytest.approx(np.linalg.norm(np.ptp(pose[:, :3, 3], axis=0)))


def test_a_rig_without_extent_has_some_size(make_skeleton):
    rig = Rig(make_skeleton())
    assert rig_size(rig, np.tile(np.eye(4), (rig.skeleton.joints, 1, 1))) == 1.0


def test_names_that_mean_the_same_share_their_pieces():
    assert hash_name("UpperArm_L").tolist() == hash_name("upper.arm L").tolist()
    assert hash_name("mixamorig:LeftHand").tolist() == hash_name("left_hand").tolist()
    assert hash_name("Leg").tolist() != hash_name("Arm").tolist()
    for odd in ("", "x", "骨", "a" * 500):
        assert (hash_name(odd) >= 0).all()


def test_forgotten_names_say_nothing():
    rig = make_rig(np.random.default_rng(0))[0]
    rig = replace(rig, name_grams=np.stack([hash_name(f"bone {k}") for k in range(rig.joints)]))
    embedding = NameEmbedding(8)
    silent = []
    for seed in range(200):
        grams = torch.from_numpy(forget_names(rig, np.random.default_rng(seed)).name_grams)
        silent.append(embedding(grams[None]).abs().sum(-1)[0] == 0)
    whole = torch.stack(silent).all(-1)
    assert 0.2 < whole.float().mean() < 0.4
    assert 0.07 < torch.stack(silent)[~whole].float().mean() < 0.13
    assert (rig.name_grams > 0).any(-1).all()  # the rig itself keeps its names


def test_batches_are_in_sizes_and_padded():
    rng = np.random.default_rng(0)
    small, large = make_rig(rng, BODY[:5])[0], make_rig(rng)[0]
    batch = batch_rigs([replace(small, size=2.0), large])
    assert batch.mask.sum(1).tolist() == [5, 16]
    np.testing.assert_allclose(batch.reference_positions[0, :5].numpy(), small.reference_positions / 2, atol=1e-6)
    assert (batch.parents[0, 5:] == -1).all()
    assert batch.to("cpu").levels.inverse.shape == (32,)


# Tokens


def test_features_have_the_widths_they_claim():
    rig, positions, _ = as_batch(make_rig(np.random.default_rng(1)))
    noise = level(positions)
    found = anchored_features(positions, rig, estimate_deltas(positions, rig.anchors, noise), noise)
    assert static_features(rig).shape[-1] == STATIC_FEATURES
    assert found.shape[-1] == STATIC_FEATURES + MOVING_FEATURES
    assert direct_features(positions, rig).shape[-1] == DIRECT_FEATURES
    assert torch.isfinite(found).all() and found.abs().max() < 20


def test_turned_and_moved_subject_gives_the_same_tokens():
    rig, positions, _ = as_batch(make_rig(np.random.default_rng(2)))
    turn = torch.from_numpy(Rotation.from_euler("y", 77, degrees=True).as_matrix())
    noise = level(positions)
    first, second = (
        anchored_features(points, rig, estimate_deltas(points, rig.anchors, noise), noise)
        for points in (positions, positions @ turn.T + 3.0)
    )
    torch.testing.assert_close(first, second, atol=1e-6, rtol=0)


# Heads


def test_without_a_say_the_closed_form_stands():
    rig, positions, _ = as_batch(make_rig(np.random.default_rng(3)))
    estimate = estimate_deltas(positions, rig.anchors, level(positions), Settings(rest_share=0.0))
    shape = positions.shape[:3]
    unsure = correct_deltas(torch.zeros(*shape, 7).double(), rig, estimate, Settings(rest_share=0.0))
    certain = torch.zeros(*shape, 7).double()
    certain[..., 6] = -50
    exact = correct_deltas(certain, rig, estimate, Settings(rest_share=0.0))
    torch.testing.assert_close(exact, estimate.deltas, atol=1e-9, rtol=0)
    assert losses.rotation_angles(unsure, estimate.deltas).mean() < np.radians(2)


def test_a_shut_gate_copies_the_reference_below_the_root():
    rig, positions, _ = as_batch(make_rig(np.random.default_rng(4)))
    estimate = estimate_deltas(positions, rig.anchors, level(positions))
    raw = torch.zeros(*positions.shape[:3], 7).double()
    raw[..., 6] = 50
    world = correct_deltas(raw, rig, estimate, Settings(rest_share=0.0)) @ rig.reference_rotations[:, None]
    found = world_to_local_rotations(world, rig.parents)[:, :, 1:]
    expected = world_to_local_rotations(rig.reference_rotations[:, None], rig.parents)[:, :, 1:]
    torch.testing.assert_close(found, expected.expand_as(found), atol=1e-6, rtol=0)


def test_a_network_that_trusts_itself_stays_and_one_that_doubts_goes_where_joints_are_seen():
    rig, positions, _ = as_batch(make_rig(np.random.default_rng(14)))
    estimate = estimate_deltas(positions, rig.anchors, level(positions, 0.02))
    wrong = roma.rotvec_to_rotmat(0.1 * torch.ones(3).double()) @ estimate.deltas
    root = (rig.parents < 0)[:, None, :, None]
    bones = torch.where(root, positions, bone_vectors(positions, rig.anchors)[1])

    def off(deltas: torch.Tensor) -> float:
        return float((place_joints(rig.anchors, deltas, bones) - positions).norm(dim=-1).mean())

    sure, unsure = (
        settle(wrong, torch.full(positions.shape[:3], said).double(), rig, estimate, Settings()) for said in (-50, 3)
    )
    assert losses.rotation_angles(sure, wrong).mean() < np.radians(1)
    assert off(unsure) < 0.3 * off(wrong)


@pytest.mark.parametrize("mode", ["anchored", "direct"])
def test_output_is_consistent_and_padding_changes_nothing(mode):
    head = random_head(replace(SMALL, rotation_head=mode))
    rng = np.random.default_rng(5)
    small, large = make_rig(rng, BODY[:6]), make_rig(rng)
    alone, points, _ = as_batch(small)
    both, positions, _ = as_batch(small, large)
    first, second = head(points, alone, level(points)), head(positions, both, level(positions))
    torch.testing.assert_close(first.local, second.local[:1, :, :6], atol=1e-7, rtol=0)
    torch.testing.assert_close(world_to_local_rotations(second.world, both.parents), second.local)
    eye = torch.eye(3).double().expand_as(second.world)
    torch.testing.assert_close(second.world @ second.world.transpose(-1, -2), eye, atol=1e-9, rtol=0)
    torch.testing.assert_close(second.root_positions, positions[:, :, 0])


def errors_under_axes(head: RotationHead) -> list[torch.Tensor]:
    """Local errors, in degrees, of one motion on two rigs that differ only in their joints' axes."""
    rng = np.random.default_rng(6)
    rig, points, world = make_rig(rng)
    axes = random_turns(rng, (len(BODY),), 90)
    other = replace(rig, rest_rotations=rig.rest_rotations @ axes, reference_rotations=rig.reference_rotations @ axes)
    out = []
    for one, turns in ((rig, world), (other, world @ axes)):
        batch, positions, truth = as_batch((one, points, turns))
        truth_local = world_to_local_rotations(truth, batch.parents)
        local = head(positions, batch, level(positions)).local
        out.append(torch.rad2deg(losses.rotation_angles(local, truth_local)))
    return out


def test_anchored_head_does_not_know_local_axes():
    first, second = errors_under_axes(random_head())
    assert first.mean() > 1.0  # there is something to compare
    torch.testing.assert_close(first, second, atol=1e-4, rtol=0)


def test_direct_head_does_know_them():
    first, second = errors_under_axes(random_head(replace(SMALL, rotation_head="direct")))
    assert (first - second).abs().max() > 1.0


def test_gradient_reaches_the_positions():
    rig, positions, truth = as_batch(make_rig(np.random.default_rng(7)))
    positions.requires_grad_()
    out = random_head()(positions, rig)
    losses.world_rotation_loss(out.world, truth, torch.ones(truth.shape[:3]).double()).backward()
    assert torch.isfinite(positions.grad).all() and positions.grad.abs().max() > 1e-3


@pytest.mark.parametrize("joints", [1, 4, 120])
def test_any_number_of_joints(joints: int):
    rng = np.random.default_rng(8)
    parents = np.array([-1, *(int(rng.integers(0, k)) for k in range(1, joints))])
    rig, positions, _ = as_batch(make_rig(rng, parents, frames=2))
    out = random_head()(positions, rig)
    assert torch.isfinite(out.world).all()


@pytest.mark.parametrize("mode", ["anchored", "direct"])
def test_one_batch_can_be_learnt_by_heart(mode):
    rng = np.random.default_rng(9)
    rig, positions, truth = as_batch(*(make_rig(rng, BODY[:7], frames=4) for _ in range(2)), dtype=torch.float32)
    torch.manual_seed(0)
    head = RotationHead(replace(SMALL, channels=32, rotation_head=mode))
    optimiser = torch.optim.Adam(head.parameters(), lr=1e-2)
    weights = torch.ones(truth.shape[:3])
    history = []
    for _ in range(30):
        out = head(positions, rig, level(positions))
        loss = losses.local_rotation_loss(out.world, truth, rig.parents, weights)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        history.append(loss.item())
    assert min(history[-5:]) < 0.7 * history[0]


def test_rotation_vector_of_the_correction_is_small_turn():
    rig, positions, _ = as_batch(make_rig(np.random.default_rng(10)))
    estimate = estimate_deltas(positions, rig.anchors, level(positions))
    raw = torch.zeros(*positions.shape[:3], 7).double()
    raw[..., 6], raw[..., 0] = -50, 0.01
    turned = correct_deltas(raw, rig, estimate, Settings())
    change = matrix_to_rotation_vector(estimate.deltas.transpose(-1, -2) @ turned)
    expected = torch.tensor([0.01, 0.0, 0.0]).double().expand_as(change)
    torch.testing.assert_close(change, expected, atol=1e-6, rtol=0)
