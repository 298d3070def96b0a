"""The rasteriser's inner loops, compiled by numba. Arrays in, arrays out; `rasteriser.draw` is the way in.

Each frame: project the vertices; find the nearest face of every sample (z-buffer over 1 / depth, which is linear
on the screen); then colour each pixel from the faces seen in it. Attributes are interpolated from the *unclipped*
triangle by homogeneous barycentrics (the ray through the pixel against the camera-space corners), so that they are
perspective-correct and clipping needs no attributes. Screen positions are snapped to 1/256 sample: edge functions
are then exact in float64 and neighbours meet without gaps or overlaps (top-left rule).
"""

import math
from typing import NamedTuple

import numpy as np

from mocapcli.render.compiled import compiled, inlined

SNAP = 256.0
EXCLUSIVE = 1.0 / 131072.0  # less than the smallest edge value of snapped corners
OPAQUE, MASK, BLEND = 0.0, 1.0, 2.0
# Columns of the material table.
MODE, CUTOFF, TWO_SIDED, TEXTURED, MATERIAL_COLUMNS = 4, 5, 6, 7, 8
SRGB_CODES = np.arange(256) / 255.0
TO_LINEAR = np.where(SRGB_CODES <= 0.04045, SRGB_CODES / 12.92, ((SRGB_CODES + 0.055) / 1.055) ** 2.4).astype(np.float32)
SRGB_STEPS = 8191
STEPS = np.arange(SRGB_STEPS + 1) / SRGB_STEPS
TO_SRGB = np.rint(255 * np.where(STEPS <= 0.0031308, STEPS * 12.92, 1.055 * STEPS ** (1 / 2.4) - 0.055)).astype(np.uint8)
# Screen-door thresholds: every 2×2 block alone holds four well spread levels.
DITHER = (np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]], np.float32) + 0.5) / 16


class Batch(NamedTuple):
    """All a frame is drawn from; the first axis is time where there is one (length one: the same in all frames)."""

    points: np.ndarray  # [T, V, 3] float32, world
    normals: np.ndarray  # [T, V, 3] float32, or [T, 0, 3]: flat shading
    cameras: np.ndarray  # [T|1, 16] float64, see Camera.packed
    faces: np.ndarray  # [F, 3] int32
    tested: int  # faces from here on are alpha tested
    uvs: np.ndarray  # [V, 2] float32
    colours: np.ndarray  # [V, 4] float32, linear
    face_materials: np.ndarray  # [F] int32
    materials: np.ndarray  # [M, 8] float32
    levels: np.ndarray  # [M, L, 3] int64: offset, width, height of each mip level
    texels: np.ndarray  # [N, 4] uint8, sRGB
    lights: np.ndarray  # [L + 1, 6] float32: direction towards, linear colour; the last is ambient
    background: np.ndarray  # [T|1, H|1, W|1, 3] uint8
    transparent: bool
    supersample: int
    culling: bool
    attributes: np.ndarray  # [T|1, V, C] float32
    labels: np.ndarray  # [V] int32


class Output(NamedTuple):
    """What is filled in; an output nobody wants has length zero."""

    colour: np.ndarray  # [T, H, W, 4] uint8
    mask: np.ndarray  # [T, H, W] float32
    depth: np.ndarray  # [T, H, W] float32
    attributes: np.ndarray  # [T, H, W, C] float32
    labels: np.ndarray  # [T, H, W] int32


@inlined
def _snap(value):  # type: ignore[no-untyped-def]
    return math.floor(value * SNAP + 0.5) / SNAP


