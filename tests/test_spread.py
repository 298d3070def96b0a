"""Some of many."""

import pytest

from mocapcli.spread import evenly_spread


@pytest.mark.parametrize(
    ("count", "most", "taken"),
    [(0, 4, []), (1, 4, [0]), (3, 4, [0, 1, 2]), (4, 4, [0, 1, 2, 3]), (9, 3, [0, 4, 8]), (5, 1, [0])],
)
def test_the_ends_and_what_lies_between(count, most, taken):
    assert evenly_spread(count, most) == taken


def test_nothing_is_taken_twice():
    for count in range(1, 60):
        for most in range(1, 20):
            taken = evenly_spread(count, most)
            assert len(set(taken)) == len(taken) == min(count, most)
            assert taken == sorted(taken)
            assert set(taken) <= set(range(count))
