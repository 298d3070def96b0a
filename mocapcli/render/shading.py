"""What a pixel looks like, from the faces seen in it. Compiled.

Attributes are interpolated from the *unclipped* triangle by homogeneous barycentrics (the ray through the pixel
against the camera-space corners): they are perspective-correct, and clipping needs to know nothing of them.
"""
# mypy: allow-untyped-defs, allow-untyped-calls, allow-incomplete-defs

import numpy as np

from mocapcli.render.compiled import compiled, inlined

OPAQUE, MASK, BLEND = 0.0, 1.0, 2.0
# Columns of the material table, after linear RGBA.
MODE, CUTOFF, TWO_SIDED, TEXTURED, MATERIAL_COLUMNS = 4, 5, 6, 7, 8
CODES = np.arange(256) / 255.0
TO_LINEAR = np.where(CODES <= 0.04045, CODES / 12.92, ((CODES + 0.055) / 1.055) ** 2.4).astype(np.float32)
SRGB_STEPS = 8191
STEPS = np.arange(SRGB_STEPS + 1) / SRGB_STEPS
TO_SRGB = np.rint(255 * np.where(STEPS <= 0.0031308, STEPS * 12.92, 1.055 * STEPS ** (1 / 2.4) - 0.055)).astype(
    np.uint8
)


@inlined
def corners(faces, face):
    """Unsigned, here and below: numba then leaves out its care for negative indices."""
    row = np.uintp(face)
    return np.uintp(faces[row, 0]), np.uintp(faces[row, 1]), np.uintp(faces[row, 2])


@inlined
def cross(local, b, c, x, y):
    """b × c dotted with the ray (x, y, -1), and its slopes along x and y."""
    nx = local[b, 1] * local[c, 2] - local[b, 2] * local[c, 1]
    ny = local[b, 2] * local[c, 0] - local[b, 0] * local[c, 2]
    nz = local[b, 0] * local[c, 1] - local[b, 1] * local[c, 0]
    return nx * x + ny * y - nz, nx, ny


@inlined
def barycentric(local, a, b, c, camera, px, py):
    """Weights of the three corners at a pixel position, their sum before normalising (negative: a front face),
    and the slopes of the unnormalised weights per pixel along x and along y."""
    x, y = (px - camera[13]) * camera[16], (camera[14] - py) * camera[16]
    wa, wa_x, wa_y = cross(local, b, c, x, y)
    wb, wb_x, wb_y = cross(local, c, a, x, y)
    wc, wc_x, wc_y = cross(local, a, b, x, y)
    total = wa + wb + wc
    share = 1.0 / total if total != 0 else 0.0
    step = share * camera[16]
    return (
        wa * share, wb * share, wc * share, total,
        wa_x * step, wb_x * step, wc_x * step, -wa_y * step, -wb_y * step, -wc_y * step,
    )  # fmt: skip


