"""`make_creature`: a seed to a whole animated asset."""

from collections.abc import Callable
from zlib import crc32

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from mocapcli.errors import UsageError
from mocapcli.kinematics import compose, continuous, inverse_affine, matrix_to_quat, quat_to_matrix, transform_asset
from mocapcli.types import Asset, Mesh, Motion, Rig, Skeleton
from mocapcli.zoo import beasts, oddities
from mocapcli.zoo.axes import AXES, Axes, joint_frames
from mocapcli.zoo.body import Body, build_body, deforming
from mocapcli.zoo.mesh import TINTS, Skin, build_skin
from mocapcli.zoo.paint import Paint, paint
from mocapcli.zoo.plan import Plan
from mocapcli.zoo.puppet import Puppet
from mocapcli.zoo.repertoire import FPS, perform

KINDS: dict[str, Callable[[np.random.Generator], Plan]] = {
    "bat": oddities.bat,
    "biped": beasts.biped,
    "bird": beasts.bird,
    "centaur": oddities.centaur,
    "dragon": beasts.dragon,
    "fish": oddities.fish,
    "hydra": oddities.hydra,
    "insect": oddities.insect,
    "kitsune": beasts.kitsune,
    "longneck": beasts.longneck,
    "naga": oddities.naga,
    "octopus": oddities.octopus,
    "quadruped": beasts.quadruped,
    "scorpion": oddities.scorpion,
    "snake": oddities.snake,
    "spider": oddities.spider,
    "theropod": beasts.theropod,
    "wyvern": beasts.wyvern,
}
SHAPE, LOOK, MOVES, FRAMES, KIND = range(5)  # independent streams of one seed


def make_creature(seed: int, kind: str | None = None, axes: Axes | None = None) -> Asset:
    """A rigged, skinned, painted creature with three to six clips; the same for the same arguments.

    `axes` fixes the convention of the local joint frames and changes nothing that can be seen.
    """
    if kind is not None and kind not in KINDS:
        raise UsageError(f"no creature called {kind!r}", remedy=f"known: {', '.join(KINDS)}")
    if axes is not None and axes not in AXES:
        raise UsageError(f"no axis convention called {axes!r}", remedy=f"known: {', '.join(AXES)}")
    if seed < 0:
        raise UsageError(f"a seed must not be negative, not {seed}")
    kind = kind or str(np.random.default_rng([seed, KIND]).choice(list(KINDS)))
    word = crc32(kind.encode())
    shape, look, moves, frames = (np.random.default_rng([seed, word, n]) for n in (SHAPE, LOOK, MOVES, FRAMES))
    body = build_body(KINDS[kind](shape), shape)
    skin = build_skin(body, int(look.integers(2000, 4200)))
    roles = [body.labels[joint].role for joint in skin.indices[:, 0]]
    coat = paint(skin, roles, kind in ("biped", "centaur", "naga"), look)
    size = float(np.exp(look.uniform(np.log(0.4), np.log(3.0))))
    drawn = str(frames.choice(AXES))
    gauge = joint_frames(body, axes or drawn, frames)  # type: ignore[arg-type]
    rest = _rest_pose(body, moves)
    puppets = [(name, perform(body, name, moves)) for name in _choose(body.plan.abilities, moves)]
    skeleton = _skeleton(body, rest, gauge)
    rig = Rig(skeleton, _mesh(body, skin, coat, gauge), f"{kind}-{seed:06d}")
    motions = tuple(_motion(name, puppet, gauge) for name, puppet in puppets)
    return transform_asset(Asset(rig, motions), size)


def _choose(abilities: tuple[str, ...], rng: np.random.Generator) -> list[str]:
    """Three to six clips, the first ability always among them, in their order."""
    count = min(int(rng.integers(3, 7)), len(abilities))
    others = rng.permutation(len(abilities) - 1)[: count - 1] + 1
    return [abilities[0], *(abilities[i] for i in sorted(others))]


def _rest_pose(body: Body, rng: np.random.Generator) -> Puppet:
    """Mostly the drawn pose; else slightly bent at random."""
    puppet = Puppet(body, 1)
    if rng.random() < 0.25:
        for joint, label in enumerate(body.labels):
            if label.kind == "limb" and label.role != "root":
                turn = Rotation.from_rotvec(rng.normal(0, 0.05, 3))
                puppet.rotations[:, joint] = turn.as_quat()
    return puppet


def _local(
    puppet: Puppet, gauge: Float[np.ndarray, "joints 3 3"]
) -> tuple[Float[np.ndarray, "frames joints 4"], Float[np.ndarray, "frames joints 3"]]:
    """The puppet's local transforms, seen in frames turned by `gauge`."""
    rotations, translations = puppet.finish()
    parents = puppet.body.parents
    outer = np.where((parents >= 0)[:, None, None], gauge[parents], np.eye(3))
    back = np.swapaxes(outer, -1, -2)
    matrices = back @ quat_to_matrix(rotations) @ gauge
    return matrix_to_quat(matrices), np.einsum("jik,tjk->tji", back, translations)


def _skeleton(body: Body, rest: Puppet, gauge: Float[np.ndarray, "joints 3 3"]) -> Skeleton:
    rotations, translations = _local(rest, gauge)
    return Skeleton(body.names, body.parents, translations[0], rotations[0])


def _motion(name: str, puppet: Puppet, gauge: Float[np.ndarray, "joints 3 3"]) -> Motion:
    rotations, translations = _local(puppet, gauge)
    return Motion(name, FPS, continuous(rotations), translations)


def _mesh(body: Body, skin: Skin, coat: Paint, gauge: Float[np.ndarray, "joints 3 3"]) -> Mesh:
    """The skin with one bind per deforming joint."""
    joints = np.flatnonzero(deforming(body))
    place = np.zeros(len(body.names), dtype=np.int32)
    place[joints] = np.arange(len(joints))
    bind = compose(matrix_to_quat(gauge[joints]), body.heads[joints])
    tint = skin.tints[skin.faces[:, 0]]
    sheet = np.isin(tint, [TINTS.index("membrane")]) | skin.thin[skin.faces[:, 0]]
    materials = np.where(sheet, 2, np.where(tint == TINTS.index("skin"), 0, 1))
    return Mesh(
        skin.vertices,
        skin.faces,
        place[skin.indices],
        skin.weights,
        joints,
        inverse_affine(bind),
        skin.normals,
        coat.uvs,
        coat.colours,
        materials,
        coat.materials,
    )
