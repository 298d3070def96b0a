"""Threads that share the cores: order, errors, patience, and the same results as one after the other."""

import threading
import time

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra [network] is not installed")

from eval_helpers import TINY  # noqa: E402
from mocapcli.capturing import looking  # noqa: E402
from mocapcli.capturing.clip import CropClip  # noqa: E402
from mocapcli.capturing.sight import Sight, see  # noqa: E402
from mocapcli.in_threads import NotWanted, in_threads, while_wanted  # noqa: E402
from mocapcli.network import refiner_run, threads  # noqa: E402
from mocapcli.network.model import MotionNetwork  # noqa: E402
from mocapcli.network.refiner_body import Body  # noqa: E402
from mocapcli.subject.find import Crops  # noqa: E402
from mocapcli.training.filming import reference_of  # noqa: E402
from mocapcli.training.samples import SceneRig  # noqa: E402
from mocapcli.zoo import make_creature  # noqa: E402
from refiner_helpers import film, random_refiner  # noqa: E402

FRAMES = 200


def test_results_come_in_order_and_none_too_early() -> None:
    started, lock = [], threading.Lock()

    def square(number: int) -> int:
        with lock:
            started.append(number)
        return number**2

    results = in_threads(square, iter(range(50)), most=2)
    assert next(results) == 0
    assert len(started) <= 3, "what nobody has asked for yet is not done: memory stays flat"
    assert list(results) == [number**2 for number in range(1, 50)]
    assert list(in_threads(square, [])) == []


def test_an_error_is_the_callers() -> None:
    def fail(number: int) -> int:
        if number == 3:
            raise ValueError("three")
        return number

    results = in_threads(fail, range(9))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        list(results)


def test_who_stops_does_not_wait_for_the_end_of_long_work() -> None:
    begun, ended = threading.Event(), threading.Event()

    def long(number: int) -> int:
        try:
            for _ in range(2000 if number else 0):
                begun.set()
                while_wanted()
                time.sleep(0.01)
        except NotWanted:
            ended.set()
            raise
        return number

    while_wanted()  # of no piece of work: goes on
    results = in_threads(long, range(2), most=2)
    assert next(results) == 0 and begun.wait(10)
    began = time.monotonic()
    results.close()
    assert ended.is_set() and time.monotonic() - began < 10


def test_who_stops_does_not_wait_for_what_has_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mocapcli.in_threads.cores", lambda: 1)
    started, go = list[int](), threading.Event()

    def wait(number: int) -> int:
        started.append(number)
        go.wait(0.2)
        return number

    results = in_threads(wait, range(9))
    assert next(results) == 0
    results.close()
    assert started == [0, 1], "the second was under way"


def test_threads_see_and_refine_what_one_would(monkeypatch) -> None:
    """Long enough for several stretches; features of few blocks are kept, so that threads ask for the same."""
    torch.manual_seed(0)
    rig = SceneRig.of(make_creature(4))
    crops, cameras, world = film(rig, frames=FRAMES, side=TINY.side)
    reference, stage = reference_of(rig.asset, TINY.side), MotionNetwork(TINY).eval().video_to_pose
    refiner, body = random_refiner(), Body.of(rig.model)
    monkeypatch.setattr(looking, "FEATURE_BYTES", 1)

    def found() -> tuple[Sight, np.ndarray]:
        with CropClip(TINY.side) as clip:
            clip.add(Crops(crops, tuple(cameras), np.ones(FRAMES), np.arange(FRAMES) / 30))
            seen = see(stage, reference, clip)
        return seen, refiner_run.refine_world(refiner, body, crops, cameras, world, 1)

    torch.set_num_threads(1)
    together = found()
    monkeypatch.setattr(threads, "MOST", 1)
    alone = found()
    np.testing.assert_array_equal(together[0].facing, alone[0].facing)
    np.testing.assert_array_equal(together[0].places, alone[0].places)
    np.testing.assert_array_equal(together[0].depth, alone[0].depth)
    np.testing.assert_array_equal(together[1], alone[1])