@compiled
def project(points, camera, scale, local, screen):  # type: ignore[no-untyped-def]
    """Camera coordinates, and sample positions with 1 / depth (0: before the near plane, -1: not a number).

    Returns the box (left, top, right, bottom) that holds them all, infinite where something must be clipped.
    """
    focal, centre_x, centre_y, near = camera[12] * scale, camera[13] * scale, camera[14] * scale, camera[15]
    left = top = math.inf
    right = bottom = -math.inf
    for v in range(len(points)):
        x, y, z = points[v, 0], points[v, 1], points[v, 2]
        lx = camera[0] * x + camera[1] * y + camera[2] * z + camera[9]
        ly = camera[3] * x + camera[4] * y + camera[5] * z + camera[10]
        depth = -(camera[6] * x + camera[7] * y + camera[8] * z + camera[11])
        local[v, 0], local[v, 1], local[v, 2] = lx, ly, -depth
        if depth > near and math.isfinite(lx) and math.isfinite(ly) and depth < math.inf:
            inverse = 1.0 / depth
            sx = _snap(centre_x + focal * lx * inverse)
            sy = _snap(centre_y - focal * ly * inverse)
            screen[v, 0], screen[v, 1], screen[v, 2] = sx, sy, inverse
            left, right, top, bottom = min(left, sx), max(right, sx), min(top, sy), max(bottom, sy)
        elif depth <= near and math.isfinite(lx) and math.isfinite(ly) and depth > -math.inf:
            screen[v, 2] = 0.0
            left = top = -math.inf
            right = bottom = math.inf
        else:
            screen[v, 2] = -1.0
    return left, top, right, bottom


@inlined
def _edge(px, py, qx, qy, x, y):  # type: ignore[no-untyped-def]
    """Edge function at the first sample with its steps along x and y; inside is ≥ 0 (top-left rule included)."""
    dx, dy = qx - px, qy - py
    start = dx * (y - py) - dy * (x - px)
    if not (dy < 0 or (dy == 0 and dx > 0)):
        start -= EXCLUSIVE
    return start, -dy, dx


@inlined
def _fill(batch, face, corners, camera, local, nearest, seen):  # type: ignore[no-untyped-def]
    """One screen triangle into the z-buffer: `nearest` holds 1 / depth, `seen` the face."""
    ax, ay, ai = corners[0]
    bx, by, bi = corners[1]
    cx, cy, ci = corners[2]
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    height, width = nearest.shape
    x0 = int(max(0.0, math.ceil(min(ax, bx, cx) - 0.5)))
    x1 = int(min(width - 1.0, math.floor(max(ax, bx, cx) - 0.5)))
    y0 = int(max(0.0, math.ceil(min(ay, by, cy) - 0.5)))
    y1 = int(min(height - 1.0, math.floor(max(ay, by, cy) - 0.5)))
    back = area > 0  # fronts are counter-clockwise seen with y up
    kept = not back or not batch.culling or batch.materials[batch.face_materials[face], TWO_SIDED] > 0
    if area != 0 and kept and x1 >= x0 and y1 >= y0:
        if not back:
            bx, by, bi, cx, cy, ci, area = cx, cy, ci, bx, by, bi, -area
        ea, ea_x, ea_y = _edge(bx, by, cx, cy, x0 + 0.5, y0 + 0.5)
        eb, eb_x, eb_y = _edge(cx, cy, ax, ay, x0 + 0.5, y0 + 0.5)
        ec, ec_x, ec_y = _edge(ax, ay, bx, by, x0 + 0.5, y0 + 0.5)
        step = 1.0 / area
        z_x = (ea_x * ai + eb_x * bi + ec_x * ci) * step
        for y in range(y0, y1 + 1):
            down = y - y0
            wa, wb, wc = ea + down * ea_y, eb + down * eb_y, ec + down * ec_y
            z = (wa * ai + wb * bi + wc * ci) * step
            inside = False
            for x in range(x0, x1 + 1):
                if wa >= 0 and wb >= 0 and wc >= 0:
                    inside = True
                    value = np.float32(z)
                    if value > nearest[y, x]:
                        if face < batch.tested or _is_solid(batch, face, camera, local, x, y):
                            nearest[y, x] = value
                            seen[y, x] = face
                elif inside:
                    break
                wa += ea_x
                wb += eb_x
                wc += ec_x
                z += z_x


