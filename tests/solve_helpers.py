"""What the tests of solving share: a creature, tracks of it, and how far a solution is off."""

from dataclasses import replace
from functools import cache

import numpy as np

from mocapcli.kinematics import crop, joint_positions, motion_world, polar
from mocapcli.metrics import rotation_errors
from mocapcli.network.reference import reference_of_asset
from mocapcli.solving.api import Solution, SolveOptions, solve_tracks
from mocapcli.tracks.data import Tracks
from mocapcli.types import Asset
from mocapcli.zoo import make_creature

CLOSE = 3.0  # degrees of the closed form on true positions, where doing nothing is off by more than ten


@cache
def creature() -> Asset:
    """A quadruped with one short clip."""
    asset = make_creature(3, "quadruped")
    walk = next(clip for clip in asset.motions if clip.name == "walk")
    return asset.with_motions([crop(walk, 0.0, 0.4)])


def truth() -> np.ndarray:
    asset = creature()
    return joint_positions(asset.rig.skeleton, asset.motions[0])


def tracks_of(positions: np.ndarray, **changes) -> Tracks:
    asset = creature()
    return replace(Tracks(asset.rig.skeleton.names, asset.motions[0].fps, positions), **changes)


def solved(tracks: Tracks, **options) -> Solution:
    return solve_tracks(tracks, creature(), SolveOptions(**options))


def world_error(solution: Solution) -> float:
    """Degrees, weighted by bone length."""
    skeleton, clip = creature().rig.skeleton, creature().motions[0]
    first, second = (polar(motion_world(skeleton, it)[..., :3, :3])[0] for it in (solution.motion, clip))
    errors = rotation_errors(first, second, skeleton.parents, creature().rig.deforms, truth()[0])
    return errors["weighted_world"]


def place_error(solution: Solution) -> float:
    """Mean distance of the joints to where they truly are, as a share of the rig's size."""
    places = joint_positions(creature().rig.skeleton, solution.motion)
    size = reference_of_asset(creature()).size
    return float(np.linalg.norm(places - truth(), axis=-1).mean() / size)
