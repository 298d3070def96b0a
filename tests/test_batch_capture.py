"""`mocap capture` of many videos for many rigs: the same files as one by one, and what cannot be done is told."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs torch (pip install 'mocapcli[network]')")

from capture_helpers import film_mp4, save_tiny  # noqa: E402
from cli_helpers import run  # noqa: E402
from mocapcli.capturing import models  # noqa: E402
from mocapcli.capturing.batch import learn_rigs, plan_batch  # noqa: E402
from mocapcli.capturing.options import Options  # noqa: E402
from mocapcli.errors import MocapError, UsageError  # noqa: E402
from mocapcli.formats import write_asset  # noqa: E402
from mocapcli.kinematics import crop  # noqa: E402
from mocapcli.zoo import make_creature  # noqa: E402


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two rigs, a film of the first, another that is none, and a model that knows nothing."""
    folder = tmp_path_factory.mktemp("many")
    (folder / "clips").mkdir()
    (folder / "model").mkdir()
    for kind in ("fish", "snake"):
        write_asset(folder / f"{kind}.glb", make_creature(5, kind))
    fish = make_creature(5, "fish")
    film_mp4(folder / "clips" / "swim.mp4", fish, crop(fish.motions[0], 0.0, 0.4, 15.0))
    (folder / "clips" / "broken.mp4").write_bytes(b"no film at all")
    save_tiny(folder / "model")
    return folder


def capture(capsys: pytest.CaptureFixture[str], folder: Path, *arguments: object) -> tuple[int, str, str]:
    return run(
        capsys, "capture", *arguments, "--adapt", "off", "--rig", folder / "fish.glb", "--model", folder / "model"
    )


