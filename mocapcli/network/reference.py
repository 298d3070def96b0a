"""What the network is told of a rig: its two known poses, its graph, its size and its joint names."""

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from mocapcli.errors import InvalidDataError
from mocapcli.kinematics import motion_world, polar, rest_world
from mocapcli.loose_feet import legs_of_feet
from mocapcli.network.anchors import Anchors
from mocapcli.network.graph import DepthLevels, SkeletonGraph, build_graph, build_levels
from mocapcli.network.on_device import OnDevice
from mocapcli.types import Asset, Mesh, Motion, Rig

GRAM_BUCKETS = 2048
GRAMS = 16  # per name; longer names are cut
PERCENTILES = (2.0, 98.0)  # of the vertices, so that a whip or an antenna does not set the size
SAMPLED_VERTICES = 20_000
DROPPED_RIGS, DROPPED_JOINTS = 0.3, 0.1  # shares that lose their names in training


@dataclass(frozen=True, eq=False)
class RigReference:
    """One rig: rest pose and reference pair in the world (metres), who hangs on whom, size, name pieces."""

    parents: Int[np.ndarray, " joints"]
    deforms: Bool[np.ndarray, " joints"]
    rest_positions: Float[np.ndarray, "joints 3"]
    rest_rotations: Float[np.ndarray, "joints 3 3"]
    reference_positions: Float[np.ndarray, "joints 3"]
    reference_rotations: Float[np.ndarray, "joints 3 3"]
    size: float
    name_grams: Int[np.ndarray, "joints grams"]
    legs: Int[np.ndarray, " joints"] | None = None  # of loose feet, else -1; None: there are none

    @property
    def carriers(self) -> Int[np.ndarray, " joints"]:
        """Whose turns move each joint: its parent's, a loose foot's leg's."""
        return self.parents if self.legs is None else np.where(self.legs >= 0, self.legs, self.parents)

    @property
    def joints(self) -> int:
        return len(self.parents)


def reference_of_asset(asset: Asset) -> RigReference:
    """The default reference: the first frame of the first clip if there is one, else the rest pose."""
    return reference_of_rig(asset.rig, asset.motions[0] if asset.motions else None)


def reference_of_rig(rig: Rig, motion: Motion | None = None, frame: int = 0) -> RigReference:
    """A rig with one frame of a motion as its known pose; without a motion, the rest pose."""
    rest = rest_world(rig.skeleton)
    pose = rest
    if motion is not None:
        if not 0 <= frame < motion.frames:
            raise InvalidDataError(f"motion {motion.name!r} has {motion.frames} frames: there is no frame {frame}")
        kept = slice(frame, frame + 1)
        scales = None if motion.scales is None else motion.scales[kept]
        one = replace(motion, rotations=motion.rotations[kept], translations=motion.translations[kept], scales=scales)
        pose = motion_world(rig.skeleton, one)[0]
    return RigReference(
        rig.skeleton.parents,
        rig.deforms,
        rest[:, :3, 3],
        polar(rest[:, :3, :3])[0],
        pose[:, :3, 3],
        polar(pose[:, :3, :3])[0],
        rig_size(rig, pose),
        np.stack([hash_name(name) for name in rig.skeleton.names]),
        legs_of_feet(rig),
    )


def rig_size(rig: Rig, pose: Float[np.ndarray, "joints 4 4"]) -> float:
    """Diagonal of the box around the rig in that pose; without a mesh, of the joints that deform."""
    points = pose[rig.deforms, :3, 3] if rig.deforms.any() else pose[:, :3, 3]
    low, high = points.min(axis=0), points.max(axis=0)
    if rig.mesh is not None and len(rig.mesh.vertices):
        low, high = np.percentile(skinned_vertices(rig.mesh, pose, SAMPLED_VERTICES), PERCENTILES, axis=0)
    size = float(np.linalg.norm(high - low))
    if size < 1e-9:
        size = float(np.linalg.norm(np.ptp(pose[:, :3, 3], axis=0)))
    return size if size > 1e-9 else 1.0


