"""Several processes under torchrun train as one does; the run's log, curves and own data."""

import csv
import json
import os
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the extra [network] is not installed")

from cli_helpers import run  # noqa: E402
from mocapcli.data.build import build_cache  # noqa: E402
from mocapcli.errors import InvalidDataError, ReadError, UsageError, WriteError  # noqa: E402
from mocapcli.training.config import (  # noqa: E402
    DataConfig,
    ImagineTaskConfig,
    RotationTaskConfig,
)
from mocapcli.training.curves import draw_curves, read_curves, smoothed  # noqa: E402
from mocapcli.training.data import prepare_cache  # noqa: E402
from mocapcli.training.log import Log, Pace, gpu_figures  # noqa: E402
from mocapcli.training.loop import Trainer  # noqa: E402
from mocapcli.training.stream import BatchStream, share_out  # noqa: E402
from mocapcli.training.team import Team, join_team  # noqa: E402
from test_training import SMALL  # noqa: E402

pytest_plugins = ["training_fixtures"]
CPU = torch.device("cpu")
THREE_SLOTS = replace(
    SMALL,
    data=DataConfig(rigs=3, clips=1, frames=2, still=0.0, validation=0.4),
    steps=4,
    evaluate_every=2,
    told_facing=0.5,
)
STAGES = {
    "pose": THREE_SLOTS,
    "rotation": replace(THREE_SLOTS, stage="rotation", rotation=RotationTaskConfig(clips=3, frames=4)),
    "imagine": replace(THREE_SLOTS, stage="imagine", imagine=ImagineTaskConfig(rigs=3, poses=2)),
    "joint": replace(THREE_SLOTS, stage="joint"),
    "refine": replace(THREE_SLOTS, stage="refine"),
}
PROGRAM = """
import sys, torch
from pathlib import Path
torch.set_num_threads(1)
sys.path.insert(0, sys.argv[1])
from test_training_team import STAGES
from mocapcli.training import imagine, loop
from mocapcli.training.team import join_team

cpu, loop.LOGGED_EVERY, loop.VALIDATION_BATCHES, imagine.JUDGED = torch.device("cpu"), 1, 3, 4
with join_team(cpu) as team:
    for place, stage in ((place, stage) for place in ("two", "taken") for stage in STAGES):
        folder = Path(sys.argv[3]) / place / stage
        trainer = loop.Trainer(STAGES[stage], Path(sys.argv[2]), folder, cpu, progress_bar=False, team=team)
        begun = trainer.state.step
        trainer.run()
        torch.save((begun, trainer.network.state_dict()), folder / f"rank{team.rank}.pt")
"""


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def run_team(creatures: Path, folder: Path, world: int) -> None:
    """What torchrun does: one process for each rank, told by the environment."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(Path(__file__).parent), str(creatures), str(folder)],
            env=os.environ | shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            cwd=folder,
        )
        for rank in range(world)
    ]
    try:
        assert [process.wait(timeout=400) for process in processes] == [0] * world
    finally:
        for process in processes:
            process.kill()


def rows_of(folder: Path) -> dict[tuple[str, str, str], float]:
    """Figures of a log that do not depend on the clock."""
    with (folder / "log.csv").open() as stream:
        rows = {(step, kind, name): float(value) for step, kind, name, value in csv.reader(stream)}
    return {key: value for key, value in rows.items() if key[2] not in ("frames_per_second", "waiting_percent")}


def difference(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> float:
    return float(torch.cat([(first[name] - second[name]).flatten() for name in first]).norm())


@pytest.mark.timeout(600)
def test_two_processes_train_as_one_does(creatures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Three slots for two processes, so that one has more to do; and both take over what a single one began."""
    monkeypatch.setattr("mocapcli.training.loop.LOGGED_EVERY", 1)
    monkeypatch.setattr("mocapcli.training.loop.VALIDATION_BATCHES", 3)
    monkeypatch.setattr("mocapcli.training.imagine.JUDGED", 4)  # poses, or judging takes minutes
    for stage, config in STAGES.items():
        half = replace(config, steps=2)
        Trainer(half, creatures, tmp_path / "taken" / stage, CPU, progress_bar=False).run()
    run_team(creatures, tmp_path, 2)
    for stage, config in STAGES.items():
        alone = Trainer(config, creatures, tmp_path / "one" / stage, CPU, progress_bar=False)
        start = {name: value.clone() for name, value in alone.network.state_dict().items()}
        alone.run()
        ended = alone.network.state_dict()
        (begun, first), (_, second), (begun_later, _) = (
            torch.load(tmp_path / place / stage / f"rank{rank}.pt")
            for place, rank in (("two", 0), ("two", 1), ("taken", 0))
        )
        assert (begun, begun_later) == (0, 2)
        assert difference(first, second) == 0
        # Adam takes full steps along gradients that are nothing but rounding; those few weights may differ.
        assert difference(ended, first) < 0.02 * difference(ended, start)
        ours, theirs = rows_of(tmp_path / "one" / stage), rows_of(tmp_path / "two" / stage)
        assert ours.keys() == theirs.keys() and ("4", "train", "loss") in ours
        # The loss and validation all along; its parts while rounding has not grown, which Adam makes it do.
        told = {key for key in ours if key[2] == "loss" or key[1] == "validation" or int(key[0]) <= 2}
        expected = {key: ours[key] for key in told}
        assert {key: theirs[key] for key in told} == pytest.approx(expected, rel=5e-3, abs=5e-4)
        later = rows_of(tmp_path / "taken" / stage)
        assert later["1", "train", "loss"] == ours["1", "train", "loss"] and ("4", "validation") in {
            k[:2] for k in later
        }


