"""Pure pose maths on numpy, above scipy's `Rotation`: arrays in, arrays out, any leading batch axes.

Forward kinematics needs numpy alone (machines that only train may lack scipy), hence the imports inside.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Int

from mocapcli.errors import InvalidDataError
from mocapcli.types import Asset, LeftAside, Mesh, Motion, Rig, Skeleton

Matrices = Float[np.ndarray, "*batch joints 4 4"]


def quat_to_matrix(quaternions: Float[np.ndarray, "*batch 4"]) -> Float[np.ndarray, "*batch 3 3"]:
    """Unit quaternions to rotation matrices."""
    x, y, z, w = np.moveaxis(np.asarray(quaternions, dtype=np.float64), -1, 0)
    out = np.empty((*x.shape, 3, 3))
    out[..., 0, 0], out[..., 1, 1], out[..., 2, 2] = (
        1 - 2 * (y * y + z * z),
        1 - 2 * (x * x + z * z),
        1 - 2 * (x * x + y * y),
    )
    out[..., 0, 1], out[..., 1, 0] = 2 * (x * y - z * w), 2 * (x * y + z * w)
    out[..., 0, 2], out[..., 2, 0] = 2 * (x * z + y * w), 2 * (x * z - y * w)
    out[..., 1, 2], out[..., 2, 1] = 2 * (y * z - x * w), 2 * (y * z + x * w)
    return out


def matrix_to_quat(matrices: Float[np.ndarray, "*batch 3 3"]) -> Float[np.ndarray, "*batch 4"]:
    """Rotation matrices (already orthonormal) to quaternions with w >= 0."""
    from scipy.spatial.transform import Rotation

    batch = matrices.shape[:-2]
    quaternions = Rotation.from_matrix(matrices.reshape(-1, 3, 3)).as_quat(canonical=True)
    return quaternions.reshape(*batch, 4)


def compose(
    rotations: Float[np.ndarray, "*batch 4"],
    translations: Float[np.ndarray, "*batch 3"],
    scales: Float[np.ndarray, "*batch 3"] | None = None,
) -> Float[np.ndarray, "*batch 4 4"]:
    """Translation · rotation · scale as 4×4 matrices."""
    turns = quat_to_matrix(rotations)
    return affine(turns if scales is None else turns * scales[..., None, :], translations)


def affine(
    turns: Float[np.ndarray, "*batch 3 3"], places: Float[np.ndarray, "*#batch 3"]
) -> Float[np.ndarray, "*batch 4 4"]:
    """4×4 matrices of both."""
    out = np.zeros((*turns.shape[:-2], 4, 4))
    out[..., :3, :3], out[..., :3, 3], out[..., 3, 3] = turns, places, 1.0
    return out


def about_vertical(angles: Float[np.ndarray, "*batch"] | float) -> Float[np.ndarray, "*batch 3 3"]:
    """Turns by so many radians."""
    cosine, sine, nil = np.cos(angles), np.sin(angles), np.zeros_like(angles)
    rows = [[cosine, nil, sine], [nil, nil + 1, nil], [-sine, nil, cosine]]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def decompose(
    matrices: Float[np.ndarray, "*batch 4 4"],
) -> tuple[Float[np.ndarray, "*batch 4"], Float[np.ndarray, "*batch 3"], Float[np.ndarray, "*batch 3"]]:
    """4×4 matrices to rotation, translation, scale; shear is dropped, a mirror becomes a negative scale."""
    rotations, stretch = polar(matrices[..., :3, :3])
    scales = np.diagonal(stretch, axis1=-2, axis2=-1).copy()
    return matrix_to_quat(rotations), matrices[..., :3, 3].copy(), scales


def polar(
    linear: Float[np.ndarray, "*batch 3 3"],
) -> tuple[Float[np.ndarray, "*batch 3 3"], Float[np.ndarray, "*batch 3 3"]]:
    """`linear = rotation @ stretch`, the rotation nearest to it; a mirror ends up in the stretch (negative)."""
    largest = np.maximum(np.abs(linear).max(axis=(-1, -2), keepdims=True), 1e-300)
    even = linear / largest  # squares of huge numbers would overflow
    gram = np.swapaxes(even, -1, -2) @ even
    norms = np.sqrt(np.diagonal(gram, axis1=-2, axis2=-1))
    cosines = np.abs(gram - gram * np.eye(3)) - 1e-12 * norms[..., :, None] * norms[..., None, :]
    plain = (cosines.max(axis=(-1, -2)) <= 0) & (norms.min(axis=-1) > 1e-12)
    # Columns at right angles (nearly always): dividing by their lengths is exact and needs no SVD.
    rotation = even / np.where(norms > 1e-30, norms, 1.0)[..., None, :]
    if not plain.all():
        u, _, vt = np.linalg.svd(even[~plain])
        rotation[~plain] = u @ vt
    rotation = rotation * np.where(np.linalg.det(rotation) < 0, -1.0, 1.0)[..., None, None]
    return rotation, np.swapaxes(rotation, -1, -2) @ linear


def inverse_affine(matrices: Float[np.ndarray, "*batch 4 4"]) -> Float[np.ndarray, "*batch 4 4"]:
    """Inverse of affine matrices; a collapsed axis (scale zero) is inverted as if it were tiny."""
    linear = matrices[..., :3, :3]
    collapsed = _collapsed(linear)
    if collapsed.any():
        rotation, stretch = polar(linear[collapsed])
        linear = linear.copy()
        linear[collapsed] = rotation @ (stretch + 1e-6 * np.eye(3))
    out = np.zeros_like(matrices)
    out[..., :3, :3] = np.linalg.inv(linear)
    out[..., :3, 3] = -(out[..., :3, :3] @ matrices[..., :3, 3, None])[..., 0]
    out[..., 3, 3] = 1.0
    return out


def _collapsed(linear: Float[np.ndarray, "*batch 3 3"]) -> Bool[np.ndarray, "*batch"]:
    """Whether an axis has no length to speak of beside the longest, so that a tiny rig is not a collapsed one."""
    largest = np.abs(linear).max(axis=(-1, -2))
    even = linear / np.maximum(largest, 1e-12)[..., None, None]
    return np.asarray(np.abs(np.linalg.det(even)) < 1e-18)


def local_to_world(parents: Int[np.ndarray, " joints"], local: Matrices) -> Matrices:
    """Forward kinematics: local joint matrices to world ones."""
    world = np.array(local)
    for joints in depth_levels(parents)[1:]:
        world[..., joints, :, :] = world[..., parents[joints], :, :] @ local[..., joints, :, :]
    return world


def carried(
    rotations: Float[np.ndarray, "frames joints 3 3"],
    bones: Float[np.ndarray, "joints 3"],
    parents: Int[np.ndarray, " joints"],
    roots: Float[np.ndarray, "frames joints 3"],
) -> Float[np.ndarray, "frames joints 3"]:
    """Where joints stand under world rotations; `bones` lie in their parents' axes, of `roots` only roots are read."""
    placed = np.array(roots)
    for joints in depth_levels(parents)[1:]:
        above = parents[joints]
        placed[:, joints] = placed[:, above] + np.einsum("fjab,jb->fja", rotations[:, above], bones[joints])
    return placed


