"""What is behind the subject, seen by a camera that stands still: per pixel its colour, its noise, and whether it
was ever seen.

The median over time is right wherever the subject stays for less than half of it. Elsewhere three things decide
among the colours a pixel has shown: how long, how like the surroundings, how unlike the subject. What the subject
covers all the time stays unknown; there colours alone must tell.
"""
# mypy: allow-untyped-calls

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8
from scipy import ndimage

from mocapcli.subject.colours import histogram, odds_table
from mocapcli.subject.kernels import background_costs, difference, grow, look_up, matte_edge, take_cheapest

NOISE = (2.0, 10.0)
TOLERANCE = 4.0  # noises
SMALL_PART = 12  # pixels
PATCH = 9  # pixels: where one sample shows the background, it does around there too
ALIKE = 1.5  # log odds
LEAST_CHANGE = 12.0  # levels
EDGE_TOLERANCE = 0.15  # of the contrast to the neighbours
NO_ODDS = np.zeros((16, 16, 16), np.float32)


@dataclass(frozen=True, eq=False)
class Background:
    """`colours` is filled in from around where `known` is false; `table` holds log odds of colours."""

    colours: Float[np.ndarray, "height width 3"]
    tolerance: Float[np.ndarray, "height width"]
    known: Bool[np.ndarray, "height width"]
    trust: Float[np.ndarray, "height width"]  # 1 where it is seen for long, low where it showed itself seldom
    table: Float[np.ndarray, "bins bins bins"]
    moving_share: float  # of the picture, on average

    def gain(self, frame: UInt8[np.ndarray, "height width 3"]) -> Float[np.ndarray, " 3"]:
        """How exposure and white balance differ from the background's, from the pixels that show it."""
        base = self.colours[::6, ::6].reshape(-1, 3)
        seen = frame[::6, ::6].reshape(-1, 3).astype(np.float32)
        usable = (self.known[::6, ::6].reshape(-1) & (base.min(axis=1) > 24) & (seen.max(axis=1) < 250)).nonzero()[0]
        if len(usable) < 50:
            return np.ones(3, np.float32)
        return np.asarray(np.clip(np.median(seen[usable] / base[usable], axis=0), 0.7, 1.4), np.float32)

    def refined(
        self, mask: UInt8[np.ndarray, "height width"], frame: UInt8[np.ndarray, "height width 3"]
    ) -> UInt8[np.ndarray, "height width"]:
        """The mask with edges where the picture turns from background to subject."""
        return refine_edges(mask, frame, self.colours, self.known, self.gain(frame))

    def evidence(self, frame: UInt8[np.ndarray, "height width 3"]) -> Float[np.ndarray, "height width"]:
        """Log odds of the subject for each pixel by itself."""
        away = np.empty(frame.shape[:2], np.float32)
        difference(frame, self.colours, self.tolerance, self.gain(frame), self.table, away)
        colour = np.empty(frame.shape[:2], np.float32)
        look_up(frame, self.table, colour)
        seen = np.clip(2.5 * (away - 1.0), -4, 5) + 0.25 * np.clip(colour, -3, 3)
        guessed = np.clip(colour, -4, 4) + np.clip(0.6 * (away - 1.5), -1.5, 1.5)
        return np.asarray(self.trust * seen + (1 - self.trust) * guessed, np.float32)


def model_background(samples: UInt8[np.ndarray, "samples height width 3"]) -> Background:
    """Two rounds: the median says what moves, that says how the subject is coloured, that improves the background."""
    colours = np.median(samples, axis=0).astype(np.float32)
    noise = noise_of(samples, colours)
    active = changes(samples, colours, noise)
    region = suspects(active)
    known, table = ~region, NO_ODDS
    for _ in range(2):
        table = learn_colours(samples, active, ~region)
        region = spread(region, colours, table)
        colours, support = redecide(samples, region, colours, table)
        odds = np.empty(region.shape, np.float32)
        look_up(np.clip(colours, 0, 255).astype(np.uint8), table, odds)
        known = ~region | (odds < 1.0) | ((odds < 2.0) & (support < 0.6))
        known = ndimage.binary_opening(known, iterations=1) | ~region
        active = changes(samples, colours, noise) & known
    known |= ~vouched(~known, active)
    colours = np.where(known[..., None], colours, fill_in(colours, known))
    tolerance = np.maximum(TOLERANCE * noise, LEAST_CHANGE) + EDGE_TOLERANCE * edge_strength(colours)
    trust = np.where(region, np.clip((support - 0.05) / 0.3, 0.2, 1), 1) * known
    return Background(
        colours,
        tolerance.astype(np.float32),
        known,
        trust.astype(np.float32),
        table,
        float(active.mean() + (~known).mean()),
    )


