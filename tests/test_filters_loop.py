"""Walks that were cut loop again."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from factories import make_skeleton
from filters_helpers import HORIZONTAL, noisy, places, walker
from mocapcli.filters.feet import rig_height
from mocapcli.filters.loop import make_loop
from mocapcli.filters.travel import carrier, in_place
from mocapcli.kinematics import crop, motion_world
from mocapcli.types import Asset, Motion, Rig


def seam(motion: Motion, asset: Asset) -> tuple[float, float]:
    """Gap between last and first frame, and the jump of speed there, the way of the body aside; relative to size."""
    track = places(motion, asset)
    body = carrier(asset.rig.skeleton, asset.motions[0])
    track = np.concatenate([track, track[1:3] + (track[-1, body] - track[0, body]) * HORIZONTAL])
    size = rig_height(asset.rig.skeleton)
    last = motion.frames - 1
    gap = track[last] - track[0] - (track[last, body] - track[0, body]) * HORIZONTAL
    jump = track[last + 1] - 2 * track[last] + track[last - 1]
    usual = np.abs(np.diff(track[: last + 1], 2, axis=0)).max()
    return float(np.abs(gap).max() / size), float(np.abs(jump).max() / max(usual, 1e-4 * size))


@pytest.mark.parametrize("kind", ["biped", "quadruped", "bird", "insect"])
@pytest.mark.parametrize("root", ["drift", "in-place"])
def test_a_cut_walk_loops_again(kind, root):
    asset = walker(kind)
    walk = asset.motions[0]
    part = crop(walk, 0.13, walk.duration * 0.85)
    assert seam(part, asset)[0] > 0.01
    loop = make_loop(part, asset.rig, root=root)
    gap, jump = seam(loop, asset)
    assert gap < 1e-9
    assert jump < 1.2
    assert loop.frames >= part.frames // 2
    travel = [
        np.linalg.norm(
            np.diff(places(clip, asset)[:, carrier(asset.rig.skeleton, asset.motions[0])] * HORIZONTAL, axis=0), axis=-1
        )
        for clip in (part, loop)
    ]
    assert travel[1].mean() == pytest.approx(0 if root == "in-place" else travel[0].mean(), rel=0.15, abs=1e-5)


def test_a_loop_stays_as_it_is():
    asset = walker("biped")
    loop = make_loop(asset.motions[0], asset.rig)
    assert loop.frames == asset.motions[0].frames
    away = np.linalg.norm(places(loop, asset) - places(asset.motions[0], asset), axis=-1)
    assert away.max() / rig_height(asset.rig.skeleton) < 0.01


def test_search_finds_the_period():
    """Two and a half turns of a swing with a different pose at either end: whole turns are kept."""
    skeleton = make_skeleton(4)
    time = np.arange(76) / 30
    swing = Rotation.from_rotvec(np.repeat(np.sin(2 * np.pi * time), 4)[:, None] * [0.5, 0.2, 0.1])
    rotations = (Rotation.from_quat(np.tile(skeleton.rest_rotations, (76, 1))) * swing).as_quat().reshape(76, 4, 4)
    motion = Motion("swing", 30.0, rotations, np.tile(skeleton.rest_translations, (76, 1, 1)))
    assert (make_loop(motion, Rig(skeleton)).frames - 1) % 30 == 0
    assert make_loop(motion, Rig(skeleton), search=False).frames == 76


def test_a_bend_goes_on_bending():
    """The end of the loop is its beginning, turned and moved along: a circle walked on."""
    asset = walker("biped")
    walk = in_place(asset.motions[0], asset.rig)
    yaw = np.linspace(0, 1.2, walk.frames)
    turns = Rotation.from_rotvec(yaw[:, None] * [0, 1.0, 0])
    rotations, translations = np.array(walk.rotations), np.array(walk.translations)
    rotations[:, 0] = (turns * Rotation.from_quat(rotations[:, 0])).as_quat()
    centre = np.array([2.0, 0, 0])
    translations[:, 0] = turns.apply(translations[:, 0] - centre) + centre
    bend = noisy(replace(walk, rotations=rotations, translations=translations), 3.0, 0.01)
    loop = make_loop(bend, asset.rig, search=False)
    world = motion_world(asset.rig.skeleton, loop)
    stride = world[-1, 0] @ np.linalg.inv(world[0, 0])
    np.testing.assert_allclose(world[-1], stride @ world[0], atol=1e-6)
    np.testing.assert_allclose(stride[1, [0, 2, 3]], 0, atol=1e-6)
    turned = np.arctan2(stride[0, 2], stride[0, 0])
    assert turned == pytest.approx(1.2, abs=0.3)
