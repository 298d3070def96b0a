"""Start poses for the refiner: the truth with the kind of errors that stages 1 and 2 leave.

Limbs are off as chains, leaves and twists the most (positions hardly show them), the whole body by a turn and a step;
learned stages also shrink towards the pose they know. Errors drift over time.
"""

import numpy as np
from jaxtyping import Float

from mocapcli.data.noise import drift
from mocapcli.kinematics import world_to_local
from mocapcli.training.poses import PoseSampler

Vectors = Float[np.ndarray, "frames joints 3"]
CHAIN, JOINT, LEAF, TWIST = 0.6, 0.1, 0.25, 0.15  # radians, at full strength
BODY = (0.15, 0.5, 0.15)  # radians about right, up and towards the viewer
STEP, SCALE = 0.08, 0.1  # sizes across the view; share of the distance
STEADY = 0.75  # share of an error's variance that lasts the whole clip
SHRINKS = 0.35  # share of clips


def start_turns(
    sampler: PoseSampler,
    world: Float[np.ndarray, "frames joints 4 4"],
    known: Float[np.ndarray, "joints 3 3"],
    strength: float,
    random: np.random.Generator,
) -> Vectors:
    """Rotation vectors in world axes; `known`: local rotations that estimates shrink towards."""
    frames, parents = len(world), sampler.skeleton.parents
    vectors = np.zeros((frames, len(parents), 3))
    for chain in sampler.chains:
        bend = random.laplace(scale=CHAIN) * random.dirichlet(np.ones(len(chain.joints)))
        axis = random.normal(size=3)
        course = _course(random, (frames, 1, 1))
        vectors[:, chain.joints] += course * bend[:, None] * axis / max(float(np.linalg.norm(axis)), 1e-9)
    leaf = ~np.isin(np.arange(len(parents)), parents)
    vectors += JOINT * _course(random, vectors.shape)
    vectors += LEAF * leaf[:, None] * _course(random, vectors.shape)
    along = world[..., :3, :3] @ (np.swapaxes(sampler.rest[:, :3, :3], -1, -2) @ sampler.bones[..., None])
    vectors += TWIST * _course(random, (*vectors.shape[:2], 1)) * along[..., 0]
    vectors[:, parents < 0] = _course(random, (frames, 1, 3)) * BODY
    vectors *= strength
    if random.random() < SHRINKS:
        vectors += random.uniform(0.2, 1.0) * strength * towards(parents, world, known)
    return vectors


def towards(
    parents: np.ndarray, world: Float[np.ndarray, "frames joints 4 4"], known: Float[np.ndarray, "joints 3 3"]
) -> Vectors:
    """The turns, in world axes, that would bring each joint's local rotation to the known one; roots stay."""
    local = world_to_local(parents, world)[..., :3, :3]
    above = world[:, np.maximum(parents, 0), :3, :3]
    turn = above @ (known @ np.swapaxes(local, -1, -2)) @ np.swapaxes(above, -1, -2)
    vectors = _vectors(turn)
    vectors[:, parents < 0] = 0.0
    return vectors


def start_shift(
    away: Float[np.ndarray, "frames 3"], size: float, strength: float, random: np.random.Generator
) -> Float[np.ndarray, "frames 3"]:
    """How far the start stands from the truth, camera axes (metres): aside, and nearer or further along the ray."""
    frames = len(away)
    aside = STEP * size * strength * _course(random, (frames, 3)) * [1.0, 1.0, 0.0]
    return np.asarray(aside + SCALE * strength * _course(random, (frames, 1)) * away)


def _course(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Unit noise along time: part of it lasts, the rest drifts."""
    lasting = random.normal(size=(1, *shape[1:]))
    drifting = drift(random.normal(size=shape), float(random.choice((0.5, 0.8, 0.92))))
    return np.asarray(np.sqrt(STEADY) * lasting + np.sqrt(1 - STEADY) * drifting)


def _vectors(turns: Float[np.ndarray, "*batch 3 3"]) -> Float[np.ndarray, "*batch 3"]:
    from scipy.spatial.transform import Rotation

    batch = turns.shape[:-2]
    return Rotation.from_matrix(turns.reshape(-1, 3, 3)).as_rotvec().reshape(*batch, 3)
