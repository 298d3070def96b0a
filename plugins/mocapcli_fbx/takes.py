"""In the child: which nodes move, when, and where that puts them in the world."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from mocapcli.errors import ReadError
from mocapcli_fbx.binding import evaluate_transform, hold, is_node, items, real_property
from mocapcli_fbx.budget import Budget
from mocapcli_fbx.nodes import Tree

DEFAULT_FPS = 30.0
SAMPLES = "joints × frames of animation"
STILL = 1e-7  # relative change below which a sampled transform counts as constant


@dataclass(frozen=True)
class Take:
    """Local transforms [frames, animated, 10] of the nodes that a take has curves for."""

    name: str
    fps: float
    animated: list[int]
    local: np.ndarray

    @property
    def moving(self) -> set[int]:
        """Nodes whose transform really changes: exporters like to key everything."""
        spread = np.ptp(self.local, axis=0) > STILL * np.maximum(1.0, np.abs(self.local).max(axis=0))
        return {node for node, moves in zip(self.animated, spread.any(axis=1), strict=True) if moves}


def frame_rate(scene: Any, stack: Any) -> float:
    """The file's rate, unless our writer noted the clip's own."""
    fps = real_property(stack, "mocapcli_fps", float(hold(scene.settings).frames_per_second))
    return fps if np.isfinite(fps) and 1e-3 <= fps <= 1e5 else DEFAULT_FPS


def bake_takes(scene: Any, tree: Tree, budget: Budget) -> list[Take]:
    """Every take sampled at the frame rate, from its own start."""
    takes = []
    for stack in items(scene.anim_stacks):
        animated = _animated_nodes(stack)
        if not animated:
            continue
        fps = frame_rate(scene, stack)
        start, frames = _span(stack, fps)
        budget.spend(SAMPLES, frames * len(animated), f"take {stack.name!r}")
        animation, nodes = hold(stack.anim), [tree.nodes[node] for node in animated]
        local = np.empty((frames, len(animated), 10))
        for frame in range(frames):
            time = start + frame / fps
            local[frame] = [evaluate_transform(animation, node, time) for node in nodes]
        takes.append(Take(str(stack.name), fps, animated, local))
    return takes


def _animated_nodes(stack: Any) -> list[int]:
    found = set()
    for layer in items(stack.layers):
        for entry in items(layer.anim_props):
            element = hold(entry.element)
            if is_node(element):
                found.add(int(element.typed_id))
    return sorted(found)


def _span(stack: Any, fps: float) -> tuple[float, int]:
    """Start in seconds and number of frames; from the keys where the take does not say."""
    start, end = float(stack.time_begin), float(stack.time_end)
    if not (np.isfinite([start, end]).all() and end > start):
        start, end = _key_span(stack)
    frames = (end - start) * fps
    if not frames < 1e9:
        raise ReadError(f"it lasts from {start:g} to {end:g} seconds", place=f"take {stack.name!r}")
    return start, int(np.floor(frames + 1e-3)) + 1


def _key_span(stack: Any) -> tuple[float, float]:
    times = []
    for layer in items(stack.layers):
        for value in items(layer.anim_values):
            times += [t for c in items(value.curves) if c is not None for t in (c.min_time, c.max_time)]
    finite = [time for time in times if np.isfinite(time)]
    return (min(finite), max(finite)) if finite else (0.0, 0.0)


def world_matrices(tree: Tree, wanted: list[int], take: Take) -> np.ndarray:
    """World matrices [frames, wanted, 4, 4] of nodes in a take."""
    frames = len(take.local)
    column = {node: position for position, node in enumerate(take.animated)}
    chain = tree.with_ancestors(wanted)
    matrices: dict[int, _Placed] = {}
    for node in chain:
        rows = take.local[:, column[node]] if node in column else tree.local(node)[None]
        matrices[node] = _place(tree, node, rows, matrices)
    shape = (frames, 4, 4)
    return np.stack([np.broadcast_to(matrices[node].world, shape) for node in wanted], axis=1)


@dataclass(frozen=True)
class _Placed:
    world: np.ndarray  # [frames or 1, 4, 4]
    unscaled: np.ndarray  # the same without the node's own scale
    scale: np.ndarray  # [frames or 1, 3], what children that ignore it must be moved by


def _place(tree: Tree, node: int, rows: np.ndarray, matrices: dict[int, _Placed]) -> _Placed:
    """One node's world matrices under its parent's, by its scale inheritance mode (Maya's segment scale)."""
    translation, rotation, scale = rows[:, :3], rows[:, 3:7], rows[:, 7:]
    parent = matrices.get(tree.parents[node])
    above = np.eye(4)[None] if parent is None else parent.world
    if parent is not None and tree.ignores_parent_scale(node):
        above = parent.unscaled
        translation = translation * parent.scale
        source = matrices.get(tree.scale_source(node))
        scale = scale if source is None else scale * source.scale
    unscaled = np.zeros((len(rows), 4, 4))
    unscaled[:, :3, :3] = rotation_matrices(rotation)
    unscaled = np.broadcast_to(unscaled, (max(len(unscaled), len(translation)), 4, 4)).copy()
    unscaled[:, :3, 3] = translation
    unscaled[:, 3, 3] = 1.0
    placed = above @ unscaled
    world = placed * np.concatenate([scale, np.ones((len(scale), 1))], axis=1)[:, None, :]
    return _Placed(world, placed, scale)


def rotation_matrices(quaternions: np.ndarray) -> np.ndarray:
    """[count, 3, 3] from unit xyzw [count, 4]; the child does without scipy, whose import costs more than a file."""
    x, y, z, w = quaternions.T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(rows), -1, 0)
