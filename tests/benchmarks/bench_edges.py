"""Who is too large for the picture: what it costs to be cut off by its edges, and what knowing of the edges is worth.

python tests/benchmarks/bench_edges.py --cache CACHE [--model small] [--appearance own] [--per-family 1] [--adapt 90s]
    [--beyond 0.15 0.3] [--split unseen] [--each]

Clips of the families set aside for validation (or of the unseen ones) are filmed; then the picture is made narrower, or
lower where the subject is taller than wide, until so much of that lies beyond its two edges. `unaware` is how it was
before: what a crop shows beyond the picture was taken for an empty background. Figures as in `bench_match.py`.
"""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from bench_facing import compare_rows, say
from bench_match import FIGURES, HEAD

from mocapcli.adapting.budget import parse_budget
from mocapcli.capturing.matching import STEPS
from mocapcli.capturing.models import load_model
from mocapcli.capturing.refine import iterations_of
from mocapcli.data.cache import open_cache
from mocapcli.evaluation.predictors import Footage, NetworkPredictor, Prediction, Predictor
from mocapcli.render.camera import Camera
from mocapcli.types import Asset

AWARE = ("matching", "comparing", "refine")  # modules of `capturing` that ask which pixels the picture shows


@dataclass(frozen=True)
class TooLarge:
    """What captures a film in whose picture the subject has no room."""

    inner: NetworkPredictor
    beyond: float
    aware: bool = True

    def predict(self, asset: Asset, footage: Footage) -> Prediction:
        part = narrowed(footage, self.beyond)
        if self.aware:
            return self.inner.predict(asset, part)
        with unaware():
            return self.inner.predict(asset, part)


def narrowed(footage: Footage, beyond: float) -> Footage:
    """The middle of the picture alone, along the subject's longer side."""
    shown = footage.masks > 0.5
    extent = [np.ptp(np.flatnonzero(shown.any(axis=others))) + 1 for others in ((0, 2), (0, 1))]  # rows, columns
    axis = int(np.argmax(extent))
    whole, kept = shown.shape[1 + axis], 2 * max(4, round((1 - beyond) * extent[axis] / 2))
    first = max(0, (whole - kept) // 2)
    part = (slice(None), *(slice(first, whole - first) if axis == each else slice(None) for each in (0, 1)))
    return replace(footage, frames=np.ascontiguousarray(footage.frames[part]), masks=footage.masks[part])


@contextmanager
def unaware() -> Iterator[None]:
    def everywhere(_: Camera, crop: Camera) -> np.ndarray:
        return np.ones((crop.height, crop.width), bool)

    patches = [patch(f"mocapcli.capturing.{module}.in_picture", everywhere) for module in AWARE]
    for each in patches:
        each.start()
    try:
        yield
    finally:
        for each in patches:
            each.stop()


def main() -> None:
    wanted = parse()
    torch.set_num_threads(1)
    cache, network = open_cache(wanted.cache), load_model(wanted.model).network
    rounds, seconds = iterations_of(network, None), parse_budget(wanted.adapt)
    whole = NetworkPredictor(network, True, seconds, rounds, 1, match_steps=STEPS)
    rows: dict[str, Predictor] = {"all of it in the picture": whole}
    for beyond in wanted.beyond:
        for word, aware in (("unaware", False), ("aware", True)):
            rows[f"{100 * beyond:g} % beyond, {word}"] = TooLarge(whole, beyond, aware)
    say(HEAD)
    compare_rows(rows, cache, wanted, FIGURES)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--model")
    parser.add_argument("--appearance", nargs="+", default=["own"])
    parser.add_argument("--per-family", type=int, default=1)
    parser.add_argument("--adapt", default="off", help="time to learn each rig, e.g. 90s")
    parser.add_argument("--beyond", type=float, nargs="+", default=[0.15, 0.3], help="shares of the subject")
    parser.add_argument("--split", choices=("validation", "unseen"), default="validation")
    parser.add_argument("--each", action="store_true", help="every clip's figures too")
    return parser.parse_args()


if __name__ == "__main__":
    main()
