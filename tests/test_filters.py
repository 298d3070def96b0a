"""Filters: noise goes, feet stand, loops close; what is good already stays, and odd clips pass through."""

import re
import types
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from cli_helpers import run
from factories import make_asset, make_motion, make_skeleton
from mocapcli import Filter, Option, hookimpl, read_asset, write_asset
from mocapcli.errors import InvalidDataError, PluginError, UsageError
from mocapcli.filters.chain import apply_filters, filter_asset, parse_filters
from mocapcli.filters.contact import lock_contacts
from mocapcli.filters.decimate import decimate
from mocapcli.filters.feet import find_feet, find_stands, rig_height
from mocapcli.filters.ground import ground, lowest_height
from mocapcli.filters.loop import make_loop
from mocapcli.filters.records import FILTERS
from mocapcli.filters.smooth import smooth
from mocapcli.filters.travel import carrier, in_place, travellers
from mocapcli.kinematics import continuous, crop, joint_positions, motion_world, sample
from mocapcli.types import Asset, Motion, Rig, Skeleton
from mocapcli.zoo import make_creature

NAMES = ("contact", "decimate", "ground", "in-place", "loop", "smooth")
EVERY = (*NAMES, "smooth:method=one-euro", "loop:root=in-place", "loop:search=no", "in-place:sway=yes")
HORIZONTAL = np.array([1.0, 0.0, 1.0])


@lru_cache
def walker(kind: str = "quadruped", seed: int = 1) -> Asset:
    asset = make_creature(seed, kind)
    return asset.with_motions(asset.motions[:1])


def places(motion: Motion, asset: Asset) -> np.ndarray:
    return joint_positions(asset.rig.skeleton, motion)


def noisy(motion: Motion, degrees: float, metres: float, seed: int = 0) -> Motion:
    rng = np.random.default_rng(seed)
    turns = Rotation.from_rotvec(rng.normal(0, np.radians(degrees), (motion.frames * motion.joints, 3)))
    rotations = (Rotation.from_quat(motion.rotations.reshape(-1, 4)) * turns).as_quat()
    translations = np.array(motion.translations)
    translations[:, 0] += rng.normal(0, metres, (motion.frames, 3))
    return replace(motion, rotations=continuous(rotations.reshape(motion.rotations.shape)), translations=translations)


def angles(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    apart, near = np.linalg.norm(second - first, axis=-1), np.linalg.norm(second + first, axis=-1)
    return 4 * np.arctan2(np.minimum(apart, near), np.maximum(apart, near))


def one(text: str):
    return parse_filters([text])


# ---------------------------------------------------------------- asked for


def test_parse_filters_gives_every_option():
    (step,) = one(" smooth : strength = 0.25 , method=one-euro ".replace(" : ", ":"))
    assert step.filter.name == "smooth"
    assert step.options == {"strength": 0.25, "method": "one-euro", "cutoff": 0.0}
    (step,) = one("loop:search=no")
    assert step.options["search"] is False
    assert [step.filter.name for step in parse_filters(["loop", "smooth", "loop"])] == ["loop", "smooth", "loop"]
    assert parse_filters([]) == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("blur", r"no filter called 'blur' \(known: contact, decimate, ground, in-place, loop, smooth\)"),
        ("", "no filter called ''"),
        ("smooth:power=1", r"no option 'power' \(it has strength=0.5, method=butterworth, cutoff=0.0\)"),
        ("smooth:strength", "strength needs a value"),
        ("smooth:strength=0.1,strength=0.2", "strength is told twice"),
        ("smooth:strength=much", "strength must be a number, not 'much'"),
        ("smooth:strength=nan", "strength must be a number, not 'nan'"),
        ("smooth:strength=2", "strength must be 0 to 1, not '2'"),
        ("smooth:strength=", "strength must be a number, not ''"),
        ("smooth:method=median", "method must be butterworth or one-euro, not 'median'"),
        ("loop:search=perhaps", "search must be yes or no, not 'perhaps'"),
    ],
)
def test_what_makes_no_sense_is_said(text, message):
    with pytest.raises(UsageError, match=message):
        one(text)


def test_without_filters_nothing_is_touched():
    asset = walker()
    assert filter_asset(asset, []) is asset
    assert apply_filters(asset.motions[0], asset.rig, []) is asset.motions[0]


