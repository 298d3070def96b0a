"""Corrections of stage 3 are averaged over time: what lasts is kept, what comes and goes is not."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

torch = pytest.importorskip("torch", reason="the extra [network] is not installed")

from eval_helpers import TINY  # noqa: E402
from mocapcli.capturing import refine as refining  # noqa: E402
from mocapcli.capturing.clip import CropClip  # noqa: E402
from mocapcli.capturing.inference import PoseTrack  # noqa: E402
from mocapcli.capturing.refine import iterations_of, refine, steady_turns  # noqa: E402
from mocapcli.errors import MocapError  # noqa: E402
from mocapcli.kinematics import quat_to_matrix  # noqa: E402
from mocapcli.network.model import MotionNetwork  # noqa: E402
from mocapcli.subject.find import Crops  # noqa: E402
from mocapcli.training.filming import reference_of  # noqa: E402
from mocapcli.training.samples import SceneRig  # noqa: E402
from mocapcli.zoo import make_creature  # noqa: E402
from refiner_helpers import film  # noqa: E402

FRAMES, JOINTS = 60, 5
SEEN = np.ones(FRAMES, bool)


def turns(seed: int, size: float, shape: tuple[int, ...] = (FRAMES, JOINTS)) -> Rotation:
    vectors = np.random.default_rng(seed).normal(scale=size, size=(*shape, 3))
    return Rotation.from_rotvec(np.broadcast_to(vectors, (FRAMES, JOINTS, 3)).reshape(-1, 3).copy())


def quaternions(rotation: Rotation) -> np.ndarray:
    return rotation.as_quat().reshape(FRAMES, JOINTS, 4)


def apart(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Degrees."""
    flat = [Rotation.from_quat(each.reshape(-1, 4)) for each in (first, second)]
    return np.degrees((flat[0] * flat[1].inv()).magnitude())


@pytest.mark.parametrize("size", [0.3, 1.8])  # and where turns are nearly half ones, whose quaternions change sign
def test_a_lasting_correction_is_kept_and_jitter_is_not(size: float) -> None:
    before, lasting = turns(0, 1.0), turns(1, size, (1, JOINTS))
    wanted = quaternions(lasting * before)
    assert apart(steady_turns(quaternions(before), wanted, 3.0, SEEN), wanted).max() < 1e-5
    jittery = quaternions(turns(2, 0.1) * lasting * before)
    assert apart(jittery, wanted).mean() > 8
    assert apart(steady_turns(quaternions(before), jittery, 3.0, SEEN), wanted).mean() < 4


def test_frames_that_show_nothing_say_nothing_of_those_beside_them() -> None:
    """There nothing is corrected, which is no reason to correct their neighbours less."""
    before, lasting = turns(0, 1.0), turns(1, 0.3, (1, JOINTS))
    hidden = SEEN.copy()
    hidden[20:32] = False
    wanted = quaternions(lasting * before)
    corrected = np.where(hidden[:, None, None], wanted, quaternions(before))
    assert apart(steady_turns(quaternions(before), corrected, 3.0, hidden)[hidden], wanted[hidden]).max() < 1e-4
    assert apart(steady_turns(quaternions(before), corrected, 3.0, SEEN)[hidden], wanted[hidden]).max() > 4


def test_turns_of_which_halves_do_not_meet_are_none() -> None:
    before = np.tile([0.0, 0.0, 0.0, 1.0], (1, 1, 1))
    assert apart(steady_turns(before, -before, 3.0, SEEN[:1]), before).max() < 1e-6
    assert np.isfinite(steady_turns(before, before, 0.0, SEEN[:1])).all()


def test_refined_poses_are_as_steady_as_those_before(monkeypatch) -> None:
    """The real path of capture around a refiner that is off by another turn in every frame."""
    rig = SceneRig.of(make_creature(1))
    crops, cameras, world = film(rig, frames=FRAMES, side=TINY.side)
    reference = reference_of(rig.asset, TINY.side).rig
    joints = reference.joints
    still = np.tile([0.0, 0.0, 0.0, 1.0], (FRAMES, joints, 1))
    placed, empty = world[..., :3, 3].copy(), np.ones(FRAMES)
    random = np.random.default_rng(0)

    def shaken(refiner, body, images, views, start, iterations, inside):
        out, shape = start.copy(), (len(start), joints, 3)
        vectors = random.normal(scale=0.2, size=shape).reshape(-1, 3)
        out[..., :3, :3] = Rotation.from_rotvec(vectors).as_matrix().reshape(*shape, 3)
        out[..., :3, 3] += 0.1 + random.normal(scale=0.05, size=shape)
        return out

    monkeypatch.setattr(refining, "refine_world", shaken)
    network = MotionNetwork(replace(TINY, stages=("pose", "rotation", "refine"))).eval()
    with CropClip(TINY.side) as clip:
        clip.add(Crops(crops, tuple(cameras), np.ones(FRAMES), np.arange(FRAMES) / 30))
        assert clip.fps == pytest.approx(30)
        pose = PoseTrack(placed, still, placed, placed[..., :2], placed[..., 0], empty, clip.seen, 0.0, reference.size)
        told = []
        found = refine(network, rig.asset.rig, reference, pose, clip, cameras[0], 2, told.append)
        assert refine(network, rig.asset.rig, reference, pose, clip, cameras[0], 0) is pose
    assert sum(told) == FRAMES
    assert found.rotations is not None and found.placed is not None
    steps = np.diff(quat_to_matrix(found.rotations), axis=0)
    assert np.abs(steps).mean() < 0.03
    shift = found.placed - placed
    assert shift.mean() == pytest.approx(0.1, abs=0.01) and np.abs(np.diff(shift, axis=0)).mean() < 0.01


def test_only_models_that_can_refine_do() -> None:
    plain, whole = MotionNetwork(TINY), MotionNetwork(replace(TINY, stages=("pose", "rotation", "refine")))
    assert [iterations_of(plain, None), iterations_of(whole, None), iterations_of(whole, 0)] == [0, 1, 0]
    assert [iterations_of(plain, 0), iterations_of(whole, 3)] == [0, 3]
    with pytest.raises(MocapError, match="no refiner"):
        iterations_of(plain, 3)
