"""Invented motions for any rig: what adaptation and training show of a creature that has no clips.

The skeleton is cut into chains (a spine, a leg, a tail). A chain bends as a whole: about one axis, with a profile along
it (even, at one joint, or as a travelling wave), over time as a few slow oscillations about an offset. Left and right
twins move together, in turns, or on their own; one joint of a limb may bend far, as knees and elbows do; limbs that
rest spread out (a T pose) often hang. Where the rig has clips, their poses and each joint's own spread of rotations
set the style: an invented motion then starts from a real pose and bends joints the way they do bend. A pose that is
known without clips, the reference, serves as a start too.
Everything is in the axes of the rest pose in the world, so that local axis conventions play no part.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from mocapcli.kinematics import affine, local_to_world, quat_to_matrix, rest_world
from mocapcli.types import Motion, Skeleton

Rotations = Float[np.ndarray, "frames joints 3 3"]
BEND = 0.6  # radians: typical bend of a whole limb
FOLD, FOLDED = 0.9, 0.4  # radians, share of limbs: bend of one joint beside it
HANGS = 0.5  # share of motions in which limbs that rest level hang
LEVEL = 0.6  # how steep such a limb may be: the sine of its rise
BEYOND = 0.6  # a run with no more than this behind it, of its own length, is a limb: an arm with its fingers
TRUNK_BEND = 0.3
TWIST = 0.12  # radians: typical turn of a joint about its own bone
TWIN_TOLERANCE = 0.06  # of the skeleton's size, between a joint and its twin's mirror image
HEAD_TURN, LEAN = 0.25, 0.2
FALLEN = 6.0  # times that lean: now and then a body lies, rolls or rears


@dataclass(frozen=True, eq=False)
class Chain:
    """Joints in a row, root side first; `twin` is the chain on the other side, or -1."""

    joints: Int[np.ndarray, " joints"]
    trunk: bool
    twin: int


@dataclass(frozen=True, eq=False)
class PoseSampler:
    """All that is worked out once for a rig."""

    skeleton: Skeleton
    chains: tuple[Chain, ...]
    rest: Float[np.ndarray, "joints 4 4"]
    bones: Float[np.ndarray, "joints 3"]  # unit, world: what a joint's twist turns about
    clips: tuple[
        np.ndarray, ...
    ]  # each [frames, joints, 3, 3]: world-axis turns of each joint against its parent, away from rest
    spreads: Float[np.ndarray, "joints 3 3"] | None  # Cholesky factors of those turns' covariance over the clips
    known: np.ndarray | None = None  # [joints, 3, 3]: such turns of a pose that is known beside the clips

    @classmethod
    def of(cls, skeleton: Skeleton, motions: tuple[Motion, ...] = (), known: Motion | None = None) -> "PoseSampler":
        """`known`: a motion whose first frame is known, where its others are not."""
        rest = rest_world(skeleton)
        clips = tuple(turns_from_rest(skeleton, rest, motion) for motion in motions)
        pose = None if known is None else turns_from_rest(skeleton, rest, first_frame(known))[0]
        chains, bones = find_chains(skeleton, rest), _bone_axes(skeleton, rest)
        return cls(skeleton, chains, rest, bones, clips, _spreads(clips), pose)

    def sample(self, frames: int, fps: float, random: np.random.Generator) -> Rotations:
        """Local rotation matrices of an invented motion."""
        seconds = np.arange(frames) / fps
        vectors = self._bends(seconds, random)
        vectors += self._twists(seconds, random)
        start = self._start(random)
        if start is None and random.random() < HANGS:
            vectors += self._hanging(random)
        turns = vectors_to_matrices(vectors)
        return turns_to_local(self.skeleton, self.rest, turns if start is None else start @ turns)

    def _start(self, random: np.random.Generator) -> Float[np.ndarray, "joints 3 3"] | None:
        """A pose of a clip, or the known one; None: rest."""
        if self.clips and random.random() < 0.7:
            clip = self.clips[int(random.integers(len(self.clips)))]
            return np.asarray(clip[int(random.integers(len(clip)))])
        return self.known if self.known is not None and random.random() < 0.6 else None

    def _hanging(self, random: np.random.Generator) -> Float[np.ndarray, "joints 3"]:
        """Turns that let limbs which rest level hang down, all alike, more or less."""
        vectors, down = np.zeros((self.skeleton.joints, 3)), np.array([0.0, -1.0, 0.0])
        share = random.uniform(0.2, 1.1)
        for chain in self.chains:
            if chain.trunk or len(chain.joints) < 2:
                continue
            places = self.rest[chain.joints, :3, 3]
            along = places[-1] - places[0]
            along = along / max(float(np.linalg.norm(along)), 1e-9)
            if abs(along[1]) > LEVEL or abs(along[0]) <= abs(along[2]):  # legs, tails, snouts, and joints in one place
                continue
            bones = np.linalg.norm(np.diff(places, axis=0), axis=1)
            axis = np.cross(along, down)
            upper = int((bones > 0.8 * bones.max()).argmax())  # below a collar bone, above the other long one
            vectors[chain.joints[upper]] = share * np.pi / 2 * axis / np.linalg.norm(axis)
        return vectors

    def _bends(self, seconds: Float[np.ndarray, " frames"], random: np.random.Generator) -> np.ndarray:
        """Rotation vectors [frames, joints, 3] of all chains' bends."""
        vectors = np.zeros((len(seconds), self.skeleton.joints, 3))
        activity = random.choice([0.35, 0.7, 1.0, 1.4, 2.0])
        linked = random.random() < 0.7
        pace = random.uniform(0.4, 2.5)  # oscillations a second
        moments = np.concatenate([seconds, seconds + 0.5 / pace])  # half an oscillation on: for twins in turns
        drawn: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        for number, chain in enumerate(self.chains):
            if linked and chain.twin in drawn:
                axis, course = drawn[chain.twin]
                # Mirrored about the YZ plane a rotation vector keeps x and changes the sign of y and z.
                axis = axis * [1.0, -1.0, -1.0]
                if random.random() < 0.5:
                    course = np.roll(course, len(seconds), axis=0)
                course = _resize(course, len(chain.joints))
            else:
                axis = self._axis(chain, random)
                size = (TRUNK_BEND if chain.trunk else BEND) * activity
                course = _course(moments, len(chain.joints), size, pace, random)
                if not chain.trunk and random.random() < FOLDED:
                    joint = int(random.integers(len(chain.joints)))
                    course[:, joint] += (
                        activity * FOLD * random.normal() * (1 + 0.3 * np.sin(2 * np.pi * pace * moments))
                    )
            drawn[number] = (axis, course)
            vectors[:, chain.joints] += course[: len(seconds), :, None] * axis
        return vectors

    def _axis(self, chain: Chain, random: np.random.Generator) -> Float[np.ndarray, " 3"]:
        """The axis a chain bends about: as its joints do in the clips, else mostly sideways (fore and aft swings)."""
        if self.spreads is not None and random.random() < 0.6:
            joint = int(random.choice(chain.joints))
            vector = self.spreads[joint] @ random.normal(size=3)
        else:
            vector = random.normal(size=3) * [1.0, 0.6, 0.6]
        return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-9))

    def _twists(self, seconds: Float[np.ndarray, " frames"], random: np.random.Generator) -> np.ndarray:
        """Rotation vectors of turns about the bones, and of the root's lean."""
        frames, joints = len(seconds), self.skeleton.joints
        size = random.laplace(scale=TWIST, size=joints)
        phase, pace = random.uniform(0, 2 * np.pi, joints), random.uniform(0.2, 1.5)
        angle = size * np.sin(2 * np.pi * pace * seconds[:, None] + phase)
        vectors = angle[..., None] * self.bones
        lean = random.normal(scale=LEAN, size=3) * (FALLEN if random.random() < 0.15 else 1.0)
        vectors[:, self.skeleton.parents < 0] += lean * [1.0, HEAD_TURN, 1.0]
        return np.asarray(vectors.reshape(frames, joints, 3))