def test_filters_run_in_order(toy):
    class Two:
        @hookimpl
        def register_filters(self, register):
            register(Filter("double", "twice as far", lambda m, rig: replace(m, translations=m.translations * 2)))
            register(
                Filter(
                    "add",
                    "further",
                    lambda m, rig, by: replace(m, translations=m.translations + by),
                    (Option("by", 1, "how far"),),
                )
            )

    toy.manager.register(Two(), name="two")
    asset = make_asset(3, frames=2)
    motion = asset.motions[0]
    (step,) = one("add:by=3")
    assert step.options == {"by": 3}
    with pytest.raises(UsageError, match=r"by must be a whole number, not '1\.5'"):
        one("add:by=1.5")
    both = apply_filters(motion, asset.rig, parse_filters(["add", "double"]))
    np.testing.assert_array_equal(both.translations, (motion.translations + 1) * 2)


def test_a_filter_that_returns_nonsense_is_named(toy):
    class Bad:
        @hookimpl
        def register_filters(self, register):
            register(Filter("bad", "bad", lambda m, rig: None))

    toy.manager.register(Bad(), name="bad")
    asset = make_asset()
    with pytest.raises(PluginError, match="filter 'bad' gives no clip of 5 joints"):
        filter_asset(asset, one("bad"))


@pytest.mark.parametrize("name", [name for name in NAMES if name != "smooth"])
def test_a_clip_of_another_rig_is_refused(name):
    motion = make_motion(make_skeleton(4))
    with pytest.raises(InvalidDataError, match=f"filter '{name}', clip 'clip': the clip drives 4 joints"):
        apply_filters(motion, make_asset(5).rig, one(name))


# ---------------------------------------------------------------- convert


def test_convert_filters_every_clip(toy, tmp_path, capsys):
    source, target = tmp_path / "a.toy", tmp_path / "b.toy"
    write_asset(source, make_asset(clips=2, mesh=False, frames=9))
    code, _, err = run(capsys, "convert", source, target, "--filter", "in-place", "--filter", "ground:by=joints")
    assert (code, err) == (0, "")
    result = read_asset(target)
    assert len(result.motions) == 2
    for motion in result.motions:
        assert lowest_height(motion, result.rig) == pytest.approx(0, abs=1e-6)
        body = places(motion, result)[:, carrier(result.rig.skeleton, motion)]
        assert np.ptp(body[:, [0, 2]], axis=0).max() < 1e-6


def test_convert_without_filter_is_the_same_to_the_bit(toy, tmp_path, capsys):
    source, target = tmp_path / "a.toy", tmp_path / "b.toy"
    write_asset(source, make_asset(clips=2, mesh=False))
    assert run(capsys, "convert", source, target)[0] == 0
    assert target.read_bytes() == source.read_bytes()


def test_convert_says_what_is_wrong_with_a_filter(toy, tmp_path, capsys):
    source = tmp_path / "a.toy"
    write_asset(source, make_asset(mesh=False))
    code, _, err = run(capsys, "convert", source, tmp_path / "b.toy", "--filter", "blur")
    assert code == 2
    assert "no filter called 'blur'" in err
    assert not (tmp_path / "b.toy").exists()


# ---------------------------------------------------------------- every filter


@pytest.mark.parametrize("text", EVERY)
@pytest.mark.parametrize("frames", [1, 2, 3, 4])
@pytest.mark.parametrize("joints", [1, 2, 9])
def test_short_clips_and_small_rigs_pass(text, frames, joints):
    asset = make_asset(joints, frames=frames, mesh=joints > 1, scaled=True, translated=True)
    motion = apply_filters(asset.motions[0], asset.rig, one(text))
    assert motion.joints == joints
    assert motion.scales is not None
    assert (motion.name, frames == 1 or motion.frames > 1) == ("clip0", True)
    np.testing.assert_allclose(np.linalg.norm(motion.rotations, axis=-1), 1, atol=1e-12)


def constant(asset: Asset, frames: int = 20) -> Motion:
    motion = asset.motions[0]
    return Motion(
        "still", 30.0, np.repeat(motion.rotations[3:4], frames, 0), np.repeat(motion.translations[3:4], frames, 0)
    )


@pytest.mark.parametrize("text", [text for text in EVERY if not text.startswith(("ground", "decimate", "loop"))])
def test_a_motion_that_stands_still_is_unchanged(text):
    asset = walker()
    still = constant(asset)
    motion = apply_filters(still, asset.rig, one(text))
    np.testing.assert_array_equal(motion.rotations, still.rotations)
    np.testing.assert_array_equal(motion.translations, still.translations)


