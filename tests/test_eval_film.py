"""`mocap eval --video` and `--speed`: what is chosen, what the pictures show, what is timed."""

import json
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from cli_helpers import run
from eval_helpers import BY_NAME
from mocapcli.data.cache import Cache
from mocapcli.data.windows import evaluation_windows
from mocapcli.errors import InvalidDataError
from mocapcli.evaluation.cases import Case
from mocapcli.evaluation.film import (
    BAND,
    SIDE,
    Example,
    carrying,
    choose_examples,
    draw_band,
    label_page,
    stacked,
    world_of,
)
from mocapcli.evaluation.positions import PositionsToRotations
from mocapcli.evaluation.report import speed_words
from mocapcli.evaluation.results import Judged, summarise
from mocapcli.evaluation.settings import Models, build_setting
from mocapcli.evaluation.speed import RUNS, chosen_windows, measure_speed, time_job
from mocapcli.metrics import Pose, Subject

pytest_plugins = ["eval_fixtures"]


def judged_by(cache: Cache, errors: list[float], row: str = "ours") -> tuple:
    windows = evaluation_windows(cache, "unseen")[: len(errors)]
    judged = [
        Judged(window.label, "a", {"copy": {"rotation_local_deg": 10.0}, row: {"rotation_local_deg": error}})
        for window, error in zip(windows, errors, strict=True)
    ]
    return summarise(judged, "unseen", "p2r"), windows


def test_the_worst_the_median_and_the_best_are_chosen(unseen: Cache) -> None:
    results, windows = judged_by(unseen, [3.0, 1.0, 9.0])
    examples = choose_examples(results, windows, BY_NAME)
    assert [example.words.split()[0] for example in examples] == ["worst", "median", "best"]
    assert [windows.index(example.window) for example in examples] == [2, 0, 1]
    assert "9.0, copy 10.0, skill +0.10" in examples[0].words


@pytest.mark.parametrize(("errors", "names"), [([2.0], ["worst"]), ([2.0, 1.0], ["worst", "best"])])
def test_of_few_clips_each_is_shown_once(unseen: Cache, errors: list[float], names: list[str]) -> None:
    results, windows = judged_by(unseen, errors)
    assert [example.words.split()[0] for example in choose_examples(results, windows, BY_NAME)] == names


def test_without_figures_there_is_nothing_to_film(unseen: Cache) -> None:
    results, windows = judged_by(unseen, [float("nan")])
    with pytest.raises(InvalidDataError, match="nothing to show"):
        choose_examples(results, windows, BY_NAME)


@pytest.mark.parametrize(("setting", "panels"), [("p2r", 2), ("v2p", 3), ("e2e", 3)])
def test_a_film_has_all_panels(capsys, unseen: Cache, model: Path, tmp_path: Path, setting: str, panels: int) -> None:
    film = tmp_path / "film.mp4"
    arguments = ("eval", "--split", "unseen", "--cache", unseen.folder, "--model", model, "--per-family", "1")
    code, _, err = run(capsys, *arguments, "--setting", setting, "--video", film)
    assert code == 0, err
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]
    with av.open(str(film)) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(pictures) == 48
    assert pictures[0].shape[1] == panels * SIDE
    last = pictures[0][BAND : BAND + SIDE, -SIDE:]
    assert last.std() > 5


def test_a_perfect_prediction_looks_like_the_truth(zoo: Cache) -> None:
    """And another one does not."""
    (window, *_) = evaluation_windows(zoo, "unseen", per_family=1)
    case = PositionsToRotations(noises=(0.0,)).case(zoo, window)
    assert case.shot is not None
    still = Pose(
        np.repeat(case.truth.positions[:1], window.frames, 0), np.repeat(case.truth.rotations[:1], window.frames, 0)
    )
    for pose, alike in ((case.truth, True), (still, False)):
        seen = replace(case, predictions={"ours": pose})
        band = draw_band(seen, Example(window, "ours", "worst"))
        truth, ours = (band[-1, BAND : BAND + SIDE, k * SIDE : (k + 1) * SIDE].astype(int) for k in range(2))
        assert (np.abs(truth - ours).max() == 0) == alike
        assert truth.std() > 10


def test_places_that_no_video_tells_are_laid_on_the_truth() -> None:
    subject = Subject(np.array([-1, 0]), np.ones(2, bool), np.eye(3)[:2], np.tile(np.eye(3), (2, 1, 1)), 1.0)
    truth = Pose(np.random.default_rng(0).normal(size=(5, 2, 3)), stands=False)
    moved = Pose(truth.positions + np.array([3.0, 0, 1]), stands=False)
    case = Case(subject, truth, 30.0)
    np.testing.assert_allclose(world_of(moved, case), world_of(truth, case), atol=1e-12)
    known = Case(subject, replace(truth, stands=True), 30.0)
    assert np.abs(world_of(replace(moved, stands=True), known) - world_of(truth, known)).max() > 2


