"""Batches in several processes: workers are killed, parents are killed, people press Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from batch_helpers import (
    broken_factory,
    clumsy_factory,
    deadly_factory,
    factory,
    lines,
    make_items,
    wait_for,
    wait_until_gone,
)
from mocapcli.batch import run_batch
from mocapcli.errors import MocapError, ReadError

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")


def program(folder: Path, tasks: dict[str, str], workers: int = 2) -> subprocess.Popen[str]:
    """The batch as a program in a process group of its own, as a shell starts it."""
    script = Path(__file__).with_name("batch_helpers.py")
    command = [sys.executable, str(script), str(folder), json.dumps(tasks), str(workers)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def test_a_killed_worker_costs_nothing(tmp_path: Path) -> None:
    """One of two is killed at work: its item goes to another, and every item is finished exactly once."""
    tasks = {"a": "hang-once", **dict.fromkeys("bcdef", "write")}

    def kill() -> None:
        os.kill(int(wait_for(tmp_path / "a.started")[0]), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    summary = run_batch(make_items(tmp_path, tasks), factory(tmp_path), tmp_path, workers=2)
    killer.join()
    assert [(outcome.item.key, outcome.status) for outcome in summary.outcomes] == [(key, "done") for key in "abcdef"]
    assert sorted(lines(tmp_path / "finished.log")) == list("abcdef")
    assert [outcome.attempts for outcome in summary.outcomes] == [2, 1, 1, 1, 1, 1]
    first, second = lines(tmp_path / "a.started")
    assert first != second


def test_an_item_that_kills_its_workers_is_given_up(tmp_path: Path) -> None:
    tasks = {"a": "die", "b": "write", "c": "fail"}
    (tmp_path / ".a-b-abcdefgh.out").touch()  # somebody else's
    summary = run_batch(make_items(tmp_path, tasks), factory(tmp_path), tmp_path, workers=2)
    assert [outcome.status for outcome in summary.outcomes] == ["failed", "done", "failed"]
    reason = "its worker died 2 times (SIGKILL: killed, perhaps for want of memory)"
    assert [outcome.reason for outcome in summary.outcomes] == [reason, None, "c: two heads"]
    assert len(lines(tmp_path / "a.started")) == 2 and summary.exit_code == 1
    assert sorted(path.name for path in tmp_path.glob(".*.out")) == [".a-b-abcdefgh.out"], "no half-written file"


def test_workers_that_cannot_start_are_told_of_once(tmp_path: Path) -> None:
    items = make_items(tmp_path, dict.fromkeys("abc", "write"))
    with pytest.raises(ReadError, match=r"model: no such model \(train one\)"):
        run_batch(items, broken_factory, tmp_path, workers=2)
    with pytest.raises(MocapError, match="no worker starts: ZeroDivisionError: oh"):
        run_batch(items, clumsy_factory, tmp_path, workers=2)
    with pytest.raises(MocapError, match=r"workers die as soon as they start .*SIGKILL"):
        run_batch(items, deadly_factory, tmp_path, workers=2)


def test_ctrl_c_keeps_what_is_done_and_leaves_nobody_behind(tmp_path: Path) -> None:
    tasks = {"a": "write", "b": "hang-once", "c": "hang-once", "d": "write"}
    batch = program(tmp_path, tasks)
    started = [int(wait_for(tmp_path / f"{key}.started")[0]) for key in "bc"]
    os.killpg(batch.pid, signal.SIGINT)
    out, err = batch.communicate(timeout=60)
    assert (batch.returncode, err) == (130, "")
    found = json.loads(out)
    assert found["interrupted"] and (found["done"], found["left"]) == (1, 3)
    wait_until_gone(started)
    summary = run_batch(make_items(tmp_path, tasks), factory(tmp_path), tmp_path)
    assert [outcome.status for outcome in summary.outcomes] == ["skipped", "done", "done", "done"]
    assert sorted(lines(tmp_path / "finished.log")) == list("abcd")


def test_after_the_parent_is_killed_the_next_run_does_the_rest(tmp_path: Path) -> None:
    tasks = {"a": "write", "b": "hang-once", "c": "hang-once", "d": "write"}
    batch = program(tmp_path, tasks)
    started = [int(wait_for(tmp_path / f"{key}.started")[0]) for key in "bc"]
    batch.kill()
    batch.communicate(timeout=60)
    wait_until_gone(started)
    assert lines(tmp_path / "finished.log") == ["a"]
    summary = run_batch(make_items(tmp_path, tasks), factory(tmp_path), tmp_path)
    assert [outcome.status for outcome in summary.outcomes] == ["skipped", "done", "done", "done"]
    assert sorted(lines(tmp_path / "finished.log")) == list("abcd")


def test_a_terminated_parent_takes_its_workers_along(tmp_path: Path) -> None:
    batch = program(tmp_path, {"b": "hang", "c": "hang"})
    started = [int(wait_for(tmp_path / f"{key}.started")[0]) for key in "bc"]
    batch.terminate()
    batch.communicate(timeout=60)
    wait_until_gone(started)


def test_the_model_is_made_once_in_each_worker(tmp_path: Path) -> None:
    summary = run_batch(
        make_items(tmp_path, dict.fromkeys("abcdefgh", "write")), factory(tmp_path), tmp_path, workers=2
    )
    workers = {outcome.details["pid"] for outcome in summary.outcomes}
    made = lines(tmp_path / "made.log")
    assert len(made) == len(set(made)) <= 2 and workers <= {int(pid) for pid in made} and os.getpid() not in workers