def test_gradients_are_those_of_the_whole_batch_whoever_has_more(monkeypatch: pytest.MonkeyPatch):
    """Two processes acted by one: what the other sends is added by a stand-in for the network."""
    weights = [
        torch.nn.Parameter(torch.zeros(2)),
        torch.nn.Parameter(torch.zeros(1)),
        torch.nn.Parameter(torch.ones(1)),
    ]
    weights[0].grad = torch.tensor([1.0, 2.0])
    other = torch.tensor([10.0, 20.0, 5.0, 0.0, 1.0, 1.0, 0.0])  # gradients by share, then who has any

    monkeypatch.setattr("mocapcli.training.team.distributed.all_reduce", lambda values: values.add_(other))
    Team(0, 2).add_gradients(weights)
    assert weights[0].grad.tolist() == [11.0, 22.0] and weights[1].grad.tolist() == [5.0]
    assert weights[2].grad is None  # nobody's: no decay either


def test_shares_of_a_batch_are_complete_and_disjoint(creatures: Path):
    assert sorted(slot for rank in range(3) for slot in share_out(8, rank, 3)) == list(range(8))
    with pytest.raises(UsageError, match="a batch of 3 cannot be shared by 4 processes"):
        BatchStream(creatures, THREE_SLOTS, rank=0, world=4).slots  # noqa: B018


def test_what_the_facing_is_told_depends_on_the_slot_alone(creatures: Path):
    whole = BatchStream(creatures, THREE_SLOTS)
    doubts = torch.stack([whole._facing_doubt(step) for step in range(200)])
    assert doubts.isnan().float().mean() == pytest.approx(0.5, abs=0.06)
    assert doubts[~doubts.isnan()].std() == pytest.approx(0.15, abs=0.03)
    assert (doubts.isnan().all(-1) == doubts.isnan().any(-1)).all()  # a clip is told or it is not
    parts = [BatchStream(creatures, THREE_SLOTS, rank=rank, world=2)._facing_doubt(7) for rank in (0, 1)]
    torch.testing.assert_close(doubts[7][[0, 2, 1]], torch.cat(parts), equal_nan=True)


def test_a_team_without_its_address_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(UsageError, match=r"RANK is not set \(start with torchrun\)"), join_team(CPU):
        pass
    monkeypatch.setenv("WORLD_SIZE", "1")
    with join_team(CPU) as team:
        assert team == Team(0, 1) and team.leads and team.agree("x") == "x" and team.gather([1]) == [1]


def test_data_of_a_run_is_made_once(tmp_path: Path):
    own = tmp_path / "run" / "data"
    assert prepare_cache(None, None, 0, own) == Path("cache") and prepare_cache(tmp_path, None, 0, own) == tmp_path
    made = prepare_cache(None, None, 2, own, progress_bar=False)
    stamp = (made / "index.json").stat().st_mtime_ns
    assert made == own and (prepare_cache(None, None, 2, own) / "index.json").stat().st_mtime_ns == stamp
    assert len(json.loads((prepare_cache(None, None, 3, own, False) / "index.json").read_text())["entries"]) == 3
    with pytest.raises(UsageError, match="--cache is a finished choice"):
        prepare_cache(tmp_path, None, 2, own)
    with pytest.raises(ReadError, match="no such folder of assets"):
        prepare_cache(None, tmp_path / "nowhere", 0, own)
    precious = tmp_path / "other" / "data"
    precious.mkdir(parents=True)
    (precious / "thesis.txt").write_text("years of work")
    with pytest.raises(WriteError, match="not of this run's making"):
        prepare_cache(None, None, 1, precious)
    assert (precious / "thesis.txt").exists()


def test_data_is_made_again_when_assets_change(tmp_path: Path, walk: Path):
    assets, own = walk.parent / "assets", tmp_path / "run" / "data"
    assets.mkdir()
    (assets / walk.name).write_bytes(walk.read_bytes())
    prepare_cache(None, assets, 1, own, progress_bar=False)
    stamp = (own / "index.json").stat().st_mtime_ns
    prepare_cache(None, assets, 1, own, progress_bar=False)
    assert (own / "index.json").stat().st_mtime_ns == stamp
    (assets / f"again-{walk.name}").write_bytes(walk.read_bytes())
    prepare_cache(None, assets, 1, own, progress_bar=False)
    assert (own / "index.json").stat().st_mtime_ns != stamp


