"""The likeliest pose as a whole: the tree against a dense solution, and poses against the truth."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from mocapcli.data.noise import drift
from mocapcli.network.anchored import Settings, estimate_deltas, world_to_deltas
from mocapcli.network.graph import build_levels
from mocapcli.network.reference import RigReference
from mocapcli.network.skeleton_tree import ANYWHERE, SkeletonTree
from mocapcli.network.whole_pose import BONES_ALONE, Evidence, WholePoseSettings, fit_whole_pose
from network_helpers import BODY, as_batch, make_rig, pose
from test_anchored import degrees_between, still, straight_rig

FOREST = [-1, 0, 1, 1, 3, -1, 5, 2]
BY_BONES = Settings(sweeps=8, whole=BONES_ALONE)


def random_tree(rng: np.random.Generator, frames: int = 2) -> tuple[SkeletonTree, torch.Tensor, torch.Tensor]:
    joints = len(FOREST)
    arms, give, spread, usual = (torch.from_numpy(rng.normal(size=(joints, frames, size))) for size in (3, 1, 1, 6))
    give = give.square() * torch.tensor([0.0, 1, 0, 1, 0, 0, 1, 1])[:, None, None]
    root = torch.tensor(FOREST)[:, None, None] < 0
    tree = SkeletonTree(
        build_levels(torch.tensor([FOREST])),
        torch.where(root, 0.0, arms),
        give,
        spread.square() + 0.1,
        usual,
    )
    half = torch.from_numpy(rng.normal(size=(joints, frames, 6, 4)))  # of rank four: parts of a state are not seen
    return tree, half @ half.transpose(-1, -2), torch.from_numpy(rng.normal(size=(joints, frames, 6)))


def solve_densely(tree: SkeletonTree, info: torch.Tensor, pull: torch.Tensor, frame: int) -> np.ndarray:
    """All own steps as one long vector of unknowns; those without variance are known."""
    joints = len(FOREST)
    reach = np.zeros((joints, 6, joints, 6))  # of states on own steps
    for joint, parent in enumerate(FOREST):
        if parent >= 0:
            x, y, z = tree.arms[joint, frame].numpy()
            arm = np.eye(6)
            arm[:3, 3:] = -np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
            reach[joint] = np.einsum("ab,bjc->ajc", arm, reach[parent])
        reach[joint, :, joint] += np.eye(6)
    reach = reach.reshape(joints * 6, -1)
    whole = torch.block_diag(*info[:, frame]).numpy()
    variance = np.concatenate([tree.give.expand(-1, -1, 3), tree.spread.expand(-1, -1, 3)], axis=-1)[:, frame]
    variance[np.array(FOREST) < 0, :3] = ANYWHERE**2
    free = variance.ravel() > 0
    usual = tree.usual[:, frame].numpy().ravel()
    left = (reach.T @ whole @ reach)[np.ix_(free, free)] + np.diag(1 / variance.ravel()[free])
    right = reach.T @ (pull[:, frame].numpy().ravel() - whole @ reach @ np.where(free, 0.0, usual))
    steps = usual.copy()
    steps[free] = np.linalg.solve(left, right[free] + usual[free] / variance.ravel()[free])
    return steps.reshape(joints, 6)


def test_the_tree_finds_what_one_large_system_does() -> None:
    tree, info, pull = random_tree(np.random.default_rng(0))
    steps = tree.solve(info, pull)
    for frame in range(2):
        np.testing.assert_allclose(steps[:, frame], solve_densely(tree, info, pull, frame), atol=1e-6)


def errors(
    items: list[tuple[RigReference, np.ndarray, np.ndarray]], level: float, seed: int, settings: Settings
) -> torch.Tensor:
    """Degrees, from places with so much noise, which lasts."""
    rig, positions, world = as_batch(*items)
    fresh = np.random.default_rng(seed).normal(size=positions.transpose(0, 1).shape)
    noise = torch.from_numpy(drift(fresh, 0.85)).transpose(0, 1) * level
    found = estimate_deltas(positions + noise, rig.anchors, still(positions, level), settings).deltas
    return degrees_between(found, world_to_deltas(world, rig.reference_rotations))


@pytest.mark.parametrize("level", [0.01, 0.03])
def test_noise_costs_less_than_bone_by_bone(level: float) -> None:
    rng = np.random.default_rng(1)
    items = [make_rig(rng, frames=24, bend=8.0, rest_bend=5.0) for _ in range(4)]
    whole, bones = (errors(items, level, 2, settings).mean() for settings in (Settings(), BY_BONES))
    assert whole < 0.85 * bones


def test_a_chain_of_short_bones_points_where_its_ends_lie() -> None:
    """A tail of twelve bones, stiff: each bone is as long as the noise is large."""
    parents = [-1, *range(12)]
    rig = straight_rig(parents, [[0.05 * joint, 0.0, 0.0] for joint in range(13)])
    turn = Rotation.from_euler("z", 40, degrees=True).as_matrix()
    world = np.tile(turn, (16, 13, 1, 1))
    world[:, 0] = np.eye(3)
    local = world.copy()
    local[:, 2:] = np.eye(3)
    points, turns = pose(np.array(parents), local, rig.rest_positions - rig.rest_positions[np.maximum(parents, 0)])
    item = (rig, points, turns)
    whole, bones = (errors([item], 0.02, 3, settings)[0, :, 1:].mean() for settings in (Settings(), BY_BONES))
    assert whole < 0.6 * bones


def test_places_without_noise_are_kept_to() -> None:
    rng = np.random.default_rng(4)
    rig, positions, _ = as_batch(make_rig(rng, rest_bend=0.0, bend=40.0, frames=12))
    found = estimate_deltas(positions, rig.anchors, still(positions)).deltas
    bones = rig.reference_positions - rig.reference_positions[:, rig.parents[0].clamp_min(0)]
    carried = (found[:, :, rig.parents[0].clamp_min(0)] @ bones[:, None, :, :, None])[..., 0]
    seen = positions - positions[:, :, rig.parents[0].clamp_min(0)]
    assert (carried - seen)[:, :, 1:].norm(dim=-1).max() < 0.01


def test_a_bone_that_stretches_takes_nobody_along() -> None:
    rng = np.random.default_rng(5)
    item = make_rig(rng, frames=12, bend=10.0, rest_bend=0.0)
    rig, positions, world = item
    longer = positions.copy()
    arm = [5, 6]  # below the shoulder, joint 4
    longer[:, arm] += np.linspace(0, 0.5, 12)[:, None, None] * (positions[:, [5]] - positions[:, [4]])
    before, after = (errors([(rig, points, world)], 0.0, 0, Settings()) for points in (positions, longer))
    others = [joint for joint in range(len(BODY)) if joint not in (4, *arm)]
    assert (after - before)[0, :, others].abs().max() < 1.0


def test_roots_stand_each_for_itself() -> None:
    rng = np.random.default_rng(6)
    rig, positions, world = make_rig(rng, np.array([-1, 0, 1, 2, -1, 4, 5]), frames=8, bend=10.0)
    apart = positions.copy()
    apart[:, 4:] += np.linspace(0, 1, 8)[:, None, None] * np.array([0.3, 0.0, 0.2])
    before, after = (errors([(rig, points, world)], 0.0, 7, Settings()) for points in (positions, apart))
    inner = [1, 2, 5]
    assert (after - before)[:, :, inner].abs().mean() < 3.0


def test_what_keeps_still_all_along_is_seen_more_and_more_clearly() -> None:
    rng = np.random.default_rng(8)
    rig, points, turns = make_rig(rng, frames=1, bend=20.0, rest_bend=0.0)
    short, long = (
        errors([(rig, np.repeat(points, frames, axis=0), np.repeat(turns, frames, axis=0))] * 8, 0.04, 9, Settings())
        for frames in (1, 64)
    )
    chest = 1  # has three children: nothing of its turn is hidden
    assert long[:, :, chest].mean() < 0.8 * short[:, :, chest].mean()


def test_what_is_known_of_a_joints_own_turn_turns_it() -> None:
    rng = np.random.default_rng(10)
    rig, positions, _ = as_batch(make_rig(rng, BODY[:4], frames=8, bend=0.0, rest_bend=0.0))
    leaf, turn = 3, torch.from_numpy(Rotation.from_rotvec([0.2, -0.4, 0.3]).as_matrix())
    eyes = torch.eye(3).double().expand(1, 8, 4, 3, 3)
    turned = torch.zeros_like(eyes).clone()
    turned[:, :, leaf] = 1e4 * turn
    places = rig.reference_positions[:, None].expand_as(positions)
    evidence = Evidence(places, still(places, 0.01), turned, eyes[:, :, :1], eyes[:, :1])
    found = fit_whole_pose(evidence, rig.anchors, eyes, WholePoseSettings())
    assert degrees_between(found[:, :, leaf], turn).max() < 2


def test_a_single_frame_and_padding_are_no_accident() -> None:
    rng = np.random.default_rng(9)
    rig, positions, _ = as_batch(make_rig(rng, BODY[:7], frames=1), make_rig(rng, frames=1))
    found = estimate_deltas(positions, rig.anchors, still(positions, 0.01), replace(Settings(), sweeps=0)).deltas
    assert torch.isfinite(found).all()
    torch.testing.assert_close(
        found @ found.transpose(-1, -2), torch.eye(3).double().expand_as(found), atol=1e-9, rtol=0
    )
