"""A clip lifted or lowered as a whole, so that nothing sinks into the ground and something touches it."""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool

from mocapcli.filters.chain import check_rig
from mocapcli.kinematics import motion_world
from mocapcli.types import Mesh, Motion, Rig

AT_ONCE = 32  # frames skinned together


def ground(motion: Motion, rig: Rig, by: str = "mesh") -> Motion:
    """The same clip with its lowest point at height 0; by its joints where there is no mesh."""
    check_rig(motion, rig)
    lift = -lowest_height(motion, rig, by == "mesh")
    roots = rig.skeleton.roots
    translations = np.array(motion.translations)
    translations[:, roots, 1] += lift
    return replace(motion, translations=translations)


def lowest_height(motion: Motion, rig: Rig, of_mesh: bool = True) -> float:
    """Height of the body's lowest point, or of the lowest joint that deforms, over the whole clip."""
    world = motion_world(rig.skeleton, motion)
    shown = _flesh(rig.mesh) if of_mesh and rig.mesh is not None else np.zeros(0, bool)
    if rig.mesh is None or not shown.any():
        return float(world[:, rig.deforms if rig.deforms.any() else slice(None), 1, 3].min())
    from mocapcli.render.skinning import make_skin, skin_points

    skin = make_skin(rig.mesh)
    parts = (world[start : start + AT_ONCE] for start in range(0, len(world), AT_ONCE))
    return float(min(skin_points(skin, part)[0][:, shown, 1].min() for part in parts))


def _flesh(mesh: Mesh) -> Bool[np.ndarray, " vertices"]:
    """Vertices that are drawn and follow joints: a floor that comes with the rig is no part of the body."""
    drawn = np.ones(len(mesh.vertices), bool)
    if len(mesh.faces):
        drawn = np.isin(np.arange(len(mesh.vertices)), mesh.faces)
    follows = (mesh.skin_weights > 0) & (mesh.bind_joints[mesh.skin_indices] >= 0)
    return np.asarray(drawn & follows.any(axis=1))
