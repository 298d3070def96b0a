"""What can be asked of a capture: reference poses, parts, filters, sound; and that mocap eval says the same."""

import inspect
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image

from capture_helpers import SIDE, film_mp4, save_tiny, stamped, tell, tiny_network, walking
from factories import make_asset
from mocapcli.capturing import looking
from mocapcli.capturing.api import capture_video
from mocapcli.capturing.inference import infer
from mocapcli.capturing.models import Model
from mocapcli.capturing.options import Options
from mocapcli.capturing.preview import check_size
from mocapcli.capturing.rigs import split_reference, with_reference
from mocapcli.capturing.slim import Slim
from mocapcli.capturing.sound import add_sound
from mocapcli.commands.capture import capture as command
from mocapcli.data.videos import View, film, random_view
from mocapcli.data.windows import cut_motion
from mocapcli.errors import InvalidDataError, UnsupportedError
from mocapcli.evaluation.predictors import Footage, NetworkPredictor
from mocapcli.formats import write_asset
from mocapcli.kinematics import joint_positions, quat_to_matrix
from mocapcli.network.threads import one_thread
from mocapcli.render.camera import look_at
from mocapcli.render.movie import write_mp4
from mocapcli.training.filming import reference_of
from mocapcli.video import open_video
from mocapcli.zoo import make_creature

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Model:
    save_tiny(tmp_path_factory.mktemp("models") / "tiny")
    return Model(tiny_network(), "tiny", "")


@pytest.fixture(scope="module")
def filmed(tmp_path_factory):
    """A creature's clip as loss-free pictures with masks, and the camera's field of view."""
    asset = make_creature(11)
    motion = cut_motion(asset.motions[0], 0, 16)
    view = random_view(np.random.default_rng(1), 128)
    plain = np.full((128, 128, 3), (90, 200, 90), np.uint8)
    made = film(asset, motion, View(view.yaw, view.pitch, view.fov, view.fill, view.lights, plain), 128)
    folder = tmp_path_factory.mktemp("filmed")
    for name, pictures in (("video", made.frames), ("mask", np.rint(255 * made.masks).astype(np.uint8))):
        (folder / name).mkdir()
        for number, picture in enumerate(pictures):
            Image.fromarray(picture).save(folder / name / f"{number:04d}.png")
    return asset, motion, made, folder


def test_the_figures_are_those_of_mocap_eval(filmed, model: Model) -> None:
    """The same masks and field of view: the same joints, rotations and places, to rounding."""
    asset, motion, made, folder = filmed
    camera = made.cameras[0]
    options = Options(mask=folder / "mask", fov=camera.fov, fps=motion.fps, adapt="off")
    captured = capture_video(folder / "video", asset, options, model)
    slim = Slim.of(asset).light
    footage = Footage(made.frames, np.rint(255 * made.masks) / 255, float(camera.focal), motion.fps)
    predicted = NetworkPredictor(model.network).predict(slim, footage)
    np.testing.assert_allclose(captured.pose.positions, predicted.positions, atol=1e-5)
    np.testing.assert_allclose(quat_to_matrix(captured.pose.rotations), predicted.rotations, atol=1e-4)
    np.testing.assert_allclose(captured.pose.places, predicted.places, atol=1e-3)


def test_parts_rates_and_filters(filmed, model: Model, tmp_path: Path) -> None:
    asset, _, _, folder = filmed
    common = {"mask": folder / "mask", "fps": 30.0, "adapt": "off"}
    raw = capture_video(folder / "video", asset, Options(**common, start=0.1, end=0.4), model)
    assert raw.motion.frames == 9 and raw.motion.fps == 30.0
    smooth = capture_video(
        folder / "video", asset, Options(**common, start=0.1, end=0.4, filter=("smooth",)), model
    ).motion
    assert not np.array_equal(raw.motion.rotations, smooth.rotations)
    assert smooth.frames == 9
    assert raw.report.warnings == tuple(dict.fromkeys(raw.report.warnings))
    assert raw.report.frames_per_second > 0