@compiled
def clip(local, faces, face, camera, scale, pieces):  # type: ignore[no-untyped-def]
    """A face that crosses the near plane, cut; returns how many triangles (0 to 2) are now in `pieces`."""
    near = camera[15]
    polygon = np.empty((4, 3))
    count = 0
    for corner in range(3):
        here, there = local[faces[face, corner]], local[faces[face, (corner + 1) % 3]]
        inside, next_inside = -here[2] > near, -there[2] > near
        if inside:
            polygon[count] = here
            count += 1
        if inside != next_inside:
            share = (-near - here[2]) / (there[2] - here[2])
            polygon[count, 0] = here[0] + share * (there[0] - here[0])
            polygon[count, 1] = here[1] + share * (there[1] - here[1])
            polygon[count, 2] = -near
            count += 1
    for piece in range(count - 2):
        for corner in range(3):
            point = polygon[0 if corner == 0 else piece + corner]
            inverse = -1.0 / point[2]
            pieces[piece, corner, 0] = _snap((camera[13] + camera[12] * point[0] * inverse) * scale)
            pieces[piece, corner, 1] = _snap((camera[14] - camera[12] * point[1] * inverse) * scale)
            pieces[piece, corner, 2] = inverse
    return max(count - 2, 0)


@compiled
def find_nearest(batch, camera, local, screen, nearest, seen):  # type: ignore[no-untyped-def]
    """Fill the z-buffer from all faces, the alpha-tested ones last."""
    pieces = np.empty((2, 3, 3))
    for face in range(len(batch.faces)):
        a, b, c = batch.faces[face, 0], batch.faces[face, 1], batch.faces[face, 2]
        low = min(screen[a, 2], screen[b, 2], screen[c, 2])
        count = 0
        if low > 0:
            count = 1
            pieces[0, 0], pieces[0, 1], pieces[0, 2] = screen[a], screen[b], screen[c]
        elif low == 0:
            count = clip(local, batch.faces, face, camera, batch.supersample, pieces)
        for piece in range(count):
            _fill(batch, face, pieces[piece], camera, local, nearest, seen)


@inlined
def _cross(a, b, c, x, y):  # type: ignore[no-untyped-def]
    """b × c dotted with the ray (x, y, -1), and its slopes along x and y."""
    nx = b[1] * c[2] - b[2] * c[1]
    ny = b[2] * c[0] - b[0] * c[2]
    nz = b[0] * c[1] - b[1] * c[0]
    return nx * x + ny * y - nz, nx, ny


@inlined
def _barycentric(batch, face, camera, local, x, y):  # type: ignore[no-untyped-def]
    """Perspective-correct weights of the three corners at a pixel position, their sum's sign (negative: front),
    and the slopes of the unnormalised weights per pixel."""
    a, b, c = local[batch.faces[face, 0]], local[batch.faces[face, 1]], local[batch.faces[face, 2]]
    ray_x, ray_y = (x - camera[13]) / camera[12], (camera[14] - y) / camera[12]
    wa, wa_x, wa_y = _cross(a, b, c, ray_x, ray_y)
    wb, wb_x, wb_y = _cross(b, c, a, ray_x, ray_y)
    wc, wc_x, wc_y = _cross(c, a, b, ray_x, ray_y)
    total = wa + wb + wc
    if total == 0:
        total = 1e-30
    step = 1.0 / (total * camera[12])
    slopes = (wa_x * step, wb_x * step, wc_x * step, -wa_y * step, -wb_y * step, -wc_y * step)
    return wa / total, wb / total, wc / total, total, slopes


