"""What invents poses for a rig nobody has seen: turns and their poses, learning, and its use where a rig is learnt."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra [network] is not installed")

from mocapcli.adapting.imagined import CLIPS, FRAMES, imagined_clips  # noqa: E402
from mocapcli.adapting.scenes import RigScenes  # noqa: E402
from mocapcli.data.cache import open_cache  # noqa: E402
from mocapcli.data.splits import training_frames  # noqa: E402
from mocapcli.kinematics import motion_world, quat_to_matrix  # noqa: E402
from mocapcli.network.imaginer import TURN, Imaginer, ImaginerConfig, posed, turns_of  # noqa: E402
from mocapcli.network.model import LEARNT_FROM, MotionNetwork, NetworkConfig, digest_of, load_network  # noqa: E402
from mocapcli.network.reference import RigReference, batch_rigs, reference_of_asset  # noqa: E402
from mocapcli.network.rotation_head import RotationConfig  # noqa: E402
from mocapcli.network.video_to_pose import VideoToPoseConfig  # noqa: E402
from mocapcli.network.whole_pose import places_of  # noqa: E402
from mocapcli.training.config import DataConfig, ImagineTaskConfig, TrainConfig  # noqa: E402
from mocapcli.training.imagine import ImagineStream, imagine_loss, known_poses  # noqa: E402
from mocapcli.training.loop import Trainer  # noqa: E402
from mocapcli.types import Asset, Motion  # noqa: E402
from mocapcli.zoo.api import make_creature  # noqa: E402

pytest_plugins = ["training_fixtures"]

SMALL = ImaginerConfig(channels=16, heads=2, blocks=2, steps=3)
STAGE1 = VideoToPoseConfig(channels=24, heads=2, rounds=1, blocks=1, query_blocks=1)
NETWORK = NetworkConfig(STAGE1, RotationConfig(channels=16, heads=2, blocks=1), imaginer=SMALL, side=32)
CONFIG = TrainConfig(
    NETWORK,
    imagine=ImagineTaskConfig(rigs=2, poses=4),
    steps=6,
    warmup=1,
    evaluate_every=6,
    stage="imagine",
)
FEW = DataConfig(rigs=1, clips=2, frames=2)


@pytest.fixture(scope="module")
def creature() -> Asset:
    return make_creature(3)


@pytest.fixture
def imaginer() -> Imaginer:
    torch.manual_seed(0)
    imaginer = Imaginer(SMALL)
    torch.nn.init.normal_(imaginer.read_out.weight, std=0.3)
    return imaginer.eval()


def some_turns(rig: RigReference, poses: int = 5) -> torch.Tensor:
    return torch.randn(1, poses, rig.joints, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_turns_and_world_rotations_are_inverse(creature: Asset) -> None:
    rig = batch_rigs([reference_of_asset(creature)], torch.float64)
    turns = some_turns(reference_of_asset(creature))
    turns[:, :, rig.parents[0] < 0] = 0.0  # a root's heading is lost on purpose
    again = turns_of(posed(turns, rig), rig)
    assert torch.allclose(again, turns, atol=1e-6)
    still = posed(torch.zeros_like(turns), rig)
    assert torch.allclose(still, rig.reference_rotations[:, None].expand_as(still))


def test_heading_is_no_part_of_a_pose_but_lying_is(creature: Asset) -> None:
    rig = batch_rigs([reference_of_asset(creature)], torch.float64)
    world = posed(some_turns(reference_of_asset(creature)), rig)
    turned = torch.tensor([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]], dtype=torch.float64)
    assert torch.allclose(turns_of(turned @ world, rig), turns_of(world, rig), atol=1e-6)
    rolled = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    root = turns_of(rolled @ rig.reference_rotations[:, None], rig)[0, 0, 0] * TURN
    assert torch.allclose(root, torch.tensor([0.0, 0.0, np.pi / 2], dtype=torch.float64), atol=1e-6)


def test_places_are_those_of_forward_kinematics(creature: Asset) -> None:
    """A motion that only turns joints, measured from a pose of its own."""
    skeleton, source = creature.rig.skeleton, creature.motions[0]
    motion = Motion("turns", 30.0, source.rotations[:6], np.tile(skeleton.rest_translations, (6, 1, 1)))
    reference = reference_of_asset(creature.with_motions([motion]))
    rig, world = batch_rigs([reference], torch.float64), motion_world(skeleton, motion)
    found = places_of(torch.from_numpy(world[None, ..., :3, :3]), rig.anchors)[0].numpy()
    wanted = world[..., :3, 3] / reference.size
    assert np.allclose(found - found[:, :1], wanted - wanted[:, :1], atol=1e-6)


def test_padding_and_the_order_of_rigs_do_not_matter(creature: Asset, imaginer: Imaginer) -> None:
    mine, other = reference_of_asset(creature), reference_of_asset(make_creature(5))
    most = max(mine.joints, other.joints)
    noise = torch.randn(2, 3, most, 3, generator=torch.Generator().manual_seed(2))
    together = imaginer.imagine(noise, batch_rigs([mine, other]))[0, :, : mine.joints]
    alone = imaginer.imagine(noise[:1, :, : mine.joints], batch_rigs([mine]))[0]
    assert torch.allclose(together, alone, atol=1e-5)


def test_imagined_clips_are_smooth_repeatable_and_never_alike(creature: Asset, imaginer: Imaginer) -> None:
    reference, skeleton = reference_of_asset(creature), creature.rig.skeleton
    clips = imagined_clips(imaginer, reference, skeleton, seed=4)
    again = imagined_clips(imaginer, reference, skeleton, seed=4)
    assert len(clips) == CLIPS and all(clip.rotations.shape == (FRAMES, skeleton.joints, 4) for clip in clips)
    assert all(np.array_equal(one.rotations, two.rotations) for one, two in zip(clips, again, strict=True))
    other = imagined_clips(imaginer, reference, skeleton, seed=5)
    assert not np.allclose(clips[0].rotations, other[0].rotations, atol=1e-3)
    turns = [quat_to_matrix(clip.rotations) for clip in clips]
    steps = np.mean([np.abs(np.diff(one, axis=0)).mean() for one in turns])
    apart = np.mean([np.abs(one[0] - two[0]).mean() for one, two in pairwise(turns)])
    assert 0 < steps < 0.3 * apart


def test_an_untrained_imaginer_knows_one_way_for_noise_to_go(creature: Asset) -> None:
    """Nothing is added to the noise: what trains it is the loss alone."""
    reference = reference_of_asset(creature)
    rig, noise = batch_rigs([reference]), some_turns(reference).float()
    assert torch.allclose(Imaginer(SMALL).imagine(noise, rig), posed(noise, rig), atol=1e-6)


def test_the_way_to_poses_is_learnt(creatures: Path) -> None:
    torch.manual_seed(0)
    stream = ImagineStream(creatures, CONFIG)
    batch, imaginer = stream[0], Imaginer(replace(SMALL, channels=32))
    optimizer = torch.optim.AdamW(imaginer.parameters(), 3e-3)
    losses = []
    for _ in range(150):
        loss, _ = imagine_loss(imaginer, batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert np.mean(losses[-20:]) < 0.75 * np.mean(losses[:5])
    again = imagine_loss(imaginer, batch)[0]
    assert torch.equal(again, imagine_loss(imaginer, stream[0])[0])  # chance is a part of the batch


def test_what_is_held_back_of_clips_is_not_shown(creatures: Path) -> None:
    stream = ImagineStream(creatures, CONFIG)
    entry = next(iter(stream.shown.values()))[0]
    asset = open_cache(creatures).load(entry)
    allowed = np.concatenate(
        [
            motion_world(asset.rig.skeleton, motion)[: training_frames(motion.frames), :, :3, :3]
            for motion in asset.motions
        ]
    ).astype(np.float32)
    shown = known_poses(creatures / entry.file).world
    assert max(motion.frames for motion in asset.motions) > 20
    assert all(np.abs(allowed - pose).max(axis=(1, 2, 3)).min() < 1e-5 for pose in shown)


def test_validation_shows_rigs_as_they_are_and_training_varies_them(creatures: Path) -> None:
    judges, again = (ImagineStream(creatures, CONFIG, validation=True)[1] for _ in range(2))
    assert torch.equal(judges.world, again.world) and judges.rig.name_grams.any()
    stream = ImagineStream(creatures, CONFIG)
    assert torch.equal(stream[3].world, stream[3].world)
    assert not torch.equal(stream[3].world[:, :1], stream[4].world[:, :1])


def test_a_run_saves_the_stage_and_brings_others_along(creatures: Path, tmp_path: Path) -> None:
    seen = TrainConfig(NETWORK, DataConfig(rigs=1, clips=1, frames=2), steps=1, warmup=1, evaluate_every=1)
    Trainer(seen, creatures, tmp_path / "pose", torch.device("cpu"), progress_bar=False).run()
    start = (tmp_path / "pose" / "last",)
    figures = Trainer(
        CONFIG, creatures, tmp_path / "run", torch.device("cpu"), progress_bar=False, start_from=start
    ).run()
    assert set(figures) == {"nearest_percent", "copy_percent"} and figures["nearest_percent"] > 0
    saved = load_network(tmp_path / "run" / "last")
    assert saved.config.stages == ("pose", "imagine") and saved.imaginer is not None


def test_a_rig_is_shown_in_imagined_poses_and_its_own_stay_out(creature: Asset, imaginer: Imaginer) -> None:
    scenes = RigScenes(creature, 32, FEW, use_clips=False, imaginer=imaginer)
    assert len(scenes.rig.asset.motions) == len(scenes.rig.sampler.clips) == CLIPS
    both = RigScenes(creature, 32, FEW, imaginer=imaginer)
    assert len(both.rig.asset.motions) == CLIPS + len(creature.motions)
    plain = RigScenes(creature, 32, FEW, use_clips=False)
    assert np.array_equal(plain.reference.rig.reference_positions, scenes.reference.rig.reference_positions)
    batch = scenes.batch(0)
    assert torch.isfinite(batch.targets.positions).all() and (batch.crops[:, :, 3] > 0.5).any()
    assert torch.equal(batch.crops, RigScenes(creature, 32, FEW, use_clips=False, imaginer=imaginer).batch(0).crops)


def test_what_was_learnt_with_another_imagination_is_learnt_anew(imaginer: Imaginer) -> None:
    torch.manual_seed(0)
    network = MotionNetwork(replace(NETWORK, stages=("pose", "rotation", "imagine")))
    before = digest_of(network)
    assert "imagine" in LEARNT_FROM and network.imaginer is not None
    network.imaginer.load_state_dict(imaginer.state_dict())
    assert digest_of(network) != before
