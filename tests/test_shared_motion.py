"""Noise taken out of places by what joints have in common: motion stays, also that of one joint alone."""

import numpy as np
import pytest
import torch

from mocapcli.data.noise import drift
from mocapcli.evaluation.positions import closed_form
from mocapcli.kinematics import joint_positions, resample
from mocapcli.network.anchors import Anchors
from mocapcli.network.reference import RigReference, batch_rigs, reference_of_asset
from mocapcli.network.shared_motion import FEWEST, steadiness, without_noise
from mocapcli.types import Asset
from mocapcli.zoo import make_creature

FRAMES, NOISE = 48, 0.01


@pytest.fixture(scope="module")
def asset() -> Asset:
    return make_creature(3, "quadruped")


@pytest.fixture(scope="module")
def reference(asset: Asset) -> RigReference:
    return reference_of_asset(asset)


@pytest.fixture(scope="module")
def anchors(reference: RigReference) -> Anchors:
    return batch_rigs([reference], torch.float64).anchors


@pytest.fixture(scope="module")
def truth(asset: Asset, reference: RigReference) -> np.ndarray:
    """Places of a clip, in sizes."""
    motion = resample(asset.motions[0], 30.0)
    places = joint_positions(asset.rig.skeleton, motion) / reference.size
    return np.concatenate([places, places[::-1]])[np.arange(FRAMES) % (2 * len(places))]


def noise(shape: tuple[int, ...], lasting: float = 0.0) -> np.ndarray:
    return NOISE * drift(np.random.default_rng(5).standard_normal(shape), lasting)


def cleaned(places: np.ndarray, anchors: Anchors, told: float = NOISE) -> tuple[np.ndarray, np.ndarray]:
    expected = torch.full(places.shape[:2], told, dtype=torch.float64)[None]
    found, left = without_noise(torch.from_numpy(places)[None], anchors, expected)
    return found[0].numpy(), left[0].numpy()


def off(places: np.ndarray, truth: np.ndarray) -> float:
    return float(np.sqrt(np.square(places - truth).mean()))


@pytest.mark.parametrize(("lasting", "share"), [(0.0, 0.55), (0.8, 0.9)])
def test_noise_goes_and_what_is_left_is_told(truth: np.ndarray, anchors: Anchors, lasting: float, share: float) -> None:
    seen = truth + noise(truth.shape, lasting)
    found, left = cleaned(seen, anchors)
    assert off(found, truth) < share * off(seen, truth)
    assert np.sqrt(np.square(left).mean()) == pytest.approx(off(found, truth), rel=0.3)
    told = steadiness(torch.from_numpy(seen)[None], anchors, torch.full((1, *truth.shape[:2]), NOISE).double())
    assert float(told) == pytest.approx(lasting, abs=0.12)


def test_true_places_stay(truth: np.ndarray, anchors: Anchors) -> None:
    assert off(cleaned(truth, anchors, 0.0)[0], truth) < 1e-4


def test_what_one_joint_does_alone_stays(truth: np.ndarray, anchors: Anchors, reference: RigReference) -> None:
    """A jaw that opens and shuts, faster than anything else moves; its neighbours hold still."""
    jaw = int(np.flatnonzero(~np.isin(np.arange(reference.joints), reference.parents))[0])
    still = np.repeat(truth[:1], FRAMES, axis=0)
    still[:, jaw, 1] += 0.1 * np.sin(np.arange(FRAMES) * 1.3)
    found, _ = cleaned(still + noise(still.shape), anchors)
    assert off(found[:, jaw], still[:, jaw]) < 1.2 * NOISE
    assert off(np.delete(found, jaw, 1), np.delete(still, jaw, 1)) < 0.4 * NOISE


def test_padding_and_short_clips_stay(truth: np.ndarray, reference: RigReference) -> None:
    small = reference_of_asset(make_creature(11))
    both = batch_rigs([reference, small], torch.float64).anchors
    joints = both.mask.shape[1]
    places = torch.zeros(2, FRAMES, joints, 3, dtype=torch.float64)
    places[0, :, : reference.joints] = torch.from_numpy(truth + noise(truth.shape))
    places[1, :, : small.joints] = torch.from_numpy(small.reference_positions / small.size)
    told = torch.full(places.shape[:3], NOISE, dtype=torch.float64)
    found, left = without_noise(places, both, told)
    alone, _ = cleaned(truth + noise(truth.shape), batch_rigs([reference], torch.float64).anchors)
    np.testing.assert_allclose(found[0, :, : reference.joints].numpy(), alone, atol=1e-9)
    for clip, size in enumerate((reference.joints, small.joints)):
        assert torch.equal(found[clip, :, size:], places[clip, :, size:])
        assert torch.equal(left[clip, :, size:], told[clip, :, size:])
    short = without_noise(places[:, : FEWEST - 1], both, told[:, : FEWEST - 1])
    assert torch.equal(short[0], places[:, : FEWEST - 1]) and torch.equal(short[1], told[:, : FEWEST - 1])


def test_rotations_gain(truth: np.ndarray, reference: RigReference) -> None:
    """Of the closed form, which is told the same noise with and without it."""
    seen = (truth + noise(truth.shape)) * reference.size
    true = closed_form(truth * reference.size, reference)
    told = np.full(truth.shape[:2], NOISE * reference.size)

    def turned(world: np.ndarray) -> float:
        cosines = (np.einsum("fjab,fjab->fj", world, true) - 1) / 2
        return float(np.degrees(np.arccos(cosines.clip(-1, 1))).mean())

    assert turned(closed_form(seen, reference)) < 0.8 * turned(closed_form(seen, reference, told))
