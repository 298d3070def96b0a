"""Inner loops of segmentation, compiled. Colours are looked up in a table of 16 × 16 × 16 bins."""
# mypy: allow-untyped-defs, allow-untyped-calls, allow-incomplete-defs

import numpy as np

from mocapcli.render.compiled import compiled

NEAR = 14.0  # levels: samples this near show the same surface


@compiled
def background_costs(samples, region, guess, table, strength, costs):
    """How badly each sample of each pixel serves as background: seen seldom, unlike its surroundings, like the subject.

    `table` holds log(subject / background) by colour.
    """
    count, height, width = samples.shape[:3]
    for y in range(height):
        for x in range(width):
            if not region[y, x]:
                continue
            for i in range(count):
                red, green, blue = samples[i, y, x]
                votes = 0
                for k in range(count):
                    other = samples[k, y, x]
                    away = max(abs(red - other[0]), abs(green - other[1]), abs(blue - other[2]))
                    votes += away < NEAR
                odds = table[int(red) >> 4, int(green) >> 4, int(blue) >> 4]
                away = abs(red - guess[y, x, 0]) + abs(green - guess[y, x, 1]) + abs(blue - guess[y, x, 2])
                costs[i, y, x] = strength * min(max(odds, -3.0), 3.0) + min(away, 200.0) / 300.0 - votes / count


@compiled
def take_cheapest(samples, region, costs, colours, support):
    """For each pixel of the region the mean of what is like its cheapest sample; `support` is how much that is."""
    count, height, width = samples.shape[:3]
    for y in range(height):
        for x in range(width):
            if not region[y, x]:
                continue
            best = 0
            for i in range(count):
                if costs[i, y, x] < costs[best, y, x]:
                    best = i
            red, green, blue = samples[best, y, x]
            votes = 0
            total = np.zeros(3, np.float32)
            for k in range(count):
                other = samples[k, y, x]
                if max(abs(red - other[0]), abs(green - other[1]), abs(blue - other[2])) < NEAR:
                    votes += 1
                    for c in range(3):
                        total[c] += other[c]
            support[y, x] = votes / count
            for c in range(3):
                colours[y, x, c] = total[c] / votes


@compiled
def difference(frame, background, tolerance, gain, table, out):
    """How far each pixel is from the background, in tolerances; shadows of it count for little.

    A shadow darkens without changing the colour: the part along the background's colour is forgiven, unless the
    colour is one of the subject's.
    """
    height, width = frame.shape[:2]
    for y in range(height):
        for x in range(width):
            top, bottom, shift = 0.0, 1e-6, 0.0
            for c in range(3):
                expected = background[y, x, c] * gain[c]
                value = float(frame[y, x, c])
                top += value * expected
                bottom += expected * expected
                shift = max(shift, abs(value - expected))
            ratio = top / bottom
            odds = table[frame[y, x, 0] >> 4, frame[y, x, 1] >> 4, frame[y, x, 2] >> 4]
            if 0.5 < ratio < 1.0 and bottom > 1200.0 and odds < 1.0:
                rest = 0.0
                for c in range(3):
                    away = abs(frame[y, x, c] - ratio * background[y, x, c] * gain[c])
                    rest = max(rest, away)
                forgiven = min(1.0, (ratio - 0.5) / 0.15) * min(1.0, 1.0 - odds)
                shadow = 2.2 * rest + 0.12 * shift
                shift = min(shift, forgiven * shadow + (1.0 - forgiven) * shift)
            out[y, x] = shift / tolerance[y, x]


@compiled
def grow(mask, steps):
    """The mask and all pixels within so many steps up, down, left or right."""
    height, width = mask.shape
    out = mask.copy()
    for _ in range(steps):
        before = out.copy()
        for y in range(height):
            for x in range(width):
                if not before[y, x]:
                    out[y, x] = (
                        (y > 0 and before[y - 1, x])
                        or (y + 1 < height and before[y + 1, x])
                        or (x > 0 and before[y, x - 1])
                        or (x + 1 < width and before[y, x + 1])
                    )
    return out


@compiled
def matte_edge(frame, background, gain, inside, edge, out):
    """How much of each edge pixel is subject: where it lies between the background and the subject's colour nearby."""
    height, width = edge.shape
    for y in range(height):
        for x in range(width):
            if not edge[y, x]:
                continue
            total, subject = 1e-6, np.zeros(3, np.float32)
            for v in range(max(y - 3, 0), min(y + 4, height)):
                for u in range(max(x - 3, 0), min(x + 4, width)):
                    if inside[v, u]:
                        away = 0.0
                        for c in range(3):
                            away += (frame[v, u, c] - background[v, u, c] * gain[c]) ** 2
                        weight = away / (1.0 + (v - y) ** 2 + (u - x) ** 2)
                        total += weight
                        for c in range(3):
                            subject[c] += weight * frame[v, u, c]
            along, length = 0.0, 1e-6
            for c in range(3):
                expected = background[y, x, c] * gain[c]
                step = subject[c] / total - expected
                along += step * (frame[y, x, c] - expected)
                length += step * step
            share = along / length
            out[y, x] = min(max((share - 0.25) / 0.5, 0.0), 1.0)


@compiled
def look_up(frame, table, out):
    """The table's value of each pixel's colour."""
    for y in range(frame.shape[0]):
        for x in range(frame.shape[1]):
            out[y, x] = table[frame[y, x, 0] >> 4, frame[y, x, 1] >> 4, frame[y, x, 2] >> 4]


@compiled
def agree(odds, frame, contrast, weight, rounds, out):
    """Log-odds of each pixel once neighbours of like colour have agreed (mean field of an Ising model)."""
    height, width = odds.shape
    fade = np.empty(768, np.float32)
    for level in range(768):
        fade[level] = weight * np.exp(-level / contrast)
    ties = np.zeros((height, width, 4), np.float32)  # right, down, down right, down left
    for y in range(height):
        for x in range(width):
            for k in range(4):
                v = y + (k > 0)
                u = x + (1 if k in (0, 2) else -1 if k == 3 else 0)
                if v < height and 0 <= u < width:
                    step = 0
                    for c in range(3):
                        step += abs(int(frame[y, x, c]) - int(frame[v, u, c]))
                    ties[y, x, k] = fade[step] * (1.0 if k < 2 else 0.7)
    believed = np.empty((height, width), np.float32)
    out[:] = odds
    for _ in range(rounds):
        for y in range(height):
            for x in range(width):
                value = out[y, x] * 0.5
                believed[y, x] = value / (1.0 + abs(value))
        out[:] = odds
        for y in range(height):
            for x in range(width):
                for k in range(4):
                    v = y + (k > 0)
                    u = x + (1 if k in (0, 2) else -1 if k == 3 else 0)
                    if v < height and 0 <= u < width:
                        out[y, x] += ties[y, x, k] * believed[v, u]
                        out[v, u] += ties[y, x, k] * believed[y, x]
