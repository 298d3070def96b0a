"""Training: samples and their truth agree, a batch is learnt by heart, a killed run goes on as if nothing had been."""

import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra [network] is not installed")

from mocapcli.data.cache import open_cache  # noqa: E402
from mocapcli.data.splits import training_frames  # noqa: E402
from mocapcli.errors import ReadError, UsageError  # noqa: E402
from mocapcli.kinematics import compose, local_to_world  # noqa: E402
from mocapcli.network.anchored import estimate_noise  # noqa: E402
from mocapcli.network.model import MotionNetwork, NetworkConfig, choose_device, load_network, save_network  # noqa: E402
from mocapcli.network.rotation_head import RotationConfig  # noqa: E402
from mocapcli.network.shared_motion import without_noise  # noqa: E402
from mocapcli.network.video_to_pose import VideoToPoseConfig  # noqa: E402
from mocapcli.network.views import centre_of, lift, project  # noqa: E402
from mocapcli.training.config import DataConfig, RotationTaskConfig, TrainConfig, list_settings, load_config  # noqa: E402
from mocapcli.training.loop import Trainer  # noqa: E402
from mocapcli.training.objectives import PoseWeights, pose_figures, pose_loss  # noqa: E402
from mocapcli.training.poses import PoseSampler, find_chains, turns_from_rest, turns_to_local  # noqa: E402
from mocapcli.training.rotation import RotationStream  # noqa: E402
from mocapcli.training.stream import BatchStream, scene_rig  # noqa: E402
from mocapcli.training.tasks import look_at  # noqa: E402
from mocapcli.zoo import make_creature  # noqa: E402

pytest_plugins = ["training_fixtures"]

CPU = torch.device("cpu")

SMALL = TrainConfig(
    NetworkConfig(
        VideoToPoseConfig(channels=24, heads=2, rounds=2, blocks=1, query_blocks=1),
        RotationConfig(channels=16, heads=2, blocks=1),
        side=32,
    ),
    DataConfig(rigs=2, clips=1, frames=2, validation=0.4),
    steps=6,
    warmup=1,
    evaluate_every=3,
    save_every=0.0,
)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def test_truth_in_the_picture_lifts_to_truth_in_space(creatures: Path) -> None:
    batch = BatchStream(creatures, SMALL)[0]
    targets, shown = batch.targets, batch.rig.deforms & batch.rig.mask
    lifted = lift(targets.places, targets.positions[..., 2], targets.half_width, batch.tangent)
    off = ((lifted - centre_of(lifted, shown) - targets.positions) * shown[:, None, :, None]).abs().max()
    assert off < 0.05  # an off-centre crop sees the subject a little obliquely
    again = project(lifted, targets.half_width, batch.tangent)
    assert ((again - targets.places) * shown[:, None, :, None]).abs().max() < 1e-4


def test_joints_lie_on_the_subject(creatures: Path) -> None:
    batch = BatchStream(creatures, replace(SMALL, network=replace(SMALL.network, side=64)))[1]
    mask = torch.nn.functional.max_pool2d(batch.crops[:, :, 3], 9, 1, 4)
    places = ((batch.targets.places + 1) * 32).long().clamp(0, 63)
    shown = (batch.rig.deforms & batch.rig.mask)[:, None].expand(places.shape[:3])
    inside = torch.stack(
        [mask[b, t, places[b, t, :, 1], places[b, t, :, 0]] > 0 for b in range(len(mask)) for t in range(mask.shape[1])]
    )
    assert inside.reshape(shown.shape)[shown].float().mean() > 0.95


def test_batches_depend_on_step_and_seed_alone(creatures: Path) -> None:
    first, again = BatchStream(creatures, SMALL)[3], BatchStream(creatures, SMALL)[3]
    assert torch.equal(first.crops, again.crops)
    assert not torch.equal(first.crops, BatchStream(creatures, SMALL)[4].crops)


def test_processes_share_one_global_batch(creatures: Path) -> None:
    whole = BatchStream(creatures, SMALL)[2]
    parts = [BatchStream(creatures, SMALL, rank=rank, world=2)[2] for rank in (0, 1)]
    assert torch.equal(whole.crops, torch.cat([part.crops for part in parts]))
    torch.manual_seed(0)
    network = MotionNetwork(SMALL.network).eval().video_to_pose

    def loss(batch: object) -> torch.Tensor:
        estimate = look_at(network, batch, batch.targets.yaw)  # type: ignore[arg-type, attr-defined]
        return pose_loss(estimate, batch, PoseWeights())[0]

    mean = torch.stack([loss(part) for part in parts]).mean()
    assert torch.allclose(loss(whole), mean, atol=1e-4)