def test_a_still_motion_decimates_to_two_frames_and_loops_as_it_is():
    asset = walker()
    still = constant(asset)
    thin = decimate(still, asset.rig)
    assert (thin.frames, thin.duration) == (2, pytest.approx(still.duration))
    loop = make_loop(still, asset.rig)
    np.testing.assert_allclose(places(loop, asset), places(still, asset)[: loop.frames], atol=1e-12)


@pytest.mark.parametrize("text", EVERY)
def test_several_roots(text):
    first, second = walker().rig.skeleton, make_skeleton(4, seed=3)
    parents = np.r_[first.parents, np.where(second.parents < 0, -1, second.parents + first.joints)]
    skeleton = Skeleton(
        (*(f"a{n}" for n in range(first.joints)), *(f"b{n}" for n in range(4))),
        parents,
        np.r_[first.rest_translations, second.rest_translations],
        np.r_[first.rest_rotations, second.rest_rotations],
    )
    walk = walker().motions[0]
    other = make_motion(second, walk.frames, walk.fps)
    motion = Motion(
        "two",
        walk.fps,
        np.concatenate([walk.rotations, other.rotations], axis=1),
        np.concatenate([walk.translations, other.translations], axis=1),
    )
    filtered = apply_filters(motion, Rig(skeleton), one(text))
    assert filtered.joints == skeleton.joints
    jumps = np.abs(np.diff(joint_positions(skeleton, filtered), axis=0)).max()
    assert jumps < 3 * np.abs(np.diff(joint_positions(skeleton, motion), axis=0)).max()


@pytest.mark.parametrize("text", EVERY)
def test_inputs_are_left_alone_and_results_are_read_only(text):
    asset = walker("biped")
    before = asset.motions[0].rotations.copy(), asset.motions[0].translations.copy()
    motion = apply_filters(asset.motions[0], asset.rig, one(text))
    np.testing.assert_array_equal(before[0], asset.motions[0].rotations)
    np.testing.assert_array_equal(before[1], asset.motions[0].translations)
    assert not motion.rotations.flags.writeable


# ---------------------------------------------------------------- smooth


@pytest.mark.parametrize(("method", "factor"), [("butterworth", 1.6), ("one-euro", 1.6)])
def test_noise_goes_down(method, factor):
    asset = walker()
    clean = asset.motions[0]
    rough = noisy(clean, 2.0, 0.01)
    calm = smooth(rough, method=method)
    before, after = (angles(motion.rotations, clean.rotations).mean() for motion in (rough, calm))
    assert before / after > factor
    jerk = [np.abs(np.diff(places(motion, asset), 3, axis=0)).mean() for motion in (rough, calm)]
    assert jerk[0] / jerk[1] > 4


@pytest.mark.parametrize(("method", "worst", "mean"), [("butterworth", 0.004, 0.0005), ("one-euro", 0.015, 0.003)])
@pytest.mark.parametrize("kind", ["biped", "quadruped"])
def test_a_clean_walk_hardly_changes(kind, method, worst, mean):
    asset = walker(kind)
    away = places(smooth(asset.motions[0], method=method), asset) - places(asset.motions[0], asset)
    size = np.linalg.norm(np.ptp(places(asset.motions[0], asset)[0], axis=0))
    distances = np.linalg.norm(away, axis=-1) / size
    assert distances.max() < worst
    assert distances.mean() < mean


@pytest.mark.parametrize("method", ["butterworth", "one-euro"])
def test_no_lag(method):
    """A symmetric pulse stays symmetric about the same frame, in rotation and in translation."""
    frames, middle = 61, 30
    pulse = np.exp(-(((np.arange(frames) - middle) / 4.0) ** 2))
    skeleton = make_skeleton(2)
    rotations = Rotation.from_rotvec(np.repeat(pulse, 2)[:, None] * [0.3, 0.5, -0.2]).as_quat().reshape(frames, 2, 4)
    translations = skeleton.rest_translations + pulse[:, None, None] * np.array([0.2, 0.1, 0.3])
    calm = smooth(Motion("pulse", 30.0, rotations, translations), strength=0.8, method=method)
    np.testing.assert_allclose(calm.translations, calm.translations[::-1], atol=1e-12)
    np.testing.assert_allclose(angles(calm.rotations, calm.rotations[::-1]), 0, atol=1e-7)
    assert np.argmax(calm.translations[:, 0, 0]) == middle
    turned = Rotation.from_quat(calm.rotations[:, 0]).magnitude()
    assert np.argmax(turned) == middle
    assert turned[middle] < 0.9 * Rotation.from_quat(rotations[middle, 0]).magnitude()


