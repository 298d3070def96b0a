"""What judges drawn poses: pairs, poses that are wrong in their own ways, learning, and its say in matching."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra [network] is not installed")

from mocapcli.data.cache import open_cache  # noqa: E402
from mocapcli.errors import InvalidDataError, UsageError  # noqa: E402
from mocapcli.kinematics import world_to_local  # noqa: E402
from mocapcli.network.encoder import build_encoder  # noqa: E402
from mocapcli.network.judge import Judge, JudgeConfig  # noqa: E402
from mocapcli.network.likeness import Pictures, alike, nearest_cosines  # noqa: E402
from mocapcli.network.model import LEARNT_FROM, MotionNetwork, digest_of, load_network  # noqa: E402
from mocapcli.training.config import JudgeTaskConfig, TrainConfig  # noqa: E402
from mocapcli.training.judge import (  # noqa: E402
    LIMBS,
    TRIED,
    JudgeStream,
    WrongPoses,
    judge_figures,
    judge_loss,
    pairs_of,
    verdicts,
)
from mocapcli.training.loop import Trainer  # noqa: E402
from mocapcli.training.stream import Families, divide_families  # noqa: E402
from mocapcli.training.tasks import TASKS, judge_of  # noqa: E402
from test_training import SMALL  # noqa: E402

pytest_plugins = ["training_fixtures"]
CPU = torch.device("cpu")
LITTLE = JudgeConfig(channels=16, shown=8)
CONFIG: TrainConfig = replace(
    SMALL,
    network=replace(SMALL.network, judge=LITTLE, stages=("pose", "judge")),
    judge=JudgeTaskConfig(rigs=1, pictures=3),
    stage="judge",
    steps=2,
)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def wrong(creatures: Path) -> WrongPoses:
    entry = next(entry for entry in open_cache(creatures).entries if entry.frames)
    return WrongPoses.at(creatures / entry.file, 12.0)


@pytest.mark.parametrize("name", ["small", "imagenet"])
def test_every_pair_is_judged_by_itself(name: str) -> None:
    torch.manual_seed(0)
    encoder = build_encoder(name, 24).eval()
    judge = Judge(LITTLE, encoder.layer_widths).eval()
    torch.nn.init.normal_(judge.read_out[-1].weight)
    with torch.no_grad():
        film, drawn = (Pictures.of(torch.rand(3, 4, 64, 64), encoder) for _ in range(2))
        assert tuple(layer.shape[1] for layer in film.layers) == encoder.layer_widths
        together = judge(film, drawn)
        alone = [judge(film.at(torch.tensor([row])), drawn.at(torch.tensor([row]))) for row in range(3)]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-4, rtol=1e-4)
    assert together.shape == (3,) and len(together.round(decimals=3).unique()) == 3


def test_pictures_of_nothing_are_judged_too() -> None:
    encoder = build_encoder("small", 24).eval()
    nothing = Pictures.of(torch.zeros(1, 4, 64, 64), encoder)
    assert torch.isfinite(Judge(LITTLE, encoder.layer_widths)(nothing, nothing)).all()


def test_a_cell_looks_for_its_like_next_to_it_and_no_farther() -> None:
    film = torch.randn(1, 64, 8, 8, generator=torch.Generator().manual_seed(0))
    near, far = (nearest_cosines(film, torch.roll(film, cells, dims=-1)) for cells in (1, 2))
    assert near.shape == (1, 2, 8, 8) and near[..., 2:6].min() > 0.99 > 0.7 > far[..., 2:6].max()
    assert alike(film, film, torch.ones(1, 1, 16, 16)).item() == pytest.approx(1.0, abs=1e-5)


def test_wrong_poses_are_wrong_in_their_own_ways(wrong: WrongPoses) -> None:
    random = np.random.default_rng(0)
    truth = np.concatenate([wrong.rig.pose(random, 1) for _ in range(3)])
    poses = wrong.of(truth, random)
    assert poses.shape == (3, TRIED, *truth.shape[1:])
    carriers = wrong.reference.carriers
    local = world_to_local(carriers, poses.reshape(-1, *truth.shape[1:])).reshape(poses.shape)
    changed = np.abs(local[:, 1] - local[:, 0]).max(axis=(0, 2, 3)) > 1e-6
    assert any(set(np.flatnonzero(changed)) <= set(np.flatnonzero(limb)) for limb in wrong.limbs)
    rigid = [poses[:, which, :, :3, 3] for which in range(TRIED)]
    spans = [np.linalg.norm(each[:, :, None] - each[:, None], axis=-1) for each in rigid]
    for at in range(3):  # what was turned is one of the poses before it, and every joint keeps its distances
        assert min(np.abs(spans[LIMBS + 1][at] - spans[before][at]).max() for before in range(LIMBS + 1)) < 1e-6


def test_batches_are_made_again_and_judges_are_others(creatures: Path) -> None:
    first, again = (JudgeStream(creatures, CONFIG)[5] for _ in range(2))
    assert torch.equal(first.drawn, again.drawn) and torch.equal(first.off, again.off)
    assert first.film.shape == (3, 4, 32, 32) and first.drawn.shape == (3, TRIED, 4, 32, 32)
    assert not torch.equal(first.off, JudgeStream(creatures, CONFIG)[6].off)
    judged = JudgeStream(creatures, CONFIG, validation=True)
    assert not judged.shown.keys() & JudgeStream(creatures, CONFIG).shown.keys()
    assert not torch.equal(first.off, judged[5].off)
    assert (first.off > 0).all() and torch.isfinite(first.off).all()
    assert not judged[5].worn.any() and any(JudgeStream(creatures, CONFIG)[step].worn.any() for step in range(4))
    assert (first.drawn[:, :, 3] > 0).flatten(2).any(-1).all()  # the rig is in every picture


def test_a_rig_without_a_mesh_is_never_drawn(creatures: Path) -> None:
    families = divide_families(open_cache(creatures), CONFIG.data.validation)
    bare, *others = sorted(families.train)

    def without_mesh(*names: str) -> Families:
        told = {
            name: [replace(entry, triangles=0) if name in names else entry for entry in entries]
            for name, entries in families.train.items()
        }
        return Families(told, families.validation)

    stream = JudgeStream(creatures, CONFIG, _families=without_mesh(bare))
    assert sorted(stream.shown) == others and stream[0].film.shape[0] == 3
    with pytest.raises(InvalidDataError, match="no family that is trained on has a mesh"):
        JudgeStream(creatures, CONFIG, _families=without_mesh(bare, *others))[0]


def test_who_has_seen_nothing_is_not_looked_through(creatures: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has seen nothing yet"):
        Trainer(CONFIG, creatures, tmp_path, CPU, progress_bar=False)


def test_pairs_count_the_more_the_more_they_differ() -> None:
    signs, weights = pairs_of(torch.tensor([[1.0, 1.1, 2.0, 30.0]]))
    assert (signs == -signs.transpose(1, 2)).all() and torch.equal(weights, weights.transpose(1, 2))
    assert weights[0, 0].tolist() == pytest.approx([0.0, 0.0, 0.5, 1.0])
    assert signs[0, 3, 0] == 1


def test_a_batch_is_learnt_by_heart(creatures: Path) -> None:
    torch.manual_seed(0)
    network = MotionNetwork(CONFIG.network)
    judge, encoder, batch = judge_of(network), network.video_to_pose.encoder.eval(), JudgeStream(creatures, CONFIG)[0]
    before, frozen = judge_figures(judge, encoder, batch), [weight.clone() for weight in encoder.parameters()]
    assert before["wrong_percent"] == 100  # of one that says the same of all
    optimizer = torch.optim.AdamW(judge.parameters(), 1e-2)
    for _ in range(60):
        loss, _ = judge_loss(judge, encoder, batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    after = judge_figures(judge, encoder, batch)
    assert after["wrong_percent"] < 10 and after["limbs_percent"] < 30
    assert after["alike_wrong_percent"] == before["alike_wrong_percent"]
    near, far = batch.off.argmin(1), batch.off.argmax(1)
    said = verdicts(judge, encoder, batch).detach()
    assert (said.gather(1, near[:, None]) < said.gather(1, far[:, None])).all()
    assert all(torch.equal(one, other) for one, other in zip(frozen, encoder.parameters(), strict=True))


def test_a_run_saves_the_stage_and_rigs_need_not_be_learnt_anew(creatures: Path, tmp_path: Path) -> None:
    seen = replace(SMALL, steps=1, evaluate_every=1)
    Trainer(seen, creatures, tmp_path / "pose", CPU, progress_bar=False).run()
    start = tmp_path / "pose" / "last"
    figures = Trainer(CONFIG, creatures, tmp_path / "run", CPU, progress_bar=False, start_from=(start,)).run()
    assert set(figures) == {"wrong_percent", "limbs_percent", "alike_wrong_percent", "alike_limbs_percent"}
    before, saved = load_network(start), load_network(tmp_path / "run" / "last")
    assert saved.config.stages == ("pose", "judge") and saved.judge is not None
    assert digest_of(before, LEARNT_FROM) == digest_of(saved, LEARNT_FROM)


def test_a_network_without_a_judge_says_so() -> None:
    network = MotionNetwork(SMALL.network)
    assert network.judge is None
    with pytest.raises(InvalidDataError, match="judges drawn poses"):
        TASKS["judge"].part(network)
