"""Put motions into a copy of the document the rig was read from; everything else stays as it was."""

import copy
import warnings

import numpy as np
from jaxtyping import Float

from mocapcli.errors import DroppedWarning
from mocapcli.kinematics import compose, continuous, decompose, depth_levels, inverse_affine, motion_world
from mocapcli.types import Asset, Motion
from mocapcli_gltf.animation import Rigging
from mocapcli_gltf.builder import Builder
from mocapcli_gltf.clips import PATHS, Rest, Tracks, build_animation
from mocapcli_gltf.document import Json, child, objects
from mocapcli_gltf.hierarchy import node_parts
from mocapcli_gltf.mesh import gauge_matrices
from mocapcli_gltf.prune import prune
from mocapcli_gltf.source import GltfSource


def fits_source(asset: Asset) -> bool:
    """Whether the rig still is what was read: same joints at rest, same mesh."""
    source, skeleton = asset.rig.source, asset.rig.skeleton
    if not isinstance(source, GltfSource) or asset.rig.mesh is not source.mesh:
        return False
    mine = source.skeleton
    return skeleton is mine or (
        skeleton.names == mine.names
        and np.array_equal(skeleton.parents, mine.parents)
        and np.allclose(skeleton.rest_translations, mine.rest_translations, atol=1e-9)
        and np.allclose(skeleton.rest_rotations, mine.rest_rotations, atol=1e-9)
    )


def build_from_source(asset: Asset) -> Builder:
    source: GltfSource = asset.rig.source
    builder = Builder.from_document(source.document)
    originals = source.document.records("animations")
    known = {id(motion): index for index, motion in source.motions.items()}
    chosen = {known.get(id(motion)) for motion in asset.motions}
    removed = [originals[index] for index in source.motions if index not in chosen]
    stay = [record for index, record in enumerate(originals) if index in chosen or index not in source.motions]
    _tell_what_moves_no_more(asset, source)
    if removed:
        prune(builder, removed, stay)
    animations: list[Json] = []
    for motion in asset.motions:
        if id(motion) in known:
            animations.append(copy.deepcopy(originals[known[id(motion)]]))
        else:
            animations.append(build_clip(builder, source, motion))
    for index, animation in enumerate(originals):
        if index not in source.motions:  # it moves no joint: morph targets, cameras, lights
            animations.insert(index, copy.deepcopy(animation))
    if animations:
        builder.json["animations"] = animations
    else:
        builder.json.pop("animations", None)
    return builder


def _tell_what_moves_no_more(asset: Asset, source: GltfSource) -> None:
    """A clip that was cut or resampled is written anew, with joints alone."""
    kept = {id(motion) for motion in asset.motions}
    changed = {motion.name for motion in asset.motions} & {
        motion.name for motion in source.motions.values() if id(motion) not in kept
    }
    originals = source.document.records("animations")
    for index, motion in source.motions.items():
        channels = objects(originals[index], "channels", motion.name)
        if motion.name in changed and any(child(channel, "target").get("path") == "weights" for channel in channels):
            message = f"clip {motion.name!r} has changed, and its morph targets stand still"
            warnings.warn(message, DroppedWarning, stacklevel=3)


def build_clip(builder: Builder, source: GltfSource, motion: Motion) -> Json:
    """A new animation on the source's nodes; nodes given by a matrix become translation, rotation, scale."""
    nodes: list[Json] = builder.json["nodes"]
    tracks = node_tracks(source, motion)
    rest: Rest = {}
    for joint in source.joints:
        parts = node_parts(nodes[joint], f"nodes[{joint}]")
        rest |= {(joint, path): parts[path] for path in PATHS}
    animation = build_animation(builder, motion, tracks, rest)
    for target in {channel["target"]["node"] for channel in animation["channels"]}:
        if nodes[target].pop("matrix", None) is not None:
            nodes[target] |= {path: rest[target, path].tolist() for path in PATHS}
    return animation


def node_tracks(source: GltfSource, motion: Motion) -> Tracks:
    """Node-local values of every joint node. Nodes between joints stay at rest and are divided out."""
    rigging = Rigging.build(source.hierarchy, source.joints, source.skeleton, source.gauge)
    target = motion_world(source.skeleton, motion) @ gauge_matrices(source.gauge)
    joint_of = np.full(len(rigging.nodes), -1)
    joint_of[rigging.joint_rows] = np.arange(len(source.joints))
    rebuilt = np.empty((motion.frames, len(rigging.nodes), 4, 4))
    tracks: Tracks = {}
    for level in depth_levels(rigging.parents):
        for row in level:
            parent = None if rigging.parents[row] < 0 else rebuilt[:, rigging.parents[row]]
            if joint_of[row] < 0:
                local = np.broadcast_to(rigging.local[row], rebuilt[:, row].shape)
            else:
                world = target[:, joint_of[row]]
                local, values = localise(world if parent is None else inverse_affine(parent) @ world)
                tracks |= {(rigging.nodes[row], path): value for path, value in zip(PATHS, values, strict=True)}
            rebuilt[:, row] = local if parent is None else parent @ local
    return {(node, path): tracks[node, path] for node in source.joints for path in PATHS}


def localise(
    local: Float[np.ndarray, "frames 4 4"],
) -> tuple[
    Float[np.ndarray, "frames 4 4"],
    tuple[Float[np.ndarray, "frames 3"], Float[np.ndarray, "frames 4"], Float[np.ndarray, "frames 3"]],
]:
    """What translation, rotation and scale can say of a matrix, and those three."""
    rotations, translations, scales = decompose(local)
    rotations = continuous(rotations)
    return compose(rotations, translations, scales), (translations, rotations, scales)
