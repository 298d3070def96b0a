"""Clips as FBX takes: one stack, one layer, linear keys on every frame."""

import numpy as np
from jaxtyping import Float, Int

from mocapcli.kinematics import quat_to_matrix
from mocapcli.types import Motion, Skeleton
from mocapcli_fbx.document import CENTIMETRES, TICKS, Document, add_number, add_property
from mocapcli_fbx.encoder import Encoded, Long, encode_property

LINEAR = np.array([0x6104], np.int32)  # linear keys with generic tangents, as Blender writes them
NO_TANGENTS = np.zeros(4, np.float32)
STILL = 1e-9  # relative change below which a curve is constant


def euler_degrees(rotations: Float[np.ndarray, "*batch 4"]) -> Float[np.ndarray, "*batch 3"]:
    """FBX's default order: about x first, then y, then z, all about the parent's axes."""
    matrix = quat_to_matrix(rotations)
    cosine = np.hypot(matrix[..., 0, 0], matrix[..., 1, 0])
    locked = cosine < 1e-9  # x and z turn about one axis: give it all to z
    x = np.where(locked, 0.0, np.arctan2(matrix[..., 2, 1], matrix[..., 2, 2]))
    y = np.arctan2(-matrix[..., 2, 0], cosine)
    locked_z = np.arctan2(-matrix[..., 0, 1], matrix[..., 1, 1])
    z = np.where(locked, locked_z, np.arctan2(matrix[..., 1, 0], matrix[..., 0, 0]))
    return np.asarray(np.degrees(np.stack([x, y, z], axis=-1)))


def continuous_euler(euler: Float[np.ndarray, "frames *rest 3"]) -> Float[np.ndarray, "frames *rest 3"]:
    """The same rotations by the angles nearest to the frame before: unwrapped, and by the twin if that is nearer."""
    out = np.array(euler)
    twins = out * [1.0, -1.0, 1.0] + 180.0
    for frame in range(1, len(out)):
        before = out[frame - 1]
        plain = out[frame] + 360.0 * np.round((before - out[frame]) / 360.0)
        twin = twins[frame] + 360.0 * np.round((before - twins[frame]) / 360.0)
        nearer = np.abs(twin - before).sum(axis=-1) < np.abs(plain - before).sum(axis=-1)
        out[frame] = np.where(nearer[..., None], twin, plain)
    return out


def last_tick(motion: Motion) -> int:
    return round((motion.frames - 1) / motion.fps * TICKS)


def add_take(document: Document, name: str, motion: Motion, skeleton: Skeleton, models: list[Long]) -> None:
    stack, record = document.add("AnimationStack", name, "AnimStack", "")
    properties = record.add("Properties70")
    stop = Long(last_tick(motion))
    for key, value in {"LocalStart": Long(0), "LocalStop": stop, "ReferenceStart": Long(0)}.items():
        add_property(properties, key, "KTime", "Time", "", value)
    add_property(properties, "ReferenceStop", "KTime", "Time", "", stop)
    add_number(properties, "mocapcli_fps", motion.fps, "U")  # the file has one frame rate, each clip its own
    layer, _ = document.add("AnimationLayer", "BaseLayer", "AnimLayer", "")
    document.connect(layer, stack)
    times = np.round(np.arange(motion.frames) / motion.fps * TICKS).astype(np.int64)
    writer = _Curves(document, layer, times)
    euler = continuous_euler(euler_degrees(motion.rotations))
    scales = np.ones_like(motion.translations) if motion.scales is None else motion.scales
    for joint, model in enumerate(models):
        rest = skeleton.rest_translations[joint]
        writer.add(model, "T", "Lcl Translation", motion.translations[:, joint] * CENTIMETRES, rest * CENTIMETRES)
        writer.add(model, "R", "Lcl Rotation", euler[:, joint], None)
        writer.add(model, "S", "Lcl Scaling", scales[:, joint], np.ones(3))


class _Curves:
    """Writes curves of one take; key times and constants are encoded once."""

    def __init__(self, document: Document, layer: Long, times: Int[np.ndarray, " frames"]) -> None:
        self.document, self.layer = document, layer
        self.times = Encoded(encode_property(times))
        self.ends = Encoded(encode_property(times[[0, -1]]))

    def add(
        self,
        model: Long,
        tag: str,
        target: str,
        values: Float[np.ndarray, "frames 3"],
        default: Float[np.ndarray, " 3"] | None,
    ) -> None:
        """Three curves on a model's property; none where it stays at its `default`."""
        tolerance = STILL * max(1.0, float(np.abs(values).max()))
        if default is not None and np.abs(values - default).max() <= tolerance:
            return
        node, record = self.document.add("AnimationCurveNode", tag, "AnimCurveNode", "")
        properties = record.add("Properties70")
        self.document.connect(node, self.layer)
        self.document.connect_property(node, model, target)
        for axis, letter in enumerate("XYZ"):
            curve = values[:, axis]
            add_property(properties, f"d|{letter}", "Number", "", "A", float(curve[0]))
            still = np.ptp(curve) <= tolerance
            self._add_curve(node, f"d|{letter}", curve[[0, -1]] if still else curve, self.ends if still else self.times)

    def _add_curve(self, node: Long, name: str, values: Float[np.ndarray, " keys"], times: Encoded) -> None:
        number, record = self.document.add("AnimationCurve", "", "AnimCurve", "")
        record.add("Default", float(values[0]))
        record.add("KeyVer", 4008)
        record.add("KeyTime", times)
        record.add("KeyValueFloat", values.astype(np.float32))
        record.add("KeyAttrFlags", LINEAR)
        record.add("KeyAttrDataFloat", NO_TANGENTS)
        record.add("KeyAttrRefCount", np.array([len(values)], np.int32))
        self.document.connect_property(number, node, name)
