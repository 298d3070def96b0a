"""The alpha channel, or a plain colour behind the subject (a green screen, a studio wall, a rendered background)."""
# mypy: allow-untyped-calls

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from jaxtyping import Bool, Float, UInt8
from scipy import ndimage

from mocapcli.errors import InvalidDataError
from mocapcli.in_threads import stack_each
from mocapcli.subject.background import refine_edges
from mocapcli.subject.clean import clean
from mocapcli.subject.kernels import agree
from mocapcli.subject.survey import Masker, Survey, Verdict, Wishes

PLAIN_SHARE = 0.9  # of the rim that must have the plain colour, in the median sample
LEVELS = 26.0  # how far from the plain colour a pixel of it may be, at most
SUBJECT = (0.001, 0.95)  # share of the picture
SHADE = (0.45, 0.97)  # of the plain colour's brightness, in a shadow on it
SHADE_LEVELS = 7.0  # how far from the darkened plain colour a pixel in a shadow may be
FEET = 0.7  # of the subject's height, counted from above: shadows lie lower
SHADOWS = (0.02, 0.45)  # share of what is not background: less is nothing, more may be a subject of that very colour


@dataclass(frozen=True, eq=False)
class Key:
    """The plain colour behind, as planes over the picture (light falls off), and how much it varies."""

    colour: Float[np.ndarray, "height width 3"]
    tolerance: float
    share: float  # of the rim that has it
    shadows: bool = False  # whether the subject throws some on it


def judge(survey: Survey) -> Verdict:
    if uses_channel(survey):
        return Verdict(True, "the video has an alpha channel")
    key = find_key(survey.pixels)
    if key.share < PLAIN_SHARE:
        return Verdict(False, "alpha: no alpha channel and no plain background")
    share = float(np.mean([(_odds(key, sample) > 0).mean() for sample in survey.pixels[::4]]))
    if not SUBJECT[0] <= share <= SUBJECT[1]:
        return Verdict(False, "alpha: the background is plain but there is nothing in front of it")
    colour = "#" + "".join(f"{int(level):02x}" for level in np.median(key.colour, axis=(0, 1)))
    return Verdict(True, f"the background is of one plain colour ({colour})")


def uses_channel(survey: Survey) -> bool:
    """Whether there is an alpha channel that says anything."""
    if survey.alpha is None:
        return False
    clear = float((survey.alpha < 128).mean())
    return 0.005 < clear < 0.9995


def open_masker(survey: Survey, wishes: Wishes) -> Masker:
    if uses_channel(survey):
        return lambda frames: np.zeros(frames.pixels.shape[:3], np.uint8) if frames.alpha is None else frames.alpha
    key = find_key(survey.pixels)
    if key.share < 0.5:
        path = survey.video.path
        raise InvalidDataError("there is no alpha channel and no plain background", path=path, remedy="--segment box")
    key = replace(key, shadows=throws_shadows(key, survey.pixels))
    return lambda frames: stack_each(partial(_mask, key), frames.pixels)


def throws_shadows(key: Key, samples: UInt8[np.ndarray, "samples height width 3"]) -> bool:
    """Whether part of what stands out from the background is but the background, darker, and lies at its feet."""
    shaded, others, low = 0, 0, list[Float[np.ndarray, " pixels"]]()
    for sample in samples[:: max(1, len(samples) // 8)]:
        front, dark = _odds(key, sample) > 0, _shaded(key, sample)
        body, shade = np.nonzero(front & ~dark)[0], np.nonzero(front & dark)[0]
        shaded, others = shaded + len(shade), others + len(body)
        if len(body):
            low.append((shade - body.min()) / max(1, int(np.ptp(body))))
    share = shaded / max(1, shaded + others)
    return SHADOWS[0] <= share <= SHADOWS[1] and float(np.median(np.concatenate(low))) > FEET


def find_key(samples: UInt8[np.ndarray, "samples height width 3"]) -> Key:
    """The commonest colour along the rim, fitted by a plane in each channel."""
    height, width = samples.shape[1:3]
    depth = max(2, round(0.03 * min(height, width)))
    rim = np.ones((height, width), bool)
    rim[depth:-depth, depth:-depth] = False
    rows, columns = np.nonzero(rim)
    few = samples[:: max(1, len(samples) // 12)][:, rows, columns].astype(np.float32)
    middle = np.median(few, axis=0)
    terms = np.stack([np.ones(len(rows)), rows / height - 0.5, columns / width - 0.5], axis=1)
    common = _commonest(middle)
    inside = np.abs(middle - common).max(axis=1) < 2 * LEVELS
    if inside.sum() < 0.3 * len(rows):
        return Key(np.broadcast_to(common, (height, width, 3)), LEVELS, 0.0)
    planes = np.linalg.lstsq(terms[inside], middle[inside], rcond=None)[0]
    rest = np.abs(middle - terms @ planes).max(axis=1)
    spread = float(np.quantile(rest[inside], 0.95))
    grid = np.stack(np.meshgrid(np.arange(height) / height - 0.5, np.arange(width) / width - 0.5, indexing="ij"), -1)
    colour = planes[0] + grid @ planes[1:]
    tolerance = float(np.clip(1.6 * spread + 6, 10, LEVELS))
    away = np.abs(few - terms @ planes).max(axis=-1)
    return Key(colour.astype(np.float32), tolerance, float(np.median((away < tolerance).mean(axis=1))))


def _commonest(colours: Float[np.ndarray, "pixels 3"]) -> Float[np.ndarray, " 3"]:
    codes = (colours // 32).astype(int) @ np.array([64, 8, 1])
    most = np.bincount(codes).argmax()
    return np.asarray(np.median(colours[codes == most], axis=0))


def _odds(key: Key, frame: UInt8[np.ndarray, "height width 3"]) -> Float[np.ndarray, "height width"]:
    """Log odds of the subject."""
    away = np.abs(frame - key.colour).max(axis=-1) / key.tolerance
    odds = np.asarray(np.clip(4 * (away - 1), -4, 4), np.float32)
    if not key.shadows:
        return odds
    dark = _shaded(key, frame)
    body = np.flatnonzero(((odds > 0) & ~dark).any(axis=1))
    dark[: int(body[0] + body[-1]) // 2 if len(body) else 0] = False
    return np.where(dark, np.float32(-2), odds)


def _shaded(key: Key, frame: UInt8[np.ndarray, "height width 3"]) -> Bool[np.ndarray, "height width"]:
    """Pixels of the plain colour but darker."""
    light = (frame * key.colour).sum(axis=-1) / np.maximum((key.colour**2).sum(axis=-1), 1.0)
    off = np.abs(frame - light[..., None] * key.colour).max(axis=-1)
    return np.asarray((light > SHADE[0]) & (light < SHADE[1]) & (off < SHADE_LEVELS))


def _mask(key: Key, frame: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "height width"]:
    odds = _odds(key, frame)
    settled = np.empty_like(odds)
    agree(odds, frame, np.float32(16.0), np.float32(0.6), 3, settled)
    mask = clean(settled)
    everywhere = np.ones(mask.shape, bool)
    mask = refine_edges(mask, frame, key.colour, everywhere, np.ones(3, np.float32))
    holes = ndimage.binary_fill_holes(mask > 127) & (mask <= 127)
    doubtful = holes & ~ndimage.binary_opening(holes, iterations=2)
    return np.where(doubtful, 255, mask).astype(np.uint8)
