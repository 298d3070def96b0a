"""Adaptation to one rig: the scenes, the learning, the file, the cache, the command."""

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cli_helpers import run
from factories import make_asset

torch = pytest.importorskip("torch")

import mocapcli.adapting.adapt as adapt_module  # noqa: E402
from mocapcli.adapting.adapt import AdaptOptions, Progress, _Crew, adapt  # noqa: E402
from mocapcli.adapting.adapter import Adapter, Origin, rig_digest  # noqa: E402
from mocapcli.adapting.api import adapt_rig, apply_adapter  # noqa: E402
from mocapcli.adapting.cache import adapter_path  # noqa: E402
from mocapcli.adapting.scenes import RigScenes  # noqa: E402
from mocapcli.errors import InvalidDataError, ReadError  # noqa: E402
from mocapcli.formats import write_asset  # noqa: E402
from mocapcli.network.model import MotionNetwork, NetworkConfig, digest_of, save_network  # noqa: E402
from mocapcli.network.rotation_head import RotationConfig  # noqa: E402
from mocapcli.network.video_to_pose import VideoToPoseConfig  # noqa: E402
from mocapcli.training.config import DataConfig  # noqa: E402
from mocapcli.training.samples import SceneRig  # noqa: E402
from mocapcli.types import Asset, Rig  # noqa: E402
from mocapcli.zoo.api import make_creature  # noqa: E402

TINY = NetworkConfig(
    VideoToPoseConfig(channels=32, heads=2, rounds=2, blocks=1, query_blocks=1, window=4),
    RotationConfig(channels=16, heads=2, blocks=1, window=4),
    side=32,
)
FEW = DataConfig(rigs=1, clips=2, frames=2)


@pytest.fixture(scope="module")
def creature() -> Asset:
    return make_creature(3)


@pytest.fixture
def network() -> MotionNetwork:
    torch.manual_seed(0)
    return MotionNetwork(TINY).eval()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MOCAP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def changed(network: MotionNetwork, size: float = 0.01) -> MotionNetwork:
    other = copy.deepcopy(network)
    with torch.no_grad():
        for weight in other.parameters():
            weight.add_(size * torch.randn_like(weight))
    return other


def origin(asset: Asset, network: MotionNetwork, seconds: float = 60.0) -> Origin:
    return Origin(rig_digest(asset, True), digest_of(network), asset.rig.name, seconds, 100, {"mpjpe_percent": 5.0})


def test_a_batch_depends_on_its_number_alone(creature: Asset) -> None:
    first, again = (RigScenes(creature, 32, FEW).batch(5) for _ in range(2))
    assert torch.equal(first.crops, again.crops)
    assert not torch.equal(first.crops, RigScenes(creature, 32, FEW).batch(6).crops)
    assert (first.crops[:, :, 3] > 0.5).flatten(2).any(-1).all(), "the rig is in every picture"


def test_a_rig_without_clips_or_mesh_is_filmed_too(creature: Asset) -> None:
    bare = Asset(Rig(creature.rig.skeleton, None, "bare"))
    batch = RigScenes(bare, 32, FEW).batch(0)
    assert (batch.crops[:, :, 3] > 0.5).any() and torch.isfinite(batch.targets.positions).all()


def test_bones_alone_are_never_shown_in_the_colours_that_tell_left_from_right(creature: Asset) -> None:
    bare = SceneRig.of(Asset(Rig(creature.rig.skeleton, None, "bare")))
    dressed = [bare.dressed("own", np.random.default_rng(seed)).model.mesh.colours for seed in range(2)]
    coded = bare.model.mesh.colours
    assert coded is not None and len(np.unique(coded[:, :3], axis=0)) > 1
    assert all(colours is not None and np.abs(colours - coded).max() > 0.1 for colours in dressed)
    assert np.abs(dressed[0] - dressed[1]).max() > 0.1
    painted = SceneRig.of(creature)
    assert painted.dressed("own", np.random.default_rng(0)) is painted