def test_a_folder_of_videos_for_two_rigs(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, report = tmp_path / "out", tmp_path / "report.json"
    many = (folder / "clips", "--rig", folder / "snake.glb", "-o", out, "--to", "bvh", "--report", report)
    code, told, err = capture(capsys, folder, *many, "--confidence", out / "sure")
    assert code == 1
    assert [line.split()[:2] for line in told.splitlines()] == [["result", "captures"], ["done", "2"], ["failed", "2"]]
    assert err.splitlines()[-3] == "mocap: 2 of 4 captures failed:"
    assert all(f"broken-{rig}.bvh: {folder}/clips/broken.mp4: " in err for rig in ("fish", "snake"))
    files = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if not path.name.startswith("."))
    assert files == ["sure", "sure/swim-fish.csv", "sure/swim-snake.csv", "swim-fish.bvh", "swim-snake.bvh"]
    found = json.loads(report.read_text())
    assert [item["item"] for item in found["items"] if item["result"] == "done"] == ["swim-snake.bvh", "swim-fish.bvh"]
    assert found["items"][-1]["details"]["frames"] == 7

    single = tmp_path / "single.bvh"
    assert capture(capsys, folder, folder / "clips" / "swim.mp4", "-o", single)[0] == 0
    assert single.read_bytes() == (out / "swim-fish.bvh").read_bytes()

    again = ("-o", tmp_path / "again", "--to", "bvh", "--workers", 2)
    assert capture(capsys, folder, folder / "clips", "--rig", folder / "snake.glb", *again)[0] == 1
    for name in ("swim-fish.bvh", "swim-snake.bvh"):
        assert (tmp_path / "again" / name).read_bytes() == (out / name).read_bytes()

    code, told, _ = capture(capsys, folder, *many, "--confidence", out / "sure")
    assert [line.split()[:2] for line in told.splitlines()[1:]] == [["skipped", "2"], ["failed", "2"]]
    code, told, _ = capture(capsys, folder, *many, "--confidence", out / "sure", "--shard", "1/4", "--redo")
    assert (code, [line.split()[:2] for line in told.splitlines()[1:]]) == (1, [["failed", "1"]])


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("a.mp4", "b.mp4"), 2, "say where to write"),
        (("a.mp4", "b.mp4", "-o", "x.glb"), 2, "x.glb: many captures go into a folder, and this is a file's name"),
        (("a.mp4", "b.mp4", "-o", "out", "-o", "other"), 2, "many captures go into one folder"),
        (("a.mp4", "b.mp4", "-o", "out", "--shard", "5/4"), 2, "there is no shard 5 of 4"),
        (("a.mp4", "b.mp4", "-o", "out", "--mask", "mask.mp4"), 2, "--mask belongs to one video, here are 2"),
        (
            ("a.mp4", "-o", "out", "--rig", "b.glb", "--reference", "c.glb"),
            2,
            "--reference belongs to one rig, here are 2",
        ),
        (("a.mp4", "-o", "out", "--rig", "nothing.glb"), 1, "nothing.glb: there is no such rig"),
        (("a.mp4", "-o", "out", "--to", "xyz"), 1, "unknown file type .xyz"),
        (("a.mp4", "-o", "a.glb", "--workers", "2"), 2, "are for many captures (name a folder with -o)"),
        (("empty", "-o", "out"), 1, "empty: no video in this folder"),
    ],
)
def test_what_makes_no_sense_is_said_before_the_work_begins(
    folder: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch, arguments, code, message
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    found, _, err = capture(capsys, folder, *arguments)
    assert found == code and message in err and len(err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_plans_hold_wherever_they_are_carried_out(folder: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(folder)
    options = Options(model="model", mask=Path("m.mp4"), reference="fish.glb:3", preview=Path(tmp_path / "films"))
    (item,) = plan_batch([Path("clips/swim.mp4")], [Path("fish.glb")], tmp_path, options).items
    assert item.key == "swim-fish.glb" and item.output == tmp_path / "swim-fish.glb"
    assert item.inputs == tuple(folder / name for name in ("clips/swim.mp4", "fish.glb", "fish.glb", "m.mp4"))
    _, chosen = item.task
    assert chosen.reference == str(folder / "fish.glb:3") and chosen.preview == tmp_path / "films" / "swim-fish.mp4"


def test_options_and_weights_are_told_apart(folder: Path, tmp_path: Path) -> None:
    def digest(options: Options) -> str:
        return plan_batch([Path("a.mp4")], [folder / "fish.glb"], tmp_path, options).items[0].digest

    plain = Options(model=folder / "model")
    assert digest(plain) == digest(replace(plain, model=str(folder / "model")))
    assert digest(plain) != digest(replace(plain, fps=10))
    assert digest(plain) == digest(replace(plain, device="cpu"))
    save_tiny(tmp_path / "other", seed=1)
    assert digest(plain) != digest(replace(plain, model=tmp_path / "other"))
    with pytest.raises(MocapError, match="no model"):
        digest(replace(plain, model="nobody"))


def test_no_result_replaces_an_input(folder: Path, tmp_path: Path) -> None:
    """A rig named as an earlier result is."""
    (tmp_path / "walk-fish.glb").write_bytes((folder / "fish.glb").read_bytes())
    rigs = [folder / "fish.glb", tmp_path / "walk-fish.glb"]
    with pytest.raises(UsageError, match=r"walk-fish\.glb would replace what is read"):
        plan_batch([Path("walk.mp4")], rigs, tmp_path, Options(model=folder / "model"))


def test_files_beside_results_of_one_name_are_told_apart(folder: Path, tmp_path: Path) -> None:
    """One rig as two files: results differ by their extension, previews would not."""
    write_asset(tmp_path / "fish.npz", make_creature(5, "fish"))
    rigs = [folder / "fish.glb", tmp_path / "fish.npz", folder / "snake.glb"]
    options = Options(model=folder / "model", preview=tmp_path / "previews")
    plan = plan_batch([Path("walk.mp4")], rigs, tmp_path / "out", options)
    previews = [item.task[1].preview.name for item in plan.items]
    assert previews == ["walk-fish.glb.mp4", "walk-fish.npz.mp4", "walk-snake.mp4"]


def test_previews_of_an_earlier_run_are_no_videos(folder: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    (tmp_path / "previews").mkdir()
    for name in ("swim.mp4", "previews/swim-fish.mp4"):
        (tmp_path / name).write_bytes(b"no film")
    monkeypatch.chdir(tmp_path)
    told = capture(capsys, folder, ".", "-o", "out", "--preview", "previews")
    assert told[0] == 1 and "1 of 1 captures failed" in told[2]


@pytest.mark.parametrize("option", ["--preview", "--debug-dir"])
def test_previews_among_the_videos_would_be_captured_too(folder: Path, tmp_path: Path, capsys, option: str) -> None:
    (tmp_path / "swim.mp4").write_bytes(b"no film")
    code, _, err = capture(capsys, folder, tmp_path, "-o", tmp_path / "out", option, tmp_path)
    assert code == 2 and "is the folder of videos" in err and option in err


@pytest.mark.parametrize(("report", "words"), [("nowhere/x.json", "no folder"), ("out", "is a folder")])
def test_a_report_that_cannot_be_written_is_told_first(
    folder: Path, tmp_path: Path, capsys, report: str, words: str
) -> None:
    (tmp_path / "out").mkdir()
    many = (folder / "clips", "-o", tmp_path / "out", "--report", tmp_path / report)
    code, _, err = capture(capsys, folder, *many)
    assert code == 2 and words in err and "captures failed" not in err


def test_nothing_is_no_batch(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing to do"):
        plan_batch([], [folder / "fish.glb"], tmp_path, Options(model=folder / "model"))


def test_rigs_are_learnt_once_before_several_workers_begin(folder: Path, tmp_path: Path, monkeypatch) -> None:
    learnt, heard = list[tuple[str, float | None]](), list[int]()

    def learn(asset, model, seconds, told) -> None:
        learnt.append((asset.rig.name, seconds))
        told("learning the rig", 90, 90)

    monkeypatch.setattr(models, "network_for", learn)
    options = Options(model=folder / "model", adapt="90s")
    (tmp_path / "broken.glb").write_bytes(b"no rig")
    rigs = [folder / "fish.glb", folder / "snake.glb", tmp_path / "broken.glb"]
    plan = plan_batch([Path("a.mp4"), Path("b.mp4")], rigs, tmp_path, options)
    learn_rigs(plan.items, options, lambda stage, done, total: heard.append(total))
    assert learnt == [("fish", 90.0), ("snake", 90.0)]
    assert heard == [270, 270], "one bar for all of them"
    learn_rigs(plan.items, replace(options, adapt="off"), lambda stage, done, total: None)
    learn_rigs([], options, lambda stage, done, total: None)
    assert len(learnt) == 2