def test_validation_families_are_never_trained_on(creatures: Path) -> None:
    families = BatchStream(creatures, SMALL).families
    assert families.train and families.validation
    assert not families.train.keys() & families.validation.keys()


def test_what_is_held_back_of_clips_is_never_trained_on(creatures: Path) -> None:
    cache = open_cache(creatures)
    for entry in cache:
        shown, kept = scene_rig(creatures / entry.file), cache.load(entry)
        for ours, whole in zip(shown.asset.motions, kept.motions, strict=True):
            assert ours.frames == training_frames(whole.frames)
        assert [len(clip) for clip in shown.sampler.clips] == [motion.frames for motion in shown.asset.motions]
    assert any(entry.held_back for entry in cache)


def test_a_batch_is_learnt_by_heart(creatures: Path) -> None:
    torch.manual_seed(1)
    network = MotionNetwork(SMALL.network).video_to_pose
    batch = BatchStream(creatures, SMALL)[0]
    optimizer = torch.optim.AdamW(network.parameters(), 3e-3)
    losses = []
    for _ in range(60):
        estimate = look_at(network, batch, batch.targets.yaw)
        loss, _ = pose_loss(estimate, batch, PoseWeights())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.6 * losses[0]
    assert 0 <= pose_figures(estimate, batch)["facing_within_30"] <= 1


def test_stage_one_does_not_see_padding(creatures: Path) -> None:
    torch.manual_seed(2)
    network = MotionNetwork(SMALL.network).eval().video_to_pose
    stream = BatchStream(creatures, SMALL)
    from mocapcli.training.batches import collate

    (reference, sample), (other, other_sample) = list(stream.items(0))
    alone, both = collate([reference], [sample]), collate([reference, other], [sample, other_sample])
    joints = reference.rig.joints
    with torch.no_grad():
        one = network(alone.crops, alone.rig, alone.views, alone.tangent, alone.targets.yaw)
        two = network(both.crops, both.rig, both.views, both.tangent, both.targets.yaw)
    assert torch.allclose(one.positions[0, :, :joints], two.positions[0, :, :joints], atol=1e-4)


def test_a_killed_run_goes_on_as_if_nothing_had_been(creatures: Path, tmp_path: Path) -> None:
    """kill -9 in the middle; the resumed run ends with the very weights of one that was left alone."""
    program = (
        "import sys; from pathlib import Path; import torch; torch.set_num_threads(1)\n"
        "sys.path.insert(0, sys.argv[3]); from test_training import SMALL\n"
        "from mocapcli.training.loop import Trainer\n"
        "Trainer(SMALL, Path(sys.argv[1]), Path(sys.argv[2]), torch.device('cpu'), progress_bar=False).run()\n"
    )
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-c",
        program,
        str(creatures),
        str(tmp_path / "killed"),
        str(Path(__file__).parent),
    ]
    process = subprocess.Popen(command, cwd=tmp_path)
    state = tmp_path / "killed" / "state.pt"
    deadline = time.monotonic() + 120
    while not state.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert state.exists()
    device = torch.device("cpu")
    resumed = Trainer(SMALL, creatures, tmp_path / "killed", device, progress_bar=False)
    assert resumed.state.step < SMALL.steps or process.returncode == 0
    resumed.run()
    whole = Trainer(SMALL, creatures, tmp_path / "whole", device, progress_bar=False)
    whole.run()
    for name, value in whole.network.state_dict().items():
        assert torch.allclose(value, resumed.network.state_dict()[name], atol=1e-5), name


def test_rotations_are_learnt_by_the_same_loop(creatures: Path, tmp_path: Path) -> None:
    config = replace(SMALL, stage="rotation", rotation=RotationTaskConfig(clips=2, frames=4), steps=3)
    figures = Trainer(config, creatures, tmp_path, torch.device("cpu"), progress_bar=False).run()
    assert abs(figures["world_degrees"] - figures["closed_form_world_degrees"]) < 5
    first, again = (RotationStream(creatures, config)[7] for _ in range(2))
    assert torch.equal(first.positions, again.positions) and torch.equal(first.world, again.world)


def test_clips_of_which_no_noise_is_told_come_as_tracks_do(creatures: Path, monkeypatch) -> None:
    """Stage 2 measures noise and takes it out where nobody tells it: it is taught on what is left."""
    config = replace(SMALL, stage="rotation", rotation=RotationTaskConfig(clips=4, frames=12))
    batches = []
    for share in (1.0, 0.0):
        monkeypatch.setattr("mocapcli.training.rotation.TOLD_EACH", share)
        batches.append(RotationStream(creatures, config)[7])
    told, tracks = batches
    anchors = told.rig.anchors
    measured = estimate_noise(told.positions, anchors)[:, None, None].expand_as(told.noise)
    positions, left = without_noise(told.positions, anchors, measured)
    torch.testing.assert_close(tracks.positions, positions)
    torch.testing.assert_close(tracks.noise, left)
    assert torch.equal(told.world, tracks.world) and not torch.equal(told.positions, tracks.positions)