def test_reference_poses(tmp_path: Path) -> None:
    asset = make_creature(11)
    write_asset(tmp_path / "other.glb", asset)
    known = with_reference(asset, f"{tmp_path / 'other.glb'}:5")
    pose = known.motions[0]
    assert len(known.motions) == pose.frames == 1
    dots = np.abs((pose.rotations[0] * asset.motions[0].rotations[5]).sum(-1))
    np.testing.assert_allclose(dots, 1, atol=1e-5)
    assert with_reference(asset, None) is asset
    stretched = [replace(motion, scales=np.full_like(motion.translations, 2.0)) for motion in asset.motions]
    (first, *_) = with_reference(asset.with_motions(stretched), None).motions
    assert first.scales is None  # or captured clips, which scale nothing, would tear the skin
    write_asset(tmp_path / "still.glb", asset.with_motions([]))
    with pytest.raises(InvalidDataError, match="no clip"):
        with_reference(asset, tmp_path / "still.glb")


def test_how_references_are_told(tmp_path: Path) -> None:
    odd = tmp_path / "walk:7"
    assert split_reference("walk.bvh") == (Path("walk.bvh"), 0)
    assert split_reference("walk.bvh:12") == (Path("walk.bvh"), 12)
    assert split_reference("c:/walk.bvh") == (Path("c:/walk.bvh"), 0)
    assert split_reference(str(odd)) == (tmp_path / "walk", 7)
    odd.write_text("")
    assert split_reference(str(odd)) == (odd, 0)


def hum(path: Path, late: float = 0.0) -> None:
    """Three seconds of a tone that begins so much after the pictures, if there are any."""
    with av.open(str(path), "w") as container:
        shown = container.add_stream("mpeg4", rate=10) if late else None
        stream = container.add_stream("aac", rate=44100)
        if shown is not None:
            shown.width = shown.height = 32
            shown.pix_fmt = "yuv420p"
            for _ in range(30):
                container.mux(shown.encode(av.VideoFrame(32, 32, "yuv420p")))
            container.mux(shown.encode(None))
        wave = np.sin(np.arange(3 * 44100) * 0.05).astype(np.float32)[None]
        for start in range(0, wave.shape[1], 1024):
            frame = av.AudioFrame.from_ndarray(wave[:, start : start + 1024], format="fltp", layout="mono")
            frame.rate, frame.pts = 44100, start + round(late * 44100)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def test_sound_that_begins_late_is_late(tmp_path: Path) -> None:
    film_path, source = tmp_path / "film.mp4", tmp_path / "source.mp4"
    write_mp4(film_path, iter(np.full((30, 32, 32, 3), 100, np.uint8)), 10.0)
    hum(source, late=1.0)
    assert add_sound(film_path, source)
    with av.open(str(film_path)) as container:
        wave = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    first = np.flatnonzero(np.abs(wave) > 0.3)[0] / 44100
    assert first == pytest.approx(1.0, abs=0.1)


def test_sound_goes_under_the_pictures(tmp_path: Path) -> None:
    """The part from 1 s on of a film that hums for 3 s."""
    film_path, source = tmp_path / "film.mp4", tmp_path / "source.mp4"
    pictures = np.full((20, 32, 32, 3), 100, np.uint8)
    write_mp4(film_path, iter(pictures), 10.0)
    silent = film_path.read_bytes()
    assert not add_sound(film_path, film_path)
    assert film_path.read_bytes() == silent
    assert not add_sound(film_path, tmp_path)
    hum(source)
    assert add_sound(film_path, source, 1.0)
    with av.open(str(film_path)) as container:
        assert len(list(container.decode(video=0))) == 20
    with av.open(str(film_path)) as container:
        heard = sum(frame.samples / frame.rate for frame in container.decode(audio=0))
    assert heard == pytest.approx(2.0, abs=0.15)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.mp4", "source.mp4"]


