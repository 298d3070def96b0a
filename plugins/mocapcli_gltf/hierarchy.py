"""The node tree: who hangs on whom, rest matrices, and which nodes are the rig's joints."""

from collections.abc import Container
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from mocapcli.errors import ReadError
from mocapcli.kinematics import compose, decompose, local_to_world
from mocapcli_gltf.document import Document, Json, check_index, child, children

MAX_NODES, MAX_JOINTS, MAX_DEPTH = 1 << 16, 1 << 13, 1 << 10
MAX_STEPS = 1 << 22  # from all nodes up to their roots
PARTS = {"translation": (0.0, 0.0, 0.0), "rotation": (0.0, 0.0, 0.0, 1.0), "scale": (1.0, 1.0, 1.0)}


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """Every node of the document; `order` lists them parents first, as the tree is walked."""

    parents: Int[np.ndarray, " nodes"]
    order: list[int]
    local: Float[np.ndarray, "nodes 4 4"]
    world: Float[np.ndarray, "nodes 4 4"]
    visible: frozenset[int]  # nodes of the scene that is shown

    def ancestors(self, node: int) -> list[int]:
        """The node and all above it, nearest first."""
        chain = []
        while node >= 0:
            chain.append(node)
            node = int(self.parents[node])
        return chain

    def nearest(self, node: int, among: Container[int]) -> int:
        """The node itself or its nearest ancestor in `among`; -1 where there is none."""
        return next((found for found in self.ancestors(node) if found in among), -1)


def read_hierarchy(document: Document) -> Hierarchy:
    nodes = document.records("nodes")
    if not nodes:
        raise ReadError("has no nodes, so no skeleton")
    if len(nodes) > MAX_NODES:
        raise ReadError(f"has {len(nodes)} nodes, more than {MAX_NODES}")
    parents = read_parents(nodes)
    roots = [int(root) for root in np.flatnonzero(parents < 0)]
    scene = scene_roots(document, len(nodes))
    order = walk(nodes, list(dict.fromkeys([node for node in scene if parents[node] < 0] + roots)))
    if len(order) < len(nodes):
        lost = min(set(range(len(nodes))) - set(order))
        raise ReadError("the nodes form a cycle", place=f"nodes[{lost}]")
    local = np.array([local_matrix(node, f"nodes[{index}]") for index, node in enumerate(nodes)])
    positions = np.empty(len(nodes), np.int64)
    positions[order] = np.arange(len(order))
    ordered = parents[order]
    world = np.empty_like(local)
    world[order] = local_to_world(np.where(ordered < 0, -1, positions[ordered]), local[order])
    visible = frozenset(walk(nodes, scene)) if scene else frozenset(order)
    return Hierarchy(parents, order, local, world, visible)


def read_parents(nodes: list[Json]) -> Int[np.ndarray, " nodes"]:
    parents = np.full(len(nodes), -1, np.int64)
    for index, node in enumerate(nodes):
        for below in children(node, "children"):
            check_index(below, len(nodes), "nodes")
            if parents[below] >= 0 or below == index:
                raise ReadError("has two parents or is its own", place=f"nodes[{below}]")
            parents[below] = index
    return parents


def walk(nodes: list[Json], roots: list[int]) -> list[int]:
    """Depth first without recursion: hostile trees may be deep."""
    found = []
    steps = 0
    stack = [(root, 0) for root in reversed(roots)]
    while stack:
        node, depth = stack.pop()
        steps += depth
        if depth > MAX_DEPTH or steps > MAX_STEPS:
            raise ReadError(f"the nodes are nested absurdly deep ({depth})")
        found.append(node)
        stack.extend((below, depth + 1) for below in reversed(children(nodes[node], "children")))
    return found


def scene_roots(document: Document, count: int) -> list[int]:
    scenes = document.records("scenes")
    if not scenes:
        return []
    scene = document.record("scenes", document.json.get("scene", 0))
    return list(dict.fromkeys(check_index(node, count, "nodes") for node in children(scene, "nodes")))


def numbers(record: Json, key: str, count: int, place: str) -> Float[np.ndarray, " numbers"] | None:
    """A fixed-length array of finite numbers, None where it is absent."""
    value = record.get(key)
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != count or not all(type(v) in (int, float) for v in value):
        raise ReadError(f"{key} must be {count} numbers", place=place)
    array = np.array([float(v) for v in value])
    if not (np.abs(array) < 1e30).all():
        raise ReadError(f"{key} holds absurd numbers", place=place)
    return array


