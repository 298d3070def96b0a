"""Half precision is chosen by trying it."""

import pytest

torch = pytest.importorskip("torch")

from mocapcli.network import precision  # noqa: E402
from mocapcli.network.video_to_pose import _grid  # noqa: E402


@pytest.mark.parametrize(("half_takes", "pays"), [(0.5, True), (0.95, False), (30.0, False)])
def test_the_faster_one_is_taken(monkeypatch: pytest.MonkeyPatch, half_takes: float, pays: bool) -> None:
    monkeypatch.setattr(precision, "_seconds", lambda layer, images, half: half_takes if half else 1.0)
    assert precision.half_pays.__wrapped__() is pays


@pytest.mark.parametrize(("half", "kind"), [(True, torch.bfloat16), (False, torch.float32)])
def test_products_come_out_in_the_precision_asked_for(half: bool, kind: torch.dtype) -> None:
    with precision.precision(torch.device("cpu"), half):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == kind


def test_trying_it_out_works_here_even_where_gradients_are_off() -> None:
    with torch.no_grad():
        assert precision.half_pays.__wrapped__() in (True, False)


def test_cells_stand_where_they_stand_in_half_precision_too() -> None:
    features = torch.zeros(1, 2, 24, 24)
    whole, half = _grid(features), _grid(features.bfloat16())
    assert half.dtype == torch.float32 and torch.equal(whole, half)
    assert whole[0].tolist() == pytest.approx([-23 / 24] * 2)
    assert whole[1].tolist() == pytest.approx([-21 / 24, -23 / 24]), "x to the right, row after row"