@inlined
def sample_texture(uvs, levels, texels, material, a, b, c, wa, wb, wc, xa, xb, xc, ya, yb, yc):
    """Linear RGBA: bilinear, from the mip level nearest to one texel per pixel. Textures repeat."""
    ua, ub, uc, va, vb, vc = uvs[a, 0], uvs[b, 0], uvs[c, 0], uvs[a, 1], uvs[b, 1], uvs[c, 1]
    u, v = wa * ua + wb * ub + wc * uc, wa * va + wb * vb + wc * vc
    wide, high = levels[material, 0, 1], levels[material, 0, 2]
    ux, vx = (
        (xa * (ua - u) + xb * (ub - u) + xc * (uc - u)) * wide,
        (xa * (va - v) + xb * (vb - v) + xc * (vc - v)) * high,
    )
    uy, vy = (
        (ya * (ua - u) + yb * (ub - u) + yc * (uc - u)) * wide,
        (ya * (va - v) + yb * (vb - v) + yc * (vc - v)) * high,
    )
    spread = max(ux * ux + vx * vx, uy * uy + vy * vy)
    level = 0
    deepest = levels.shape[1] - 1
    while spread > 2.0 and level < deepest:
        spread *= 0.25
        level += 1
    start, wide, high = levels[material, level, 0], levels[material, level, 1], levels[material, level, 2]
    x, y = (u - np.floor(u)) * wide - 0.5, (v - np.floor(v)) * high - 0.5
    left, top = np.floor(x), np.floor(y)
    fx, fy = np.float32(x - left), np.float32(y - top)
    # Clamped twice: coordinates that are not numbers must not leave the texture.
    x0, y0 = min(max(int(left), -1), wide - 1), min(max(int(top), -1), high - 1)
    x1, y1 = x0 + 1, y0 + 1
    x0, y0 = x0 if x0 >= 0 else wide - 1, y0 if y0 >= 0 else high - 1
    x1, y1 = x1 if x1 < wide else 0, y1 if y1 < high else 0
    upper, lower = start + y0 * wide, start + y1 * wide
    p, q, r, s = np.uintp(upper + x0), np.uintp(upper + x1), np.uintp(lower + x0), np.uintp(lower + x1)
    wp, wq, wr, ws = (1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy
    t, lut = texels, TO_LINEAR
    red = lut[t[p, 0]] * wp + lut[t[q, 0]] * wq + lut[t[r, 0]] * wr + lut[t[s, 0]] * ws
    green = lut[t[p, 1]] * wp + lut[t[q, 1]] * wq + lut[t[r, 1]] * wr + lut[t[s, 1]] * ws
    blue = lut[t[p, 2]] * wp + lut[t[q, 2]] * wq + lut[t[r, 2]] * wr + lut[t[s, 2]] * ws
    alpha = (t[p, 3] * wp + t[q, 3] * wq + t[r, 3] * wr + t[s, 3] * ws) / 255.0
    return red, green, blue, alpha


@inlined
def world_normal(points, normals, frame, a, b, c, wa, wb, wc, total):
    """Unit normal in the world, turned towards the camera; of the face where vertices have none."""
    if normals.shape[1] > 0:
        x = wa * normals[frame, a, 0] + wb * normals[frame, b, 0] + wc * normals[frame, c, 0]
        y = wa * normals[frame, a, 1] + wb * normals[frame, b, 1] + wc * normals[frame, c, 1]
        z = wa * normals[frame, a, 2] + wb * normals[frame, b, 2] + wc * normals[frame, c, 2]
    else:
        px, py, pz = points[frame, a, 0], points[frame, a, 1], points[frame, a, 2]
        ux, uy, uz = points[frame, b, 0] - px, points[frame, b, 1] - py, points[frame, b, 2] - pz
        vx, vy, vz = points[frame, c, 0] - px, points[frame, c, 1] - py, points[frame, c, 2] - pz
        x, y, z = 1.0 * uy * vz - uz * vy, 1.0 * uz * vx - ux * vz, 1.0 * ux * vy - uy * vx
    square = np.float32(x * x + y * y + z * z)
    length = np.sqrt(square)
    scale = np.float32(1.0 if total < 0 else -1.0) / length if 0 < square < np.inf else np.float32(0.0)
    return x * scale, y * scale, z * scale


@inlined
def clamped(value):
    """Between 0 and 1; what is no number becomes 0, for it would index the colour table from outside."""
    return 0.0 if not value > 0 else (1.0 if value > 1 else value)


@inlined
def shade(batch, frame, face, camera, local, px, py):
    """Linear colour of a face at a pixel position: vertex colour × base colour × texture × light."""
    colours, materials, lights = batch.colours, batch.materials, batch.lights
    a, b, c = corners(batch.faces, face)
    wa, wb, wc, total, xa, xb, xc, ya, yb, yc = barycentric(local, a, b, c, camera, px, py)
    material = np.uintp(batch.face_materials[np.uintp(face)])
    red = (wa * colours[a, 0] + wb * colours[b, 0] + wc * colours[c, 0]) * materials[material, 0]
    green = (wa * colours[a, 1] + wb * colours[b, 1] + wc * colours[c, 1]) * materials[material, 1]
    blue = (wa * colours[a, 2] + wb * colours[b, 2] + wc * colours[c, 2]) * materials[material, 2]
    if materials[material, TEXTURED] > 0:
        uvs, levels, texels = batch.uvs, batch.levels, batch.texels
        texel = sample_texture(uvs, levels, texels, material, a, b, c, wa, wb, wc, xa, xb, xc, ya, yb, yc)
        red, green, blue = red * texel[0], green * texel[1], blue * texel[2]
    nx, ny, nz = world_normal(batch.points, batch.normals, frame, a, b, c, wa, wb, wc, total)
    last = len(lights) - 1
    light_r, light_g, light_b = 1.0 * lights[last, 3], 1.0 * lights[last, 4], 1.0 * lights[last, 5]
    for i in range(last):
        facing = max(nx * lights[i, 0] + ny * lights[i, 1] + nz * lights[i, 2], 0.0)
        light_r += facing * lights[i, 3]
        light_g += facing * lights[i, 4]
        light_b += facing * lights[i, 5]
    return clamped(red * light_r), clamped(green * light_g), clamped(blue * light_b)


@inlined
def blend(batch, frame, image, x, y, red, green, blue, alpha):
    """Write one pixel: straight alpha on nothing, or composited in linear light on the background."""
    background = batch.background
    if batch.transparent:
        red, green, blue = red / alpha, green / alpha, blue / alpha
        image[frame, y, x, 3] = np.uint8(alpha * 255 + 0.5)
    elif alpha < 1:
        t, j, i = min(frame, background.shape[0] - 1), min(y, background.shape[1] - 1), min(x, background.shape[2] - 1)
        red += TO_LINEAR[background[t, j, i, 0]] * (1 - alpha)
        green += TO_LINEAR[background[t, j, i, 1]] * (1 - alpha)
        blue += TO_LINEAR[background[t, j, i, 2]] * (1 - alpha)
    image[frame, y, x, 0] = TO_SRGB[int(min(red, 1.0) * SRGB_STEPS + 0.5)]
    image[frame, y, x, 1] = TO_SRGB[int(min(green, 1.0) * SRGB_STEPS + 0.5)]
    image[frame, y, x, 2] = TO_SRGB[int(min(blue, 1.0) * SRGB_STEPS + 0.5)]


@compiled
def paint(batch, frame, camera, local, seen, box, output):
    """Colour and coverage: each distinct face of a pixel is shaded once, samples are averaged in linear light."""
    scale = batch.supersample
    step, share = 1.0 / scale, 1.0 / (scale * scale)
    coloured, masked = len(output.colour) > 0, len(output.mask) > 0
    colour, mask = output.colour, output.mask
    left, top, right, bottom = box
    for y in range(top, bottom):
        for x in range(left, right):
            red = green = blue = face_r = face_g = face_b = other_r = other_g = other_b = 0.0
            covered, last, other = 0, -1, -1
            for j in range(y * scale, y * scale + scale):
                for i in range(x * scale, x * scale + scale):
                    face = seen[j, i]
                    if face < 0:
                        continue
                    covered += 1
                    if coloured and face != last:  # the last two shades are kept: edges run through pixels
                        known = face == other
                        other, last = last, face
                        face_r, face_g, face_b, other_r, other_g, other_b = (
                            other_r,
                            other_g,
                            other_b,
                            face_r,
                            face_g,
                            face_b,
                        )
                        if not known:
                            px, py = (i + 0.5) * step, (j + 0.5) * step
                            face_r, face_g, face_b = shade(batch, frame, face, camera, local, px, py)
                    red += face_r
                    green += face_g
                    blue += face_b
            if covered > 0:
                if masked:
                    mask[frame, y, x] = covered * share
                if coloured:
                    alpha = covered * share
                    blend(batch, frame, colour, x, y, red * share, green * share, blue * share, alpha)


@inlined
def nearest_face(seen, nearest, x, y, scale):
    """The face nearest to the camera in a pixel, and the mean position of the samples it covers there."""
    best, best_near = -1, np.float32(0.0)
    for j in range(y * scale, y * scale + scale):
        for i in range(x * scale, x * scale + scale):
            if nearest[j, i] > best_near:
                best, best_near = seen[j, i], nearest[j, i]
    count, sum_x, sum_y = 0, 0, 0
    if best >= 0:
        for j in range(scale):
            for i in range(scale):
                if seen[y * scale + j, x * scale + i] == best:
                    count += 1
                    sum_x += i
                    sum_y += j
    share = 1.0 / (max(count, 1) * scale)
    return best, x + sum_x * share + 0.5 / scale, y + sum_y * share + 0.5 / scale


@compiled
def measure(batch, frame, camera, local, nearest, seen, box, output):
    """Depth, attributes and labels, all of the face nearest to the camera in the pixel.

    Depth comes from the face, not from the z-buffer, whose corners are snapped.
    """
    faces, values, names = batch.faces, batch.attributes, batch.labels
    depth, attributes, labels = output.depth, output.attributes, output.labels
    row = min(frame, len(values) - 1)
    left, top, right, bottom = box
    for y in range(top, bottom):
        for x in range(left, right):
            face, px, py = nearest_face(seen, nearest, x, y, batch.supersample)
            if face < 0:
                continue
            a, b, c = corners(faces, face)
            wa, wb, wc, _, _, _, _, _, _, _ = barycentric(local, a, b, c, camera, px, py)
            if len(depth):
                depth[frame, y, x] = -(wa * local[a, 2] + wb * local[b, 2] + wc * local[c, 2])
            if len(attributes):
                for k in range(values.shape[2]):
                    attributes[frame, y, x, k] = (
                        wa * values[row, a, k] + wb * values[row, b, k] + wc * values[row, c, k]
                    )
            if len(labels):
                chosen = a if wa >= wb and wa >= wc else (b if wb >= wc else c)
                labels[frame, y, x] = names[chosen]