def test_a_time_budget_ends_with_usable_weights(creatures: Path, tmp_path: Path) -> None:
    trainer = Trainer(
        replace(SMALL, steps=10**6), creatures, tmp_path, torch.device("cpu"), minutes=0.0, progress_bar=False
    )
    figures = trainer.run()
    assert trainer.state.step == 1
    network = load_network(tmp_path / "best", "pose")
    with pytest.raises(ReadError, match="no weights of stage 'rotation'"):
        load_network(tmp_path / "best", "rotation")
    assert not network.training and figures["mpjpe_percent"] > 0
    assert "validation figure" in (tmp_path / "best" / "MODEL_CARD.md").read_text()


def test_training_on_from_good_weights_never_ends_with_worse_ones(creatures: Path, tmp_path: Path) -> None:
    """Too bold a rate ruins them; `best` is what was given then."""
    network = MotionNetwork(SMALL.network)
    save_network(tmp_path / "given", SMALL.network, network.state_dict())
    ruin = replace(SMALL, lr=10.0, ema=0.0, clip=1e9)
    trainer = Trainer(ruin, creatures, tmp_path / "run", CPU, progress_bar=False, start_from=(tmp_path / "given",))
    trainer.run()
    given, best, last = (load_network(tmp_path / name) for name in ("given", "run/best", "run/last"))
    same = [torch.equal(*both) for both in zip(given.parameters(), best.parameters(), strict=True)]
    moved = [not torch.equal(*both) for both in zip(given.parameters(), last.parameters(), strict=True)]
    assert all(same) and any(moved)


def test_tampered_weights_are_refused(tmp_path: Path) -> None:
    network = MotionNetwork(SMALL.network)
    save_network(tmp_path, SMALL.network, network.state_dict())
    loaded = load_network(tmp_path)
    for was, now in zip(network.parameters(), loaded.parameters(), strict=True):
        torch.testing.assert_close(now, was, rtol=1e-3, atol=1e-6)  # matrices come in half precision
        assert torch.equal(now, was) or was.ndim > 1
    path = tmp_path / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ReadError, match="not those the configuration was saved with"):
        load_network(tmp_path)
    for damaged in ("[]", "{}", '{"sha256": 1}', "null", "{"):
        (tmp_path / "config.json").write_text(damaged)
        with pytest.raises(ReadError, match="damaged configuration"):
            load_network(tmp_path)
    with pytest.raises(ReadError, match=r"no model.*config\.json is missing"):
        load_network(tmp_path / "nowhere")


