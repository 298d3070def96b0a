"""Cut crops out of frames: each crop pixel averages what its camera sees there, subject on black, mask as alpha."""
# mypy: allow-untyped-defs, allow-untyped-calls, allow-incomplete-defs

import math

import numpy as np
from jaxtyping import Bool, Float, UInt8

from mocapcli.render.camera import Camera
from mocapcli.render.compiled import compiled

FLIP = np.diag([1.0, -1.0, -1.0])  # camera axes (y up, looking along -z) to image axes (y down, looking along z)
MOST_SAMPLES = 8  # across one pixel
NEAREST = 1e-9  # what is not farther ahead of a camera is behind it


def cut_crop(
    frame: UInt8[np.ndarray, "height width 3"],
    mask: UInt8[np.ndarray, "rows columns"],
    full: Camera,
    crop: Camera,
) -> UInt8[np.ndarray, "size size 4"]:
    """One crop. The mask may be smaller than the frame."""
    out = np.empty((crop.height, crop.width, 4), np.uint8)
    matrix = between(full, crop)
    samples = min(MOST_SAMPLES, max(1, math.ceil(float(full.focal) / float(crop.focal))))
    _warp(frame, mask, matrix, samples, out)
    return out


def between(full: Camera, crop: Camera) -> Float[np.ndarray, "3 3"]:
    """The homography from the crop's pixels to those of the full picture; both cameras stand at one place."""
    return np.asarray(
        _intrinsics(full) @ FLIP @ full.rotation.T @ crop.rotation @ FLIP @ np.linalg.inv(_intrinsics(crop))
    )


def in_picture(full: Camera, crop: Camera) -> Bool[np.ndarray, "height width"]:
    """Which of the crop's pixels the full picture shows: nobody knows what is beyond its edges."""
    across, down = np.meshgrid(np.arange(crop.width) + 0.5, np.arange(crop.height) + 0.5)
    x, y, depth = np.einsum("ij,jvu->ivu", between(full, crop), np.stack([across, down, np.ones_like(across)]))
    ahead = depth > NEAREST
    x, y = (np.where(ahead, place / np.where(ahead, depth, 1.0), -1.0) for place in (x, y))
    return np.asarray((x >= 0) & (x < full.width) & (y >= 0) & (y < full.height))


def _intrinsics(camera: Camera) -> Float[np.ndarray, "3 3"]:
    focal = float(camera.focal)
    return np.array([[focal, 0, camera.centre[0]], [0, focal, camera.centre[1]], [0, 0, 1.0]])


@compiled
def _warp(frame, mask, matrix, samples, out):
    height, width = frame.shape[:2]
    rows, columns = mask.shape
    across, down = columns / width, rows / height
    each = 1.0 / (samples * samples)
    left, top, right, bottom = columns, rows, -1, -1  # of the mask: what lies outside is black
    for y in range(rows):
        for x in range(columns):
            if mask[y, x]:
                left, right, top, bottom = min(left, x), max(right, x), min(top, y), max(bottom, y)
    reach = 2.0 + samples * max(across, 1.0)
    for v in range(out.shape[0]):
        for u in range(out.shape[1]):
            red, green, blue, share = 0.0, 0.0, 0.0, 0.0
            depth = matrix[2, 0] * (u + 0.5) + matrix[2, 1] * (v + 0.5) + matrix[2, 2]
            if depth > NEAREST:
                p = across * (matrix[0, 0] * (u + 0.5) + matrix[0, 1] * (v + 0.5) + matrix[0, 2]) / depth
                q = down * (matrix[1, 0] * (u + 0.5) + matrix[1, 1] * (v + 0.5) + matrix[1, 2]) / depth
                if p < left - reach or p > right + reach or q < top - reach or q > bottom + reach:
                    out[v, u] = 0
                    continue
            for sample in range(samples * samples):
                x = u + (sample % samples + 0.5) / samples
                y = v + (sample // samples + 0.5) / samples
                depth = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2]
                if depth <= NEAREST:
                    continue
                p = (matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2]) / depth
                q = (matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2]) / depth
                if not (0.0 <= p < width and 0.0 <= q < height):
                    continue
                m, n = p * across - 0.5, q * down - 0.5
                i, k = math.floor(m), math.floor(n)
                m, n = m - i, n - k
                i0, i1 = max(i, 0), min(i + 1, columns - 1)
                k0, k1 = max(k, 0), min(k + 1, rows - 1)
                weight = (mask[k0, i0] * (1 - m) + mask[k0, i1] * m) * (1 - n)
                weight += (mask[k1, i0] * (1 - m) + mask[k1, i1] * m) * n
                if weight <= 0.0:
                    continue
                weight *= each / 255.0
                m, n = p - 0.5, q - 0.5
                i, k = math.floor(m), math.floor(n)
                m, n = m - i, n - k
                i0, i1 = max(i, 0), min(i + 1, width - 1)
                k0, k1 = max(k, 0), min(k + 1, height - 1)
                a, b, c, d = (1 - m) * (1 - n), m * (1 - n), (1 - m) * n, m * n
                red += weight * (
                    a * frame[k0, i0, 0] + b * frame[k0, i1, 0] + c * frame[k1, i0, 0] + d * frame[k1, i1, 0]
                )
                green += weight * (
                    a * frame[k0, i0, 1] + b * frame[k0, i1, 1] + c * frame[k1, i0, 1] + d * frame[k1, i1, 1]
                )
                blue += weight * (
                    a * frame[k0, i0, 2] + b * frame[k0, i1, 2] + c * frame[k1, i0, 2] + d * frame[k1, i1, 2]
                )
                share += weight
            out[v, u, 0], out[v, u, 1], out[v, u, 2] = int(red + 0.5), int(green + 0.5), int(blue + 0.5)
            out[v, u, 3] = int(share * 255.0 + 0.5)