def test_a_long_clip_keeps_few_features_and_says_the_same(monkeypatch) -> None:
    asset, motion = walking(seed=11, frames=100)
    reference = reference_of(asset, SIDE)
    size, network = reference.rig.size, tiny_network()
    camera = look_at((0.0, size, 4 * size), (0.0, 0.3 * size, 0.0), 60.0, 640, 360)
    told = tell(asset, motion, reference.rig, camera)
    held: list[int] = []
    block = looking.Scene._block
    monkeypatch.setattr(
        looking.Scene, "_block", lambda scene, number: (block(scene, number), held.append(len(scene._features)))[0]
    )
    with told.clip:
        once = infer(network, reference, told.clip, told.full, rotate=False)
        assert max(held) == 4  # of 32 frames: all of them
        held.clear()
        monkeypatch.setattr(looking, "FEATURE_BYTES", 0)
        again = infer(network, reference, told.clip, told.full, rotate=False)
    assert max(held) < 4
    np.testing.assert_allclose(again.positions, once.positions, atol=1e-5)


def test_many_crops_lie_on_disk() -> None:
    asset, motion = walking(seed=11, frames=40)
    reference = reference_of(asset, SIDE)
    camera = look_at((0.0, 1.0, 40.0), (0.0, 0.0, 0.0), 60.0, 640, 360)
    told = tell(asset, motion, reference.rig, camera)
    with told.clip as clip:
        images = np.random.default_rng(0).integers(0, 255, (40, SIDE, SIDE, 4)).astype(np.uint8)
        cameras, seen = clip.cameras, clip.seen
        assert seen.all()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mocapcli.capturing.clip.IN_MEMORY", 10_000)
        with stamped(cameras, seen, 15.0, images) as large:
            assert large._file._rolled
            np.testing.assert_array_equal(large.images(3, 9), images[3:9])
            np.testing.assert_array_equal(large.images(0, 40), images)


def test_the_function_costs_nothing_until_it_is_called(filmed, model: Model) -> None:
    light = "import mocapcli, sys; mocapcli.capture; assert not {'torch', 'numpy', 'scipy'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", light]).returncode == 0
    assert replace(Options(), root="none").root == "none"


@pytest.mark.parametrize(("joints", "mesh"), [(2, False), (4, True), (300, False)])
def test_rigs_of_any_size_with_or_without_a_mesh(filmed, model: Model, joints: int, mesh: bool) -> None:
    _, _, _, folder = filmed
    rig = make_asset(joints=joints, clips=0, mesh=mesh)
    options = Options(mask=folder / "mask", end=0.2, adapt="off", polish=2)
    captured = capture_video(folder / "video", rig, options, model)
    motion = captured.motion
    assert motion.joints == joints
    np.testing.assert_allclose(np.linalg.norm(motion.rotations, axis=-1), 1, atol=1e-9)
    assert captured.confidence.values.shape == (motion.frames, joints)
    points = joint_positions(rig.rig.skeleton, motion)
    assert points[..., 1].min() == pytest.approx(0, abs=1e-6) if not mesh else points[..., 1].min() > 0


def test_options_as_python_users_write_them(tmp_path: Path) -> None:
    options = Options.given(output="a.glb", preview="p.mp4", filter="smooth", mask=None, fps=30)
    assert options == Options((Path("a.glb"),), preview=Path("p.mp4"), filter=("smooth",), fps=30)
    assert Options.given(output=[tmp_path / "a.glb", "b.bvh"]).output == (tmp_path / "a.glb", Path("b.bvh"))


def test_a_gif_too_large_is_told_before_the_work(tmp_path: Path) -> None:
    video = open_video(film_mp4(tmp_path / "x.mp4", make_creature(3), make_creature(3).motions[0]))
    check_size(tmp_path / "x.gif", video, 60)
    check_size(tmp_path / "x.mp4", video, 60_000)
    with pytest.raises(UnsupportedError, match=r"too much for a gif \(name it \.mp4\)"):
        check_size(tmp_path / "x.gif", video, 60_000)


def test_torch_keeps_its_threads() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with one_thread():
            assert torch.get_num_threads() == 1
            with one_thread(False):
                assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_the_command_and_the_function_assume_the_same() -> None:
    """Defaults are written twice, for --help to import no more than it needs."""
    said = {name: parameter.default for name, parameter in inspect.signature(command).parameters.items()}
    for field in fields(Options):
        ours, theirs = field.default, said["filters" if field.name == "filter" else field.name]
        assert theirs == (ours or None if isinstance(ours, tuple) else ours), field.name