def test_settings_come_from_preset_file_and_overrides(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text("lr = 0.5\n[data]\nframes = 7\n")
    config = load_config("tiny", file, ["data.clips=3", "network.video_to_pose.channels=32", "half=true"])
    assert (config.lr, config.data.frames, config.data.clips) == (0.5, 7, 3)
    assert config.network.video_to_pose.channels == 32 and config.half
    for wrong in (["speed=1"], ["data.frames=many"], ["nonsense"], ["data.nothing.here=1"]):
        with pytest.raises(UsageError, match="--set"):
            load_config("tiny", None, wrong)
    with pytest.raises(UsageError, match="known: tiny, small, base"):
        load_config("huge", None, [])


@pytest.mark.parametrize("preset", ["tiny", "small", "base"])
def test_listed_settings_are_a_file_that_says_the_same(tmp_path: Path, preset: str) -> None:
    settings = load_config(preset, None, ["data.rigs=3", "half=true", 'refine.seer=a "b" \\c'])
    (tmp_path / "run.toml").write_text(list_settings(settings), encoding="utf-8")
    assert load_config("tiny", tmp_path / "run.toml", []) == settings


@pytest.mark.parametrize(
    "wrong",
    [
        *("stage=rotations", "evaluate_every=0", "half=ture", "warmup=-1", "workers=-1", "refine.rounds=0"),
        *("data.clips=0", "network.rotation.rotation_head=Direct"),
    ],
)
def test_settings_that_make_no_sense_are_refused_in_words(wrong: str) -> None:
    with pytest.raises(UsageError, match=wrong.partition("=")[0].rpartition(".")[2]):
        load_config("tiny", None, [wrong])


@pytest.mark.parametrize("wrong", ['steps = "9"', "data = 3", "half = 1", "lr = true", "[steps]\nmany = 1"])
def test_settings_of_the_wrong_kind_in_a_file_are_refused_in_words(tmp_path: Path, wrong: str) -> None:
    (tmp_path / "run.toml").write_text(wrong)
    with pytest.raises(UsageError, match=wrong.strip("[").split()[0].strip("]")):
        load_config("tiny", tmp_path / "run.toml", [])


def test_a_device_that_is_not_there_is_refused_in_words() -> None:
    assert choose_device("cpu").type == "cpu"
    with pytest.raises(UsageError, match="no device 'gpu'"):
        choose_device("gpu")
    with pytest.raises(UsageError, match="'cpu:x' is no device"):
        choose_device("cpu:x")


def test_a_run_of_another_size_or_stage_does_not_go_on(creatures: Path, tmp_path: Path) -> None:
    Trainer(replace(SMALL, steps=1), creatures, tmp_path, CPU, progress_bar=False).run()
    wider = replace(SMALL, network=replace(SMALL.network, side=2 * SMALL.network.side))
    for other in (wider, replace(SMALL, stage="rotation")):
        with pytest.raises(UsageError, match="another folder"):
            Trainer(other, creatures, tmp_path, CPU, progress_bar=False)
    assert Trainer(replace(SMALL, lr=1e-5), creatures, tmp_path, CPU, progress_bar=False).state.step == 1


def test_what_is_set_otherwise_counts_from_there(creatures: Path, tmp_path: Path) -> None:
    Trainer(replace(SMALL, steps=1), creatures, tmp_path, CPU, progress_bar=False).run()
    same = Trainer(replace(SMALL, lr=1e-5), creatures, tmp_path, CPU, progress_bar=False)
    assert same.state.best < math.inf  # the best so far stays a mark …
    other = Trainer(replace(SMALL, seed=SMALL.seed + 1, weight_decay=0.5), creatures, tmp_path, CPU, progress_bar=False)
    assert other.state.best == math.inf  # … but not for other pictures
    assert {group["weight_decay"] for group in other.optimizer.param_groups} == {0.5}


def test_invented_poses_do_not_know_local_axes() -> None:
    """The same creature with other local frames invents the same motion in the world."""
    worlds = []
    for axes in ("world", "random"):
        skeleton = make_creature(5, "quadruped", axes).rig.skeleton
        local = PoseSampler.of(skeleton).sample(6, 12.0, np.random.default_rng(3))
        matrices = np.tile(compose(skeleton.rest_rotations, skeleton.rest_translations), (6, 1, 1, 1))
        matrices[..., :3, :3] = local
        worlds.append(local_to_world(skeleton.parents, matrices)[..., :3, 3])
    np.testing.assert_allclose(worlds[0], worlds[1], atol=1e-6)


def test_turns_and_local_rotations_are_inverse() -> None:
    asset = make_creature(2, "bird")
    sampler = PoseSampler.of(asset.rig.skeleton, asset.motions)
    turns = turns_from_rest(asset.rig.skeleton, sampler.rest, asset.motions[0])
    local = turns_to_local(asset.rig.skeleton, sampler.rest, turns)
    from mocapcli.kinematics import quat_to_matrix

    np.testing.assert_allclose(local, quat_to_matrix(asset.motions[0].rotations), atol=1e-9)


def test_left_and_right_limbs_are_twins() -> None:
    skeleton = make_creature(5, "quadruped").rig.skeleton
    chains = find_chains(skeleton, PoseSampler.of(skeleton).rest)
    assert sum(chain.twin >= 0 for chain in chains) >= 4
    assert sorted(joint for chain in chains for joint in chain.joints) == list(range(skeleton.joints))


def test_a_varied_rig_is_another_body_in_its_reference_too(creatures: Path) -> None:
    from mocapcli.training.filming import render_reference

    rig = scene_rig(
        creatures
        / BatchStream(creatures, SMALL).families.train[min(BatchStream(creatures, SMALL).families.train)][0].file
    )
    other = rig.varied(np.random.default_rng(0))
    before, after = (render_reference(each, None, 32) for each in (rig, other))
    lengths = [
        np.linalg.norm(reference.rig.rest_positions - reference.rig.rest_positions[reference.rig.parents], axis=1)
        for reference in (before, after)
    ]
    bones = lengths[0] > 1e-3
    ratio = lengths[1][bones] / lengths[0][bones]
    assert ratio.std() > 0.05 and 0.5 < ratio.min() and ratio.max() < 1.6
    assert not np.array_equal(before.crops, after.crops)