@pytest.mark.parametrize("method", ["butterworth", "one-euro"])
def test_ends_and_scales_are_kept(method):
    asset = make_asset(frames=40, scaled=True, translated=True)
    rough = noisy(asset.motions[0], 3.0, 0.05)
    calm = smooth(rough, strength=1.0, method=method)
    np.testing.assert_array_equal(calm.translations[[0, -1]], rough.translations[[0, -1]])
    np.testing.assert_allclose(angles(calm.rotations[[0, -1]], rough.rotations[[0, -1]]), 0, atol=1e-7)
    np.testing.assert_array_equal(calm.scales, rough.scales)
    assert np.abs(calm.translations - rough.translations).max() > 0.01


def test_strength_nothing_is_nothing_and_more_is_more():
    rough = noisy(walker().motions[0], 2.0, 0.01)
    assert smooth(rough, strength=0.0) is rough
    left = [np.abs(np.diff(smooth(rough, strength=s).rotations, 2, axis=0)).sum() for s in (0.2, 0.5, 0.9)]
    assert left[0] > left[1] > left[2]
    np.testing.assert_array_equal(
        smooth(rough, strength=0.9, cutoff=6.0).rotations, smooth(rough, cutoff=6.0).rotations
    )


@pytest.mark.parametrize("turns_a_second", [0.5, 3.0])
def test_steady_spin_stays_and_fast_spin_never_breaks(turns_a_second):
    """A wheel is no noise: whole turns survive though no angle can be filtered."""
    frames = 91
    angle = 2 * np.pi * turns_a_second * np.arange(frames) / 30
    rotations = Rotation.from_rotvec(angle[:, None] * [0, 0, 1]).as_quat()[:, None]
    wheel = Motion("wheel", 30.0, rotations, np.zeros((frames, 1, 3)))
    for strength in (0.5, 1.0):
        away = angles(smooth(wheel, strength).rotations, rotations)[10:-10]
        assert away.max() < 0.35
    assert angles(smooth(wheel).rotations, rotations)[10:-10].mean() < 0.02


@given(st.integers(0, 1000), st.floats(0, 1), st.sampled_from(["butterworth", "one-euro"]))
def test_smoothing_does_not_depend_on_local_axes(seed, strength, method):
    rng = np.random.default_rng(seed)
    motion = noisy(make_motion(make_skeleton(3), 15), 5.0, 0.1, seed)
    gauge = Rotation.from_rotvec(rng.normal(size=3))

    def turned(clip: Motion) -> Motion:
        return replace(
            clip,
            rotations=(Rotation.from_quat(clip.rotations.reshape(-1, 4)) * gauge).as_quat().reshape(15, 3, 4),
        )

    one_way, other_way = turned(smooth(motion, strength, method)), smooth(turned(motion), strength, method)
    np.testing.assert_allclose(angles(one_way.rotations, other_way.rotations), 0, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(other_way.rotations, axis=-1), 1, atol=1e-12)


# ---------------------------------------------------------------- contact


def standing_speeds(asset: Asset, guide: Motion, motion: Motion) -> np.ndarray:
    """Mean speed of every foot while `guide` has it stand, metres per frame."""
    skeleton = asset.rig.skeleton
    track, moved = places(guide, asset), places(motion, asset)
    speeds = []
    for foot in find_feet(skeleton, track, 0.12):
        stands = find_stands(foot.point(track), guide.fps, 0.06, 0.25, rig_height(skeleton))
        steps = [np.linalg.norm(np.diff(foot.point(moved)[s.first : s.last + 1], axis=0), axis=-1) for s in stands]
        if steps:
            speeds.append(np.concatenate(steps).mean())
    return np.array(speeds)


def limbs(asset: Asset, guide: Motion) -> set[int]:
    """Joints of the feet's limbs and what hangs on them."""
    skeleton = asset.rig.skeleton
    found = {joint for foot in find_feet(skeleton, places(guide, asset), 0.12) for joint in foot.chain}
    for joint, parent in enumerate(skeleton.parents):
        if parent in found:
            found.add(joint)
    return found


