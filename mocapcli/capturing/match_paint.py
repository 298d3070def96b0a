"""The rig in the film's colours: whoever is filmed seldom has the rig's, and likeness is told by looks.

Where the rig is thought to stand, the film tells each vertex its colour (light and shade of the drawing taken off).
Painted after a wrong pose a rig looks a little like the film as well, so it is only painted where that is plainly
nearer: with each joint's flesh in one colour, in which no pose can hide, it must look more like frames that it was not
painted after than in its own colours.
"""

import math
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.spatial import cKDTree

from mocapcli.capturing.comparing import gained
from mocapcli.capturing.match_film import Figure, Film, Points, Rotations
from mocapcli.render.scene import Model
from mocapcli.render.surface import pack
from mocapcli.render.textures import srgb_to_linear
from mocapcli.types import Material, Mesh

DARKEST = 0.25  # shade that is taken off, at the most
WITHIN = 0.9  # of a pixel is the subject's, or it is not asked
NEARER = 0.1  # of what likeness lacks in the rig's own colours; 21 films of rigs themselves came to 0.073 at the most
FEWEST = 4  # vertices that must be known
Colours = Float[np.ndarray, "vertices 3"]


@torch.no_grad()
def in_films_colours(figure: Figure, film: Film, rotations: Rotations, places: Points) -> Figure:
    """The same figure, painted after the film in that pose; as it is, where its own colours are nearer.

    Every other frame tells colours, those between judge.
    """
    if len(film.cameras) < 2:
        return figure
    asked, judges = (
        (film.at(frames), rotations[:, frames], places[:, frames])
        for frames in (range(0, len(film.cameras), 2), range(1, len(film.cameras), 2))
    )
    blank = replace(figure, model=_with_colours(figure.model, np.ones((len(figure.model.mesh.vertices), 3))))
    told = _told(blank, *asked)
    coarse = _painted(figure, *told, by_joint=True)
    if coarse is None:
        return figure
    own, other = (float(one.likeness(*judges).mean()) for one in (figure, coarse))
    if not gained(own, other) > NEARER:
        return figure
    sums, counts = (first + second for first, second in zip(told, _told(blank, *judges), strict=True))
    return _painted(figure, sums, counts, by_joint=False) or figure


def _painted(figure: Figure, sums: Colours, seen: Float[np.ndarray, " vertices"], by_joint: bool) -> Figure | None:
    """As `_told`; None: nothing of the rig was seen that could be painted."""
    model = figure.model
    groups = model.vertex_joints + 1 if by_joint else np.arange(len(seen))
    totals = np.stack([np.bincount(groups, part) for part in sums.T], axis=-1)
    counts = np.bincount(groups, seen)
    known = counts[groups] > 0
    if known.sum() < FEWEST:
        return None
    colours = (totals / np.maximum(counts, 1)[:, None])[groups]
    colours[~known] = colours[known][_next_to(model.rest_points, known)]
    return replace(figure, model=_with_colours(model, colours))


def _told(
    figure: Figure, film: Film, rotations: Rotations, places: Points
) -> tuple[Colours, Float[np.ndarray, " vertices"]]:
    """Sums of the colours (linear) that the film shows at each vertex, and of how many pixels.

    What is cut out of a picture tells nothing: its own colours are not known from its shade.
    """
    images = figure.labelled(film, rotations, places)
    crops = film.crops.movedim(1, -1).cpu().numpy()
    inside = (images.labels >= 0) & (images.mask > WITHIN) & (crops[..., 3] > WITHIN)
    inside &= ~_cut_out(figure.model.mesh)[images.labels]
    label, shade = images.labels[inside], srgb_to_linear(images.colour[inside][:, :3]).mean(axis=1)
    shown = srgb_to_linear(255 * (crops[..., :3] / np.maximum(crops[..., 3:], WITHIN))[inside])
    shown /= np.maximum(shade, DARKEST)[:, None]
    count = len(figure.model.mesh.vertices)
    sums = np.stack([np.bincount(label, part, count) for part in shown.T], axis=-1)
    return sums.astype(float), np.bincount(label, minlength=count).astype(float)  # of nothing they are whole numbers


def _next_to(points: Float[np.ndarray, "vertices 3"], known: Bool[np.ndarray, " vertices"]) -> Int[np.ndarray, " some"]:
    """Of each unknown vertex the nearest known one, here or mirrored: the far side is seldom otherwise."""
    around = points - np.median(points, axis=0)
    across = min((0, 2), key=partial(_lopsided, around))
    around[:, across] = np.abs(around[:, across])
    return np.asarray(cKDTree(around[known]).query(around[~known])[1])


def _lopsided(around: Float[np.ndarray, "vertices 3"], axis: int) -> float:
    """How far mirrored vertices are from others, beside how wide the body is there."""
    mirrored = around * np.where(np.arange(3) == axis, -1.0, 1.0)
    off, width = np.asarray(cKDTree(around).query(mirrored)[0]).mean(), np.ptp(around[:, axis])
    return float(off / width) if width > 0 else math.inf


def _with_colours(model: Model, colours: Colours) -> Model:
    """Opaque surfaces in these colours; what is cut out of a picture (feathers, hair) keeps it."""
    mesh = model.mesh
    materials = tuple(_plain(material) for material in mesh.materials)
    before = np.ones((len(colours), 4), np.float32) if mesh.colours is None else mesh.colours
    after = np.column_stack([np.clip(colours, 0.0, 1.0), before[:, 3]]).astype(np.float32)
    kept = _cut_out(mesh)
    after[kept] = before[kept]
    painted = replace(mesh, materials=materials, colours=after)
    return replace(model, mesh=painted, surface=pack(painted))


def _plain(material: Material) -> Material:
    if material.alpha_mode != "opaque":
        return material
    return replace(material, base_colour=(1.0, 1.0, 1.0, material.base_colour[3]), texture=None)


def _cut_out(mesh: Mesh) -> Bool[np.ndarray, " vertices"]:
    """Vertices of surfaces that are cut out of a picture, and of no others."""
    see_through = [material.alpha_mode != "opaque" for material in mesh.materials]
    out = np.zeros(len(mesh.vertices), bool)
    if mesh.face_materials is not None and any(see_through):
        faces = np.array([*see_through, False])[mesh.face_materials]
        out[mesh.faces[faces]] = True
        out[mesh.faces[~faces]] = False
    return out
