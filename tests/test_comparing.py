"""Facings compared by drawing: under a stage 1 that poses joints exactly for any of them, the true one looks alike."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from capture_helpers import SIDE, Oracle, Stamps, Told, stamped, tell, tiny_network, walking
from mocapcli.capturing.comparing import (
    ASIDE,
    Likeness,
    closer,
    compared_frames,
    drawable,
    every_frame,
)
from mocapcli.capturing.inference import infer
from mocapcli.capturing.looking import Scene
from mocapcli.capturing.matching import Matcher
from mocapcli.capturing.models import load_model
from mocapcli.capturing.reading import Reader, Reading
from mocapcli.capturing.sight import LOOKS
from mocapcli.kinematics import motion_world
from mocapcli.network.encoder import Encoder, build_encoder
from mocapcli.network.likeness import alike
from mocapcli.network.model import MotionNetwork
from mocapcli.network.video_to_pose import PoseEstimate
from mocapcli.network.views import YAW_BINS, lift, project, stance_of, tilt_matrix, turn_matrix, yaw_to_bins
from mocapcli.render.camera import look_at
from mocapcli.render.scene import Model, prepare, render
from mocapcli.subject.cut import between, in_picture
from mocapcli.training.batches import RenderedReference
from mocapcli.training.filming import reference_of
from mocapcli.training.samples import with_mask
from mocapcli.zoo import make_creature

FRAMES, HIDDEN = 40, (11, 12, 13)


class Pictures(Encoder):
    """Reads the frame's number for the oracle, and compares pictures as they are, a little blurred."""

    def __init__(self) -> None:
        super().__init__()
        self.stamps = Stamps()

    def forward(self, crops: Tensor) -> Tensor:
        return self.stamps(crops)

    def layers(self, crops: Tensor) -> list[Tensor]:
        return [functional.avg_pool2d(crops, 2)]


class Deceived(Oracle):
    """Scores the facing behind its back highest, and poses the body as if it faced as it is told.

    `doubt`: how likely the true facing still is.
    """

    def __init__(self, truth: PoseEstimate, yaw: Tensor, doubt: float = 0.0) -> None:
        scores = (1 - doubt) * yaw_to_bins(yaw + torch.pi) + doubt * yaw_to_bins(yaw)
        super().__init__(replace(truth, yaw_logits=scores.clamp_min(1e-3).log()[None]))
        self.encoder, self.yaw = Pictures(), yaw

    def decide(self, features: Tensor, *told: Tensor) -> PoseEstimate:  # type: ignore[override]
        seen, (_, _, tangent, _, yaw) = super().decide(features), told
        points = lift(seen.places, seen.depth, seen.half_width, tangent)
        tilt = tilt_matrix(seen.pitch)
        turn = turn_matrix(yaw - self.yaw[self._frames(features)])
        points = points @ (tilt @ turn @ tilt.transpose(-1, -2)).transpose(-1, -2)
        return replace(seen, places=project(points, seen.half_width, tangent), depth=points[..., 2])


@dataclass(frozen=True, eq=False)
class Film:
    told: Told
    reference: RenderedReference
    model: Model
    yaw: Tensor
    network: MotionNetwork


@pytest.fixture
def film() -> Film:
    """A creature that walks, drawn as its crops' cameras see it."""
    asset, motion = walking(seed=3, frames=FRAMES)
    reference, model = reference_of(asset, SIDE), prepare(asset.rig)
    size = reference.rig.size
    camera = look_at((0.8 * size, size, 3 * size), (0.5 * size, 0.2 * size, 0.0), 50.0, 640, 360)
    told = tell(asset, motion, reference.rig, camera)
    world, cameras = motion_world(asset.rig.skeleton, motion), told.clip.cameras
    placed = [
        replace(crop, position=camera.position, rotation=camera.rotation @ crop.rotation, near=0.01 * size)
        for crop in cameras
    ]
    images = render(model, world, placed, background=(0, 0, 0), outputs=("colour", "mask"))
    crops = with_mask(images.colour, images.mask)
    crops[list(HIDDEN)] = 0
    crops[:, 0, 0, 0], crops[:, 0, 0, 1] = 0, np.arange(FRAMES)
    told.clip.close()
    seen = np.ones(FRAMES, bool)
    upright = torch.from_numpy(told.positions / size)[None].float()
    rest, joints = torch.from_numpy(reference.rig.rest_positions / size)[None].float(), reference.rig.deforms
    yaw = stance_of(upright, rest, torch.from_numpy(joints)[None])[0][0]
    network = tiny_network()
    del network.video_to_pose
    network.video_to_pose = Deceived(told.estimate, yaw)
    return Film(replace(told, clip=stamped(cameras, seen, 15.0, crops)), reference, model, yaw, network)


def off_degrees(facing: np.ndarray, yaw: Tensor) -> np.ndarray:
    return np.degrees(np.abs((facing - yaw.numpy() + np.pi) % (2 * np.pi) - np.pi))