def test_skeletons_leave_out_handles() -> None:
    deforms = np.array([False, False, True, False, False])
    subject = Subject(np.array([-1, 0, 1, 2, 0]), deforms, np.zeros((5, 3)), np.tile(np.eye(3), (5, 1, 1)), 1.0)
    assert carrying(subject).tolist() == [True, True, True, False, False]


def test_clips_of_other_rates_and_lengths_play_together() -> None:
    first = np.arange(4, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    pictures = list(stacked([first, first[:2]], [30.0, 15.0], 30.0))
    assert [picture[0, 0, 0] for picture in pictures] == [0, 1, 2, 3]
    assert [picture[2, 0, 0] for picture in pictures] == [0, 0, 1, 1]
    longer = list(stacked([first, first[:1]], [30.0, 30.0], 30.0))
    assert [picture[2, 0, 0] for picture in longer] == [0, 0, 0, 0]


def test_long_titles_are_cut() -> None:
    page = label_page(576, 100, "x" * 400, "worst", ["truth", "ours"])
    assert page.shape == (100 + BAND + 20, 576, 3)
    assert (page[:BAND, -4:] == page[0, -1]).all()


# ---------------------------------------------------------------- speed


@pytest.mark.parametrize(
    ("setting", "stages"),
    [
        ("p2r", ["closed form", "stage 2 (direct)", "stage 2 (ours)"]),
        ("v2p", ["stage 1 (ours)"]),
        (
            "e2e",
            [
                *("stage 1 (direct)", "stage 2 (direct)", "end to end (direct)"),
                *("stage 1 (ours)", "stage 2 (ours)", "end to end (ours)", "closed form"),
            ],
        ),
    ],
)
def test_every_stage_is_timed(
    unseen: Cache, model: Path, direct: Path, setting: str, stages: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mocapcli.evaluation.speed.time_job", partial(time_job, runs=1))
    chosen = build_setting(setting, Models((str(model),), str(direct)))
    found = measure_speed(chosen, unseen, evaluation_windows(unseen, "unseen", per_family=1)[1:])
    assert list(found["stages"]) == stages
    assert all(figures["frames_per_second"] > 0 for figures in found["stages"].values())
    assert (found["clips"], found["runs"], found["threads"]) == (1, RUNS, torch.get_num_threads())
    assert found["processor"]
    assert found["device"] == "cpu"


def test_what_is_timed_end_to_end_gets_to_the_end(unseen: Cache, model: Path) -> None:
    (window, *_) = evaluation_windows(unseen, "unseen", per_family=1)
    jobs = build_setting("e2e", Models((str(model),))).jobs(unseen, window)
    ended = {name: job() for name, job in jobs.items() if name in ("stage 1 (ours)", "end to end (ours)")}
    assert ended["stage 1 (ours)"].rotations is None
    assert ended["end to end (ours)"].rotations is not None


def test_the_first_run_is_not_counted() -> None:
    calls = []

    def job() -> None:
        time.sleep(1.0 if not calls else 0)
        calls.append(1)

    taken = time_job(job, runs=3)
    assert len(calls) == 4
    assert len(taken) == 3
    assert max(taken) < 0.8


def test_small_and_large_rigs_are_timed(unseen: Cache) -> None:
    windows = evaluation_windows(unseen, "unseen")
    many = [replace(w, entry=replace(w.entry, joints=n), frames=48) for n, w in enumerate(windows * 3)]
    assert [window.entry.joints for window in chosen_windows(many)] == [0, round((len(many) - 1) / 2), len(many) - 1]
    assert chosen_windows([]) == []


@pytest.mark.parametrize(("load", "busy"), [(0.2, False), (7.0, True), (None, False)])
def test_a_busy_machine_is_told(load: float | None, busy: bool) -> None:
    speed = {"device": "cpu", "processor": "Abacus", "cores": 2, "threads": 1, "load": load, "runs": 5, "clips": 1}
    words = speed_words(speed | {"joints": [6]})
    assert "Abacus, 1 thread" in words
    assert ("load 7 on 2 cores" in words) == busy


def test_speed_is_told_where_it_is_asked_for(capsys, unseen: Cache, tmp_path: Path) -> None:
    arguments = (
        "eval",
        "--model",
        "none",
        "--split",
        "unseen",
        "--cache",
        unseen.folder,
        "--per-family",
        "1",
        "--speed",
    )
    code, out, err = run(capsys, *arguments, "-o", tmp_path / "x.json")
    assert code == 0, err
    assert "frames/s" in out
    assert "median of 5 runs" in out
    speed = json.loads((tmp_path / "x.json").read_text())["speed"]
    assert speed["stages"]["closed form"]["frames_per_second"] > 0