def node_parts(node: Json, place: str) -> dict[str, Float[np.ndarray, " numbers"]]:
    """A node's translation, rotation and scale, defaults filled in, a matrix taken apart."""
    matrix = numbers(node, "matrix", 16, place)
    if matrix is not None:
        rotation, translation, scale = decompose(matrix.reshape(4, 4).T)
        return {"translation": translation, "rotation": rotation, "scale": scale}
    found = {}
    for key, default in PARTS.items():
        value = numbers(node, key, len(default), place)
        found[key] = np.array(default) if value is None else value
    length = np.linalg.norm(found["rotation"])
    found["rotation"] = found["rotation"] / length if length > 1e-8 else np.array(PARTS["rotation"])
    return found


def local_matrix(node: Json, place: str) -> Float[np.ndarray, "4 4"]:
    matrix = numbers(node, "matrix", 16, place)
    if matrix is not None:
        full = matrix.reshape(4, 4).T.copy()
        full[3] = (0.0, 0.0, 0.0, 1.0)
        return full
    parts = node_parts(node, place)
    return compose(parts["rotation"], parts["translation"], parts["scale"])


def select_joints(document: Document, hierarchy: Hierarchy, animated: set[int]) -> list[int]:
    """Nodes that become joints, parents first.

    With skins: the joints of all skins in use, plus animated nodes that carry rigid meshes. Without: the node
    tree. `animated` are the nodes that really move in some clip.
    """
    chosen = skin_joints(document, hierarchy)
    if chosen:
        for node in rigid_nodes(document, hierarchy):
            chosen.update(set(hierarchy.ancestors(node)) & animated)
    else:
        chosen = tree_joints(document, hierarchy, animated)
    if len(chosen) > MAX_JOINTS:
        raise ReadError(f"has {len(chosen)} joints, more than {MAX_JOINTS}")
    ascending = sorted(chosen)
    if all(hierarchy.parents[node] < node for node in ascending):
        return ascending  # the file's own order, which keeps round trips loss-free
    return [node for node in hierarchy.order if node in chosen]


def skin_joints(document: Document, hierarchy: Hierarchy) -> set[int]:
    """Joints of the skins that meshes of the scene wear; of all skins where none is worn."""
    skins, nodes = document.records("skins"), document.records("nodes")
    wearers = [nodes[node] for node in hierarchy.visible if "mesh" in nodes[node] and "skin" in nodes[node]]
    worn = {check_index(wearer["skin"], len(skins), "skins") for wearer in wearers}
    chosen: set[int] = set()
    for index in worn or range(len(skins)):
        chosen.update(check_index(node, len(nodes), "nodes") for node in children(skins[index], "joints"))
    return chosen


def rigid_nodes(document: Document, hierarchy: Hierarchy) -> list[int]:
    """Nodes of the scene that show a mesh without a skin."""
    nodes = document.records("nodes")
    return [node for node in hierarchy.order if node in hierarchy.visible and is_rigid(nodes[node])]


def is_rigid(node: Json) -> bool:
    return "mesh" in node and "skin" not in node


def tree_joints(document: Document, hierarchy: Hierarchy, animated: set[int]) -> set[int]:
    """The rig of a file without skins: its node tree, without idle cameras and lights."""
    nodes = document.records("nodes")
    shown = set(hierarchy.visible)
    idle = {node for node in shown if is_idle_extra(nodes[node]) and node not in animated}
    tree = shown - idle
    bare = [node for node in tree if "mesh" not in nodes[node]]
    if not tree or not (bare or tree & animated or any(hierarchy.parents[node] in tree for node in tree)):
        raise ReadError(
            "has no skeleton: no skin, no animation and no node hierarchy", remedy="rig the model and export it again"
        )
    return tree


def is_idle_extra(node: Json) -> bool:
    """A leaf that only holds a camera or a light."""
    return not node.get("children") and ("camera" in node or "KHR_lights_punctual" in child(node, "extensions"))


def joint_parents(hierarchy: Hierarchy, joints: list[int]) -> Int[np.ndarray, " joints"]:
    """Each joint's parent joint; nodes between them fold away."""
    rows = {node: row for row, node in enumerate(joints)}
    among = set(joints)
    above = [hierarchy.nearest(int(hierarchy.parents[node]), among) for node in joints]
    return np.array([rows.get(node, -1) for node in above], np.int64)


def joint_names(document: Document, joints: list[int]) -> list[str]:
    nodes: list[Any] = document.records("nodes")
    names = [nodes[node].get("name", "") for node in joints]
    return [" ".join(name.split()) if isinstance(name, str) else "" for name in names]
