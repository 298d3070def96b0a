"""Masks the user brings: a video or a folder of pictures, light (or opaque) where the subject is."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from jaxtyping import UInt8

from mocapcli.errors import InvalidDataError, UsageError
from mocapcli.subject.survey import Masker, Survey, Wishes
from mocapcli.video.frames import Frames
from mocapcli.video.read import Video, open_video


def open_masker(survey: Survey, wishes: Wishes) -> Masker:
    if wishes.mask is None:
        raise UsageError("the mask segmenter needs a mask file or folder")
    clock = survey.video.clock
    end = None if np.isinf(clock.end) else clock.end
    # Numbered masks are one a picture of the video, whatever the rate of the result.
    video = open_video(wishes.mask, fps=clock.native_fps or survey.video.fps, start=clock.start, end=end)
    video = replace(video, clock=replace(video.clock, fps=survey.video.fps))
    height, width = survey.pixels.shape[1:3]
    _check_shape(video, survey)
    video = video.fitted(width, height)
    masks = _levels(video, brightest(video))
    return lambda frames: _next(masks, frames, survey)


def _check_shape(video: Video, survey: Survey) -> None:
    height, width = survey.pixels.shape[1:3]
    if abs(video.width / video.height - width / height) > 0.03 * width / height:
        raise InvalidDataError(
            f"the mask of {video.width}×{video.height} pixels has another shape than the video", path=video.path
        )


def brightest(video: Video) -> tuple[bool, int]:
    """Whether the alpha channel tells, and the highest level there is: masks of 0 and 1 are masks too."""
    alpha_low, alpha_high, light_high = 255, 0, 0
    for frames in video.chunks():
        light_high = max(light_high, int(frames.pixels.max()))
        if frames.alpha is not None:
            alpha_low, alpha_high = min(alpha_low, int(frames.alpha.min())), max(alpha_high, int(frames.alpha.max()))
    by_alpha = alpha_high > 0 and alpha_low < alpha_high
    level = alpha_high if by_alpha else light_high
    if level == 0:
        raise InvalidDataError("this mask is black all through", path=video.path)
    return by_alpha, level


def _levels(video: Video, how: tuple[bool, int]) -> Iterator[UInt8[np.ndarray, "height width"]]:
    by_alpha, level = how
    for frames in video.chunks():
        shown = frames.alpha if by_alpha and frames.alpha is not None else frames.pixels.max(axis=-1)
        for each in shown:
            yield np.clip(each.astype(np.float32) * (255 / level), 0, 255).astype(np.uint8)


def _next(
    masks: Iterator[UInt8[np.ndarray, "height width"]], frames: Frames, survey: Survey
) -> UInt8[np.ndarray, "frames height width"]:
    found = []
    for _ in range(len(frames)):
        mask = next(masks, None)
        if mask is None:
            note = "the mask is shorter than the video: nothing is taken for the subject after its end"
            if note not in survey.notes:
                survey.notes.append(note)
            mask = np.zeros(frames.pixels.shape[1:3], np.uint8)
        found.append(mask)
    return np.stack(found)