def skinned_vertices(mesh: Mesh, pose: Float[np.ndarray, "joints 4 4"], most: int) -> Float[np.ndarray, "vertices 3"]:
    """Vertices in a pose; of a large mesh, every n-th."""
    step = max(1, len(mesh.vertices) // most)
    vertices, indices, weights = mesh.vertices[::step], mesh.skin_indices[::step], mesh.skin_weights[::step]
    fixed = (mesh.bind_joints < 0)[:, None, None]
    binds = np.where(fixed, np.eye(4), pose[mesh.bind_joints]) @ mesh.inverse_binds
    moved = np.einsum("vkij,vj->vki", binds[indices][..., :3, :3], vertices) + binds[indices][..., :3, 3]
    summed: np.ndarray = (weights[..., None] * moved).sum(axis=1)
    return summed


def forget_names(rig: RigReference, random: np.random.Generator) -> RigReference:
    """For training: some rigs lose all their names and some joints theirs, so that nonsense names do no harm."""
    kept = (random.random((rig.joints, 1)) >= DROPPED_JOINTS) & (random.random() >= DROPPED_RIGS)
    return replace(rig, name_grams=np.where(kept, rig.name_grams, 0))


def hash_name(name: str) -> Int[np.ndarray, " grams"]:
    """Buckets of the name's character triples, 1-based; 0 fills up. `UpperArm_L` and `upperarm.l` agree."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|[^A-Za-z0-9]+", " ", name.split(":")[-1]).lower().split()
    text = "^" + "^".join(words) + "^"
    grams = [text[k : k + 3] for k in range(max(1, len(text) - 2))][:GRAMS]
    out = np.zeros(GRAMS, dtype=np.int64)
    out[: len(grams)] = [zlib.crc32(gram.encode()) % GRAM_BUCKETS + 1 for gram in grams]
    return out


@dataclass(frozen=True, eq=False)
class RigBatch(OnDevice):
    """Rigs padded to one number of joints. Lengths are in units of each rig's size."""

    mask: Bool[Tensor, "batch joints"]
    deforms: Bool[Tensor, "batch joints"]
    parents: Int[Tensor, "batch joints"]
    rest_positions: Float[Tensor, "batch joints 3"]
    rest_rotations: Float[Tensor, "batch joints 3 3"]
    reference_positions: Float[Tensor, "batch joints 3"]
    reference_rotations: Float[Tensor, "batch joints 3 3"]
    name_grams: Int[Tensor, "batch joints grams"]
    size: Float[Tensor, " batch"]  # metres
    graph: SkeletonGraph

    @cached_property
    def levels(self) -> DepthLevels:
        """Worked out where they are first needed: stage 1 never asks."""
        return build_levels(self.parents)

    @property
    def anchors(self) -> Anchors:
        return Anchors(
            self.parents,
            self.mask,
            self.levels,
            self.reference_positions,
            self.reference_rotations,
            self.rest_positions,
            self.rest_rotations,
            self.graph.depth,
        )

    def select(self, rows: Int[Tensor, " rows"]) -> "RigBatch":
        """These rigs, in this order; a rig may come several times."""
        values = {name: getattr(self, name)[rows] for name in _RIG_TENSORS}
        graph = SkeletonGraph(**{field.name: getattr(self.graph, field.name)[rows] for field in fields(self.graph)})
        return RigBatch(**values, graph=graph)


_RIG_TENSORS = tuple(field.name for field in fields(RigBatch) if field.name != "graph")


def batch_rigs(rigs: Sequence[RigReference], dtype: torch.dtype = torch.float32) -> RigBatch:
    """Pad and stack: padding joints are lone roots at the origin that no mask shows."""
    joints = max(rig.joints for rig in rigs)
    identity = np.eye(3)

    def stack(name: str, fill: Any) -> Tensor:
        rows = [pad_joints(getattr(rig, name), joints, fill) for rig in rigs]
        tensor = torch.from_numpy(np.stack(rows))
        return tensor.to(dtype) if tensor.is_floating_point() else tensor

    size = torch.tensor([rig.size for rig in rigs], dtype=dtype)
    mask = torch.arange(joints) < torch.tensor([rig.joints for rig in rigs])[:, None]
    parents = stack("parents", -1)
    return RigBatch(
        mask,
        stack("deforms", False),
        parents,
        stack("rest_positions", 0.0) / size[:, None, None],
        stack("rest_rotations", identity),
        stack("reference_positions", 0.0) / size[:, None, None],
        stack("reference_rotations", identity),
        stack("name_grams", 0),
        size,
        build_graph(parents, mask),
    )


def pad_joints(values: np.ndarray, joints: int, fill: Any, axis: int = 0) -> np.ndarray:
    """`values` with the joint axis lengthened by `fill`."""
    shape = list(values.shape)
    shape[axis] = joints - shape[axis]
    tail = np.broadcast_to(np.asarray(fill, dtype=values.dtype), shape)
    return np.concatenate([values, tail], axis=axis)


class NameEmbedding(nn.Module):
    """Joint names as the mean of their pieces' vectors; of a joint without a name, nil."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.table = nn.Embedding(GRAM_BUCKETS + 1, channels, padding_idx=0)
        with torch.no_grad():
            self.table.weight.mul_(0.1)

    def forward(self, grams: Int[Tensor, "batch joints grams"]) -> Float[Tensor, "batch joints channels"]:
        present = (grams > 0).sum(-1, keepdim=True).clamp_min(1)
        summed: Tensor = self.table(grams).sum(-2)
        return summed / present
