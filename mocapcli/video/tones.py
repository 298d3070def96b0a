"""High dynamic range to 8-bit sRGB: PQ and HLG with BT.2020 colours, tone-mapped so that paper white stays white."""
# mypy: allow-untyped-defs, allow-untyped-calls, allow-incomplete-defs

from functools import lru_cache

import numpy as np
from jaxtyping import Float, UInt8, UInt16

from mocapcli.render.compiled import compiled

PQ, HLG = 16, 18  # ffmpeg's numbers of the transfer curves
STEPS = 4096
PAPER_WHITE = 203.0  # nits (ITU-R BT.2408)
BRIGHTEST = 1000.0
KNEE = 0.8  # of display white; above it highlights are rolled off
BT2020_TO_SRGB = np.array([[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]])


def tone_map(pixels: UInt16[np.ndarray, "height width 3"], curve: int) -> UInt8[np.ndarray, "height width 3"]:
    """One 16-bit picture as 8-bit sRGB."""
    out = np.empty(pixels.shape, np.uint8)
    _map(pixels.reshape(-1, 3), light_of(curve), shown_light(), BT2020_TO_SRGB, out.reshape(-1, 3))
    return out


@lru_cache(maxsize=4)
def light_of(curve: int) -> Float[np.ndarray, " steps"]:
    """Light for each code value, 1 being paper white."""
    signal = np.linspace(0, 1, STEPS)
    if curve == PQ:
        root = signal ** (1 / 78.84375)
        nits = 10000 * (np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (1 / 0.1593017578125)
        return np.asarray(nits / PAPER_WHITE)
    low = signal**2 / 3
    high = (np.exp((signal - 0.55991073) / 0.17883277) + 0.28466892) / 12
    scene = np.where(signal <= 0.5, low, high)
    return np.asarray(BRIGHTEST * scene**1.2 / PAPER_WHITE)  # system gamma of a 1000 nit display


@lru_cache(maxsize=1)
def shown_light() -> UInt8[np.ndarray, " steps"]:
    """sRGB code for light from 0 to the brightest, on a square-root scale, highlights rolled off."""
    light = np.linspace(0, 1, STEPS) ** 2 * BRIGHTEST / PAPER_WHITE
    over = np.maximum(light - KNEE, 0)
    room = 1 - KNEE
    rolled = np.where(light > KNEE, KNEE + room * over / (over + room), light)
    coded = np.where(rolled <= 0.0031308, 12.92 * rolled, 1.055 * rolled ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(np.clip(coded, 0, 1) * 255), np.uint8)


@compiled
def _map(pixels, light, shown, colours, out):
    last = len(light) - 1
    scale = last / np.sqrt(BRIGHTEST / PAPER_WHITE)
    for place in range(len(pixels)):
        red = light[pixels[place, 0] >> 4]
        green = light[pixels[place, 1] >> 4]
        blue = light[pixels[place, 2] >> 4]
        for channel in range(3):
            value = colours[channel, 0] * red + colours[channel, 1] * green + colours[channel, 2] * blue
            out[place, channel] = shown[min(last, int(np.sqrt(max(value, 0.0)) * scale + 0.5))]
