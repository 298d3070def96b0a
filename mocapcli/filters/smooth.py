"""Noise taken out of a clip without lag; the first and the last frame stay as they are.

Butterworth: what a filter run forwards and backwards does to each frequency, applied to the clip less the line from
its first to its last frame, continued oddly at both ends. That is a sine transform: no phase, no start-up, constant
and steadily changing values untouched. Quaternions are filtered in four dimensions with their signs made continuous
and made unit again: a turn of steady speed is a circle there, which keeps its shape, and the result is the same
whatever the local axes.
One-euro (Casiez et al. 2012): the cutoff grows with speed; run forwards then backwards and backwards then forwards,
and averaged, so that neither direction is late.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from scipy.fft import dst
from scipy.spatial.transform import Rotation

from mocapcli.kinematics import continuous, slerp
from mocapcli.types import Motion

ORDER = 2
HIGHEST, LOWEST = 24.0, 1.5  # Hz, of strength 0 and 1
SLOW = 2.0  # the one-euro cutoff of what is at rest, as a part of what Butterworth cuts at
RESPONSE = 2.0  # how many Hz it grows with every radian, or bone length, a second
SPEED_CUTOFF = 2.0  # Hz
ANCHOR = 0.15  # seconds over which the one-euro filter finds back to the first and last frame

Values = Float[np.ndarray, "frames joints _"]


def smooth(motion: Motion, strength: float = 0.5, method: str = "butterworth", cutoff: float = 0.0) -> Motion:
    """The motion without what is faster than `cutoff` Hz (by `strength` where that is 0)."""
    if motion.frames < 3 or (strength == 0 and cutoff == 0):
        return motion
    hertz = cutoff or HIGHEST * (LOWEST / HIGHEST) ** strength
    rotations = continuous(motion.rotations)
    if method == "one-euro":
        turned, moved = _one_euro(rotations, motion.translations, motion.fps, hertz)
    else:
        turned = smooth_turns(rotations, motion.fps, hertz)
        moved = low_pass(motion.translations, motion.fps, hertz)
    still = (motion.rotations == motion.rotations[:1]).all(axis=(0, 2))
    turned[:, still] = motion.rotations[:, still]
    turned[[0, -1]], moved[[0, -1]] = rotations[[0, -1]], motion.translations[[0, -1]]
    return replace(motion, rotations=turned, translations=moved)


def smooth_turns(rotations: Float[np.ndarray, "frames joints 4"], fps: float, hertz: float) -> Values:
    """Quaternions without what is faster; they are continuous."""
    return _unit_or_raw(low_pass(rotations, fps, hertz), rotations)


def low_pass(values: Values, fps: float, hertz: float) -> Values:
    """|H|² of a Butterworth low-pass, that is forwards and backwards, without any phase."""
    frames = len(values)
    share = np.linspace(0, 1, frames)[:, None, None]
    line = values[:1] * (1 - share) + values[-1:] * share
    inner = (values - line)[1:-1]
    frequencies = np.arange(1, frames - 1) * fps / (2 * (frames - 1))
    gain = 1 / (1 + (frequencies / hertz) ** (2 * ORDER))
    spectrum = dst(inner, type=1, axis=0, norm="ortho") * gain[:, None, None]
    out = line.copy()
    out[1:-1] += dst(spectrum, type=1, axis=0, norm="ortho")
    out[:, (values == values[:1]).all(axis=(0, 2))] = values[:1, (values == values[:1]).all(axis=(0, 2))]
    return out


def _unit_or_raw(filtered: Values, raw: Values) -> Values:
    """Quaternions made unit; what turned faster than the cutoff averages to nearly nothing and stays raw."""
    norms = np.linalg.norm(filtered, axis=-1, keepdims=True)
    trust = np.clip((norms - 0.2) / 0.3, 0, 1)
    unit = filtered / np.maximum(norms, 1e-12)
    return np.where(trust >= 1, unit, slerp(raw, np.where(norms > 1e-9, unit, raw), trust))


def _one_euro(
    rotations: Float[np.ndarray, "frames joints 4"],
    translations: Float[np.ndarray, "frames joints 3"],
    fps: float,
    hertz: float,
) -> tuple[Float[np.ndarray, "frames joints 4"], Float[np.ndarray, "frames joints 3"]]:
    """Both directions averaged, bent back to the first and last frame."""
    slow = hertz / SLOW

    def both(values: Values, one_way: Callable[[Values], Values]) -> tuple[Values, Values]:
        return one_way(one_way(values)[::-1])[::-1], one_way(one_way(values[::-1])[::-1])

    def turn(values: Values) -> Values:
        return _one_way(values, fps, slow, _angle, slerp)

    size = max(float(np.median(np.linalg.norm(translations, axis=-1))), 1e-9)

    def move(values: Values) -> Values:
        return _one_way(values, fps, slow, lambda a, b: np.linalg.norm(b - a, axis=-1) / size, _lerp)

    turned = slerp(*both(rotations, turn), np.full((1, 1, 1), 0.5))
    moved = np.mean(both(translations, move), axis=0)
    return _anchored_turns(turned, rotations, fps), moved + _anchors(moved, translations, fps)


def _one_way(
    values: Values,
    fps: float,
    slow: float,
    distance: Callable[[np.ndarray, np.ndarray], np.ndarray],
    mix: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
) -> Values:
    """The causal one-euro filter over the first axis."""
    out = np.array(values)
    speed = np.zeros(values.shape[1])
    for frame in range(1, len(values)):
        now = distance(values[frame - 1], values[frame]) * fps
        speed += _weight(SPEED_CUTOFF, fps) * (now - speed)
        out[frame] = mix(out[frame - 1], values[frame], _weight(slow + RESPONSE * speed, fps)[:, None])
    return out


def _weight(hertz: np.ndarray | float, fps: float) -> np.ndarray:
    return np.asarray(1 / (1 + fps / (2 * np.pi * hertz)))


def _angle(first: Float[np.ndarray, "joints 4"], second: Float[np.ndarray, "joints 4"]) -> Float[np.ndarray, " joints"]:
    apart, near = np.linalg.norm(second - first, axis=-1), np.linalg.norm(second + first, axis=-1)
    return np.asarray(4 * np.arctan2(np.minimum(apart, near), np.maximum(apart, near)))


def _lerp(first: np.ndarray, second: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return np.asarray(first + weight * (second - first))


def _fades(frames: int, fps: float) -> tuple[Float[np.ndarray, "frames 1 1"], Float[np.ndarray, "frames 1 1"]]:
    """One at the first frame and zero from `ANCHOR` on, and its mirror image."""
    reach = min(ANCHOR * fps, (frames - 1) / 2)
    rest = np.clip(1 - np.arange(frames) / reach, 0, 1)[:, None, None]
    fade = rest * rest * (3 - 2 * rest)
    return fade, fade[::-1]


def _anchors(filtered: Values, raw: Values, fps: float) -> Values:
    first, last = _fades(len(raw), fps)
    return np.asarray(first * (raw[0] - filtered[0]) + last * (raw[-1] - filtered[-1]))


def _anchored_turns(filtered: Values, raw: Values, fps: float) -> Values:
    out = filtered
    for end, fade in zip((0, -1), _fades(len(raw), fps), strict=True):
        away = (Rotation.from_quat(raw[end]) * Rotation.from_quat(filtered[end]).inv()).as_rotvec()
        turns = Rotation.from_rotvec((fade * away).reshape(-1, 3))
        out = (turns * Rotation.from_quat(out.reshape(-1, 4))).as_quat().reshape(raw.shape)
    return continuous(out)
