"""How far matching goes, and what it takes to be believed; likeness is told here, not seen."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from matching_helpers import SWUNG, camera, filmed, posed
from mocapcli.capturing.match_film import Figure, Film
from mocapcli.capturing.match_pose import Change, Start, unwound
from mocapcli.capturing.matching import TRIES, Matcher
from mocapcli.kinematics import affine
from mocapcli.network.reference import RigReference
from mocapcli.render.scene import Model

pytest_plugins = ["matching_fixtures"]


@pytest.fixture
def still(matcher: Matcher, model: Model, reference: RigReference) -> tuple[Film, np.ndarray]:
    """A picture, and the pose it shows."""
    rotations, placed = posed(reference, {}, 1)
    crops = filmed(model, rotations, placed, reference.size)
    return Film.of([camera(reference.size)], crops, matcher.figure.encoder), affine(rotations, placed)


def tell(
    monkeypatch: pytest.MonkeyPatch,
    alike: Iterable[float],
    begun: Sequence[tuple[float, float, float]] = ((0.0, 0.0, 0.0),),
    given: float = 0.4,
) -> None:
    """One likeness after the other, whatever is drawn; nothing descends from the turns that are begun with."""
    told = iter(alike)
    monkeypatch.setattr(Figure, "likeness_of", lambda self, film, world: torch.full((1,), given))
    monkeypatch.setattr(Matcher, "_begun", lambda self, task: [Change.none(task.start, turn) for turn in begun])
    monkeypatch.setattr(Matcher, "_descended", lambda self, change, task, steps=None: change)
    monkeypatch.setattr(Matcher, "_likeness", lambda self, change, task: float(next(told)))


@pytest.mark.parametrize(
    ("gains", "times"), [([0.1] * 9, TRIES), ([0.1, 0.0, 0.1], 2), ([-0.1], 1), ([0.1, float("nan")], 2)]
)
def test_limbs_are_tried_again_as_long_as_that_helps(
    matcher: Matcher, reference: RigReference, still, monkeypatch: pytest.MonkeyPatch, gains, times: int
) -> None:
    """Every time from the best so far."""
    film, world = still
    begun_with = list[float]()

    def shifted(change: Change, *_: object) -> bool:
        begun_with.append(float(change.shift.detach().sum()))
        change.shift.data.add_(1.0)
        return True

    tell(monkeypatch, np.cumsum([0.5, 0.1, *gains]))
    monkeypatch.setattr("mocapcli.capturing.matching.try_limbs", shifted)
    _, likeness = matcher.match(film, world)
    assert begun_with == [3.0 * number for number in range(times)]
    assert likeness > 0.5, "what is no number is no reason to forget what was found"


def test_a_part_of_the_way_may_lead_nowhere(
    matcher: Matcher, reference: RigReference, still, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of a turn upside down lies on its side, which looks like nothing."""
    film, world = still
    tell(monkeypatch, [0.5, 0.525, 0.1], [(np.pi, 0.0, 0.0)])
    monkeypatch.setattr("mocapcli.capturing.matching.try_limbs", lambda *_: False)
    found, _ = matcher.match(film, world)
    np.testing.assert_array_equal(found, world)


