"""Films that show less than the whole subject, or more: matching never makes of a right pose a wrong one."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from matching_helpers import FRAMES, SIDE, SWUNG, camera, clip_of, filmed, off, posed, track
from mocapcli.capturing.match_film import Film
from mocapcli.capturing.match_film import off as off_film
from mocapcli.capturing.match_pose import KNOT
from mocapcli.capturing.matching import Matcher, how_alike, match, runs
from mocapcli.capturing.refine import refine
from mocapcli.network.model import MotionNetwork
from mocapcli.network.reference import RigReference
from mocapcli.render.camera import Camera
from mocapcli.render.scene import Model
from mocapcli.subject.cut import cut_crop, in_picture

pytest_plugins = ["matching_fixtures"]
PICTURES = {"left": (0.0, 0.45), "right": (0.55, 1.0)}  # shares of the crop's width that lie beyond the video's picture


def cut_off(size: float, side: str) -> Camera:
    """A video's camera whose picture ends within the crops."""
    first, last = PICTURES[side]
    crop, beyond = camera(size), int((last - first) * SIDE)
    centre = (SIDE / 2 - (beyond if first == 0 else 0), SIDE / 2)
    return replace(crop, width=SIDE - beyond, centre=centre)


@pytest.mark.parametrize("side", PICTURES)
def test_pixels_of_a_crop_that_the_picture_shows(side: str) -> None:
    """As the crops are cut."""
    full, crop = cut_off(1.0, side), camera(1.0)
    white = np.full((full.height, full.width, 3), 255, np.uint8)
    shown = cut_crop(white, white[..., 0], full, crop)[..., 3] > 127
    np.testing.assert_array_equal(in_picture(full, crop), shown)
    assert 0.5 < shown.mean() < 0.6
    behind = replace(crop, rotation=np.diag([-1.0, 1.0, -1.0]))
    assert not in_picture(full, behind).any()


@pytest.mark.parametrize("side", PICTURES)
def test_what_is_beyond_the_edge_stays_there(
    matcher: Matcher, network: MotionNetwork, model: Model, reference: RigReference, side: str
) -> None:
    """The pose is right to begin with; two fifths of the body are missing, which is no reason to pull it inside."""
    truth, full = posed(reference, SWUNG), cut_off(reference.size, side)
    crops = filmed(model, *truth, reference.size)
    crops[:, ~in_picture(full, camera(reference.size))] = 0
    with clip_of(crops, reference.size) as clip:
        before = track(*truth, reference.size)
        alike = [how_alike(matcher, before, clip, each) for each in (full, camera(reference.size))]
        refined = [
            refine(network, model.rig, reference, before, clip, each, 1) for each in (full, camera(reference.size))
        ]
        matched = match(matcher, refined[0], clip, full)
    assert alike[0] > 0.99 and alike[1] < 0.75
    assert off(refined[0], truth[1]) < 0.04 and off(refined[1], truth[1]) > 0.2
    assert off(matched, truth[1]) < 0.04


def test_nothing_pulls_beyond_the_edge(matcher: Matcher, model: Model, reference: RigReference) -> None:
    """But the spots that are seen, which want a point near."""
    crops = filmed(model, *posed(reference, {}, 1), reference.size)
    inside = np.ones((1, SIDE, SIDE), bool)
    inside[..., SIDE // 2 :] = False
    film = Film.of([camera(reference.size)], crops, matcher.figure.encoder, inside)
    pose = [torch.from_numpy(each).float()[None] for each in posed(reference, {}, 1)]
    drawn = matcher.figure.drawn(film, pose[0], pose[1] / reference.size)
    points = torch.rand(1, drawn.seen.shape[1], 2) * 1.9 - 0.95
    points.requires_grad_()
    hidden = replace(drawn, trust=torch.zeros_like(drawn.trust), seen=torch.zeros_like(drawn.seen))
    nobody = replace(film, spots=torch.full_like(film.spots, -0.99))
    off_film(nobody, hidden, points).backward()
    pulled = points.grad[0].norm(dim=-1) > 1e-9
    beyond = points[0, :, 0].detach() > 0.05
    assert not pulled[beyond].any() and pulled[~beyond].float().mean() > 0.3
    whole = matcher.figure.drawn(replace(film, inside=torch.ones_like(film.inside)), pose[0], pose[1] / reference.size)
    assert 0.2 * whole.seen.sum() < drawn.seen.sum() < 0.8 * whole.seen.sum()


@pytest.mark.parametrize("spoilt", ["a shadow", "a post"])
def test_a_spoilt_outline_spoils_no_pose(matcher: Matcher, model: Model, reference: RigReference, spoilt: str) -> None:
    """The middle of such an outline is not the body's."""
    truth, full = posed(reference, SWUNG), camera(reference.size)
    crops = filmed(model, *truth, reference.size)
    if spoilt == "a shadow":
        crops[:, 70:78, 20:90] = (40, 40, 40, 255)
    else:
        crops[:, :, 56:66] = 0
    with clip_of(crops, reference.size) as clip:
        before = track(*truth, reference.size)
        after = match(matcher, before, clip, full)
        alike = [how_alike(matcher, pose, clip, full) for pose in (before, after)]
    assert alike[1] > alike[0] - 1e-4
    assert off(after, truth[1]) < 0.03


def test_what_lies_on_either_side_of_a_gap_is_not_joined(
    matcher: Matcher, model: Model, reference: RigReference
) -> None:
    """Other poses before and after some frames that show nothing."""
    half, gap = 5, 3 * KNOT
    frames = 2 * half + gap
    seen = np.ones(frames, bool)
    seen[half:-half] = False
    late = np.arange(frames) > half
    swung, straight = posed(reference, SWUNG, frames), posed(reference, {}, frames)
    truth = [
        np.where(late.reshape(-1, *[1] * (each.ndim - 1)), each, other)
        for each, other in zip(swung, straight, strict=True)
    ]
    crops = filmed(model, *truth, reference.size) * seen[:, None, None, None].astype(np.uint8)
    with clip_of(crops, reference.size) as clip:
        after = match(matcher, track(*straight, reference.size, seen), clip, camera(reference.size))
    off_by = [
        np.linalg.norm((each - truth[1])[..., :2], axis=-1).mean(axis=1) / reference.size
        for each in (straight[1], after.placed)
    ]
    assert off_by[1][:half].max() < 0.005, "what was right stays right"
    assert (off_by[1][-half:] < 0.5 * off_by[0][-half:]).all()


def test_runs_end_at_gaps_that_are_longer_than_knots_lie_apart() -> None:
    shown = np.array([2, 3, 5, 5 + KNOT, 6 + 2 * KNOT, 60])
    assert [run.tolist() for run in runs(shown)] == [[2, 3, 5, 5 + KNOT], [6 + 2 * KNOT], [60]]
    assert runs(shown[:0]) == [] and [run.tolist() for run in runs(shown[:1])] == [[2]]
    assert FRAMES > KNOT