def find_chains(skeleton: Skeleton, rest: Float[np.ndarray, "joints 4 4"]) -> tuple[Chain, ...]:
    """Runs of joints from one branching to the next or to a leaf; those that branch on belong to the trunk."""
    children = skeleton.children
    runs: list[tuple[list[int], bool]] = []
    starts = list(skeleton.roots)
    while starts:
        run = [starts.pop()]
        while len(children[run[-1]]) == 1:
            run.append(children[run[-1]][0])
        starts += children[run[-1]]
        runs.append((run, len(children[run[-1]]) > 1))
    places = rest[:, :3, 3]
    beyond = lengths_beyond(skeleton.parents, places)
    runs = [
        (run, branches and bool(beyond[run[-1]] > BEYOND * (beyond[run[0]] - beyond[run[-1]])))
        for run, branches in runs
    ]
    size = float(np.linalg.norm(np.ptp(places, axis=0))) or 1.0
    ends = np.array([places[run].mean(axis=0) for run, _ in runs])
    mirrored = (ends - places.mean(axis=0)) * [-1.0, 1.0, 1.0] + places.mean(axis=0)
    chains = []
    for number, (run, trunk) in enumerate(runs):
        apart = np.linalg.norm(mirrored[number] - ends, axis=1)
        apart[number] = np.inf
        nearest = int(apart.argmin())
        twin = nearest if apart[nearest] < TWIN_TOLERANCE * size else -1
        chains.append(Chain(np.array(run), trunk, twin))
    return tuple(chains)