def test_what_was_given_may_look_more_like_the_film_than_where_it_begins(
    matcher: Matcher, still, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A body is moved to the middle of the outline first, which a shadow may have spoilt."""
    film, world = still
    tell(monkeypatch, [0.5, 0.6], given=0.7)
    monkeypatch.setattr("mocapcli.capturing.matching.try_limbs", lambda *_: False)
    found, likeness = matcher.match(film, world)
    np.testing.assert_array_equal(found, world)
    assert likeness == pytest.approx(0.7)


def test_turns_go_on_past_half_a_turn(matcher: Matcher, reference: RigReference) -> None:
    """Rolling over to the left is as straight a way as rolling over to the right."""
    told = torch.tensor([0.0, -90.0, 180.0, -150.0, 150.0, 90.0]).deg2rad()
    axis = torch.tensor([0.6, 0.0, 0.8])
    along = unwound(told[:, None] * axis) @ axis
    torch.testing.assert_close(along.rad2deg(), torch.tensor([0.0, -90.0, -180.0, -150.0, -210.0, -270.0]))
    rotations, placed = (torch.from_numpy(each).float()[None] for each in posed(reference, {}, 9))
    start = Start.of(matcher.prior, reference, rotations, placed / reference.size)
    lying = [Change.none(start, (0.0, 0.0, degrees * np.pi / 180)) for degrees in (-90.0, 180.0)]
    knots = start.knots.shape[1]
    rolled = Change.pieced(lying, [0] * (knots - 1) + [1])
    torch.testing.assert_close(rolled.turn[:, 2].rad2deg(), torch.tensor([*[-90.0] * (knots - 1), -180.0]))
    small = 0.3 * torch.randn(9, 3, generator=torch.Generator().manual_seed(1))
    assert torch.equal(unwound(small), small) and not unwound(torch.zeros(3, 3)).any()


@pytest.mark.parametrize("much", [0.0, 0.3, 1.0])
def test_a_share_of_a_change_turns_and_moves_the_body_by_as_much(
    matcher: Matcher, reference: RigReference, much: float
) -> None:
    """It turns about its middle, not about the joint that carries the others."""
    rotations, placed = (torch.from_numpy(each).float()[None] for each in posed(reference, SWUNG, 1))
    start = Start.of(matcher.prior, reference, rotations, placed / reference.size)
    change = Change.none(start, (0.0, 0.0, np.pi / 2))
    change.shift.data += torch.tensor([0.0, 0.4, 0.0])
    change.white.data += 0.5
    change.longer.data += 0.1
    part = change.share(start, much)
    before, after = start.places[0, 0], part.pose(replace(start, white=start.white - part.white))[1][0, 0]
    torch.testing.assert_close(part.white, much * change.white.detach())
    torch.testing.assert_close(part.longer, much * change.longer.detach())
    angle = torch.tensor(much * np.pi / 2)
    turn = torch.tensor([[angle.cos(), -angle.sin(), 0.0], [angle.sin(), angle.cos(), 0.0], [0.0, 0.0, 1.0]])
    middle = before.mean(0)
    wanted = (before[start.first] - middle) @ turn.float().T + middle + much * torch.tensor([0.0, 0.4, 0.0])
    torch.testing.assert_close(after[start.first], wanted, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("gained", "way"), [(0.05, 1.0), (0.2, 1.0), (0.02, 0.4), (0.0, 0.0), (-0.01, 0.0), (float("nan"), 0.0)]
)
def test_the_less_more_it_looks_like_the_film_the_less_it_moves(
    matcher: Matcher, reference: RigReference, still, monkeypatch: pytest.MonkeyPatch, gained: float, way: float
) -> None:
    """Of likeness a half is lacking; a tenth of that is worth all of the way."""
    film, world = still

    def begun(self: Matcher, task) -> list[Change]:
        change = Change.none(task.start)
        change.shift.data[:, 1] += 1.0
        return [change]

    tell(monkeypatch, [0.5, 0.5 + gained, 0.6])
    monkeypatch.setattr(Matcher, "_begun", begun)
    monkeypatch.setattr("mocapcli.capturing.matching.try_limbs", lambda *_: False)
    found, likeness = matcher.match(film, world)
    start = matcher._task(film, world).start
    begin = matcher.figure.metres(*Change.none(start).pose(start, plain=True)) if way else world
    np.testing.assert_allclose(found[0, 0, 1, 3] - begin[0, 0, 1, 3], way * reference.size, atol=1e-4)
    if way:
        assert likeness == (0.6 if way < 1 else 0.5 + gained)


@pytest.mark.parametrize(("gained", "over"), [(0.01, False), (0.02, True), (-0.1, False)])
def test_bodies_are_turned_over_for_a_good_reason_alone(
    matcher: Matcher, reference: RigReference, still, monkeypatch: pytest.MonkeyPatch, gained: float, over: bool
) -> None:
    """A hundredth of likeness, of the half that is lacking, is none."""
    film, world = still
    tell(monkeypatch, [0.3, 0.5, 0.5 + gained], [(0.0, 0.0, 0.0), (np.pi, 0.0, 0.0)])
    monkeypatch.setattr("mocapcli.capturing.matching.try_limbs", lambda *_: False)
    found, _ = matcher.match(film, world)
    turns = np.linalg.inv(world[0, 0, :3, :3]) @ found[0, 0, :3, :3]
    assert (np.trace(turns) < 0) == over
