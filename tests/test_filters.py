"""Filters as people ask for them, and what every one of them must bear."""

import re
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cli_helpers import run
from factories import make_asset, make_motion, make_skeleton
from filters_helpers import constant, places, walker
from mocapcli import Filter, Option, hookimpl, read_asset, write_asset
from mocapcli.errors import InvalidDataError, PluginError, UsageError
from mocapcli.filters.chain import apply_filters, filter_asset, parse_filters
from mocapcli.filters.decimate import decimate
from mocapcli.filters.ground import lowest_height
from mocapcli.filters.loop import make_loop
from mocapcli.filters.records import FILTERS
from mocapcli.filters.travel import carrier
from mocapcli.kinematics import joint_positions
from mocapcli.types import Motion, Rig, Skeleton

NAMES = ("contact", "decimate", "ground", "in-place", "loop", "smooth")

EVERY = (*NAMES, "smooth:method=one-euro", "loop:root=in-place", "loop:search=no", "in-place:sway=yes")


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


# ---------------------------------------------------------------- documented


def test_every_field_of_a_filter_and_every_option_is_documented():
    readme = (Path(__file__).resolve().parents[1] / "plugins" / "README.md").read_text(encoding="utf-8")
    fields = [*Filter.__dataclass_fields__, *Option.__dataclass_fields__]
    section = readme.split("## register_filters")[1].split("\n## ")[0]
    for field in fields:
        assert f"`{field}`" in section
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
