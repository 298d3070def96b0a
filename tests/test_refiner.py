"""Stage 3, render-and-compare: exact turns, the linear system, what is drawn, what the network may not depend on."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra [network] is not installed")

from mocapcli.network.graph import build_graph, build_levels  # noqa: E402
from mocapcli.network.refiner import Refiner, move_points  # noqa: E402
from mocapcli.network.refiner_body import look_at  # noqa: E402
from mocapcli.network.refiner_pose import View, apply_turns, moves_of, turns_between  # noqa: E402
from mocapcli.network.refiner_settle import settle  # noqa: E402
from mocapcli.network.refiner_solve import (  # noqa: E402
    Flow,
    Prior,
    carried_by,
    gather_evidence,
    point_slopes,
    solve_turns,
)
from mocapcli.training.refine import (  # noqa: E402
    RefineClip,
    collate_clips,
)
from mocapcli.training.samples import SceneRig  # noqa: E402
from refiner_helpers import DATA, SMALL, clip_of, correct, random_refiner, turned_axes  # noqa: E402

pytest_plugins = ["training_fixtures"]


# Turns


def random_pose(frames: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """World matrices of a small tree in front of the camera, and its parents; frames are turned at random."""
    torch.manual_seed(3)
    parents = torch.tensor([[-1, 0, 1, 1, 0, 4]])
    world = torch.eye(4, dtype=torch.float64).repeat(1, frames, 6, 1, 1)
    turns = torch.randn(1, frames, 6, 3, dtype=torch.float64)
    places = torch.tensor([0.0, 0.0, -2.0]) + 0.3 * torch.randn(1, frames, 6, 3, dtype=torch.float64)
    world[..., :3, 3] = places
    zero = torch.zeros(1, frames, 3, dtype=torch.float64)
    return apply_turns(world, turns, zero, parents, build_levels(parents)), parents


def test_perfect_turns_restore_the_truth() -> None:
    truth, parents = random_pose()
    levels = build_levels(parents)
    wrong = 0.7 * torch.randn(1, 3, 6, 3, dtype=torch.float64)
    start = apply_turns(truth, wrong, 0.2 * torch.randn(1, 3, 3, dtype=torch.float64), parents, levels)
    assert (start - truth).abs().max() > 0.3
    turns = turns_between(start, truth, parents)
    restored = apply_turns(start, turns, truth[:, :, 0, :3, 3] - start[:, :, 0, :3, 3], parents, levels)
    assert torch.allclose(restored, truth, atol=1e-12)


def test_a_turn_carries_what_hangs_on_the_joint_and_nothing_else() -> None:
    world, parents = random_pose()
    turns = torch.zeros(1, 3, 6, 3, dtype=torch.float64)
    turns[:, :, 1] = torch.tensor([0.3, -0.2, 0.5])
    turned = apply_turns(world, turns, torch.zeros(1, 3, 3, dtype=torch.float64), parents, build_levels(parents))
    moved = (turned - world).abs().amax((0, 1, 3, 4)) > 1e-9
    assert moved.tolist() == [False, True, True, True, False, False]
    assert torch.allclose(turned[:, :, 1, :3, 3], world[:, :, 1, :3, 3])
    local = torch.linalg.inv(turned[:, :, 1]) @ turned[:, :, 2]
    assert torch.allclose(local, torch.linalg.inv(world[:, :, 1]) @ world[:, :, 2])


# The linear system


def surface() -> tuple[torch.Tensor, torch.Tensor, View]:
    torch.manual_seed(4)
    points = torch.tensor([0.0, 0.0, -2.0]) + 0.3 * torch.randn(1, 3, 40, 3, dtype=torch.float64)
    weights = torch.rand(1, 40, 6, dtype=torch.float64) ** 4
    middle = 0.1 * torch.randn(1, 3, 2, dtype=torch.float64)
    view = View(torch.full((1, 3), 2.0, dtype=torch.float64), middle, torch.zeros(1, 3, 3, dtype=torch.float64))
    return points, weights / weights.sum(-1, keepdim=True), view


def test_slopes_are_the_derivative_of_the_picture() -> None:
    world, parents = random_pose()
    points, weights, view = surface()

    def seen(unknowns: torch.Tensor) -> torch.Tensor:
        moves = moves_of(world, unknowns[:, :, :-1], unknowns[:, :, -1], parents, build_levels(parents))
        moved = move_points(points, moves, weights)
        return torch.cat([view.project(moved), moved[..., 2:]], dim=-1)

    exact = torch.autograd.functional.jacobian(seen, torch.zeros(1, 3, 7, 3, dtype=torch.float64))
    slopes = point_slopes(points, world[..., :3, 3], carried_by(build_graph(parents), weights), view)
    for frame in range(3):
        assert torch.allclose(exact[0, frame, :, :, 0, frame].reshape(120, 21), slopes[0, frame], atol=1e-10)


def test_the_true_flow_gives_the_true_turns() -> None:
    world, parents = random_pose()
    points, weights, view = surface()
    levels = build_levels(parents)
    turns, shift = 0.02 * torch.randn(1, 3, 6, 3, dtype=torch.float64), torch.full((1, 3, 3), 0.01).double()
    moved = move_points(points, moves_of(world, turns, shift, parents, levels), weights)
    offsets = torch.cat([view.project(moved) - view.project(points), moved[..., 2:] - points[..., 2:]], dim=-1)
    slopes = point_slopes(points, world[..., :3, 3], carried_by(build_graph(parents), weights), view)
    evidence = gather_evidence(slopes, Flow(offsets, torch.full_like(offsets, 1e4)))
    nothing = torch.zeros(1, 3, 7, 3, dtype=torch.float64)
    found, moved_by = solve_turns(evidence, Prior(nothing, torch.full_like(nothing, 1e-4)))
    assert (found - turns).norm() < 0.05 * turns.norm()  # what is left is of second order
    assert (moved_by - shift).norm() < 0.05 * shift.norm()
    blind, _ = solve_turns(
        gather_evidence(slopes, Flow(offsets, torch.zeros_like(offsets))), Prior(nothing + 0.1, nothing + 1)
    )
    assert torch.allclose(blind, torch.full_like(blind, 0.1))  # without evidence, what was believed before


# What is drawn


@pytest.mark.parametrize("number", [0, 1, 2])
def test_seen_points_lie_where_the_drawing_shows_them(rigs: list[SceneRig], number: int) -> None:
    batch = collate_clips([clip_of(rigs[number], side=96)])
    goal, body = batch.goal, batch.bodies[0]
    places = ((batch.scene.view.project(goal.points) + 1) / 2 * 96).floor().long()
    seen = goal.seen[0, 0]
    assert 0.2 < seen.float().mean() < 0.9  # about half of a body faces away
    shown = goal.images[0, 0, :3, places[0, 0, seen, 1], places[0, 0, seen, 0]].T
    off = (shown - batch.canonical[0, seen]).abs().amax(-1)
    assert off.median() < 0.05
    assert body.sample.weights.sum(1) == pytest.approx(1.0, abs=1e-4)


def test_the_video_agrees_with_the_goal(rigs: list[SceneRig]) -> None:
    batch = collate_clips([clip_of(rig, side=64) for rig in rigs])
    video, goal = batch.scene.crops[:, :, 3] > 0.5, batch.goal.images[:, :, 3] > 0
    start = look_at(batch.bodies, batch.start, batch.scene.view, 64).images[:, :, 3] > 0
    overlap = [float((video & other).sum() / (video | other).sum()) for other in (goal, start)]
    assert overlap[0] > 0.85 > overlap[1]


def test_another_body_in_the_video_is_fitted_where_it_stands(rigs: list[SceneRig]) -> None:
    clip = clip_of(rigs[1], data=replace(DATA, other_body=1.0), side=64)
    batch = collate_clips([clip])
    video, goal = batch.scene.crops[:, :, 3] > 0.5, batch.goal.images[:, :, 3] > 0
    assert 0.4 < float((video & goal).sum() / (video | goal).sum()) < 0.99


def test_settling_puts_the_body_where_the_video_shows_it(rigs: list[SceneRig]) -> None:
    batch = collate_clips([clip_of(rig, side=64) for rig in rigs])
    scene = batch.scene
    assert (settle(batch.truth, batch.goal, scene.crops, scene.view) - batch.truth).abs().max() < 0.03
    moved = batch.truth.clone()
    moved[..., :3, 3] += torch.tensor([0.1, -0.08, 0.0])
    look = look_at(batch.bodies, moved, scene.view, 64)
    assert (settle(moved, look, scene.crops, scene.view) - batch.truth).abs().max() < 0.03
    nothing = torch.zeros_like(scene.crops)
    assert torch.equal(settle(moved, look, nothing, scene.view), moved)


# What the network may not depend on


def test_an_untrained_refiner_corrects_nothing(rigs: list[SceneRig]) -> None:
    batch = collate_clips([clip_of(rig) for rig in rigs])
    correction = correct(Refiner(SMALL).eval(), batch)
    assert torch.equal(correction.turns, torch.zeros_like(correction.turns))
    assert torch.allclose(correction.world, batch.start, atol=1e-6)


def test_padding_is_not_seen(rigs: list[SceneRig]) -> None:
    short, long = sorted((clip_of(rigs[0]), clip_of(rigs[1])), key=lambda clip: clip.body.reference.joints)
    joints = short.body.reference.joints
    assert joints < long.body.reference.joints
    refiner = random_refiner()
    alone, both = correct(refiner, collate_clips([short])), correct(refiner, collate_clips([short, long]))
    assert alone.turns.abs().max() > 0.01
    assert torch.allclose(alone.turns[0], both.turns[0, :, :joints], atol=1e-4)
    assert torch.allclose(alone.points[0], both.points[0], atol=1e-4)


def test_the_order_of_joints_plays_no_part(rigs: list[SceneRig]) -> None:
    clip = clip_of(rigs[1])
    order = _other_order(clip.body.reference.parents)
    batch, swapped = collate_clips([clip]), collate_clips([_reordered(clip, order)])
    refiner = random_refiner()
    first, second = correct(refiner, batch), correct(refiner, swapped)
    assert not np.array_equal(order, np.arange(len(order)))
    assert torch.allclose(first.turns[:, :, order], second.turns, atol=1e-4)


def test_local_axes_play_no_part(rigs: list[SceneRig]) -> None:
    clip = clip_of(rigs[1])
    batch = collate_clips([clip])
    torch.manual_seed(5)
    axes = turned_axes(clip.body.reference.joints)
    rig = replace(batch.scene.rig, rest_rotations=batch.scene.rig.rest_rotations @ axes)
    start = batch.start.clone()
    start[..., :3, :3] = start[..., :3, :3] @ axes
    look = look_at(batch.bodies, batch.start, batch.scene.view, 48)
    other = replace(batch, scene=replace(batch.scene, rig=rig), start=start)
    refiner = random_refiner()
    assert torch.allclose(correct(refiner, batch, look).turns, correct(refiner, other, look).turns, atol=1e-4)


def _other_order(parents: np.ndarray) -> np.ndarray:
    """Parents still come first, but deeper joints as early as they may."""
    order: list[int] = []
    open_joints = [int(j) for j in np.flatnonzero(parents < 0)]
    while open_joints:
        joint = open_joints.pop()
        order.append(joint)
        open_joints += [int(j) for j in np.flatnonzero(parents == joint)]
    return np.array(order)


def _reordered(clip: RefineClip, order: np.ndarray) -> RefineClip:
    old, place = clip.body.reference, np.argsort(order)
    parents = np.where(old.parents[order] >= 0, place[old.parents[order]], -1)
    rows = {
        name: getattr(old, name)[order]
        for name in (
            "deforms",
            "rest_positions",
            "rest_rotations",
            "reference_positions",
            "reference_rotations",
            "name_grams",
        )
    }
    skin = replace(clip.body.skin, bind_joints=place[clip.body.skin.bind_joints])
    sample = replace(clip.body.sample, weights=clip.body.sample.weights[:, order])
    body = replace(clip.body, reference=replace(old, parents=parents, **rows), skin=skin, sample=sample)
    return replace(clip, body=body, start=clip.start[:, order], truth=clip.truth[:, order])
