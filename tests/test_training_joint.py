"""Both stages trained together, and runs that start from given weights."""

from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from mocapcli.errors import ReadError  # noqa: E402
from mocapcli.network.model import MotionNetwork, NetworkConfig, load_network, save_network  # noqa: E402
from mocapcli.network.rotation_head import RotationConfig  # noqa: E402
from mocapcli.network.video_to_pose import VideoToPoseConfig  # noqa: E402
from mocapcli.training import tasks  # noqa: E402
from mocapcli.training.config import DataConfig, TrainConfig  # noqa: E402
from mocapcli.training.joint import joint_loss, rotation_batch, upright_rotations  # noqa: E402
from mocapcli.training.loop import Trainer  # noqa: E402
from mocapcli.training.objectives import PoseWeights, upright  # noqa: E402
from mocapcli.training.stream import BatchStream  # noqa: E402
from mocapcli.training.tasks import TASKS, look_at  # noqa: E402

pytest_plugins = ["training_fixtures"]

NETWORK = NetworkConfig(
    VideoToPoseConfig(channels=16, heads=2, rounds=2, blocks=1, query_blocks=1, window=4),
    RotationConfig(channels=16, heads=2, blocks=1, window=4),
    side=32,
)
SMALL = TrainConfig(
    NETWORK, DataConfig(rigs=2, clips=2, frames=2, still=0.0), steps=4, warmup=1, evaluate_every=4, stage="joint"
)


def as_saved(network: MotionNetwork) -> MotionNetwork:
    """Weights as files hold them: matrices in half precision."""
    for weight in network.parameters():
        if weight.ndim > 1:
            weight.data = weight.data.half().float()
    return network


def test_rotations_reach_back_into_stage_one(creatures: Path) -> None:
    torch.manual_seed(0)
    network, batch = MotionNetwork(NETWORK), BatchStream(creatures, SMALL)[0]
    estimate = look_at(network.video_to_pose, batch, batch.told)
    nothing = PoseWeights(**dict.fromkeys(PoseWeights.__dataclass_fields__, 0.0))
    by_rotations = replace(SMALL, weights=nothing)
    loss, parts = joint_loss(network, batch, estimate, by_rotations, torch.zeros(len(batch.owner), dtype=torch.bool))
    loss.backward()
    assert {"local", "world", "fk", "fk_speed"} <= parts.keys()
    for part in (network.video_to_pose.encoder.out.weight, network.rotation.read_out[-1].weight):
        assert part.grad is not None and part.grad.abs().max() > 0 and torch.isfinite(part.grad).all()


def test_given_clips_hold_the_truth_and_its_rotations_fit(creatures: Path) -> None:
    """Positions and rotations handed to stage 2 are those of one pose: rotations carry rest bones onto positions."""
    network, batch = MotionNetwork(NETWORK), BatchStream(creatures, SMALL)[1]
    every = torch.ones(len(batch.owner), dtype=torch.bool)
    given = rotation_batch(look_at(network.video_to_pose, batch, None), batch, every)
    assert batch.noise.abs().max() > 0.001
    assert torch.equal(given.positions, upright(batch.targets.positions, batch.targets.pitch) + batch.noise)
    rig, turns = batch.rig, upright_rotations(batch)
    each = [noise[:, own].square().mean().sqrt() for noise, own in zip(batch.noise, rig.mask, strict=True)]
    level = torch.stack(each).clamp_min(0.002)  # of the rig's joints, however many others are in the batch
    assert not batch.noise.transpose(1, 2)[~rig.mask].any()
    assert torch.allclose(given.noise, level[:, None, None].expand_as(given.noise))
    has_parent = (rig.parents >= 0) & rig.mask
    parents = rig.parents.clamp_min(0)
    rows = torch.arange(len(parents))[:, None]
    truth = given.positions - batch.noise
    bones = truth - truth[rows[..., None], torch.arange(2)[:, None], parents[:, None]]
    assert torch.allclose(turns @ turns.transpose(-1, -2), torch.eye(3).expand_as(turns), atol=1e-4)
    rest = rig.rest_positions - rig.rest_positions[rows, parents]
    local = rig.rest_rotations[rows, parents].transpose(-1, -2) @ rest[..., None]
    carried = (turns[rows[..., None], torch.arange(2)[:, None], parents[:, None]] @ local[:, None])[..., 0]
    lengths_agree = (rest.norm(dim=-1)[:, None] - bones.norm(dim=-1)).abs() < 1e-3  # neither stretched nor another body
    shown = has_parent[:, None] & lengths_agree & (rest.norm(dim=-1) > 0.03)[:, None]
    cosine = torch.nn.functional.cosine_similarity(carried, bones, dim=-1)
    assert shown.sum() > 20 and cosine[shown].median() > 0.999


