"""The encoder that is told what a network trained on photographs sees."""

from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the extra [network] is not installed")

from torch.nn import functional  # noqa: E402

from mocapcli.errors import ReadError, UnsupportedError  # noqa: E402
from mocapcli.extensions import Checkpoint  # noqa: E402
from mocapcli.network.encoder import build_encoder, resized  # noqa: E402
from mocapcli.network.imagenet import AT_ONCE, GAIN, SCALES, STAGES, TAPS, ImagenetEncoder, LiteTrunk  # noqa: E402
from mocapcli.network.model import MotionNetwork, NetworkConfig, load_network, save_network  # noqa: E402
from mocapcli.network.rotation_head import RotationConfig  # noqa: E402
from mocapcli.network.video_to_pose import VideoToPoseConfig  # noqa: E402
from mocapcli.training import begin  # noqa: E402
from mocapcli.training.config import DataConfig, TrainConfig  # noqa: E402
from mocapcli.training.loop import Trainer  # noqa: E402
from network_helpers import some_crops  # noqa: E402

pytest_plugins = ["training_fixtures"]

CONFIG = NetworkConfig(
    VideoToPoseConfig("imagenet", channels=24, heads=2, rounds=2, blocks=1, query_blocks=1),
    RotationConfig(channels=16, heads=2, blocks=1),
    side=32,
    stages=("pose",),
)


def published_weights(seed: int = 0) -> dict[str, torch.Tensor]:
    """Random weights under the names of the PyPI package."""
    random, given = torch.Generator().manual_seed(seed), {}

    def layer(convolution: str, norm: str, after: int, before: int, kernel: int) -> None:
        given[f"{convolution}.weight"] = torch.randn(after, before, kernel, kernel, generator=random) / kernel
        for name, spread, middle in (("weight", 0.1, 1), ("bias", 0.5, 0), ("running_mean", 0.5, 0)):
            given[f"{norm}.{name}"] = middle + spread * torch.randn(after, generator=random)
        given[f"{norm}.running_var"] = before * (0.5 + torch.rand(after, generator=random))

    layer("_conv_stem", "_bn0", 32, 3, 3)
    number, before = 0, 32
    for expansion, kernel, _, after, repeats in STAGES:
        for _ in range(repeats):
            there, wide = f"_blocks.{number}", before * expansion
            if expansion > 1:
                layer(f"{there}._expand_conv", f"{there}._bn0", wide, before, 1)
            layer(f"{there}._depthwise_conv", f"{there}._bn1", wide, 1, kernel)
            layer(f"{there}._project_conv", f"{there}._bn2", after, wide, 1)
            number, before = number + 1, after
    return given


