"""`mocap eval` on videos: settings, predictors, crops, confidence."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cli_helpers import run
from eval_helpers import BY_NAME, TINY, evaluated, long_asset, save_model
from mocapcli.capturing.refine import ITERATIONS
from mocapcli.data.cache import Cache
from mocapcli.data.windows import evaluation_windows
from mocapcli.evaluation.cases import Case, curves_of, measure_case, reliability_of
from mocapcli.evaluation.crops import crop_boxes
from mocapcli.evaluation.predictors import Footage, NetworkPredictor, Prediction
from mocapcli.evaluation.videos import VideoToPositions, VideoToRotations, film_window
from mocapcli.metrics import Pose
from mocapcli.network.model import load_network
from mocapcli.types import Asset

pytest_plugins = ["eval_fixtures"]


@pytest.mark.parametrize("setting", ["v2p", "e2e"])
def test_video_settings(capsys, unseen: Cache, model: Path, setting: str) -> None:
    arguments = ("--setting", setting, "--model", model, "--per-family", "1", "--appearance", "other-body")
    found = evaluated(capsys, unseen, *arguments)
    rows = ["copy", "ours"] if setting == "v2p" else ["copy", "closed_form", "factorised", "ours", "direct"]
    assert list(found["rows"]) == rows
    if setting == "e2e":
        assert set(found["rows"]["direct"]) == set(found["rows"]["copy"])
        assert set(found["rows"]["direct"].values()) == {None}
        assert any(line.startswith("direct: none given") for line in found["notes"])
    assert ("rotation_world_deg" in found["rows"]["ours"]) == (setting == "e2e")
    assert ("places_percent" in found["rows"]["copy"]) == (setting == "v2p")
    assert "mpjpe_world_percent" not in found["rows"]["ours"]
    assert found == evaluated(capsys, unseen, *arguments)


def test_anybodys_predictor_plugs_in(unseen: Cache) -> None:
    """One that knows nothing but the reference pose and puts it in front of the camera."""

    class Statue:
        def predict(self, asset: Asset, footage: Footage) -> Prediction:
            assert footage.frames.shape[:3] == footage.masks.shape
            still = np.zeros((len(footage.frames), asset.rig.skeleton.joints, 3))
            turns = np.tile(np.eye(3), (*still.shape[:2], 1, 1))
            return Prediction(still, turns, noise=np.full(still.shape[:2], 0.1), travels=False)

    (window, *_) = evaluation_windows(unseen, "unseen")
    positions = measure_case(VideoToPositions({"statue": Statue()}).case(unseen, window), BY_NAME)
    assert positions["statue"]["mpjpe_percent"] > 0
    assert not {"places_percent", "root_path_percent"} & set(positions["statue"])
    rotations = measure_case(VideoToRotations({"statue": Statue()}).case(unseen, window), BY_NAME)
    assert rotations["statue"]["rotation_world_deg"] > 0


def test_a_predictor_that_knows_the_truth_is_perfect_in_the_cameras_frame(unseen: Cache) -> None:
    (window, *_) = evaluation_windows(unseen, "unseen")
    scene = film_window(unseen, window, "own", 0)

    class Oracle:
        def predict(self, asset: Asset, footage: Footage) -> Prediction:
            boxes = crop_boxes(footage.masks)
            pixels = scene.true_places * boxes.width + boxes.corners[:, None]
            return Prediction(scene.truth.positions, scene.truth.rotations, pixels, np.zeros(pixels.shape[:2]))

    rows = measure_case(VideoToPositions({"oracle": Oracle()}).case(unseen, window), BY_NAME)
    assert {"mpjpe_percent", "places_percent", "root_path_percent", "facing_deg"} < set(rows["oracle"])
    for name, value in rows["oracle"].items():
        assert np.isnan(value) or value == pytest.approx(BY_NAME[name].ideal, abs=1e-6), name
    assert rows["copy"]["places_percent"] > 0.1
    np.testing.assert_allclose(scene.project(scene.truth.positions), scene.true_places, atol=1e-9)


def test_boxes_have_the_subject_in_the_middle() -> None:
    masks = np.zeros((3, 40, 60))
    masks[0, 10:20, 20:30] = masks[2, 14:24, 24:34] = 1.0  # out of sight in between
    boxes = crop_boxes(masks)
    np.testing.assert_allclose(boxes.centres, [[25, 15], [27, 17], [29, 19]])
    assert boxes.width == pytest.approx(12.75)


def test_a_video_without_its_subject_is_looked_at_whole() -> None:
    boxes = crop_boxes(np.zeros((2, 40, 60)))
    np.testing.assert_allclose(boxes.centres, [[30, 20], [30, 20]])
    assert boxes.width > 60


def test_a_predictor_keeps_its_rigs_renders(unseen: Cache, model: Path) -> None:
    predictor = NetworkPredictor(load_network(model))
    asset = unseen.load(unseen.entries[0])
    first = predictor._reader(asset)
    assert predictor._reader(asset) is first
    assert predictor._reader(long_asset(9)) is not first


def test_curves_and_reliability(unseen: Cache) -> None:
    """Noise that is told as large as it is lies on the line; the curve's mean is the figure."""
    (window, *_) = evaluation_windows(unseen, "unseen")
    scene = film_window(unseen, window, "own", 0)
    rng = np.random.default_rng(0)
    points = scene.truth.positions
    level = 0.02 * scene.subject.size * np.linspace(0.5, 2, points.shape[1])
    level[scene.subject.root] = 1e-9
    noise = np.tile(level, (len(points), 1))
    pose = Pose(points + rng.normal(size=points.shape) * noise[..., None], noise=noise)
    case = Case(scene.subject, Pose(points), 30.0, {"told": pose, "silent": Pose(points)})
    reliability = reliability_of(case)
    assert list(reliability) == ["told"]
    said, true = np.array(reliability["told"]).T
    np.testing.assert_allclose(true, said, rtol=0.15, atol=0.01)
    assert (np.diff(said) > -1e-9).all()
    curves = curves_of(case)
    assert set(curves) == {"copy", "told", "silent"}
    assert np.mean(curves["told"]) == pytest.approx(measure_case(case, BY_NAME)["told"]["mpjpe_percent"], abs=1e-3)