@pytest.mark.parametrize(("kind", "feet"), [("biped", 2), ("quadruped", 4), ("spider", 8), ("theropod", 2)])
def test_standing_feet_stand(kind, feet):
    asset = walker(kind)
    rough = smooth(noisy(asset.motions[0], 1.0, 0.003))
    locked = lock_contacts(rough, asset.rig)
    before, after = standing_speeds(asset, rough, rough), standing_speeds(asset, rough, locked)
    assert len(before) == feet
    assert (before / np.maximum(after, 1e-12) > 10).all()
    others = [joint for joint in range(asset.rig.skeleton.joints) if joint not in limbs(asset, rough)]
    away = np.linalg.norm(places(locked, asset) - places(rough, asset), axis=-1) / rig_height(asset.rig.skeleton)
    assert others
    assert away[:, others].max() < 1e-9
    assert away.max() < 0.25
    np.testing.assert_array_equal(locked.translations, rough.translations)


@pytest.mark.parametrize("kind", ["biped", "quadruped", "insect"])
def test_a_clean_walk_keeps_its_shape_under_contact(kind):
    asset = walker(kind)
    away = places(lock_contacts(asset.motions[0], asset.rig), asset) - places(asset.motions[0], asset)
    assert np.linalg.norm(away, axis=-1).mean() / rig_height(asset.rig.skeleton) < 0.003


def test_contact_eases_in_and_out():
    asset = walker()
    rough = smooth(noisy(asset.motions[0], 1.0, 0.003))
    steps = [
        np.linalg.norm(np.diff(places(motion, asset), 2, axis=0), axis=-1).max()
        for motion in (rough, None or lock_contacts(rough, asset.rig))
    ]
    assert steps[1] < 2.5 * steps[0]


def test_feet_of_a_treadmill_walk_are_left_alone():
    asset = walker("biped")
    spot = in_place(asset.motions[0], asset.rig)
    away = places(lock_contacts(spot, asset.rig), asset) - places(spot, asset)
    assert np.linalg.norm(away, axis=-1).mean() / rig_height(asset.rig.skeleton) < 0.01


@pytest.mark.parametrize("kind", ["fish", "bird"])
def test_who_does_not_walk_is_left_alone(kind):
    asset = make_creature(1, kind)
    clip = next(motion for motion in asset.motions if motion.name in ("swim", "fly"))
    assert lock_contacts(clip, asset.rig) is clip


def test_stands_bridge_gaps_and_ignore_blinks():
    place = np.zeros((60, 3))
    place[20:30, 1] = np.sin(np.pi * np.arange(10) / 10)
    place[20:30, 0] = np.arange(10) * 0.2
    place[30:, 0] = 1.8
    stands = find_stands(place, 30.0, 0.06, 0.25, 1.0)
    assert len(stands) == 2
    assert (stands[0].first, stands[1].last) == (0, 59)
    assert 15 < stands[0].last < 25 < stands[1].first < 35
    assert find_stands(place[:2], 30.0, 0.06, 0.25, 1.0) == []


# ---------------------------------------------------------------- loop


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


# ---------------------------------------------------------------- decimate


@pytest.mark.parametrize("tolerance", [0.005, 0.02])
def test_decimate_keeps_within_its_tolerance(tolerance):
    asset = walker("biped")
    motion = asset.motions[0]
    thin = decimate(motion, asset.rig, tolerance)
    assert thin.frames < motion.frames
    assert thin.duration == pytest.approx(motion.duration)
    back = sample(thin, np.arange(motion.frames) / motion.fps, motion.fps)
    size = np.linalg.norm(np.ptp(joint_positions(asset.rig.skeleton, constant(asset))[0], axis=0))
    assert np.linalg.norm(places(back, asset) - places(motion, asset), axis=-1).max() / size < 1.5 * tolerance
    np.testing.assert_array_equal(thin.rotations[0], motion.rotations[0])
    np.testing.assert_allclose(thin.translations[-1], motion.translations[-1], atol=1e-12)


def test_decimate_without_tolerance_changes_nothing():
    asset = walker("biped")
    assert decimate(asset.motions[0], asset.rig, 0.0) is asset.motions[0]
    with pytest.raises(InvalidDataError, match="must not be negative"):
        decimate(asset.motions[0], asset.rig, -1.0)


# ---------------------------------------------------------------- in-place and ground


def test_in_place_takes_the_way_and_nothing_else():
    asset = walker()
    walk = asset.motions[0]
    spot = in_place(walk, asset.rig)
    body = carrier(asset.rig.skeleton, asset.motions[0])
    before, after = places(walk, asset), places(spot, asset)
    assert np.ptp(before[:, body, [0, 2]], axis=0).max() > 0.5
    assert np.ptp(after[:, body, [0, 2]], axis=0).max() < 1e-9
    np.testing.assert_allclose(after[..., 1], before[..., 1], atol=1e-12)
    np.testing.assert_allclose(after - after[:, body : body + 1], before - before[:, body : body + 1], atol=1e-9)
    np.testing.assert_array_equal(spot.rotations, walk.rotations)
    swaying = places(in_place(walk, asset.rig, sway=True), asset)[:, body, [0, 2]]
    assert 0 < np.ptp(swaying, axis=0).max() < 0.2