def bones_in_parents(
    positions: Float[np.ndarray, "joints 3"],
    rotations: Float[np.ndarray, "joints 3 3"],
    parents: Int[np.ndarray, " joints"],
) -> Float[np.ndarray, "joints 3"]:
    """Each joint's offset in its parent's axes, from where a pose has them in the world; a root's is nothing."""
    above = np.maximum(parents, 0)
    local = np.einsum("jba,jb->ja", rotations[above], positions - positions[above])
    return np.asarray(np.where(parents[:, None] >= 0, local, 0.0))


def world_to_local(parents: Int[np.ndarray, " joints"], world: Matrices) -> Matrices:
    local = np.array(world)
    children = np.flatnonzero(parents >= 0)
    local[..., children, :, :] = inverse_affine(world[..., parents[children], :, :]) @ world[..., children, :, :]
    return local


def depth_levels(parents: Int[np.ndarray, " joints"]) -> list[Int[np.ndarray, " level"]]:
    """Joints by depth, roots first: what can be computed side by side. Parents may stand behind their children."""
    depth, above = (parents >= 0).astype(np.int64), np.array(parents)
    for _ in range(len(parents).bit_length()):  # every look goes twice as far up
        known = above >= 0
        depth[known] += depth[above[known]]
        above[known] = above[above[known]]
    order = np.argsort(depth, kind="stable")  # not one pass a level: a hostile chain is as deep as it is long
    return np.split(order, np.cumsum(np.bincount(depth))[:-1])


