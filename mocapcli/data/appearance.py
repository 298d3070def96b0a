"""Three looks of a rig in a video: its own, recoloured, and another body of the same kind."""

from dataclasses import replace
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from mocapcli.kinematics import inverse_affine, motion_world, rest_world
from mocapcli.loose_feet import legs_of_feet
from mocapcli.render.capsules import body_of
from mocapcli.types import Asset, Material, Mesh, Rig, Skeleton

Appearance = Literal["own", "recoloured", "other-body"]
Legs = Int[np.ndarray, " joints"]

BONE_CHANGE = 0.15


def change_appearance(
    asset: Asset, appearance: Appearance, random: np.random.Generator, legs: Legs | None = None
) -> Asset:
    """The asset as it looks in the video; its motion is the same one, on other bones for another body.

    `legs`: of loose feet, where they are known.
    """
    if appearance == "own":
        return asset
    if appearance == "other-body":
        asset = other_body(asset, bone_factors(asset.rig.skeleton, random), legs)
    body = body_of(asset.rig.skeleton, asset.rig.mesh)
    return replace(asset, rig=replace(asset.rig, mesh=recolour(body, random)))


def bone_factors(
    skeleton: Skeleton, random: np.random.Generator, change: float = BONE_CHANGE
) -> Float[np.ndarray, " joints"]:
    """How much longer the bones that start at each joint become.

    Joints at one depth with as much hanging on them (left and right limbs) share a factor, and a limb's factors vary
    about a common one, so that the creature stays a creature.
    """
    count = skeleton.joints
    depth, below = np.zeros(count, dtype=np.int64), np.ones(count, dtype=np.int64)
    for joint in range(1, count):
        if skeleton.parents[joint] >= 0:
            depth[joint] = depth[skeleton.parents[joint]] + 1
    for joint in range(count - 1, 0, -1):
        if skeleton.parents[joint] >= 0:
            below[skeleton.parents[joint]] += below[joint]
    drawn: dict[tuple[int, int], float] = {}
    factors = np.ones(count)
    for joint in range(count):
        twin = (int(depth[joint]), int(below[joint]))
        if twin not in drawn:
            drawn[twin] = float(random.uniform(-change, change))
        parent = skeleton.parents[joint]
        inherited = factors[parent] - 1 if parent >= 0 else 0.0
        factors[joint] = 1 + np.clip(0.5 * inherited + drawn[twin], -change, change)
    return factors


def other_body(asset: Asset, factors: Float[np.ndarray, " joints"], legs: Legs | None = None) -> Asset:
    """Every joint's frame scaled by its factor: its children lie further out, and the flesh on it grows with them.

    Feet that hang elsewhere lie further out on their legs.
    """
    skeleton, legs = asset.rig.skeleton, legs_of_feet(asset.rig) if legs is None else legs
    at_parent = np.where(skeleton.parents >= 0, factors[skeleton.parents], 1.0)[:, None]
    longer = replace(skeleton, rest_translations=skeleton.rest_translations * at_parent)
    moved = [replace(motion, translations=motion.translations * at_parent) for motion in asset.motions]
    if (legs >= 0).any():
        worlds = rest_world(skeleton)[None], rest_world(longer)[None]
        rest = _feet_further_out(*worlds, longer.rest_translations[None], skeleton.parents, legs, factors)
        longer = replace(longer, rest_translations=rest[0])
        for place, (before, after) in enumerate(zip(asset.motions, moved, strict=True)):
            worlds = motion_world(skeleton, before), motion_world(longer, after)
            ways = _feet_further_out(*worlds, after.translations, skeleton.parents, legs, factors)
            moved[place] = replace(after, translations=ways)
    mesh = asset.rig.mesh
    if mesh is not None:
        scales = np.where(mesh.bind_joints >= 0, factors[mesh.bind_joints], 1.0)
        binds = mesh.inverse_binds.copy()
        binds[:, :3] *= scales[:, None, None]
        mesh = replace(mesh, inverse_binds=binds)
    return Asset(Rig(longer, mesh, asset.rig.name), tuple(moved))


def _feet_further_out(
    before: Float[np.ndarray, "frames joints 4 4"],
    after: Float[np.ndarray, "frames joints 4 4"],
    translations: Float[np.ndarray, "frames joints 3"],
    parents: Int[np.ndarray, " joints"],
    legs: Legs,
    factors: Float[np.ndarray, " joints"],
) -> Float[np.ndarray, "frames joints 3"]:
    """Local translations with loose feet as they stood on their legs before, those being so much longer."""
    out = translations.copy()
    for foot in np.flatnonzero(legs >= 0):
        arm = (inverse_affine(before[:, legs[foot]]) @ before[:, foot])[:, :, 3]
        arm[:, :3] *= factors[legs[foot]]
        place = np.einsum("fab,fb->fa", after[:, legs[foot]], arm)
        above = parents[foot]
        out[:, foot] = (place if above < 0 else np.einsum("fab,fb->fa", inverse_affine(after[:, above]), place))[:, :3]
    return out


def recolour(mesh: Mesh, random: np.random.Generator) -> Mesh:
    """Other colours on the same surface: a tint over its textures, or paint without them."""
    paint = not mesh.materials or random.random() < 0.5
    materials = [_recoloured(material, random, keep_texture=not paint) for material in mesh.materials]
    colours = mesh.colours
    if paint:
        colours = np.clip(_pattern(mesh, random), 0, 1).astype(np.float32)
        alpha = 1.0 if mesh.colours is None else mesh.colours[:, 3]
        colours[:, 3] = alpha
    return replace(mesh, materials=tuple(materials), colours=colours)


def _recoloured(material: Material, random: np.random.Generator, keep_texture: bool) -> Material:
    red, green, blue = random.uniform(0.25, 1.0, 3) if keep_texture else random.uniform(0.05, 0.9, 3)
    tint = (float(red), float(green), float(blue), material.base_colour[3])
    return replace(material, base_colour=tint, texture=material.texture if keep_texture else None)


def _pattern(mesh: Mesh, random: np.random.Generator) -> Float[np.ndarray, "vertices 4"]:
    """Two colours mixed by a smooth random wave over the body."""
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    place = (mesh.vertices - low) / np.maximum(float((high - low).max()), 1e-9)
    direction = random.normal(size=(3, 3)) * random.uniform(1, 8)
    wave = np.sin(place @ direction + random.uniform(0, 2 * np.pi, 3)).mean(axis=1)
    share = (0.5 + 0.5 * np.tanh(random.uniform(1, 6) * wave))[:, None]
    first, second = random.uniform(0.3, 1.0, (2, 4))
    return np.asarray(share * first + (1 - share) * second)