def test_the_facing_that_looks_like_the_film_is_believed(film: Film) -> None:
    told: list[int] = []
    with film.told.clip as clip:
        alone = infer(film.network, film.reference, clip, film.told.full, rotate=False)
        compared = infer(
            film.network,
            film.reference,
            clip,
            film.told.full,
            False,
            progress=lambda _, frames: told.append(frames),
            model=film.model,
        )
    assert off_degrees(alone.facing, film.yaw).min() > 150  # the oracle deceives
    assert off_degrees(compared.facing, film.yaw).max() < 12
    assert sum(told) == LOOKS * FRAMES
    off = np.linalg.norm(compared.positions - film.told.positions, axis=-1) / film.reference.rig.size
    assert off.mean() < 0.05


@pytest.fixture(scope="module")
def matching() -> MotionNetwork:
    """The one that ships: it knows what looks alike."""
    return load_model("small").network.eval()


@pytest.mark.parametrize(("doubt", "again"), [(0.4, True), (0.6, True), (0.002, False)])
def test_in_doubt_a_clip_is_read_under_both_facings(
    film: Film, matching: MotionNetwork, doubt: float, again: bool
) -> None:
    """The one that looks like the film is kept, whether it was the likelier or not."""
    told: list[tuple[str, int, int]] = []
    film.network.video_to_pose = Deceived(film.told.estimate, film.yaw, doubt)
    matcher = Matcher.of(matching, film.model, film.reference.rig, steps=2)
    assert matcher is not None
    quick = replace(matcher, limbs=[])
    reader = Reader(film.network, film.reference, film.model.rig, matcher=quick)
    with film.told.clip as clip:
        alone = replace(reader, matcher=None).read(clip, film.told.full)
        both = reader.read(clip, film.told.full, progress=lambda *news: told.append(news))
    assert (off_degrees(alone.pose.facing, film.yaw) > 150).all() == (doubt < 0.5)
    assert (off_degrees(both.pose.facing, film.yaw).max() < 12) == again
    np.testing.assert_array_equal(both.first.facing, alone.first.facing)
    assert both.pose.likeness > 0 == alone.pose.likeness
    news = [(done, total) for stage, done, total in told if stage == "another facing"]
    assert bool(news) == again
    assert sum(done for done, _ in news) == again * reader.again * FRAMES
    assert {total for _, total in news} <= {reader.again * FRAMES}


@pytest.mark.parametrize(("second", "taken"), [(0.58, False), (0.61, True), (0.50, False), (float("nan"), False)])
def test_another_facing_must_look_much_more_like_the_film(
    film: Film, matching: MotionNetwork, monkeypatch: pytest.MonkeyPatch, second: float, taken: bool
) -> None:
    """The first looks like it by 0.56; of the 0.44 that is lacking 0.02 is too little."""
    matcher = Matcher.of(matching, film.model, film.reference.rig, steps=2)
    reader = Reader(film.network, film.reference, film.model.rig, matcher=matcher)
    with film.told.clip as clip:
        pose = replace(reader, matcher=None).read(clip, film.told.full).pose
    likely, other = replace(pose, other=pose.facing, likeness=0.56), replace(pose, likeness=second)
    monkeypatch.setattr(Reader, "_under", lambda self, facing, *_: (likely, likely if facing is None else other))
    monkeypatch.setattr(Reader, "_laid", lambda self, first, refined, *_: Reading(first, refined))
    monkeypatch.setattr("mocapcli.capturing.reading.how_alike", lambda *_: 0.5)
    with film.told.clip as clip:
        reading = reader.read(clip, film.told.full)
    assert reading.first is likely and reading.pose is (other if taken else likely)


def test_the_rig_is_drawn_where_it_is_seen(film: Film) -> None:
    frames = np.array([0, 15, 39])
    with film.told.clip as clip, torch.inference_mode():
        scene = Scene.of(film.network.video_to_pose, film.reference, clip)
        seen = Oracle(film.told.estimate).decide(scene.features(0, FRAMES)[frames])
        drawn = Likeness(scene, film.reference.rig, film.model)._drawn(seen, [clip.cameras[k] for k in frames])
        film_masks = scene.pictures(frames)[..., 3] > 127
    masks = drawn[..., 3] > 127
    shared = (masks & film_masks).sum(axis=(1, 2)) / (masks | film_masks).sum(axis=(1, 2))
    assert shared.min() > 0.75


