"""A plan's skin: one closed blob, closed tubes and balls, thin sheets; each vertex with its bones and its tint."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from mocapcli.zoo.body import Body
from mocapcli.zoo.plan import Ball, Plan
from mocapcli.zoo.surface import Capsule, averaging, polygonise
from mocapcli.zoo.weights import flesh_weights, limit_influences, split_twists


@dataclass(frozen=True, eq=False)
class Piece:
    """Vertices and faces with full weights over all joints."""

    vertices: Float[np.ndarray, "vertices 3"]
    faces: Int[np.ndarray, "faces 3"]
    weights: Float[np.ndarray, "vertices joints"]
    tint: str
    gaze: Float[np.ndarray, " vertices"]  # 1 in the middle of a pupil, -1 behind; 0 where it is no eye
    thin: bool = False  # an open two-sided sheet


@dataclass(frozen=True, eq=False)
class Skin:
    """All pieces as one mesh."""

    vertices: Float[np.ndarray, "vertices 3"]
    faces: Int[np.ndarray, "faces 3"]
    indices: Int[np.ndarray, "vertices 4"]
    weights: Float[np.ndarray, "vertices 4"]
    tints: Int[np.ndarray, " vertices"]  # index into TINTS
    gaze: Float[np.ndarray, " vertices"]
    normals: Float[np.ndarray, "vertices 3"]
    thin: Bool[np.ndarray, " vertices"]  # part of an open, two-sided sheet


TINTS = ("skin", "accent", "horn", "membrane", "dark", "eye")


def build_skin(body: Body, triangles: int) -> Skin:
    """The whole surface of a creature, about `triangles` of it in the blob."""
    plan = body.plan
    pieces = [_blob(body, triangles)]
    pieces += [_tube_limb(body, n) for n, limb in enumerate(plan.limbs) if limb.surface == "tube"]
    for spike in plan.spikes:
        vertices, faces = tube(spike.points, spike.radii, np.array(spike.scale))
        pieces.append(_rigid(body, vertices, faces, spike.owner, spike.tint))
    pieces += [_ball(body, ball) for ball in plan.balls]
    pieces += [_sheet(body, sheet.rows, sheet.limbs, sheet.tint) for sheet in plan.sheets]
    return _join(body, pieces)


def flesh(plan: Plan, chains: tuple[tuple[int, ...], ...]) -> tuple[list[Capsule], list[int]]:
    """Capsules of all blob limbs and lumps, and the joint each belongs to."""
    capsules, owners = [], []
    for number, limb in enumerate(plan.limbs):
        if limb.surface != "blob":
            continue
        for place, joint in enumerate(chains[number]):
            radii = (float(limb.radii[place]), float(limb.radii[place + 1]))
            blend = limb.blend * radii[0] if place == 0 else 0.25 * radii[0]
            capsules.append(Capsule(limb.points[place], limb.points[place + 1], radii, np.array(limb.scale), blend))
            owners.append(joint)
    for lump in plan.lumps:
        blend = lump.blend * max(lump.radii)
        capsules.append(Capsule(lump.start, lump.end, lump.radii, np.array(lump.scale), blend))
        owners.append(chains[lump.owner[0]][lump.owner[1]])
    return capsules, owners


def _blob(body: Body, triangles: int) -> Piece:
    capsules, owners = flesh(body.plan, body.chains)
    vertices, faces = polygonise(capsules, triangles)
    weights = flesh_weights(vertices, capsules, owners, body.parents)
    average = averaging(len(vertices), faces)
    for _ in range(2):
        weights = 0.5 * weights + 0.5 * np.asarray(average @ weights)
    return Piece(vertices, faces, weights, "skin", np.zeros(len(vertices)))


def _tube_limb(body: Body, number: int) -> Piece:
    limb = body.plan.limbs[number]
    vertices, faces = tube(limb.points, limb.radii, np.array(limb.scale))
    joints = list(body.chains[number])
    capsules = [
        Capsule(limb.points[k], limb.points[k + 1], (float(limb.radii[k]), float(limb.radii[k + 1])), np.ones(3), 0.0)
        for k in range(limb.joints)
    ]
    weights = flesh_weights(vertices, capsules, joints, body.parents)
    return Piece(vertices, faces, weights, limb.tint, np.zeros(len(vertices)))


def _rigid(
    body: Body,
    vertices: Float[np.ndarray, "vertices 3"],
    faces: Int[np.ndarray, "faces 3"],
    owner: tuple[int, int],
    tint: str,
    gaze: Float[np.ndarray, " vertices"] | None = None,
) -> Piece:
    weights = np.zeros((len(vertices), len(body.names)))
    weights[:, body.chains[owner[0]][owner[1]]] = 1.0
    return Piece(vertices, faces, weights, tint, np.zeros(len(vertices)) if gaze is None else gaze)


def _ball(body: Body, ball: Ball) -> Piece:
    directions, faces = sphere(9, 6) if ball.tint == "eye" else sphere(5, 3)
    side = np.cross(ball.gaze, [0.0, 1.0, 0.0])
    side /= np.linalg.norm(side)
    frame = np.stack([side, ball.gaze, np.cross(side, ball.gaze)], axis=1)  # the pole is the pupil
    vertices = ball.centre + ball.radius * directions @ frame.T
    gaze = directions[:, 1] if ball.tint == "eye" else np.zeros(len(vertices))
    return _rigid(body, vertices, faces, ball.owner, ball.tint, gaze)


def _sheet(body: Body, rows: Float[np.ndarray, "rows columns 3"], limbs: tuple[int, ...], tint: str) -> Piece:
    height, width = rows.shape[:2]
    index = np.arange(height * width).reshape(height, width)
    a, b, c, d = index[:-1, :-1].ravel(), index[1:, :-1].ravel(), index[1:, 1:].ravel(), index[:-1, 1:].ravel()
    faces = np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])
    capsules, owners = [], []
    for number in limbs:
        limb = body.plan.limbs[number]
        for place, joint in enumerate(body.chains[number]):
            capsules.append(Capsule(limb.points[place], limb.points[place + 1], (0.0, 0.0), np.ones(3), 0.0))
            owners.append(joint)
    vertices = rows.reshape(-1, 3).copy()
    weights = flesh_weights(vertices, capsules, owners, body.parents, softness=0.06, related_only=False)
    return Piece(vertices, faces, weights, tint, np.zeros(len(vertices)), thin=True)


def tube(
    points: Float[np.ndarray, "points 3"],
    radii: Float[np.ndarray, " points"],
    scale: Float[np.ndarray, " 3"],
    sides: int = 6,
) -> tuple[Float[np.ndarray, "vertices 3"], Int[np.ndarray, "faces 3"]]:
    """A closed tapered tube with rounded ends."""
    steps = np.linspace(0, len(points) - 1, 2 * len(points) - 1)
    line = np.stack([np.interp(steps, np.arange(len(points)), points[:, i]) for i in range(3)], axis=1)
    width = np.interp(steps, np.arange(len(points)), radii)
    along = np.gradient(line, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-12)
    reference = np.array([0.0, 0.0, 1.0]) if abs(along[0, 1]) > 0.8 else np.array([0.0, 1.0, 0.0])
    side = np.cross(along, reference)
    side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-9)
    up = np.cross(side, along)
    angles = 2 * np.pi * np.arange(sides) / sides
    ring = np.cos(angles)[None, :, None] * side[:, None] + np.sin(angles)[None, :, None] * up[:, None]
    body = line[:, None] + ring * width[:, None, None] * scale
    caps = np.stack([line[0] - 0.6 * width[0] * along[0], line[-1] + 0.6 * width[-1] * along[-1]])
    rows = len(line)
    index = np.arange(rows * sides).reshape(rows, sides)
    ahead = np.roll(index, -1, axis=1)
    a, b, c, d = index[:-1].ravel(), ahead[:-1].ravel(), ahead[1:].ravel(), index[1:].ravel()
    start, end = np.full(sides, rows * sides), np.full(sides, rows * sides + 1)
    faces = np.concatenate(
        [
            np.stack([a, c, b], axis=1),
            np.stack([a, d, c], axis=1),
            np.stack([index[0], ahead[0], start], axis=1),
            np.stack([ahead[-1], index[-1], end], axis=1),
        ]
    )
    return np.concatenate([body.reshape(-1, 3), caps]), faces


def sphere(around: int, rings: int) -> tuple[Float[np.ndarray, "vertices 3"], Int[np.ndarray, "faces 3"]]:
    """Unit directions with poles on ±Y, and their triangles."""
    polar = np.pi * np.arange(1, rings) / rings
    turn = 2 * np.pi * np.arange(around) / around
    belt = np.stack(
        [
            np.sin(polar)[:, None] * np.cos(turn),
            np.cos(polar)[:, None] * np.ones(around),
            np.sin(polar)[:, None] * np.sin(turn),
        ],
        axis=-1,
    )
    vertices = np.concatenate([belt.reshape(-1, 3), [[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]]])
    index = np.arange((rings - 1) * around).reshape(rings - 1, around)
    ahead = np.roll(index, -1, axis=1)
    a, b, c, d = index[:-1].ravel(), ahead[:-1].ravel(), ahead[1:].ravel(), index[1:].ravel()
    top, bottom = np.full(around, len(vertices) - 2), np.full(around, len(vertices) - 1)
    faces = np.concatenate(
        [
            np.stack([a, b, c], axis=1),
            np.stack([a, c, d], axis=1),
            np.stack([ahead[0], index[0], top], axis=1),
            np.stack([index[-1], ahead[-1], bottom], axis=1),
        ]
    )
    return vertices, faces


def _join(body: Body, pieces: list[Piece]) -> Skin:
    offsets = np.cumsum([0] + [len(piece.vertices) for piece in pieces[:-1]])
    vertices = np.concatenate([piece.vertices for piece in pieces])
    faces = np.concatenate([piece.faces + offset for piece, offset in zip(pieces, offsets, strict=True)])
    full = split_twists(np.concatenate([piece.weights for piece in pieces]), vertices, body)
    indices, weights = limit_influences(full, 4)
    tints = np.concatenate([np.full(len(piece.vertices), TINTS.index(piece.tint)) for piece in pieces])
    gaze = np.concatenate([piece.gaze for piece in pieces])
    thin = np.concatenate([np.full(len(piece.vertices), piece.thin) for piece in pieces])
    return Skin(vertices, faces, indices, weights, tints, gaze, vertex_normals(vertices, faces), thin)


def vertex_normals(
    vertices: Float[np.ndarray, "vertices 3"], faces: Int[np.ndarray, "faces 3"]
) -> Float[np.ndarray, "vertices 3"]:
    """Area-weighted means of the faces around; straight up where there are none."""
    corners = vertices[faces]
    face = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(vertices)
    for column in range(3):
        np.add.at(normals, faces[:, column], face)
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.where(length > 1e-15, normals / np.maximum(length, 1e-15), [0.0, 1.0, 0.0])