def lengths_beyond(
    parents: Int[np.ndarray, " joints"], places: Float[np.ndarray, "joints 3"]
) -> Float[np.ndarray, " joints"]:
    """Length of the longest way outwards from each joint."""
    lengths = np.zeros(len(parents))
    for joint in range(len(parents) - 1, 0, -1):
        parent = parents[joint]
        if parent >= 0:
            bone = float(np.linalg.norm(places[joint] - places[parent]))
            lengths[parent] = max(lengths[parent], bone + lengths[joint])
    return lengths


def first_frame(motion: Motion) -> Motion:
    return Motion(motion.name, motion.fps, motion.rotations[:1], motion.translations[:1])


def turns_from_rest(skeleton: Skeleton, rest: Float[np.ndarray, "joints 4 4"], motion: Motion) -> Rotations:
    """How each joint is turned against its parent away from rest, in the rest pose's world axes."""
    axes = rest[:, :3, :3]
    own = np.swapaxes(quat_to_matrix(skeleton.rest_rotations), -1, -2) @ quat_to_matrix(motion.rotations)
    return np.asarray(axes @ own @ np.swapaxes(axes, -1, -2))


def turns_to_local(skeleton: Skeleton, rest: Float[np.ndarray, "joints 4 4"], turns: Rotations) -> Rotations:
    """The inverse of `turns_from_rest`."""
    axes = rest[:, :3, :3]
    return np.asarray(quat_to_matrix(skeleton.rest_rotations) @ np.swapaxes(axes, -1, -2) @ turns @ axes)


def pose_world(
    skeleton: Skeleton, local: Rotations, translations: Float[np.ndarray, "*frames joints 3"]
) -> Float[np.ndarray, "frames joints 4 4"]:
    """World matrices of local rotation matrices."""
    return local_to_world(skeleton.parents, affine(local, translations))


def vectors_to_matrices(vectors: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 3 3"]:
    """Rotation vectors to matrices (Rodrigues)."""
    angle = np.linalg.norm(vectors, axis=-1)[..., None, None]
    x, y, z = np.moveaxis(vectors / np.maximum(angle[..., 0], 1e-12), -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1).reshape(*x.shape, 3, 3)
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)


def _course(
    seconds: Float[np.ndarray, " frames"], joints: int, size: float, pace: float, random: np.random.Generator
) -> Float[np.ndarray, "frames joints"]:
    """Angles of a chain's joints over time; together they bend about `size`."""
    offset, swing = random.laplace(scale=0.6 * size), random.laplace(scale=0.6 * size)
    kind, along = random.random(), np.arange(joints)
    if kind < 0.4:
        share = np.full(joints, 1.0 / joints)
    elif kind < 0.75:
        share = np.exp(-0.5 * ((along - random.uniform(0, joints)) / max(0.2 * joints, 0.5)) ** 2)
        share = share / max(share.sum(), 1e-9)
    else:
        share = np.sin(along / joints * random.uniform(1, 2) * 2 * np.pi + random.uniform(0, 2 * np.pi)) / joints**0.5
    lag = random.uniform(0, 1.5) * along / joints if random.random() < 0.5 else np.zeros(joints)
    phase = 2 * np.pi * (pace * seconds[:, None] + random.random()) - lag
    return np.asarray(share * (offset + swing * np.sin(phase)))


def _resize(course: Float[np.ndarray, "frames joints"], joints: int) -> Float[np.ndarray, "frames _"]:
    """A twin's course for a chain of another length."""
    if course.shape[1] == joints:
        return course
    picked = np.linspace(0, course.shape[1] - 1, joints).round().astype(int)
    return course[:, picked]


def _bone_axes(skeleton: Skeleton, rest: Float[np.ndarray, "joints 4 4"]) -> Float[np.ndarray, "joints 3"]:
    """Direction to the children's mean; a leaf goes on as its parent does."""
    axes = np.zeros((skeleton.joints, 3))
    for joint, children in enumerate(skeleton.children):
        parent = skeleton.parents[joint]
        ends = rest[children, :3, 3].mean(axis=0) - rest[joint, :3, 3] if children else np.zeros(3)
        if np.linalg.norm(ends) < 1e-9:
            ends = axes[parent] if parent >= 0 else np.array([0.0, 1.0, 0.0])
        axes[joint] = ends / np.linalg.norm(ends)
    return axes


def _spreads(clips: tuple[np.ndarray, ...]) -> Float[np.ndarray, "joints 3 3"] | None:
    """How rotation vectors (for small angles) spread over all frames of all clips."""
    if not clips:
        return None
    turns = np.concatenate(clips)
    vectors = np.stack(
        [turns[..., 2, 1] - turns[..., 1, 2], turns[..., 0, 2] - turns[..., 2, 0], turns[..., 1, 0] - turns[..., 0, 1]],
        axis=-1,
    )
    centred = vectors / 2 - (vectors / 2).mean(axis=0)
    covariance = np.einsum("fja,fjb->jab", centred, centred) / len(centred)
    return np.asarray(np.linalg.cholesky(covariance + 1e-4 * np.eye(3)))
