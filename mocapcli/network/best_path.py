"""One choice at every step of a clip, so that all of them together are best (Viterbi)."""

from jaxtyping import Float
from torch import Tensor

Scores = Float[Tensor, "steps choices"]


def best_path(scores: Scores, prices: Float[Tensor, "*changes choices choices"]) -> list[int]:
    """`prices`: of going from one choice (row) to another, at every change or, if it is one matrix, always the same."""
    prices = prices.expand(len(scores) - 1, -1, -1)
    total, back = scores[0], []
    for price, step in zip(prices, scores[1:], strict=True):
        best, origin = (total[:, None] - price).max(dim=0)
        total = best + step
        back.append(origin)
    path = [int(total.argmax())]
    for origin in reversed(back):
        path.append(int(origin[path[-1]]))
    return path[::-1]
