"""From crops to space: with a stage 1 that tells the truth, joints are where they are, in one window or many."""

import numpy as np
import pytest
import torch

from capture_helpers import SIDE, oracle_network, tell, tiny_network, walking
from mocapcli.capturing.inference import infer
from mocapcli.capturing.space import camera_pitch, level
from mocapcli.capturing.windows import takeover, windows
from mocapcli.render.camera import look_at
from mocapcli.training.filming import reference_of

torch.set_num_threads(1)


@pytest.mark.parametrize(("aside", "height"), [(0.0, 1.0), (2.0, 1.0), (-2.0, 3.0), (1.0, 0.2)])
def test_positions_are_exact_in_the_level_frame(aside: float, height: float) -> None:
    asset, motion = walking(aside=aside)
    reference = reference_of(asset, SIDE)
    size = reference.rig.size
    camera = look_at((0.8 * size, height * size, 3 * size), (0.5 * size, 0.2 * size, 0.0), 50.0, 640, 360)
    told = tell(asset, motion, reference.rig, camera)
    with told.clip:
        found = infer(oracle_network(told.estimate), reference, told.clip, told.full, rotate=False)
    off = np.linalg.norm(found.positions - told.positions, axis=-1) / reference.rig.size
    assert off.max() < 0.01  # distance is steadied over time
    np.testing.assert_allclose(found.places, told.pixels, atol=0.01)
    assert found.pitch == pytest.approx(np.arcsin(camera.rotation[1, 2]), abs=1e-4)
    assert (found.facing == found.facing[0]).all()
    shape = found.positions - found.positions.mean(axis=1, keepdims=True)
    truth = told.positions - told.positions.mean(axis=1, keepdims=True)
    assert np.abs(shape - truth).max() / reference.rig.size < 0.01


def test_many_windows_are_as_one_and_their_ends_are_not_used(monkeypatch) -> None:
    """A stage that lies within eight frames of a window's ends, as one that looks eight frames aside might."""
    asset, motion = walking(frames=300)
    reference = reference_of(asset, SIDE)
    size = reference.rig.size
    told = tell(asset, motion, reference.rig, look_at((0.0, size, 5 * size), (0.0, 0.3 * size, 0.0), 60.0, 640, 360))
    network = oracle_network(told.estimate, reach=8)
    monkeypatch.setattr("mocapcli.capturing.windows.CELLS", 1)
    with told.clip:
        found = infer(network, reference, told.clip, told.full, rotate=False)
    spans = [span for span in network.video_to_pose.spans if span[1] - span[0] == 64]
    assert len(spans) > 5
    assert max(last for _, last in spans) == 300  # threads finish in any order
    off = np.linalg.norm(found.positions - told.positions, axis=-1) / size
    assert off.max() < 0.01


def test_frames_that_show_nothing_are_bridged() -> None:
    asset, motion = walking()
    reference = reference_of(asset, SIDE)
    size, hidden = reference.rig.size, (20, 21, 22, 23)
    camera = look_at((0.0, size, 4 * size), (0.0, 0.3 * size, 0.0), 60.0, 640, 360)
    told = tell(asset, motion, reference.rig, camera, hidden)
    told.estimate.depth[:, list(hidden)] += 100.0
    with told.clip:
        found = infer(oracle_network(told.estimate), reference, told.clip, told.full, rotate=False)
    assert not found.seen[list(hidden)].any() and found.seen.sum() == 56
    way = np.linspace(found.positions[19], found.positions[24], 6)
    np.testing.assert_allclose(found.positions[19:25], way, atol=1e-9)
    others = np.delete(np.linalg.norm(found.positions - told.positions, axis=-1), hidden, axis=0)
    assert others.max() / size < 0.01


@pytest.mark.parametrize("pitch", [-0.4, 0.0, 0.3, 1.0])
def test_the_cameras_pitch_from_crops_that_look_aside(pitch: float) -> None:
    random = np.random.default_rng(0)
    backward = random.normal(size=(31, 3)) * [0.3, 0.2, 0] + [0, 0, 1]
    backward /= np.linalg.norm(backward, axis=1, keepdims=True)
    seen = np.ones(31, bool)
    pitches = np.arcsin((level(pitch) @ backward.T)[1])
    pitches[::7] += 1.0  # some are badly wrong
    assert camera_pitch(pitches, backward, seen) == pytest.approx(pitch, abs=1e-6)
    assert level(pitch) @ [0, 0, 1] == pytest.approx([0, np.sin(pitch), np.cos(pitch)])


@pytest.mark.parametrize(("frames", "length", "overlap"), [(1, 64, 24), (64, 64, 24), (65, 64, 24), (300, 64, 24)])
def test_windows_cover_everything_and_their_shares_add_up(frames: int, length: int, overlap: int) -> None:
    done, filled = 0, np.zeros(frames)
    stretches = list(windows(frames, length, overlap))
    assert len({last - first for first, last in stretches}) == 1  # the last does not do again what is done
    for first, last in stretches:
        assert last - first <= min(length, frames)
        assert first == 0 or done - first >= overlap
        share = takeover(first, last, done)
        filled[first:last] += share * (1 - filled[first:last])
        done = last
    assert done == frames
    np.testing.assert_allclose(filled, 1)


def test_a_window_may_take_over_slowly() -> None:
    slowly, usually = takeover(10, 40, 22, blends=1.0), takeover(10, 40, 22)
    assert np.diff(slowly).max() < 0.1 < np.diff(usually).max() and slowly[11] < 1 == usually[8] == slowly[12]
    np.testing.assert_allclose(slowly[:12] + slowly[:12][::-1], 1)


def test_a_real_stage_gives_the_same_in_windows_as_at_once(monkeypatch) -> None:
    """Its temporal attention spans eight frames; so does the middle of the overlap."""
    asset, motion = walking(frames=150)
    reference = reference_of(asset, SIDE)
    size, network = reference.rig.size, tiny_network()
    told = tell(asset, motion, reference.rig, look_at((0.0, size, 4 * size), (0.0, 0.3 * size, 0.0), 60.0, 640, 360))
    with told.clip:
        whole = infer(network, reference, told.clip, told.full)
        monkeypatch.setattr("mocapcli.capturing.windows.CELLS", 1)
        parts = infer(network, reference, told.clip, told.full)
    np.testing.assert_allclose(parts.positions, whole.positions, atol=1e-4 * size)
    dots = np.abs((parts.rotations * whole.rotations).sum(-1))
    assert np.degrees(2 * np.arccos(np.clip(dots, 0, 1))).max() < 1.0
