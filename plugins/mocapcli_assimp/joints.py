"""Which of a scene's nodes are joints: assimp has no such word, so it is read from how nodes are used."""

import numpy as np
from jaxtyping import Bool, Float, Int

from mocapcli.errors import ReadError
from mocapcli_assimp.scene import Node, Scene


def node_parents(nodes: tuple[Node, ...]) -> Int[np.ndarray, " nodes"]:
    return np.array([node.parent for node in nodes], dtype=np.int64)


def find_joints(scene: Scene) -> Int[np.ndarray, " joints"]:
    """Nodes that meshes name as bones (or that move, in a file without bones), those below and those between."""
    nodes = scene.nodes
    named = {bone.name for surface in scene.surfaces for bone in surface.bones}
    moving = {channel.node for clip in scene.clips for channel in clip.channels}
    seeds = np.array([node.name in named for node in nodes])
    if not seeds.any():
        seeds = np.array([node.name in moving for node in nodes])
    if not seeds.any():
        raise ReadError("holds no skeleton: no mesh names a bone and nothing moves")
    below = _below(nodes, seeds)
    kept = np.array([not node.meshes or node.name in moving for node in nodes])
    joints = seeds | (below & kept)
    joints |= _between(nodes, joints)
    return np.flatnonzero(_with_common_root(nodes, joints))


def _below(nodes: tuple[Node, ...], marked: Bool[np.ndarray, " nodes"]) -> Bool[np.ndarray, " nodes"]:
    """Nodes with a marked ancestor."""
    out = np.zeros(len(nodes), dtype=bool)
    for index, node in enumerate(nodes):
        if node.parent >= 0:
            out[index] = out[node.parent] or marked[node.parent]
    return out


def _above(nodes: tuple[Node, ...], marked: Bool[np.ndarray, " nodes"]) -> Bool[np.ndarray, " nodes"]:
    """Nodes with a marked descendant."""
    out = np.zeros(len(nodes), dtype=bool)
    for index in reversed(range(len(nodes))):
        parent = nodes[index].parent
        if parent >= 0 and (marked[index] or out[index]):
            out[parent] = True
    return out


def _between(nodes: tuple[Node, ...], joints: Bool[np.ndarray, " nodes"]) -> Bool[np.ndarray, " nodes"]:
    return np.asarray(_below(nodes, joints) & _above(nodes, joints))


def _with_common_root(nodes: tuple[Node, ...], joints: Bool[np.ndarray, " nodes"]) -> Bool[np.ndarray, " nodes"]:
    """Several roots that share a plain parent node have an unweighted joint there: `Root`, `Body`.

    The scene's root, a node with a mesh and an FBX null (an armature object) are no joints.
    """
    tops = np.flatnonzero(joints & ~_below(nodes, joints)).tolist()
    if len(tops) < 2:
        return joints
    shared = set(_ancestors(nodes, tops[0]))
    for top in tops[1:]:
        shared &= set(_ancestors(nodes, top))
    root = max(shared, default=0)
    if nodes[root].parent < 0 or nodes[root].meshes or nodes[root].metadata.get("IsNull"):
        return joints
    joints = joints.copy()
    joints[root] = True
    return np.asarray(joints | _between(nodes, joints))


def _ancestors(nodes: tuple[Node, ...], index: int) -> list[int]:
    out = []
    while nodes[index].parent >= 0:
        index = nodes[index].parent
        out.append(index)
    return out


def nearest_joint(parents: Int[np.ndarray, " nodes"], joints: Int[np.ndarray, " joints"]) -> Int[np.ndarray, " nodes"]:
    """For every node the joint at it or closest above it, as an index into `joints`; -1 where there is none."""
    out = np.full(len(parents), -1, dtype=np.int64)
    out[joints] = np.arange(len(joints))
    for node, parent in enumerate(parents):
        if out[node] < 0 <= parent:
            out[node] = out[parent]
    return out


def world_correction(scene: Scene, suffix: str) -> Float[np.ndarray, "4 4"] | None:
    """What takes an FBX scene to metres with Y up, in place of its root's transform; None for other formats.

    assimp leaves FBX in file units (5.2) or turns and scales the root to centimetres (5.4 on); the file's own
    settings are in the metadata of both. Other importers apply what their format says to the root.
    """
    told = scene.metadata
    if suffix != ".fbx" or "UpAxis" not in told:
        return None
    out = np.zeros((4, 4))
    out[3, 3] = 1.0
    for row, name in enumerate(("Coord", "Up", "Front")):
        axis, sign = int(told.get(f"{name}Axis", row)), float(told.get(f"{name}AxisSign", 1))
        out[row, axis % 3] = sign if sign in (1.0, -1.0) else 1.0
    if abs(np.linalg.det(out)) < 0.5:  # two axes that are one: the file lies
        out = np.eye(4)
    unit = float(told.get("UnitScaleFactor", 1.0))
    out[:3] *= 0.01 * (unit if 1e-6 < unit < 1e6 else 1.0)
    return out
