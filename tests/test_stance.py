"""How a body stands: which way it faces and where its up points; and bodies that fall."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra [network] is not installed")

from mocapcli.network.reference import batch_rigs, reference_of_rig  # noqa: E402
from mocapcli.network.video_to_pose import VideoToPose, VideoToPoseConfig, _turned_rest  # noqa: E402
from mocapcli.network.views import stance_of, tip_matrix, turn_matrix, wrap  # noqa: E402
from mocapcli.training.samples import SceneRig, fall  # noqa: E402
from mocapcli.zoo import make_creature  # noqa: E402

EVERY = torch.ones(1, 30, dtype=torch.bool)


def test_a_facing_and_a_tipped_up_are_told_apart() -> None:
    random = torch.Generator().manual_seed(0)
    rest = torch.randn(1, 30, 3, generator=random)
    up = torch.nn.functional.normalize(torch.randn(50, 3, generator=random) + torch.tensor([0, 1.0, 0]), dim=-1)
    yaw = torch.linspace(-3, 3, 50)
    turned = rest[:, None] @ (tip_matrix(up) @ turn_matrix(yaw))[None].transpose(-1, -2)
    told, pointing = stance_of(turned + torch.tensor([5.0, -2.0, 1.0]), rest, EVERY)
    assert wrap(told[0] - yaw).abs().max() < 0.1
    assert (pointing[0] * up).sum(-1).min() > 0.98


def test_who_falls_goes_on_facing_where_he_faced() -> None:
    """A quarter over backwards: seen from above his feet are where his face was, yet the facing stays."""
    rest = torch.tensor([[[x, y, 0.05 * (y > 1.5)] for x in (-0.2, 0.2) for y in (0.0, 0.5, 1.0, 1.6, 1.7)]])
    back = torch.tensor([0.0, 0.0, -1.0])
    yaw, up = stance_of(rest[:, None] @ tip_matrix(back).T, rest, EVERY[:, :10])
    assert yaw.abs().max() < 0.05
    assert (up[0, 0] @ back) > 0.98


def test_a_snake_is_upright_however_it_rolls() -> None:
    along = torch.linspace(-1, 1, 30)
    rest = torch.stack([0.02 * torch.sin(9 * along), 0.02 * torch.cos(7 * along), along], dim=-1)[None]
    rolled = rest[:, None] @ tip_matrix(torch.tensor([1.0, 0.0, 0.0])).T
    assert stance_of(rolled, rest, EVERY)[1][0, 0, 1] > 0.98


def test_upside_down_is_a_turn_too() -> None:
    over = tip_matrix(torch.tensor([[0.0, -1.0, 0.0], [1e-3, -1.0, 1e-3]]))
    torch.testing.assert_close(over @ over.transpose(-1, -2), torch.eye(3).expand(2, 3, 3), atol=1e-3, rtol=0)
    torch.testing.assert_close(over[:, :, 1], torch.tensor([0.0, -1.0, 0.0]).expand(2, 3), atol=2e-3, rtol=0)


def test_a_rig_is_shown_to_the_network_as_the_body_stands() -> None:
    rig = batch_rigs([reference_of_rig(make_creature(5, "quadruped").rig)])
    shown = [_turned_rest(rig, torch.zeros(1, 1), torch.tensor([[up]]))[0, 0] for up in ([0.0, 1, 0], [1.0, 0, 0])]
    upright, lying = (values[:, :3] for values in shown)
    torch.testing.assert_close(torch.cdist(upright, upright), torch.cdist(lying, lying), atol=1e-3, rtol=0)
    spans = [values.amax(0) - values.amin(0) for values in (upright, lying)]
    assert spans[1][0] > 1.2 * spans[0][0]  # as wide now as it was tall


def test_who_has_learnt_nothing_takes_bodies_to_be_upright() -> None:
    network = VideoToPose(VideoToPoseConfig(channels=16, heads=2))
    assert not network.tipping(torch.randn(1, 2, 32)).any()


def test_a_body_falls_further_and_further_until_it_lies() -> None:
    ends = []
    for seed in range(40):
        turns = fall(np.random.default_rng(seed), 30, 15.0)[:, 0, :3, :3]
        assert np.allclose(turns @ np.swapaxes(turns, -1, -2), np.eye(3), atol=1e-9)
        over = np.degrees(np.arccos(np.clip(turns[:, 1, 1], -1, 1)))
        assert (np.diff(over) > -1e-3).all()
        ends.append(over[-1])
    assert np.mean(np.array(ends) > 45) > 0.7 and max(ends) < 165


def test_real_clips_fall_in_the_share_that_is_asked_for() -> None:
    rig = SceneRig.of(make_creature(5, "quadruped"))
    random = np.random.default_rng(3)
    lies = [
        np.mean(
            [rig.pose(random, 1, 1.0, 15.0, falls)[0, 0, 1, :3] @ rig.sampler.rest[0, 1, :3] < 0.5 for _ in range(60)]
        )
        for falls in (0.0, 0.5, 1.0)
    ]
    assert lies[0] == 0 and 0.1 < lies[1] < 0.6 and lies[2] > 0.5
