"""Batches in one process: what is handed out, what is remembered, what is told."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_helpers import broken_factory, clumsy_factory, factory, lines, make_items
from mocapcli.batch import Item, Shard, Summary, digest_of, parse_shard, run_batch
from mocapcli.batch.engines import ENGINES
from mocapcli.batch.journal import Journal, stamp_of
from mocapcli.batch.report import progress_bar, show_summary, write_summary
from mocapcli.batch.run import unfinished
from mocapcli.errors import InvalidDataError, MocapError, ReadError, UnsupportedError, UsageError, WriteError
from mocapcli.whole_file import remove_leftovers, whole_file


def run(folder: Path, tasks: dict[str, str], **arguments) -> Summary:
    options = arguments.pop("options", {})
    return run_batch(make_items(folder, tasks, **options), factory(folder), folder, **arguments)


def results(summary: Summary) -> dict[str, str]:
    return {outcome.item.key: outcome.status for outcome in summary.outcomes}


def test_every_item_is_done_once_in_order_by_one_model(tmp_path: Path) -> None:
    summary = run(tmp_path, dict.fromkeys("cab", "write"))
    assert [outcome.item.key for outcome in summary.outcomes] == list("cab") == lines(tmp_path / "finished.log")
    assert (tmp_path / "a.out").read_text() == "A"
    assert len(lines(tmp_path / "made.log")) == 1
    assert summary.exit_code == 0 and all(outcome.details["pid"] == os.getpid() for outcome in summary.outcomes)


def test_a_failing_item_does_not_stop_the_rest(tmp_path: Path) -> None:
    summary = run(tmp_path, {"a": "fail", "b": "trip", "c": "greedy", "d": "lazy", "e": "write"})
    assert results(summary) == {"a": "failed", "b": "failed", "c": "failed", "d": "failed", "e": "done"}
    reasons = [outcome.reason for outcome in summary.outcomes]
    assert reasons[:3] == ["a: two heads", "ZeroDivisionError: division by zero", "not enough memory"]
    assert "d.out was not written" in str(reasons[3])
    assert summary.exit_code == 1


def test_a_second_run_does_what_the_first_did_not(tmp_path: Path) -> None:
    run(tmp_path, {"a": "write", "b": "fail"})
    summary = run(tmp_path, {"a": "write", "b": "write", "c": "write"})
    assert results(summary) == {"a": "skipped", "b": "done", "c": "done"}
    assert lines(tmp_path / "finished.log") == ["a", "b", "c"]
    assert len(lines(tmp_path / "made.log")) == 2
    assert set(results(run(tmp_path, dict.fromkeys("abc", "write"))).values()) == {"skipped"}
    assert len(lines(tmp_path / "made.log")) == 2, "no model is loaded for nothing"


def test_what_has_changed_is_done_again(tmp_path: Path) -> None:
    tasks = dict.fromkeys("abcd", "write")
    run(tmp_path, tasks, options={"fps": 30})
    assert set(results(run(tmp_path, tasks, options={"fps": 25})).values()) == {"done"}, "other options"
    (tmp_path / "a.out").unlink()
    (tmp_path / "b.in").write_text("longer than before")
    os.utime(tmp_path / "c.in", ns=(1, 1))
    again = run(tmp_path, tasks, options={"fps": 25})
    assert results(again) == {"a": "done", "b": "done", "c": "done", "d": "skipped"}
    assert set(results(run(tmp_path, tasks, options={"fps": 25}, redo=True)).values()) == {"done"}


def test_going_back_to_earlier_options_is_no_skipping(tmp_path: Path) -> None:
    """The output that stands is not theirs any more; nor is it, where the other run failed or was killed over it."""
    for other in ("write", "fail"):
        assert results(run(tmp_path, {"a": "write"}, options={"fps": 30})) == {"a": "done"}
        assert results(run(tmp_path, {"a": "write"}, options={"fps": 30})) == {"a": "skipped"}
        run(tmp_path, {"a": other}, options={"fps": 25})
    assert results(run(tmp_path, {"a": "write"}, options={"fps": 30})) == {"a": "done"}
    (item,) = make_items(tmp_path, {"a": "write"})
    with Journal(tmp_path) as journal:
        journal.add(item, stamp_of(item))
        assert journal.holds(item)
        journal.begin(item)
    assert not Journal(tmp_path).holds(item)


def test_inputs_that_change_during_the_work_are_read_again_next_time(tmp_path: Path) -> None:
    (item,) = make_items(tmp_path, {"a": "write"})

    def make():
        def work(item: Item) -> None:
            item.output.write_text("old")
            item.inputs[0].write_text("something new")

        return work

    run_batch([item], make, tmp_path)
    assert results(run_batch([item], factory(tmp_path), tmp_path)) == {"a": "done"}


def test_an_output_that_nobody_vouches_for_is_done_again(tmp_path: Path) -> None:
    (tmp_path / "a.out").write_text("from somewhere else")
    assert results(run(tmp_path, {"a": "write"})) == {"a": "done"}


@pytest.mark.parametrize(
    "rubbish", [b"{", b"\xff\x00", b"[]", b'{"item": 3}', b'{"item": "a"', b'{"item": [], "stamp": 1}']
)
def test_a_damaged_journal_costs_no_more_than_the_damaged_line(tmp_path: Path, rubbish: bytes) -> None:
    run(tmp_path, {"a": "write"})
    (journal,) = tmp_path.glob(".mocap-batch*")
    journal.write_bytes(rubbish + b"\n" + journal.read_bytes() + rubbish)
    assert results(run(tmp_path, {"a": "write", "b": "write"})) == {"a": "skipped", "b": "done"}
    assert set(results(run(tmp_path, {"a": "write", "b": "write"})).values()) == {"skipped"}


def test_a_folder_of_pictures_changes_with_its_files(tmp_path: Path) -> None:
    album = tmp_path / "album"
    album.mkdir()
    (album / "1.png").touch()
    item = Item("a", tmp_path / "a.out", (album,))
    before = stamp_of(item)
    assert before == stamp_of(item)
    (album / "2.png").touch()
    after = stamp_of(item)
    assert after != before
    os.utime(album / "1.png", ns=(1, 1))  # drawn anew under its name: the folder itself stays as it was
    assert stamp_of(item) != after


def test_items_that_would_undo_each_other_are_refused(tmp_path: Path) -> None:
    one, other = Item("a", tmp_path / "x"), Item("b", tmp_path / "x")
    with pytest.raises(InvalidDataError, match="two items"):
        run_batch([one, other], factory(tmp_path), tmp_path)
    with pytest.raises(WriteError, match="no such folder"):
        run_batch([one], factory(tmp_path), tmp_path / "nowhere")


def test_a_model_that_cannot_be_loaded_is_one_error_for_all(tmp_path: Path) -> None:
    items = make_items(tmp_path, dict.fromkeys("ab", "write"))
    with pytest.raises(ReadError, match="no such model"):
        run_batch(items, broken_factory, tmp_path)
    with pytest.raises(ZeroDivisionError):
        run_batch(items, clumsy_factory, tmp_path)


def test_engines_are_known_by_name(tmp_path: Path) -> None:
    items = make_items(tmp_path, {"a": "write"})
    with pytest.raises(UsageError, match=r"no engine called 'slurm'.*local, ray"):
        run_batch(items, factory(tmp_path), tmp_path, engine="slurm")
    with pytest.raises(UsageError, match="0 workers"):
        run_batch(items, factory(tmp_path), tmp_path, workers=0)
    assert list(ENGINES) == ["local", "ray"]


def test_without_ray_the_remedy_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(UnsupportedError, match=r"ray is not installed \(pip install 'mocapcli\[ray\]'\)"):
        run_batch(make_items(tmp_path, {"a": "write"}), factory(tmp_path), tmp_path, engine="ray")


def test_interrupted_work_is_told_from_finished_work(tmp_path: Path) -> None:
    items = make_items(tmp_path, dict.fromkeys("abc", "write"))

    def make():
        def work(item: Item) -> None:
            if item.key == "b":
                raise KeyboardInterrupt
            item.output.touch()

        return work

    summary = run_batch(items, make, tmp_path)
    assert results(summary) == {"a": "done", "b": "left", "c": "left"}
    assert summary.interrupted and summary.exit_code == 130
    assert results(run_batch(items, factory(tmp_path), tmp_path)) == {"a": "skipped", "b": "done", "c": "done"}


keys = st.lists(st.text(max_size=8), unique=True, max_size=30)


@given(keys, st.integers(1, 9), st.randoms(use_true_random=False))
def test_shards_are_a_partition_whatever_the_order(names: list[str], count: int, random) -> None:
    shuffled = random.sample(names, len(names))
    parts = [Shard(index, count).select(names) for index in range(1, count + 1)]
    assert sorted(name for part in parts for name in part) == sorted(names)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    for index, part in enumerate(parts, 1):
        assert set(Shard(index, count).select(shuffled)) == set(part)
        assert part == [name for name in names if name in set(part)], "the order stays"


@given(st.integers(1, 10**9 - 1), st.data())
def test_shards_are_read_as_they_are_written(count: int, data) -> None:
    shard = Shard(data.draw(st.integers(1, count)), count)
    assert parse_shard(str(shard)) == shard
    assert parse_shard(f" {shard.index} / {count} ") == shard


@pytest.mark.parametrize("text", ["", "3", "a/b", "1/0", "0/3", "4/3", "-1/3", "1/3/5", "1.0/3", "²/3", "1/9999999999"])
def test_shards_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="as in 2/8"):
        parse_shard(text)


def test_no_shard_is_everything(tmp_path: Path) -> None:
    assert parse_shard(None) is None


def test_shards_do_all_and_nothing_twice_and_the_whole_run_takes_over(tmp_path: Path) -> None:
    tasks = dict.fromkeys("abcdefg", "write")
    counts = [len(run(tmp_path, tasks, shard=Shard(index, 3)).outcomes) for index in (1, 2, 3)]
    assert counts == [3, 2, 2]
    assert sorted(lines(tmp_path / "finished.log")) == list("abcdefg")
    assert set(results(run(tmp_path, tasks)).values()) == {"skipped"}
    assert set(results(run(tmp_path, tasks, shard=Shard(2, 2))).values()) == {"skipped"}


def test_what_a_dead_worker_leaves_is_told_from_what_another_writes(tmp_path: Path) -> None:
    """However long and alike the names of their outputs are."""
    mine, other = (tmp_path / f"{'long' * 15}-{name}.glb" for name in ("fox", "cow"))
    with whole_file(other) as busy:
        with whole_file(mine) as dead:
            remove_leftovers(mine)
            assert busy.exists() and not dead.exists()
            dead.touch()
        busy.write_bytes(b"whole")
    assert other.read_bytes() == b"whole"


def test_what_a_run_would_do_is_known_before(tmp_path: Path) -> None:
    items = make_items(tmp_path, dict.fromkeys("abc", "write"))
    run(tmp_path, {"a": "write"})
    assert [item.key for item in unfinished(items, tmp_path)] == ["b", "c"]
    assert [item.key for item in unfinished(items, tmp_path, redo=True)] == ["a", "b", "c"]
    assert [item.key for item in unfinished(items, tmp_path, shard=Shard(1, 3))] == []


def test_a_journal_is_shared_by_jobs_that_run_at_once(tmp_path: Path) -> None:
    items = make_items(tmp_path, dict.fromkeys("ab", "write"))
    with Journal(tmp_path, Shard(1, 2)) as one, Journal(tmp_path, Shard(2, 2)) as other:
        for journal, item in zip((one, other), items, strict=True):
            item.output.touch()
            journal.add(item, stamp_of(item))
    assert all(Journal(tmp_path).holds(item) for item in items)


def test_digests_tell_options_apart() -> None:
    assert digest_of(a=1, b=Path("x")) == digest_of(b=Path("x"), a=1)
    assert digest_of(a=1) != digest_of(a=2) != digest_of(b=2)


def test_the_summary_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path, {"a": "write"})
    show_summary(run(tmp_path, {"a": "write", "b": "write", "c": "fail"}), "pair")
    out, err = capsys.readouterr()
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines()}
    assert list(rows) == ["result", "done", "skipped", "failed"]
    assert rows["skipped"] == ["1", "finished", "by", "an", "earlier", "run"]
    assert err.splitlines() == ["mocap: 1 of 3 pairs failed:", "mocap: c: c: two heads"]


def test_a_note_that_many_share_is_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    summary = run(tmp_path, dict.fromkeys("abcde", "warn"))
    assert summary.outcomes[0].notes == ("no legs",)
    show_summary(summary)
    assert capsys.readouterr().err == "mocap: note: a, b, c and 2 more: no legs\n"


def test_the_summary_as_json(tmp_path: Path) -> None:
    write_summary(tmp_path / "report.json", run(tmp_path, {"a": "write", "c": "fail"}))
    found = json.loads((tmp_path / "report.json").read_text())
    assert (found["done"], found["skipped"], found["failed"], found["left"]) == (1, 0, 1, 0)
    assert [(item["item"], item["result"], item["reason"]) for item in found["items"]] == [
        ("a", "done", None),
        ("c", "failed", "c: two heads"),
    ]


def test_progress_names_what_is_under_way(tmp_path: Path) -> None:
    run(tmp_path, {"a": "write"})
    seen: list[tuple[tuple[str, ...], int]] = []
    run(tmp_path, {"a": "write", "b": "write", "c": "fail"}, progress=lambda now, settled: seen.append((now, settled)))
    assert seen == [((), 1), (("b",), 0), ((), 1), (("c",), 0), ((), 1)]


def test_the_bar_is_silent_where_nobody_looks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar(2, "capture") as progress:
        run(tmp_path, dict.fromkeys("ab", "write"), progress=progress)
    assert capsys.readouterr() == ("", "")


def test_errors_of_a_batch_are_mocap_errors() -> None:
    assert all(issubclass(kind, MocapError) for kind in (UsageError, UnsupportedError, InvalidDataError))