def test_a_joint_run_saves_both_stages_and_starts_from_two_models(creatures: Path, tmp_path: Path) -> None:
    torch.manual_seed(5)
    start = as_saved(MotionNetwork(NETWORK))
    for stage in ("pose", "rotation"):
        save_network(tmp_path / stage, replace(NETWORK, stages=(stage,)), start.state_dict())  # type: ignore[arg-type]
    sources = (tmp_path / "pose", tmp_path / "rotation")
    trainer = Trainer(SMALL, creatures, tmp_path / "run", torch.device("cpu"), progress_bar=False, start_from=sources)
    begun = {name: value.clone() for name, value in trainer.network.state_dict().items()}
    assert all(torch.equal(value, begun[name]) for name, value in start.state_dict().items())
    figures = trainer.run()
    assert {"mpjpe_percent", "world_degrees"} <= figures.keys()
    saved = load_network(tmp_path / "run" / "last")
    assert set(saved.config.stages) == {"pose", "rotation"}


def test_a_run_of_no_steps_puts_models_together(creatures: Path, tmp_path: Path) -> None:
    torch.manual_seed(6)
    both, other = as_saved(MotionNetwork(NETWORK)), as_saved(MotionNetwork(NETWORK))
    save_network(tmp_path / "both", NETWORK, both.state_dict())
    save_network(tmp_path / "other", replace(NETWORK, stages=("rotation",)), other.state_dict())
    sources = (tmp_path / "both", tmp_path / "other")
    still = replace(SMALL, steps=0)
    Trainer(still, creatures, tmp_path / "run", torch.device("cpu"), progress_bar=False, start_from=sources).run()
    made = load_network(tmp_path / "run" / "last").state_dict()
    for name, value in made.items():
        source = other if name.startswith("rotation.") else both
        assert torch.equal(value, source.state_dict()[name]), name


def test_stages_of_given_models_come_along(creatures: Path, tmp_path: Path) -> None:
    """Stage 2 learns on; the others stay as they are, in their own shape, and the model is whole."""
    torch.manual_seed(7)
    other = replace(NETWORK.video_to_pose, channels=24)
    whole = replace(NETWORK, video_to_pose=other, side=48, stages=("pose", "rotation", "refine"))
    given = as_saved(MotionNetwork(whole))
    save_network(tmp_path / "given", whole, given.state_dict())
    config, sources = replace(SMALL, stage="rotation", steps=2), (tmp_path / "given",)
    for steps, start in ((1, sources), (2, sources), (3, ())):  # later runs go on, whether they are told again or not
        once = replace(config, steps=steps)
        Trainer(once, creatures, tmp_path / "run", torch.device("cpu"), progress_bar=False, start_from=start).run()
    made = load_network(tmp_path / "run" / "last")
    assert made.config.stages == whole.stages and made.config.side == 48
    known = given.state_dict()
    moved = {name.split(".")[0] for name, value in made.state_dict().items() if not torch.equal(value, known[name])}
    assert moved == {"rotation"}


def test_weights_of_another_shape_are_refused(creatures: Path, tmp_path: Path) -> None:
    other = replace(NETWORK, rotation=replace(NETWORK.rotation, channels=24), stages=("rotation",))
    save_network(tmp_path / "other", other, MotionNetwork(other).state_dict())
    with pytest.raises(ReadError, match="shape"):
        Trainer(SMALL, creatures, tmp_path / "run", torch.device("cpu"), start_from=(tmp_path / "other",))


def test_true_positions_get_rarer_as_steps_or_minutes_go_by(creatures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = []

    def remember(*asked: object) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        given.append(asked[-1])
        return torch.zeros(()), {}

    monkeypatch.setattr(tasks, "joint_loss", remember)
    monkeypatch.setattr(tasks, "look_at", lambda *_: None)
    batch = BatchStream(creatures, SMALL)[0]
    batch = replace(batch, chance=torch.tensor([0.1, 0.3, 0.6, 0.9]))
    for done in (0.0, 0.25, 0.5, 1.0):
        TASKS["joint"].loss(MotionNetwork(NETWORK), batch, replace(SMALL, true_positions=0.2), done)
    assert [int(each.sum()) for each in given] == [4, 2, 1, 1]
    assert len(set(BatchStream(creatures, SMALL)[0].chance.tolist())) > 1


def test_minutes_count_where_they_are_further_along_than_steps(creatures: Path, tmp_path: Path) -> None:
    trainer = Trainer(SMALL, creatures, tmp_path, torch.device("cpu"), minutes=1.0)
    trainer.state.elapsed = 45.0
    assert trainer._done() == 0.75
    trainer.state.step = SMALL.steps
    assert trainer._done() == 1.0 and trainer._over()
