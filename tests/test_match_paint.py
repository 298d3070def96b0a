"""The rig is painted after the film where the one who is filmed looks otherwise, and nowhere else."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from matching_helpers import FRAMES, SWUNG, camera, clip_of, filmed, off, posed, track
from mocapcli.capturing import match_paint
from mocapcli.capturing.match_film import Figure, Film
from mocapcli.capturing.match_paint import in_films_colours
from mocapcli.capturing.matching import Matcher, how_alike, match
from mocapcli.data.simplify import take_vertices
from mocapcli.network.reference import RigReference
from mocapcli.render.scene import Model, prepare
from mocapcli.types import Material

pytest_plugins = ["matching_fixtures"]


@pytest.fixture(scope="module")
def stranger(model: Model) -> Model:
    """The same body, each joint's flesh in a colour of its own."""
    palette = np.random.default_rng(5).uniform(0.05, 0.9, (len(model.rig.skeleton.parents) + 1, 3))
    return painted_in(model, np.column_stack([palette[model.vertex_joints + 1], np.ones(len(model.vertex_joints))]))


def painted_in(model: Model, colours: np.ndarray) -> Model:
    mesh = model.mesh
    plain = tuple(replace(one, base_colour=(1.0, 1.0, 1.0, 1.0), texture=None) for one in mesh.materials)
    return prepare(model.rig, replace(mesh, colours=colours.astype(np.float32), materials=plain))


def told(reference: RigReference, turns: dict[int, float], frames: int = FRAMES) -> tuple[torch.Tensor, torch.Tensor]:
    """A pose as figures take it."""
    rotations, placed = posed(reference, turns, frames)
    return torch.from_numpy(rotations)[None].float(), torch.from_numpy(placed / reference.size)[None].float()


def film_of(figure: Figure, shown: Model, reference: RigReference, frames: int = FRAMES) -> Film:
    crops = filmed(shown, *posed(reference, SWUNG, frames), reference.size)
    return Film.of([camera(reference.size)] * frames, crops, figure.encoder)


def test_a_stranger_lends_the_rig_its_colours(matcher: Matcher, stranger: Model, reference: RigReference) -> None:
    """Even after a pose that is off."""
    film, truth = film_of(matcher.figure, stranger, reference), told(reference, SWUNG)
    painted = in_films_colours(matcher.figure, film, *told(reference, {}))
    assert painted is not matcher.figure and painted.model.rig is matcher.figure.model.rig
    before, after = (float(one.likeness(film, *truth).mean()) for one in (matcher.figure, painted))
    assert after - before > 0.3 * (1 - before)
    best = in_films_colours(matcher.figure, film, *truth)
    apart = np.abs(best.model.mesh.colours - stranger.mesh.colours)[:, :3].mean(axis=1)
    assert np.median(apart) < 0.15, "what is not seen is as what is next to it"


def test_whoever_has_the_rigs_looks_is_not_painted(matcher: Matcher, model: Model, reference: RigReference) -> None:
    film = film_of(matcher.figure, model, reference)
    for pose in ({}, SWUNG):
        assert in_films_colours(matcher.figure, film, *told(reference, pose)) is matcher.figure


def test_what_is_only_a_little_nearer_is_not_painted(
    matcher: Matcher, model: Model, stranger: Model, reference: RigReference
) -> None:
    """Vertex by vertex a rig may be painted like anything; joint by joint it gains too little here."""
    mixed = painted_in(model, 0.8 * model.mesh.colours + 0.2 * stranger.mesh.colours)
    film = film_of(matcher.figure, mixed, reference)
    assert in_films_colours(matcher.figure, film, *told(reference, {})) is matcher.figure
    assert in_films_colours(matcher.figure, film, *told(reference, SWUNG)) is not matcher.figure


