"""Animations to motions: channels sampled on an even grid of frames, then folded onto the joints."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from mocapcli.errors import ReadError
from mocapcli.kinematics import compose, continuous, local_to_world, motion_from_world
from mocapcli.types import Motion, Skeleton
from mocapcli_gltf.accessors import read_floats
from mocapcli_gltf.document import Document, Json, check_index, child, label, objects
from mocapcli_gltf.frame_rate import choose_fps
from mocapcli_gltf.hierarchy import PARTS, Hierarchy, node_parts
from mocapcli_gltf.interpolation import Track, sample_track

MAX_FRAMES = 1 << 17
MAX_POSES = 1 << 22  # frames × joints of one file
MAX_VALUES = 1 << 26  # numbers in all channels of one file
CHUNK = 1 << 16  # node matrices computed at a time


@dataclass(frozen=True, eq=False)
class Rigging:
    """The joints among the nodes that decide where they are: themselves and everything above them."""

    skeleton: Skeleton
    gauge: Float[np.ndarray, "joints 3 3"]
    nodes: list[int]
    parents: Int[np.ndarray, " nodes"]
    joint_rows: list[int]
    local: Float[np.ndarray, "nodes 4 4"]
    rows: dict[int, int] = field(default_factory=dict)

    @classmethod
    def build(
        cls, hierarchy: Hierarchy, joints: list[int], skeleton: Skeleton, gauge: Float[np.ndarray, "joints 3 3"]
    ) -> "Rigging":
        needed: set[int] = set()
        for joint in joints:
            while joint >= 0 and joint not in needed:
                needed.add(joint)
                joint = int(hierarchy.parents[joint])
        nodes = [node for node in hierarchy.order if node in needed]
        rows = {node: row for row, node in enumerate(nodes)}
        parents = np.array([rows.get(int(hierarchy.parents[node]), -1) for node in nodes], np.int64)
        joint_rows = [rows[node] for node in joints]
        return cls(skeleton, gauge, nodes, parents, joint_rows, hierarchy.local[nodes], rows)


@dataclass
class Budget:
    """Counts what channels will read before they do: many may share one large accessor."""

    spent: int = 0

    def spend(self, values: int, place: str) -> None:
        self.spent += values
        if self.spent > MAX_VALUES:
            raise ReadError("the animations have more keys than can be held in memory", place=place)


def read_motions(document: Document, rigging: Rigging) -> dict[int, Motion]:
    """Every animation that moves the rig, by its index in the document."""
    found: dict[int, Motion] = {}
    poses = 0
    budget = Budget()
    for index, animation in enumerate(document.records("animations")):
        place = f"animations[{index}]"
        tracks, duration = read_tracks(document, animation, rigging, budget, place)
        if not tracks:
            continue
        fps = choose_fps([track.keys for track in tracks], child(animation, "extras").get("fps"))
        frames = int(np.floor(duration * fps + 0.5)) + 1
        poses += frames * max(len(rigging.nodes), 8)
        if frames > MAX_FRAMES or poses > MAX_POSES:
            raise ReadError(f"lasts {duration:.6g} s, which is more than can be held in memory", place=place)
        name = label(animation) or f"animation{index}"
        found[index] = bake(document, rigging, tracks, name, fps, frames)
    return found


def channels(document: Document, animation: Json, place: str) -> list[tuple[int, str, Json]]:
    """Node, path and sampler of each channel that moves a node."""
    samplers = objects(animation, "samplers", place)
    count = len(document.records("nodes"))
    found = []
    for channel in objects(animation, "channels", place):
        target = child(channel, "target")
        if target.get("path") in [*PARTS, "weights"] and "node" in target:
            node = check_index(target["node"], count, "nodes")
            sampler = samplers[check_index(channel.get("sampler"), len(samplers), f"{place}.samplers")]
            for accessor in (sampler.get("input"), sampler.get("output")):
                check_index(accessor, len(document.records("accessors")), "accessors")
            found.append((node, str(target["path"]), sampler))
    return found


def read_tracks(
    document: Document, animation: Json, rigging: Rigging, budget: "Budget", place: str
) -> tuple[list[Track], float]:
    """The channels that move the rig, grouped, and when the last key of all falls."""
    keys: dict[Any, np.ndarray] = {}
    groups: dict[tuple[Any, str, str], list[tuple[int, Any]]] = {}
    for node, path, sampler in channels(document, animation, place):
        times = sampler.get("input")
        if times not in keys:
            keys[times] = read_keys(document, times)
            budget.spend(len(keys[times]), place)
        if path in PARTS and node in rigging.rows and len(keys[times]):
            mode = sampler.get("interpolation", "LINEAR")
            if mode not in ("LINEAR", "STEP", "CUBICSPLINE"):
                raise ReadError(f"unknown interpolation {str(mode)[:20]!r}", place=place)
            budget.spend(len(keys[times]) * (3 if mode == "CUBICSPLINE" else 1) * len(PARTS[path]), place)
            groups.setdefault((times, mode, path), []).append((rigging.rows[node], sampler.get("output")))
    tracks = [
        read_track(document, keys[times], mode, path, members, place) for (times, mode, path), members in groups.items()
    ]
    return tracks, max(float(k.max()) for k in [np.zeros(1), *keys.values()] if len(k))


def read_keys(document: Document, accessor: Any) -> Float[np.ndarray, " keys"]:
    keys: np.ndarray = read_floats(document, accessor, 1)[:, 0]
    if not (np.abs(keys) < 1e7).all():
        raise ReadError("key times must be finite and sensible", place=f"accessors[{accessor}]")
    return keys


def read_track(
    document: Document,
    keys: Float[np.ndarray, " keys"],
    mode: str,
    path: str,
    members: list[tuple[int, Any]],
    place: str,
) -> Track:
    parts, width = (3 if mode == "CUBICSPLINE" else 1), len(PARTS[path])
    columns = []
    for _, accessor in members:
        values = read_floats(document, accessor, width).astype(np.float32)
        if len(values) < len(keys) * parts:
            raise ReadError(f"has {len(keys)} keys but {len(values)} values", place=place)
        columns.append(values[: len(keys) * parts].reshape(len(keys), parts, width))
    stacked = np.stack(columns, axis=2)
    if not np.isfinite(stacked).all():
        raise ReadError("contains NaN or infinite values", place=place)
    if (np.diff(keys) < 0).any():  # invalid, yet viewers play such files
        order = np.argsort(keys, kind="stable")
        keys, stacked = keys[order], stacked[order]
    return Track(keys, stacked, mode, path, [row for row, _ in members])


def bake(document: Document, rigging: Rigging, tracks: list[Track], name: str, fps: float, frames: int) -> Motion:
    """Chunk by chunk, so that long clips of large rigs stay small in memory."""
    step = max(1, CHUNK // len(rigging.nodes))
    clips = []
    for start in range(0, frames, step):
        times = np.arange(start, min(start + step, frames)) / fps
        world = local_to_world(rigging.parents, sample_nodes(document, rigging, tracks, times))
        joints = world[:, rigging.joint_rows]
        clips.append(motion_from_world(name, fps, rigging.skeleton, joints, rigging.gauge))
    if len(clips) == 1:
        return clips[0]
    scales = None
    if any(clip.scales is not None for clip in clips):
        scales = np.concatenate(
            [np.ones_like(clip.translations) if clip.scales is None else clip.scales for clip in clips]
        )
    rotations = continuous(np.concatenate([clip.rotations for clip in clips]))
    return Motion(name, fps, rotations, np.concatenate([clip.translations for clip in clips]), scales)


def sample_nodes(
    document: Document, rigging: Rigging, tracks: list[Track], times: Float[np.ndarray, " frames"]
) -> Float[np.ndarray, "frames nodes 4 4"]:
    """Local matrices of every node of the rigging; only the driven ones differ from rest."""
    nodes = document.records("nodes")
    driven = sorted({row for track in tracks for row in track.rows})
    rest = [node_parts(nodes[rigging.nodes[row]], f"nodes[{rigging.nodes[row]}]") for row in driven]
    place = {row: position for position, row in enumerate(driven)}
    parts = {path: np.tile(np.array([part[path] for part in rest]), (len(times), 1, 1)) for path in PARTS}
    for track in tracks:
        parts[track.path][:, [place[row] for row in track.rows]] = sample_track(track, times)
    local = np.tile(rigging.local, (len(times), 1, 1, 1))
    local[:, driven] = compose(parts["rotation"], parts["translation"], parts["scale"])
    return local


def moving_nodes(document: Document, candidates: set[int]) -> set[int]:
    """Which of the candidates some animation takes away from their rest transform."""
    moving: set[int] = set()
    ranges: dict[tuple[Any, bool], tuple[np.ndarray, np.ndarray] | None] = {}
    nodes = document.records("nodes")
    for index, animation in enumerate(document.records("animations")):
        for node, path, sampler in channels(document, animation, f"animations[{index}]"):
            if path not in PARTS or node not in candidates or node in moving:
                continue
            key = (sampler.get("output"), sampler.get("interpolation") == "CUBICSPLINE")
            if key not in ranges:
                ranges[key] = value_range(document, *key)
            rest = node_parts(nodes[node], f"nodes[{node}]")[path]
            if any(bound.shape == rest.shape and np.abs(bound - rest).max() > 1e-5 for bound in ranges[key] or ()):
                moving.add(node)
    return moving


def value_range(document: Document, accessor: Any, cubic: bool) -> tuple[np.ndarray, np.ndarray] | None:
    """The least and greatest value a channel takes; None where it has none."""
    values = read_floats(document, accessor)
    values = values[1::3] if cubic else values
    return (values.min(axis=0), values.max(axis=0)) if len(values) else None