def rest_world(skeleton: Skeleton) -> Float[np.ndarray, "joints 4 4"]:
    """World matrices of the rest pose."""
    return local_to_world(skeleton.parents, compose(skeleton.rest_rotations, skeleton.rest_translations))


def resize_pose(
    pose: Float[np.ndarray, "joints 3"], parents: Int[np.ndarray, " joints"], factors: Float[np.ndarray, " joints"]
) -> Float[np.ndarray, "joints 3"]:
    """A pose whose bones keep their directions and are that much longer."""
    out = np.array(pose)
    for joint, parent in enumerate(parents):
        if parent >= 0:
            out[joint] = out[parent] + factors[joint] * (pose[joint] - pose[parent])
    return out


def with_ancestors(
    parents: Int[np.ndarray, " joints"], marked: Bool[np.ndarray, " joints"]
) -> Bool[np.ndarray, " joints"]:
    """Joints that are marked or have a descendant that is."""
    carries = np.array(marked)
    for joint in range(len(parents) - 1, 0, -1):
        if carries[joint] and parents[joint] >= 0:
            carries[parents[joint]] = True
    return carries


def ancestry(parents: Int[np.ndarray, " joints"]) -> Bool[np.ndarray, "joints joints"]:
    """Whether the column's joint is the row's, or above it."""
    above = np.eye(len(parents), dtype=bool)
    for joints in depth_levels(parents)[1:]:
        above[joints] |= above[parents[joints]]
    return above


def motion_world(skeleton: Skeleton, motion: Motion) -> Float[np.ndarray, "frames joints 4 4"]:
    """World matrices of every frame."""
    local = compose(motion.rotations, motion.translations, motion.scales)
    return local_to_world(skeleton.parents, local)


def joint_positions(skeleton: Skeleton, motion: Motion) -> Float[np.ndarray, "frames joints 3"]:
    return motion_world(skeleton, motion)[..., :3, 3]


def skeleton_from_world(
    names: tuple[str, ...],
    parents: Int[np.ndarray, " joints"],
    world: Float[np.ndarray, "joints 4 4"],
) -> tuple[Skeleton, Float[np.ndarray, "joints 3 3"]]:
    """A skeleton from any affine rest matrices, and the *gauge* that was taken out of each joint's frame.

    Joint frames of a skeleton have unit scale at rest, so world = unit_frame @ gauge. Divide the gauge out of
    animated matrices with `motion_from_world`, and multiply it back in when writing into the original file.
    Inverse bind matrices need `gauge @ inverse_bind`.
    """
    rotations, gauge = polar(world[:, :3, :3])
    collapsed = _collapsed(gauge)
    gauge = np.where(collapsed[:, None, None], np.eye(3), gauge)
    unit = np.array(world)
    unit[:, :3, :3] = rotations
    rest_rotations, rest_translations, _ = decompose(world_to_local(parents, unit))
    return Skeleton(names, parents, rest_translations, rest_rotations), gauge