def test_one_bad_batch_does_not_cost_what_was_learnt(
    creature: Asset, network: MotionNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = adapt_module.pose_loss

    def spoilt(*arguments: Any) -> Any:
        loss, parts = real(*arguments)
        return loss * torch.nan, parts

    crew = _Crew(network, RigScenes(creature, 32, FEW), AdaptOptions(1.0, threads=1, half=False), torch.device("cpu"))
    with crew:
        crew.step(1.0)
        before = copy.deepcopy(dict(crew.network.named_parameters()))
        monkeypatch.setattr(adapt_module, "pose_loss", spoilt)
        crew.step(1.0)
    after = dict(crew.network.named_parameters())
    assert all(torch.equal(after[name], weight) for name, weight in before.items())


def test_what_was_learnt_until_ctrl_c_is_kept(
    cache: Path, creature: Asset, network: MotionNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(progress: Progress) -> None:
        if progress.samples and not progress.stopped:
            raise KeyboardInterrupt

    scenes = RigScenes(creature, 32, FEW)
    _, reached = adapt(network, scenes, AdaptOptions(1e6, threads=1, half=False), stop)
    assert reached.stopped and reached.samples == 4

    def stopped(own: MotionNetwork, scenes: RigScenes, options: AdaptOptions, watch: Any) -> Any:
        learnt, progress = quickly(own, scenes, options, watch)
        return learnt, replace(progress, seconds=12.0, stopped=True)

    monkeypatch.setattr("mocapcli.adapting.api.adapt", stopped)
    with pytest.raises(KeyboardInterrupt):
        adapt_rig(creature, network, 30.0)
    monkeypatch.setattr("mocapcli.adapting.api.adapt", quickly)
    assert adapt_rig(creature, network, 30.0).adapter.origin.seconds == 30.0
    assert adapt_rig(creature, network, 10.0).from_cache


def test_clips_are_left_out_on_request(creature: Asset) -> None:
    scenes = RigScenes(creature, 32, FEW, use_clips=False)
    assert not scenes.rig.asset.motions and not scenes.rig.sampler.clips
    known = RigScenes(creature, 32, FEW).reference.rig  # but for the pose that the rig is known in
    np.testing.assert_array_equal(scenes.reference.rig.reference_positions, known.reference_positions)


def test_learning_lowers_the_error(creature: Asset, network: MotionNetwork) -> None:
    scenes = RigScenes(creature, 32, DataConfig(rigs=1, clips=6, frames=2, still=0.0))
    shown = []
    _, reached = adapt(network, scenes, AdaptOptions(1e6, threads=1, half=False, most_steps=140), shown.append)
    assert reached.samples == 140 * 12
    assert reached.figures["places_percent"] < 0.85 * shown[0].figures["places_percent"]


def test_a_network_that_learning_has_harmed_is_not_kept(
    creature: Asset, network: MotionNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mocapcli.adapting.adapt.LR", 30.0)
    scenes = RigScenes(creature, 32, FEW)
    own, reached = adapt(network, scenes, AdaptOptions(1e6, threads=1, half=False, most_steps=3))
    assert all(torch.equal(value, network.state_dict()[name]) for name, value in own.state_dict().items())
    assert reached.samples and reached.figures["mpjpe_percent"] < 100


def test_replicas_agree_after_a_step_and_the_given_network_is_left_alone(
    creature: Asset, network: MotionNetwork
) -> None:
    before = copy.deepcopy(network.state_dict())
    crew = _Crew(network, RigScenes(creature, 32, FEW), AdaptOptions(1.0, threads=2, half=False), torch.device("cpu"))
    with crew:
        crew.step(1.0)
        crew.step(1.0)
    one, two = (dict(replica.named_parameters()) for replica in crew.replicas)
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert any(not torch.equal(one[name], before[name]) for name in one)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert crew.samples == 2 * 2 * 4
    moved = {name for name in one if not torch.equal(one[name], before[name])}
    assert not any("names." in name for name in moved), "a rig knows only its own"
    assert all(name.startswith("video_to_pose.") for name in moved), "stage 1 alone learns"


def test_every_weight_goes_down_its_own_gradient(creature: Asset, network: MotionNetwork) -> None:
    """However kernels and their gradients lie in memory: a fused optimiser once mixed them up."""
    crew = _Crew(network, RigScenes(creature, 32, FEW), AdaptOptions(1.0, threads=2, half=False), torch.device("cpu"))
    before = {name: value.detach().clone() for name, value in crew.network.named_parameters()}
    with crew:
        crew.step(1.0)
    learnt = {name: value for name, value in crew.network.named_parameters() if value.grad is not None}
    assert any(value.ndim == 4 and value.shape[-1] == 3 for value in learnt.values())
    for name, value in learnt.items():
        assert value.grad is not None
        plain = value.grad.abs() > 1e-6
        went = (value.detach() - before[name])[plain].sign()
        assert torch.equal(went, -value.grad[plain].sign()), name


def test_an_adapter_comes_back_nearly_as_it_was(tmp_path: Path, creature: Asset, network: MotionNetwork) -> None:
    adapted = changed(network)
    adapter = Adapter.between(network, adapted, origin(creature, network))
    adapter.save(tmp_path / "a.mocap")
    own = apply_adapter(tmp_path / "a.mocap", creature, network)
    for name, value in own.state_dict().items():
        wanted = adapted.state_dict()[name]
        assert torch.allclose(value, wanted, atol=0.02 * 0.01 * 4), name
    plain = sum(value.numel() for value in network.state_dict().values())
    assert (tmp_path / "a.mocap").stat().st_size < 2.5 * plain
    assert Adapter.load(tmp_path / "a.mocap").origin == adapter.origin


@pytest.mark.parametrize("damage", ["truncated", "other", "nan", "text"])
def test_a_damaged_adapter_is_refused(tmp_path: Path, creature: Asset, network: MotionNetwork, damage: str) -> None:
    path = tmp_path / "a.mocap"
    adapted = changed(network)
    if damage == "nan":
        with torch.no_grad():
            adapted.video_to_pose.spread.bias[0] = torch.nan
    Adapter.between(network, adapted, origin(creature, network)).save(path)
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:500])
    elif damage == "other":
        from safetensors.torch import save_file

        save_file({"x": torch.zeros(3)}, path)
    elif damage == "text":
        path.write_text("no adapter")
    with pytest.raises(ReadError):
        Adapter.load(path)


def test_an_adapter_of_another_rig_or_model_is_refused(tmp_path: Path, creature: Asset, network: MotionNetwork) -> None:
    path = tmp_path / "a.mocap"
    Adapter.between(network, changed(network), origin(creature, network)).save(path)
    with pytest.raises(InvalidDataError, match="another model"):
        apply_adapter(path, creature, changed(network))
    with pytest.raises(InvalidDataError, match="another rig"):
        apply_adapter(path, make_asset(), network)


def test_other_stages_beside_the_first_make_no_other_model(
    tmp_path: Path, creature: Asset, network: MotionNetwork
) -> None:
    """Stage 1 alone learns of a rig: what it learnt serves a model with another stage 2, and with a stage 3."""
    adapted = copy.deepcopy(network)
    adapted.video_to_pose = changed(network).video_to_pose
    Adapter.between(network, adapted, origin(creature, network)).save(tmp_path / "a.mocap")
    whole = MotionNetwork(replace(TINY, stages=("pose", "rotation", "refine"))).eval()
    whole.video_to_pose.load_state_dict(network.video_to_pose.state_dict())
    served = apply_adapter(tmp_path / "a.mocap", creature, whole)
    for part in ("rotation", "refiner"):
        pairs = zip(getattr(served, part).parameters(), getattr(whole, part).parameters(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)
    pairs = zip(served.video_to_pose.parameters(), whole.video_to_pose.parameters(), strict=True)
    assert not all(torch.equal(a, b) for a, b in pairs)
    with torch.no_grad():
        next(whole.video_to_pose.parameters()).add_(1)
    with pytest.raises(InvalidDataError, match="another model"):
        apply_adapter(tmp_path / "a.mocap", creature, whole)


def test_the_cache_serves_a_rig_again_and_takes_it_further(
    cache: Path, creature: Asset, network: MotionNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []

    def quick(
        own: MotionNetwork, scenes: RigScenes, options: AdaptOptions, watch: Any
    ) -> tuple[MotionNetwork, Progress]:
        asked.append(options.seconds)
        return quickly(own, scenes, options, watch)

    monkeypatch.setattr("mocapcli.adapting.api.adapt", quick)
    first = adapt_rig(creature, network, 30.0)
    assert not first.from_cache and first.path is not None and first.path.is_relative_to(cache)
    again = adapt_rig(creature, network, 30.0)
    assert again.from_cache
    further = adapt_rig(creature, network, 90.0)
    assert asked == [30.0, 60.0] and further.adapter.origin.seconds == 90.0 and further.adapter.origin.samples == 20
    first.path.write_bytes(b"rubbish")
    assert not adapt_rig(creature, network, 30.0).from_cache


def test_who_learns_for_longer_meanwhile_is_not_overwritten(
    cache: Path, creature: Asset, network: MotionNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    longer = Adapter.between(network, changed(network), origin(creature, network, seconds=600.0))

    def overtaken(own: MotionNetwork, *rest: Any) -> tuple[MotionNetwork, Progress]:
        path = adapter_path(longer.origin.rig, longer.origin.model)
        path.parent.mkdir(parents=True, exist_ok=True)
        longer.save(path)
        return quickly(own, *rest)

    monkeypatch.setattr("mocapcli.adapting.api.adapt", overtaken)
    assert adapt_rig(creature, network, 30.0).adapter.origin.seconds == 30.0
    assert adapt_rig(creature, network, 30.0).adapter.origin.seconds == 600.0


def test_the_command_learns_and_then_knows(
    tmp_path: Path, cache: Path, creature: Asset, network: MotionNetwork, capsys: pytest.CaptureFixture[str]
) -> None:
    save_network(tmp_path / "model", TINY, network.state_dict())
    write_asset(tmp_path / "creature.glb", creature)
    arguments = ["adapt", tmp_path / "creature.glb", "--model", tmp_path / "model", "-o", tmp_path / "a.mocap"]
    code, out, err = run(capsys, *arguments, "--minutes", 0.05)
    assert code == 0 and "learnt, " in out, err
    assert (tmp_path / "a.mocap").stat().st_size < 5_000_000
    assert "learnt already" in run(capsys, *arguments, "--minutes", 0.05)[1]
    code, _, err = run(capsys, "adapt", tmp_path / "none.glb", "--model", tmp_path / "model")
    assert code == 1 and "none.glb" in err


def test_minutes_of_learning_do_not_end_in_a_place_that_cannot_take_them(
    tmp_path: Path, cache: Path, creature: Asset, network: MotionNetwork, capsys: pytest.CaptureFixture[str]
) -> None:
    save_network(tmp_path / "model", TINY, network.state_dict())
    rig = tmp_path / "creature.glb"
    write_asset(rig, creature)
    Adapter.between(network, changed(network), origin(make_asset(), network)).save(tmp_path / "other.mocap")
    before = rig.read_bytes()
    arguments = ("adapt", rig, "--model", tmp_path / "model", "--minutes", 600, "-o")
    for place, said in ((rig, "nothing learnt of this rig"), (tmp_path / "other.mocap", "nothing learnt of this rig")):
        code, _, err = run(capsys, *arguments, place)
        assert code == 1 and said in err
    code, _, err = run(capsys, *arguments, tmp_path / "none" / "a.mocap")
    assert code == 1 and "no folder" in err
    if Path("/proc/self").is_dir():  # not even root may write there
        code, _, err = run(capsys, *arguments, "/proc/self/a.mocap")
        assert code == 1 and "nothing can be written" in err
    assert rig.read_bytes() == before


def test_a_cache_that_takes_nothing_costs_the_cache_alone(
    tmp_path: Path, creature: Asset, network: MotionNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("MOCAP_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr("mocapcli.adapting.api.adapt", quickly)
    with pytest.warns(UserWarning, match="cannot be kept"):
        adapted = adapt_rig(creature, network, 30.0)
    assert adapted.path is None and not torch.equal(*(next(n.parameters()) for n in (adapted.network, network)))


def test_what_was_learnt_without_clips_serves_capture(
    cache: Path, creature: Asset, network: MotionNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mocapcli.capturing.models import Model, network_for

    monkeypatch.setattr("mocapcli.adapting.api.adapt", quickly)
    learnt = adapt_rig(creature, network, 30.0, use_clips=False).network
    told: list[int] = []
    model = Model(network, "tiny", "")
    served = network_for(creature, model, 30.0, lambda stage, done, total: told.append(done))
    assert told == []
    assert torch.allclose(next(served.parameters()), next(learnt.parameters()), atol=1e-3)
    network_for(creature, model, 60.0, lambda stage, done, total: told.append(done))
    assert sum(told) == 60, "the bar counts the time spent before"


def test_a_body_bound_to_no_joint_is_learnt_all_the_same(creature: Asset, network: MotionNetwork) -> None:
    mesh = creature.rig.mesh
    assert mesh is not None
    loose = replace(mesh, bind_joints=np.full_like(mesh.bind_joints, -1))
    asset = Asset(replace(creature.rig, mesh=loose))
    assert not asset.rig.deforms.any()
    batch = RigScenes(asset, 32, FEW).batch(0)
    assert torch.isfinite(batch.views.depth).all() and batch.rig.deforms.any()


def test_cores_are_what_a_container_may_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mocapcli import cores

    monkeypatch.setattr(cores, "QUOTA", tmp_path / "cpu.max")
    bound = cores.cores()
    for text, wanted in (("max 100000", bound), ("50000 100000", 1), ("rubbish", bound), ("900000000 100000", bound)):
        (tmp_path / "cpu.max").write_text(text)
        assert cores.cores() == wanted


def quickly(
    own: MotionNetwork, scenes: RigScenes, options: AdaptOptions, watch: Callable[[Progress], object]
) -> tuple[MotionNetwork, Progress]:
    """As if it had learnt."""
    reached = Progress(options.seconds, 10, {"mpjpe_percent": 1.0, "facing_within_30": 1.0})
    watch(reached)
    return changed(own), reached
