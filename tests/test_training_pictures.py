"""What pictures training shows, how often, and what a signal does to a run."""

import os
import signal
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra [network] is not installed")

from mocapcli.network.encoder import unit  # noqa: E402
from mocapcli.network.model import MotionNetwork  # noqa: E402
from mocapcli.network.views import centre_of, lift  # noqa: E402
from mocapcli.training.config import DataConfig  # noqa: E402
from mocapcli.training.joint import STILLS, rotation_batch  # noqa: E402
from mocapcli.training.loop import GROUP, Trainer  # noqa: E402
from mocapcli.training.objectives import pose_loss  # noqa: E402
from mocapcli.training.stop import Stop  # noqa: E402
from mocapcli.training.stream import BatchStream  # noqa: E402
from mocapcli.training.tasks import look_at  # noqa: E402
from mocapcli.training.wear import CHANCES, LASTING, _blurred, draw_wear, worn  # noqa: E402
from test_training import SMALL  # noqa: E402

pytest_plugins = ["training_fixtures"]

CPU = torch.device("cpu")
STILL = replace(SMALL, data=replace(SMALL.data, clips=2, frames=3, still=1.0))


def test_single_pictures_of_a_rig_do_not_look_at_each_other(creatures: Path):
    batch = BatchStream(creatures, STILL)[1]
    slots = STILL.data.rigs
    assert not batch.moving and batch.crops.shape[:2] == (slots, 6) and batch.owner.tolist() == list(range(slots))
    assert batch.targets.yaw.std(1).min() > 0.1  # each from a side of its own
    network = MotionNetwork(STILL.network).eval()
    with torch.no_grad():
        together = look_at(network.video_to_pose, replace(batch, wear=None), None)
        crops = batch.crops.clone()
        crops[:, 3] = crops[:, 0]
        other = look_at(network.video_to_pose, replace(batch, wear=None, crops=crops), None)
    kept = [0, 1, 2, 4, 5]
    assert torch.allclose(together.positions[:, kept], other.positions[:, kept], atol=1e-5)
    assert not torch.allclose(together.positions[:, 3], other.positions[:, 3], atol=1e-5)


def test_single_pictures_have_no_velocity_and_stage_2_takes_a_few_of_them(creatures: Path):
    batch = BatchStream(creatures, replace(STILL, stage="joint"))[1]
    estimate = look_at(MotionNetwork(STILL.network).video_to_pose, batch, batch.told)
    assert "velocity" not in pose_loss(estimate, batch, STILL.weights)[1]
    true = batch.chance < 0.5
    given = rotation_batch(estimate, batch, true)
    assert given.positions.shape[:2] == (STILL.data.rigs * STILLS, 1)
    assert len(given.rig.mask) == STILL.data.rigs * STILLS and len(given.world) == len(given.noise)
    chosen = torch.where(true[:, None, None, None], 0.0, 1.0)  # what stage 1 saw goes on as it is
    seen = (given.positions[:, 0].unflatten(0, (-1, STILLS)) - estimate.positions[:, :STILLS]).norm(dim=-1)
    assert (seen * chosen[..., 0])[:, :, 0].max() < 2.0


def test_true_places_lifted_by_true_depths_and_widths_are_the_true_joints(creatures: Path):
    batch = BatchStream(creatures, SMALL)[2]
    truth = batch.targets
    lifted = lift(truth.places, truth.positions[..., 2], truth.half_width, batch.tangent)
    lifted = lifted - centre_of(lifted, batch.rig.deforms)
    shown = batch.rig.mask[:, None].expand(lifted.shape[:3])
    assert (lifted - truth.positions).norm(dim=-1)[shown].max() < 1e-4  # of the size


def test_validation_and_runs_that_ask_for_it_see_crops_as_drawn(creatures: Path):
    assert BatchStream(creatures, SMALL, validation=True)[0].wear is None
    assert BatchStream(creatures, replace(SMALL, data=replace(SMALL.data, worn=False)))[0].wear is None
    assert BatchStream(creatures, SMALL)[0].wear is not None


def test_worn_crops_stay_pictures_and_change_with_chance_alone():
    random = np.random.default_rng(3)
    crops = torch.zeros(3, 4, 4, 32, 32)
    crops[..., 8:24, 8:24] = torch.from_numpy(random.uniform(0.2, 0.9, (3, 4, 4, 16, 16)).astype(np.float32))
    crops[:, :, 3, 8:24, 8:24] = 1.0
    chances = torch.from_numpy(draw_wear(random, 3, 4))
    first, again = worn(crops, chances), worn(crops, chances)
    assert torch.equal(first, again) and first.shape == crops.shape
    assert torch.isfinite(first).all() and first.min() >= 0 and first.max() <= 1
    assert (first[:, :, :3] <= first[:, :, 3:] + 1e-6).all()  # premultiplied still: black where nothing is
    assert first[..., :5, :].abs().max() == 0 and first[..., 27:, :].abs().max() == 0  # nothing far from the subject
    assert (first - crops).abs().mean() > 0.005


def test_blur_is_the_mean_of_what_lies_around():
    images = torch.rand(2, 3, 7, 5, generator=torch.Generator().manual_seed(0))
    around = torch.nn.functional.avg_pool2d(images, 3, 1, 1, count_include_pad=False)
    kept = images.clone()
    assert torch.allclose(_blurred(images), around, atol=1e-6) and torch.equal(images, kept)


