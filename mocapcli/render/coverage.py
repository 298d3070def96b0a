"""Which face is nearest in each sample: projection, near-plane clipping, triangle filling. Compiled.

Screen positions are snapped to 1/256 sample: edge functions are then exact in float64, and neighbours meet
without gaps or overlaps (top-left rule). The z-buffer holds 1 / depth, which is linear on the screen.
"""
# mypy: allow-untyped-defs, allow-untyped-calls, allow-incomplete-defs

import math

import numpy as np

from mocapcli.render.compiled import compiled, inlined
from mocapcli.render.shading import BLEND, CUTOFF, MODE, TEXTURED, TWO_SIDED, barycentric, corners, sample_texture

SNAP = 256.0
EXCLUSIVE = 1.0 / 131072.0  # less than the smallest edge value of snapped corners
BELOW_HALF = 0.5 - 0.5 / SNAP
# Screen-door thresholds: every 2×2 block alone holds four well spread levels.
DITHER = (np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]], np.float32) + 0.5) / 16


@inlined
def snap(value):
    return np.floor(value * SNAP + 0.5) / SNAP


@compiled
def project(points, frame, camera, scale, local, screen):
    """Camera coordinates, and sample positions with 1 / depth (0: before the near plane, -1: not a number).

    Returns the box (left, top, right, bottom) that holds them all, infinite where something must be clipped.
    """
    focal, centre_x, centre_y, near = camera[12] * scale, camera[13] * scale, camera[14] * scale, camera[15]
    left = top = math.inf
    right = bottom = -math.inf
    for v in range(points.shape[1]):
        x, y, z = points[frame, v, 0], points[frame, v, 1], points[frame, v, 2]
        lx = camera[0] * x + camera[1] * y + camera[2] * z + camera[9]
        ly = camera[3] * x + camera[4] * y + camera[5] * z + camera[10]
        depth = -(camera[6] * x + camera[7] * y + camera[8] * z + camera[11])
        local[v, 0], local[v, 1], local[v, 2] = lx, ly, -depth
        finite = abs(lx) < math.inf and abs(ly) < math.inf and abs(depth) < math.inf
        if finite and depth > near:
            inverse = 1.0 / depth
            sx = snap(centre_x + focal * lx * inverse)
            sy = snap(centre_y - focal * ly * inverse)
            screen[v, 0], screen[v, 1], screen[v, 2] = sx, sy, inverse
            left, right, top, bottom = min(left, sx), max(right, sx), min(top, sy), max(bottom, sy)
        elif finite:
            screen[v, 2] = 0.0
            left = top = -math.inf
            right = bottom = math.inf
        else:
            screen[v, 2] = -1.0
    return left, top, right, bottom


@compiled
def clip(local, a, b, c, camera, scale, pieces):
    """A face that crosses the near plane, cut; returns how many triangles (0 to 2) are now in `pieces`."""
    near = camera[15]
    polygon = np.empty((4, 3))
    count = 0
    for corner in range(3):
        p = a if corner == 0 else (b if corner == 1 else c)
        q = b if corner == 0 else (c if corner == 1 else a)
        inside, next_inside = -local[p, 2] > near, -local[q, 2] > near
        if inside:
            for k in range(3):
                polygon[count, k] = local[p, k]
            count += 1
        if inside != next_inside:
            share = (-near - local[p, 2]) / (local[q, 2] - local[p, 2])
            for k in range(2):
                polygon[count, k] = local[p, k] + share * (local[q, k] - local[p, k])
            polygon[count, 2] = -near
            count += 1
    for piece in range(count - 2):
        for corner in range(3):
            row = 0 if corner == 0 else piece + corner
            inverse = -1.0 / polygon[row, 2]
            pieces[piece, corner, 0] = snap((camera[13] + camera[12] * polygon[row, 0] * inverse) * scale)
            pieces[piece, corner, 1] = snap((camera[14] - camera[12] * polygon[row, 1] * inverse) * scale)
            pieces[piece, corner, 2] = inverse
    return max(count - 2, 0)


@inlined
def edge(px, py, qx, qy, x, y):
    """Edge function at the first sample with its steps along x and y; inside is ≥ 0 (top-left rule included)."""
    dx, dy = qx - px, qy - py
    start = dx * (y - py) - dy * (x - px)
    if not (dy < 0 or (dy == 0 and dx > 0)):
        start -= EXCLUSIVE
    return start, -dy, dx


