"""A creature on strings: joints turned over time, in frames that are all aligned with the world in the bind pose.

Angles are given for the left side; on the right they are mirrored. Later turns act outside earlier ones.
"""

import numpy as np
from jaxtyping import Float
from scipy.interpolate import PchipInterpolator
from scipy.spatial.transform import Rotation

from mocapcli.kinematics import compose, local_to_world, matrix_to_quat, quat_to_matrix
from mocapcli.zoo.body import Body
from mocapcli.zoo.plan import Number

X, Y, Z = np.eye(3)
Curve = Float[np.ndarray, " frames"]


class Puppet:
    """Local rotations of all joints for every frame, and where the whole stands."""

    def __init__(self, body: Body, frames: int, fps: Number = 30.0) -> None:
        self.body = body
        self.frames = frames
        self.fps = fps
        self.time: Curve = np.arange(frames) / fps
        self.part: Curve = np.linspace(0.0, 1.0, frames)  # of the clip
        self.rotations = np.tile([0.0, 0.0, 0.0, 1.0], (frames, len(body.names), 1))
        self.position = np.zeros((frames, 3))  # path over the ground
        self.yaw: Curve = np.zeros(frames)
        self.offset = np.zeros((frames, 3))  # of the trunk, in the path's frame
        self.feet: dict[int, Float[np.ndarray, "frames 3"]] = {}  # what IK target bones show

    def turn(self, joint: int, axis: Float[np.ndarray, " 3"], angle: Curve | Number) -> None:
        """Rotate a joint about an axis of its parent's frame."""
        if self.body.labels[joint].side < 0:
            axis = axis * np.array([1.0, -1.0, -1.0])
        angles = np.broadcast_to(np.asarray(angle, dtype=np.float64), (self.frames,))
        turned = Rotation.from_rotvec(angles[:, None] * axis) * Rotation.from_quat(self.rotations[:, joint])
        self.rotations[:, joint] = turned.as_quat()

    def twist(self, joint: int, angle: Curve | Number) -> None:
        """Rotate a joint about its own bone, before anything else it does."""
        axis = self.body.bone(joint)
        if self.body.labels[joint].side < 0:
            angle = -np.asarray(angle)
        angles = np.broadcast_to(np.asarray(angle, dtype=np.float64), (self.frames,))
        turned = Rotation.from_quat(self.rotations[:, joint]) * Rotation.from_rotvec(angles[:, None] * axis)
        self.rotations[:, joint] = turned.as_quat()

    def swing(self, cycles: int, phase: Number = 0.0) -> Curve:
        """A sine that closes over the clip."""
        return np.asarray(np.sin(2 * np.pi * (cycles * self.part - phase)))

    def keyed(self, *keys: tuple[Number, Number]) -> Curve:
        """A smooth curve through (part of the clip, value)."""
        times, values = np.array(keys).T
        return np.asarray(PchipInterpolator(times, values)(self.part))

    def heading(self) -> Rotation:
        return Rotation.from_rotvec(self.yaw[:, None] * Y)

    def local(self) -> tuple[Float[np.ndarray, "frames joints 4"], Float[np.ndarray, "frames joints 3"]]:
        """Rotations and translations relative to each joint's parent."""
        body = self.body
        rotations = self.rotations.copy()
        offsets = body.heads - np.where(body.parents[:, None] >= 0, body.heads[body.parents], 0.0)
        translations = np.tile(offsets, (self.frames, 1, 1))
        heading, trunk = self.heading(), body.trunk
        if body.ground >= 0:
            rotations[:, body.ground] = heading.as_quat()
            translations[:, body.ground] = self.position
            translations[:, trunk] += self.offset
        else:
            rotations[:, trunk] = (heading * Rotation.from_quat(rotations[:, trunk])).as_quat()
            translations[:, trunk] = self.position + heading.apply(body.heads[trunk] + self.offset)
        return rotations, translations

    def world(self) -> Float[np.ndarray, "frames joints 4 4"]:
        rotations, translations = self.local()
        return local_to_world(self.body.parents, compose(rotations, translations))

    def finish(self) -> tuple[Float[np.ndarray, "frames joints 4"], Float[np.ndarray, "frames joints 3"]]:
        """`local()` with the rigger's own bones brought along."""
        for bone, joint, follower in self.body.twists:
            axis = self.body.bone(joint)
            quaternion = self.rotations[:, follower]
            angle = 2 * np.arctan2(quaternion[:, :3] @ axis, quaternion[:, 3])
            angle = (angle + np.pi) % (2 * np.pi) - np.pi
            self.rotations[:, bone] = Rotation.from_rotvec(0.5 * angle[:, None] * axis).as_quat()
        rotations, translations = self.local()
        if self.body.targets:
            world = local_to_world(self.body.parents, compose(rotations, translations))
            for bone, limb in self.body.targets:
                self._place_target(bone, limb, world, translations)
        return rotations, translations

    def _place_target(
        self,
        bone: int,
        limb: int,
        world: Float[np.ndarray, "frames joints 4 4"],
        translations: Float[np.ndarray, "frames joints 3"],
    ) -> None:
        parent, last = self.body.parents[bone], self.body.chains[limb][-1]
        reach = self.body.tips[last] - self.body.heads[last]
        tip = world[:, last, :3, :3] @ reach + world[:, last, :3, 3]
        gap = tip - world[:, parent, :3, 3]
        translations[:, bone] = np.einsum("tji,tj->ti", world[:, parent, :3, :3], gap)


def chain_world(
    puppet: Puppet, joints: tuple[int, ...], parent: Float[np.ndarray, "frames 3 3"]
) -> Float[np.ndarray, "frames 3 3"]:
    """World rotation of the last of some joints, given that of the first one's parent."""
    for joint in joints:
        parent = parent @ quat_to_matrix(puppet.rotations[:, joint])
    return parent


__all__ = ["Curve", "Puppet", "X", "Y", "Z", "chain_world", "matrix_to_quat"]
