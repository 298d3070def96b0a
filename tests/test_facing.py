"""Which way a body faces along a clip: one path of bins, then between them."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra [network] is not installed")

from mocapcli.capturing.report import facing_changes  # noqa: E402
from mocapcli.network.views import YAW_BINS, between_bins, bins_to_yaw, decide_facing, likely_facings, wrap, yaw_to_bins  # noqa: E402


def test_facing_is_decided_along_the_clip() -> None:
    """One frame that is sure of the wrong way does not turn a body round."""
    yaw = torch.zeros(20)
    logits = 6 * yaw_to_bins(yaw)
    logits[10] = 8 * yaw_to_bins(torch.tensor(3.14159))
    assert logits[10].argmax() == 12
    assert (decide_facing(logits) == 0).all()


def test_a_body_that_falls_may_face_the_other_way_from_there() -> None:
    """Over half a clip is evidence enough, and dearer than a turn within one frame."""
    behind = 8 * yaw_to_bins(torch.full((10,), 3.14159))
    logits = torch.cat([8 * yaw_to_bins(torch.zeros(10)), behind])
    assert decide_facing(logits).tolist() == [0] * 10 + [12] * 10


@pytest.mark.parametrize("degrees", [3.0, 97.0, 188.0, 357.0])
def test_a_facing_lies_between_bins(degrees: float) -> None:
    """Bins are 15° apart; the labels that the network learns say more than which is nearest."""
    yaw = torch.full((30,), math.radians(degrees))
    logits = 2 * yaw_to_bins(yaw).log()
    found = between_bins(logits, decide_facing(logits))
    assert wrap(found - yaw).abs().max() < math.radians(2.5)
    assert found.min() >= 0 and found.max() < 2 * math.pi


def test_a_body_that_turns_is_followed_without_steps() -> None:
    yaw = torch.linspace(1.0, 2.5, 90)
    logits = 2 * yaw_to_bins(yaw).log()
    path = decide_facing(logits)
    found = between_bins(logits, path)
    assert wrap(found - yaw).abs().mean() < 0.3 * wrap(bins_to_yaw(path) - yaw).abs().mean()
    assert wrap(found.diff()).abs().max() < math.radians(5)  # a bin is 15° wide


def test_frames_that_show_nothing_keep_to_their_path() -> None:
    path = torch.full((40,), 5)
    assert between_bins(torch.zeros(40, YAW_BINS), path).allclose(bins_to_yaw(path).double())


def test_a_report_notes_turns_and_no_tremor() -> None:
    facing = np.radians([10.0, 11.0, 9.0, 20.0, 21.0, 359.0, 2.0])
    assert facing_changes(facing, np.arange(7) / 10) == ((0.0, 10.0), (0.3, 20.0), (0.5, 359.0))


def test_a_clip_may_speak_for_two_facings() -> None:
    """And is asked only where it shows the subject."""
    yaw, other = torch.tensor(1.0), torch.tensor(1.0 + 2.6)
    sure, open_ = torch.ones(20, dtype=torch.bool), (0.6 * yaw_to_bins(yaw) + 0.4 * yaw_to_bins(other)).expand(20, -1)
    first, second = likely_facings(open_.clamp_min(1e-3).log(), sure)
    assert wrap(first - yaw).abs().max() < 0.1 and wrap(second - other).abs().max() < 0.1
    plain = (open_.clamp_min(1e-6).log() + 20 * yaw_to_bins(yaw)).clone()
    assert len(likely_facings(plain, sure)) == 1
    plain[:16] = 0
    assert len(likely_facings(plain, sure)) == 2
    assert len(likely_facings(plain, torch.arange(20) >= 16)) == 1
    assert len(likely_facings(plain, ~sure)) == 1
