"""Stage 3 on clips, as capture uses it; models with and without it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra [network] is not installed")

from mocapcli.errors import InvalidDataError, ReadError  # noqa: E402
from mocapcli.network.model import MotionNetwork, load_network, save_network  # noqa: E402
from mocapcli.network.reference import batch_rigs  # noqa: E402
from mocapcli.network.refiner import Refiner  # noqa: E402
from mocapcli.network.refiner_body import Body, surface_weights  # noqa: E402
from mocapcli.network.refiner_run import RUN, refine_world  # noqa: E402
from mocapcli.training.samples import SceneRig  # noqa: E402
from refiner_helpers import NETWORK, SMALL, film, random_refiner  # noqa: E402

pytest_plugins = ["training_fixtures"]


@pytest.mark.parametrize("number", [1, 2])
def test_refining_a_clip(rigs: list[SceneRig], number: int) -> None:
    body, (crops, cameras, world) = Body.of(rigs[number].model), film(rigs[number])
    assert np.array_equal(refine_world(random_refiner(), body, crops, cameras, world, 0), world)
    untrained = refine_world(Refiner(SMALL).eval(), body, crops, cameras, world, 3)
    assert untrained[..., :3, :3] == pytest.approx(world[..., :3, :3], abs=1e-5)
    assert untrained == pytest.approx(world, abs=0.03 * body.reference.size)  # settled, less than a pixel away
    refined = refine_world(random_refiner(), body, crops, cameras, world, 2)
    assert np.isfinite(refined).all() and np.abs(refined - world).max() > 1e-3
    turns = refined[..., :3, :3]
    assert turns @ np.swapaxes(turns, -1, -2) == pytest.approx(np.broadcast_to(np.eye(3), turns.shape), abs=1e-6)
    children = np.flatnonzero(body.reference.parents >= 0)
    before, after = (_offsets(pose, body.reference.parents, children) for pose in (world, refined))
    assert after == pytest.approx(before, abs=1e-4 * body.reference.size)


def _offsets(world: np.ndarray, parents: np.ndarray, children: np.ndarray) -> np.ndarray:
    """Joints' places in their parents' frames."""
    return (np.linalg.inv(world[:, parents[children]]) @ world[:, children])[..., :3, 3]


def test_the_world_may_lie_anywhere(rigs: list[SceneRig]) -> None:
    body, (crops, cameras, world) = Body.of(rigs[1].model), film(rigs[1])
    moved = np.eye(4)
    moved[:3, 3] = [3.0, -2.0, 5.0]
    moved[:3, :3] = [[0, 0, 1], [0, 1, 0], [-1, 0, 0]]
    others = [
        replace(camera, position=(moved @ [*camera.position, 1])[:3], rotation=moved[:3, :3] @ camera.rotation)
        for camera in cameras
    ]
    refiner = random_refiner()
    here = refine_world(refiner, body, crops, cameras, world)
    there = refine_world(refiner, body, crops, others, moved @ world)
    assert there == pytest.approx(moved @ here, abs=1e-3)


def test_frames_without_a_subject_stay_and_large_crops_are_shrunk(rigs: list[SceneRig]) -> None:
    body, (crops, cameras, world) = Body.of(rigs[1].model), film(rigs[1], frames=4, side=80)
    crops[1] = 0
    refined = refine_world(random_refiner(), body, crops, cameras, world)
    assert np.array_equal(refined[1], world[1])
    assert not np.array_equal(refined[2], world[2])


def test_long_clips_have_no_seams(rigs: list[SceneRig]) -> None:
    body, (crops, cameras, world) = Body.of(rigs[0].model), film(rigs[0], frames=1, side=32)
    frames = RUN + 5
    crops, world, cameras = (np.repeat(crops, frames, 0), np.repeat(world, frames, 0), cameras * frames)
    refined = refine_world(random_refiner(replace(SMALL, side=32)), body, crops, cameras, world, 1)
    inner = refined[10:-10]
    assert np.abs(inner - inner[:1]).max() < 1e-4


def test_what_does_not_fit_is_refused(rigs: list[SceneRig]) -> None:
    body, (crops, cameras, world) = Body.of(rigs[1].model), film(rigs[1])
    refiner = Refiner(SMALL)
    for arguments, problem in (
        ((crops, cameras[:2], world), "do not fit together"),
        ((crops, cameras, world[:, :3]), "joints"),
        ((crops, [camera.resized(20, 20) for camera in cameras], world), "sizes differ"),
    ):
        with pytest.raises(InvalidDataError, match=problem):
            refine_world(refiner, body, *arguments)
    with pytest.raises(InvalidDataError, match="iterations"):
        refine_world(refiner, body, crops, cameras, world, -1)


def test_models_with_and_without_the_stage(tmp_path: Path) -> None:
    config = replace(NETWORK, stages=("refine",))
    network = MotionNetwork(config)
    save_network(tmp_path / "with", config, network.state_dict())
    loaded = load_network(tmp_path / "with", "refine")
    assert loaded.refiner is not None
    for name, value in network.refiner.state_dict().items():  # type: ignore[union-attr]
        torch.testing.assert_close(loaded.refiner.state_dict()[name], value, rtol=1e-3, atol=1e-6)  # half precision
    with pytest.raises(ReadError, match="pose"):
        load_network(tmp_path / "with", "pose")
    plain = replace(NETWORK, stages=("pose", "rotation"))
    save_network(tmp_path / "without", plain, MotionNetwork(plain).state_dict())
    assert load_network(tmp_path / "without").refiner is None
    with pytest.raises(ReadError, match="refine"):
        load_network(tmp_path / "without", "refine")


def test_configurations_from_before_the_stage_still_load(tmp_path: Path) -> None:
    plain = replace(NETWORK, stages=("pose", "rotation"))
    save_network(tmp_path, plain, MotionNetwork(plain).state_dict())
    content = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    del content["network"]["refiner"]
    (tmp_path / "config.json").write_text(json.dumps(content), encoding="utf-8")
    assert load_network(tmp_path).refiner is None


def test_surface_weights_are_padded(rigs: list[SceneRig]) -> None:
    bodies = [Body.of(rig.model) for rig in rigs[:2]]
    rig = batch_rigs([body.reference for body in bodies])
    weights = surface_weights(bodies, rig)
    assert weights.shape == (2, len(bodies[0].sample.shares), rig.mask.shape[1])
    assert not weights[~rig.mask[:, None].expand_as(weights)].any()