@compiled
def is_solid(batch, face, camera, local, x, y):
    """Alpha test of one sample; blended surfaces are drawn as a screen door."""
    a, b, c = corners(batch.faces, face)
    px, py = (x + 0.5) / batch.supersample, (y + 0.5) / batch.supersample
    wa, wb, wc, _, xa, xb, xc, ya, yb, yc = barycentric(local, a, b, c, camera, px, py)
    material = np.uintp(batch.face_materials[face])
    alpha = wa * batch.colours[a, 3] + wb * batch.colours[b, 3] + wc * batch.colours[c, 3]
    alpha *= batch.materials[material, 3]
    if batch.materials[material, TEXTURED] > 0:
        uvs, levels, texels = batch.uvs, batch.levels, batch.texels
        alpha *= sample_texture(uvs, levels, texels, material, a, b, c, wa, wb, wc, xa, xb, xc, ya, yb, yc)[3]
    if batch.materials[material, MODE] == BLEND:
        return alpha >= DITHER[y % 4, x % 4]
    return alpha >= batch.materials[material, CUTOFF]


@inlined
def fill(batch, face, tested, ax, ay, ai, bx, by, bi, cx, cy, ci, camera, local, nearest, seen):
    """One screen triangle, its corners clockwise as seen (y down), into the z-buffer."""
    x0 = int(min(max(min(ax, bx, cx), 0.0), 1.0 * nearest.shape[1]) + BELOW_HALF)
    x1 = int(min(max(max(ax, bx, cx), 0.0), nearest.shape[1] - 0.5) + 0.5)
    y0 = int(min(max(min(ay, by, cy), 0.0), 1.0 * nearest.shape[0]) + BELOW_HALF)
    y1 = int(min(max(max(ay, by, cy), 0.0), nearest.shape[0] - 0.5) + 0.5)
    if x0 < x1 and y0 < y1:
        ea, ea_x, ea_y = edge(bx, by, cx, cy, x0 + 0.5, y0 + 0.5)
        eb, eb_x, eb_y = edge(cx, cy, ax, ay, x0 + 0.5, y0 + 0.5)
        ec, ec_x, ec_y = edge(ax, ay, bx, by, x0 + 0.5, y0 + 0.5)
        step = 1.0 / ((bx - ax) * (cy - ay) - (by - ay) * (cx - ax))
        z_x = (ea_x * ai + eb_x * bi + ec_x * ci) * step
        z_y = (ea_y * ai + eb_y * bi + ec_y * ci) * step
        z_row = (ea * ai + eb * bi + ec * ci) * step
        for y in range(y0, y1):
            wa, wb, wc, z = ea, eb, ec, z_row
            inside = False
            for x in range(x0, x1):
                if wa >= 0 and wb >= 0 and wc >= 0:
                    inside = True
                    value = np.float32(z)
                    if value > nearest[y, x]:
                        if not tested or is_solid(batch, face, camera, local, x, y):
                            nearest[y, x] = value
                            seen[y, x] = face
                elif inside:
                    break
                wa += ea_x
                wb += eb_x
                wc += ec_x
                z += z_x
            ea += ea_y
            eb += eb_y
            ec += ec_y
            z_row += z_y


@compiled
def find_nearest(batch, camera, local, screen, nearest, seen):
    """Fill the z-buffer: `nearest` holds 1 / depth, `seen` the face. Alpha-tested faces come last."""
    faces, face_materials, materials = batch.faces, batch.face_materials, batch.materials
    pieces = np.empty((2, 3, 3))
    for face in range(len(faces)):
        a, b, c = corners(faces, face)
        ax, ay, ai = screen[a, 0], screen[a, 1], screen[a, 2]
        bx, by, bi = screen[b, 0], screen[b, 1], screen[b, 2]
        cx, cy, ci = screen[c, 0], screen[c, 1], screen[c, 2]
        count = 1
        if ai <= 0 or bi <= 0 or ci <= 0:
            hopeless = ai < 0 or bi < 0 or ci < 0 or max(ai, bi, ci) <= 0
            count = 0 if hopeless else clip(local, a, b, c, camera, batch.supersample, pieces)
        for piece in range(count):
            if ai <= 0 or bi <= 0 or ci <= 0 or piece > 0:
                ax, ay, ai = pieces[piece, 0, 0], pieces[piece, 0, 1], pieces[piece, 0, 2]
                bx, by, bi = pieces[piece, 1, 0], pieces[piece, 1, 1], pieces[piece, 1, 2]
                cx, cy, ci = pieces[piece, 2, 0], pieces[piece, 2, 1], pieces[piece, 2, 2]
            area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
            if area > 0 and batch.culling and materials[face_materials[face], TWO_SIDED] == 0:
                continue  # a back face: fronts are counter-clockwise seen with y up
            if area < 0:
                bx, by, bi, cx, cy, ci = cx, cy, ci, bx, by, bi
            if area != 0:
                tested = face >= batch.tested
                fill(batch, face, tested, ax, ay, ai, bx, by, bi, cx, cy, ci, camera, local, nearest, seen)