def test_what_is_drawn_ends_where_the_picture_ends(film: Film, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the film does: else whoever is cut off by its edge would look like nobody; and whoever reads tells of it."""
    frames, full = np.array([0, 15]), film.told.full
    with film.told.clip as clip, torch.inference_mode():
        cameras = [clip.cameras[frame] for frame in frames]
        across, _, depth = between(full, cameras[0]) @ [SIDE / 2, SIDE / 2, 1.0]
        half = replace(full, width=int(across / depth))
        scene = Scene.of(film.network.video_to_pose, film.reference, clip)
        seen = Oracle(film.told.estimate).decide(scene.features(0, FRAMES)[frames])
        whole, cut = (
            Likeness(scene, film.reference.rig, film.model, camera)._drawn(seen, cameras) for camera in (None, half)
        )
        inside = np.stack([in_picture(half, camera) for camera in cameras])
        np.testing.assert_array_equal(cut, whole * inside[..., None])
        assert 0.1 < (cut[..., 3] > 127).sum() / (whole[..., 3] > 127).sum() < 0.9
        asked = list[object]()
        monkeypatch.setattr("mocapcli.capturing.sight.Likeness", lambda *told: asked.append(told[3]) or Likeness(*told))
        infer(film.network, film.reference, clip, half, model=film.model)
    assert asked == [half]


def test_frames_that_show_nothing_have_no_say(film: Film) -> None:
    with film.told.clip as clip:
        scene = Scene.of(film.network.video_to_pose, film.reference, clip)
        assert not set(HIDDEN) & set(compared_frames(clip.seen, (0, FRAMES)).tolist())
        nothing = Likeness(scene, film.reference.rig, film.model).scores((HIDDEN[0], HIDDEN[-1] + 1))
    assert nothing.shape == (len(HIDDEN), YAW_BINS) and not nothing.any()


def test_a_facing_that_is_a_little_off_is_put_right(film: Film) -> None:
    with film.told.clip as clip:
        scene = Scene.of(film.network.video_to_pose, film.reference, clip)
        likeness, off = Likeness(scene, film.reference.rig, film.model), np.radians(18.0)
        for wrong in (off, -off):
            tried = likeness.aside(film.yaw.double() + wrong, (0, FRAMES))
            assert tried.shape == (FRAMES, len(ASIDE))
            mended = film.yaw.double() + wrong + closer(tried)
            assert off_degrees(mended.numpy(), film.yaw).mean() < 12
        nothing = likeness.aside(film.yaw, (HIDDEN[0], HIDDEN[-1] + 1))
    assert not nothing.any() and closer(nothing).abs().max() < 1e-9


def test_many_frames_are_asked_which_way_a_body_points_aside() -> None:
    """One frame in which something else looks alike does not turn it."""
    likeness = torch.zeros(60, len(ASIDE))
    likeness[:, 5] = 0.05  # two steps aside
    likeness[30] = torch.eye(len(ASIDE))[0] * 0.2
    aside = closer(likeness).rad2deg()
    assert aside.min() > 8 and aside.max() < 15 and aside.diff().abs().max() < 1


def test_a_rig_without_a_body_is_not_compared() -> None:
    rig = make_creature(3).rig
    assert rig.mesh is not None and drawable(rig) is not None
    assert drawable(replace(rig, mesh=None)) is None
    faceless = replace(rig.mesh, faces=rig.mesh.faces[:0], face_materials=None)
    assert drawable(replace(rig, mesh=faceless)) is None


@pytest.mark.parametrize(("length", "count"), [(1, 1), (7, 7), (30, 8), (64, 11)])
def test_some_frames_are_compared_from_first_to_last(length: int, count: int) -> None:
    frames = compared_frames(np.ones(100, bool), (20, 20 + length))
    assert len(set(frames.tolist())) == len(frames) == count
    assert frames[0] == 20 and frames[-1] == 19 + length


def test_scores_between_frames_lie_on_straight_lines() -> None:
    tried = torch.zeros(2, 3)
    tried[0, 0], tried[1, -1] = 1.0, 2.0
    scores = every_frame(tried, np.array([2, 6]), (0, 8))
    assert scores.shape == (8, 3)
    assert scores[0, 0] == 1 and scores[4, 0] == 0.5 and scores[4, -1] == 1 and scores[7, -1] == 2
    alone = every_frame(tried[:1], np.array([2]), (0, 3))
    torch.testing.assert_close(alone, tried[:1].expand(3, -1))


def test_likeness_counts_only_what_one_of_two_pictures_shows() -> None:
    one, other = torch.randn(2, 64, 8, 8, generator=torch.Generator().manual_seed(0)).unbind(0)
    either = torch.zeros(1, 1, 16, 16)
    either[..., :8, :] = 1
    same = one.clone()
    same[:, 4:] = other[:, 4:]  # the lower half differs, and shows nothing
    assert alike(one[None], same[None], either).item() == pytest.approx(1.0, abs=1e-5)
    assert alike(one[None], other[None], either).item() < 0.5
    assert alike(one[None], other[None], torch.zeros_like(either)).item() == 0


def test_a_pose_that_is_a_little_off_is_forgiven() -> None:
    film = torch.randn(1, 64, 8, 8, generator=torch.Generator().manual_seed(0))
    either = torch.ones(1, 1, 16, 16)
    near, far = (torch.roll(film, cells, dims=-1) for cells in (1, 3))
    assert alike(film, near, either).item() > 0.85 > 0.6 > alike(film, far, either).item()


def test_encoders_say_what_pictures_are_compared_by() -> None:
    crops = torch.rand(2, 4, 64, 64)
    with torch.no_grad():
        small, photographs = (build_encoder(name, 24).eval() for name in ("small", "imagenet"))
        torch.testing.assert_close(small.layers(crops)[0], small(crops))
        assert [layer.shape[1] for layer in photographs.layers(crops)] == [24, 40, 112]
