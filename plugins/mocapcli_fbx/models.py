"""Joints, the node above them, and the bind pose as FBX objects."""

import numpy as np
from jaxtyping import Float

from mocapcli.types import Skeleton
from mocapcli_fbx.animation import euler_degrees
from mocapcli_fbx.document import CENTIMETRES, SCENE, Document, add_number, add_property
from mocapcli_fbx.encoder import Long, Record


def add_skeleton(document: Document, name: str, skeleton: Skeleton) -> tuple[Long, list[Long]]:
    """A Null that holds the roots, as Blender and Maya write them, and a LimbNode for every joint."""
    holder, _ = add_model(document, name, "Null", SCENE)
    models: list[Long] = []
    euler = euler_degrees(skeleton.rest_rotations)
    for joint, parent in enumerate(skeleton.parents):
        above = holder if parent < 0 else models[parent]
        number, properties = add_model(document, skeleton.names[joint], "LimbNode", above)
        translation = skeleton.rest_translations[joint] * CENTIMETRES
        _add_vector(properties, "Lcl Translation", translation)
        _add_vector(properties, "Lcl Rotation", euler[joint])
        _add_vector(properties, "Lcl Scaling", np.ones(3))
        models.append(number)
    return holder, models


def add_model(document: Document, name: str, kind: str, parent: Long) -> tuple[Long, Record]:
    """A node of the scene and its properties; all but meshes get the attribute that says what they are."""
    number, record = document.add("Model", name, "Model", kind)
    record.add("Version", 232)
    properties = record.add("Properties70")
    add_property(properties, "InheritType", "enum", "", "", 1)  # plain matrix products, scale included
    add_property(properties, "RotationActive", "bool", "", "", 1)
    add_property(properties, "DefaultAttributeIndex", "int", "Integer", "", 0)
    record.add("Shading", True)
    record.add("Culling", "CullingOff")
    document.connect(number, parent)
    if kind != "Mesh":
        attribute, details = document.add("NodeAttribute", name, "NodeAttribute", kind)
        details.add("TypeFlags", "Skeleton" if kind == "LimbNode" else "Null")
        add_number(details.add("Properties70"), "Size", 3.3)
        document.connect(attribute, number)
    return number, properties


def add_bind_pose(document: Document, matrices: dict[Long, Float[np.ndarray, "4 4"]]) -> None:
    """World matrices (metres) of nodes at binding; Blender takes its rest pose from here."""
    _, record = document.add("Pose", "BindPose", "Pose", "BindPose")
    record.add("Type", "BindPose")
    record.add("Version", 100)
    record.add("NbPoseNodes", len(matrices))
    for number, matrix in matrices.items():
        node = record.add("PoseNode")
        node.add("Node", number)
        node.add("Matrix", flat_matrix(matrix))


def flat_matrix(matrix: Float[np.ndarray, "4 4"]) -> Float[np.ndarray, " 16"]:
    """Metres to centimetres, columns one after another."""
    out = np.array(matrix)
    out[:3, 3] *= CENTIMETRES
    return np.ascontiguousarray(out.T).reshape(-1)


def _add_vector(properties: Record, name: str, values: Float[np.ndarray, " 3"]) -> None:
    add_property(properties, name, name, "", "A", *(float(value) for value in values))
