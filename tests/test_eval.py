"""`mocap eval` on true positions: rows, what they are worth, and an independent look at them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cli_helpers import run
from eval_helpers import BY_NAME, TINY, evaluated, long_asset, save_model
from independent_figures import angles
from mocapcli.data.cache import Cache, open_cache
from mocapcli.data.windows import cut_motion, evaluation_windows
from mocapcli.evaluation.cases import measure_case
from mocapcli.evaluation.positions import PositionsToRotations, correlated_noise
from mocapcli.evaluation.results import summarise
from mocapcli.evaluation.run import judge
from mocapcli.evaluation.sources import PACKAGE, cache_in, code_commit
from mocapcli.formats import write_asset
from mocapcli.kinematics import motion_from_world

pytest_plugins = ["eval_fixtures"]


def test_p2r_json_has_exactly_what_is_promised(capsys, unseen: Cache, model: Path) -> None:
    found = evaluated(capsys, unseen, "--model", model)
    assert list(found) == ["split", "setting", "model", "commit", "rows", "families", "notes"]
    assert (found["split"], found["setting"], found["model"]) == ("unseen", "p2r", str(model))
    each = ("closed_form", "factorised", "one_pass", "ours")
    measured = [row + tail for tail in ("", "_noise_0.5", "_noise_1") for row in each]
    assert list(found["rows"]) == ["copy", *measured, "direct"]
    assert list(found["families"]) == ["first", "second"]
    assert {"rotation_local_deg", "rotation_world_deg", "mpjpe_percent"} <= set(found["rows"]["ours"])
    for row in ["copy", *measured]:
        mean = np.mean([found["families"][name][row]["rotation_local_deg"] for name in ("first", "second")])
        assert found["rows"][row]["rotation_local_deg"] == pytest.approx(mean)
    local = {row: figures["rotation_local_deg"] for row, figures in found["rows"].items()}
    assert local["closed_form"] < local["copy"] and local["closed_form_noise_1"] < local["one_pass_noise_1"]


def test_baselines_never_vanish(capsys, unseen: Cache, model: Path, direct: Path) -> None:
    """Rows that nobody fills are there, undefined, and it is said why."""
    found = evaluated(capsys, unseen, "--per-family", "1")
    for row in ("ours", "direct"):
        assert set(found["rows"][row]) == set(found["rows"]["copy"])
        assert set(found["rows"][row].values()) == set(found["families"]["first"][row].values()) == {None}
    assert any(line.startswith("ours: no model") for line in found["notes"])
    assert any(line.startswith("direct: none given") for line in found["notes"])
    assert found["rows"]["factorised_noise_1"] == found["rows"]["closed_form_noise_1"]
    assert any("factorised is the closed form" in line for line in found["notes"])
    full = evaluated(capsys, unseen, "--per-family", "1", "--model", model, "--direct-model", direct)
    assert full["rows"]["direct"]["rotation_local_deg"] > 0
    assert full["model"] == f"{model}+{direct}"
    assert not any(line.startswith(("ours", "direct")) for line in full["notes"])


def test_json_is_the_same_to_the_last_digit_and_the_seed_matters(capsys, unseen: Cache, model: Path) -> None:
    arguments = ("eval", "--split", "unseen", "--cache", unseen.folder, "--json", "--model", model, "--per-family", "1")
    first, second, other = (run(capsys, *arguments, "--seed", seed)[1] for seed in (5, 5, 6))
    assert first == second != ""
    noisy = [json.loads(text)["rows"]["closed_form_noise_1"] for text in (first, other)]
    assert noisy[0] != noisy[1]


def test_an_independent_recomputation_from_exported_files_agrees(zoo: Cache, tmp_path: Path) -> None:
    """To 0.01°, by numpy and scipy alone, for the closed form and the copy."""
    for window in evaluation_windows(zoo, "unseen", per_family=1):
        case = PositionsToRotations(noises=(0.0,)).case(zoo, window)
        rows = measure_case(case, BY_NAME)
        asset = zoo.load(window.entry)
        truth = cut_motion(asset.motions[window.motion], window.start, window.frames)
        write_asset(tmp_path / "truth.npz", asset.with_motions([truth]))
        pose = case.predictions["closed_form"]
        world = np.tile(np.eye(4), (*pose.positions.shape[:2], 1, 1))
        world[..., :3, :3], world[..., :3, 3] = pose.rotations, pose.positions
        motion = motion_from_world("closed form", truth.fps, asset.rig.skeleton, world)
        write_asset(tmp_path / "predicted.npz", asset.with_motions([motion]))
        found = angles(tmp_path / "predicted.npz", tmp_path / "truth.npz", case.subject.reference_positions)
        names = ("rotation_local_deg", "rotation_local_deg_all", "rotation_world_deg")
        np.testing.assert_allclose(found, [rows["closed_form"][name] for name in names], atol=0.01)
        assert rows["closed_form"]["rotation_world_deg"] < rows["copy"]["rotation_world_deg"]


def test_noise_is_as_large_and_lasts_as_long_as_told() -> None:
    noise = correlated_noise(0, "a window", (4000, 5), 30.0)
    assert noise.std(axis=0) == pytest.approx(np.ones((5, 3)), abs=0.15)
    kept = np.exp(-1 / (0.15 * 30))
    assert (noise[1:] * noise[:-1]).mean() == pytest.approx(kept, abs=0.03)
    assert (noise[5:] * noise[:-5]).mean() == pytest.approx(kept**5, abs=0.05)
    many = np.stack([correlated_noise(0, f"window {k}", (2, 3), 30.0)[0] for k in range(300)])
    assert many.std() == pytest.approx(1, abs=0.1)  # no shy start
    np.testing.assert_array_equal(noise, correlated_noise(0, "a window", (4000, 5), 30.0))
    assert not np.allclose(noise[:9], correlated_noise(0, "another", (9, 5), 30.0))


def test_a_direct_head_has_a_row_of_its_own(capsys, unseen: Cache, model: Path, tmp_path: Path) -> None:
    plain = replace(TINY, rotation=replace(TINY.rotation, rotation_head="direct"))
    second = save_model(tmp_path / "plain", plain)
    found = evaluated(capsys, unseen, "--model", model, "--model", second, "--per-family", "1")
    assert {"ours", "direct", "ours_noise_1", "direct_noise_1"} < set(found["rows"])
    assert found["model"] == f"{model}+{second}"


def test_the_model_that_comes_along_is_judged_unless_another_is_named(capsys) -> None:
    command = ("eval", "--split", "seen", "--zoo", "1", "--per-family", "1", "--json")
    code, out, err = run(capsys, *command)
    assert code == 0, err
    found = json.loads(out)
    assert found["model"] == "small" and found["rows"]["ours"]["rotation_local_deg"] > 0
    code, _, err = run(capsys, *command, "--model", "none", "--model", "small")
    assert code == 2 and "--model none goes with no other model" in err


def test_a_zoo_is_evaluated(capsys, tmp_path: Path) -> None:
    code, out, err = run(
        capsys, "eval", "--model", "none", "--split", "seen", "--zoo", "1", "--per-family", "1", "--json"
    )
    assert code == 0, err
    rows = json.loads(out)["rows"]
    assert rows["closed_form"]["rotation_world_deg"] < rows["copy"]["rotation_world_deg"]


def test_assets_are_read_once(capsys, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    (tmp_path / "assets").mkdir()
    write_asset(tmp_path / "assets" / "a.glb", long_asset(1, frames=100))
    arguments = ("eval", "--model", "none", "--split", "seen", "--assets", tmp_path / "assets", "--json")
    code, first, err = run(capsys, *arguments)
    assert code == 0, err
    monkeypatch.setattr("mocapcli.evaluation.sources.build_cache", None)
    assert run(capsys, *arguments)[:2] == (0, first)


def test_the_commit_is_known_in_a_checkout(monkeypatch, tmp_path: Path) -> None:
    commit = code_commit()
    assert len(commit.rstrip("+")) >= 12 if (PACKAGE.parent / ".git").exists() else commit is None
    monkeypatch.setattr("mocapcli.evaluation.sources.PACKAGE", tmp_path / "mocapcli")
    assert code_commit() is None


def test_real_rigs_closed_form_beats_the_copy(shared_assets: Path, tmp_path: Path) -> None:
    """One never-seen rig: about the errors that BENCHMARK.md tells of."""
    from mocapcli.formats import read_asset

    asset = read_asset(shared_assets / "unseen" / "khronos_fox" / "Fox.glb")
    cache = cache_in(tmp_path, [("fox", "fox", asset)], "unseen")
    setting = PositionsToRotations(noises=(0.0,))
    rows = summarise(list(judge(cache, evaluation_windows(cache, "unseen"), setting, BY_NAME)), "unseen", "p2r").rows
    assert 4 < rows["closed_form"]["rotation_local_deg"] < 8
    assert rows["closed_form"]["rotation_world_deg"] < 3 < 12 < rows["copy"]["rotation_world_deg"]


def test_open_cache_finds_what_cache_in_left(unseen: Cache) -> None:
    assert open_cache(unseen.folder).entries == unseen.entries
