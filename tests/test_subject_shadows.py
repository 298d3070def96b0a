"""Shadows on a plain background belong to nobody; a subject of the background's colour stays whole."""

import numpy as np
import pytest

from mocapcli.subject.alpha import _odds, find_key, throws_shadows

PLAIN = np.array([200, 210, 220], np.uint8)
BODY, HIGH, WIDE = slice(20, 70), 96, 128


def picture(shade_rows: slice, body: tuple[int, int, int] = (180, 60, 40), shade: float = 0.75) -> np.ndarray:
    pixels = np.tile(PLAIN, (4, HIGH, WIDE, 1))
    pixels[:, shade_rows, 60:110] = (shade * PLAIN).astype(np.uint8)
    pixels[:, BODY, 50:70] = body
    return pixels


@pytest.mark.parametrize("shade", [0.55, 0.75, 0.9])
def test_a_shadow_at_the_feet_is_background(shade: float) -> None:
    pixels = picture(slice(64, 76), shade=shade)
    key = find_key(pixels)
    assert throws_shadows(key, pixels)
    from dataclasses import replace

    front = _odds(replace(key, shadows=True), pixels[0]) > 0
    assert front[BODY, 50:70].all() and not front[64:76, 72:108].any()


def test_what_is_dark_further_up_is_no_shadow() -> None:
    pixels = picture(slice(24, 40))
    assert not throws_shadows(find_key(pixels), pixels)


def test_a_subject_of_the_darker_background_stays() -> None:
    grey = tuple(int(level) for level in 0.7 * PLAIN)
    pixels = picture(slice(0, 0), body=grey)  # type: ignore[arg-type]
    assert not throws_shadows(find_key(pixels), pixels)
    assert (_odds(find_key(pixels), pixels[0]) > 0)[BODY, 50:70].all()
