"""`mocap eval`: settings, rows, means, resuming, files against files, and what people type by mistake."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from PIL import Image

from cli_helpers import run
from factories import make_asset, make_motion
from independent_figures import angles
from mocapcli.data.cache import Cache, open_cache
from mocapcli.data.windows import cut_motion, evaluation_windows
from mocapcli.evaluation import run as running
from mocapcli.evaluation.cases import Case, curves_of, measure_case, reliability_of
from mocapcli.evaluation.crops import crop_boxes, cut_crops
from mocapcli.evaluation.plot import nice_top
from mocapcli.evaluation.positions import PositionsToRotations, correlated_noise
from mocapcli.evaluation.predictors import Footage, NetworkPredictor, Prediction, _upright
from mocapcli.evaluation.records import METRICS
from mocapcli.evaluation.run import Judged, Partial, judge, summarise
from mocapcli.evaluation.sources import cache_in, cache_of_zoo, code_commit
from mocapcli.evaluation.videos import VideoToPositions, VideoToRotations, camera_turns, film_window
from mocapcli.formats import write_asset
from mocapcli.kinematics import motion_from_world
from mocapcli.metrics import Comparison, Pose
from mocapcli.network.model import MotionNetwork, NetworkConfig, save_network
from mocapcli.network.reference import batch_rigs
from mocapcli.network.rotation_head import RotationConfig
from mocapcli.network.video_to_pose import PoseEstimate, VideoToPoseConfig
from mocapcli.render.camera import orbit_rotation
from mocapcli.types import Asset

torch.set_num_threads(1)
BY_NAME = {metric.name: metric for metric in METRICS}
TINY = NetworkConfig(
    VideoToPoseConfig(channels=16, heads=2, rounds=2, blocks=1, query_blocks=1),
    RotationConfig(channels=16, heads=2, blocks=1),
    side=32,
)


def long_asset(seed: int, frames: int = 60, joints: int = 6) -> Asset:
    asset = make_asset(joints=joints, seed=seed)
    return asset.with_motions([make_motion(asset.rig.skeleton, frames=frames, seed=seed)])


@pytest.fixture(scope="module")
def unseen(tmp_path_factory) -> Cache:
    """Two families; the first has two rigs."""
    folder = tmp_path_factory.mktemp("unseen")
    made = [("a", "first", long_asset(1)), ("b", "first", long_asset(2, frames=20)), ("c", "second", long_asset(3))]
    return cache_in(folder, made, "unseen")


@pytest.fixture(scope="module")
def zoo(tmp_path_factory) -> Cache:
    return cache_of_zoo(2, "unseen", tmp_path_factory.mktemp("zoo"), progress_bar=False)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return save_model(tmp_path_factory.mktemp("models") / "tiny", TINY)


def save_model(folder: Path, config: NetworkConfig) -> Path:
    torch.manual_seed(0)
    save_network(folder, config, MotionNetwork(config).state_dict())
    return folder


def evaluated(capsys, cache: Cache, *arguments) -> dict:
    code, out, err = run(capsys, "eval", "--split", "unseen", "--cache", cache.folder, "--json", *arguments)
    assert code == 0, err
    return json.loads(out)


# ---------------------------------------------------------------- positions to rotations


def test_p2r_json_has_exactly_what_is_promised(capsys, unseen: Cache, model: Path) -> None:
    found = evaluated(capsys, unseen, "--model", model)
    assert list(found) == ["split", "setting", "model", "commit", "rows", "families"]
    assert (found["split"], found["setting"], found["model"]) == ("unseen", "p2r", str(model))
    rows = ["copy"] + [row + tail for tail in ("", "_noise_0.5", "_noise_1") for row in ("closed_form", "ours")]
    assert list(found["rows"]) == rows
    assert list(found["families"]) == ["first", "second"]
    assert {"rotation_local_deg", "rotation_world_deg", "mpjpe_percent"} <= set(found["rows"]["ours"])
    for row in rows:
        mean = np.mean([found["families"][name][row]["rotation_local_deg"] for name in ("first", "second")])
        assert found["rows"][row]["rotation_local_deg"] == pytest.approx(mean)
    assert found["rows"]["closed_form"]["rotation_local_deg"] < found["rows"]["copy"]["rotation_local_deg"]


def test_it_is_deterministic_and_the_seed_matters(capsys, unseen: Cache) -> None:
    first, second = (evaluated(capsys, unseen, "--per-family", "1", "--seed", "3") for _ in range(2))
    assert first == second
    other = evaluated(capsys, unseen, "--seed", "4")["rows"]["closed_form_noise_1"]
    assert other != evaluated(capsys, unseen, "--seed", "3")["rows"]["closed_form_noise_1"]


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


# ---------------------------------------------------------------- videos


@pytest.mark.parametrize("setting", ["v2p", "e2e"])
def test_video_settings(capsys, unseen: Cache, model: Path, setting: str) -> None:
    arguments = ("--setting", setting, "--model", model, "--per-family", "1", "--appearance", "other-body")
    found = evaluated(capsys, unseen, *arguments)
    rows = ["copy", "ours"] if setting == "v2p" else ["copy", "closed_form", "factorised", "ours"]
    assert list(found["rows"]) == rows
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


def test_crop_positions_are_turned_into_the_cameras_level_frame(unseen: Cache) -> None:
    """What a perfect network would say of each crop, as if the camera looked straight at it."""
    for window in evaluation_windows(unseen, "unseen"):
        scene = film_window(unseen, window, "own", 1)
        boxes, size, shown = crop_boxes(scene.footage.masks), scene.subject.size, scene.subject.shown
        away = np.einsum("fba,fjb->fja", camera_turns(scene.video), scene.truth.positions)
        rows: dict[str, list] = {name: [] for name in ("positions", "depth", "half_width", "pitch")}
        tangent = boxes.width / 2 / scene.footage.focal
        for points, camera, (u, v) in zip(away, scene.video.cameras, boxes.centres, strict=True):
            ray = camera.rotation @ [(u - 128) / scene.footage.focal, -(v - 128) / scene.footage.focal, -1.0]
            back = -ray / np.linalg.norm(ray)
            pitch = float(np.arcsin(back[1]))
            local = points @ orbit_rotation(float(np.degrees(np.arctan2(back[0], back[2]))), np.degrees(pitch))
            middle = local[shown].mean(axis=0)
            rows["positions"].append((local - middle) / size)
            rows["depth"].append((local - middle)[:, 2] / size)
            rows["half_width"].append(-middle[2] / size * tangent)
            rows["pitch"].append(pitch)
        told = {name: torch.from_numpy(np.array(values)).float()[None] for name, values in rows.items()}
        nothing = torch.zeros(away.shape[:2])[None]
        places = torch.from_numpy(scene.true_places * 2 - 1).float()[None]
        estimate = PoseEstimate(places=places, spread=nothing, yaw_logits=nothing, rounds=(), **told)
        spans = torch.full((1, len(away)), tangent)
        found = _upright(estimate, batch_rigs([scene.reference]), boxes, scene.footage, spans)
        comparison = Comparison(scene.subject, Pose(found[0].double().numpy() * size), scene.truth, 30.0)
        assert BY_NAME["mpjpe_percent"].measure(comparison) < 0.1
        assert BY_NAME["facing_deg"].measure(comparison) < 0.1
        assert BY_NAME["mpjpe_world_percent"].measure(comparison) < 5  # distance is steadied over time


def test_crops_hold_the_subject_in_the_middle() -> None:
    masks = np.zeros((3, 40, 60))
    masks[0, 10:20, 20:30] = masks[2, 14:24, 24:34] = 1.0  # out of sight in between
    boxes = crop_boxes(masks)
    np.testing.assert_allclose(boxes.centres, [[25, 15], [27, 17], [29, 19]])
    assert boxes.width == pytest.approx(12.75)
    frames = np.full((3, 40, 60, 3), 200, np.uint8)
    crops = cut_crops(frames, masks, boxes, 51)
    assert crops.shape == (3, 51, 51, 4)
    assert (crops[0, 25, 25] == [200, 200, 200, 255]).all()
    assert not crops[0, :4].any()
    assert not crops[1].any()
    covered = (crops[0, ..., 3] / 255).sum() / 51**2
    assert covered == pytest.approx(100 / 12.75**2, rel=0.02)


@pytest.mark.parametrize("corner", [(0, 0), (30, 50), (0, 55)])
def test_crops_reach_outside_the_picture(corner: tuple[int, int]) -> None:
    masks = np.zeros((1, 40, 60))
    masks[0, corner[0] : corner[0] + 10, corner[1] : corner[1] + 5] = 1.0
    crops = cut_crops(np.full((1, 40, 60, 3), 255, np.uint8), masks, crop_boxes(masks), 32)
    assert (crops[0, 16, 16] == 255).all()
    assert not crops[0, 0].any()


def test_a_video_without_its_subject_is_looked_at_whole() -> None:
    boxes = crop_boxes(np.zeros((2, 40, 60)))
    np.testing.assert_allclose(boxes.centres, [[30, 20], [30, 20]])
    assert boxes.width > 60


def test_a_predictor_keeps_its_rigs_renders(unseen: Cache, model: Path) -> None:
    from mocapcli.network.model import load_network

    predictor = NetworkPredictor(load_network(model))
    asset = unseen.load(unseen.entries[0])
    first = predictor._reference(asset)
    assert predictor._reference(asset) is first
    assert predictor._reference(long_asset(9)) is not first


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


# ---------------------------------------------------------------- means and partial results


def test_undefined_figures_are_left_out_of_means() -> None:
    judged = [
        Judged("1", "a", {"copy": {"x": 1.0, "y": float("nan")}}),
        Judged("2", "a", {"copy": {"x": 3.0, "y": 5.0}}),
        Judged("3", "b", {"copy": {"x": 10.0, "y": float("nan")}}),
    ]
    results = summarise(judged, "seen", "p2r")
    assert results.families["a"]["copy"] == {"x": 2.0, "y": 5.0}
    assert results.rows["copy"] == {"x": 6.0, "y": 5.0}
    assert results.as_dict()["families"]["b"]["copy"] == {"x": 10.0, "y": None}


def test_a_killed_run_goes_on_where_it_was(capsys, unseen: Cache, tmp_path: Path, monkeypatch) -> None:
    whole = evaluated(capsys, unseen)
    output, partial = tmp_path / "out.json", tmp_path / "out.json.partial.jsonl"
    arguments = ("eval", "--split", "unseen", "--cache", unseen.folder, "--output", output)
    real, done = running.measure_case, []

    def dying(*case):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(1)
        return real(*case)

    monkeypatch.setattr(running, "measure_case", dying)
    assert run(capsys, *arguments)[0] == 130
    assert not output.exists()
    assert len(partial.read_text().splitlines()) == 3  # a header and two windows
    partial.write_text(partial.read_text() + '{"window": "rigs/000')  # cut in the middle of a line
    counted = []
    monkeypatch.setattr(running, "measure_case", lambda *case: counted.append(1) or real(*case))
    assert run(capsys, *arguments)[0] == 0
    assert len(counted) == len(evaluation_windows(unseen, "unseen")) - 2
    assert json.loads(output.read_text()) == whole
    assert not partial.exists()


def test_partial_results_of_another_run_are_not_used(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    first = Partial(path, {"seed": 1})
    first.add(Judged("w", "a", {"copy": {"x": float("nan")}}, {"copy": [1.0]}, {"ours": [(1.0, 2.0)]}))
    first.close(remove=False)
    again = Partial(path, {"seed": 1})
    again.close(remove=False)
    assert np.isnan(again.done["w"].rows["copy"]["x"])
    assert again.done["w"].curves == {"copy": [1.0]}
    assert again.done["w"].reliability == {"ours": [(1.0, 2.0)]}
    other = Partial(path, {"seed": 2})
    other.close(remove=False)
    assert other.done == {}
    path.write_text('{"seed": 2}\n[]\n')
    odd = Partial(path, {"seed": 2})
    odd.close(remove=True)
    assert odd.done == {}
    assert not path.exists()


def test_judging_reports_progress(unseen: Cache) -> None:
    steps = []
    windows = evaluation_windows(unseen, "unseen")
    list(judge(unseen, windows, PositionsToRotations(noises=(0.0,)), BY_NAME, progress=steps.append))
    assert steps == [1] * len(windows)


# ---------------------------------------------------------------- what people see


def test_the_table_has_copy_and_skill_beside_every_figure(capsys, unseen: Cache) -> None:
    code, out, err = run(capsys, "eval", "--split", "unseen", "--cache", unseen.folder)
    assert code == 0, err
    lines = out.splitlines()
    assert lines[0].split() == ["figure", "row", "value", "copy", "skill"]
    for metric in METRICS[:5]:
        (line,) = [line for line in lines if line.startswith(metric.description)][:1]
        value, copy, worth = line.split()[-3:]
        if copy not in ("0.00", "–"):
            assert float(worth) == pytest.approx(1 - float(value) / float(copy), abs=0.02)
    assert sum(line.startswith("second ") for line in lines) == 3
    assert [line.split() for line in lines].count(["MPJPE", "%", "copy", "closed_form"]) == 1


def test_csv_and_plots(capsys, unseen: Cache, tmp_path: Path) -> None:
    arguments = ("eval", "--split", "unseen", "--cache", unseen.folder, "--per-family", "1")
    for name in ("plot.svg", "plot.png"):
        code, _, err = run(capsys, *arguments, "--csv", tmp_path / "out.csv", "--plot", tmp_path / name)
        assert code == 0, err
    rows = list(csv.DictReader((tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()))
    assert {row["family"] for row in rows} == {"*", "first", "second"}
    one = next(row for row in rows if row["family"] == "*" and row["figure"] == "rotation_local_deg")
    assert float(one["skill"]) == pytest.approx(1 - float(one["value"]) / float(one["copy"]), abs=1e-4)
    tree = ElementTree.parse(tmp_path / "plot.svg")
    texts = [element.text for element in tree.iter("{http://www.w3.org/2000/svg}text")]
    assert {"first", "second", "copy", "closed_form"} <= set(texts)
    with Image.open(tmp_path / "plot.png") as image:
        colours = {colour for _, colour in image.convert("RGB").getcolors(1 << 20)}
    assert {(200, 57, 43), (47, 111, 179)} <= colours  # the copy's and the first row's


@pytest.mark.parametrize(
    ("values", "top"), [([0.9], 1), ([1.0], 1), ([11.0, 3.0], 20), ([np.nan], 1), ([], 1), ([0.0], 1), ([61.0], 80)]
)
def test_axes_end_on_round_numbers(values: list[float], top: float) -> None:
    assert nice_top(values) == pytest.approx(top)


def test_a_familys_odd_name_cannot_break_a_plot(capsys, tmp_path: Path) -> None:
    cache = cache_in(tmp_path / "cache", [("a", "<b>&\x1b[31m" + "x" * 60, long_asset(1, frames=20))], "unseen")
    for name in ("plot.svg", "plot.png"):
        code, _, err = run(
            capsys, "eval", "--split", "unseen", "--cache", cache.folder, "--plot", tmp_path / name, "--json"
        )
        assert code == 0, err
    ElementTree.parse(tmp_path / "plot.svg")


# ---------------------------------------------------------------- two files


@pytest.fixture
def walks(tmp_path: Path) -> tuple[Path, Path]:
    """A rig with its true clip, and the same with one joint twisted by a right angle."""
    asset = long_asset(5, frames=30)
    write_asset(tmp_path / "truth.glb", asset)
    motion = asset.motions[0]
    from scipy.spatial.transform import Rotation

    rotations = motion.rotations.copy()
    twist = Rotation.from_euler("x", 90, degrees=True)
    rotations[:, 2] = (Rotation.from_quat(rotations[:, 2]) * twist).as_quat()
    write_asset(tmp_path / "predicted.glb", asset.with_motions([replace(motion, rotations=rotations)]))
    return tmp_path / "predicted.glb", tmp_path / "truth.glb"


def compared(capsys, *arguments) -> tuple[dict, str]:
    code, out, err = run(capsys, "eval", *arguments, "--json")
    assert code == 0, err
    return json.loads(out), err


def test_two_files_on_one_rig(capsys, walks) -> None:
    found, err = compared(capsys, *walks, "--rig", walks[1])
    assert found["rows"]["predicted"]["rotation_local_deg_all"] == pytest.approx(90 / 6, abs=1e-3)
    assert found["setting"] == "files"
    assert found["split"] is None
    assert err == ""


@pytest.mark.parametrize("extension", ["bvh", "fbx", "npz", "gltf"])
def test_two_files_of_any_format(capsys, walks, tmp_path: Path, extension: str) -> None:
    assert run(capsys, "convert", walks[0], tmp_path / f"other.{extension}")[0] == 0
    found, _ = compared(capsys, tmp_path / f"other.{extension}", walks[1], "--rig", walks[1])
    assert found["rows"]["predicted"]["rotation_local_deg_all"] == pytest.approx(90 / 6, abs=0.05)
    assert found["rows"]["predicted"]["root_path_percent"] == pytest.approx(0, abs=0.05)


def test_files_of_other_frame_rates_and_lengths(capsys, walks, tmp_path: Path) -> None:
    assert run(capsys, "convert", walks[1], tmp_path / "slow.glb", "--fps", "15", "--end", "0.6")[0] == 0
    found, err = compared(capsys, tmp_path / "slow.glb", walks[1], "--rig", walks[1])
    assert found["rows"]["predicted"]["rotation_local_deg"] < 1.5
    assert "resampled from 15 to 30" in err
    assert "only the first 0.60 s" in err


def test_a_shifted_file_shows(capsys, walks, tmp_path: Path) -> None:
    from mocapcli.formats import read_asset

    asset = read_asset(walks[1])
    motion = asset.motions[0]
    moved = motion.translations.copy()
    moved[:, asset.rig.skeleton.parents < 0] += [1.0, 0, 0]
    write_asset(tmp_path / "moved.glb", asset.with_motions([replace(motion, translations=moved)]))
    found, _ = compared(capsys, tmp_path / "moved.glb", walks[1], "--rig", walks[1])
    assert found["rows"]["predicted"]["mpjpe_world_percent"] > 10
    assert found["rows"]["predicted"]["mpjpe_percent"] == pytest.approx(0, abs=1e-3)


def test_clips_are_paired_by_name(capsys, tmp_path: Path) -> None:
    asset = make_asset(clips=3, frames=9)
    write_asset(tmp_path / "truth.glb", asset)
    write_asset(tmp_path / "two.glb", asset.with_motions(asset.motions[:0:-1]))
    found, _ = compared(capsys, tmp_path / "two.glb", tmp_path / "truth.glb", "--rig", tmp_path / "truth.glb")
    assert list(found["families"]) == ["clip1", "clip2"]
    assert found["rows"]["predicted"]["rotation_local_deg"] == pytest.approx(0, abs=1e-3)
    renamed = [replace(motion, name=f"other {motion.name}") for motion in asset.motions]
    write_asset(tmp_path / "renamed.glb", asset.with_motions(renamed))
    arguments = (tmp_path / "renamed.glb", tmp_path / "truth.glb", "--rig", tmp_path / "truth.glb")
    code, _, err = run(capsys, "eval", *arguments)
    assert code == 1
    assert "no clips of one name" in err


def test_a_single_frame_is_judged(capsys, tmp_path: Path) -> None:
    asset = make_asset(frames=1)
    write_asset(tmp_path / "one.glb", asset)
    found, _ = compared(capsys, tmp_path / "one.glb", tmp_path / "one.glb", "--rig", tmp_path / "one.glb")
    assert found["rows"]["predicted"]["velocity_percent"] is None
    assert found["rows"]["predicted"]["rotation_local_deg"] == pytest.approx(0, abs=1e-4)


def test_joints_the_prediction_lacks_are_named(capsys, walks, tmp_path: Path) -> None:
    whole = long_asset(5, frames=30, joints=4)
    write_asset(tmp_path / "few.glb", whole)
    _, err = compared(capsys, tmp_path / "few.glb", walks[1], "--rig", walks[1])
    assert "2 of the rig's 6 joints are not in" in err
    assert "joint4, joint5" in err


# ---------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "nothing to do"),
        (["--split", "unseen"], 2, "say on what to evaluate"),
        (["--split", "unseen", "--zoo", "2", "--cache", "x"], 2, "say on what to evaluate"),
        (["--split", "holdout", "--zoo", "2"], 2, "holdout"),
        (["--split", "unseen", "--cache", "nowhere"], 1, "this is no cache"),
        (["--split", "unseen", "--assets", "nowhere"], 1, "no such folder"),
        (["--split", "unseen", "--zoo", "0"], 2, "--zoo"),
        (["a.glb"], 2, "mocap eval PREDICTED TRUTH --rig RIG"),
        (["a.glb", "b.glb"], 2, "mocap eval PREDICTED TRUTH --rig RIG"),
        (["--rig", "b.glb"], 2, "mocap eval PREDICTED TRUTH --rig RIG"),
        (["a.glb", "b.glb", "--rig", "c.glb", "--split", "seen"], 2, "either"),
        (["a.glb", "b.glb", "--rig", "c.glb"], 1, "no such file"),
        (["--split", "unseen", "--zoo", "1", "--plot", "x.jpg"], 2, ".png or .svg"),
        (["--split", "unseen", "--zoo", "1", "-o", "nowhere/x.json"], 2, "no folder"),
    ],
)
def test_mistakes_are_told_in_one_line(capsys, arguments, code, words) -> None:
    found, out, err = run(capsys, "eval", *arguments)
    assert (found, out) == (code, "")
    assert words in err


def test_an_unknown_model_is_told(capsys, unseen: Cache) -> None:
    code, _, err = run(capsys, "eval", "--split", "unseen", "--cache", unseen.folder, "--model", "gpt")
    assert code == 1
    assert "no model 'gpt'" in err


def test_a_folder_without_weights_is_no_model(capsys, unseen: Cache, tmp_path: Path) -> None:
    code, _, err = run(capsys, "eval", "--split", "unseen", "--cache", unseen.folder, "--model", tmp_path)
    assert code == 1
    assert "this is no model" in err


def test_video_settings_need_a_model(capsys, unseen: Cache) -> None:
    code, _, err = run(capsys, "eval", "--split", "unseen", "--cache", unseen.folder, "--setting", "v2p")
    assert code == 2
    assert "--model" in err


def test_an_empty_split_is_told(capsys, unseen: Cache) -> None:
    code, _, err = run(capsys, "eval", "--split", "seen", "--cache", unseen.folder)
    assert code == 1
    assert "the split 'seen' has no clips" in err


def test_a_rig_without_clips_takes_no_part(capsys, tmp_path: Path) -> None:
    made = [("a", "bare", make_asset(clips=0)), ("b", "full", long_asset(1, frames=20))]
    found = evaluated(capsys, cache_in(tmp_path, made, "unseen"))
    assert list(found["families"]) == ["full"]


def test_a_file_without_clips_cannot_be_compared(capsys, walks, tmp_path: Path) -> None:
    write_asset(tmp_path / "bare.glb", make_asset(clips=0))
    code, _, err = run(capsys, "eval", tmp_path / "bare.glb", walks[1], "--rig", walks[1])
    assert code == 1
    assert "bare.glb: there is no clip in it" in err


# ---------------------------------------------------------------- sources


def test_a_zoo_is_evaluated(capsys, tmp_path: Path) -> None:
    code, out, err = run(capsys, "eval", "--split", "seen", "--zoo", "1", "--per-family", "1", "--json")
    assert code == 0, err
    assert json.loads(out)["rows"]["closed_form"]["rotation_world_deg"] < 60


def test_assets_are_read_once(capsys, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    (tmp_path / "assets").mkdir()
    write_asset(tmp_path / "assets" / "a.glb", long_asset(1, frames=100))
    arguments = ("eval", "--split", "seen", "--assets", tmp_path / "assets", "--json")
    code, first, err = run(capsys, *arguments)
    assert code == 0, err
    monkeypatch.setattr("mocapcli.evaluation.sources.build_cache", None)
    assert run(capsys, *arguments)[:2] == (0, first)


def test_the_commit_is_known_in_a_checkout(monkeypatch, tmp_path: Path) -> None:
    commit = code_commit()
    assert commit is None or len(commit.rstrip("+")) >= 12
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