def test_in_place_when_hips_travel_under_a_turned_static_root():
    asset = walker("biped")
    skeleton, walk = asset.rig.skeleton, asset.motions[0]
    turn = Rotation.from_euler("xyz", [0.3, 1.0, -0.2])
    rest = Rotation.from_quat(skeleton.rest_rotations[0])
    roots = (turn.inv() * Rotation.from_quat(walk.rotations[:, 0])).as_quat()
    under = Skeleton(
        ("root", *skeleton.names),
        np.r_[-1, skeleton.parents + 1],
        np.r_[np.zeros((1, 3)), skeleton.rest_translations],
        np.r_[turn.as_quat()[None], (turn.inv() * rest).as_quat()[None], skeleton.rest_rotations[1:]],
    )
    rotations = np.concatenate([np.tile(turn.as_quat(), (walk.frames, 1, 1)), roots[:, None], walk.rotations[:, 1:]], 1)
    translations = np.concatenate([np.zeros((walk.frames, 1, 3)), walk.translations], axis=1)
    translations[:, 1] = turn.inv().apply(np.array(walk.translations[:, 0]))
    motion = Motion("walk", walk.fps, rotations, translations)
    assert travellers(under, motion) == [1]
    spot = joint_positions(under, in_place(motion, Rig(under)))[:, 1:]
    np.testing.assert_allclose(spot, places(in_place(walk, asset.rig), asset), atol=1e-9)
    loop = make_loop(crop(motion, 0.1, 1.7), Rig(under))
    ends = joint_positions(under, loop)[[0, -1], 1:]
    way = ends[1, 0] - ends[0, 0]
    assert np.linalg.norm(way) > 0.1
    np.testing.assert_allclose(ends[1], ends[0] + way * HORIZONTAL, atol=1e-9)


def test_ground_puts_the_lowest_point_at_zero():
    asset = walker()
    high = replace(
        asset.motions[0],
        translations=asset.motions[0].translations + [0, 0.7, 0] * (np.arange(asset.rig.skeleton.joints) == 0)[:, None],
    )
    down = ground(high, asset.rig)
    assert lowest_height(down, asset.rig) == pytest.approx(0, abs=1e-5)
    assert lowest_height(ground(high, asset.rig, by="joints"), asset.rig, of_mesh=False) == pytest.approx(0, abs=1e-12)
    bare = Rig(asset.rig.skeleton)
    assert lowest_height(ground(high, bare), bare) == pytest.approx(0, abs=1e-12)
    moved = places(down, asset) - places(high, asset)
    np.testing.assert_allclose(moved, np.broadcast_to(moved[0, 0], moved.shape), atol=1e-9)


# ---------------------------------------------------------------- documented


def test_every_field_of_a_filter_and_every_option_is_documented():
    readme = (Path(__file__).resolve().parents[1] / "plugins" / "README.md").read_text(encoding="utf-8")
    fields = [*Filter.__dataclass_fields__, *Option.__dataclass_fields__]
    for field in fields:
        assert f"| `{field}` |" in readme or f"`{field}`" in readme
    for record in FILTERS:
        (row,) = [line for line in readme.splitlines() if line.startswith(f"| `{record.name}` |")]
        for option in record.options:
            shown = option.default
            if isinstance(shown, bool):
                shown = "yes" if shown else "no"
            elif isinstance(shown, float):
                shown = f"{shown:g}"
            assert f"`{option.name}={shown}`" in row


def test_the_readmes_example_works(toy):
    readme = (Path(__file__).resolve().parents[1] / "plugins" / "README.md").read_text(encoding="utf-8")
    (source,) = [block for block in re.findall(r"```python\n(.*?)```", readme, re.DOTALL) if "slower.py" in block]
    module = types.ModuleType("mocapcli_slower")
    exec(source, module.__dict__)
    toy.manager.register(module, name="slower")
    assert "slower" in toy.filters, [plugin for plugin in toy.found if plugin.error]
    asset = make_asset(3)
    assert filter_asset(asset, one("slower:factor=3")).motions[0].fps == 10
