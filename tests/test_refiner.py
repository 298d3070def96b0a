"""Stage 3, render-and-compare: exact turns, the linear system, what the network may not depend on, learning, use."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra [network] is not installed")

from mocapcli.data.build import build_cache  # noqa: E402
from mocapcli.errors import InvalidDataError, ReadError  # noqa: E402
from mocapcli.network.graph import build_graph, build_levels  # noqa: E402
from mocapcli.network.model import MotionNetwork, NetworkConfig, load_network, save_network  # noqa: E402
from mocapcli.network.reference import batch_rigs  # noqa: E402
from mocapcli.network.refiner import Correction, Refiner, RefinerConfig, move_points  # noqa: E402
from mocapcli.network.refiner_body import Body, Look, look_at, surface_weights  # noqa: E402
from mocapcli.network.refiner_pose import View, apply_turns, moves_of, turns_between  # noqa: E402
from mocapcli.network.refiner_run import RUN, refine, refine_world  # noqa: E402
from mocapcli.network.refiner_settle import settle  # noqa: E402
from mocapcli.network.refiner_solve import (  # noqa: E402
    Flow,
    Prior,
    carried_by,
    gather_evidence,
    point_slopes,
    solve_turns,
)
from mocapcli.network.rotation_head import RotationConfig  # noqa: E402
from mocapcli.network.video_to_pose import VideoToPoseConfig  # noqa: E402
from mocapcli.training.config import DataConfig, RefineTaskConfig, TrainConfig  # noqa: E402
from mocapcli.training.loop import Trainer  # noqa: E402
from mocapcli.training.refine import (  # noqa: E402
    RefineBatch,
    RefineClip,
    RefineStream,
    cameras_of,
    collate_clips,
    make_clip,
    refine_figures,
    refine_loss,
)
from mocapcli.training.samples import SceneRig, film_crops  # noqa: E402
from mocapcli.types import Rig  # noqa: E402
from mocapcli.zoo import make_creature  # noqa: E402

SMALL = RefinerConfig(side=48, width=12, channels=32, heads=2, blocks=2)
DATA = DataConfig(frames=2, other_body=0.0, recoloured=0.0)
TRAIN = TrainConfig(
    NetworkConfig(
        VideoToPoseConfig(channels=16, heads=2, rounds=2, blocks=1, query_blocks=1),
        RotationConfig(channels=16, heads=2, blocks=1),
        replace(SMALL, side=32, width=8, channels=16),
    ),
    DataConfig(rigs=2, clips=1, frames=2, validation=0.4),
    refine=RefineTaskConfig(ramp=2),
    steps=4,
    warmup=1,
    evaluate_every=4,
    save_every=0.0,
    stage="refine",
)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def rigs() -> list[SceneRig]:
    """A spider-like one, a four-legged one, and the first without its mesh."""
    first, second = make_creature(1), make_creature(4)
    bare = replace(first, rig=Rig(first.rig.skeleton, None, "bare"))
    return [SceneRig.of(asset) for asset in (first, second, bare)]


def clip_of(rig: SceneRig, seed: int = 0, data: DataConfig = DATA, side: int = 48) -> RefineClip:
    return make_clip(rig, Body.of(rig.model), data, side, 1.0, np.random.default_rng(seed))


def random_refiner(config: RefinerConfig = SMALL) -> Refiner:
    """Its last layers say something, unlike those of a fresh one."""
    torch.manual_seed(0)
    refiner = Refiner(config).eval()
    with torch.no_grad():
        for layer in (refiner.flow, refiner.read_out[-1], refiner.read_body[-1]):
            layer.weight.normal_(std=0.05)
            layer.bias.normal_(std=0.05)
    return refiner


@torch.no_grad()
def correct(refiner: Refiner, batch: RefineBatch, look: Look | None = None) -> Correction:
    found = look or look_at(batch.bodies, batch.start, batch.scene.view, batch.scene.crops.shape[-1])
    result: Correction = refiner(batch.scene, batch.start, found)
    return result


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


def turned_axes(joints: int) -> torch.Tensor:
    parents = torch.full((1, joints), -1)
    world = torch.eye(4).repeat(1, 1, joints, 1, 1)
    turns = torch.randn(1, 1, joints, 3)
    return apply_turns(world, turns, torch.zeros(1, 1, 3), parents, build_levels(parents))[0, 0, :, :3, :3]


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


# Learning


def test_a_handful_of_samples_is_learnt_by_heart(rigs: list[SceneRig]) -> None:
    batch = collate_clips([clip_of(rigs[0], seed) for seed in range(3)])
    torch.manual_seed(0)
    refiner = Refiner(SMALL)
    optimizer = torch.optim.AdamW(refiner.parameters(), 3e-3)
    for _ in range(60):
        loss, _ = refine_loss(refiner, batch, 1)
        optimizer.zero_grad()
        loss.backward()
        assert all(torch.isfinite(weight.grad).all() for weight in refiner.parameters() if weight.grad is not None)
        optimizer.step()
    figures = refine_figures(refiner.eval(), batch, 1)
    for name in ("local", "leaves", "world", "surface", "stand"):
        assert figures[f"{name}_1"] < 0.6 * figures[f"{name}_0"], name


def test_every_weight_is_trained(rigs: list[SceneRig]) -> None:
    refiner = random_refiner().train()
    loss, parts = refine_loss(refiner, collate_clips([clip_of(rig) for rig in rigs]), 2)
    loss.backward()
    assert all(torch.isfinite(value) for value in parts.values())
    still = [name for name, weight in refiner.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert not still


def test_the_flow_alone_may_be_learnt_first(rigs: list[SceneRig]) -> None:
    refiner = random_refiner().train()
    batch = replace(collate_clips([clip_of(rigs[0])]), flow_only=True)
    loss, parts = refine_loss(refiner, batch, 2)
    loss.backward()
    assert parts.keys() == {"flow", "canonical"}
    assert refiner.flow.weight.grad is not None and refiner.embed.weight.grad is None


def test_without_the_system_turns_come_from_the_tokens(rigs: list[SceneRig]) -> None:
    refiner = random_refiner(replace(SMALL, solve=False))
    correction = correct(refiner, collate_clips([clip_of(rigs[0])]))
    assert torch.equal(correction.turns, correction.prior.mean[:, :, :-1])


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    build_cache(None, folder, creatures=range(4), progress_bar=False)
    return folder


def test_batches_depend_on_step_and_seed_alone(cache: Path) -> None:
    first, again = RefineStream(cache, TRAIN)[3], RefineStream(cache, TRAIN)[3]
    assert torch.equal(first.scene.crops, again.scene.crops)
    assert torch.equal(first.start, again.start)
    parts = [RefineStream(cache, TRAIN, rank, 2)[3] for rank in (0, 1)]
    assert torch.equal(first.scene.crops, torch.cat([part.scene.crops for part in parts]))


def test_starts_grow_harder_and_are_as_hard_for_validation(cache: Path) -> None:
    config = replace(TRAIN, refine=RefineTaskConfig(ramp=50), data=replace(TRAIN.data, rigs=4))
    streams = [RefineStream(cache, config), RefineStream(cache, config, validation=True)]

    def off(stream: RefineStream, steps: range) -> float:
        batches = [stream[step] for step in steps]
        turns = [turns_between(batch.start, batch.truth, batch.scene.rig.parents) for batch in batches]
        return float(torch.cat([turn.norm(dim=-1).flatten() for turn in turns]).mean())

    assert off(streams[0], range(3)) < 0.6 * off(streams[0], range(60, 63))
    assert off(streams[1], range(3)) > off(streams[0], range(3))


def test_a_resumed_run_ends_as_one_that_was_left_alone(cache: Path, tmp_path: Path) -> None:
    def trainer(name: str) -> Trainer:
        return Trainer(TRAIN, cache, tmp_path / name, torch.device("cpu"), progress_bar=False)

    def finished(run: Trainer) -> dict[str, torch.Tensor]:
        run.run()
        return run.network.state_dict()

    whole = finished(trainer("whole"))
    stopped = trainer("halves")
    for step in range(2):
        stopped.step(RefineStream(cache, TRAIN)[step])
    stopped.save()
    resumed = finished(trainer("halves"))
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())
    network = load_network(tmp_path / "whole" / "last", "refine")
    assert network.refiner is not None and network.config.stages == ("refine",)
    assert (tmp_path / "whole" / "log.csv").read_text(encoding="utf-8").count("world_degrees") >= 1


# Use


def film(rig: SceneRig, frames: int = 3, side: int = 48, seed: int = 2) -> tuple[np.ndarray, list, np.ndarray]:
    """Crops, cameras and true world matrices of a clip."""
    random = np.random.default_rng(seed)
    world = rig.pose(random, frames)
    sample = film_crops(rig.model, world, random, side)
    return sample.crops, cameras_of(sample), world


@pytest.mark.parametrize("number", [1, 2])
def test_refining_a_clip(rigs: list[SceneRig], number: int) -> None:
    body, (crops, cameras, world) = Body.of(rigs[number].model), film(rigs[number])
    assert np.array_equal(refine_world(random_refiner(), body, crops, cameras, world, 0), world)
    untrained = refine_world(Refiner(SMALL).eval(), body, crops, cameras, world, 3)
    assert untrained[..., :3, :3] == pytest.approx(world[..., :3, :3], abs=1e-5)
    assert untrained == pytest.approx(world, abs=0.03 * body.reference.size)  # settled, less than a pixel away
    refined = refine_world(random_refiner(), body, crops, cameras, world, 2)
    assert np.isfinite(refined).all() and np.abs(refined - world).max() > 1e-3
    turns = refined[..., :3, :3]
    assert turns @ np.swapaxes(turns, -1, -2) == pytest.approx(np.broadcast_to(np.eye(3), turns.shape), abs=1e-6)
    children = np.flatnonzero(body.reference.parents >= 0)
    before, after = (_offsets(pose, body.reference.parents, children) for pose in (world, refined))
    assert after == pytest.approx(before, abs=1e-4 * body.reference.size)


def _offsets(world: np.ndarray, parents: np.ndarray, children: np.ndarray) -> np.ndarray:
    """Joints' places in their parents' frames."""
    return (np.linalg.inv(world[:, parents[children]]) @ world[:, children])[..., :3, 3]


def test_the_world_may_lie_anywhere(rigs: list[SceneRig]) -> None:
    body, (crops, cameras, world) = Body.of(rigs[1].model), film(rigs[1])
    moved = np.eye(4)
    moved[:3, 3] = [3.0, -2.0, 5.0]
    moved[:3, :3] = [[0, 0, 1], [0, 1, 0], [-1, 0, 0]]
    others = [
        replace(camera, position=(moved @ [*camera.position, 1])[:3], rotation=moved[:3, :3] @ camera.rotation)
        for camera in cameras
    ]
    refiner = random_refiner()
    here = refine_world(refiner, body, crops, cameras, world)
    there = refine_world(refiner, body, crops, others, moved @ world)
    assert there == pytest.approx(moved @ here, abs=1e-3)


def test_rotations_and_root_go_through_the_same(rigs: list[SceneRig]) -> None:
    """A clip without moving joints: rest bones are enough to know the pose."""
    rig = rigs[1]
    body, (crops, cameras, _) = Body.of(rig.model), film(rig)
    rest = np.repeat(rig.sampler.rest[None], len(crops), axis=0)
    refiner = random_refiner()
    world = refine_world(refiner, body, crops, cameras, rest)
    turns, roots = refine(refiner, body, crops, cameras, rest[..., :3, :3], rest[:, 0, :3, 3])
    assert turns == pytest.approx(world[..., :3, :3], abs=1e-4)
    assert roots == pytest.approx(world[:, 0, :3, 3], abs=1e-4)


def test_frames_without_a_subject_stay_and_large_crops_are_shrunk(rigs: list[SceneRig]) -> None:
    body, (crops, cameras, world) = Body.of(rigs[1].model), film(rigs[1], frames=4, side=80)
    crops[1] = 0
    refined = refine_world(random_refiner(), body, crops, cameras, world)
    assert np.array_equal(refined[1], world[1])
    assert not np.array_equal(refined[2], world[2])


def test_long_clips_have_no_seams(rigs: list[SceneRig]) -> None:
    body, (crops, cameras, world) = Body.of(rigs[0].model), film(rigs[0], frames=1, side=32)
    frames = RUN + 5
    crops, world, cameras = (np.repeat(crops, frames, 0), np.repeat(world, frames, 0), cameras * frames)
    refined = refine_world(random_refiner(replace(SMALL, side=32)), body, crops, cameras, world, 1)
    inner = refined[10:-10]
    assert np.abs(inner - inner[:1]).max() < 1e-4


def test_what_does_not_fit_is_refused(rigs: list[SceneRig]) -> None:
    body, (crops, cameras, world) = Body.of(rigs[1].model), film(rigs[1])
    refiner = Refiner(SMALL)
    for arguments, problem in (
        ((crops, cameras[:2], world), "do not fit together"),
        ((crops, cameras, world[:, :3]), "joints"),
        ((crops, [camera.resized(20, 20) for camera in cameras], world), "sizes differ"),
    ):
        with pytest.raises(InvalidDataError, match=problem):
            refine_world(refiner, body, *arguments)
    with pytest.raises(InvalidDataError, match="iterations"):
        refine_world(refiner, body, crops, cameras, world, -1)


# Saving


def test_models_with_and_without_the_stage(tmp_path: Path) -> None:
    config = replace(TRAIN.network, stages=("refine",))
    network = MotionNetwork(config)
    save_network(tmp_path / "with", config, network.state_dict())
    loaded = load_network(tmp_path / "with", "refine")
    assert loaded.refiner is not None
    for name, value in network.refiner.state_dict().items():  # type: ignore[union-attr]
        assert torch.equal(loaded.refiner.state_dict()[name], value)
    with pytest.raises(ReadError, match="pose"):
        load_network(tmp_path / "with", "pose")
    plain = replace(TRAIN.network, stages=("pose", "rotation"))
    save_network(tmp_path / "without", plain, MotionNetwork(plain).state_dict())
    assert load_network(tmp_path / "without").refiner is None
    with pytest.raises(ReadError, match="refine"):
        load_network(tmp_path / "without", "refine")


def test_configurations_from_before_the_stage_still_load(tmp_path: Path) -> None:
    plain = replace(TRAIN.network, stages=("pose", "rotation"))
    save_network(tmp_path, plain, MotionNetwork(plain).state_dict())
    content = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    del content["network"]["refiner"]
    (tmp_path / "config.json").write_text(json.dumps(content), encoding="utf-8")
    assert load_network(tmp_path).refiner is None


def test_surface_weights_are_padded(rigs: list[SceneRig]) -> None:
    bodies = [Body.of(rig.model) for rig in rigs[:2]]
    rig = batch_rigs([body.reference for body in bodies])
    weights = surface_weights(bodies, rig)
    assert weights.shape == (2, len(bodies[0].sample.shares), rig.mask.shape[1])
    assert not weights[~rig.mask[:, None].expand_as(weights)].any()
