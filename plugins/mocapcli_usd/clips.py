"""SkelAnimation prims to motions: the bound one first, then any other that drives these joints."""

from typing import Any

import numpy as np
from jaxtyping import Float
from pxr import Usd, UsdGeom, UsdSkel

from mocapcli.errors import ReadError
from mocapcli.kinematics import compose, local_to_world, motion_from_world
from mocapcli.sampling import frame_rate
from mocapcli.types import Motion, unique_names
from mocapcli_usd.skeletons import SkeletonSource, joint_parents, traverse
from mocapcli_usd.stage import display_name

RATE_KEY = "framesPerSecond"  # custom data on a SkelAnimation: a stage has one time code rate for all its clips
LARGEST = 5_000_000  # frames times joints


def read_clips(stage: Any, source: SkeletonSource) -> tuple[Motion, ...]:
    bound = UsdSkel.BindingAPI(source.prim).GetInheritedAnimationSource()
    prims = [bound] if bound and bound.IsA(UsdSkel.Animation) else []
    prims += [prim for prim in traverse(stage) if prim.IsA(UsdSkel.Animation) and prim not in prims]
    found = []
    for prim in prims:
        animation = UsdSkel.Animation(prim)
        tokens = [str(token) for token in animation.GetJointsAttr().Get() or []]
        if set(tokens) & set(source.paths):
            found.append(_clip(stage, source, animation, tokens, display_name(prim)))
    if not found and len(_xform_times(source.prim)) > 1:  # a rig that only moves as a whole
        found.append(_clip(stage, source, None, [], "clip"))
    names = unique_names([motion.name for motion in found], "clip")
    return tuple(
        Motion(name, m.fps, m.rotations, m.translations, m.scales) for name, m in zip(names, found, strict=True)
    )


def _clip(stage: Any, source: SkeletonSource, animation: Any, tokens: list[str], name: str) -> Motion:
    codes, fps = _frames(stage, source, animation)
    if len(codes) * len(source.paths) > LARGEST:
        raise ReadError(f"{len(codes)} frames are more than can be held", place=name)
    index = {path: i for i, path in enumerate(source.paths)}
    columns_of = [(i, index[token]) for i, token in enumerate(tokens) if token in index]
    theirs, ours = [i for i, _ in columns_of], [j for _, j in columns_of]
    parents = joint_parents(source.paths)
    local = np.repeat(source.rest_local[None], len(codes), axis=0)
    place = np.empty((len(codes), 4, 4))
    for frame, code in enumerate(codes):
        time = Usd.TimeCode(float(code))
        place[frame] = source.world_at(time)
        if animation is not None:
            local[frame, ours] = _pose(animation, time, len(tokens), source.rest_local[ours], theirs)
    world = place[:, None] @ local_to_world(parents, local)
    return motion_from_world(name, fps, source.skeleton, world, source.gauge)


def _pose(
    animation: Any, time: Any, count: int, rest: Float[np.ndarray, "used 4 4"], used: list[int]
) -> Float[np.ndarray, "used 4 4"]:
    """Local matrices at a time. What is not animated, or has the wrong number of values, stays at rest."""
    attributes = (animation.GetRotationsAttr(), animation.GetTranslationsAttr(), animation.GetScalesAttr())
    rotations, translations, scales = (np.array(attribute.Get(time), dtype=np.float64) for attribute in attributes)
    if rotations.shape != (count, 4) or translations.shape != (count, 3):
        return rest  # the specification: translations and rotations must both be there
    if not (np.isfinite(rotations).all() and np.isfinite(translations).all()):
        raise ReadError("the animation contains NaN or infinite numbers", place=str(animation.GetPath()))
    lengths = np.linalg.norm(rotations, axis=1, keepdims=True)
    unit = np.where(lengths > 1e-8, rotations / np.maximum(lengths, 1e-8), [0.0, 0.0, 0.0, 1.0])
    kept = scales[used] if scales.shape == (count, 3) and np.isfinite(scales).all() else None
    return compose(unit[used], translations[used], kept)


def _frames(stage: Any, source: SkeletonSource, animation: Any) -> tuple[Float[np.ndarray, " frames"], float]:
    """Time codes of evenly spaced frames, and how many there are a second."""
    rate = float(stage.GetTimeCodesPerSecond())
    if not 1e-3 < rate < 1e6:
        raise ReadError(f"timeCodesPerSecond is {rate:g}")
    codes = _times(source, animation)
    if len(codes) == 0:
        return np.zeros(1), rate if rate <= 240.0 else 30.0
    told = None if animation is None else animation.GetPrim().GetCustomDataByKey(RATE_KEY)
    seconds = (codes - codes[0]) / rate
    fps = frame_rate(seconds, rate)
    if isinstance(told, float) and told > 0 and np.abs(seconds * told - np.rint(seconds * told)).max() < 0.01:
        fps = told
    length = seconds[-1] * fps
    if not length * len(source.paths) < LARGEST:
        raise ReadError(f"lasts {seconds[-1]:.3g} s, more than can be held", place=str(source.prim.GetPath()))
    return codes[0] + np.arange(round(length) + 1) * (rate / fps), fps


def _times(source: SkeletonSource, animation: Any) -> Float[np.ndarray, " keys"]:
    """Distinct, ascending time codes at which anything has a key."""
    times = list(_xform_times(source.prim))
    if animation is not None:
        for attribute in (animation.GetRotationsAttr(), animation.GetTranslationsAttr(), animation.GetScalesAttr()):
            times += attribute.GetTimeSamples()
    found = np.unique(np.array(times, dtype=np.float64))
    found = found[np.isfinite(found)]
    return found[np.concatenate([[True], np.diff(found) > 1e-6])] if len(found) else found


def _xform_times(prim: Any) -> list[float]:
    """Keys of the transforms above and at a prim."""
    times: list[float] = []
    while prim and not prim.IsPseudoRoot():
        if prim.IsA(UsdGeom.Xformable):
            times += UsdGeom.Xformable(prim).GetTimeSamples()
        prim = prim.GetParent()
    return times