def test_a_direct_head_stands_on_our_stage_1(capsys, unseen: Cache, model: Path, direct: Path) -> None:
    arguments = ("--setting", "e2e", "--model", model, "--per-family", "1")
    found = evaluated(capsys, unseen, *arguments, "--direct-model", direct)
    assert list(found["rows"]) == ["copy", "closed_form", "factorised", "direct", "ours"]
    assert found["rows"]["direct"]["rotation_local_deg"] != found["rows"]["ours"]["rotation_local_deg"]
    assert found["rows"]["ours"] == evaluated(capsys, unseen, *arguments)["rows"]["ours"]
    assert found["rows"]["factorised"] == evaluated(capsys, unseen, *arguments)["rows"]["factorised"]


def test_a_model_of_stage_1_alone_has_no_rotations_of_its_own(capsys, unseen: Cache, tmp_path: Path) -> None:
    half = save_model(tmp_path / "half", replace(TINY, stages=("pose",)))
    found = evaluated(capsys, unseen, "--setting", "e2e", "--model", half, "--per-family", "1")
    assert found["rows"]["ours"]["rotation_local_deg"] is None
    assert found["rows"]["factorised"]["rotation_local_deg"] > 0
    assert "ours: not trained: the model holds no stage 2" in found["notes"]


@pytest.mark.parametrize(("setting", "stage"), [("v2p", "rotation"), ("e2e", "rotation"), ("p2r", "pose")])
def test_stages_that_a_model_lacks_are_not_made_up(
    capsys, unseen: Cache, tmp_path: Path, setting: str, stage: str
) -> None:
    half = save_model(tmp_path / "half", replace(TINY, stages=(stage,)))
    arguments = ("eval", "--split", "unseen", "--cache", unseen.folder, "--setting", setting, "--model", half)
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (1, "")
    assert "holds no weights of stage" in err


def test_stage_3_takes_part_where_it_is_asked_for(capsys, unseen: Cache, model: Path, tmp_path: Path) -> None:
    whole = save_model(tmp_path / "whole", replace(TINY, stages=("pose", "rotation", "refine")))
    refiner = load_network(whole).refiner
    assert refiner is not None
    arguments = ("--setting", "e2e", "--model", whole, "--per-family", "1")
    with pytest.MonkeyPatch.context() as patch:
        called = []

        def twisted(network, rig, reference, pose, clip, full, iterations, *_):
            called.append(iterations)
            return replace(pose, rotations=np.roll(pose.rotations, 1, axis=1)) if iterations else pose

        patch.setattr("mocapcli.capturing.reading.refine", twisted)
        plain, refined = (evaluated(capsys, unseen, *arguments, "--refine-iterations", n)["rows"] for n in (0, 2))
        assert set(called) == {0, 2}
        called.clear()
        usual = evaluated(capsys, unseen, *arguments)["rows"]
        assert set(called) == {ITERATIONS}, "what capture does where nobody says otherwise"
        called.clear()
        evaluated(capsys, unseen, "--setting", "e2e", "--model", model, "--per-family", "1")
        assert set(called) == {0}, "a model without the stage does without"
    assert usual == refined
    assert list(refined) == ["copy", "closed_form", "factorised", "unrefined", "ours", "direct"]
    assert refined["unrefined"] == plain["ours"]
    assert plain["factorised"] == refined["factorised"]
    assert plain["ours"]["rotation_local_deg"] != refined["ours"]["rotation_local_deg"]
    code, _, err = run(
        capsys,
        "eval",
        "--split",
        "unseen",
        "--cache",
        unseen.folder,
        *arguments[:2],
        "--model",
        model,
        "--refine-iterations",
        2,
    )
    assert code == 2
    assert "holds no refiner" in err


def test_limbs_are_swung_where_it_is_asked_for(capsys, unseen: Cache, model: Path) -> None:
    arguments = ("--setting", "e2e", "--model", model, "--per-family", "1")
    with pytest.MonkeyPatch.context() as patch:
        steps = []

        def twisted(matcher, pose, clip, full, *_):
            steps.append(0 if matcher is None else matcher.steps)
            return pose if matcher is None else replace(pose, rotations=np.roll(pose.rotations, 1, axis=1))

        patch.setattr("mocapcli.capturing.reading.match", twisted)
        plain, swung = (evaluated(capsys, unseen, *arguments, *more)["rows"] for more in ((), ("--match", 3)))
        assert set(steps) == {0, 3}, "a model whose encoder was trained here does without, unless it is asked"
    assert "unrefined" not in plain
    assert swung["unrefined"] == plain["ours"]
    assert swung["ours"]["rotation_local_deg"] != plain["ours"]["rotation_local_deg"]
    command = ("eval", "--split", "unseen", "--cache", unseen.folder, "--setting", "v2p", "--model", model)
    code, _, err = run(capsys, *command, "--match", 3)
    assert code == 2
    assert "--match is for the setting that ends in rotations" in err
