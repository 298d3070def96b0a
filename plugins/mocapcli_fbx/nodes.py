"""In the child: the node tree, and which of its nodes are joints."""

import heapq
from collections.abc import Iterable
from functools import cached_property
from typing import Any

import numpy as np

from mocapcli.errors import ReadError
from mocapcli_fbx.binding import hold, items, matrix

MAX_NODES = 100_000
MAX_JOINTS = 4096


class Tree:
    """All nodes of a scene by number, parents and children as numbers. Node 0 is the scene's root."""

    def __init__(self, scene: Any) -> None:
        self.nodes = items(scene.nodes)
        if len(self.nodes) > MAX_NODES:
            raise ReadError(f"{len(self.nodes)} nodes are more than the {MAX_NODES} we read")
        self.parents = [self._number(node.parent) for node in self.nodes]

    @staticmethod
    def _number(node: Any) -> int:
        return -1 if hold(node) is None else int(node.typed_id)

    @cached_property
    def children(self) -> list[list[int]]:
        found: list[list[int]] = [[] for _ in self.nodes]
        for node, parent in enumerate(self.parents):
            if parent >= 0:
                found[parent].append(node)
        return found

    @cached_property
    def order(self) -> list[int]:
        """As in the file, but parents before children."""
        place = [int(node.element_id) for node in self.nodes]
        found, waiting = [], [(place[node], node) for node, parent in enumerate(self.parents) if parent < 0]
        while waiting:
            _, node = heapq.heappop(waiting)
            found.append(node)
            for child in self.children[node]:
                heapq.heappush(waiting, (place[child], child))
        return found

    def with_ancestors(self, wanted: Iterable[int]) -> list[int]:
        """The nodes and all above them, parents first."""
        kept: set[int] = set()
        for node in wanted:
            while node >= 0 and node not in kept:
                kept.add(node)
                node = self.parents[node]
        return [node for node in self.order if node in kept]

    def nearest(self, node: int, among: dict[int, int]) -> int:
        """What `among` says of the node itself or its nearest ancestor in there; -1 if none is."""
        while node >= 0 and node not in among:
            node = self.parents[node]
        return among.get(node, -1)

    def world(self, node: int) -> np.ndarray:
        return matrix(self.nodes[node].node_to_world)

    def local(self, node: int) -> np.ndarray:
        translation, rotation, scale = self.nodes[node].local_transform
        return np.array([*translation, *rotation, *scale])

    def ignores_parent_scale(self, node: int) -> bool:
        return int(self.nodes[node].inherit_mode) != 0

    def scale_source(self, node: int) -> int:
        return self._number(self.nodes[node].inherit_scale_node)


def choose_joints(tree: Tree, bones: set[int], rigid: set[int], moving: set[int]) -> list[int]:
    """Nodes that become joints, parents first.

    Bones and whatever lies between them; moving nodes that carry rigid meshes but no bones. Without any bone,
    the moving nodes and all below them are the rig.
    """
    if bones:
        seeds = bones | {node for node in moving & set(tree.with_ancestors(rigid)) - set(tree.with_ancestors(bones))}
    else:
        seeds = set(moving)
        for node in tree.order:
            if tree.parents[node] in seeds:
                seeds.add(node)
    seeds.discard(0)
    joints = _fill_gaps(tree, seeds)
    if not joints:
        raise ReadError("there are no bones and no animated nodes in this file", remedy="a rig needs either")
    if len(joints) > MAX_JOINTS:
        raise ReadError(f"{len(joints)} joints are more than the {MAX_JOINTS} we read")
    return joints


def _fill_gaps(tree: Tree, seeds: set[int]) -> list[int]:
    """The seeds and every node that has one both above and below."""
    above: set[int] = set()
    for node in tree.order:
        if tree.parents[node] in above or tree.parents[node] in seeds:
            above.add(node)
    below = set(tree.with_ancestors(seeds))
    return [node for node in tree.order if node in seeds or (node in above and node in below)]