def test_frames_that_colours_were_not_taken_from_judge(
    matcher: Matcher, model: Model, stranger: Model, reference: RigReference
) -> None:
    """Every other frame shows somebody else: those in between show the rig itself."""
    own, other = (filmed(each, *posed(reference, SWUNG), reference.size) for each in (model, stranger))
    crops = np.where((np.arange(FRAMES) % 2 == 0)[:, None, None, None], other, own)
    film = Film.of([camera(reference.size)] * FRAMES, crops, matcher.figure.encoder)
    assert in_films_colours(matcher.figure, film, *told(reference, SWUNG)) is matcher.figure


def test_colours_are_taken_from_every_frame_for_every_vertex(
    matcher: Matcher, model: Model, reference: RigReference
) -> None:
    """Left is red and right is blue, and the last frame alone, which is one of those that judge, shows the right."""
    left = model.rest_points[:, 0] > np.median(model.rest_points[:, 0])
    colours = np.where(left[:, None], [0.8, 0.05, 0.05, 1.0], [0.05, 0.05, 0.8, 1.0])
    rotations, placed = posed(reference, SWUNG)
    around = np.diag([-1.0, 1.0, -1.0])
    middle = placed[:, :1]
    behind = np.arange(FRAMES) == FRAMES - 1
    rotations = np.where(behind[:, None, None, None], around @ rotations, rotations)
    placed = np.where(behind[:, None, None], (placed - middle) @ around + middle, placed)
    crops = filmed(painted_in(model, colours), rotations, placed, reference.size)
    film = Film.of([camera(reference.size)] * FRAMES, crops, matcher.figure.encoder)
    pose = torch.from_numpy(rotations)[None].float(), torch.from_numpy(placed / reference.size)[None].float()
    painted = in_films_colours(matcher.figure, film, *pose)
    off_by = np.abs(painted.model.mesh.colours - colours)[:, :3].max(axis=1)
    far = np.abs(model.rest_points[:, 0] - np.median(model.rest_points[:, 0])) > 0.05 * reference.size
    assert [(off_by[side & far] < 0.3).mean() > 0.5 for side in (left, ~left)] == [True, True]


def test_one_picture_or_none_that_shows_anything_paints_nothing(
    matcher: Matcher, stranger: Model, reference: RigReference
) -> None:
    single = film_of(matcher.figure, stranger, reference, 1)
    assert in_films_colours(matcher.figure, single, *told(reference, SWUNG, 1)) is matcher.figure
    nothing = np.zeros((FRAMES, 96, 96, 4), np.uint8)
    empty = Film.of([camera(reference.size)] * FRAMES, nothing, matcher.figure.encoder)
    assert in_films_colours(matcher.figure, empty, *told(reference, SWUNG)) is matcher.figure


