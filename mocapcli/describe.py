"""Facts about an asset, as plain values ready for JSON."""

import re
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from mocapcli.kinematics import joint_positions, quat_to_matrix, rest_world, sample
from mocapcli.types import Asset, Material, Mesh, Motion, Skeleton

MOST_FRAMES = 300  # enough to see how much a clip moves
HIGH, LOW = re.compile(r"head|skull", re.IGNORECASE), re.compile(r"foot|toe|feet|paw|hoof", re.IGNORECASE)


def describe(asset: Asset, path: Path, format_name: str) -> dict[str, Any]:
    """Everything `mocap info` shows."""
    skeleton, mesh = asset.rig.skeleton, asset.rig.mesh
    rest = _rest(asset)
    idle = [name for name, deforms in zip(skeleton.names, asset.rig.deforms, strict=True) if not deforms]
    return {
        "file": str(path),
        "format": format_name,
        "rig": asset.rig.name,
        "roots": [skeleton.names[root] for root in skeleton.roots],
        "joints": _joints(skeleton),
        "rest": rest,
        "clips": [_clip(skeleton, clip) for clip in asset.motions],
        "mesh": None if mesh is None else _mesh(mesh),
        "deforms_nothing": idle,
        "beyond": list(getattr(asset.rig.source, "beyond", ())),
        "hints": _hints(rest),
    }


def _joints(skeleton: Skeleton) -> list[dict[str, Any]]:
    depth, below = [0] * skeleton.joints, [0] * skeleton.joints
    for joint, parent in enumerate(skeleton.parents):
        depth[joint] = depth[parent] + 1 if parent >= 0 else 0
    for joint in range(skeleton.joints - 1, -1, -1):
        if skeleton.parents[joint] >= 0:
            below[skeleton.parents[joint]] += below[joint] + 1
    world = rest_world(skeleton)[:, :3, 3]
    return [
        {
            "name": name,
            "parent": int(skeleton.parents[joint]),
            "depth": depth[joint],
            "below": below[joint],
            "position": world[joint].tolist(),
        }
        for joint, name in enumerate(skeleton.names)
    ]


def _rest(asset: Asset) -> dict[str, Any]:
    """The box around the mesh at rest, or around the joints where there is none."""
    mesh = asset.rig.mesh
    places = rest_world(asset.rig.skeleton)[:, :3, 3] if mesh is None or not len(mesh.vertices) else mesh.vertices
    low, high = places.min(axis=0).astype(float), places.max(axis=0).astype(float)
    size = high - low
    return {
        "low": low.tolist(),
        "high": high.tolist(),
        "size": size.tolist(),
        "height": float(size[1]),
        "up": _up(asset),
    }


def _up(asset: Asset) -> str | None:
    """The axis that leads from feet to head at rest and, as a BVH may rest on its back, in half of the first clip."""
    skeleton = asset.rig.skeleton
    guess = _up_of_pose(skeleton, rest_world(skeleton)[:, :3, 3])
    if guess is None or not asset.motions:
        return guess
    clip = asset.motions[0]
    poses = joint_positions(skeleton, sample(clip, np.linspace(0, clip.duration, 20), 1.0))
    agree = [_up_of_pose(skeleton, places) == guess for places in poses]
    return guess if np.mean(agree) >= 0.5 else None


def _up_of_pose(skeleton: Skeleton, places: Float[np.ndarray, "joints 3"]) -> str | None:
    """The one axis at whose low end all feet are, with the head far from it; names tell which these are."""
    heads = np.array([bool(HIGH.search(name)) for name in skeleton.names])
    feet = np.array([bool(LOW.search(name)) for name in skeleton.names])
    size = np.ptp(places, axis=0)
    if not heads.any() or not feet.any() or not size.max() > 0:
        return None
    found = []
    for axis in np.flatnonzero(size > 0.1 * size.max()):
        height = (places[:, axis] - places[:, axis].min()) / size[axis]
        for sign, share in (("", height), ("-", 1 - height)):
            if (share[feet] < 0.2).all() and share[heads].mean() > 0.4:
                found.append(f"{sign}{'xyz'[axis]}")
    return found[0] if len(found) == 1 else None


def _clip(skeleton: Skeleton, clip: Motion) -> dict[str, Any]:
    """A clip and how much it moves: joints that turn over 1°, their mean largest turn, the root's way."""
    steps = min(clip.frames, MOST_FRAMES)
    few = sample(clip, np.linspace(0, clip.duration, steps), clip.fps)
    turns = _largest_turns(few)
    roots = joint_positions(skeleton, few)[:, skeleton.roots[0]]
    return {
        "name": clip.name,
        "frames": clip.frames,
        "fps": clip.fps,
        "seconds": clip.duration,
        "moving_joints": int((turns > 1.0).sum()),
        "mean_turn_degrees": float(turns.mean()),
        "travel": float(np.linalg.norm(np.ptp(roots, axis=0))),
        "scaled": clip.scales is not None,
    }


def _largest_turns(clip: Motion) -> Float[np.ndarray, " joints"]:
    """How far each joint ever turns away from the clip's first frame, in degrees."""
    matrices = quat_to_matrix(clip.rotations)
    traces = np.einsum("fjab,jab->fj", matrices, matrices[0])
    largest: np.ndarray = np.degrees(np.arccos(np.clip((traces - 1) / 2, -1, 1))).max(axis=0)
    return largest


def _mesh(mesh: Mesh) -> dict[str, Any]:
    extras = {"normals": mesh.normals, "uvs": mesh.uvs, "colours": mesh.colours}
    used = (mesh.skin_weights > 0).sum(axis=1)
    return {
        "vertices": len(mesh.vertices),
        "triangles": len(mesh.faces),
        "influences": int(used.max(initial=0)),
        "has": [name for name, values in extras.items() if values is not None],
        "materials": [_material(material) for material in mesh.materials],
    }


def _material(material: Material) -> dict[str, Any]:
    texture = material.texture
    image = None
    if texture is not None:
        image = {"name": texture.name, "mime_type": texture.mime_type, "bytes": len(texture.data)}
    return {"name": material.name, "base_colour": list(material.base_colour), "texture": image}


def _hints(rest: dict[str, Any]) -> list[str]:
    """What the user may have to tell `mocap convert` because the file could not."""
    hints = []
    largest = max(rest["size"])
    for limit, scale, unit in ((2000, 0.001, "millimetres"), (20, 0.01, "centimetres")):
        if largest > limit:
            hints.append(f"{largest:.3g} m across: if these are {unit}, convert with --scale {scale:g}")
            break
    if rest["up"] == "z":
        hints.append("z seems to point up: convert with --up z")
    return hints