def test_a_thing_in_front_hides_a_part():
    crops = torch.ones(1, 1, 4, 32, 32)
    chances = torch.full((1, 1, CHANCES), 0.5)
    chances[..., 7] = 0.0  # the mask as it is
    free = worn(crops, chances)
    chances[..., 14] = 0.0
    hidden = worn(crops, chances)
    assert (free[:, :, 3] == 1).all()
    assert (hidden[0, 0, 3, 15:17, 15:17] == 0).all() and (hidden[0, 0, 3, :8] == 1).all()


def test_wear_lasts_through_a_clip_and_not_from_picture_to_picture():
    clip, stills = (draw_wear(np.random.default_rng(1), 2, 5, steady) for steady in (True, False))
    assert (clip[:, :, :LASTING] == clip[:, :1, :LASTING]).all() and np.ptp(clip[:, :, LASTING:], axis=1).min() > 0
    assert np.ptp(stills[:, :, :LASTING], axis=1).min() > 0


def test_bytes_and_numbers_are_the_same_picture():
    picture = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(unit(picture), picture.float() / 255) and unit(picture.float()) is not None
    assert unit(unit(picture)).max() == 1


def test_batches_are_shown_in_groups_and_a_run_goes_on_in_the_middle_of_one(creatures: Path, tmp_path: Path):
    config = replace(SMALL, steps=3 * GROUP, data=DataConfig(rigs=2, clips=1, frames=1, still=0.0, shows=3))
    trainer = Trainer(config, creatures, tmp_path / "run", CPU, progress_bar=False)
    stream = BatchStream(creatures, config)
    sums = [float(stream[k].targets.positions.sum()) for k in range(GROUP)]
    whole = [float(batch.targets.positions.sum()) for batch in trainer._batches()]
    assert whole == sums * 3
    trainer.state.step = GROUP + 5
    rest = [float(batch.targets.positions.sum()) for batch in trainer._batches()]
    assert rest == whole[GROUP + 5 :]


def test_what_is_shown_again_is_worn_and_told_otherwise(creatures: Path, tmp_path: Path):
    config = replace(SMALL, steps=2 * GROUP, data=DataConfig(rigs=2, clips=1, frames=2, still=0.0, shows=2))
    trainer = Trainer(config, creatures, tmp_path / "run", CPU, progress_bar=False)
    shown = list(trainer._batches())
    for first, again in zip(shown[:GROUP], shown[GROUP:], strict=True):
        assert torch.equal(first.crops, again.crops)
        assert first.wear is not None and not torch.equal(first.wear, again.wear)
    told = [torch.stack([batch.told.nan_to_num(9.0) for batch in half]) for half in (shown[:GROUP], shown[GROUP:])]
    assert not torch.equal(*told)
    trainer.state.step = GROUP + 5
    assert torch.equal(next(iter(trainer._batches())).wear, shown[GROUP + 5].wear), "and so when it goes on"


def test_one_bad_batch_does_not_cost_the_run(creatures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    config = replace(SMALL, steps=1, data=DataConfig(rigs=2, clips=1, frames=1, still=0.0))
    trainer = Trainer(config, creatures, tmp_path / "run", CPU, progress_bar=False)
    before = {name: value.clone() for name, value in trainer.network.named_parameters()}
    real = trainer.task.loss
    nothing = SimpleNamespace(**vars(trainer.task), loss=lambda *all_: (real(*all_)[0] * torch.nan, {}))
    monkeypatch.setattr(trainer, "task", nothing)
    trainer.step(BatchStream(creatures, config)[0])
    assert all(torch.equal(value, before[name]) for name, value in trainer.network.named_parameters())


def test_a_finished_run_that_is_started_again_does_no_step(creatures: Path, tmp_path: Path):
    """Not even where its steps end in the middle of a group, or its minutes did."""
    config = replace(SMALL, steps=3, data=DataConfig(rigs=2, clips=1, frames=1, still=0.0, shows=2))
    for minutes, steps in ((None, 3), (1e-6, 1)):
        for _ in range(2):
            folder = tmp_path / str(steps)
            trainer = Trainer(config, creatures, folder, CPU, progress_bar=False, minutes=minutes)
            trainer.run()
            assert trainer.state.step == steps


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_the_run_goes_on_from_there(creatures: Path, tmp_path: Path, number: signal.Signals):
    config = replace(SMALL, steps=6, save_every=1e9, evaluate_every=100)
    trainer = Trainer(config, creatures, tmp_path / "run", CPU, progress_bar=False)
    take_step = trainer.step

    def step(batch: object) -> dict[str, torch.Tensor]:
        if trainer.state.step == 2:
            os.kill(os.getpid(), number)
        return take_step(batch)

    trainer.step = step  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        trainer.run()
    again = Trainer(config, creatures, tmp_path / "run", CPU, progress_bar=False)
    assert again.state.step == 3
    before = signal.getsignal(signal.SIGTERM)
    again.run()
    assert again.state.step == 6 and signal.getsignal(signal.SIGTERM) == before


def test_a_second_signal_interrupts_as_ever():
    with pytest.raises(KeyboardInterrupt), Stop() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.asked
        os.kill(os.getpid(), signal.SIGINT)
