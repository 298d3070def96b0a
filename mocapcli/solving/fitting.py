"""Tracks brought to the rig: our axes, its size, and its proportions against the subject's."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from mocapcli.errors import InvalidDataError
from mocapcli.kinematics import resize_pose
from mocapcli.solving.axes import TURNS, UNITS, guess_unit, guess_up, looks_mirrored
from mocapcli.solving.chains import Chain, find_chains, proportions, uniform_scale
from mocapcli.tracks.data import Tracks, Up

if TYPE_CHECKING:
    from mocapcli.network.reference import RigReference

Points = Float[np.ndarray, "frames joints 3"]


@dataclass(frozen=True)
class Fit:
    """The tracks brought to the rig: our axes, its size, and its proportions against the subject's."""

    points: Points
    up: Up
    scale: float
    factors: Float[np.ndarray, " joints"]
    chains: list[Chain]
    notes: tuple[str, ...]


def fit_to_rig(
    seen: Points, tracks: Tracks, reference: "RigReference", up: Up | None, scale: float | None, keep_scale: bool
) -> Fit:
    """Axes and size: told, or guessed by comparing with the rig."""
    pose, notes = reference.reference_positions, []
    up = up or tracks.up
    if up is None:
        up = guess_up(seen, pose)
        notes.append(f"up axis of the tracks: {up}, judging by the rig (--up)")
    points = seen @ TURNS[up].T
    if looks_mirrored(points, pose):
        notes.append("the tracks look mirrored: are their axes left-handed, or left and right exchanged?")
    chains = find_chains(points, reference.parents, pose)
    fitting = uniform_scale(chains, points, pose)
    if fitting is None:
        raise InvalidDataError(
            "the matched joints tell no size: no two are seen at once, or all are in one place",
            remedy="see --list and --map",
        )
    unit = scale or tracks.metres_per_unit
    if unit is None and keep_scale:
        name = guess_unit(fitting)
        unit = UNITS[name]
        notes.append(f"unit of the tracks: {name}, judging by the rig (--scale)")
    size = float(unit) if keep_scale and unit is not None else fitting
    factors = proportions(chains, size, len(reference.parents))
    return Fit(points * size, up, size, factors, chains, tuple(notes))


def with_proportions(reference: "RigReference", factors: Float[np.ndarray, " joints"]) -> "RigReference":
    """The rig in the subject's proportions: what rotations are read off against; they fit the real rig as they are."""
    return replace(
        reference,
        rest_positions=resize_pose(reference.rest_positions, reference.parents, factors),
        reference_positions=resize_pose(reference.reference_positions, reference.parents, factors),
    )
