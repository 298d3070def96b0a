"""Hypothesis strategies: `from strategies import assets`."""

import numpy as np
from hypothesis import strategies as st

from factories import make_mesh, random_quaternions
from mocapcli.types import Asset, Motion, Rig, Skeleton, unique_names

ODD_NAMES = [
    "Hips",
    "mixamorig:Hips",
    "left arm",
    "bone.001",
    "Größe",
    "腕",
    "a|b",
    "x/y",
    "100%",
    "-",
    "ROOT",
    "End Site",
]
FRAME_RATES = [1.0, 12.5, 24.0, 29.97, 30.0, 60.0, 120.0]


@st.composite
def skeletons(draw, max_joints: int = 8, rotated: bool = True, several_roots: bool = True) -> Skeleton:
    """Random topology, odd names, random rest pose; sometimes more than one root."""
    joints = draw(st.integers(1, max_joints))
    lowest = -1 if several_roots else 0
    parents = [-1] + [draw(st.integers(lowest, j - 1)) for j in range(1, joints)]
    names = draw(st.lists(st.sampled_from(ODD_NAMES), min_size=joints, max_size=joints))
    seed = draw(st.integers(0, 2**16))
    rng = np.random.default_rng(seed)
    rotations = random_quaternions(rng, joints) if rotated else np.tile([0.0, 0, 0, 1], (joints, 1))
    size = draw(st.sampled_from([0.01, 1.0, 100.0]))
    translations = rng.normal(size=(joints, 3)) * size
    return Skeleton(unique_names(names), np.array(parents), translations, rotations)


@st.composite
def motions(draw, skeleton: Skeleton, scaled: bool | None = None, translated: bool | None = None) -> Motion:
    """Any rotations at all, with or without moving joints and scale (None: drawn)."""
    frames, fps = draw(st.integers(1, 5)), draw(st.sampled_from(FRAME_RATES))
    seed = draw(st.integers(0, 2**16))
    rng = np.random.default_rng(seed)
    shape = (frames, skeleton.joints)
    rotations = random_quaternions(rng, *shape)
    moves = rng.normal(size=(*shape, 3)) * abs(skeleton.rest_translations).max()
    if not (draw(st.booleans()) if translated is None else translated):
        moves[:, skeleton.parents >= 0] = 0
    has_scale = draw(st.booleans()) if scaled is None else scaled
    scales = rng.uniform(0.25, 4, (*shape, 3)) if has_scale else None
    return Motion(f"clip {seed}", fps, rotations, skeleton.rest_translations + moves, scales)


@st.composite
def assets(
    draw,
    max_joints: int = 8,
    max_clips: int = 2,
    rotated: bool = True,
    several_roots: bool = True,
    mesh: bool | None = None,
    scaled: bool | None = None,
    translated: bool | None = None,
) -> Asset:
    """A random skeleton, perhaps a mesh on it, and some clips with different names."""
    skeleton = draw(skeletons(max_joints, rotated, several_roots))
    has_mesh = draw(st.booleans()) if mesh is None else mesh
    clips = draw(st.lists(motions(skeleton, scaled, translated), max_size=max_clips, unique_by=lambda clip: clip.name))
    return Asset(Rig(skeleton, make_mesh(skeleton) if has_mesh else None), tuple(clips))