def motion_from_world(
    name: str,
    fps: float,
    skeleton: Skeleton,
    world: Float[np.ndarray, "frames joints 4 4"],
    gauge: Float[np.ndarray, "joints 3 3"] | None = None,
) -> Motion:
    """A clip from world matrices. Joint positions come out exact, whatever scale or shear the file holds.

    Level by level against the *reconstructed* parents, so that what a local transform cannot express (shear)
    never moves a child. Scales that stay at one are left out.
    """
    matrices = np.array(world)
    if gauge is not None:
        matrices[..., :3, :3] = matrices[..., :3, :3] @ np.linalg.inv(gauge)
    frames, joints = matrices.shape[:2]
    rotations, translations = np.empty((frames, joints, 4)), np.empty((frames, joints, 3))
    scales = np.empty((frames, joints, 3))
    rebuilt = np.empty_like(matrices)
    for level in depth_levels(skeleton.parents):
        parents = skeleton.parents[level]
        local = matrices[:, level]
        if (parents >= 0).any():
            local = inverse_affine(rebuilt[:, parents]) @ local
        rotations[:, level], translations[:, level], scales[:, level] = decompose(local)
        rebuilt[:, level] = compose(rotations[:, level], translations[:, level], scales[:, level])
        if (parents >= 0).any():
            rebuilt[:, level] = rebuilt[:, parents] @ rebuilt[:, level]
    kept = None if np.abs(scales - 1.0).max() < 1e-4 else scales
    return Motion(name, fps, continuous(rotations), translations, kept)


def continuous(rotations: Float[np.ndarray, "frames *rest 4"]) -> Float[np.ndarray, "frames *rest 4"]:
    """Signs chosen so that no quaternion jumps to its antipode between frames."""
    dots = np.einsum("...q,...q->...", rotations[1:], rotations[:-1])
    if not (dots < 0).any():
        return rotations
    signs = np.cumprod(np.where(dots < 0, -1.0, 1.0), axis=0)
    return np.concatenate([rotations[:1], rotations[1:] * signs[..., None]])


def slerp(
    first: Float[np.ndarray, "*batch 4"],
    second: Float[np.ndarray, "*batch 4"],
    weight: Float[np.ndarray, "*#batch 1"],
) -> Float[np.ndarray, "*batch 4"]:
    """Spherical interpolation along the shorter arc; vectorised over everything."""
    dots = np.sum(first * second, axis=-1, keepdims=True)
    near = np.where(dots < 0, -second, second)
    angle = np.arctan2(np.linalg.norm(near - first, axis=-1), np.linalg.norm(near + first, axis=-1))[..., None] * 2
    sine = np.sin(angle)
    small = angle < 1e-6
    safe = np.where(small, 1.0, sine)
    left = np.where(small, 1.0 - weight, np.sin((1.0 - weight) * angle) / safe)
    right = np.where(small, weight, np.sin(weight * angle) / safe)
    mixed: np.ndarray = left * first + right * near
    return np.asarray(mixed / np.linalg.norm(mixed, axis=-1, keepdims=True))


def sample(motion: Motion, times: Float[np.ndarray, " frames"], fps: float) -> Motion:
    """The motion at the given times (seconds, held at both ends), labelled with `fps`."""
    position = np.clip(np.asarray(times) * motion.fps, 0, motion.frames - 1)
    nearest = np.rint(position)
    position = np.where(np.abs(position - nearest) < 1e-6, nearest, position)  # frames that coincide stay exact
    low = np.floor(position).astype(np.int64)
    high = np.minimum(low + 1, motion.frames - 1)
    weight = (position - low)[:, None, None]

    def mix(values: np.ndarray) -> np.ndarray:
        return np.where(weight == 0, values[low], values[low] * (1 - weight) + values[high] * weight)

    rotations = np.where(
        weight == 0, motion.rotations[low], slerp(motion.rotations[low], motion.rotations[high], weight)
    )
    scales = None if motion.scales is None else mix(motion.scales)
    return Motion(motion.name, fps, rotations, mix(motion.translations), scales)