def refine_edges(
    mask: UInt8[np.ndarray, "height width"],
    frame: UInt8[np.ndarray, "height width 3"],
    background: Float[np.ndarray, "height width 3"],
    known: Bool[np.ndarray, "height width"],
    gain: Float[np.ndarray, " 3"],
) -> UInt8[np.ndarray, "height width"]:
    """Soft edges by colour: a pixel half way from background to subject is half the subject's."""
    solid = mask > 127
    edge = grow(solid, 1) & grow(~solid, 2) & known
    share = np.ones(mask.shape, np.float32)
    matte_edge(frame, background, gain, solid, edge, share)
    return np.where(edge, np.rint(255 * share), np.where(solid, 255, 0)).astype(np.uint8)


def noise_of(
    samples: UInt8[np.ndarray, "samples height width 3"], middle: Float[np.ndarray, "height width 3"]
) -> Float[np.ndarray, "height width"]:
    """Spread of each pixel over time, where it shows the same thing."""
    away = np.abs(samples[::2].astype(np.float32) - middle).max(axis=-1)
    typical = float(np.median(np.median(away, axis=0)))
    each = 1.5 * np.quantile(away, 0.4, axis=0)
    return np.asarray(np.clip(np.minimum(each, 3 * typical + 3), *NOISE), np.float32)


def changes(
    samples: UInt8[np.ndarray, "samples height width 3"],
    colours: Float[np.ndarray, "height width 3"],
    noise: Float[np.ndarray, "height width"],
) -> Bool[np.ndarray, "samples height width"]:
    """Where each sample is something other than the background."""
    tolerance = (np.maximum(TOLERANCE * noise, LEAST_CHANGE) + EDGE_TOLERANCE * edge_strength(colours)).astype(
        np.float32
    )
    away = np.empty(samples.shape[:3], np.float32)
    for sample, out in zip(samples, away, strict=True):
        difference(sample, colours, tolerance, np.ones(3, np.float32), NO_ODDS, out)
    return away > 1.3


def edge_strength(colours: Float[np.ndarray, "height width 3"]) -> Float[np.ndarray, "height width"]:
    """Contrast to the neighbours: at sharp edges the slightest shake looks like change."""
    grey = colours.mean(axis=-1)
    return np.asarray(ndimage.maximum_filter(grey, 3) - ndimage.minimum_filter(grey, 3))


def suspects(active: Bool[np.ndarray, "samples height width"]) -> Bool[np.ndarray, "height width"]:
    """The part of the picture where the subject may be at some time: what changes, and what that encloses."""
    often = active.mean(axis=0) >= min(0.5, max(0.04, 1.5 / len(active)))
    often = ndimage.binary_opening(often, iterations=1)
    reach = max(2, round(0.04 * max(often.shape)))
    padded = np.pad(often, reach, mode="edge")
    near = ndimage.distance_transform_edt(~padded) <= reach
    closed = ndimage.distance_transform_edt(near) > reach - 2
    filled = ndimage.binary_fill_holes(closed[reach:-reach, reach:-reach])
    return np.asarray(filled)


def spread(
    region: Bool[np.ndarray, "height width"],
    colours: Float[np.ndarray, "height width 3"],
    table: Float[np.ndarray, "bins bins bins"],
) -> Bool[np.ndarray, "height width"]:
    """The suspected part and what is joined to it in the subject's own colours: limbs that never move."""
    odds = np.empty(region.shape, np.float32)
    look_up(np.clip(colours, 0, 255).astype(np.uint8), table, odds)
    alike = ndimage.binary_opening(ndimage.median_filter(odds, 3) > ALIKE)
    grown = ndimage.binary_propagation(region, mask=region | alike)
    return np.asarray(ndimage.binary_dilation(grown, iterations=2) if (grown & ~region).any() else grown)


