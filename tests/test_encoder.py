"""Image encoders: the registry, and DINOv2 on a tiny random backbone (nothing is downloaded)."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the extra [network] is not installed")

from mocapcli.errors import InvalidDataError, MocapError, ReadError, UnsupportedError  # noqa: E402
from mocapcli.network.encoder import SmallEncoder, build_encoder  # noqa: E402
from mocapcli.network.model import MotionNetwork, NetworkConfig, load_network, save_network  # noqa: E402
from mocapcli.network.rotation_head import RotationConfig  # noqa: E402
from mocapcli.network.video_to_pose import VideoToPoseConfig  # noqa: E402
from network_helpers import some_crops  # noqa: E402


@pytest.fixture(scope="module")
def dino_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_dino(tmp_path_factory.mktemp("dino"), seed=0)


def save_tiny_dino(folder: Path, seed: int, kind: str = "Dinov2") -> Path:
    transformers = pytest.importorskip("transformers", reason="the extra [dino] is not installed")
    settings = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 56, "patch_size": 14}
    torch.manual_seed(seed)
    config = getattr(transformers, f"{kind}Config")(**settings)
    getattr(transformers, f"{kind}Model")(config).save_pretrained(folder)
    return folder


def config_of(folder: Path) -> NetworkConfig:
    stage1 = VideoToPoseConfig("dinov2", str(folder), channels=24, heads=2, rounds=2, blocks=1, query_blocks=1)
    return NetworkConfig(stage1, RotationConfig(channels=16, heads=2, blocks=1), side=32, stages=("pose",))


def test_encoders_are_chosen_by_name():
    assert isinstance(build_encoder("small", 24), SmallEncoder)
    with pytest.raises(
        InvalidDataError, match="no image encoder called 'huge'; known: dinov2, imagenet, medium, small"
    ):
        build_encoder("huge", 24)
    with pytest.raises(InvalidDataError, match="takes no weights"):
        build_encoder("small", 24, "somewhere")


@pytest.mark.parametrize("side", [32, 50, 96])
def test_both_encoders_keep_one_stride(dino_folder: Path, side: int):
    for encoder in (build_encoder("small", 24), build_encoder("dinov2", 24, str(dino_folder))):
        features = encoder(some_crops(side))
        assert features.shape == (2, 24, -(-side // encoder.stride), -(-side // encoder.stride))
        assert torch.isfinite(features).all()


@pytest.mark.parametrize("kind", ["Dinov2", "Dinov2WithRegisters"])
def test_patches_stand_where_they_are_seen(tmp_path: Path, kind: str):
    """Tokens without a place (class, registers) come first: a change in one corner is felt in that corner."""
    encoder = build_encoder("dinov2", 24, str(save_tiny_dino(tmp_path, 0, kind)))
    scales = [value for name, value in encoder.backbone.named_parameters() if "layer_scale1" in name]
    assert scales
    for scale in scales:  # without attention every patch sees itself alone
        torch.nn.init.zeros_(scale)
    crops = some_crops(56)
    changed = crops.clone()
    changed[:, :, :14, -14:] = 1.0
    moved = (encoder._patches(changed) - encoder._patches(crops)).abs().sum(dim=(0, 1))
    assert moved.shape == (8, 8)
    assert moved[:2, -2:].min() > 1e-4
    assert moved[3:].max() < 1e-6 and moved[:, :5].max() < 1e-6


def test_dino_sees_the_statistics_it_was_trained_with(dino_folder: Path):
    encoder = build_encoder("dinov2", 24, str(dino_folder))
    seen = []
    encoder.backbone.register_forward_pre_hook(
        lambda _, args, given: seen.append(given["pixel_values"]), with_kwargs=True
    )
    crops = torch.ones(1, 4, 28, 28)
    crops[0, :, :, :14] = 0.0  # background
    encoder(crops)
    assert seen[0].shape == (1, 3, 56, 56)
    torch.testing.assert_close(seen[0][..., :20], torch.zeros(1, 3, 56, 20))  # ImageNet's mean
    white = torch.tensor([(1 - 0.485) / 0.229, (1 - 0.456) / 0.224, (1 - 0.406) / 0.225])
    torch.testing.assert_close(seen[0][0, :, 30, 50], white, atol=1e-5, rtol=0)


def test_mask_alone_changes_the_features(dino_folder: Path):
    encoder = build_encoder("dinov2", 24, str(dino_folder))
    crops = some_crops()
    crops[:, :3] = 0.0  # a black subject on nothing
    without = crops.clone()
    without[:, 3] = 0.0
    assert (encoder(crops) - encoder(without)).abs().max() > 1e-3


def test_backbone_stays_frozen_and_the_rest_learns(dino_folder: Path):
    encoder = build_encoder("dinov2", 24, str(dino_folder)).train()
    before = {name: value.clone() for name, value in encoder.backbone.state_dict().items()}
    assert not encoder.backbone.training  # no dropout in what is frozen
    optimizer = torch.optim.SGD(encoder.parameters(), 0.1)
    encoder(some_crops()).square().mean().backward()
    assert all(weight.grad is not None and weight.grad.abs().max() > 0 for weight in encoder.parameters())
    optimizer.step()
    assert all(torch.equal(value, before[name]) for name, value in encoder.backbone.state_dict().items())
    assert all(weight.grad is None for weight in encoder.backbone.parameters())


def test_backbone_moves_with_the_encoder(dino_folder: Path):
    encoder = build_encoder("dinov2", 24, str(dino_folder)).double()
    assert next(encoder.backbone.parameters()).dtype == torch.float64
    assert encoder(some_crops().double()).dtype == torch.float64


def test_saved_models_name_the_backbone_and_do_not_hold_it(dino_folder: Path, tmp_path: Path):
    config = config_of(dino_folder)
    network = MotionNetwork(config).eval()
    save_network(tmp_path / "model", config, network.state_dict())
    assert not any("backbone" in name for name in network.state_dict())
    loaded = load_network(tmp_path / "model", "pose")
    crops = some_crops()
    torch.testing.assert_close(loaded.video_to_pose.encoder(crops), network.video_to_pose.encoder(crops))


def test_a_run_on_a_frozen_backbone_goes_on_where_it_was(dino_folder: Path, tmp_path: Path):
    from mocapcli.data.build import build_cache
    from mocapcli.training.config import DataConfig, TrainConfig
    from mocapcli.training.loop import Trainer

    build_cache(None, tmp_path / "cache", creatures=range(4), progress_bar=False)
    config = TrainConfig(config_of(dino_folder), DataConfig(rigs=1, clips=1, frames=1), steps=1, warmup=1)
    for steps in (1, 2):
        run = tmp_path / "run"
        trainer = Trainer(
            replace(config, steps=steps), tmp_path / "cache", run, torch.device("cpu"), progress_bar=False
        )
        assert trainer.state.step == steps - 1
        trainer.run()
    assert (run / "state.pt").stat().st_size < 4e6 and load_network(run / "best", "pose")


def test_another_backbone_is_refused(dino_folder: Path, tmp_path: Path):
    config = config_of(dino_folder)
    save_network(tmp_path / "model", config, MotionNetwork(config).state_dict())
    other = save_tiny_dino(tmp_path / "other", seed=7)
    content = json.loads((tmp_path / "model/config.json").read_text())
    content["network"]["video_to_pose"]["encoder_source"] = str(other)
    (tmp_path / "model/config.json").write_text(json.dumps(content))
    with pytest.raises(ReadError, match="trained on another DINOv2"):
        load_network(tmp_path / "model", "pose")


def test_what_cannot_be_loaded_is_said_in_one_line(dino_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ReadError, match="no such folder with DINOv2 weights"):
        build_encoder("dinov2", 24, str(tmp_path / "nowhere"))
    with pytest.raises(UnsupportedError, match="cannot load DINOv2"):
        build_encoder("dinov2", 24, str(tmp_path))  # empty
    bert = tmp_path / "bert"
    bert.mkdir()
    (bert / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(UnsupportedError, match="'bert' network, not DINOv2"):
        build_encoder("dinov2", 24, str(bert))
    damaged = save_tiny_dino(tmp_path / "damaged", 0)
    (damaged / "model.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(MocapError) as caught:
        build_encoder("dinov2", 24, str(damaged))
    assert "\n" not in str(caught.value)
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(UnsupportedError, match=r"needs transformers \(pip install 'mocapcli\[dino\]'\)"):
        build_encoder("dinov2", 24, str(dino_folder))


def test_names_of_the_hub_are_not_mistaken_for_folders(monkeypatch: pytest.MonkeyPatch):
    transformers = pytest.importorskip("transformers", reason="the extra [dino] is not installed")

    def offline(name: str, **_: object) -> None:
        raise OSError(f"We couldn't connect to load {name}\nCheck your internet connection")

    monkeypatch.setattr(transformers.AutoConfig, "from_pretrained", offline)
    with pytest.raises(UnsupportedError, match="couldn't connect to load facebook/dinov2-small"):
        build_encoder("dinov2", 24)
    assert replace(VideoToPoseConfig(), encoder="dinov2").encoder_source == ""