def test_a_build_that_was_stopped_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    own, built = tmp_path / "run" / "data", []

    def build_two(assets: Path | None, folder: Path, **options: object) -> None:
        (folder / "parts").mkdir(parents=True, exist_ok=True)
        built.append(sorted(path.name for path in (folder / "parts").iterdir()))
        (folder / "parts" / f"{len(built)}.json").touch()
        if len(built) in (1, 3):
            raise KeyboardInterrupt
        (folder / "index.json").touch()

    monkeypatch.setattr("mocapcli.training.data.build_cache", build_two)
    for creatures in (2, 2, 3, 4):
        with suppress(KeyboardInterrupt):
            assert prepare_cache(None, None, creatures, own) == own
    assert built == [[], ["1.json"], [], []]  # more creatures are another cache


def test_one_family_cannot_judge_itself(tmp_path: Path):
    build_cache(None, tmp_path / "cache", creatures=range(1), progress_bar=False)
    with pytest.raises(InvalidDataError, match=r"1 families of animated rigs.*one judges the other"):
        BatchStream(tmp_path / "cache", SMALL).families  # noqa: B018
    build_cache(None, tmp_path / "cache", creatures=range(4), progress_bar=False)
    few = BatchStream(tmp_path / "cache", replace(SMALL, data=replace(SMALL.data, validation=0.0))).families
    assert len(few.validation) == 1 and few.train


def test_a_log_forgets_what_will_come_again(tmp_path: Path):
    with Log(tmp_path, 0) as log:
        for step in (20, 40, 60):
            log.write("train", step, {"loss": step / 10, "odd": float("nan")})
    with (tmp_path / "log.csv").open("a") as stream:
        stream.write("80,train,lo")  # cut by a kill
    with Log(tmp_path, 40) as log:
        log.write("train", 60, {"loss": 5.5})
        log.write("validation", 60, {"loss": 7.0})
        log.draw()
    curves = read_curves(tmp_path / "log.csv")
    assert curves == {"loss": {"train": [(20, 2.0), (40, 4.0), (60, 5.5)], "validation": [(60, 7.0)]}}
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_curves_of_long_runs_stay_legible(tmp_path: Path):
    lines = [f"{20 * k},train,loss,{1 / (k + 1)}" for k in range(1000)] + ["500,validation,error,3"]
    (tmp_path / "log.csv").write_text("\n".join(lines) + "\n")
    curve = read_curves(tmp_path / "log.csv")["loss"]["train"]
    few = smoothed(curve)
    assert len(few) == 60 and few[0][1] > few[-1][1]
    assert sum(y for _, y in few) / 60 == pytest.approx(sum(y for _, y in curve) / 1000, rel=0.05)
    draw_curves(tmp_path / "log.csv", tmp_path / "curves.svg")
    picture = (tmp_path / "curves.svg").read_text()
    assert "error" in picture and "step 19,980" in picture and picture.count("<polyline") == 11
    (tmp_path / "log.csv").write_text("")
    draw_curves(tmp_path / "log.csv", tmp_path / "none.svg")


def test_pace_counts_whole_batches():
    pace = Pace(CPU, frames=30)
    pace.since -= 10.0
    for _ in range(5):
        pace.step(waited=1.0)
    figures = pace.look()
    assert figures["frames_per_second"] == pytest.approx(15, rel=0.05)
    assert figures["waiting_percent"] == pytest.approx(50, rel=0.05)
    assert pace.look()["frames_per_second"] == 0


def test_figures_of_a_gpu_do_without_pynvml(monkeypatch: pytest.MonkeyPatch):
    def absent(_: object) -> int:
        raise ModuleNotFoundError("pynvml is not installed")

    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda _: 2_500_000_000)
    monkeypatch.setattr(torch.cuda, "utilization", absent)
    assert gpu_figures(torch.device("cuda")) == {"gpu_gigabytes": 2.5}
    monkeypatch.setattr(torch.cuda, "utilization", lambda _: 87)
    assert gpu_figures(torch.device("cuda")) == {"gpu_gigabytes": 2.5, "gpu_percent": 87.0}


def test_the_command_trains_from_creatures_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    settings = [f"--set={text}" for text in ("steps=2", "data.rigs=2", "data.clips=1", "network.side=32")]
    code, out, err = run(capsys, "train", "--zoo", 4, "-o", tmp_path / "run", "--preset", "tiny", *settings)
    assert code == 0 and "step 2, validation" in out, err
    for name in ("state.pt", "log.csv", "curves.png", "best/model.safetensors", "last/config.json", "data/index.json"):
        assert (tmp_path / "run" / name).exists(), name


def test_when_one_process_is_asked_to_stop_all_do(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("mocapcli.training.team.distributed.all_reduce", lambda votes: votes.add_(1))
    assert Team(0, 2).any(False) and Team().any(True) and not Team().any(False)
    monkeypatch.setattr("mocapcli.training.team.distributed.all_reduce", lambda votes: votes)
    assert not Team(0, 2).any(False)