@inlined
def _sample(batch, face, material, wa, wb, wc, slopes):  # type: ignore[no-untyped-def]
    """Texture at the given weights, linear RGBA: bilinear, from the mip level nearest to one texel per pixel."""
    a, b, c = batch.faces[face, 0], batch.faces[face, 1], batch.faces[face, 2]
    ua, ub, uc = batch.uvs[a, 0], batch.uvs[b, 0], batch.uvs[c, 0]
    va, vb, vc = batch.uvs[a, 1], batch.uvs[b, 1], batch.uvs[c, 1]
    u, v = wa * ua + wb * ub + wc * uc, wa * va + wb * vb + wc * vc
    xa, xb, xc, ya, yb, yc = slopes
    wide, high = batch.levels[material, 0, 1], batch.levels[material, 0, 2]
    ux = (xa * (ua - u) + xb * (ub - u) + xc * (uc - u)) * wide
    vx = (xa * (va - v) + xb * (vb - v) + xc * (vc - v)) * high
    uy = (ya * (ua - u) + yb * (ub - u) + yc * (uc - u)) * wide
    vy = (ya * (va - v) + yb * (vb - v) + yc * (vc - v)) * high
    spread = max(ux * ux + vx * vx, uy * uy + vy * vy)
    level = 0
    if spread > 2.0:
        level = min(batch.levels.shape[1] - 1, int(0.5 * math.log2(min(spread, 1e30)) + 0.5))
    start, wide, high = batch.levels[material, level, 0], batch.levels[material, level, 1], batch.levels[material, level, 2]
    x, y = (u - math.floor(u)) * wide - 0.5, (v - math.floor(v)) * high - 0.5
    left, top = math.floor(x), math.floor(y)
    fx, fy = np.float32(x - left), np.float32(y - top)
    x0, y0 = int(left), int(top)
    x1, y1 = x0 + 1, y0 + 1
    x0 += wide if x0 < 0 else 0  # textures repeat
    y0 += high if y0 < 0 else 0
    x1 -= wide if x1 >= wide else 0
    y1 -= high if y1 >= high else 0
    p, q = batch.texels[start + y0 * wide + x0], batch.texels[start + y0 * wide + x1]
    r, s = batch.texels[start + y1 * wide + x0], batch.texels[start + y1 * wide + x1]
    wp, wq, wr, ws = (1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy
    red = TO_LINEAR[p[0]] * wp + TO_LINEAR[q[0]] * wq + TO_LINEAR[r[0]] * wr + TO_LINEAR[s[0]] * ws
    green = TO_LINEAR[p[1]] * wp + TO_LINEAR[q[1]] * wq + TO_LINEAR[r[1]] * wr + TO_LINEAR[s[1]] * ws
    blue = TO_LINEAR[p[2]] * wp + TO_LINEAR[q[2]] * wq + TO_LINEAR[r[2]] * wr + TO_LINEAR[s[2]] * ws
    alpha = (p[3] * wp + q[3] * wq + r[3] * wr + s[3] * ws) * np.float32(1 / 255)
    return red, green, blue, alpha


@compiled
def _is_solid(batch, face, camera, local, x, y):  # type: ignore[no-untyped-def]
    """Alpha test of one sample; blended surfaces are drawn as a screen door."""
    pixel_x, pixel_y = (x + 0.5) / batch.supersample, (y + 0.5) / batch.supersample
    wa, wb, wc, _, slopes = _barycentric(batch, face, camera, local, pixel_x, pixel_y)
    a, b, c = batch.faces[face, 0], batch.faces[face, 1], batch.faces[face, 2]
    material = batch.face_materials[face]
    alpha = batch.materials[material, 3]
    alpha *= wa * batch.colours[a, 3] + wb * batch.colours[b, 3] + wc * batch.colours[c, 3]
    if batch.materials[material, TEXTURED] > 0:
        alpha *= _sample(batch, face, material, wa, wb, wc, slopes)[3]
    if batch.materials[material, MODE] == BLEND:
        return alpha >= DITHER[y % 4, x % 4]
    return alpha >= batch.materials[material, CUTOFF]


@inlined
def _normal(batch, frame, face, wa, wb, wc, total):  # type: ignore[no-untyped-def]
    """Unit normal in the world, turned towards the camera."""
    a, b, c = batch.faces[face, 0], batch.faces[face, 1], batch.faces[face, 2]
    if batch.normals.shape[1] > 0:
        na, nb, nc = batch.normals[frame, a], batch.normals[frame, b], batch.normals[frame, c]
        x = wa * na[0] + wb * nb[0] + wc * nc[0]
        y = wa * na[1] + wb * nb[1] + wc * nc[1]
        z = wa * na[2] + wb * nb[2] + wc * nc[2]
    else:
        pa, pb, pc = batch.points[frame, a], batch.points[frame, b], batch.points[frame, c]
        ux, uy, uz = pb[0] - pa[0], pb[1] - pa[1], pb[2] - pa[2]
        vx, vy, vz = pc[0] - pa[0], pc[1] - pa[1], pc[2] - pa[2]
        x, y, z = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    length = math.sqrt(x * x + y * y + z * z)
    scale = 0.0
    if 0 < length < math.inf:
        scale = (1.0 if total < 0 else -1.0) / length
    return x * scale, y * scale, z * scale


@inlined
def _shade(batch, frame, face, camera, local, pixel_x, pixel_y):  # type: ignore[no-untyped-def]
    """Linear colour of a face at a pixel position: vertex colour × base colour × texture × light."""
    wa, wb, wc, total, slopes = _barycentric(batch, face, camera, local, pixel_x, pixel_y)
    a, b, c = batch.faces[face, 0], batch.faces[face, 1], batch.faces[face, 2]
    ca, cb, cc = batch.colours[a], batch.colours[b], batch.colours[c]
    material = batch.face_materials[face]
    base = batch.materials[material]
    red = (wa * ca[0] + wb * cb[0] + wc * cc[0]) * base[0]
    green = (wa * ca[1] + wb * cb[1] + wc * cc[1]) * base[1]
    blue = (wa * ca[2] + wb * cb[2] + wc * cc[2]) * base[2]
    if base[TEXTURED] > 0:
        texel = _sample(batch, face, material, wa, wb, wc, slopes)
        red, green, blue = red * texel[0], green * texel[1], blue * texel[2]
    nx, ny, nz = _normal(batch, frame, face, wa, wb, wc, total)
    last = len(batch.lights) - 1
    light_r, light_g, light_b = batch.lights[last, 3], batch.lights[last, 4], batch.lights[last, 5]
    for i in range(last):
        light = batch.lights[i]
        facing = nx * light[0] + ny * light[1] + nz * light[2]
        if facing > 0:
            light_r += facing * light[3]
            light_g += facing * light[4]
            light_b += facing * light[5]
    return min(max(red * light_r, 0.0), 1.0), min(max(green * light_g, 0.0), 1.0), min(max(blue * light_b, 0.0), 1.0)


@compiled
def paint(batch, frame, camera, local, seen, box, output):  # type: ignore[no-untyped-def]
    """Colour and coverage: each distinct face of a pixel is shaded once, samples are averaged in linear light."""
    scale = batch.supersample
    share = 1.0 / (scale * scale)
    background = batch.background[frame % len(batch.background)]
    left, top, right, bottom = box
    for y in range(top, bottom):
        for x in range(left, right):
            red = green = blue = face_r = face_g = face_b = 0.0
            covered, last = 0, -1
            for j in range(y * scale, y * scale + scale):
                for i in range(x * scale, x * scale + scale):
                    face = seen[j, i]
                    if face < 0:
                        continue
                    covered += 1
                    if face != last:
                        last = face
                        place_x, place_y = (i + 0.5) / scale, (j + 0.5) / scale
                        face_r, face_g, face_b = _shade(batch, frame, face, camera, local, place_x, place_y)
                    red += face_r
                    green += face_g
                    blue += face_b
            if covered == 0:
                continue
            alpha = covered * share
            if len(output.mask):
                output.mask[frame, y, x] = alpha
            if len(output.colour):
                _blend(batch, background, output.colour[frame], x, y, red * share, green * share, blue * share, alpha)


@inlined
def _blend(batch, background, colour, x, y, red, green, blue, alpha):  # type: ignore[no-untyped-def]
    """Write one pixel: straight alpha on nothing, or composited in linear light on the background."""
    if batch.transparent:
        red, green, blue = red / alpha, green / alpha, blue / alpha
    elif alpha < 1:
        under = background[y % len(background), x % background.shape[1]]
        red += TO_LINEAR[under[0]] * (1 - alpha)
        green += TO_LINEAR[under[1]] * (1 - alpha)
        blue += TO_LINEAR[under[2]] * (1 - alpha)
    colour[y, x, 0] = TO_SRGB[int(min(red, 1.0) * SRGB_STEPS + 0.5)]
    colour[y, x, 1] = TO_SRGB[int(min(green, 1.0) * SRGB_STEPS + 0.5)]
    colour[y, x, 2] = TO_SRGB[int(min(blue, 1.0) * SRGB_STEPS + 0.5)]
    if batch.transparent:
        colour[y, x, 3] = np.uint8(alpha * 255 + 0.5)


@inlined
def _main_face(seen, nearest, x, y, scale):  # type: ignore[no-untyped-def]
    """The face with most samples in a pixel (ties: the nearer) and the mean position of what it covers there."""
    best, best_count, best_near, best_x, best_y = -1, 0, 0.0, 0.0, 0.0
    for j in range(y * scale, y * scale + scale):
        for i in range(x * scale, x * scale + scale):
            face = seen[j, i]
            if face < 0 or face == best:
                continue
            count, near, sum_x, sum_y = 0, nearest[j, i], 0.0, 0.0
            for m in range(y * scale, y * scale + scale):
                for n in range(x * scale, x * scale + scale):
                    if seen[m, n] == face:
                        count += 1
                        near = max(near, nearest[m, n])
                        sum_x += n + 0.5
                        sum_y += m + 0.5
            if count > best_count or (count == best_count and near > best_near):
                best, best_count, best_near = face, count, near
                best_x, best_y = sum_x / (count * scale), sum_y / (count * scale)
    return best, best_x, best_y


@compiled
def measure(batch, frame, camera, local, nearest, seen, box, output):  # type: ignore[no-untyped-def]
    """Depth, attributes and labels, all of the face that covers most of the pixel."""
    values = batch.attributes[frame % len(batch.attributes)]
    left, top, right, bottom = box
    for y in range(top, bottom):
        for x in range(left, right):
            face, place_x, place_y = _main_face(seen, nearest, x, y, batch.supersample)
            if face < 0:
                continue
            wa, wb, wc, _, _ = _barycentric(batch, face, camera, local, place_x, place_y)
            a, b, c = batch.faces[face, 0], batch.faces[face, 1], batch.faces[face, 2]
            if len(output.depth):
                output.depth[frame, y, x] = -(wa * local[a, 2] + wb * local[b, 2] + wc * local[c, 2])
            if len(output.attributes):
                for k in range(values.shape[1]):
                    output.attributes[frame, y, x, k] = wa * values[a, k] + wb * values[b, k] + wc * values[c, k]
            if len(output.labels):
                chosen = a if wa >= wb and wa >= wc else (b if wb >= wc else c)
                output.labels[frame, y, x] = batch.labels[chosen]


@inlined
def _pixel_box(bounds, scale, width, height):  # type: ignore[no-untyped-def]
    """The pixels a sample box touches, within the image."""
    left = int(min(max(math.floor(bounds[0] / scale), 0.0), float(width)))
    top = int(min(max(math.floor(bounds[1] / scale), 0.0), float(height)))
    right = int(max(min(math.floor(bounds[2] / scale) + 1, float(width)), float(left)))
    bottom = int(max(min(math.floor(bounds[3] / scale) + 1, float(height)), float(top)))
    return left, top, right, bottom


@inlined
def _clear(batch, frame, output):  # type: ignore[no-untyped-def]
    """What a frame looks like before anything is drawn."""
    background = batch.background[frame % len(batch.background)]
    if len(output.colour):
        image = output.colour[frame]
        for y in range(image.shape[0]):
            under = background[y % len(background)]
            for x in range(image.shape[1]):
                for k in range(3):
                    image[y, x, k] = under[x % len(under), k]
                image[y, x, 3] = 0 if batch.transparent else 255
    if len(output.mask):
        output.mask[frame] = 0
    if len(output.depth):
        output.depth[frame] = math.inf
    if len(output.attributes):
        output.attributes[frame] = 0
    if len(output.labels):
        output.labels[frame] = -1


@compiled
def draw_frames(batch, output, width, height, first, stride):  # type: ignore[no-untyped-def]
    """Every `stride`-th frame from `first` on: one thread's share."""
    scale = batch.supersample
    local = np.empty((batch.points.shape[1], 3))
    screen = np.empty((batch.points.shape[1], 3))
    nearest = np.zeros((height * scale, width * scale), np.float32)
    seen = np.full((height * scale, width * scale), -1, np.int32)
    for frame in range(first, len(batch.points), stride):
        camera = batch.cameras[frame % len(batch.cameras)]
        _clear(batch, frame, output)
        bounds = project(batch.points[frame], camera, scale, local, screen)
        box = _pixel_box(bounds, scale, width, height)
        find_nearest(batch, camera, local, screen, nearest, seen)
        if len(output.colour) or len(output.mask):
            paint(batch, frame, camera, local, seen, box, output)
        if len(output.depth) or len(output.attributes) or len(output.labels):
            measure(batch, frame, camera, local, nearest, seen, box, output)
        left, top, right, bottom = box
        nearest[top * scale : bottom * scale, left * scale : right * scale] = 0
        seen[top * scale : bottom * scale, left * scale : right * scale] = -1
