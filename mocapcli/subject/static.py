"""What moves in front of a camera that stands still."""
# mypy: allow-untyped-calls

from functools import partial

import numpy as np
from jaxtyping import Bool, Float, UInt8
from scipy import ndimage

from mocapcli.in_threads import stack_each
from mocapcli.subject.background import Background, changes, model_background, noise_of
from mocapcli.subject.clean import clean
from mocapcli.subject.kernels import agree
from mocapcli.subject.survey import Masker, Survey, Verdict, Wishes

MOVING = (0.0015, 0.75)  # share of the picture: less is noise, more is no background


def judge(survey: Survey) -> Verdict:
    if len(survey.pixels) < 3:
        return Verdict(False, "static: too few frames to tell what moves")
    if not survey.camera_still:
        return Verdict(False, "static: the camera moves")
    share = moving_share(survey)
    if not MOVING[0] <= share <= MOVING[1]:
        amount = "next to nothing" if share < MOVING[0] else f"{share:.0%} of the picture"
        return Verdict(False, f"static: the camera is still but {amount} moves")
    return Verdict(True, f"the camera is still and {share:.0%} of the picture moves")


def moving_share(survey: Survey) -> float:
    """How much of the picture differs from its median over time at some time."""
    few = survey.pixels[:: max(1, len(survey.pixels) // 24)]
    middle = np.median(few, axis=0).astype(np.float32)
    return float((changes(few, middle, noise_of(few, middle)).mean(axis=0) > 0.05).mean())


def open_masker(survey: Survey, wishes: Wishes) -> Masker:
    background = model_background(survey.pixels)
    return lambda frames: stack_each(partial(mask_of, background), frames.pixels)


def mask_of(background: Background, frame: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "height width"]:
    odds = background.evidence(frame)
    mask = clean(settled(odds, frame))
    return background.refined(witnessed(mask, (odds > 1) & background.known), frame)


def witnessed(
    mask: UInt8[np.ndarray, "height width"], seen: Bool[np.ndarray, "height width"]
) -> UInt8[np.ndarray, "height width"]:
    """Without the parts in which nothing but guesses speaks for the subject."""
    labels, count = ndimage.label(mask > 127)
    if not count:
        return mask
    sizes, proofs = np.bincount(labels.ravel()), np.bincount(labels[seen], minlength=count + 1)
    keep = proofs >= 0.04 * sizes
    keep[0] = True
    return np.where(keep[labels], mask, 0).astype(np.uint8)


def settled(
    odds: Float[np.ndarray, "height width"], frame: UInt8[np.ndarray, "height width 3"], rounds: int = 5
) -> Float[np.ndarray, "height width"]:
    """Log odds after neighbours of like colour have agreed."""
    out = np.empty_like(odds)
    agree(odds, frame, np.float32(24.0), np.float32(1.2), rounds, out)
    return out
