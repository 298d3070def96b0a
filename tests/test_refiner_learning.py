"""Stage 3 learns, resumes, and shows ever harder starts."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra [network] is not installed")

from mocapcli.capturing.inference import PoseTrack  # noqa: E402
from mocapcli.capturing.space import level  # noqa: E402
from mocapcli.kinematics import matrix_to_quat  # noqa: E402
from mocapcli.network.model import MotionNetwork, load_network, save_network  # noqa: E402
from mocapcli.network.refiner import Refiner  # noqa: E402
from mocapcli.network.refiner_body import to_camera  # noqa: E402
from mocapcli.network.refiner_pose import turns_between  # noqa: E402
from mocapcli.training.config import DataConfig, RefineTaskConfig, TrainConfig  # noqa: E402
from mocapcli.training.filming import reference_of  # noqa: E402
from mocapcli.training.loop import Trainer  # noqa: E402
from mocapcli.training.refine import (  # noqa: E402
    RefineStream,
    collate_clips,
    refine_figures,
    refine_loss,
)
from mocapcli.training.refine_predicted import Seer  # noqa: E402
from mocapcli.training.samples import SceneRig  # noqa: E402
from refiner_helpers import NETWORK, SMALL, clip_of, correct, film, random_refiner  # noqa: E402

pytest_plugins = ["training_fixtures"]


TRAIN = TrainConfig(
    NETWORK,
    DataConfig(rigs=2, clips=1, frames=2, validation=0.4),
    refine=RefineTaskConfig(ramp=2),
    steps=4,
    warmup=1,
    evaluate_every=4,
    save_every=0.0,
    stage="refine",
)


def test_a_handful_of_samples_is_learnt_by_heart(rigs: list[SceneRig]) -> None:
    batch = collate_clips([clip_of(rigs[0], seed) for seed in range(3)])
    torch.manual_seed(0)
    refiner = Refiner(SMALL)
    optimizer = torch.optim.AdamW(refiner.parameters(), 3e-3)
    for _ in range(60):
        loss, _ = refine_loss(refiner, batch, 1)
        optimizer.zero_grad()
        loss.backward()
        assert all(torch.isfinite(weight.grad).all() for weight in refiner.parameters() if weight.grad is not None)
        optimizer.step()
    figures = refine_figures(refiner.eval(), batch, 1)
    for name in ("local", "leaves", "world", "surface", "stand"):
        assert figures[f"{name}_1"] < 0.6 * figures[f"{name}_0"], name


def test_every_weight_is_trained(rigs: list[SceneRig]) -> None:
    refiner = random_refiner().train()
    loss, parts = refine_loss(refiner, collate_clips([clip_of(rig) for rig in rigs]), 2)
    loss.backward()
    assert all(torch.isfinite(value) for value in parts.values())
    still = [name for name, weight in refiner.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert not still


def test_the_flow_alone_may_be_learnt_first(rigs: list[SceneRig]) -> None:
    refiner = random_refiner().train()
    batch = replace(collate_clips([clip_of(rigs[0])]), flow_only=True)
    loss, parts = refine_loss(refiner, batch, 2)
    loss.backward()
    assert parts.keys() == {"flow", "canonical"}
    assert refiner.flow.weight.grad is not None and refiner.embed.weight.grad is None


def test_without_the_system_turns_come_from_the_tokens(rigs: list[SceneRig]) -> None:
    refiner = random_refiner(replace(SMALL, solve=False))
    correction = correct(refiner, collate_clips([clip_of(rigs[0])]))
    assert torch.equal(correction.turns, correction.prior.mean[:, :, :-1])


def test_batches_depend_on_step_and_seed_alone(creatures: Path) -> None:
    first, again = RefineStream(creatures, TRAIN)[3], RefineStream(creatures, TRAIN)[3]
    assert torch.equal(first.scene.crops, again.scene.crops)
    assert torch.equal(first.start, again.start)
    parts = [RefineStream(creatures, TRAIN, rank, 2)[3] for rank in (0, 1)]
    assert torch.equal(first.scene.crops, torch.cat([part.scene.crops for part in parts]))


def test_starts_grow_harder_and_are_as_hard_for_validation(creatures: Path) -> None:
    config = replace(TRAIN, refine=RefineTaskConfig(ramp=50), data=replace(TRAIN.data, rigs=4))
    streams = [RefineStream(creatures, config), RefineStream(creatures, config, validation=True)]

    def off(stream: RefineStream, steps: range) -> float:
        batches = [stream[step] for step in steps]
        turns = [turns_between(batch.start, batch.truth, batch.scene.rig.parents) for batch in batches]
        return float(torch.cat([turn.norm(dim=-1).flatten() for turn in turns]).mean())

    assert off(streams[0], range(3)) < 0.6 * off(streams[0], range(60, 63))
    assert off(streams[1], range(3)) > off(streams[0], range(3))


def test_what_a_model_sees_is_brought_into_the_cameras(rigs: list[SceneRig], monkeypatch, tmp_path: Path) -> None:
    """A model that sees the truth, in the level frame in which capture works, leaves nothing to refine."""
    crops, cameras, world = film(rigs[1], side=32)
    seer = Seer(MotionNetwork(replace(NETWORK, side=32)), reference_of(rigs[1].asset, 32))
    truth, turn = to_camera(world, cameras, seer.reference.rig.size), level(0.3) @ cameras[0].rotation.T
    placed = (world[..., :3, 3] - np.stack([camera.position for camera in cameras])[:, None]) @ turn.T
    rotations = matrix_to_quat(turn @ world[..., :3, :3])
    places, noise, yaw = placed[..., :2], placed[..., 0], placed[:, 0, 0]

    def see(network, reference, clip, full) -> PoseTrack:
        assert np.array_equal(clip.images(0, len(crops)), crops)
        return PoseTrack(placed, rotations, placed, places, noise, yaw, clip.seen, 0.3, 1.0)

    monkeypatch.setattr("mocapcli.training.refine_predicted.infer", see)
    assert seer.start(crops, cameras, 12.0, truth) == pytest.approx(truth, abs=1e-6)
    rotations = matrix_to_quat(turn @ np.diag([-1.0, 1.0, -1.0]) @ world[..., :3, :3])
    assert seer.start(crops, cameras, 12.0, truth) is None, "turned round: nothing is there to refine"


def test_half_of_the_starts_are_what_a_model_sees(creatures: Path, tmp_path: Path, monkeypatch) -> None:
    network = replace(NETWORK, side=32)
    save_network(tmp_path / "seer", network, MotionNetwork(network).state_dict())
    plain = replace(TRAIN, data=replace(TRAIN.data, rigs=1))
    config = replace(plain, refine=replace(TRAIN.refine, seer=str(tmp_path / "seer")))
    monkeypatch.setattr("mocapcli.training.refine_predicted.LOST", 180.0)  # the model knows nothing yet
    asked, real = [], Seer.start
    monkeypatch.setattr(Seer, "start", lambda *arguments: asked.append(1) or real(*arguments))
    batches = [RefineStream(creatures, config)[step] for step in range(8)]
    assert 0 < len(asked) < 8
    assert {batch.scene.crops.shape[-1] for batch in batches} == {NETWORK.refiner.side}
    assert torch.equal(RefineStream(creatures, config)[5].start, batches[5].start)
    asked.clear()
    judged = [RefineStream(creatures, each, validation=True)[0].start for each in (config, plain)]
    assert torch.equal(*judged) and not asked, "all runs are judged by the same starts"


def test_a_resumed_run_ends_as_one_that_was_left_alone(creatures: Path, tmp_path: Path) -> None:
    def trainer(name: str) -> Trainer:
        return Trainer(TRAIN, creatures, tmp_path / name, torch.device("cpu"), progress_bar=False)

    def finished(run: Trainer) -> dict[str, torch.Tensor]:
        run.run()
        return run.network.state_dict()

    whole = finished(trainer("whole"))
    stopped = trainer("halves")
    for step in range(2):
        stopped.step(RefineStream(creatures, TRAIN)[step])
    stopped.save()
    resumed = finished(trainer("halves"))
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())
    network = load_network(tmp_path / "whole" / "last", "refine")
    assert network.refiner is not None and network.config.stages == ("refine",)
    assert (tmp_path / "whole" / "log.csv").read_text(encoding="utf-8").count("world_degrees") >= 1
