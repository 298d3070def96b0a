"""Limbs swung onto the film: a pose that is off comes nearer, and what gains nothing stays as it was."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from matching_helpers import FOLDED, FRAMES, SIDE, SWUNG, camera, clip_of, filmed, off, posed, track
from mocapcli.capturing.match_film import Film
from mocapcli.capturing.match_film import off as off_film
from mocapcli.capturing.match_limbs import LIMBS, SLIGHT, WHOLE, limbs_of, path_of, try_limbs
from mocapcli.capturing.match_pose import KNOT, Change, Start, between_knots, carry_points
from mocapcli.capturing.matching import RUN, STEPS, Matcher, how_alike, match, steps_of
from mocapcli.capturing.turning import bones_of
from mocapcli.kinematics import carried, quat_to_matrix
from mocapcli.network.kinematics import local_to_world_rotations
from mocapcli.network.model import MotionNetwork
from mocapcli.network.pose_prior import PosePrior
from mocapcli.network.reference import RigReference, batch_rigs
from mocapcli.network.refiner_body import Body, surface_weights
from mocapcli.render.scene import Model
from mocapcli.render.skinning import skin_points

pytest_plugins = ["matching_fixtures"]


def test_a_lowered_head_and_tail_are_found(matcher: Matcher, model: Model, reference: RigReference) -> None:
    truth, start = posed(reference, SWUNG), posed(reference, {})
    crops = filmed(model, *truth, reference.size)
    full, told = camera(reference.size), []
    with clip_of(crops, reference.size) as clip:
        before = track(*start, reference.size)
        after = match(matcher, before, clip, full, told.append)
    assert after.rotations is not None and sum(told) == FRAMES
    assert off(after, truth[1], 2) < 0.5 * off(before, truth[1], 2)
    assert off(after, truth[1]) < 0.8 * off(before, truth[1])
    np.testing.assert_allclose(np.linalg.norm(after.rotations, axis=-1), 1, atol=1e-6)
    bones = carried(quat_to_matrix(after.rotations), bones_of(reference), reference.parents, after.placed)
    np.testing.assert_allclose(bones, after.placed, atol=1e-4 * reference.size)  # no bone is longer than the rig's


@pytest.mark.parametrize(
    ("axis", "degrees", "share"), [("z", 80.0, 0.5), ("y", 30.0, 0.7), ("x", 170.0, 0.3), ("z", 170.0, 0.3)]
)
def test_a_body_that_lies_or_faces_aside_is_found(
    matcher: Matcher, model: Model, reference: RigReference, axis: str, degrees: float, share: float
) -> None:
    """Over as far as no small step leads."""
    start = posed(reference, {})
    turn, middle = Rotation.from_euler(axis, degrees, degrees=True).as_matrix(), start[1][0, reference.deforms].mean(0)
    truth = turn @ start[0], (start[1] - middle) @ turn.T + middle
    with clip_of(filmed(model, *truth, reference.size), reference.size) as clip:
        before = track(*start, reference.size)
        after = match(matcher, before, clip, camera(reference.size))
        alike = [how_alike(matcher, pose, clip, camera(reference.size)) for pose in (before, after)]
    assert off(after, truth[1]) < share * off(before, truth[1])
    assert alike[0] < alike[1] - 0.1 and after.likeness == pytest.approx(alike[1], abs=0.02)


def test_a_body_that_goes_down_is_found(matcher: Matcher, model: Model, reference: RigReference) -> None:
    """It stands at first, and lies at the end of the clip."""
    frames, start = 40, posed(reference, {}, 40)
    over = 80.0 * np.clip((np.arange(frames) - 16) / 10, 0, 1)
    down = Rotation.from_euler("z", over[:, None], degrees=True).as_matrix()
    middle = start[1][0, reference.deforms].mean(0)
    truth = down[:, None] @ start[0], np.einsum("fab,fjb->fja", down, start[1] - middle) + middle
    with clip_of(filmed(model, *truth, reference.size), reference.size) as clip:
        after = match(matcher, track(*start, reference.size), clip, camera(reference.size))
    off_by = [
        np.linalg.norm(each - truth[1], axis=-1).mean(axis=1) / reference.size for each in (start[1], after.placed)
    ]
    assert off_by[1][over == 80].mean() < 0.5 * off_by[0][over == 80].mean()
    assert off_by[1][over == 0].max() < 0.06


@pytest.mark.parametrize("frames", [1, 2])
def test_one_picture_is_a_film(matcher: Matcher, model: Model, reference: RigReference, frames: int) -> None:
    truth, start = posed(reference, SWUNG, frames), posed(reference, {}, frames)
    with clip_of(filmed(model, *truth, reference.size), reference.size) as clip:
        before = track(*start, reference.size)
        after = match(matcher, before, clip, camera(reference.size))
    off_by = [np.linalg.norm((each - truth[1])[..., :2], axis=-1).mean(axis=1) for each in (start[1], after.placed)]
    assert (off_by[1] < 0.5 * off_by[0]).all(), "the last one too"


def test_what_looks_like_nothing_better_stays(matcher: Matcher, model: Model, reference: RigReference) -> None:
    """The film shows the very pose, and the rest of it was not seen."""
    pose = posed(reference, SWUNG)
    crops, seen = filmed(model, *pose, reference.size), np.arange(FRAMES) < 4
    with clip_of(crops * seen[:, None, None, None], reference.size) as clip:
        before = track(*pose, reference.size, seen)
        after = match(matcher, before, clip, camera(reference.size))
        alike = how_alike(matcher, before, clip, camera(reference.size))
    assert after.likeness == pytest.approx(alike, abs=1e-5)
    np.testing.assert_allclose(after.placed, before.placed, atol=1e-9)
    np.testing.assert_allclose(quat_to_matrix(after.rotations), quat_to_matrix(before.rotations), atol=1e-9)


def test_frames_that_show_nothing_go_along_with_their_neighbours(
    matcher: Matcher, model: Model, reference: RigReference
) -> None:
    crops = filmed(model, *posed(reference, SWUNG), reference.size)
    seen = np.arange(FRAMES) != 3
    crops[3] = 0
    with clip_of(crops, reference.size) as clip:
        before = track(*posed(reference, {}), reference.size, seen)
        after = match(matcher, before, clip, camera(reference.size))
    moved = after.placed - before.placed
    assert (np.abs(moved).max(axis=(1, 2)) > 1e-3 * reference.size).all()
    np.testing.assert_allclose(moved[3], (moved[2] + moved[4]) / 2, atol=1e-9)
    with clip_of(np.zeros_like(crops), reference.size) as clip:
        nobody = track(*posed(reference, {}), reference.size, seen & False)
        same = match(matcher, nobody, clip, camera(reference.size))
    np.testing.assert_allclose(same.placed, nobody.placed)


def test_windows_meet_without_seams(matcher: Matcher, model: Model, reference: RigReference, monkeypatch) -> None:
    """More frames than are matched together: every one of them comes nearer."""
    frames, run = 20, 13
    monkeypatch.setattr("mocapcli.capturing.matching.RUN", run)
    monkeypatch.setattr("mocapcli.capturing.matching.OVERLAP", 5)
    truth, start = posed(reference, SWUNG, frames), posed(reference, {}, frames)
    told: list[int] = []
    with clip_of(filmed(model, *truth, reference.size), reference.size) as clip:
        after = match(matcher, track(*start, reference.size), clip, camera(reference.size), told.append)
    assert sum(told) == frames and len(told) == 2
    off_by = [np.linalg.norm((each - truth[1])[..., :2], axis=-1).mean(axis=1) for each in (start[1], after.placed)]
    assert (off_by[1] < 0.7 * off_by[0]).all()
    assert np.abs(np.diff(after.placed, axis=0)).max() < 0.02 * reference.size


def test_nothing_is_matched_where_there_is_nothing_to_match(
    network: MotionNetwork, model: Model, reference: RigReference
) -> None:
    assert Matcher.of(network, None, reference) is None, "bones alone look like nothing that is filmed"
    assert Matcher.of(network, model, reference, 0) is None
    pose = track(*posed(reference, {}), reference.size)
    with clip_of(np.zeros((FRAMES, SIDE, SIDE, 4), np.uint8), reference.size) as clip:
        assert match(None, pose, clip, camera(reference.size)) is pose


def test_networks_that_know_renders_alone_do_not_match_unless_asked(network: MotionNetwork) -> None:
    plain = replace(network.config, video_to_pose=replace(network.config.video_to_pose, encoder="small"))
    assert steps_of(network, None) == STEPS and steps_of(MotionNetwork(plain), None) == 0
    assert steps_of(MotionNetwork(plain), 7) == 7 and steps_of(network, 0) == 0


def test_whitened_angles_are_the_pose(network: MotionNetwork, reference: RigReference) -> None:
    rig = batch_rigs([reference])
    for imaginer in (network.imaginer, None):
        prior = PosePrior.of(imaginer, rig)
        local = torch.from_numpy(Rotation.random(4 * reference.joints, random_state=1).as_rotvec() * 0.2)
        turns = torch.from_numpy(Rotation.from_rotvec(local.numpy()).as_matrix()).float()
        deltas = local_to_world_rotations(turns.unflatten(0, (4, -1))[None], rig.levels)
        world = deltas @ rig.reference_rotations[:, None]
        white, headings = prior.whitened(world)
        back = headings @ prior.deltas(white) @ rig.reference_rotations[:, None]
        torch.testing.assert_close(back, world, atol=1e-4, rtol=0)
        torch.testing.assert_close(headings[..., 1, 1], torch.ones_like(headings[..., 1, 1]), atol=1e-4, rtol=0)


def test_imagined_poses_are_likelier_than_bones_turned_anyhow(network: MotionNetwork, reference: RigReference) -> None:
    rig = batch_rigs([reference])
    prior = PosePrior.of(network.imaginer, rig)
    noise = torch.randn(1, 16, reference.joints, 3, generator=torch.Generator().manual_seed(9))
    assert network.imaginer is not None
    imagined, _ = prior.whitened(network.imaginer.imagine(noise, rig))
    anyhow = local_to_world_rotations(torch.matrix_exp(_cross(0.3 * noise)), rig.levels)
    wild, _ = prior.whitened(anyhow @ rig.reference_rotations[:, None])
    assert 0.02 < imagined.square().mean() < 1.5
    assert wild.square().mean() > 3 * imagined.square().mean()


def _cross(vectors: torch.Tensor) -> torch.Tensor:
    x, y, z = vectors.unbind(-1)
    rows = [torch.zeros_like(x), -z, y, z, torch.zeros_like(x), -x, -y, x, torch.zeros_like(x)]
    return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))


@pytest.mark.parametrize("frames", [1, 2, KNOT, KNOT + 1, 17, RUN])
def test_knots_share_every_frame(frames: int) -> None:
    shares = between_knots(frames)
    torch.testing.assert_close(shares.sum(1), torch.ones(frames))
    assert (shares >= 0).all() and ((shares > 0).sum(1) <= 2).all()
    assert shares[0, 0] == 1 and shares[-1, -1] == 1


def test_the_surface_goes_with_its_joints(network: MotionNetwork, model: Model, reference: RigReference) -> None:
    """Points carried from the start lie where the skin takes them."""
    rig, body = batch_rigs([reference]), Body.of(model, reference)
    places, worlds = [], []
    for turns in ({}, SWUNG):
        rotations, placed = posed(reference, turns, 2)
        world = np.tile(np.eye(4), (*placed.shape[:2], 1, 1))
        world[..., :3, :3], world[..., :3, 3] = rotations, placed
        worlds.append(
            (torch.from_numpy(rotations).float()[None], torch.from_numpy(placed).float()[None] / reference.size)
        )
        places.append(torch.from_numpy(body.sample.of(skin_points(body.skin, world)[0])).float() / reference.size)
    start = Start.of(PosePrior.of(None, rig), reference, *worlds[0])
    weights = surface_weights([body], rig)[0]
    torch.testing.assert_close(carry_points(places[0], weights, start, *worlds[0]), places[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(carry_points(places[0], weights, start, *worlds[1]), places[1], atol=2e-3, rtol=0)
    rotations, placed = Change.none(start).pose(start)
    torch.testing.assert_close(placed, worlds[0][1], atol=1e-5, rtol=0)
    torch.testing.assert_close(rotations, worlds[0][0], atol=1e-4, rtol=0)


def test_limbs_are_what_hangs_below_branches(matcher: Matcher, reference: RigReference) -> None:
    parents, flesh = reference.carriers, matcher.weights.sum(0).numpy()
    shares = [flesh[limb].sum() / flesh.sum() for limb in matcher.limbs]
    assert 4 <= len(matcher.limbs) <= LIMBS
    assert shares == sorted(shares, reverse=True) and SLIGHT <= shares[-1] and shares[0] <= WHOLE
    for limb in matcher.limbs:
        heads = [joint for joint in np.flatnonzero(limb) if parents[joint] < 0 or not limb[parents[joint]]]
        assert len(heads) == 1, "one joint carries all the others"
        beside = np.flatnonzero((parents == parents[heads[0]]) & ~limb)
        assert len(beside), "the body branches there"


def test_a_loose_foot_is_of_its_leg_though_it_stands_before_it() -> None:
    carriers = np.array([-1, 4, 0, 2, 3, 0, 5])  # root; foot, whose shin is the fifth; hip, thigh, shin; another leg
    first, second = limbs_of(carriers, np.ones(7))
    assert np.flatnonzero(first).tolist() == [1, 2, 3, 4] and np.flatnonzero(second).tolist() == [5, 6]


def test_a_film_that_hardly_shows_anybody_pulls_nowhere(matcher: Matcher, reference: RigReference) -> None:
    faint = np.full((2, SIDE, SIDE, 4), 100, np.uint8)
    film = Film.of([camera(reference.size)] * 2, faint, matcher.figure.encoder)
    rotations, placed = (torch.from_numpy(each).float()[None] for each in posed(reference, {}, 2))
    drawn = matcher.figure.drawn(film, rotations, placed / reference.size)
    points = torch.rand(2, drawn.seen.shape[1], 2).requires_grad_()
    hidden = replace(drawn, trust=torch.zeros_like(drawn.trust), seen=torch.zeros_like(drawn.seen))
    off_film(film, hidden, points).backward()
    assert not points.grad.any()


def test_bodies_without_branches_are_cut() -> None:
    snake, lone = np.arange(20) - 1, np.array([-1])
    limbs = limbs_of(snake, np.ones(20))
    assert [int(limb.sum()) for limb in limbs] == [15, 10, 4]
    assert all((np.diff(limb.astype(int)) >= 0).all() for limb in limbs), "the rear goes along"
    assert limbs_of(lone, np.ones(1)) == [] and limbs_of(snake, np.zeros(20)) == []


def test_no_limb_leaps_for_a_slight_gain() -> None:
    """Of two poses, two radians apart, the other one looks a little better at one knot, and much better at two."""
    changes = torch.zeros(6, 2, 3)
    changes[:, 1, 0] = 2.0
    slight, much = (torch.tensor([0.0, -3.0]).repeat(6, 1) for _ in range(2))
    slight[2, 1], much[2:4, 1] = 3.0, 6.0
    assert path_of(slight, changes) == [0] * 6
    assert path_of(much, changes) == [0, 0, 1, 1, 0, 0]


def test_a_limb_is_found_in_a_pose_that_it_has_elsewhere_in_the_clip(
    matcher: Matcher, model: Model, reference: RigReference
) -> None:
    """The tail is folded; the start knows that of the first frames alone, and no gradient leads there from the rest."""
    frames, half = 4 * KNOT + 1, 2 * KNOT + 1
    folded, straight = posed(reference, FOLDED, frames), posed(reference, {}, frames)
    known = [
        np.where(np.arange(frames).reshape(-1, 1, *[1] * (each.ndim - 2)) < half, each, other)
        for each, other in zip(folded, straight, strict=True)
    ]
    crops = filmed(model, *folded, reference.size)
    film = Film.of([camera(reference.size)] * frames, crops, matcher.figure.encoder)
    parts = [torch.from_numpy(each).float()[None] for each in (known[0], known[1] / reference.size)]
    start = Start.of(matcher.prior, reference, *parts)
    change = Change.none(start)
    before = matcher.figure.likeness(film, *change.pose(start))
    assert try_limbs(change, start, matcher.figure, film, matcher.limbs)
    after = matcher.figure.likeness(film, *change.pose(start))
    late = slice(half + KNOT, None)
    assert (after[late] > before[late] + 0.03).all()
    assert after[:half].mean() > before[:half].mean() - 0.02, "what was right stays right"
    told = change.pose(start)[1][0].detach().numpy() * reference.size
    around = [each - each[:, :1] for each in (folded[1], known[1], told)]
    off_by = [np.linalg.norm(each - around[0], axis=-1)[late].mean() for each in around[1:]]
    assert off_by[1] < 0.1 * off_by[0]