def resample(motion: Motion, fps: float) -> Motion:
    """The same seconds at another frame rate."""
    return motion if fps == motion.fps else crop(motion, fps=fps)


def crop(motion: Motion, start: float | None = None, end: float | None = None, fps: float | None = None) -> Motion:
    """Seconds `start` to `end` (both included), which becomes time zero onwards; at another frame rate if asked."""
    rate = motion.fps if fps is None else fps
    if not (np.isfinite(rate) and rate > 0):
        raise InvalidDataError(f"frame rate must be positive, not {rate}")
    first = 0.0 if start is None else start
    last = motion.duration if end is None else min(end, motion.duration)
    if not (0 <= first <= last + 1e-9):
        raise InvalidDataError(
            f"motion {motion.name!r}: time range {first:g}-{last:g} s is empty (it lasts {motion.duration:g} s)"
        )
    frames = int(np.floor((last - first) * rate + 1e-6)) + 1
    return sample(motion, first + np.arange(frames) / rate, rate)


def transform_asset(asset: Asset, scale: float = 1.0, rotation: Float[np.ndarray, " 4"] | None = None) -> Asset:
    """The whole asset turned about the origin and scaled: for files that do not say their units or up axis.

    The original document no longer fits afterwards, so of `rig.source` only the names of what is lost remain.
    """
    if not (np.isfinite(scale) and scale > 0):
        raise InvalidDataError(f"scale must be positive, not {scale}")
    from scipy.spatial.transform import Rotation

    turn = Rotation.identity() if rotation is None else Rotation.from_quat(rotation)
    skeleton = asset.rig.skeleton
    roots = skeleton.parents < 0

    def moved(rotations: np.ndarray, translations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rotations, translations = rotations.copy(), translations * scale
        shape = translations[..., roots, :].shape
        translations[..., roots, :] = turn.apply(translations[..., roots, :].reshape(-1, 3)).reshape(shape)
        turned = turn * Rotation.from_quat(rotations[..., roots, :].reshape(-1, 4))
        rotations[..., roots, :] = turned.as_quat().reshape(*shape[:-1], 4)
        return rotations, translations

    beyond = getattr(asset.rig.source, "beyond", ())
    rest_rotations, rest_translations = moved(skeleton.rest_rotations, skeleton.rest_translations)
    motions = []
    for motion in asset.motions:
        rotations, translations = moved(motion.rotations, motion.translations)
        motions.append(replace(motion, rotations=rotations, translations=translations))
    rig = Rig(
        replace(skeleton, rest_translations=rest_translations, rest_rotations=rest_rotations),
        None if asset.rig.mesh is None else _transform_mesh(asset.rig.mesh, turn.as_matrix(), scale),
        asset.rig.name,
        LeftAside(beyond) if beyond else None,
    )
    return Asset(rig, tuple(motions))


def _transform_mesh(mesh: Mesh, turn: Float[np.ndarray, "3 3"], scale: float) -> Mesh:
    """Vertices turned and scaled; inverse binds undo the turn first and scale their offsets."""
    undo = np.eye(4)
    undo[:3, :3] = turn.T
    binds = mesh.inverse_binds @ undo
    binds[:, :3, 3] *= scale
    fixed = mesh.bind_joints < 0  # these act in world space on both sides
    if fixed.any():
        redo = np.eye(4)
        redo[:3, :3] = turn
        binds[fixed] = redo @ binds[fixed]
    normals = None if mesh.normals is None else mesh.normals @ turn.T
    return replace(mesh, vertices=mesh.vertices @ turn.T * scale, normals=normals, inverse_binds=binds)
