"""Read a glTF document as an `Asset`."""

from pathlib import Path

import numpy as np

from mocapcli.errors import InvalidDataError, ReadError
from mocapcli.kinematics import skeleton_from_world
from mocapcli.types import Asset, Rig, unique_names
from mocapcli_gltf.animation import Rigging, moving_nodes, read_motions
from mocapcli_gltf.decode import check_required
from mocapcli_gltf.document import Document, load
from mocapcli_gltf.hierarchy import (
    Hierarchy,
    joint_names,
    joint_parents,
    read_hierarchy,
    rigid_nodes,
    select_joints,
    skin_joints,
)
from mocapcli_gltf.mesh import MeshReader, gauge_matrices
from mocapcli_gltf.source import GltfSource


def read_gltf(path: Path) -> Asset:
    """The rig of the shown scene, its meshes, and every animation that moves it."""
    try:
        with np.errstate(all="ignore"):  # hostile numbers are caught where types check for finite values
            return read_document(load(path), path.stem)
    except (InvalidDataError, np.linalg.LinAlgError) as error:
        raise ReadError(f"damaged: {error}") from None


def read_document(document: Document, name: str) -> Asset:
    check_required(document)
    hierarchy = read_hierarchy(document)
    joints = select_joints(document, hierarchy, find_moving(document, hierarchy))
    names = unique_names(joint_names(document, joints))
    skeleton, gauge = skeleton_from_world(names, joint_parents(hierarchy, joints), hierarchy.world[joints])
    motions = read_motions(document, Rigging.build(hierarchy, joints, skeleton, gauge))
    mesh = MeshReader(document, hierarchy, joints, gauge_matrices(gauge)).read()
    source = GltfSource(document, hierarchy, skeleton, joints, gauge, motions, mesh, is_vrm(document))
    return Asset(Rig(skeleton, mesh, name, source), tuple(motions.values()))


def find_moving(document: Document, hierarchy: Hierarchy) -> set[int]:
    """Animated nodes that may have to become joints although no skin names them."""
    nodes = document.records("nodes")
    if not skin_joints(document, hierarchy):
        return moving_nodes(document, set(range(len(nodes))))
    candidates: set[int] = set()
    for node in rigid_nodes(document, hierarchy):
        candidates.update(hierarchy.ancestors(node))
    return moving_nodes(document, candidates) if candidates else set()


def is_vrm(document: Document) -> bool:
    extensions = document.json.get("extensions")
    return isinstance(extensions, dict) and bool({"VRM", "VRMC_vrm"} & set(extensions))
