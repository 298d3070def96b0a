"""Batches on a ray cluster: a real one of two workers on this machine, one of which is killed at work."""

import os
import signal
import threading
from pathlib import Path

import pytest

from batch_helpers import broken_factory, factory, lines, make_items, wait_for
from mocapcli.batch import run_batch
from mocapcli.batch.cluster import _share
from mocapcli.errors import ReadError


@pytest.mark.parametrize(
    ("resources", "wanted", "count", "needs"),
    [
        ({"CPU": 16.0}, None, 4, {"num_cpus": 4.0}),
        ({"CPU": 2.0}, None, 1, {"num_cpus": 2.0}),
        ({"CPU": 2.0}, 4, 4, {"num_cpus": 0.5}),
        ({"CPU": 16.0}, 3, 3, {"num_cpus": 5.0}),
        ({"CPU": 64.0, "GPU": 8.0}, None, 8, {"num_cpus": 1.0, "num_gpus": 1.0}),
        ({"CPU": 64.0, "GPU": 8.0}, 16, 16, {"num_cpus": 1.0, "num_gpus": 0.5}),
    ],
)
def test_an_actor_for_each_gpu_or_group_of_cores(resources, wanted, count, needs) -> None:
    assert _share(resources, wanted) == (count, needs)


@pytest.mark.filterwarnings("default:::ray")
def test_a_killed_actor_costs_nothing(ray_cluster: None, tmp_path: Path) -> None:
    """Nothing lost, nothing done twice; what cannot be done is told like everywhere else."""
    tasks = {"a": "hang-once", **dict.fromkeys("bcd", "write"), "e": "fail", "f": "die"}

    def kill() -> None:
        os.kill(int(wait_for(tmp_path / "a.started")[0]), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    summary = run_batch(make_items(tmp_path, tasks), factory(tmp_path), tmp_path, engine="ray", workers=2)
    killer.join()
    assert [outcome.status for outcome in summary.outcomes] == ["done", "done", "done", "done", "failed", "failed"]
    assert [outcome.attempts for outcome in summary.outcomes] == [2, 1, 1, 1, 1, 2]
    assert sorted(lines(tmp_path / "finished.log")) == list("abcd")
    first, second = lines(tmp_path / "a.started")
    assert first != second and str(os.getpid()) not in lines(tmp_path / "made.log")
    assert summary.outcomes[4].reason == "e: two heads"
    assert str(summary.outcomes[5].reason).startswith("its worker died 2 times (ActorDiedError: ")
    with pytest.raises(ReadError, match="no such model"):
        run_batch(make_items(tmp_path, {"g": "write"}), broken_factory, tmp_path, engine="ray", workers=1)