def vouched(
    unknown: Bool[np.ndarray, "height width"], active: Bool[np.ndarray, "samples height width"]
) -> Bool[np.ndarray, "height width"]:
    """Parts beside which something moves nearly always: a body's. What flickers by itself is scenery."""
    labels, count = ndimage.label(unknown)
    keep = np.zeros(count + 1, bool)
    for number, place in enumerate(ndimage.find_objects(labels), start=1):
        wide = tuple(slice(max(0, each.start - 4), each.stop + 4) for each in place)
        part = labels[wide] == number
        ring = grow(part, 3) & ~part
        keep[number] = part.sum() >= SMALL_PART and active[(slice(None), *wide)][:, ring].any(axis=1).mean() >= 0.7
    return np.asarray(keep[labels])


def learn_colours(
    samples: UInt8[np.ndarray, "samples height width 3"],
    active: Bool[np.ndarray, "samples height width"],
    trusted: Bool[np.ndarray, "height width"],
) -> Float[np.ndarray, "bins bins bins"]:
    """Odds from what moves against what is seen, unmoved, where the background is trusted."""
    rare = active & (active.mean(axis=0) < 0.6)
    rare &= ndimage.uniform_filter(active.astype(np.float32), (0, 5, 5)) > 0.6
    few = slice(None, None, max(1, len(samples) // 8))
    behind = samples[few][~active[few] & trusted]
    return odds_table(histogram(samples[rare]), histogram(behind))


def redecide(
    samples: UInt8[np.ndarray, "samples height width 3"],
    region: Bool[np.ndarray, "height width"],
    colours: Float[np.ndarray, "height width 3"],
    table: Float[np.ndarray, "bins bins bins"],
) -> tuple[Float[np.ndarray, "height width 3"], Float[np.ndarray, "height width"]]:
    """The background inside the suspected part, and how much of the time it is seen."""
    guess = fill_in(colours, ~region)
    out, support = colours.copy(), np.ones(region.shape, np.float32)
    some = samples[:: max(1, len(samples) // 32)].astype(np.float32)
    costs = np.zeros(some.shape[:3], np.float32)
    inside = np.maximum(ndimage.uniform_filter(region.astype(np.float32), PATCH), 0.02)
    for _ in range(2):
        background_costs(some, region, guess, table, np.float32(0.3), costs)
        shared = 0.5 * costs + 0.5 * ndimage.uniform_filter(costs, (0, PATCH, PATCH)) / inside
        take_cheapest(some, region, shared, out, support)
        guess = np.stack([ndimage.median_filter(channel, 5) for channel in np.moveaxis(out, -1, 0)], axis=-1)
    return out, support


def fill_in(
    colours: Float[np.ndarray, "height width 3"], known: Bool[np.ndarray, "height width"]
) -> Float[np.ndarray, "height width 3"]:
    """Colours carried in from the known pixels around, smoother the farther in (push and pull over a pyramid)."""
    if known.all() or not known.any():
        return colours
    weight = known.astype(np.float32)[..., None]
    levels = [(colours * weight, weight)]
    while min(levels[-1][0].shape[:2]) > 2:
        levels.append((_halved(levels[-1][0]), _halved(levels[-1][1])))
    total, weights = levels[-1]
    guess = total / np.maximum(weights, 1e-6)
    for total, weights in reversed(levels[:-1]):
        guess = _doubled(guess, total.shape[:2])
        share = np.minimum(weights, 1.0)
        guess = share * total / np.maximum(weights, 1e-6) + (1 - share) * guess
    return np.where(known[..., None], colours, guess).astype(np.float32)


def _halved(image: Float[np.ndarray, "_ _ channels"]) -> Float[np.ndarray, "_ _ channels"]:
    soft = ndimage.uniform_filter(image, (2, 2, 0), mode="constant")
    return np.asarray(soft[::2, ::2] * 2)


def _doubled(image: Float[np.ndarray, "_ _ channels"], shape: tuple[int, ...]) -> Float[np.ndarray, "_ _ channels"]:
    grown = np.repeat(np.repeat(image, 2, axis=0), 2, axis=1)[: shape[0], : shape[1]]
    return np.asarray(ndimage.uniform_filter(grown, (3, 3, 0), mode="nearest"))