def test_strangers_are_matched_painted_and_judged_in_the_rigs_own_colours(
    matcher: Matcher, stranger: Model, reference: RigReference, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For readings are compared by likeness, and paint suits whatever pose it was put on in."""
    truth, full, painted = posed(reference, SWUNG), camera(reference.size), list[bool]()

    def watched(figure: Figure, *told: object) -> Figure:
        painted.append((found := in_films_colours(figure, *told)) is not figure)
        return found

    monkeypatch.setattr("mocapcli.capturing.matching.in_films_colours", watched)
    with clip_of(filmed(stranger, *truth, reference.size), reference.size) as clip:
        before = track(*posed(reference, {}), reference.size)
        after = match(matcher, before, clip, full)
        assert after.likeness == pytest.approx(how_alike(matcher, after, clip, full), abs=1e-4)
        monkeypatch.setattr("mocapcli.capturing.matching.in_films_colours", lambda figure, *told: figure)
        unpainted = match(matcher, before, clip, full)
    assert painted == [True]
    assert off(after, truth[1]) < 0.8 * min(off(before, truth[1]), off(unpainted, truth[1]))


def test_a_clip_is_painted_as_a_whole(
    matcher: Matcher, stranger: Model, reference: RigReference, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many windows it is matched in, and whatever single ones of them show."""
    frames, looks = 20, list[object]()
    monkeypatch.setattr("mocapcli.capturing.matching.RUN", 13)
    monkeypatch.setattr("mocapcli.capturing.matching.OVERLAP", 5)
    monkeypatch.setattr(Matcher, "match", lambda self, film, world: (looks.append(self.figure) or world, 0.5))
    with clip_of(filmed(stranger, *posed(reference, SWUNG, frames), reference.size), reference.size) as clip:
        match(matcher, track(*posed(reference, {}, frames), reference.size), clip, camera(reference.size))
    assert len(looks) == 2 and looks[0] is looks[1] and looks[0] is not matcher.figure


def test_what_is_cut_out_tells_no_colours_and_what_it_shares_is_painted(
    matcher: Matcher, model: Model, reference: RigReference
) -> None:
    """Its own colours are not known from its shade; a vertex that opaque faces have too is painted for them."""
    fur, which = Material("fur", (0.02, 0.02, 0.02, 1.0), alpha_mode="mask"), np.arange(len(model.mesh.faces)) % 3 == 0
    mesh = replace(model.mesh, colours=None, face_materials=which.astype(np.int32))
    skins = [Material("skin", (*colour, 1.0)) for colour in ((0.5, 0.5, 0.5), (0.6, 0.1, 0.1))]
    assert not match_paint._cut_out(replace(mesh, materials=(skins[0], fur)))[mesh.faces[~which]].any()
    alone = take_vertices(mesh, mesh.faces.ravel(), np.arange(mesh.faces.size).reshape(-1, 3), which | True)
    grey, red = (prepare(model.rig, replace(alone, materials=(skin, fur))) for skin in skins)
    figure = replace(matcher.figure, model=grey)
    film, pose = film_of(figure, red, reference), told(reference, SWUNG)
    _, seen = match_paint._told(figure, film, *pose)
    assert seen.reshape(-1, 3)[~which].any() and not seen.reshape(-1, 3)[which].any()
    painted = in_films_colours(figure, film, *pose)
    colours = painted.model.mesh.colours[:, :3].reshape(-1, 3, 3)
    np.testing.assert_allclose(np.median(colours[~which], axis=(0, 1)), [0.6, 0.1, 0.1], atol=0.04)
    np.testing.assert_allclose(colours[which], 1.0)


def test_what_is_cut_out_of_a_picture_keeps_its_looks(model: Model) -> None:
    feather = Material("feather", (0.5, 0.5, 0.5, 1.0), alpha_mode="mask")
    skin = Material("skin", (0.5, 0.5, 0.5, 1.0))
    which = np.zeros(len(model.mesh.faces), np.int32)
    which[:10] = 1
    mesh = replace(model.mesh, materials=(skin, feather), face_materials=which)
    painted = match_paint._with_colours(prepare(model.rig, mesh), np.full((len(mesh.vertices), 3), 0.2))
    kept = np.setdiff1d(mesh.faces[:10], mesh.faces[10:])
    assert painted.mesh.materials[0].base_colour == (1.0, 1.0, 1.0, 1.0) and painted.mesh.materials[1] is feather
    before = np.ones(4) if mesh.colours is None else mesh.colours[kept]
    np.testing.assert_allclose(painted.mesh.colours[kept], np.broadcast_to(before, (len(kept), 4)))
    others = np.setdiff1d(np.arange(len(mesh.vertices)), kept)
    np.testing.assert_allclose(painted.mesh.colours[others, :3], 0.2, atol=1e-6)


def test_the_far_side_is_painted_as_the_near_one() -> None:
    """Whichever way it faces."""
    points = np.array([[-1.0, 0, 0.1], [1.0, 0, 0.1], [-1.0, 3, 2], [1.1, 3, 2], [0, 1, 0]])
    known = np.array([True, False, True, False, True])
    for facing in (points, points[:, [2, 1, 0]]):
        np.testing.assert_array_equal(match_paint._next_to(facing, known), [0, 1])