def seen_by(given: dict[str, torch.Tensor], pictures: torch.Tensor) -> list[torch.Tensor]:
    """The same network written plainly: convolution, then batch norm, padded as TensorFlow's SAME."""

    def layer(hidden: torch.Tensor, convolution: str, norm: str, stride: int = 1, groups: int = 1) -> torch.Tensor:
        kernel, side = given[f"{convolution}.weight"].shape[-1], hidden.shape[-1]
        missing = max((-(-side // stride) - 1) * stride + kernel - side, 0)
        padded = functional.pad(hidden, (missing // 2, missing - missing // 2) * 2)
        hidden = functional.conv2d(padded, given[f"{convolution}.weight"], None, stride, 0, 1, groups)
        mean, variance, weight, bias = (
            given[f"{norm}.{name}"] for name in ("running_mean", "running_var", "weight", "bias")
        )
        return functional.batch_norm(hidden, mean, variance, weight, bias, False, 0.0, 1e-3)

    hidden, number, taps = functional.relu6(layer(pictures, "_conv_stem", "_bn0", 2)), 0, []
    for expansion, _, stride, _, repeats in STAGES:
        for repeat in range(repeats):
            there, kept = f"_blocks.{number}", hidden
            if expansion > 1:
                hidden = functional.relu6(layer(hidden, f"{there}._expand_conv", f"{there}._bn0"))
            step = stride if repeat == 0 else 1
            hidden = layer(hidden, f"{there}._depthwise_conv", f"{there}._bn1", step, hidden.shape[1])
            hidden = layer(functional.relu6(hidden), f"{there}._project_conv", f"{there}._bn2")
            hidden = hidden + kept if repeat else hidden
            if number in TAPS:
                taps.append(hidden / SCALES[len(taps)])
            number += 1
    return taps


@pytest.mark.parametrize("side", [64, 75])
def test_published_weights_give_the_published_network(tmp_path: Path, side: int):
    given = published_weights()
    torch.save(given, tmp_path / "lite0.pth")
    trunk = LiteTrunk()
    trunk.load_published(tmp_path / "lite0.pth")
    pictures = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1))
    for ours, plain in zip(trunk(pictures), seen_by(given, pictures), strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("side", [32, 50, 96])
def test_features_are_those_of_its_own_encoder_until_it_has_learnt_to_listen(side: int):
    encoder = build_encoder("imagenet", 24).eval()
    assert isinstance(encoder, ImagenetEncoder)
    crops = some_crops(side)
    with torch.no_grad():
        features = encoder(crops)
        assert features.shape == (2, 24, -(-side // encoder.stride), -(-side // encoder.stride))
        assert torch.equal(features, encoder.own(crops))
        for layer in (encoder.tell[3], encoder.trunk.blocks[15].project):  # the deepest reaches the features
            torch.nn.init.normal_(layer.weight)
            torch.nn.init.normal_(layer.bias)
        assert (encoder(crops) - features).abs().max() > 1e-3


@pytest.mark.parametrize("count", [1, AT_ONCE, 2 * AT_ONCE + 3])
def test_a_picture_is_seen_alike_alone_and_among_many(count: int):
    encoder = build_encoder("imagenet", 24).eval()
    for weight in encoder.parameters():
        torch.nn.init.normal_(weight, std=0.05)
    crops = (
        torch.cat([some_crops(48) for _ in range(count)])[:count] * torch.linspace(0.5, 1, count)[:, None, None, None]
    )
    with torch.no_grad():
        alone = torch.cat([encoder(crop[None]) for crop in crops])
        torch.testing.assert_close(encoder(crops), alone, rtol=1e-4, atol=1e-5)


def test_what_is_told_is_told_as_if_it_were_resized_last():
    """The order that models were trained with."""
    encoder = build_encoder("imagenet", 24).eval()
    for weight in encoder.parameters():
        torch.nn.init.normal_(weight, std=0.05)
    crops = some_crops(96)
    with torch.no_grad():
        told = [GAIN * layer(part) for layer, part in zip(encoder.tell, encoder._seen(crops), strict=True)]
        last = encoder.own(crops, (*told[:2], told[2] + resized(told[3], told[2])))
        torch.testing.assert_close(encoder(crops), last, rtol=1e-4, atol=1e-5)


def test_only_what_is_beside_the_trunk_learns():
    encoder = build_encoder("imagenet", 24).train()
    torch.nn.init.normal_(encoder.trunk.stem.bias)
    for block in encoder.trunk.blocks:
        torch.nn.init.normal_(block.project.bias)
    before = {name: value.clone() for name, value in encoder.trunk.state_dict().items()}
    encoder(some_crops()).square().mean().backward()
    assert all(weight.grad is None for weight in encoder.trunk.parameters())
    assert all(layer.weight.grad.abs().max() > 0 for layer in encoder.tell)
    torch.optim.AdamW([w for w in encoder.parameters() if w.requires_grad], 0.1).step()
    assert all(torch.equal(value, before[name]) for name, value in encoder.trunk.state_dict().items())


def test_what_is_removed_from_a_picture_is_grey_to_the_trunk():
    encoder = build_encoder("imagenet", 24)
    pictures = []
    encoder.trunk.register_forward_pre_hook(lambda _, given: pictures.append(given[0]))
    crops = some_crops(160)
    encoder(crops)
    outside = (crops[:, 3:] == 0).expand(-1, 3, -1, -1)
    assert pictures[0][outside].abs().max() == 0
    assert pictures[0][~outside].abs().max() > 0.5


def test_a_saved_model_holds_the_trunk_at_half_its_size(tmp_path: Path):
    network = MotionNetwork(CONFIG).eval()
    torch.save(published_weights(), tmp_path / "lite0.pth")
    begin.bring_photographs(network, str(tmp_path / "lite0.pth"))
    assert network.video_to_pose.encoder.trunk.stem.bias.abs().max() > 0
    for layer in network.video_to_pose.encoder.tell:
        torch.nn.init.normal_(layer.weight, std=0.1)
    save_network(tmp_path / "model", CONFIG, network.state_dict())
    weights = sum(value.numel() for name, value in network.state_dict().items() if name.startswith("video_to_pose."))
    assert (tmp_path / "model/model.safetensors").stat().st_size < 2.2 * weights
    loaded = load_network(tmp_path / "model", "pose")
    assert all(weight.dtype == torch.float32 for weight in loaded.parameters())
    crops = some_crops()
    with torch.no_grad():
        was, now = (one.video_to_pose.encoder(crops) for one in (network, loaded))
    assert (was - now).abs().max() < 0.02 * was.abs().max()


def test_a_new_run_takes_the_photographs_of_a_model_that_ships(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    plain = replace(CONFIG, video_to_pose=replace(CONFIG.video_to_pose, encoder="small"))
    torch.save(published_weights(), tmp_path / "lite0.pth")
    informed = MotionNetwork(CONFIG)
    begin.bring_photographs(informed, str(tmp_path / "lite0.pth"))
    for name, config, network in (("a", plain, MotionNetwork(plain)), ("b", CONFIG, informed)):
        save_network(tmp_path / name, config, network.state_dict())
    models = [Checkpoint(name, "", lambda name=name: tmp_path / name) for name in ("a", "b")]
    monkeypatch.setattr(begin, "shipped", lambda: iter(models))
    fresh = MotionNetwork(CONFIG)
    begin.bring_photographs(fresh, "")
    loaded = load_network(tmp_path / "b", "pose").video_to_pose.encoder.trunk.state_dict()
    assert all(
        torch.equal(value, loaded[name]) for name, value in fresh.video_to_pose.encoder.trunk.state_dict().items()
    )
    models.pop()
    with pytest.raises(UnsupportedError, match="encoder_source=FILE"):
        begin.bring_photographs(MotionNetwork(CONFIG), "")
    begin.bring_photographs(MotionNetwork(plain), "")  # needs none


def test_training_brings_them_and_goes_on_with_them(creatures: Path, tmp_path: Path):
    torch.save(published_weights(), tmp_path / "lite0.pth")
    stage1 = replace(CONFIG.video_to_pose, encoder_source=str(tmp_path / "lite0.pth"))
    data = DataConfig(rigs=1, clips=1, frames=1)
    config = TrainConfig(replace(CONFIG, video_to_pose=stage1), data, steps=1, warmup=1)
    trunks = []
    for steps in (1, 2):
        run, settings = tmp_path / "run", replace(config, steps=steps)
        trainer = Trainer(settings, creatures, run, torch.device("cpu"), progress_bar=False)
        trainer.run()
        trunks.append(trainer.network.video_to_pose.encoder.trunk.state_dict())
        (tmp_path / "lite0.pth").unlink(missing_ok=True)  # the run holds what it needs
    assert trunks[0]["stem.bias"].abs().max() > 0
    assert all(torch.equal(value, trunks[1][name]) for name, value in trunks[0].items())
    assert load_network(run / "best", "pose").video_to_pose.encoder.trunk.stem.bias.abs().max() > 0


def test_other_files_are_refused_in_one_line(tmp_path: Path):
    trunk = LiteTrunk()
    torch.save({"weights": torch.zeros(3)}, tmp_path / "other.pth")
    (tmp_path / "text.pth").write_text("no weights")
    short = published_weights()
    short["_blocks.3._project_conv.weight"] = torch.zeros(3, 3, 1, 1)
    torch.save(short, tmp_path / "short.pth")
    for name in ("other.pth", "text.pth", "short.pth", "nowhere.pth"):
        with pytest.raises(ReadError, match="no weights of EfficientNet-Lite0") as caught:
            trunk.load_published(tmp_path / name)
        assert "\n" not in str(caught.value)
