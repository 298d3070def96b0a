"""Half precision is chosen by trying it."""

import pytest

torch = pytest.importorskip("torch")

from mocapcli.network import precision  # noqa: E402


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
